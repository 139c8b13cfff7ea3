"""One run from beginning to end: lock, ledger, what a killed run left, plan, apply, record.

Puts the parts together in the order that keeps the promises of CONTRACT §5. Decides
nothing about people, prints and asks nothing.
"""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from ninjasync import guards, lock, saved, secrets
from ninjasync.apply import apply_plan
from ninjasync.config import Config
from ninjasync.directory import Baseline, Resource
from ninjasync.duo import DuoReader
from ninjasync.errors import (
    CommandLineError,
    LedgerNotWritableError,
    NinjasyncError,
    RefusedForSafetyError,
)
from ninjasync.guards import Approvals
from ninjasync.journal import LedgerJournal, settle
from ninjasync.ledger import Ledger, Operation, Run
from ninjasync.ninjaone import Reader
from ninjasync.ninjaone_writer import Writer
from ninjasync.plan import LastPlan, Outcome, Plan, Result
from ninjasync.planner import Moment, Planning, baseline_of, fields_read, make_plan
from ninjasync.progress import Tell, untold
from ninjasync.stale import by_name, expect_fresh
from ninjasync.tenant import Tenant, tenant_of


def ledger_path(config: Config) -> Path:
    """Return where the ledger is."""
    if config.state.path:
        return config.file(config.state.path)
    return Path(platformdirs.user_state_dir("ninjasync", appauthor=False)) / "ledger.sqlite3"


def now() -> datetime:
    """Return the time that a run goes by."""
    return datetime.now(UTC)


# --- plan ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, as ``plan`` shows it; ``file`` makes the bytes for ``--out``."""

    plan: Plan
    file: Callable[[], bytes]
    redaction_key: bytes | None


def plan_run(
    config: Config, approvals: Approvals, only: tuple[str, ...], stop: threading.Event, tell: Tell = untold
) -> Planned:
    """Make a plan. Needs no lock, and does with a ledger that cannot be written, or with none."""
    at, tenant = now(), tenant_of(config)
    with ExitStack() as stack:
        ledger, warnings = _ledger_for_a_plan(config, tenant, at)
        if ledger is not None:
            stack.callback(ledger.close)
            warnings += _under_way(ledger, tenant)
        reader = stack.enter_context(Reader(config, secrets.ninjaone_token(config), stop, tell))
        moment = _moment(ledger, at, approvals, only, tuple(warnings))
        planning = _read_and_plan(config, reader, moment, stop, tell)
        # An approval is for what is applied with it; a mere plan must not make it the new normal.
        baseline = _baseline(config, planning, moment) if approvals.source is None else None
        if ledger is not None and ledger.writable:
            ledger.uncontest(_seen(planning, moment))
            _remember(ledger, planning, moment)
            if baseline is not None:
                ledger.set_baseline(baseline)
        key = ledger.redaction_key() if ledger is not None and ledger.writable else None

    def file() -> bytes:
        return saved.dump(_exact(config, planning, moment), tenant.id, saved.config_digest(config), approvals, at)

    return Planned(planning.plan, file, key)


def _ledger_for_a_plan(config: Config, tenant: Tenant, at: datetime) -> tuple[Ledger | None, list[str]]:
    path = ledger_path(config)
    try:
        return Ledger.open(path, tenant, at), []
    except LedgerNotWritableError:
        found = Ledger.open_to_read(path, tenant)
        how = "is read, but cannot be written" if found else "cannot be used"
        return found, [f"The ledger {path} {how}; the plan goes on without writing to it."]


def _under_way(ledger: Ledger, tenant: Tenant) -> list[str]:
    runs, _ = ledger.unfinished()
    if not runs:
        return []
    who = f"The run {runs[-1].id} of {runs[-1].actor}"
    if lock.is_held(ledger.path, tenant):
        return [f"{who} is under way; this plan may be out of date when it has ended."]
    return [f"{who} was cut short; the next apply settles what it left."]


def _moment(
    ledger: Ledger | None, at: datetime, approvals: Approvals, only: tuple[str, ...], warnings: tuple[str, ...]
) -> Moment:
    if ledger is None:
        return Moment(at, approvals=approvals, only=only, warnings=warnings)
    with _no_collection():
        owned = ledger.ownership(at)
    return Moment(at, owned, ledger.baseline(), approvals, only, warnings, ledger.repeated())


