"""What the commands share: the global options, their merging, and where a result goes.

The global options may stand before or after the command; the one after it wins.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ninjasync.cli import clock
from ninjasync.cli.help import GLOBAL_PANEL as _PANEL
from ninjasync.log import run_id
from ninjasync.report.formats import Format

if TYPE_CHECKING:
    from ninjasync.runs.watch import Watch


class LogLevel(StrEnum):
    """How much is told on standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks."""

    TEXT = "text"
    JSON = "json"


class PlainFormat(StrEnum):
    """How every other result is rendered."""

    TEXT = "text"
    JSON = "json"


_GLOBALS: dict[str, Any] = {
    "config": Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="The configuration; else $NINJASYNC_CONFIG, ./config.toml, or the one in the user's folder.",
            rich_help_panel=_PANEL,
        ),
    ],
    "log_level": Annotated[
        LogLevel | None,
        typer.Option(
            metavar="LEVEL",
            help="debug, info, warning (default) or error; debug shows tracebacks.",
            rich_help_panel=_PANEL,
        ),
    ],
    "log_format": Annotated[
        LogFormat | None, typer.Option(metavar="FORMAT", help="text (default) or json.", rich_help_panel=_PANEL)
    ],
    "log_file": Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append log lines here too.", rich_help_panel=_PANEL)
    ],
    "no_color": Annotated[
        bool | None, typer.Option("--no-color", help="No colour; as does NO_COLOR.", rich_help_panel=_PANEL)
    ],
    "quiet": Annotated[
        bool | None, typer.Option("--quiet", "-q", help="Only errors on standard error.", rich_help_panel=_PANEL)
    ],
}


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
    tenant: str = ""
    run_id: str = field(default_factory=lambda: run_id(clock.now()))
    watch: "Watch | None" = None

    def color(self, *, error: bool = False) -> bool:
        """Whether to colour what goes to standard output, or to standard error."""
        import os

        stream = sys.stderr if error else sys.stdout
        plain = self.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return not plain and stream.isatty() and (error or self.output is None)

    def result_goes(self, format: Format, output: Path | None) -> None:
        """Say how the result is rendered and where it goes; raises CommandLineError where it cannot go there."""
        self.format = format
        if output is None:
            return
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
    import errno
    import io

    from ninjasync.errors import NinjasyncError

    try:
        typer.echo(text, nl=False)
    except OSError as error:
        sys.stdout = io.StringIO()  # whatever follows, the end of the process included, finds nothing to fail at
        if error.errno not in (errno.EPIPE, errno.EINVAL):  # the second is how Windows says it
            raise NinjasyncError(
                f"Standard output cannot be written: {error.strerror}.", "Direct it elsewhere."
            ) from error


def quoted(path: Path) -> str:
    """Return a path as it can be pasted into a command line, of any shell."""
    return f'"{path}"' if " " in str(path) else str(path)


def expect_writable(path: Path, option: str) -> None:
    """Find out now, not after the work, that a file cannot be written; make it, with mode 0600, if it is not there.

    Raises CommandLineError.
    """
    import os

    from ninjasync.errors import CommandLineError

    try:
        # It is to hold people's names.
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    except OSError as error:
        raise CommandLineError(
            f"{option}: {path} cannot be written: {error.strerror or error}.",
            "Check that the folder is there and may be written to.",
        ) from error


def with_globals(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give ``command``, whose first parameter is the Invocation, the global options."""
    given = inspect.signature(command)
    _, *own = given.parameters.values()

    @functools.wraps(command)
    def wrapper(ctx: typer.Context, **values: Any) -> Any:
        invocation: Invocation = ctx.obj
        for name in _GLOBALS:
            if (value := values.pop(name)) is not None:
                setattr(invocation, name, value)
        try:
            return command(invocation, **values)
        except KeyboardInterrupt:
            from ninjasync.errors import InterruptedRunError

            left = "What was applied by then is recorded; the next run goes on from there."
            raise InterruptedRunError("Interrupted.", left if ctx.info_name == "apply" else "") from None

    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in _GLOBALS.items()
    ]
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    wrapper.__signature__ = given.replace(parameters=[context, *keyword, *shared])  # type: ignore[attr-defined]  # Typer reads it
    wrapper.__annotations__ = {"ctx": typer.Context} | {each.name: each.annotation for each in [*keyword, *shared]}
    return wrapper
