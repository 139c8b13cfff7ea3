"""``history``: past runs, what one of them did, and all that was done to one user."""

from typing import Annotated

import typer

from ninjasync.cli import shared_options
from ninjasync.cli.options import Invocation, PlainFormat
from ninjasync.cli.session import load_config
from ninjasync.errors import CommandLineError
from ninjasync.report import history as report
from ninjasync.report.formats import Format
from ninjasync.runs.history import read_history_of_user, read_run, read_runs


def history(
    ctx: typer.Context,
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")] = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="WHO", help="All that was ever done to this user: userName, Duo id or NinjaOne id."),
    ] = None,
    format: shared_options.PlainFormatOption = PlainFormat.TEXT,
) -> int:
    """Read the ledger, and show all runs, one run, or one user's operations."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(Format(format))
    if run is not None and user is not None:
        raise CommandLineError("RUN and --user exclude one another.", "Give one of them.")
    config = load_config(invocation)
    as_json = format is PlainFormat.JSON
    if user is not None:
        operations = read_history_of_user(config, user)
        invocation.deliver(
            (report.user_as_json if as_json else report.user_as_text)(user, operations, invocation.tenant)
        )
    elif run is None:
        runs = read_runs(config)
        invocation.deliver((report.runs_as_json if as_json else report.runs_as_text)(runs, invocation.tenant))
    else:
        past, operations_of_run = read_run(config, run)
        render = report.run_as_json if as_json else report.run_as_text
        invocation.deliver(render(past, operations_of_run, invocation.tenant))
    return 0
