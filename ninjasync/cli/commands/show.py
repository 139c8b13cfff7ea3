"""``show``: a saved plan once more."""

from pathlib import Path
from typing import Annotated

import typer

from ninjasync.cli import clock, shared_options
from ninjasync.cli.options import Invocation
from ninjasync.cli.results import deliver_plan, redact_plan
from ninjasync.cli.session import load_config, remark
from ninjasync.errors import ConfigurationError
from ninjasync.model.message import Message
from ninjasync.report.formats import Format
from ninjasync.runs.plan import redaction_key
from ninjasync.runs.sealing import check_seal
from ninjasync.state import saved_plan


def show(
    ctx: typer.Context,
    planfile: Annotated[Path, typer.Argument(metavar="PLANFILE", help="A plan that plan --out saved.")],
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
    redact: shared_options.RedactOption = False,
) -> int:
    """Read a saved plan and show it; redaction and the seal need the configuration, for the ledger's keys."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(format, output, redact=redact)
    saved = saved_plan.read(planfile)
    try:
        config = load_config(invocation)
    except ConfigurationError:
        if redact:
            raise
        unproven = Message("The seal of the saved plan was not checked: there is no valid configuration.")
    else:
        unproven = check_seal(saved, config, planfile)
    if unproven:
        remark(invocation, f"warning: {unproven}")
    shown = redact_plan(saved.plan, redaction_key(config, clock.now())) if redact else saved.plan
    deliver_plan(invocation, shown, saved.created_at)
    return 0
