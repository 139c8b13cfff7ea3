"""``explain``: one user's whole story, read-only."""

from typing import Annotated

import typer

from ninjasync.cli import clock, shared_options
from ninjasync.cli.options import Invocation, PlainFormat
from ninjasync.cli.session import context_of, loaded, reading
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

    config = loaded(invocation)
    with reading(invocation):
        story = explained(context_of(invocation, config), who)
    if format is PlainFormat.JSON:
        invocation.deliver(report.render_json(story, clock.now(), invocation.tenant))
    else:
        invocation.deliver(report.render_text(story, color=invocation.color(), tenant=invocation.tenant))
    return 0
