"""What the commands of a fleet begin and end with: which tenants, a run over them with its progress, the table."""

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import assert_never

from ninjasync.cli import clock
from ninjasync.cli.fleet_progress import FleetProgress
from ninjasync.cli.logs import start_logging
from ninjasync.cli.options import Invocation, On
from ninjasync.cli.session import remark
from ninjasync.cli.signals import stop_on_signals
from ninjasync.cli.tenant_process import main_of
from ninjasync.config.fleet import Fleet, TenantFile, find_fleet
from ninjasync.fleet import monitor
from ninjasync.fleet.monitor import FleetInProgress
from ninjasync.fleet.run import Engine, FleetRun, run_tenants
from ninjasync.fleet.tenants import choose_tenants, file_name_of, load_fleet, parse_shard
from ninjasync.model.fleet import GOOD, FleetResult
from ninjasync.report import fleet as report
from ninjasync.report.escape import visible
from ninjasync.report.formats import Format

PLAN_SUFFIX = ".plan.json"
# What no line on standard error is about: what went well, and what follows from another tenant or from a signal.
_SAID_BY_THE_TABLE = GOOD | {"not begun", "interrupted"}


def load_named_fleet(invocation: Invocation) -> Fleet:
    """Start logging; return the fleet that the command line names, with all its tenants."""
    start_logging(invocation)
    return load_fleet(find_fleet(invocation.fleet.file))


def choose_from(fleet: Fleet, invocation: Invocation) -> Fleet:
    """Return the fleet with the tenants alone that this command is about."""
    given = invocation.fleet
    shard = parse_shard(given.shard) if given.shard is not None else None
    return replace(fleet, tenants=choose_tenants(fleet, given.tenants, shard))


@dataclass(frozen=True, slots=True)
class FleetSession:
    """The tenants of ``fleet``, and how command lines are run for them; ``folder`` is for results on their way.

    ``watch`` is what [fleet.monitor] is told at the end.
    """

    invocation: Invocation
    fleet: Fleet
    folder: Path
    watch: FleetInProgress
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
            documents=self.invocation.format is Format.HTML or bool(self.fleet.settings.monitor.notify),
            at_once=self.invocation.fleet.at_once,
            engine=self.engine,
        )
        stop = threading.Event()
        with FleetProgress(self.invocation, len(some)) as progress, stop_on_signals(stop, progress.announce_stop):
            return run_tenants(work, some, stop, progress.tell)

    def end(self, result: FleetResult) -> int:
        """Deliver the table, and return the exit code of the whole.

        Cron mails what is on standard error: what was refused or failed, where no terminal shows the table.
        """
        self.watch.result = result
        deliver_table(self.invocation, result)
        if self.invocation.writes_to_terminal():
            return result.exit_code
        for row in result.rows:
            if row.outcome not in _SAID_BY_THE_TABLE:
                word = "Refused" if row.outcome == "refused" else "Error"
                remark(self.invocation, visible(f"{word}: {row.error} [tenant {row.tenant}]"))
        return result.exit_code


@contextmanager
def open_session(invocation: Invocation, command: str) -> Iterator[FleetSession]:
    """Choose the tenants, and have a folder that only this user may read: tenants' documents hold names.

    [fleet.monitor] is told at the end; but of a plan on a terminal nothing, as its user sees it.
    """
    whole = load_named_fleet(invocation)
    fleet = choose_from(whole, invocation)
    known = frozenset(tenant.name for tenant in whole.tenants)
    narrowed, shard = bool(invocation.fleet.tenants), invocation.fleet.shard or ""
    watch = FleetInProgress(fleet, command, clock.now(), not narrowed, shard, known)
    watched = command == "apply" or (command == "plan" and not sys.stderr.isatty())
    if watched and fleet.settings.monitor.has_listeners:
        invocation.at_end = partial(_notify, watch)
    with tempfile.TemporaryDirectory(prefix="ninjasync-fleet-") as folder, ExitStack() as stack:
        engine = None
        if invocation.fleet.on is On.WORKERS:
            from ninjasync.fleet.asking import ask_workers  # needs the extra "fleet"

            engine = stack.enter_context(ask_workers(fleet))
        yield FleetSession(invocation, fleet, Path(folder), watch, engine)


def _notify(watch: FleetInProgress, exit_code: int, error: BaseException | None) -> None:
    monitor.notify(watch, exit_code, error, clock.now())


def plan_file(folder: Path, tenant: str) -> Path:
    """Return where the saved plan of a tenant of this name is."""
    return folder / f"{file_name_of(tenant)}{PLAN_SUFFIX}"


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
            from ninjasync.report.fleet_html import render_html  # needs Jinja2

            invocation.deliver(render_html(result, clock.now()))
        case other:
            assert_never(other)