def _read_and_plan(config: Config, reader: Reader, moment: Moment, stop: threading.Event, tell: Tell) -> Planning:
    secret = secrets.duo_secret_key(config)
    with _no_collection(), closing(DuoReader(config, secret, stop, tell, fields_read(config))) as duo:
        return make_plan(config, duo, reader, moment)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let Python look for no garbage cycles: what is read stays until the end, and has none.

    Else it looks through a growing world again and again: 0.6 of 5.3 seconds for 100,000
    users, who need no more memory so.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if on:
            gc.enable()


def _baseline(config: Config, planning: Planning, moment: Moment) -> Baseline | None:
    """Return what a complete read of the whole scope found, if no guard objected to it."""
    complete = not moment.only and planning.plan.evidence.unreadable == 0
    if complete and not any(guard.tripped for guard in planning.plan.guards):
        return baseline_of(config, planning, moment.now)
    return None


def _remember(ledger: Ledger, planning: Planning, moment: Moment) -> None:
    """Keep of a plan of the whole world what ``explain`` tells of it: the guards, and what people are called."""
    if moment.only:
        return
    users = planning.source.users.values()
    # A username that is part of the address is no help in finding it.
    names = [user.label for user in users] + [user.username for user in users if user.username not in user.label]
    ledger.set_last_plan(LastPlan(moment.now, planning.plan.refused, planning.plan.guards), names)


def _exact(config: Config, planning: Planning, moment: Moment) -> saved.Exact:
    there = by_name(planning.actual)
    seen = {
        change.name: saved.fingerprint(there[change.name]) for change in planning.plan.changes if change.id is not None
    }
    baseline = baseline_of(config, planning, now())
    ours, our_groups = _ours(planning)
    # What may be written is judged again when the file is applied.
    plan = replace(planning.plan, writes=())
    return saved.Exact(
        plan,
        seen,
        ours,
        our_groups,
        _unclocked(planning),
        _clocks_to_stop(planning, moment),
        baseline.scope_digest,
        dict(baseline.groups),
        whole_scope=not moment.only,
    )


def _seen(planning: Planning, moment: Moment) -> list[tuple[Resource, str]]:
    """List the names that were refused as taken and whose holders this plan has seen."""
    contested = moment.owned.contested - planning.actual.hidden
    return sorted(contested)


def _deleted(planning: Planning, moment: Moment) -> frozenset[str]:
    """List the resources whose deletion NinjaOne accepted and that it no longer lists."""
    there = {user.id for user in planning.actual.users} | {group.id for group in planning.actual.groups}
    entries = [*moment.owned.users.values(), *moment.owned.groups.values()]
    return frozenset(entry.id for entry in entries if entry.deleted and entry.id not in there)


def _unclocked(planning: Planning) -> list[str]:
    """List the leavers whose accounts are inactive without a known date."""
    return [account.external_id for account in planning.difference.ladder.unclocked]


def _clocks_to_stop(planning: Planning, moment: Moment) -> list[str]:
    """List those whose account is active although it was deactivated once: that time does not count any more."""
    ours = planning.difference.ours
    return [
        duo_id
        for duo_id, entry in sorted(moment.owned.users.items())
        if entry.deactivated_at is not None and duo_id in ours and ours[duo_id].active
    ]


def _ours(planning: Planning) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    """List what was found to be ours, users and groups: Duo id, NinjaOne id, name."""
    users, groups = planning.difference.ours, planning.difference.our_groups
    return (
        [(duo_id, user.id or "", user.user_name) for duo_id, user in sorted(users.items())],
        [(duo_id, group.id or "", group.display_name) for duo_id, group in sorted(groups.items())],
    )


def redaction_key(config: Config) -> bytes | None:
    """Return the ledger's key of redaction tokens; None where there is no ledger to keep it."""
    ledger, _ = _ledger_for_a_plan(config, tenant_of(config), now())
    if ledger is None or not ledger.writable:
        return None
    with closing(ledger):
        return ledger.redaction_key()


