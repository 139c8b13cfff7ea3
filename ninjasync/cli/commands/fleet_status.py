"""``fleet status``: what the ledgers alone tell of each tenant."""

import typer

from ninjasync.cli import clock, fleet_options, shared_options
from ninjasync.cli.fleet_session import choose_from, deliver_table, load_named_fleet
from ninjasync.cli.options import Invocation
from ninjasync.fleet.status import read_status
from ninjasync.report.formats import Format

OPTIONS = fleet_options.WHICH


def status(
    ctx: typer.Context,
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
) -> int:
    """Read the ledgers and show the table."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(format, output)
    fleet = choose_from(load_named_fleet(invocation), invocation)
    result = read_status(fleet.tenants, clock.now())
    deliver_table(invocation, result)
    return result.exit_code
