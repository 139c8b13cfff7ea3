"""``apply``: show, ask, write, report."""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ninjasync.cli import clock, shared_options
from ninjasync.cli.monitoring import load_watched
from ninjasync.cli.options import Invocation, LogFormat, choose_redaction_key, do_nothing
from ninjasync.cli.progress import Progress
from ninjasync.cli.session import (
    complain,
    confirm,
    context_of,
    expect_terminal,
    remark,
    report_no,
    report_refusal,
)
from ninjasync.cli.signals import stop_on_signals
from ninjasync.errors import CommandLineError, NinjasyncError
from ninjasync.model.message import Message
from ninjasync.model.outcome import Result, exit_code
from ninjasync.model.plan import Approvals, Plan
from ninjasync.report import text
from ninjasync.report.formats import Format, renderer_of
from ninjasync.report.outline import left_to_do
from ninjasync.report.redact import outcome_redactor, redacted, redacted_error, redacted_result
from ninjasync.runs.apply import Applying, applying, applying_saved

OPTIONS = shared_options.APPROVALS


ParallelismOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=64, help="Concurrent requests to NinjaOne.")
]
LockTimeoutOption = Annotated[
    float, typer.Option(metavar="SECONDS", min=0, help="Wait so long for another run to end.")
]


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
    parallelism: ParallelismOption = None,
    lock_timeout: LockTimeoutOption = 0,
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
    with ExitStack() as stack:
        with progress.reading("Duo and NinjaOne" if planfile is None else "NinjaOne"):
            run = stack.enter_context(
                applying(context, approvals, tuple(only or ()), "apply", lock_timeout)
                if planfile is None
                else applying_saved(context, planfile, approvals, f"apply {planfile}", lock_timeout)
            )
        watch.plan = run.plan
        key = choose_redaction_key(run.redaction_key()) if redact else None
        view = _View(invocation, run.plan, key, run.plan if key is None else redacted(run.plan, key))
        view.show_plan(asks=asks)
        reason = _reason_to_skip(run.plan, asks=asks)
        result = Result.skipped(run.plan, Message(reason))
        if not reason:
            with stop_on_signals(context.stop, partial(remark, invocation, _STOPPING)):
                result = view.write(run, progress, parallelism)
        watch.result = result
        code = 3 if reason else exit_code(run.plan, result)
        unrecorded = run.finish(result, code)
    return view.report(result, code, reason, unrecorded)


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


@dataclass(frozen=True, slots=True)
class _View:
    """A run as the operator sees it; with a ``key``, ``shown`` and all that follows has tokens in place of names."""

    invocation: Invocation
    plan: Plan
    key: bytes | None
    shown: Plan

    @property
    def is_in_parts(self) -> bool:
        """As text on a terminal the plan is shown before the question, and what became of it after."""
        return self.invocation.format is Format.TEXT and self.invocation.output is None

    def show_plan(self, *, asks: bool) -> None:
        """Show the plan now, where it is a part of the result or where a question is about it."""
        color = self.invocation.color(error=self.invocation.format is not Format.TEXT)
        rendered = text.render_plan(self.shown, color=color)
        if self.is_in_parts:
            self.invocation.deliver(rendered)
        elif asks:
            typer.echo(rendered, nl=False, err=True)

    def write(self, run: Applying, progress: Progress, parallelism: int | None) -> Result:
        """Apply, telling of each outcome as it is shown."""
        redact = None if self.key is None else outcome_redactor(self.plan, self.key)
        with progress.applying(len(run.plan.writes)) as count:
            tell = count if redact is None else lambda outcome: count(redact(outcome))
            return run.apply(parallelism=parallelism, tell=tell)

    def report(self, result: Result, code: int, reason: str, unrecorded: NinjasyncError | None) -> int:
        """Show how it ended and what went wrong; return the exit code. ``reason`` says why nothing was written."""
        if unrecorded and code not in (130, 6):
            code = unrecorded.exit_code
        if self.key is not None:
            result = redacted_result(result, self.plan, self.key)
            unrecorded = redacted_error(unrecorded, self.key) if unrecorded else None
        self._show_result(result, code)
        if reason == _SAID_NO:
            self.invocation.at_end = do_nothing  # the user who answered knows
            report_no(self.invocation, "nothing was written", self.plan.tenant)
        for error in filter(None, (result.fatal, unrecorded)):
            complain(self.invocation, error)
        return code

    def _show_result(self, result: Result, code: int) -> None:
        """Show what became of the plan, the next steps, and what stood in the way."""
        invocation = self.invocation
        steps = left_to_do(result)
        if self.is_in_parts:
            invocation.deliver(text.render_result(result, self.shown, steps, color=invocation.color()))
        else:
            renderer = renderer_of(invocation.format)
            invocation.deliver(renderer.render(self.shown, clock.now(), result, code, steps))
        if invocation.format is Format.JSON and invocation.log_format is LogFormat.JSON:
            remark(invocation, *steps)
        elif invocation.format is Format.JSON:
            typer.echo(text.render_steps(steps), nl=False, err=True)
        report_refusal(invocation, self.shown)
