"""What the ledgers alone tell of each tenant: how its last apply went, and what it left."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from ninjasync.config.fleet import TenantFile
from ninjasync.config.schema import Config
from ninjasync.config.tenant import write_command
from ninjasync.errors import NinjasyncError
from ninjasync.fleet.ledgers import Read, open_ledgers
from ninjasync.fleet.rows import broken_row
from ninjasync.model.fleet import FleetOutcome, FleetResult, FleetRow, outcome_of, total
from ninjasync.model.history import Run
from ninjasync.model.token_expiry import days_left
from ninjasync.runs.pausing import find_pause
from ninjasync.runs.tenancy import former
from ninjasync.state.ledger import Ledger


def read_status(tenants: Sequence[TenantFile], now: datetime) -> FleetResult:
    """Return a row for each tenant; the exit code of the whole tells of those of which nothing could be read."""
    with open_ledgers() as read:
        rows = [_row(tenant, read, now) for tenant in tenants]
    unread = [row for row in rows if row.outcome in ("failed", "configuration") and row.last_run is None]
    return FleetResult("status", total("status", rows).rows, total("status", unread).exit_code)


def _row(tenant: TenantFile, read: Read, now: datetime) -> FleetRow:
    config = tenant.config
    if config is None:
        return broken_row(tenant)
    days = days_left(config.ninjaone.token_expires, now.date())
    try:
        with read(config) as ledger:
            if ledger is None:
                return FleetRow(
                    tenant.name, str(tenant.path), "not begun", token_days=days, error="There is no ledger yet."
                )
            last, pending = ledger.run_log.last_apply(), ledger.run_log.count_unknown()
            outcome = _outcome(ledger, last) if last is not None else None
            pause, elsewhere = find_pause(ledger, now), former(config, ledger) if last is None else None
    except NinjasyncError as error:
        failed, code = outcome_of(error.exit_code, "failed"), error.exit_code
        return FleetRow(tenant.name, str(tenant.path), failed, code, token_days=days, error=f"{error} {error.hint}")
    told = [*(elsewhere or ()), *([str(pause.told)] if pause is not None else [])]
    if last is None or outcome is None:
        return FleetRow(
            tenant.name, str(tenant.path), "not begun", token_days=days, error=" ".join(told), paused=pause is not None
        )
    return FleetRow(
        tenant.name,
        str(tenant.path),
        outcome,
        last.exit_code,
        held=last.counts.get("held"),
        applied=last.counts.get("applied"),
        pending=pending,
        token_days=days,
        seconds=max((last.ended_at - last.started_at).total_seconds(), 0) if last.ended_at else None,
        last_run=last.started_at,
        error=" ".join([*told, *_sentences(outcome, last, pending, config)]),
        paused=pause is not None,
    )


def _outcome(ledger: Ledger, last: Run) -> FleetOutcome:
    """Return how the last run ended; one without an end goes on, or was cut short."""
    if last.ended_at is None and ledger.database.holder(ledger.tenant) is not None:
        return "under way"
    return outcome_of(last.exit_code, "done")


def _sentences(outcome: FleetOutcome, last: Run, pending: int, config: Config) -> Iterator[str]:
    if pending and outcome not in ("under way", "killed"):
        yield f"The outcome of {pending} write{'s' * (pending != 1)} is not known; the next apply looks."
    match outcome:
        case "under way":
            yield f"By {last.actor}."
        case "killed":
            yield "It was cut short; the next apply settles what it left."
        case "done":
            pass
        case "refused":
            yield f"Whether the next one is refused, too, and why: {write_command(config, 'plan')}"
        case _:
            yield f"It ended with exit code {last.exit_code}: {write_command(config, f'history {last.id}')}"
