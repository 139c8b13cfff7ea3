"""One apply from beginning to end: the lock, what a killed run left, plan, apply, record.

Puts the parts together in the order that keeps the promises of CONTRACT §5. Decides
nothing about people, prints and asks nothing.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ninjasync.config import secrets
from ninjasync.config.context import RunContext
from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.errors import (
    InterruptedRunError,
    LedgerError,
    NinjasyncError,
    RefusedForSafetyError,
    UnreachableError,
)
from ninjasync.model.api_evidence import ApiEvidence
from ninjasync.model.message import Message, as_message, join, number, text
from ninjasync.model.outcome import Outcome, Result
from ninjasync.model.ownership import Baseline
from ninjasync.model.plan import Approvals, Evidence, Plan, Vanished
from ninjasync.ninjaone.endpoint import connect
from ninjasync.ninjaone.reader import Reader
from ninjasync.ninjaone.writer import Writer
from ninjasync.planning import guards
from ninjasync.planning.mapping import compile_mapping
from ninjasync.planning.planner import baseline_of
from ninjasync.runs import ledger_update
from ninjasync.runs.api_evidence import begin_evidence
from ninjasync.runs.confirmation import confirm_writes
from ninjasync.runs.executor import apply_plan
from ninjasync.runs.freshness import administrators_at_risk, expect_fresh, expect_no_administrators
from ninjasync.runs.journal import LedgerJournal, explain_lasting_failures
from ninjasync.runs.pausing import refuse_while_paused
from ninjasync.runs.plan import moment_of, read_and_plan
from ninjasync.runs.recovery import await_lost_runs, recover_lost_writes
from ninjasync.runs.sealing import expect_seal
from ninjasync.state import lock, saved_plan
from ninjasync.state.ledger import Ledger
from ninjasync.state.store import store_of
from ninjasync.threads import Stop, result_of


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that holds the lock, under the id ``run`` in its ledger, since ``at``."""

    context: RunContext
    ledger: Ledger
    run: str
    at: datetime


class Applying:
    """A run that holds the lock: it has a plan, and carries it out or is told not to."""

    def __init__(self, begun: Begun, writer: Writer, plan: Plan, found: ledger_update.Found) -> None:
        self.plan, self._writer, self._found = plan, writer, found
        self._context, self._ledger, self._run, self._at = begun.context, begun.ledger, begun.run, begun.at

    def redaction_key(self) -> bytes:
        """Return the ledger's key of the redaction tokens."""
        return self._ledger.memory.redaction_key()

    def apply(self, *, parallelism: int | None, tell: Callable[[Outcome], None]) -> Result:
        """Write the plan and return what became of it.

        With this it is accepted: its read becomes the baseline, and last of all the ledger
        forgets what is gone. A ledger that fails ends the run (``fatal``), but loses nothing of the report.
        """
        self._accept()
        journal = LedgerJournal(self._ledger.run_log, self._run, self._context.now)
        if any(change.resource == "group" for change in self.plan.writes):
            self._writer.know(self._ledger.ownership(self._context.now()))
        result = apply_plan(
            self.plan,
            self._writer,
            journal,
            parallelism=parallelism or self._context.config.run.parallelism,
            stop=self._context.stop,
            tell=tell,
        )
        return _ended(self._context.stop, self._follow_up(result, journal))

    def _follow_up(self, result: Result, journal: LedgerJournal) -> Result:
        """Look at the writes once more and keep what they showed, as far as the ledger can; return what is known then.

        Nothing is asked of NinjaOne any more where the ledger was lost.
        """
        stop = self._context.stop
        try:
            self._ledger.flush()
            if stop.cause is None:
                confirmed = confirm_writes(self._context, result)
                self._put_down_denials(result, confirmed, journal)
                result = confirmed
                self._learn_from(result)
                result = explain_lasting_failures(self._context.config, result, self._ledger.run_log, self._run)
        except LedgerError as error:
            stop.abort(error)
        except InterruptedRunError:  # while it waited; the report must not be lost
            result = replace(result, interrupted=stop.cause is None)
        return result

    def _put_down_denials(self, written: Result, confirmed: Result, journal: LedgerJournal) -> None:
        for before, after in zip(written.outcomes, confirmed.outcomes, strict=True):
            if after.status != before.status:
                journal.deny(after)
        self._ledger.flush()

    def _learn_from(self, result: Result) -> None:
        """Keep in the ledger what the writing showed, and forget what is gone."""
        memory = self._ledger.memory
        if self._writer.members_shown:
            memory.learn_that_members_are_shown()
        elif self._writer.members_hidden:
            memory.learn_that_members_are_hidden()
        if ledger_update.may_forget(self.plan, result):
            gone = [one.id for one in ledger_update.to_forget(self.plan, result) if self._is_gone(one)]
            self._ledger.forget([*self._found.deleted, *gone])

    def _accept(self) -> None:
        """Record what was found to be ours, and set the leavers' clocks right (CONTRACT §6.1, §6.7)."""
        ledger, found = self._ledger, self._found
        if found.baseline is not None:
            ledger.memory.set_baseline(found.baseline)
        ledger.memory.uncontest(found.seen_names)
        ledger.record("user", found.ours, self._at)
        ledger.record("group", found.our_groups, self._at)
        ledger.stop_clocks(found.clocks_to_stop)
        ledger.start_clocks(found.undated, self._at)

    def _is_gone(self, one: Vanished) -> bool:
        """Whether NinjaOne still says that a resource is gone: a saved plan may be hours old."""
        try:
            return self._writer.endpoint.get(one.resource, one.id) is None
        except UnreachableError:
            return False

    def finish(self, result: Result, exit_code: int) -> LedgerError | None:
        """Put the end of the run into the history; return what kept it from that, where ``result`` does not say it."""
        counts = {status: result.count(status) for status in ("applied", "failed", "skipped")}
        counts["held"] = len(self.plan.problems)
        try:
            self._ledger.run_log.finish(self._run, exit_code, counts, self._context.now())
        except LedgerError as error:  # the report tells more of the run, so it must not be lost
            return None if isinstance(result.fatal, LedgerError) else error
        return None


