"""What the ledgers alone tell of each tenant: how its last run went, and what it left."""

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime

from ninjasync.config.fleet import TenantFile
from ninjasync.config.tenant import tenant_of
from ninjasync.errors import NinjasyncError
from ninjasync.model.fleet import FleetResult, FleetRow, outcome_of, total
from ninjasync.model.token_expiry import days_left
from ninjasync.state.ledger import Ledger
from ninjasync.state.sqlite import ledger_path


def read_status(tenants: Sequence[TenantFile], now: datetime) -> FleetResult:
    """Return a row for each tenant; the exit code of the whole is 0, for nothing was run."""
    rows = [_row(tenant, now) for tenant in tenants]
    found = total("status", rows)
    return FleetResult("status", found.rows, 0)


def _row(tenant: TenantFile, now: datetime) -> FleetRow:
    if tenant.config is None:
        return FleetRow(tenant.name, str(tenant.path), "configuration", 78, error="; ".join(tenant.mistakes))
    days = days_left(tenant.config.ninjaone.token_expires, now.date())
    try:
        ledger = Ledger.open_to_read(ledger_path(tenant.config), tenant_of(tenant.config))
        if ledger is None:
            return FleetRow(tenant.name, str(tenant.path), "not begun", token_days=days, error="no ledger yet")
        with closing(ledger):
            runs, unfinished = ledger.run_log.runs(limit=1), ledger.run_log.unfinished()[1]
    except NinjasyncError as error:
        return FleetRow(tenant.name, str(tenant.path), "failed", 1, token_days=days, error=f"{error} {error.hint}")
    if not runs:
        return FleetRow(tenant.name, str(tenant.path), "not begun", token_days=days, error="no apply yet")
    last = runs[0]
    outcome = outcome_of(last.exit_code, "apply", changes=False)
    pending = f"; {len(unfinished)} writes to look for" if unfinished else ""
    ended = last.ended_at
    return FleetRow(
        tenant.name,
        str(tenant.path),
        outcome,
        last.exit_code,
        users=last.counts.get("applied", 0),
        token_days=days,
        seconds=(ended - last.started_at).total_seconds() if ended else 0.0,
        error=f"last apply {last.started_at:%Y-%m-%d %H:%M} UTC{pending}",
    )
