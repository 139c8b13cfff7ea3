"""The face: Typer commands. It prints, asks and exits; what to do is decided elsewhere.

Importing this must stay cheap: commands import what they need when they run.
"""

import logging
import signal
from types import FrameType
from typing import Annotated, Any

import typer

from ninjasync import __version__
from ninjasync.cli import clock
from ninjasync.cli.commands import apply, check, demo, explain, fleet, history, init, ledger, plan, sandbox
from ninjasync.cli.help import GLOBAL_PANEL, Command, Group
from ninjasync.cli.options import Invocation, with_globals
from ninjasync.cli.session import complain, ended
from ninjasync.cli.streams import flush_output, prepare_streams
from ninjasync.report.formats import Format

app = typer.Typer(
    cls=Group,
    name="ninjasync",
    help="Keeps NinjaOne's accounts in step with Duo: a plan to trust, then apply.",
    epilog="To begin: ninjasync demo shows what it does, ninjasync init writes a configuration.",
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"ninjasync {__version__}")
        raise typer.Exit


@app.callback()
@with_globals
def root(
    invocation: Invocation,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Show the version and exit.",
            rich_help_panel=GLOBAL_PANEL,
        ),
    ] = False,
) -> None:
    """Take the options that stand before the command."""


_SET_UP, _TRY_IT = "Set-up", "To try it"

app.command("plan", cls=Command)(with_globals(plan.plan))
app.command("apply", cls=Command)(with_globals(apply.apply))
app.command("show", cls=Command)(with_globals(plan.show))
app.command("explain", cls=Command)(with_globals(explain.explain))
app.command("check", cls=Command, rich_help_panel=_SET_UP)(with_globals(check.check))
app.command("history", cls=Command)(with_globals(history.history))
app.add_typer(ledger.app, name="ledger", rich_help_panel=_SET_UP)
app.add_typer(fleet.app, name="fleet", rich_help_panel="Many tenants")
app.command("init", cls=Command, rich_help_panel=_SET_UP)(with_globals(init.init))
app.command("sandbox", cls=Command, rich_help_panel=_TRY_IT)(with_globals(sandbox.sandbox))
app.command("demo", cls=Command, rich_help_panel=_TRY_IT)(with_globals(demo.demo))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code. The only place where errors are caught."""
    from typer.exceptions import Abort, TyperException

    prepare_streams()
    signal.signal(signal.SIGTERM, _interrupt)
    invocation = Invocation()
    raised: BaseException | None = None
    try:
        returned = app(arguments, obj=invocation, prog_name="ninjasync", standalone_mode=False)
        code = returned if isinstance(returned, int) else 0
    except TyperException as error:
        code = _usage(error)
    except (Abort, KeyboardInterrupt) as error:
        code, raised = 130, error
    except Exception as error:  # the one place: whatever it is, the user gets one sentence
        code, raised = _failed(error, invocation), error
    ended(invocation, code, raised)
    flush_output()
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _usage(error: Any) -> int:
    """Show a mistake on the command line. Click's exit code 2 would read as "there are changes"."""
    context = getattr(error, "ctx", None)
    typer.echo(error.format_message().rstrip(), err=True)
    if type(error).__name__ != "NoArgsIsHelpError":
        path = context.command_path if context else "ninjasync"
        typer.echo(f"Try: {path} --help", err=True)
    return 64


def _failed(error: Exception, invocation: Invocation) -> int:
    from ninjasync.errors import InterruptedRunError, NinjasyncError
    from ninjasync.runs.system_refusals import refusal_of_system

    if isinstance(error, NinjasyncError):
        told = error
    elif _is_of_an_interrupt(error):
        told = InterruptedRunError("Interrupted.")
    elif of_system := refusal_of_system(error):
        told = of_system
    else:
        # Whatever it says may name people.
        detail = type(error).__name__ if invocation.redact else f"{type(error).__name__}: {error}"
        told = NinjasyncError(
            f"An unexpected error ended the run: {detail}.",
            "Please report it, with what --log-level debug shows.",
        )
    if invocation.redact:
        from ninjasync.cli.commands.plan import redaction_key
        from ninjasync.report.redact import redacted_error

        told = redacted_error(told, redaction_key())
    logging.getLogger("ninjasync").debug("where it happened", exc_info=error)
    complain(invocation, told)
    _deliver_failure(told, invocation)
    return told.exit_code


def _is_of_an_interrupt(error: BaseException | None) -> bool:
    """Whether a KeyboardInterrupt became another error on its way, as it does where Python makes a class."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _deliver_failure(told: Any, invocation: Invocation) -> None:
    """Write the failure to where the result was to go, so that nobody takes an old file for it."""
    if invocation.output is None and invocation.format is Format.TEXT:
        return
    from ninjasync.report.formats import rendered_error

    invocation.deliver(rendered_error(told, clock.now(), invocation.format, invocation.tenant))
