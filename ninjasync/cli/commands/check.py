"""``check``: is everything in place, line by line; and ``--probe``, which tries writing."""

import secrets
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ninjasync.check.context import CheckContext
from ninjasync.check.probe import probe as run_probe
from ninjasync.check.run import check as run_checks
from ninjasync.check.run import obstacle
from ninjasync.check.shape_requests import ask_more, shapes_document, start_recording
from ninjasync.check.shapes import ABOUT, Shapes
from ninjasync.check.throwaway import choose_subject
from ninjasync.cli import clock, shared_options
from ninjasync.cli.logs import start_logging
from ninjasync.cli.options import Invocation, PlainFormat, expect_writable
from ninjasync.cli.progress import Progress
from ninjasync.cli.session import confirm, expect_terminal, remark, report_no
from ninjasync.cli.signals import stop_on_signals
from ninjasync.files import write_private
from ninjasync.model.finding import Line, Probe, overall
from ninjasync.report import check as report
from ninjasync.report.escape import visible
from ninjasync.report.formats import Format
from ninjasync.threads import Stop

ShapesOption = Annotated[
    Path | None,
    typer.Option(
        "--shapes",
        metavar="FILE",
        help="Write here what the services' answers look like, without anything that they say.",
    ),
]


def check(
    ctx: typer.Context,
    probe: Annotated[
        bool, shared_options.flag("--probe", help="Then try writing, with one throw-away account (asks first).")
    ] = False,
    yes: Annotated[
        bool, shared_options.flag("--yes", "-y", help="Probe without a question; needed without a terminal.")
    ] = False,
    shapes: ShapesOption = None,
    as_: shared_options.PlainFormatOption = PlainFormat.TEXT,
    output: shared_options.OutputOption = None,
) -> int:
    """Check, show a line for each finding, then probe and write the shapes where that is asked for."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(Format(as_), output)
    if probe and not yes:
        expect_terminal("probe")
    start_logging(invocation)
    if shapes is not None:
        expect_writable(shapes, "--shapes")
    at, as_json = clock.now(), as_ is PlainFormat.JSON
    result, not_probed = None, 0
    progress = Progress(invocation)
    with closing(CheckContext(invocation.config, at, progress.tell)) as context:
        recorder = start_recording(context) if shapes is not None else None
        with progress.reading():
            lines = run_checks(context)
            if recorder is not None:
                ask_more(context)
        tenant = context.tenant
        seen = "" if as_json else report.render_text(lines, color=invocation.color(), tenant=tenant)
        if invocation.output is None:
            invocation.deliver(seen)  # before the question
            seen = ""
        if probe:
            result, not_probed = _ask_and_probe(invocation, context, lines, yes=yes)
        if shapes is not None and recorder is not None:
            _write_shapes(shapes, context, recorder, lines, result)
    code = overall(lines, result, not_probed)
    if as_json:
        invocation.deliver(report.render_json(lines, result, at, code, tenant))
    else:
        probed = "" if result is None else report.render_probe(result, color=invocation.color())
        invocation.deliver(seen + probed)
    return code


def _write_shapes(
    file: Path, context: CheckContext, recorder: Shapes, lines: tuple[Line, ...], result: Probe | None
) -> None:
    """Write what was seen, and say what is in the file before anyone sends it anywhere."""
    if lines[0].finding.color == "red":
        file.unlink(missing_ok=True)
        typer.echo(f"{visible(str(file))} is not written: without a configuration nothing was asked.", err=True)
        return
    write_private(file, shapes_document(context, recorder, lines, result).encode())
    typer.echo(f"{visible(str(file))} is written. {ABOUT} Read it before you send it to anyone.", err=True)


def _ask_and_probe(
    invocation: Invocation, context: CheckContext, lines: tuple[Line, ...], *, yes: bool
) -> tuple[Probe | None, int]:
    """Ask and probe; return what came of it, and the exit code where nothing was tried."""
    reason = obstacle(lines)
    subject = None if reason else choose_subject(context.source, secrets.token_hex(4))
    if subject is None:
        typer.echo(f"Not probed: {reason or 'no user in scope has a valid account to go by'}.", err=True)
        return None, 1
    question = (
        f"\nCreate, change and delete a throw-away account in NinjaOne?\n  {visible(subject.user_name)}\n"
        f"  an end user of {visible(subject.why)}\nGo on?"
    )
    if not yes and not confirm(question):
        report_no(invocation, "nothing was tried", context.tenant)
        return None, 3
    stop = Stop()
    # However often a signal comes: what the probe made must not stay.
    announce = partial(remark, invocation, "Stopping: what the probe made is removed first.")
    with stop_on_signals(stop, announce, second_interrupts=False):
        return run_probe(context.run_context(stop), context.token, subject, context.hear), 0
