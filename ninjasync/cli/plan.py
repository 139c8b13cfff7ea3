"""``plan`` and ``apply``: read, show, ask, write, report."""

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from ninjasync.cli.options import Format, Invocation

if TYPE_CHECKING:
    from ninjasync.config import Config
    from ninjasync.guards import Approvals
    from ninjasync.ninjaone import Reader
    from ninjasync.plan import Outcome, Plan

_Format = Annotated[Format, typer.Option("--format", help="How the result is rendered.")]
_Output = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the result here, on success, refusal and failure alike.")
]
_Strict = Annotated[bool, typer.Option("--strict", help="A held record is a refusal.")]
_APPROVALS = "Approvals, by number"
_Removals = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="Lift the removal guard for at most N.", rich_help_panel=_APPROVALS),
]
_MemberRemovals = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="The same for group memberships.", rich_help_panel=_APPROVALS),
]
_Source = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=0, help="Accept a source that shrank to no fewer than N people.", rich_help_panel=_APPROVALS
    ),
]
_Privileges = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="The same for technician/end-user changes.", rich_help_panel=_APPROVALS),
]


def plan(
    invocation: Invocation,
    format: _Format = Format.TEXT,
    output: _Output = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when there are changes.")
    ] = False,
    strict: _Strict = False,
    approve_removals: _Removals = None,
    approve_member_removals: _MemberRemovals = None,
    approve_source: _Source = None,
    approve_privilege_changes: _Privileges = None,
) -> int:
    """Show what would change in NinjaOne. Writes nothing."""
    invocation.format, invocation.output = format, output
    from datetime import UTC, datetime

    from ninjasync import secrets
    from ninjasync.ninjaone import Reader
    from ninjasync.plan import exit_code
    from ninjasync.report import json, text

    approvals = _approvals(
        approve_removals, approve_member_removals, approve_source, approve_privilege_changes, strict=strict
    )
    config = _settings(invocation)
    stop = threading.Event()
    with Reader(config, secrets.ninjaone_token(config), stop) as reader:
        made = _make_plan(invocation, config, reader, approvals, stop)
    if format is Format.JSON:
        invocation.deliver(json.render(made, datetime.now(UTC)))
    else:
        invocation.deliver(text.render_plan(made, color=invocation.color()))
    return exit_code(made, detailed=detailed_exitcode)


def apply(
    invocation: Invocation,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing; needed without a terminal. Lifts no guard.")
    ] = False,
    format: _Format = Format.TEXT,
    output: _Output = None,
    parallelism: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=64, help="Concurrent requests to NinjaOne.")
    ] = None,
    strict: _Strict = False,
    approve_removals: _Removals = None,
    approve_member_removals: _MemberRemovals = None,
    approve_source: _Source = None,
    approve_privilege_changes: _Privileges = None,
) -> int:
    """Plan, ask, and apply to NinjaOne."""
    invocation.format, invocation.output = format, output
    from datetime import UTC, datetime

    from ninjasync import secrets
    from ninjasync.apply import apply_plan, left_to_do
    from ninjasync.errors import CommandLineError
    from ninjasync.ninjaone import Writer
    from ninjasync.plan import Result, exit_code
    from ninjasync.report import json, text

    if not yes and not sys.stdin.isatty():
        raise CommandLineError("There is no terminal to ask on.", "Give --yes to apply without a question.")
    approvals = _approvals(
        approve_removals, approve_member_removals, approve_source, approve_privilege_changes, strict=strict
    )
    config = _settings(invocation)
    stop = threading.Event()
    with Writer(config, secrets.ninjaone_token(config), stop) as writer:
        made = _make_plan(invocation, config, writer, approvals, stop)
        shown = text.render_plan(made, color=invocation.color(error=format is Format.JSON))
        as_it_goes = format is Format.TEXT and output is None
        if as_it_goes:
            invocation.deliver(shown)
        elif not yes:
            typer.echo(shown, nl=False, err=True)
        said_no = bool(made.changes) and not made.refused and not yes and not _confirmed(len(made.changes))
        if made.refused or said_no:
            result = Result.skipped(made, "refused by a guard" if made.refused else "the operator said no")
        else:
            with _stopping(stop):
                result = apply_plan(
                    made, writer, parallelism=parallelism or config.run.parallelism, stop=stop, tell=_log_outcome
                )
    code = 3 if said_no else exit_code(made, result)
    steps = left_to_do(result)
    if format is Format.JSON:
        invocation.deliver(json.render(made, datetime.now(UTC), result, code, steps))
    else:
        told = text.render_result(result, made, steps, color=invocation.color())
        invocation.deliver(told if as_it_goes else text.render_plan(made, color=False) + told)
    if result.fatal:
        typer.echo(f"Error: {result.fatal.message}\n{result.fatal.hint}", err=True)
    return code


def _settings(invocation: Invocation) -> "Config":
    from ninjasync.cli.logs import start_logging
    from ninjasync.settings import load

    start_logging(invocation)
    return load(invocation.config)


def _approvals(
    removals: int | None, member_removals: int | None, source: int | None, privileges: int | None, *, strict: bool
) -> "Approvals":
    from ninjasync.guards import Approvals

    return Approvals(removals, member_removals, source, privileges, strict=strict)


def _make_plan(
    invocation: Invocation, config: "Config", target: "Reader", approvals: "Approvals", stop: threading.Event
) -> "Plan":
    from contextlib import closing
    from datetime import UTC, datetime

    from ninjasync import secrets
    from ninjasync.duo import DuoReader
    from ninjasync.planner import make_plan

    with closing(DuoReader(config, secrets.duo_secret_key(config), stop)) as duo, _status(invocation):
        return make_plan(config, duo, target, approvals, datetime.now(UTC).date())


@contextmanager
def _status(invocation: Invocation) -> Iterator[None]:
    """Show on a terminal that reading is under way."""
    if invocation.quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True, no_color=not invocation.color(error=True)).status("Reading Duo and NinjaOne"):
        yield


def _confirmed(number: int) -> bool:
    typer.echo(f"\nApply {'this change' if number == 1 else f'these {number} changes'}? [y/N] ", nl=False, err=True)
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM set ``stop``, so that the calls under way finish; a second one ends at once."""

    def request(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        typer.echo("Stopping: the calls under way finish, the rest is left to the next run.", err=True)
        stop.set()

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _log_outcome(outcome: "Outcome") -> None:
    from ninjasync.report.text import render_outcome

    logging.getLogger("ninjasync").log(
        logging.INFO if outcome.status == "applied" else logging.ERROR, "%s", render_outcome(outcome)
    )
