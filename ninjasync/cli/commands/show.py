"""``show``: a saved plan once more."""

from pathlib import Path
from typing import Annotated

import typer

from ninjasync.cli import clock, shared_options
from ninjasync.cli.options import Invocation
from ninjasync.cli.results import deliver_plan, redact_plan
from ninjasync.cli.session import load_config
from ninjasync.report.formats import Format
from ninjasync.runs.plan import redaction_key
from ninjasync.state import saved_plan


def show(
    ctx: typer.Context,
    planfile: Annotated[Path, typer.Argument(metavar="PLANFILE", help="A plan that plan --out saved.")],
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
    redact: shared_options.RedactOption = False,
) -> int:
    """Read a saved plan and show it; only redaction needs the configuration, for the ledger's key."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(format, output, redact=redact)
    saved = saved_plan.read(planfile)
    shown = redact_plan(saved.plan, redaction_key(load_config(invocation), clock.now())) if redact else saved.plan
    deliver_plan(invocation, shown, saved.created_at)
    return 0
