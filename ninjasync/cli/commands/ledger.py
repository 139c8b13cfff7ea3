"""``ledger``: what the ledger holds, and what can be done with it as a whole."""

from typing import Annotated

import typer

from ninjasync.cli import clock, shared_options
from ninjasync.cli.help import Command, Group
from ninjasync.cli.options import Invocation, PlainFormat, with_globals
from ninjasync.cli.session import loaded, remark
from ninjasync.report.formats import Format

app = typer.Typer(
    cls=Group,
    help="Show the ledger, or make a former tenant's entries this one's.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback()
@with_globals
def ledger(invocation: Invocation) -> None:
    """Take the options that stand before the command."""


def show(invocation: Invocation, format: shared_options.PlainFormatOption = PlainFormat.TEXT) -> int:
    """Show where the ledger is, its tenants with what it holds of each, and its schema."""
    invocation.format = Format(format)
    from ninjasync.report import ledger as report
    from ninjasync.runs import tenancy

    shown = tenancy.show(loaded(invocation))
    invocation.deliver(report.as_json(shown) if format is PlainFormat.JSON else report.as_text(shown))
    return 0


def rename_tenant(
    invocation: Invocation,
    old: Annotated[
        str,
        typer.Argument(metavar="OLD", help='The former [state] tenant ("" for none), or an id that ledger show lists.'),
    ],
) -> int:
    """Make the ledger's entries of a former tenant those of this configuration's."""
    from ninjasync.config.tenant import in_a_command
    from ninjasync.runs import tenancy

    config = loaded(invocation)
    moved = tenancy.rename_tenant(config, old, clock.now())
    invocation.deliver(
        f"{moved.users} users, {moved.groups} groups and {moved.runs} runs of the tenant {in_a_command(old)} are now "
        f"those of {in_a_command(config.state.tenant)}.\n"
    )
    if not invocation.quiet:
        remark(invocation, "Next: ninjasync plan")
    return 0


_PANEL = "Commands"

app.command("show", cls=Command, rich_help_panel=_PANEL)(with_globals(show))
app.command("rename-tenant", cls=Command, rich_help_panel=_PANEL)(with_globals(rename_tenant))
