"""``check``: is everything in place, line by line; and ``--probe``, which tries writing."""

import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from ninjasync.cli import clock, shared_options
from ninjasync.cli.options import Invocation, PlainFormat, expect_writable
from ninjasync.cli.session import confirmed, tell_no
from ninjasync.files import write_private
from ninjasync.report.formats import Format

if TYPE_CHECKING:
    from ninjasync.check.context import Sight
    from ninjasync.check.shapes import Shapes
    from ninjasync.model.finding import Line, Probe


def check(
    invocation: Invocation,
    probe: Annotated[
        bool, typer.Option("--probe", help="Then try writing, with one throw-away account (asks first).")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Probe without a question; needed without a terminal.")
    ] = False,
    shapes: Annotated[
        Path | None,
        typer.Option(
            "--shapes",
            metavar="FILE",
            help="Write here what the services' answers look like, without anything that they say.",
        ),
    ] = None,
    as_: shared_options.PlainFormatOption = PlainFormat.TEXT,
) -> int:
    """Check configuration, secrets, clocks, Duo, NinjaOne, ledger and lock: a line each, with the cure."""
    invocation.result_goes(Format(as_), None)
    from ninjasync.check.context import Sight
    from ninjasync.check.run import check as checked
    from ninjasync.check.shape_requests import ask_more, start_recording
    from ninjasync.cli.logs import start_logging
    from ninjasync.cli.progress import Progress
    from ninjasync.errors import CommandLineError
    from ninjasync.model.finding import overall
    from ninjasync.report import check as report

    if probe and not yes and not sys.stdin.isatty():
        raise CommandLineError("There is no terminal to ask on.", "Give --yes to probe without a question.")
    start_logging(invocation)
    if shapes is not None:
        expect_writable(shapes, "--shapes")
    at = clock.now()
    as_json, found, not_probed = as_ is PlainFormat.JSON, None, 0
    progress = Progress(invocation)
    with closing(Sight(invocation.config, at, progress.tell)) as sight:
        recorder = start_recording(sight) if shapes is not None else None
        with progress.reading():
            lines = checked(sight)
            if recorder is not None:
                ask_more(sight)
        if not as_json:
            invocation.deliver(report.render_text(lines, color=invocation.color(), tenant=sight.tenant))
        tenant = sight.tenant
        if probe:
            found, not_probed = _probed(invocation, sight, lines, yes=yes)
        if shapes is not None and recorder is not None:
            _write_shapes(shapes, sight, recorder, lines, found)
    code = overall(lines, found, not_probed)
    if as_json:
        invocation.deliver(report.render_json(lines, found, at, code, tenant))
    elif found is not None:
        invocation.deliver(report.render_probe(found, color=invocation.color()))
    return code


def _write_shapes(
    file: Path, sight: "Sight", recorder: "Shapes", lines: "tuple[Line, ...]", found: "Probe | None"
) -> None:
    """Write what was seen, and say what is in the file before anyone sends it anywhere."""
    from ninjasync.check.shape_requests import shapes_document
    from ninjasync.check.shapes import ABOUT
    from ninjasync.report.escape import visible

    if lines[0].finding.color == "red":
        file.unlink(missing_ok=True)
        typer.echo(f"{visible(str(file))} is not written: without a configuration nothing was asked.", err=True)
        return
    write_private(file, shapes_document(sight, recorder, lines, found).encode())
    typer.echo(f"{visible(str(file))} is written. {ABOUT} Read it before you send it to anyone.", err=True)


def _probed(
    invocation: Invocation, sight: "Sight", lines: "tuple[Line, ...]", *, yes: bool
) -> "tuple[Probe | None, int]":
    """Ask and probe; return what was found, and the exit code where nothing was tried."""
    from ninjasync.check.probe import probe as tried
    from ninjasync.check.run import obstacle
    from ninjasync.check.throwaway import subject_for
    from ninjasync.report.escape import visible

    why_not = obstacle(lines)
    subject = None if why_not else subject_for(sight.source, secrets.token_hex(4))
    if subject is None:
        typer.echo(f"Not probed: {why_not or 'nobody in scope has a valid account to go by'}.", err=True)
        return None, 1
    question = (
        f"\nCreate, change and delete a throw-away account in NinjaOne?\n  {visible(subject.user_name)}\n"
        f"  an end user of {visible(subject.why)}\nGo on?"
    )
    if not yes and not confirmed(question):
        tell_no(invocation, "nothing was tried", sight.tenant)
        return None, 3
    stop = threading.Event()
    with _stopping(stop):
        return tried(sight.config, sight.token, subject, stop, sight.hear), 0


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM set ``stop``: what was made is removed before the end, however often they come."""

    def request(number: int, frame: FrameType | None) -> None:
        if not stop.is_set():
            typer.echo("Stopping: what the probe made is removed first.", err=True)
        stop.set()

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
