"""``fleet work``: runs what ``fleet plan``, ``apply`` and ``check`` put into the queue with ``--on workers``."""

import logging
import threading
from typing import Annotated

import typer

from ninjasync.cli import clock, fleet_options, shared_options
from ninjasync.cli.logs import start_logging
from ninjasync.cli.options import Invocation
from ninjasync.cli.session import remark
from ninjasync.cli.signals import stop_on_signals
from ninjasync.cli.tenant_process import main_of
from ninjasync.config.fleet import find_fleet
from ninjasync.fleet import queue
from ninjasync.fleet.answering import Worker
from ninjasync.fleet.tenants import load_fleet
from ninjasync.fleet.working import work as work_on
from ninjasync.model.fleet import FleetRow
from ninjasync.report.escape import visible

OPTIONS = fleet_options.FLEET + fleet_options.HOW


def work(
    ctx: typer.Context,
    tables: Annotated[
        bool, shared_options.flag("--tables", help="Make the queue's tables, show what to grant to others, and end.")
    ] = False,
) -> int:
    """Make the tables, or run jobs until a signal comes."""
    invocation: Invocation = ctx.obj
    start_logging(invocation)
    # Their own lines are no sentences for an operator, and Python would write them where no one else does.
    for library in ("procrastinate", "psycopg", "asyncio"):
        logging.getLogger(library).addHandler(logging.NullHandler())
    fleet = load_fleet(find_fleet(invocation.fleet.file))
    if tables:
        address = queue.database_of(fleet)
        with queue.connect(address) as connection:
            queue.expect_tables(connection)
            invocation.deliver(queue.grants(connection, address))
        return 0

    def tell(row: FleetRow) -> None:
        if not invocation.quiet:
            seconds = f" after {row.seconds:.1f} s" if row.seconds is not None else ""
            remark(invocation, visible(f"{row.tenant}: {row.outcome}{seconds}{f': {row.error}' if row.error else ''}"))

    def announce() -> None:
        if not invocation.quiet:
            remark(invocation, f"Working on {len(fleet.tenants)} tenants, {at_once} at once. Ctrl-C ends it.")

    def announce_stop() -> None:
        remark(invocation, "Stopping: tenants under way finish the calls that they made, and go back into the queue.")

    at_once = invocation.fleet.at_once or fleet.settings.at_once
    stop = threading.Event()
    with stop_on_signals(stop, announce_stop):
        work_on(Worker(fleet, at_once, main_of(fleet), clock.now, tell), stop, announce)
    return 0
