"""``fleet``: plan, apply and status for many tenants."""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from ninjasync.cli import shared_options
from ninjasync.cli.help import Command, Group
from ninjasync.cli.options import Invocation, with_globals
from ninjasync.cli.session import confirmed
from ninjasync.report.formats import Format

if TYPE_CHECKING:
    from ninjasync.config.fleet import Fleet, TenantFile
    from ninjasync.fleet.run import FleetRun
    from ninjasync.model.fleet import FleetResult

app = typer.Typer(
    cls=Group,
    help="The same for many tenants: each in a process of its own, and one table of all.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
)

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
    typer.Option("--at-once", metavar="N", min=1, max=256, help="Tenants at once, in place of [fleet] at_once."),
]


@app.callback()
@with_globals
def fleet_group(invocation: Invocation) -> None:
    """Take the options that stand before the command."""


def plan(
    invocation: Invocation,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Save each tenant's plan here, for fleet apply DIR.")
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when there are changes.")
    ] = False,
    fleet: FleetOption = None,
    tenant: TenantOption = None,
    shard: ShardOption = None,
    at_once: AtOnceOption = None,
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
) -> int:
    """Plan for every tenant, and show one table. Writes nothing to NinjaOne."""
    invocation.result_goes(format, output)
    found, tenants = _chosen(invocation, fleet, tenant, shard)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True, mode=0o700)
    extra = ["--detailed-exitcode"] if detailed_exitcode else []

    def arguments(one: "TenantFile") -> list[str]:
        return ["plan", *extra, *(["--out", str(_plan_file(out, one))] if out is not None else [])]

    with _results_folder() as folder:
        result = _run(invocation, _fleet_run("plan", found, folder, arguments, at_once), tenants)
    _deliver(invocation, result)
    return result.exit_code


def apply(
    invocation: Invocation,
    plans: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Apply exactly the plans that fleet plan --out DIR saved.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Plan and apply tenant by tenant, and ask nothing. Lifts no guard.")
    ] = False,
    fleet: FleetOption = None,
    tenant: TenantOption = None,
    shard: ShardOption = None,
    at_once: AtOnceOption = None,
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
) -> int:
    """Plan, show the table, ask once, and apply exactly those plans; or apply saved ones."""
    invocation.result_goes(format, output)
    from ninjasync.errors import CommandLineError

    if plans is None and not yes and not sys.stdin.isatty():
        raise CommandLineError("There is no terminal to ask on.", "Give --yes to apply without a question.")
    if plans is not None and not plans.is_dir():
        raise CommandLineError(f"{plans} is no folder.", "Give the folder that fleet plan --out DIR wrote.")
    found, tenants = _chosen(invocation, fleet, tenant, shard)
    with _results_folder() as folder:
        if plans is not None:
            result = _apply_saved(invocation, found, tenants, plans, folder, at_once)
        elif yes:
            made = _fleet_run("apply", found, folder, lambda one: ["apply", "--yes"], at_once)
            result = _run(invocation, made, tenants)
        else:
            result = _ask_and_apply(invocation, found, tenants, folder, at_once)
    _deliver(invocation, result)
    return result.exit_code


def status(
    invocation: Invocation,
    fleet: FleetOption = None,
    tenant: TenantOption = None,
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
) -> int:
    """Tell from the ledgers alone how each tenant's last run went. Asks neither Duo nor NinjaOne."""
    invocation.result_goes(format, output)
    from ninjasync.fleet.status import read_status

    _found, tenants = _chosen(invocation, fleet, tenant, None)
    result = read_status(tenants, _now())
    _deliver(invocation, result)
    return 0


def _ask_and_apply(
    invocation: Invocation, found: "Fleet", tenants: "Sequence[TenantFile]", folder: Path, at_once: int | None
) -> "FleetResult":
    """Plan for all, show the table, ask once, and apply exactly those plans that have changes and were not refused."""
    from dataclasses import replace

    from ninjasync.model.fleet import total
    from ninjasync.report.fleet import render_text

    plans = folder / "plans"
    plans.mkdir()
    planned = _run(
        invocation,
        _fleet_run("plan", found, folder, lambda one: ["plan", "--out", str(_plan_file(plans, one))], at_once),
        tenants,
    )
    typer.echo(render_text(planned, color=invocation.color(error=True)), nl=False, err=True)
    ready = {row.file for row in planned.rows if row.outcome == "changes"}
    others = [row for row in planned.rows if row.file not in ready]
    if not ready or planned.exit_code == 130:
        return planned
    if not confirmed(f"\nApply the plans of {len(ready)} tenant{'s' * (len(ready) != 1)}?"):
        rows = [
            replace(row, outcome="not begun", exit_code=3, error="the operator said no") if row.file in ready else row
            for row in planned.rows
        ]
        return total("apply", rows)
    some = [one for one in tenants if str(one.path) in ready]
    applied = _apply_saved(invocation, found, some, plans, folder, at_once)
    rest = [replace(row, outcome="done" if row.outcome == "no changes" else row.outcome) for row in others]
    whole = total("apply", [*applied.rows, *rest])
    return replace(whole, exit_code=130) if applied.exit_code == 130 else whole


