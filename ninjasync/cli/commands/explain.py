"""``explain``: one user's whole story, read-only."""

import threading
from typing import Annotated

import typer

from ninjasync.cli import shared_options
from ninjasync.cli.options import Invocation, PlainFormat
from ninjasync.cli.session import loaded, reading
from ninjasync.report.formats import Format


def explain(
    invocation: Invocation,
    who: Annotated[
        str, typer.Argument(metavar="WHO", help="E-mail, Duo username, Duo user id or NinjaOne id.", show_default=False)
    ],
    format: shared_options.PlainFormatOption = PlainFormat.TEXT,
) -> int:
    """Tell why a user has this NinjaOne account, or none. Reads only."""
    invocation.result_goes(Format(format), None)
    from ninjasync.explain.run import explain as explained
    from ninjasync.report import explain as report
    from ninjasync.runs.plan import now

    config = loaded(invocation)
    with reading(invocation):
        story = explained(config, who, threading.Event())
    if format is PlainFormat.JSON:
        invocation.deliver(report.render_json(story, now(), invocation.tenant))
    else:
        invocation.deliver(report.render_text(story, color=invocation.color(), tenant=invocation.tenant))
    return 0
