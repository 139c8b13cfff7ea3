"""What every command is given: the global options, and where its result goes."""

import errno
import io
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import typer

from ninjasync.cli import clock
from ninjasync.errors import CommandLineError, NinjasyncError
from ninjasync.log import run_id
from ninjasync.model.message import Message, word
from ninjasync.model.message import text as as_text
from ninjasync.report.formats import Format


class LogLevel(StrEnum):
    """How much is logged on standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks."""

    TEXT = "text"
    JSON = "json"


class On(StrEnum):
    """Where a fleet's tenants are run."""

    HERE = "here"
    WORKERS = "workers"


class PlainFormat(StrEnum):
    """How every other result is rendered."""

    TEXT = "text"
    JSON = "json"


def do_nothing(exit_code: int, error: BaseException | None) -> None:
    """Notify of nothing at the end of a run."""


@dataclass
class FleetOptions:
    """Which fleet and which of its tenants a command is about, and how many go at once."""

    file: Path | None = None
    tenants: list[str] = field(default_factory=list)
    shard: str | None = None
    at_once: int | None = None
    on: On = On.HERE


@dataclass
class Invocation:
    """One run of the command line: the global options, and where its result goes."""

    config: Path | None = None
    log_level: LogLevel | None = None
    log_format: LogFormat | None = None
    log_file: Path | None = None
    no_color: bool | None = None
    quiet: bool | None = None
    format: Format = Format.TEXT
    output: Path | None = None
    redact: bool = False
    approvals: dict[str, int] = field(default_factory=dict)
    fleet: FleetOptions = field(default_factory=FleetOptions)
    tenant: str = ""
    attended: bool = False
    run_id: str = field(default_factory=lambda: run_id(clock.now()))
    # What happens last of all, with the exit code and the error that ended the run, if one did.
    at_end: Callable[[int, BaseException | None], None] = do_nothing

    def color(self, *, error: bool = False) -> bool:
        """Whether to colour what goes to standard output, or to standard error."""
        plain = self.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return not plain and (sys.stderr.isatty() if error else self.writes_to_terminal())

    def writes_to_terminal(self) -> bool:
        """Whether the result goes to a terminal."""
        return self.output is None and sys.stdout.isatty()

    def take_result_options(self, format: Format, output: Path | None = None, *, redact: bool = False) -> None:
        """Note how the result is rendered and where it goes; raises CommandLineError where it cannot go there."""
        self.format, self.redact = format, redact
        if output is not None:
            expect_writable(output, "--output")
            self.output = output

    def deliver(self, text: str) -> None:
        """Write the result to ``--output``, else, or where that fails, to standard output."""
        if self.output is not None:
            try:
                self.output.write_text(text, "utf-8", errors="backslashreplace")  # keeps its mode
            except OSError as error:
                typer.echo(f"warning: {self.output} could not be written: {error.strerror or error}.", err=True)
            else:
                return
        say(text)


def say(text: str) -> None:
    """Write to standard output. A reader that has seen enough, such as ``head``, does not end the run."""
    try:
        typer.echo(text, nl=False)
    except OSError as error:
        sys.stdout = io.StringIO()  # whatever follows, the end of the process included, finds nothing to fail at
        if error.errno not in (errno.EPIPE, errno.EINVAL):  # the second is how Windows says it
            raise NinjasyncError(
                Message("Standard output cannot be written: {}.", as_text(error.strerror)), "Direct it elsewhere."
            ) from error


def expect_writable(path: Path, option: str) -> None:
    """Find out now, not after the work, that a file cannot be written; make it, with mode 0600, if it is not there.

    Raises CommandLineError.
    """
    try:
        # It is to hold people's names.
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    except OSError as error:
        raise CommandLineError(
            Message("{}: {} cannot be written: {}.", word(option), as_text(path), as_text(error.strerror or error)),
            "Check that the folder is there and may be written to.",
        ) from error


def choose_redaction_key(key: bytes | None = None) -> bytes:
    """Return the key from the environment, else ``key``, else one for this run alone."""
    if given := os.environ.get("NINJASYNC_REDACT_KEY"):
        return os.fsencode(given)
    return secrets.token_bytes(32) if key is None else key
