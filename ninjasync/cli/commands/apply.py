"""``apply``: show, ask, write, report."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from ninjasync.cli import clock, shared_options
from ninjasync.cli.commands.plan import redaction_key
from ninjasync.cli.options import Invocation, LogFormat
from ninjasync.cli.session import complain, confirmed, context_of, remark, tell_no, tell_refusal, watched
from ninjasync.report.formats import Format, rendered_run

if TYPE_CHECKING:
    from ninjasync.model.outcome import Outcome, Result
    from ninjasync.model.plan import Plan
    from ninjasync.runs.apply import Applying


def apply(
    invocation: Invocation,
    planfile: Annotated[
        Path | None, typer.Argument(metavar="PLANFILE", help="Apply exactly this saved plan, and ask nothing.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing; needed without a terminal. Lifts no guard.")
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
    approve_removals: shared_options.RemovalsOption = None,
    approve_member_removals: shared_options.MemberRemovalsOption = None,
    approve_source: shared_options.SourceOption = None,
    approve_privilege_changes: shared_options.PrivilegesOption = None,
    approve_vanished: shared_options.VanishedOption = None,
    approve_held: shared_options.HeldOption = None,
) -> int:
    """Plan, ask, and apply to NinjaOne; or apply a saved plan."""
    invocation.result_goes(format, output)
    invocation.redact = redact
    from ninjasync.cli.progress import Progress
    from ninjasync.errors import CommandLineError
    from ninjasync.model.outcome import Result, exit_code
    from ninjasync.model.plan import Approvals
    from ninjasync.report import text
    from ninjasync.report.outline import left_to_do
    from ninjasync.runs.apply import applying, applying_saved

    if planfile is not None and only:
        raise CommandLineError("--only cannot narrow a saved plan.", "Make the plan with --only, then apply it.")
    asks = planfile is None and not yes
    if asks and not sys.stdin.isatty():
        raise CommandLineError("There is no terminal to ask on.", "Give --yes to apply without a question.")
    approvals = Approvals(
        removals=approve_removals,
        member_removals=approve_member_removals,
        source=approve_source,
        privilege_changes=approve_privilege_changes,
        held=approve_held,
        vanished=approve_vanished,
        strict=strict,
    )
    config, watch = watched(invocation, "apply", whole=not only)
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
        watch.plan = plan = run.plan
        told = _Told(plan, redaction_key(run.redaction_key()) if redact else None)
        shown = text.render_plan(told.plan, color=invocation.color(error=format is not Format.TEXT))
        as_it_goes = format is Format.TEXT and output is None
        if as_it_goes:
            invocation.deliver(shown)
        elif asks:
            typer.echo(shown, nl=False, err=True)
        said_no = asks and bool(plan.changes) and not plan.refused and not confirmed(_question(len(plan.changes)))
        if plan.refused or said_no:
            result = Result.skipped(plan, "refused by a guard" if plan.refused else "the operator said no")
        else:
            with _stopping(invocation, context.stop), progress.applying(len(plan.writes)) as count:
                result = run.apply(parallelism=parallelism, tell=told.outcomes_to(count))
        watch.result = result
        if said_no:  # who said so need not be told
            invocation.watch = None
        code = 3 if said_no else exit_code(plan, result)
        if unrecorded := run.finish(result, code):
            code = code if code in (130, 6) else unrecorded.exit_code
    plan, result = told.plan, told.result(result)
    steps = left_to_do(result)
    if as_it_goes:
        invocation.deliver(text.render_result(result, plan, steps, color=invocation.color()))
    else:
        invocation.deliver(rendered_run(plan, clock.now(), format, result, code, steps))
        if format is Format.JSON and invocation.log_format is LogFormat.JSON:
            remark(invocation, *steps)
        elif format is Format.JSON:
            typer.echo(text.render_steps(steps), nl=False, err=True)
    tell_refusal(invocation, plan)
    if said_no:
        tell_no(invocation, "nothing was written", plan.tenant)
    for error in filter(None, (result.fatal, unrecorded)):
        complain(invocation, error)
    return code


class _Told:
    """A run as it is told: with ``key`` nobody is named."""

    def __init__(self, plan: "Plan", key: bytes | None) -> None:
        self._exact, self._key, self.plan = plan, key, plan
        if key is not None:
            from ninjasync.report.redact import redacted  # as below: most runs do not need it

            self.plan = redacted(plan, key)

    def outcomes_to(self, tell: "Callable[[Outcome], None]") -> "Callable[[Outcome], None]":
        """Return what tells ``tell`` of each outcome."""
        if self._key is None:
            return tell
        from ninjasync.report.redact import outcome_redactor

        redacted = outcome_redactor(self._exact, self._key)
        return lambda outcome: tell(redacted(outcome))

    def result(self, result: "Result") -> "Result":
        """Return the result."""
        if self._key is None:
            return result
        from ninjasync.report.redact import redacted_result

        return redacted_result(result, self._exact, self._key)


def _question(number: int) -> str:
    return f"\nApply {'this change' if number == 1 else f'these {number} changes'}?"


@contextmanager
def _stopping(invocation: Invocation, stop: threading.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM set ``stop``, so that the calls under way finish; a second one ends at once."""

    def request(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        with suppress(RuntimeError):  # where it came amid a write to the same stream
            remark(invocation, "Stopping: the calls under way finish, the rest is left to the next run.")

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
