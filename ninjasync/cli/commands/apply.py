"""``apply``: show, ask, write, report."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ninjasync.cli import clock, shared_options
from ninjasync.cli.monitoring import load_watched
from ninjasync.cli.options import Invocation, LogFormat, do_nothing
from ninjasync.cli.progress import Progress
from ninjasync.cli.session import (
    choose_redaction_key,
    complain,
    confirm,
    context_of,
    expect_terminal,
    remark,
    report_no,
    report_refusal,
)
from ninjasync.cli.signals import stop_on_signals
from ninjasync.errors import CommandLineError
from ninjasync.model.message import Message
from ninjasync.model.outcome import Outcome, Result, exit_code
from ninjasync.model.plan import Approvals, Plan
from ninjasync.report import text
from ninjasync.report.formats import Format, renderer_of
from ninjasync.report.outline import left_to_do
from ninjasync.report.redact import outcome_redactor, redacted, redacted_result
from ninjasync.runs.apply import Applying, applying, applying_saved

OPTIONS = shared_options.APPROVALS


def apply(
    ctx: typer.Context,
    planfile: Annotated[
        Path | None, typer.Argument(metavar="PLANFILE", help="Apply exactly this saved plan, and ask nothing.")
    ] = None,
    yes: Annotated[
        bool, shared_options.flag("--yes", "-y", help="Ask nothing; needed without a terminal. Lifts no guard.")
    ] = False,
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
    only: shared_options.OnlyOption = None,
    strict: shared_options.StrictOption = False,
    redact: shared_options.RedactOption = False,
    parallelism: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=64, help="Concurrent requests to NinjaOne.")
    ] = None,
    lock_timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Wait so long for another run to end.")
    ] = 0,
) -> int:
    """Make a plan, or read the saved one; show it, ask, write, and report what became of it."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(format, output, redact=redact)
    if planfile is not None and only:
        raise CommandLineError("--only cannot narrow a saved plan.", "Make the plan with --only, then apply it.")
    asks = planfile is None and not yes
    if asks:
        expect_terminal("apply")
    config, watch = load_watched(invocation, "apply", whole=not only)
    approvals = Approvals(strict=strict, **invocation.approvals)
    progress = Progress(invocation)
    context = context_of(invocation, config, progress.tell)
    begun: AbstractContextManager[Applying]
    if planfile is not None:
        begun = applying_saved(context, planfile, approvals, f"apply {planfile}", lock_timeout)
    else:
        begun = applying(context, approvals, tuple(only or ()), "apply", lock_timeout)
    with ExitStack() as stack:
        with progress.reading("Duo and NinjaOne" if planfile is None else "NinjaOne"):
            run = stack.enter_context(begun)
        watch.plan = run.plan
        view = _View(invocation, run.plan, choose_redaction_key(run.redaction_key()) if redact else None)
        view.show_plan(asks=asks)
        if reason := _reason_to_skip(run.plan, asks=asks):
            result = Result.skipped(run.plan, Message(reason))
        else:
            with (
                stop_on_signals(context.stop, partial(remark, invocation, _STOPPING)),
                progress.applying(len(run.plan.writes)) as count,
            ):
                result = run.apply(parallelism=parallelism, tell=view.redact_outcomes(count))
        watch.result = result
        code = 3 if reason else exit_code(run.plan, result)
        unrecorded = run.finish(result, code)
    if unrecorded and code not in (130, 6):
        code = unrecorded.exit_code
    result = view.redact_result(result)
    view.show_result(result, code)
    if reason == _SAID_NO:
        invocation.at_end = do_nothing  # the user who answered knows
        report_no(invocation, "nothing was written", run.plan.tenant)
    for error in filter(None, (result.fatal, unrecorded)):
        complain(invocation, error)
    return code


_SAID_NO = "the operator said no"
_STOPPING = "Stopping: the calls under way finish, the rest is left to the next run."


def _reason_to_skip(plan: Plan, *, asks: bool) -> str:
    """Ask, where that is to be done; return why nothing may be written, "" where the plan is to be applied."""
    if plan.refused:
        return "refused by a guard"
    if not asks or not plan.changes:
        return ""
    changes = "this change" if len(plan.changes) == 1 else f"these {len(plan.changes)} changes"
    return "" if confirm(f"\nApply {changes}?") else _SAID_NO


class _View:
    """A run as the operator sees it; with a ``key`` it shows tokens in place of names."""

    def __init__(self, invocation: Invocation, plan: Plan, key: bytes | None) -> None:
        self._invocation, self._plan, self._key = invocation, plan, key
        self._shown = plan if key is None else redacted(plan, key)
        # As text on a terminal the plan is shown before the question, and what became of it after.
        self._in_parts = invocation.format is Format.TEXT and invocation.output is None

    def show_plan(self, *, asks: bool) -> None:
        """Show the plan now, where it is a part of the result or where a question is about it."""
        color = self._invocation.color(error=self._invocation.format is not Format.TEXT)
        rendered = text.render_plan(self._shown, color=color)
        if self._in_parts:
            self._invocation.deliver(rendered)
        elif asks:
            typer.echo(rendered, nl=False, err=True)

    def redact_outcomes(self, tell: Callable[[Outcome], None]) -> Callable[[Outcome], None]:
        """Return what tells ``tell`` of each outcome as it is shown."""
        if self._key is None:
            return tell
        redact = outcome_redactor(self._plan, self._key)
        return lambda outcome: tell(redact(outcome))

    def redact_result(self, result: Result) -> Result:
        """Return the result as it is shown."""
        return result if self._key is None else redacted_result(result, self._plan, self._key)

    def show_result(self, result: Result, code: int) -> None:
        """Show what became of the plan, the next steps, and what stood in the way."""
        invocation = self._invocation
        steps = left_to_do(result)
        if self._in_parts:
            invocation.deliver(text.render_result(result, self._shown, steps, color=invocation.color()))
        else:
            renderer = renderer_of(invocation.format)
            invocation.deliver(renderer.render(self._shown, clock.now(), result, code, steps))
        if invocation.format is Format.JSON and invocation.log_format is LogFormat.JSON:
            remark(invocation, *steps)
        elif invocation.format is Format.JSON:
            typer.echo(text.render_steps(steps), nl=False, err=True)
        report_refusal(invocation, self._shown)
