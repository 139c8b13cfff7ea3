"""What the commands of a fleet begin and end with: which tenants, a run over them with its progress, the table."""

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ninjasync import cli
from ninjasync.cli import clock
from ninjasync.cli.fleet_progress import FleetProgress
from ninjasync.cli.logs import start_logging
from ninjasync.cli.options import Invocation, On
from ninjasync.cli.signals import stop_on_signals
from ninjasync.config.fleet import FLEET_VARIABLE, Fleet, TenantFile, find_fleet
from ninjasync.fleet.processes import Main
from ninjasync.fleet.run import Engine, FleetRun, run_tenants
from ninjasync.fleet.tenants import choose_tenants, file_name_of, load_fleet, parse_shard
from ninjasync.model.fleet import FleetResult
from ninjasync.report import fleet as report
from ninjasync.report.fleet_html import render_html
from ninjasync.report.formats import Format


def choose_fleet(invocation: Invocation) -> Fleet:
    """Start logging; return the fleet with the tenants that this command is about."""
    start_logging(invocation)
    given = invocation.fleet
    fleet = load_fleet(find_fleet(given.file))
    shard = parse_shard(given.shard) if given.shard else None
    return replace(fleet, tenants=choose_tenants(fleet, given.tenants, shard))


@dataclass(frozen=True, slots=True)
class FleetSession:
    """The tenants of ``fleet``, and how command lines are run for them; ``folder`` is for results on their way."""

    invocation: Invocation
    fleet: Fleet
    folder: Path
    engine: Engine | None = None

    def run(
        self,
        command: str,
        arguments: Callable[[TenantFile], list[str] | None],
        tenants: Sequence[TenantFile] | None = None,
        why_not: str = "",
    ) -> FleetResult:
        """Run a command line for each, and show progress; signals let those under way finish their calls."""
        some = self.fleet.tenants if tenants is None else tenants
        work = FleetRun(
            command,
            self.fleet.settings,
            main_of(self.fleet),
            self.folder,
            clock.now().date(),
            arguments,
            why_not,
            self.invocation.fleet.at_once,
            engine=self.engine,
        )
        stop = threading.Event()
        with FleetProgress(self.invocation, len(some)) as progress, stop_on_signals(stop, progress.announce_stop):
            return run_tenants(work, some, stop, progress.tell)


@contextmanager
def open_session(invocation: Invocation) -> Iterator[FleetSession]:
    """Choose the tenants, and have a folder that only this user may read: tenants' documents hold names."""
    fleet = choose_fleet(invocation)
    with tempfile.TemporaryDirectory(prefix="ninjasync-fleet-") as folder, ExitStack() as stack:
        engine = None
        if invocation.fleet.on is On.WORKERS:
            from ninjasync.fleet.asking import ask_workers  # needs the extra "fleet"

            engine = stack.enter_context(ask_workers(fleet, whole=invocation.format is Format.HTML))
        yield FleetSession(invocation, fleet, Path(folder), engine)


def main_of(fleet: Fleet) -> Main:
    """Return what runs a command line for a tenant of the fleet, in a process of its own."""
    return partial(run_and_exit, str(fleet.path.resolve()))


def run_and_exit(fleet: str, arguments: list[str]) -> None:
    """Run a tenant's command line in its own process, and end that with the exit code.

    Its defaults are those of the fleet in that file, whatever the file is called and wherever the tenant's is.
    """
    os.environ[FLEET_VARIABLE] = fleet
    try:
        code = cli.run(arguments)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def plan_file(folder: Path, tenant: TenantFile) -> Path:
    """Return where the saved plan of a tenant is."""
    return folder / f"{file_name_of(tenant)}.plan.json"


def deliver_table(invocation: Invocation, result: FleetResult) -> None:
    """Write the table to where the result goes."""
    match invocation.format:
        case Format.TEXT:
            invocation.deliver(report.render_text(result, color=invocation.color()))
        case Format.JSON:
            invocation.deliver(report.render_json(result, clock.now()))
        case Format.MARKDOWN:
            invocation.deliver(report.render_markdown(result, clock.now()))
        case Format.HTML:
            invocation.deliver(render_html(result, clock.now()))
