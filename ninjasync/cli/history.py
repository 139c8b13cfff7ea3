"""``history``: past runs, and what one of them did."""

from typing import Annotated

import typer

from ninjasync.cli import choices
from ninjasync.cli.options import Format, Invocation, PlainFormat
from ninjasync.cli.start import loaded


def history(
    invocation: Invocation,
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")] = None,
    format: choices.PlainFormatOption = PlainFormat.TEXT,
) -> int:
    """Show past runs; for one run every operation with its outcome, before and after."""
    invocation.format = Format(format)
    from ninjasync.history import past_run, past_runs
    from ninjasync.report import history as report

    config = loaded(invocation)
    as_json = format is PlainFormat.JSON
    if run is None:
        runs = past_runs(config)
        invocation.deliver(report.runs_as_json(runs) if as_json else report.runs_as_text(runs))
    else:
        found, operations = past_run(config, run)
        render = report.run_as_json if as_json else report.run_as_text
        invocation.deliver(render(found, operations))
    return 0