def _ended(stop: Stop, result: Result) -> Result:
    """Return a result that says, where the ledger was lost, what that means for the run's changes."""
    lost = stop.cause
    if lost is None:
        return result
    applied, failed, skipped = (number(result.count(status)) for status in ("applied", "failed", "skipped"))
    told = Message(
        "Of {} changes {} were applied, {} failed, and {} were not tried or not to their end. The next apply looks in "
        "NinjaOne for what is not recorded and goes on from there.",
        number(len(result.outcomes)),
        applied,
        failed,
        skipped,
    )
    hint = join(" ", (as_message(part) for part in (lost.hint, told) if part))
    return replace(result, interrupted=False, fatal=LedgerError(lost.message, hint))


@contextmanager
def applying(
    context: RunContext, approvals: Approvals, only: tuple[str, ...], command: str, lock_timeout: float
) -> Iterator[Applying]:
    """Hold the lock, settle what a killed run left, read both sides and plan."""
    config = context.config
    token, secret = secrets.read_both(config)
    with (
        _begun(context, command, lock_timeout) as begun,
        connect(context, token) as endpoint,
    ):
        ledger, run, at = begun.ledger, begun.run, begun.at
        evidence = begin_evidence(context)
        warnings = tuple(recover_lost_writes(ledger, run, endpoint, context.now()))
        reader, writer = Reader(endpoint, context), Writer(endpoint, context)
        reader.begin(
            compile_mapping(config.attributes, config.safety).paths,
            first=ledger.memory.baseline() is None,
            members_hidden=ledger.memory.members_hidden,
        )
        moment = moment_of(config, ledger, at, approvals, only, warnings)
        planning = read_and_plan(context, secret, reader, moment, evidence)
        ledger_update.remember(ledger, planning, moment)
        found = ledger_update.found(planning, moment)
        users, disputed = ledger_update.undisputed(found.ours, moment.owned.users)
        groups, disputed_groups = ledger_update.undisputed(found.our_groups, moment.owned.groups)
        ledger.record("user", users, at)
        ledger.record("group", groups, at)
        baseline = ledger_update.accepted_baseline(
            planning.plan, baseline_of(context.config, planning, moment.now), whole=not moment.only
        )
        found = replace(found, ours=disputed, our_groups=disputed_groups, baseline=baseline)
        yield Applying(begun, writer, planning.plan, found)


