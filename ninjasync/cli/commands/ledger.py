"""``ledger``: what the ledger holds, and what can be done with it as a whole."""

from typing import Annotated

import typer

from ninjasync.cli import clock, shared_options
from ninjasync.cli.options import Invocation, PlainFormat
from ninjasync.cli.session import load_config, remark
from ninjasync.config.tenant import in_a_command, write_command
from ninjasync.report import ledger as report
from ninjasync.report.escape import visible
from ninjasync.report.formats import Format
from ninjasync.runs import copying, tenancy


def show(ctx: typer.Context, format: shared_options.PlainFormatOption = PlainFormat.TEXT) -> int:
    """Show the ledger."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(Format(format))
    ledger = tenancy.show(load_config(invocation))
    invocation.deliver((report.as_json if format is PlainFormat.JSON else report.as_text)(ledger, clock.now()))
    return 0


def copy(
    ctx: typer.Context,
    destination: Annotated[
        str,
        typer.Argument(
            metavar="DESTINATION", help="A file, a postgresql:// URL without password, or env:NAME of one with it."
        ),
    ],
    every: Annotated[
        bool, shared_options.flag("--all", help="Copy every tenant of the ledger, not this one alone.")
    ] = False,
) -> int:
    """Copy the ledger, and show by counts and digests that the copy is equal."""
    invocation: Invocation = ctx.obj
    place = copying.find_destination(destination)
    copied = copying.copy_ledger(load_config(invocation), place, clock.now(), every=every)
    invocation.deliver(report.copy_as_text(copied))
    return 0


def rename_tenant(
    ctx: typer.Context,
    old: Annotated[
        str,
        typer.Argument(metavar="OLD", help='The former tenant\'s name ("" for none), or an id that ledger show lists.'),
    ],
) -> int:
    """Move a former tenant's entries, and say how many they are."""
    invocation: Invocation = ctx.obj
    config = load_config(invocation)
    moved = tenancy.rename_tenant(config, old, clock.now())
    invocation.deliver(
        f"{moved.users} users, {moved.groups} groups and {moved.runs} runs of the tenant {in_a_command(old)} are now "
        f"those of {in_a_command(config.state.tenant)}.\n"
    )
    if not invocation.quiet:
        remark(invocation, visible(f"Next: {write_command(config, 'plan')}"))
    return 0


def upgrade(ctx: typer.Context) -> int:
    """Make or upgrade the tables, and say what the everyday role needs."""
    invocation: Invocation = ctx.obj
    config = load_config(invocation)
    place, version, grants = tenancy.upgrade(config, clock.now())
    invocation.deliver(report.upgraded_as_text(place, version, grants))
    return 0