# --- history ---------------------------------------------------------------------------------


def past_runs(config: Config) -> list[Run]:
    """Return this tenant's runs, the latest first."""
    ledger = Ledger.open_to_read(ledger_path(config), tenant_of(config))
    if ledger is None:
        return []
    with closing(ledger):
        return ledger.runs()


def past_run(config: Config, id_: str) -> tuple[Run, list[Operation]]:
    """Return the one run whose id begins with ``id_``, and its writes. Raises CommandLineError."""
    ledger = Ledger.open_to_read(ledger_path(config), tenant_of(config))
    found = []
    if ledger is not None:
        with closing(ledger):
            found = [run for run in ledger.runs(limit=10_000) if run.id.startswith(id_)]
            if len(found) == 1:
                return found[0], ledger.operations(found[0].id)
    what = f"{len(found)} runs have an id that begins" if found else "No run has an id that begins"
    raise CommandLineError(f'{what} with "{id_}".', "See ninjasync history for the runs.")


# --- apply -----------------------------------------------------------------------------------


class Applying:
    """A run that holds the lock: it has a plan, and carries it out or is told not to."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        writer: Writer,
        run: str,
        stop: threading.Event,
        plan: Plan,
        baseline: Baseline | None,
    ) -> None:
        self.plan, self._baseline = plan, baseline
        self._config, self._ledger, self._writer, self._run, self._stop = config, ledger, writer, run, stop

    def apply(self, *, parallelism: int | None, tell: Callable[[Outcome], None]) -> Result:
        """Write the plan and return what became of it. With this, its read becomes the baseline."""
        if self._baseline is not None:
            self._ledger.set_baseline(self._baseline)
        journal = LedgerJournal(self._ledger, self._run)
        return apply_plan(
            self.plan,
            self._writer,
            journal,
            parallelism=parallelism or self._config.run.parallelism,
            stop=self._stop,
            tell=tell,
        )

    def finish(self, result: Result, exit_code: int) -> None:
        """Put the end of the run into the history."""
        counts = {status: result.count(status) for status in ("applied", "failed", "skipped")}
        self._ledger.finish(self._run, exit_code, counts, now())


@contextmanager
def applying(
    config: Config,
    approvals: Approvals,
    only: tuple[str, ...],
    command: str,
    stop: threading.Event,
    lock_timeout: float,
    run_id: str = "",
    tell: Tell = untold,
) -> Iterator[Applying]:
    """Hold the lock, settle what a killed run left, read both sides and plan."""
    token = secrets.ninjaone_token(config)
    with (
        _begun(config, command, lock_timeout, run_id, tell) as (ledger, run, at),
        Writer(config, token, stop, tell) as writer,
    ):
        warnings = tuple(settle(ledger, run, writer, now()))
        moment = _moment(ledger, at, approvals, only, warnings)
        planning = _read_and_plan(config, writer, moment, stop, tell)
        ours, our_groups = _ours(planning)
        ledger.forget(planning.actual.vanished | _deleted(planning, moment))
        ledger.uncontest(_seen(planning, moment))
        _remember(ledger, planning, moment)
        _record(ledger, ours, our_groups, _unclocked(planning), _clocks_to_stop(planning, moment), at)
        baseline = _baseline(config, planning, moment)
        yield Applying(config, ledger, writer, run, stop, planning.plan, baseline)


@contextmanager
def applying_saved(
    config: Config,
    path: Path,
    approvals: Approvals,
    command: str,
    stop: threading.Event,
    lock_timeout: float,
    run_id: str = "",
    tell: Tell = untold,
) -> Iterator[Applying]:
    """Hold the lock and prove that a saved plan still stands: ours, unused, and nothing it touches has moved.

    Raises RefusedForSafetyError where it does not.
    """
    plan_file = read_saved(path)
    tenant = tenant_of(config)
    if plan_file.tenant != tenant.id:
        raise RefusedForSafetyError(
            f"The saved plan {path} is of another tenant (endpoint, Duo account or [state] tenant).",
            "Apply it with the configuration that it was made with.",
        )
    if plan_file.config_digest != saved.config_digest(config):
        raise RefusedForSafetyError(
            f"The saved plan {path} was made with another configuration.", "Make a new one with plan --out FILE."
        )
    token = secrets.ninjaone_token(config)
    with (
        _begun(config, command, lock_timeout, run_id, tell) as (ledger, run, at),
        Writer(config, token, stop, tell) as writer,
    ):
        if used := ledger.plan_used_by(plan_file.file_digest):
            raise RefusedForSafetyError(
                f"The saved plan {path} was applied already, by the run {used}.",
                "Make a new one with plan --out FILE.",
            )
        warnings = tuple(settle(ledger, run, writer, now()))
        plan = _judged_again(config, plan_file, approvals, warnings)
        if not plan.refused:
            expect_fresh(plan_file, writer, config.ninjaone.dialect.page_size)
            ledger.use_plan(plan_file.file_digest, run, at)
            exact = plan_file.exact
            _record(ledger, exact.ours, exact.our_groups, exact.unclocked, exact.clocks_to_stop, at)
        yield Applying(config, ledger, writer, run, stop, plan, _saved_baseline(plan_file, plan, at))


def read_saved(path: Path) -> saved.SavedPlan:
    """Read a saved plan. Raises RefusedForSafetyError where it was changed, NinjasyncError where there is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NinjasyncError(
            f"The saved plan {path} cannot be read: {error.strerror or error}.", "Check the path."
        ) from error
    return saved.load(data, str(path))