@contextmanager
def applying_saved(
    context: RunContext, path: Path, approvals: Approvals, command: str, lock_timeout: float
) -> Iterator[Applying]:
    """Hold the lock and prove that a saved plan still stands: ours, unused, and nothing it touches has moved.

    Raises RefusedForSafetyError where it does not.
    """
    config, plan_file = context.config, saved_plan.read(path)
    tenant = tenant_of(config)
    if plan_file.tenant_id != tenant.id:
        raise RefusedForSafetyError(
            Message("The saved plan {} is of another tenant (endpoint, Duo account or [state] tenant).", text(path)),
            "Apply it with the configuration that it was made with.",
        )
    if plan_file.config_digest != saved_plan.config_digest(config):
        raise RefusedForSafetyError(
            Message("The saved plan {} was made with another configuration.", text(path)),
            "Make a new one with plan --out FILE.",
        )
    token = secrets.read_ninjaone_token(config)
    if config.ninjaone.api.url:
        secrets.read_api_client_secret(
            config
        )  # it is asked for after the writes: one that is missing is told before them
    with (
        _begun(context, command, lock_timeout) as begun,
        connect(context, token) as endpoint,
    ):
        ledger, run, at = begun.ledger, begun.run, begun.at
        unproven = expect_seal(plan_file, ledger.memory.known_seal_key(), path, required=config.state.url is not None)
        if used := ledger.memory.plan_used_by(plan_file.file_digest):
            raise RefusedForSafetyError(
                Message("The saved plan {} was applied already, by the run {}.", text(path), text(used)),
                "Make a new one with plan --out FILE.",
            )
        warnings = (*recover_lost_writes(ledger, run, endpoint, context.now()), *filter(None, [unproven]))
        seen = _evidence_again(config, plan_file, begin_evidence(context))
        plan = _judge_again(config, plan_file, seen, approvals, warnings)
        if not plan.refused:
            gone = {one.id for one in plan.evidence.vanished}
            ours = sorted(one.id for one in ledger.owned("user").values() if not one.deleted and one.id not in gone)
            expect_fresh(plan_file, Reader(endpoint, context), config.ninjaone.dialect.page_size, ours)
            ledger.memory.use_plan(plan_file.file_digest, run, at)
        saved = plan_file.exact
        in_scope = Baseline(at, plan.evidence.in_scope, saved.scope_digest, saved.scoped)
        baseline = ledger_update.accepted_baseline(plan, in_scope, whole=saved.whole_scope)
        found = replace(ledger_update.found_before(saved), baseline=baseline)
        yield Applying(begun, Writer(endpoint, context), plan, found)


@contextmanager
def _begun(context: RunContext, command: str, timeout: float) -> Iterator[Begun]:
    """Hold the lock and begin a run; one that ends by an error is not taken for one that was killed."""
    config, begun = context.config, context.now()
    with Ledger.holding(store_of(config), tenant_of(config), timeout, begun, context.listener) as ledger:
        at = context.now()
        ledger.run_log.prune(config.state.keep_history_days, at)
        run = ledger.run_log.begin(lock.actor(), command, at, context.run_id)
        try:
            refuse_while_paused(config, ledger, at)
            with ledger.database.watch(run, context.stop.abort):
                await_lost_runs(context, ledger, run)
                yield Begun(context, ledger, run, at)
        except BaseException as error:
            if isinstance(error, InterruptedRunError) and context.stop.cause is not None:
                raise context.stop.cause from error
            code = error.exit_code if isinstance(error, NinjasyncError) else 1 if isinstance(error, Exception) else 130
            with suppress(LedgerError):  # what ended the run is to be told; the next one takes this for one cut short
                if any(unfinished.id == run for unfinished in ledger.run_log.unfinished()[0]):
                    ledger.run_log.finish(run, code, {}, context.now())
            raise


def _evidence_again(config: Config, plan_file: saved_plan.SavedPlan, evidence: Future[ApiEvidence] | None) -> Evidence:
    """Return what the guards judge a saved plan by: who is a system administrator is asked again.

    Raises RefusedForSafetyError where the plan changes the account of one.
    """
    seen = plan_file.plan.evidence
    if evidence is None or not config.safety.protect_administrators:
        return seen
    now = result_of(evidence)
    expect_no_administrators(plan_file.plan, now)
    return replace(seen, administrators=administrators_at_risk(plan_file, now))


def _judge_again(
    config: Config,
    plan_file: saved_plan.SavedPlan,
    seen: Evidence,
    approvals: Approvals,
    warnings: tuple[Message, ...],
) -> Plan:
    """Let the guards judge a saved plan once more, with the approvals in the file and those given now."""
    plan = plan_file.plan
    approved = plan_file.approvals.with_more(approvals)
    judgement = guards.judge_changes(plan.changes, seen, config.safety, approved)
    return replace(
        plan,
        evidence=seen,
        guards=judgement.verdicts,
        refused=judgement.refused,
        writes=judgement.writes,
        withheld=judgement.withheld,
        warnings=(*warnings, *plan.warnings),
    )
