"""``history``: past runs, what one of them did, and what was ever done to one user."""

from typing import Annotated

import typer

from ninjasync.cli import shared_options
from ninjasync.cli.options import Invocation, PlainFormat
from ninjasync.cli.session import loaded
from ninjasync.report.formats import Format


def history(
    invocation: Invocation,
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")] = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="WHO", help="All that was ever done to this user: userName, Duo id or NinjaOne id."),
    ] = None,
    format: shared_options.PlainFormatOption = PlainFormat.TEXT,
) -> int:
    """Show past runs; for one run every operation with its outcome, before and after."""
    invocation.format = Format(format)
    from ninjasync.errors import CommandLineError
    from ninjasync.report import history as report
    from ninjasync.runs.history import past_of_user, past_run, past_runs

    if run is not None and user is not None:
        raise CommandLineError("RUN and --user exclude one another.", "Give one of them.")
    config = loaded(invocation)
    as_json = format is PlainFormat.JSON
    if user is not None:
        done = past_of_user(config, user)
        invocation.deliver((report.user_as_json if as_json else report.user_as_text)(user, done, invocation.tenant))
    elif run is None:
        runs = past_runs(config)
        invocation.deliver((report.runs_as_json if as_json else report.runs_as_text)(runs, invocation.tenant))
    else:
        found, operations = past_run(config, run)
        render = report.run_as_json if as_json else report.run_as_text
        invocation.deliver(render(found, operations, invocation.tenant))
    return 0