@contextmanager
def _begun(
    config: Config, command: str, timeout: float, run_id: str, tell: Tell
) -> Iterator[tuple[Ledger, str, datetime]]:
    """Hold the lock and begin a run; one that ends by an error is not taken for one that was killed."""
    tenant, path = tenant_of(config), ledger_path(config)
    with lock.held(path, tenant, timeout, now(), tell), closing(Ledger.open(path, tenant, now())) as ledger:
        at = now()
        ledger.prune(config.state.keep_history_days, at)
        run = ledger.begin(lock.actor(), command, at, run_id)
        try:
            yield ledger, run, at
        except BaseException as error:
            code = error.exit_code if isinstance(error, NinjasyncError) else 1 if isinstance(error, Exception) else 130
            if any(one.id == run for one in ledger.unfinished()[0]):
                ledger.finish(run, code, {}, now())
            raise


def _record(
    ledger: Ledger,
    ours: list[tuple[str, str, str]],
    our_groups: list[tuple[str, str, str]],
    unclocked: list[str],
    clocks_to_stop: list[str],
    at: datetime,
) -> None:
    """Record everything that was found to be ours, and set the leavers' clocks right (CONTRACT §6.1, §6.7)."""
    ledger.record("user", ours, at)
    ledger.record("group", our_groups, at)
    ledger.stop_clocks(clocks_to_stop)
    ledger.start_clocks(unclocked, at)


def _judged_again(config: Config, plan_file: saved.SavedPlan, approvals: Approvals, warnings: tuple[str, ...]) -> Plan:
    """Let the guards judge a saved plan once more, with the approvals in the file and those given now."""
    plan = plan_file.plan
    verdicts = guards.judge(plan.evidence, config.safety, plan_file.approvals.with_more(approvals))
    tripped = any(verdict.tripped for verdict in verdicts)
    writes, withheld = guards.permitted(plan.changes, plan.evidence, verdicts, config.safety)
    return replace(
        plan,
        guards=(*verdicts, guards.unreadable(plan.evidence, len(withheld))),
        refused=tripped and config.safety.on_refusal == "stop",
        writes=writes,
        withheld=withheld,
        warnings=(*warnings, *plan.warnings),
    )


def _saved_baseline(plan_file: saved.SavedPlan, plan: Plan, at: datetime) -> Baseline | None:
    complete = plan_file.exact.whole_scope and plan.evidence.unreadable == 0
    if not complete or any(guard.tripped for guard in plan.guards):
        return None
    return Baseline(at, plan.evidence.in_scope, plan_file.exact.scope_digest, plan_file.exact.scoped)
