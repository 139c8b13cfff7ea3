"""One plan from beginning to end, and what past runs left in the ledger.

Puts the parts together; decides nothing about people, prints and asks nothing. What an
apply does beyond a plan is in ``apply_run``.
"""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from ninjasync import secrets
from ninjasync.config import Config
from ninjasync.directory import Baseline, Resource
from ninjasync.duo import DuoReader
from ninjasync.errors import CommandLineError, LedgerNotWritableError
from ninjasync.guards import Approvals
from ninjasync.ledger import Ledger, Operation, Run
from ninjasync.mapping import compile_mapping
from ninjasync.ninjaone import Reader
from ninjasync.plan import LastPlan, Plan
from ninjasync.planner import Moment, Planning, baseline_of, fields_read, make_plan
from ninjasync.progress import Tell, untold
from ninjasync.tenant import Tenant, tenant_of


def ledger_path(config: Config) -> Path:
    """Return where the ledger is."""
    if config.state.path:
        return config.file(config.state.path)
    import platformdirs

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
    token, secret = secrets.ninjaone_token(config), secrets.duo_secret_key(config)
    with ExitStack() as stack:
        reader = stack.enter_context(Reader(config, token, stop, tell))
        reader.begin(compile_mapping(config.attributes, config.safety).paths)
        ledger, warnings = _ledger_for_a_plan(config, tenant, at)
        if ledger is not None:
            stack.callback(ledger.close)
            warnings += _under_way(ledger, tenant)
        moment = moment_of(ledger, at, approvals, only, tuple(warnings))
        planning = read_and_plan(config, secret, reader, moment, stop, tell)
        # An approval is for what is applied with it; a mere plan must not make it the new normal.
        baseline = accepted_baseline(config, planning, moment) if approvals.source is None else None
        if ledger is not None and ledger.writable:
            ledger.uncontest(seen_names(planning, moment))
            remember(ledger, planning, moment)
            if baseline is not None:
                ledger.set_baseline(baseline)
        key = ledger.redaction_key() if ledger is not None and ledger.writable else None

    def file() -> bytes:
        from ninjasync import record, saved  # 10 ms, which most plans do not need

        exact = record.exact(config, planning, moment, now())
        return saved.dump(exact, tenant.id, saved.config_digest(config), approvals, at)

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
    from ninjasync import lock  # seldom needed

    who = f"The run {runs[-1].id} of {runs[-1].actor}"
    if lock.is_held(ledger.path, tenant):
        return [f"{who} is under way; this plan may be out of date when it has ended."]
    return [f"{who} was cut short; the next apply settles what it left."]


def moment_of(
    ledger: Ledger | None, at: datetime, approvals: Approvals, only: tuple[str, ...], warnings: tuple[str, ...]
) -> Moment:
    """Return all that a plan depends on beside both sides, as far as there is a ledger that knows it."""
    if ledger is None:
        return Moment(at, approvals=approvals, only=only, warnings=warnings)
    with _no_collection():
        owned = ledger.ownership(at)
    return Moment(at, owned, ledger.baseline(), approvals, only, warnings, ledger.repeated())


def read_and_plan(
    config: Config, secret: SecretStr, reader: Reader, moment: Moment, stop: threading.Event, tell: Tell
) -> Planning:
    """Read both sides, the target by ``reader``, and plan."""
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


def accepted_baseline(config: Config, planning: Planning, moment: Moment) -> Baseline | None:
    """Return what a complete read of the whole scope found, if no guard objected to it."""
    complete = not moment.only and planning.plan.evidence.unreadable == 0
    if complete and not any(guard.tripped for guard in planning.plan.guards):
        return baseline_of(config, planning, moment.now)
    return None


def remember(ledger: Ledger, planning: Planning, moment: Moment) -> None:
    """Keep of a plan of the whole world what ``explain`` tells of it: the guards, and what people are called."""
    if moment.only:
        return
    users = planning.source.users.values()
    # A username that is part of the address is no help in finding it.
    names = [user.label for user in users] + [user.username for user in users if user.username not in user.label]
    ledger.set_last_plan(LastPlan(moment.now, planning.plan.refused, planning.plan.guards), names)


def seen_names(planning: Planning, moment: Moment) -> list[tuple[Resource, str]]:
    """List the names that were refused as taken and whose holders this plan has seen."""
    contested = moment.owned.contested - planning.actual.hidden
    return sorted(contested)


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
