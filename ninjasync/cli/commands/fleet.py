"""``fleet``: plan, apply and status for many tenants."""

import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from ninjasync import cli
from ninjasync.cli import clock, shared_options
from ninjasync.cli.fleet_progress import FleetProgress
from ninjasync.cli.logs import start_logging
from ninjasync.cli.options import Invocation
from ninjasync.cli.session import confirm, expect_terminal
from ninjasync.cli.signals import stop_on_signals
from ninjasync.config.fleet import Fleet, TenantFile, find_fleet
from ninjasync.errors import CommandLineError
from ninjasync.fleet.run import FleetRun, run_tenants
from ninjasync.fleet.status import read_status
from ninjasync.fleet.tenants import choose_tenants, file_name_of, load_fleet, parse_shard
from ninjasync.model.fleet import FleetResult, total
from ninjasync.model.message import Message, text
from ninjasync.report import fleet as report
from ninjasync.report.fleet_html import render_html
from ninjasync.report.formats import Format

FleetOption = Annotated[
    Path | None,
    typer.Option("--fleet", metavar="FILE", help="The fleet; else $NINJASYNC_FLEET, else ./fleet.toml."),
]
TenantOption = Annotated[
    list[str] | None, typer.Option("--tenant", metavar="GLOB", help="Only the tenants that this fits (repeatable).")
]
ShardOption = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="Every Nth tenant, beginning with the Ith: for CI and jobs."),
]
AtOnceOption = Annotated[
    int | None,
    typer.Option("--at-once", metavar="N", min=1, max=256, help="Tenants at once, in place of the fleet's at_once."),
]


def plan(
    ctx: typer.Context,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Save each tenant's plan here, for fleet apply DIR.")
    ] = None,
    detailed_exitcode: Annotated[
        bool, shared_options.flag("--detailed-exitcode", help="Exit with 2 when there are changes.")
    ] = False,
    fleet: FleetOption = None,
    tenant: TenantOption = None,
    shard: ShardOption = None,
    at_once: AtOnceOption = None,
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
) -> int:
    """Plan for the chosen tenants, keep the plans where that is asked for, and show the table."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(format, output)
    chosen = _choose(invocation, fleet, tenant, shard)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True, mode=0o700)
    extra = ["--detailed-exitcode"] if detailed_exitcode else []

    def arguments(file: TenantFile) -> list[str]:
        return ["plan", *extra, *(["--out", str(_plan_file(out, file))] if out is not None else [])]

    with _results_folder() as folder:
        result = _Work(invocation, chosen, Path(folder), at_once).run("plan", arguments)
    _deliver(invocation, result)
    return result.exit_code


def apply(
    ctx: typer.Context,
    plans: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Apply exactly the plans that fleet plan --out DIR saved.")
    ] = None,
    yes: Annotated[
        bool,
        shared_options.flag("--yes", "-y", help="Plan and apply tenant by tenant, and ask nothing. Lifts no guard."),
    ] = False,
    fleet: FleetOption = None,
    tenant: TenantOption = None,
    shard: ShardOption = None,
    at_once: AtOnceOption = None,
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
) -> int:
    """Apply saved plans, or plan and apply without a question, or plan for all, ask once and apply."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(format, output)
    if plans is None and not yes:
        expect_terminal("apply")
    if plans is not None and not plans.is_dir():
        raise CommandLineError(
            Message("{} is no folder.", text(plans)), "Give the folder that fleet plan --out DIR wrote."
        )
    chosen = _choose(invocation, fleet, tenant, shard)
    with _results_folder() as folder:
        work = _Work(invocation, chosen, Path(folder), at_once)
        if plans is not None:
            result = work.apply_saved(plans)
        elif yes:
            result = work.run("apply", lambda file: ["apply", "--yes"])
        else:
            result = work.ask_and_apply()
    _deliver(invocation, result)
    return result.exit_code