def _apply_saved(
    invocation: Invocation,
    found: "Fleet",
    tenants: "Sequence[TenantFile]",
    plans: Path,
    folder: Path,
    at_once: int | None,
) -> "FleetResult":
    def arguments(one: "TenantFile") -> list[str] | None:
        file = _plan_file(plans, one)
        return ["apply", str(file)] if file.is_file() else None

    made = _fleet_run("apply", found, folder, arguments, at_once, why_not=f"{plans} has no plan of this tenant")
    return _run(invocation, made, tenants)


def _chosen(
    invocation: Invocation, fleet: Path | None, globs: list[str] | None, shard: str | None
) -> "tuple[Fleet, tuple[TenantFile, ...]]":
    """Start logging; return the fleet and the tenants that this command is about."""
    from ninjasync.cli.logs import start_logging
    from ninjasync.config.fleet import find_fleet
    from ninjasync.fleet.tenants import choose_tenants, load_fleet, parse_shard

    start_logging(invocation)
    found = load_fleet(find_fleet(fleet))
    return found, choose_tenants(found, globs or [], parse_shard(shard) if shard else None)


def _fleet_run(
    command: str,
    found: "Fleet",
    folder: Path,
    arguments: "Callable[[TenantFile], list[str] | None]",
    at_once: int | None,
    why_not: str = "",
) -> "FleetRun":
    from ninjasync.fleet.run import FleetRun

    return FleetRun(command, found.settings, run_and_exit, folder, _now().date(), arguments, why_not, at_once)


def run_and_exit(arguments: list[str]) -> None:
    """Run a tenant's command line in its own process, and end that with the exit code."""
    from ninjasync.cli import run

    try:
        code = run(arguments)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _run(invocation: Invocation, made: "FleetRun", tenants: "Sequence[TenantFile]") -> "FleetResult":
    """Run all, showing how it gets on; SIGINT and SIGTERM let those under way finish their calls."""
    from ninjasync.cli.fleet_progress import FleetProgress
    from ninjasync.fleet.run import run_tenants

    stop = threading.Event()
    with _stopping(stop), FleetProgress(invocation, len(tenants)) as progress:
        return run_tenants(made, tenants, stop, progress.tell)


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    def request(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        os.write(2, b"\nStopping: tenants under way finish the calls that they made; no other is begun.\n")

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _results_folder() -> Iterator[Path]:
    """Give a folder that only this user may read: tenants' documents hold names."""
    with tempfile.TemporaryDirectory(prefix="ninjasync-fleet-") as name:
        yield Path(name)


def _plan_file(folder: Path, tenant: "TenantFile") -> Path:
    from ninjasync.fleet.tenants import file_name_of

    return folder / f"{file_name_of(tenant)}.plan.json"


def _deliver(invocation: Invocation, result: "FleetResult") -> None:
    from ninjasync.report import fleet

    match invocation.format:
        case Format.TEXT:
            invocation.deliver(fleet.render_text(result, color=invocation.color()))
        case Format.JSON:
            invocation.deliver(fleet.render_json(result, _now()))
        case Format.MARKDOWN:
            invocation.deliver(fleet.render_markdown(result, _now()))
        case Format.HTML:
            from ninjasync.report.fleet_html import render_html

            invocation.deliver(render_html(result, _now()))


def _now() -> datetime:
    return datetime.now(UTC)


_PANEL = "Commands"

app.command("plan", cls=Command, rich_help_panel=_PANEL)(with_globals(plan))
app.command("apply", cls=Command, rich_help_panel=_PANEL)(with_globals(apply))
app.command("status", cls=Command, rich_help_panel=_PANEL)(with_globals(status))
