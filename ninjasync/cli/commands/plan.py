"""``plan``: what would change, found out now."""

from pathlib import Path
from typing import Annotated

import typer

from ninjasync.cli import clock, shared_options
from ninjasync.cli.monitoring import load_watched
from ninjasync.cli.options import Invocation
from ninjasync.cli.results import deliver_plan, redact_plan
from ninjasync.cli.session import context_of, remark, report_refusal, show_reading
from ninjasync.files import write_private
from ninjasync.model.outcome import exit_code
from ninjasync.model.plan import Approvals
from ninjasync.report.formats import Format
from ninjasync.runs.plan import plan_run

OPTIONS = shared_options.APPROVALS


def plan(
    ctx: typer.Context,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Save the plan, for apply FILE (mode 0600).", rich_help_panel=shared_options.RESULT
        ),
    ] = None,
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
    detailed_exitcode: Annotated[
        bool,
        shared_options.flag(
            "--detailed-exitcode", help="Exit with 2 when there are changes.", rich_help_panel=shared_options.RESULT
        ),
    ] = False,
    only: shared_options.OnlyOption = None,
    strict: shared_options.StrictOption = False,
    redact: shared_options.RedactOption = False,
) -> int:
    """Read both sides, show the plan, and save it where that is asked for."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(format, output, redact=redact)
    approvals = Approvals(strict=strict, **invocation.approvals)
    config, watch = load_watched(invocation, "plan", whole=not only)
    with show_reading(invocation) as tell:
        planned = plan_run(context_of(invocation, config, tell), approvals, tuple(only or ()))
    watch.plan = planned.plan
    if out is not None:
        write_private(out, planned.file())
        if config.state.url is not None and not planned.is_sealed:
            remark(invocation, "warning: the saved plan has no seal, as the ledger gave no key; apply refuses it.")
    shown = redact_plan(planned.plan, planned.redaction_key) if redact else planned.plan
    deliver_plan(invocation, shown, clock.now())
    report_refusal(invocation, shown)
    return exit_code(planned.plan, detailed=detailed_exitcode)
