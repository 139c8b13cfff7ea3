"""The face: Typer commands. It prints, asks and exits; what to do is decided elsewhere.

Importing this must stay cheap: ``--version`` and ``--help`` load no command (``group``), and
what only a failure needs is loaded when one comes.
"""

import signal
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.exceptions import Abort, TyperException

from ninjasync import __version__
from ninjasync.cli.group import SETTINGS, Group, global_option
from ninjasync.cli.options import Invocation, LogFormat, LogLevel
from ninjasync.cli.streams import flush_output, prepare_streams

app = typer.Typer(
    cls=Group,
    name="ninjasync",
    help="Keeps NinjaOne's accounts in step with Duo: a plan to trust, then apply.",
    epilog="To begin: ninjasync demo shows what it does, ninjasync init writes a configuration.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"ninjasync {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    config: Annotated[
        Path | None,
        global_option(
            "--config",
            "-c",
            metavar="FILE",
            help="The configuration; else $NINJASYNC_CONFIG, ./config.toml, or the one in the user's folder.",
        ),
    ] = None,
    log_level: Annotated[
        LogLevel | None,
        global_option(metavar="LEVEL", help="debug, info, warning (default) or error; debug shows tracebacks."),
    ] = None,
    log_format: Annotated[LogFormat | None, global_option(metavar="FORMAT", help="text (default) or json.")] = None,
    log_file: Annotated[Path | None, global_option(metavar="FILE", help="Append log lines here too.")] = None,
    no_color: Annotated[bool | None, global_option("--no-color", help="No colour; as does NO_COLOR.")] = None,
    quiet: Annotated[bool | None, global_option("--quiet", "-q", help="Only errors on standard error.")] = None,
) -> None:
    """Declare the options that stand before the command; the global ones may stand after it, too."""


@cache
def root_command() -> Any:
    """Return the command line as Typer makes it, made once in a process."""
    return typer.main.get_command(app)


def run(arguments: list[str], *, attended: bool = False) -> int:
    """Run one command line and return its exit code. The only place where errors are caught.

    ``attended`` says that a user at a terminal sees what comes of it, although this process has none.
    """
    prepare_streams()
    signal.signal(signal.SIGTERM, _interrupt)
    invocation = Invocation(attended=attended)
    raised: BaseException | None = None
    try:
        returned = root_command()(arguments, obj=invocation, prog_name="ninjasync", standalone_mode=False)
        code = returned if isinstance(returned, int) else 0
    except TyperException as error:
        code = _show_usage(error)
    except (Abort, KeyboardInterrupt) as error:
        code, raised = 130, error
    except Exception as error:  # the one place: whatever it is, the user gets one sentence
        from ninjasync.cli.failure import report_failure

        code, raised = report_failure(error, invocation), error
    invocation.at_end(code, raised)
    flush_output()
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, _heed_no_second)
    raise KeyboardInterrupt


def _heed_no_second(number: int, frame: FrameType | None) -> None:
    """Let the run end well: a second SIGTERM is the same request, see ``stop_on_signals``."""


def _show_usage(error: TyperException) -> int:
    """Show a mistake on the command line. Click's exit code 2 would read as "there are changes"."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "ninjasync"
    typer.echo(f"{error.format_message().rstrip()}\nTry: {path} --help", err=True)
    return 64
