"""``explain``: one user's whole story, read-only."""

import os
from typing import Annotated

import typer

from ninjasync.cli import clock, shared_options
from ninjasync.cli.options import Invocation, PlainFormat
from ninjasync.cli.session import context_of, load_config, show_reading
from ninjasync.explain import run
from ninjasync.report import explain as report
from ninjasync.report.formats import Format
from ninjasync.runs.inspection import inspect


def explain(
    ctx: typer.Context,
    who: Annotated[
        str,
        typer.Argument(
            metavar="WHO",
            help="E-mail, Duo username, Duo user id, NinjaOne id, or a token of --redact.",
            show_default=False,
        ),
    ],
    format: shared_options.PlainFormatOption = PlainFormat.TEXT,
) -> int:
    """Read both sides as a plan does, and show what decides about the user."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(Format(format))
    config = load_config(invocation)
    key = os.fsencode(os.environ.get("NINJASYNC_REDACT_KEY", "")) or None
    with show_reading(invocation) as tell, inspect(context_of(invocation, config, tell), key) as inspection:
        explanation = run.explain(config, who, inspection)
    if format is PlainFormat.JSON:
        invocation.deliver(report.render_json(explanation, clock.now(), invocation.tenant))
    else:
        invocation.deliver(report.render_text(explanation, color=invocation.color(), tenant=invocation.tenant))
    return 0
