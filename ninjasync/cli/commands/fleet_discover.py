"""``fleet discover``: child accounts of a Duo Accounts API application, and which of them have no tenant file."""

from typing import Annotated

import typer

from ninjasync.cli import clock, fleet_options, shared_options
from ninjasync.cli.logs import start_logging
from ninjasync.cli.options import Invocation, PlainFormat
from ninjasync.config.fleet import find_fleet
from ninjasync.fleet.discovery import discover as discover_accounts
from ninjasync.report import discovery as report
from ninjasync.report.formats import Format

OPTIONS = fleet_options.FLEET


def discover(
    ctx: typer.Context,
    accounts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ACCOUNT]...", help="Write a tenant file for these child accounts, by name or id."),
    ] = None,
    format: shared_options.PlainFormatOption = PlainFormat.TEXT,
    output: shared_options.OutputOption = None,
) -> int:
    """List the child accounts; write files for those named, mode 0600, and never over one that is there."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(Format(format), output)
    start_logging(invocation)
    found, unreadable = discover_accounts(find_fleet(invocation.fleet.file), accounts or ())
    if format is PlainFormat.JSON:
        invocation.deliver(report.render_json(found, unreadable, clock.now()))
    else:
        invocation.deliver(report.render_text(found, unreadable))
    return 0
