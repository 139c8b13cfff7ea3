"""``fleet apply``: saved plans, or plan and apply tenant by tenant, or plan for all, ask once and apply."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ninjasync.cli import fleet_options, shared_options
from ninjasync.cli.fleet_session import PLAN_SUFFIX, FleetSession, open_session, plan_file
from ninjasync.cli.options import Invocation, do_nothing
from ninjasync.cli.session import confirm, expect_terminal
from ninjasync.config.fleet import TenantFile
from ninjasync.errors import CommandLineError, RefusedForSafetyError
from ninjasync.fleet.tenants import parse_shard
from ninjasync.model.fleet import INTERRUPTED, FleetResult, FleetRow, total
from ninjasync.model.message import Message, counted, text
from ninjasync.report import fleet as report
from ninjasync.report.formats import Format

OPTIONS = fleet_options.WHICH + fleet_options.HOW + fleet_options.WHERE


def apply(
    ctx: typer.Context,
    plans: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Apply exactly the plans that fleet plan --out DIR saved.")
    ] = None,
    yes: Annotated[
        bool,
        shared_options.flag("--yes", "-y", help="Plan and apply tenant by tenant, and ask nothing. Lifts no guard."),
    ] = False,
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
) -> int:
    """Apply saved plans, or plan and apply without a question, or plan for all, ask once and apply."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(format, output)
    fleet_options.expect_here(invocation.fleet, {"DIR": plans is not None, "a question (give --yes)": not yes})
    if plans is None and not yes:
        expect_terminal("apply")
    if plans is not None and not plans.is_dir():
        raise CommandLineError(
            Message("{} is no folder.", text(plans)), "Give the folder that fleet plan --out DIR wrote."
        )
    with open_session(invocation, "apply") as session:
        if plans is not None:
            result = _apply_folder(session, plans)
        elif yes:
            result = session.run("apply", lambda file: ["apply", "--yes"])
        else:
            result = _ask_and_apply(session)
        return session.end(result)


def _expect_plans(session: FleetSession, plans: Path) -> None:
    """Raise CommandLineError where a folder has no plan of any of the chosen tenants."""
    tenants = [file for file in session.fleet.tenants if not file.mistakes]
    if tenants and not any(plan_file(plans, file.name).is_file() for file in tenants):
        raise CommandLineError(
            Message("{} has no plan of these tenants.", text(plans)), "Give the folder that fleet plan --out DIR wrote."
        )


def _apply_folder(session: FleetSession, plans: Path) -> FleetResult:
    """Apply the plans in a folder, and tell of those that are no tenant's; of several shards the first does."""
    _expect_plans(session, plans)
    result = _apply_saved(session, plans)
    asked = session.invocation.fleet
    if asked.tenants or (asked.shard and parse_shard(asked.shard)[0] != 1):
        return result
    of_fleet = {plan_file(plans, name) for name in session.watch.known}
    unknown = [
        FleetRow(
            file.name.removesuffix(PLAN_SUFFIX),
            str(file),
            "refused",
            RefusedForSafetyError.exit_code,
            error=f"The fleet has no tenant of this name, so its plan {file} is not applied",
        )
        for file in plans.iterdir()
        if file.name.endswith(PLAN_SUFFIX) and file not in of_fleet
    ]
    return total("apply", [*result.rows, *unknown], interrupted=result.exit_code == INTERRUPTED)


def _apply_saved(session: FleetSession, plans: Path, tenants: Sequence[TenantFile] | None = None) -> FleetResult:
    """Apply the plans in a folder; a tenant without one is refused."""

    def arguments(file: TenantFile) -> list[str] | None:
        saved = plan_file(plans, file.name)
        return ["apply", str(saved)] if saved.is_file() else None

    return session.run(
        "apply",
        arguments,
        tenants,
        why_not=f"There is no plan of this tenant in {plans}; make one with fleet plan --out DIR",
    )


def _ask_and_apply(session: FleetSession) -> FleetResult:
    """Plan for all, show the table, ask once, and apply exactly the plans with changes that no guard refused."""
    plans = session.folder / "plans"
    plans.mkdir()
    planned = session.run("plan", lambda file: ["plan", "--out", str(plan_file(plans, file.name))])
    shown = report.render_text(planned, color=session.invocation.color(error=True), ended=False)
    typer.echo(shown, nl=False, err=True)
    planned = _refuse_paused(planned)
    ready = _find_ready(session.fleet.tenants, planned)
    if not ready or planned.exit_code == INTERRUPTED:
        return planned
    if not confirm(f"\n{_question([row for row in planned.rows if row.file in ready])}"):
        rows = [
            replace(row, outcome="not begun", exit_code=3, error="the operator said no") if row.file in ready else row
            for row in map(_as_not_applied, planned.rows)
        ]
        session.invocation.at_end = do_nothing  # the user who answered knows
        return total("apply", rows)
    applied = _apply_saved(session, plans, [file for file in session.fleet.tenants if str(file.path) in ready])
    rest = [
        replace(row, outcome="done" if row.outcome == "no changes" else row.outcome)
        for row in map(_as_not_applied, planned.rows)
        if row.file not in ready
    ]
    return total("apply", [*applied.rows, *rest], interrupted=applied.exit_code == INTERRUPTED)


def _as_not_applied(row: FleetRow) -> FleetRow:
    """Return a plan's row as an apply's: what was only planned does not count."""
    return row if row.users is None else replace(row, users=0, groups=0, removals=0)


def _refuse_paused(planned: FleetResult) -> FleetResult:
    """Return the rows with those refused that a pause keeps from being applied."""
    rows = [
        replace(row, outcome="refused", exit_code=3) if row.waits and row.outcome == "changes" else row
        for row in planned.rows
    ]
    return total(planned.command, rows, interrupted=planned.exit_code == INTERRUPTED)


def _question(rows: Sequence[FleetRow]) -> str:
    """Ask for all tenants at once, and say how much it is."""
    users, groups, removals = (sum(getattr(row, name) or 0 for row in rows) for name in ("users", "groups", "removals"))
    parts = [counted(users, "user")] if users or not groups else []
    parts += [counted(groups, "group")] if groups else []
    verb = "changes" if users + groups == 1 else "change"
    removed = f", {counted(removals, 'removal')}" if removals else ", no removals"
    return f"Apply the plans of {counted(len(rows), 'tenant')}: {' and '.join(parts)} {verb}{removed}?"


def _find_ready(tenants: Sequence[TenantFile], planned: FleetResult) -> set[str]:
    """Return the files of the tenants whose plans may write something: also where a guard withholds a part alone."""
    withholding = {str(file.path) for file in tenants if file.config and file.config.safety.on_refusal == "withhold"}
    return {
        row.file
        for row in planned.rows
        if row.outcome == "changes"
        or (row.outcome == "refused" and not row.paused and row.file in withholding and (row.users or row.groups))
    }
