"""A plan from beginning to end: what the ledger knows, reading both sides, judging, what is kept of it.

Puts the parts together; decides nothing about users, writes nothing to NinjaOne, prints and asks nothing.
"""

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import SecretStr

from ninjasync.config import secrets
from ninjasync.config.context import RunContext
from ninjasync.config.expression import fields_within
from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.duo.reader import DuoReader
from ninjasync.errors import LedgerNotWritableError
from ninjasync.model.api_evidence import ApiEvidence
from ninjasync.model.message import Message, as_message, join, person, word
from ninjasync.model.ownership import Ownership
from ninjasync.model.plan import Approvals, Plan
from ninjasync.model.tenant import Tenant
from ninjasync.ninjaone.endpoint import connect
from ninjasync.ninjaone.reader import Reader
from ninjasync.planning.mapping import compile_mapping
from ninjasync.planning.moment import Moment
from ninjasync.planning.planner import Planning, make_plan
from ninjasync.runs import ledger_update, tenancy
from ninjasync.runs.api_evidence import begin_evidence
from ninjasync.runs.pausing import warn_of_pause
from ninjasync.runs.sealing import find_seal_key
from ninjasync.state import saved_plan
from ninjasync.state.ledger import Ledger
from ninjasync.state.store import store_of
from ninjasync.threads import result_of


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, as ``plan`` shows it; ``file`` makes the bytes for ``--out``."""

    plan: Plan
    file: Callable[[], bytes]
    redaction_key: bytes | None
    is_sealed: bool


def plan_run(context: RunContext, approvals: Approvals, only: tuple[str, ...]) -> Planned:
    """Make a plan. Needs no lock, and does with a ledger that cannot be written, or with none."""
    config, at = context.config, context.started_at
    tenant = tenant_of(config)
    token, secret = secrets.read_both(config)
    evidence = begin_evidence(context)
    with ExitStack() as stack:
        reader = Reader(stack.enter_context(connect(context, token)), context)
        ledger, owned, warnings = _ledger_for_a_plan(config, tenant, at)
        if ledger is not None:
            stack.callback(ledger.close)
        moment = begin_reading(
            context, reader, ledger, Moment(at, owned, approvals=approvals, only=only, warnings=tuple(warnings))
        )
        planning = read_and_plan(context, secret, reader, moment, evidence)
        plan, key, seal = planning.plan, None, find_seal_key(ledger)
        if ledger is not None and ledger.writable:
            try:
                key = ledger.memory.redaction_key()
                # An approval is for what is applied with it; a mere plan must not make it the new normal.
                ledger_update.keep(ledger, config, planning, moment, baseline=approvals.source is None)
            except LedgerNotWritableError as error:
                lost = Message("{} Of this plan nothing is kept there.", as_message(error.message))
                plan = replace(plan, warnings=(*plan.warnings, lost))

    def file() -> bytes:
        exact = ledger_update.exact(config, planning, moment, context.now())
        return saved_plan.dump(exact, tenant.id, saved_plan.config_digest(config), approvals, at, seal)

    return Planned(plan, file, key, seal is not None)


def redaction_key(config: Config, now: datetime) -> bytes | None:
    """Return the ledger's key of redaction tokens; None where there is no ledger to keep it."""
    ledger, _, _ = _ledger_for_a_plan(config, tenant_of(config), now)
    if ledger is None or not ledger.writable:
        return None
    with closing(ledger):
        return ledger.memory.redaction_key()


# --- the steps of a plan, which an apply takes too --------------------------------------------


def begin_reading(context: RunContext, reader: Reader, ledger: Ledger | None, moment: Moment) -> Moment:
    """Let ``reader`` begin; return ``moment`` with all that the ledger adds to it."""
    config = context.config
    # Were the ledger newer than NinjaOne's list, that would seem to lack what another run just made.
    with ledger.snapshot() if ledger is not None else nullcontext():
        before = ledger.memory.baseline() if ledger is not None else None
        paths = compile_mapping(config.attributes, config.safety).paths
        hidden = ledger is not None and ledger.memory.members_hidden
        reader.begin(paths, first=before is None, members_hidden=hidden)
        if ledger is None:
            return moment
        told = (*moment.warnings, *warn_of_pause(ledger, moment.now), *_under_way(ledger, tenant_of(config)))
        return moment_of(config, ledger, moment.now, moment.approvals, moment.only, told)


def moment_of(
    config: Config,
    ledger: Ledger,
    at: datetime,
    approvals: Approvals,
    only: tuple[str, ...],
    warnings: tuple[Message, ...],
) -> Moment:
    """Return all that a plan depends on beside both sides."""
    with _without_garbage_collection():
        owned = ledger.ownership(at)
    if not (owned.users or owned.groups) and (hint := tenancy.former(config, ledger)):
        warnings = (*warnings, join(" ", map(as_message, hint)))
    return Moment(at, owned, ledger.memory.baseline(), approvals, only, warnings, ledger.run_log.repeated())


def read_and_plan(
    context: RunContext,
    secret: SecretStr,
    reader: Reader,
    moment: Moment,
    evidence: Future[ApiEvidence] | None,
) -> Planning:
    """Read both sides, the target by ``reader``, and plan; ``evidence`` is what is being read of the public API."""
    config = context.config
    fields = fields_within((*config.attributes.values(), config.scope.where))
    with _without_garbage_collection(), closing(DuoReader(context, secret, fields=fields)) as duo:
        if evidence is not None:
            moment = replace(moment, api=result_of(evidence))
        return make_plan(config, duo, reader, moment)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Let Python look for no garbage cycles: what is read stays until the end, and has none.

    Else it looks through a growing world again and again: 0.6 of 5.3 seconds for 100,000
    users, who need no more memory so.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def _ledger_for_a_plan(config: Config, tenant: Tenant, at: datetime) -> tuple[Ledger | None, Ownership, list[Message]]:
    """Open the ledger as far as it can be, and say how far that is and why; and return what is known without it."""
    try:
        store = store_of(config)
    except LedgerNotWritableError as error:
        return None, Ownership(readable=False), [Message("{} The plan goes on without one.", as_message(error.message))]
    try:
        return Ledger.open(store, tenant, at), Ownership(), []
    except LedgerNotWritableError as error:
        try:
            ledger, known = Ledger.open_to_read(store, tenant), Ownership()
        except LedgerNotWritableError:  # a full disk, which has no room for what reading takes either
            ledger, known = None, Ownership(readable=False)
        how = "It is read, but cannot be written; the plan goes on without writing to it."
        how = how if ledger else "The plan goes on without it."
        return ledger, known, [Message("{} {}", as_message(error.message), word(how))]


def _under_way(ledger: Ledger, tenant: Tenant) -> list[Message]:
    """Say whether another run goes on or was cut short."""
    runs, _ = ledger.run_log.unfinished()
    if not runs:
        return []
    who = Message("The run {} of {}", word(runs[-1].id), person(runs[-1].actor))
    if ledger.database.holder(tenant) is not None:
        return [Message("{} is under way; this plan may be out of date when it has ended.", who)]
    return [Message("{} was cut short; the next apply settles what it left.", who)]
