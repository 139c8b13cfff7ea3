"""A run's time and place, and a plan from beginning to end.

Puts the parts together; decides nothing about people, prints and asks nothing. What an
apply does beyond a plan is in ``apply_run``.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ninjasync.config import secrets
from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.errors import LedgerNotWritableError
from ninjasync.model.events import Tell, untold
from ninjasync.model.plan import Approvals, Plan
from ninjasync.model.tenant import Tenant
from ninjasync.ninjaone.reader import Reader
from ninjasync.planning.mapping import compile_mapping
from ninjasync.runs import ledger_update
from ninjasync.state.ledger import Ledger
from ninjasync.state.sqlite import path_of
from ninjasync.threads import undisturbed


def now() -> datetime:
    """Return the time that a run goes by."""
    return datetime.now(UTC)


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
    token, secret = secrets.both(config)
    with ExitStack() as stack:
        reader = stack.enter_context(Reader(config, token, stop, tell))
        ledger, warnings = _ledger_for_a_plan(config, tenant, at)
        if ledger is not None:
            stack.callback(ledger.close)
        # Were the ledger newer than NinjaOne's list, that would seem to lack what another run just made.
        with ledger.as_it_is() if ledger is not None else nullcontext():
            before = ledger.baseline() if ledger is not None else None
            with undisturbed():
                paths = compile_mapping(config.attributes, config.safety).paths
                reader.begin(paths, before.in_scope if before else 0, first=before is None)
                from ninjasync.runs import plan_steps as steps  # 30 ms, while the first answers are on their way

            if ledger is not None:
                warnings += _under_way(ledger, tenant)
            moment = steps.moment_of(ledger, at, approvals, only, tuple(warnings))
        planning = steps.read_and_plan(config, secret, reader, moment, stop, tell)
        plan, key = planning.plan, None
        if ledger is not None and ledger.writable:
            try:
                key = ledger.redaction_key()
                # An approval is for what is applied with it; a mere plan must not make it the new normal.
                ledger_update.keep(ledger, config, planning, moment, baseline=approvals.source is None)
            except LedgerNotWritableError as error:
                plan = replace(plan, warnings=(*plan.warnings, f"{error.message} Of this plan nothing is kept there."))

    def file() -> bytes:
        from ninjasync.runs import ledger_update
        from ninjasync.state import saved_plan  # 10 ms, which most plans do not need

        exact = ledger_update.exact(config, planning, moment, now())
        return saved_plan.dump(exact, tenant.id, saved_plan.config_digest(config), approvals, at)

    return Planned(plan, file, key)


def _ledger_for_a_plan(config: Config, tenant: Tenant, at: datetime) -> tuple[Ledger | None, list[str]]:
    """Open the ledger as far as it can be, and say how far that is."""
    try:
        path = path_of(config)
    except LedgerNotWritableError as error:
        return None, [f"{error.message} The plan goes on without one."]
    try:
        return Ledger.open(path, tenant, at), []
    except LedgerNotWritableError:
        try:
            found = Ledger.open_to_read(path, tenant)
        except LedgerNotWritableError:  # a full disk, which has no room for what reading takes either
            found = None
        how = "is read, but cannot be written" if found else "cannot be used"
        return found, [f"The ledger {path} {how}; the plan goes on without writing to it."]


def _under_way(ledger: Ledger, tenant: Tenant) -> list[str]:
    """Say whether another run goes on or was cut short."""
    runs, _ = ledger.unfinished()
    if not runs:
        return []
    from ninjasync.state import lock  # seldom needed

    who = f"The run {runs[-1].id} of {runs[-1].actor}"
    if lock.is_held(ledger.path, tenant):
        return [f"{who} is under way; this plan may be out of date when it has ended."]
    return [f"{who} was cut short; the next apply settles what it left."]


def redaction_key(config: Config) -> bytes | None:
    """Return the ledger's key of redaction tokens; None where there is no ledger to keep it."""
    ledger, _ = _ledger_for_a_plan(config, tenant_of(config), now())
    if ledger is None or not ledger.writable:
        return None
    with closing(ledger):
        return ledger.redaction_key()