def status(
    ctx: typer.Context,
    fleet: FleetOption = None,
    tenant: TenantOption = None,
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
) -> int:
    """Read the ledgers and show the table."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(format, output)
    _deliver(invocation, read_status(_choose(invocation, fleet, tenant, None).tenants, clock.now()))
    return 0


def _choose(invocation: Invocation, named: Path | None, globs: list[str] | None, shard: str | None) -> Fleet:
    """Start logging; return the fleet with the tenants that this command is about."""
    start_logging(invocation)
    fleet = load_fleet(find_fleet(named))
    return replace(fleet, tenants=choose_tenants(fleet, globs or [], parse_shard(shard) if shard else None))


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be done for the tenants of ``fleet``; ``folder`` is for results on their way."""

    invocation: Invocation
    fleet: Fleet
    folder: Path
    at_once: int | None

    def run(
        self,
        command: str,
        arguments: Callable[[TenantFile], list[str] | None],
        tenants: Sequence[TenantFile] | None = None,
        why_not: str = "",
    ) -> FleetResult:
        """Run a command line for each, and show progress; signals let those under way finish their calls."""
        some = self.fleet.tenants if tenants is None else tenants
        settings = self.fleet.settings
        today = clock.now().date()
        work = FleetRun(command, settings, run_and_exit, self.folder, today, arguments, why_not, self.at_once)
        stop = threading.Event()
        with FleetProgress(self.invocation, len(some)) as progress, stop_on_signals(stop, progress.announce_stop):
            return run_tenants(work, some, stop, progress.tell)

    def apply_saved(self, plans: Path, tenants: Sequence[TenantFile] | None = None) -> FleetResult:
        """Apply the plans in a folder; a tenant without one is not begun."""

        def arguments(file: TenantFile) -> list[str] | None:
            plan_file = _plan_file(plans, file)
            return ["apply", str(plan_file)] if plan_file.is_file() else None

        return self.run("apply", arguments, tenants, why_not=f"{plans} has no plan of this tenant")

    def ask_and_apply(self) -> FleetResult:
        """Plan for all, show the table, ask once, and apply exactly the plans with changes that no guard refused."""
        plans = self.folder / "plans"
        plans.mkdir()
        planned = self.run("plan", lambda file: ["plan", "--out", str(_plan_file(plans, file))])
        typer.echo(report.render_text(planned, color=self.invocation.color(error=True)), nl=False, err=True)
        ready = {row.file for row in planned.rows if row.outcome == "changes"}
        if not ready or planned.exit_code == 130:
            return planned
        if not confirm(f"\nApply the plans of {len(ready)} tenant{'s' * (len(ready) != 1)}?"):
            rows = [
                replace(row, outcome="not begun", exit_code=3, error="the operator said no")
                if row.file in ready
                else row
                for row in planned.rows
            ]
            return total("apply", rows)
        applied = self.apply_saved(plans, [file for file in self.fleet.tenants if str(file.path) in ready])
        rest = [
            replace(row, outcome="done" if row.outcome == "no changes" else row.outcome)
            for row in planned.rows
            if row.file not in ready
        ]
        whole = total("apply", [*applied.rows, *rest])
        return replace(whole, exit_code=130) if applied.exit_code == 130 else whole


def run_and_exit(arguments: list[str]) -> None:
    """Run a tenant's command line in its own process, and end that with the exit code."""
    try:
        code = cli.run(arguments)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _results_folder() -> "tempfile.TemporaryDirectory[str]":
    """Return a folder that only this user may read: tenants' documents hold names."""
    return tempfile.TemporaryDirectory(prefix="ninjasync-fleet-")


def _plan_file(folder: Path, tenant: TenantFile) -> Path:
    return folder / f"{file_name_of(tenant)}.plan.json"


def _deliver(invocation: Invocation, result: FleetResult) -> None:
    match invocation.format:
        case Format.TEXT:
            invocation.deliver(report.render_text(result, color=invocation.color()))
        case Format.JSON:
            invocation.deliver(report.render_json(result, clock.now()))
        case Format.MARKDOWN:
            invocation.deliver(report.render_markdown(result, clock.now()))
        case Format.HTML:
            invocation.deliver(render_html(result, clock.now()))
