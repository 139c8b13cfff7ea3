"""A run's time and place, and a plan from beginning to end.

Puts the parts together; decides nothing about people, prints and asks nothing. What an
apply does beyond a plan is in ``apply_run``.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ninjasync import plan_steps as steps
from ninjasync import secrets
from ninjasync.config import Config
from ninjasync.errors import LedgerNotWritableError
from ninjasync.guards import Approvals
from ninjasync.mapping import compile_mapping
from ninjasync.ninjaone import Reader
from ninjasync.plan import Plan
from ninjasync.progress import Tell, untold
from ninjasync.tenant import tenant_of


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
    token, secret = secrets.ninjaone_token(config), secrets.duo_secret_key(config)
    with ExitStack() as stack:
        reader = stack.enter_context(Reader(config, token, stop, tell))
        ledger, warnings = steps.ledger_for_a_plan(config, tenant, at)
        if ledger is not None:
            stack.callback(ledger.close)
        # Were the ledger newer than NinjaOne's list, that would seem to lack what another run just made.
        with ledger.as_it_is() if ledger is not None else nullcontext():
            reader.begin(compile_mapping(config.attributes, config.safety).paths)
            if ledger is not None:
                warnings += steps.under_way(ledger, tenant)
            moment = steps.moment_of(ledger, at, approvals, only, tuple(warnings))
        planning = steps.read_and_plan(config, secret, reader, moment, stop, tell)
        plan, key = planning.plan, None
        if ledger is not None and ledger.writable:
            try:
                key = ledger.redaction_key()
                # An approval is for what is applied with it; a mere plan must not make it the new normal.
                steps.keep(ledger, config, planning, moment, baseline=approvals.source is None)
            except LedgerNotWritableError as error:
                plan = replace(plan, warnings=(*plan.warnings, f"{error.message} Of this plan nothing is kept there."))

    def file() -> bytes:
        from ninjasync import record, saved  # 10 ms, which most plans do not need

        exact = record.exact(config, planning, moment, now())
        return saved.dump(exact, tenant.id, saved.config_digest(config), approvals, at)

    return Planned(plan, file, key)


def redaction_key(config: Config) -> bytes | None:
    """Return the ledger's key of redaction tokens; None where there is no ledger to keep it."""
    ledger, _ = steps.ledger_for_a_plan(config, tenant_of(config), now())
    if ledger is None or not ledger.writable:
        return None
    with closing(ledger):
        return ledger.redaction_key()
