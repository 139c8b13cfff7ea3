"""What commands begin and end with: logging and the configuration, a question, and what goes to standard error."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ninjasync.cli import clock
from ninjasync.cli.logs import start_logging
from ninjasync.cli.options import Invocation, LogFormat
from ninjasync.cli.progress import Progress
from ninjasync.config.context import RunContext
from ninjasync.config.load import expect_filled_in, load
from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.errors import CommandLineError, ConfigurationError, NinjasyncError
from ninjasync.model.events import Listener, ignore
from ninjasync.model.message import Message
from ninjasync.model.message import word as as_word
from ninjasync.model.plan import Plan
from ninjasync.report.escape import visible


def load_config(invocation: Invocation) -> Config:
    """Start logging and return the configuration. Raises ConfigurationError."""
    start_logging(invocation)
    config = load(invocation.config)
    expect_filled_in(config)
    invocation.tenant = tenant_of(config).shown
    return config


def context_of(invocation: Invocation, config: Config, listener: Listener = ignore) -> RunContext:
    """Return what goes along with a run that begins now."""
    return RunContext(config, invocation.run_id, clock.now(), clock.now, listener=listener)


def complain(invocation: Invocation, error: NinjasyncError) -> None:
    """Say on standard error what went wrong and what to do, as log lines where those are JSON."""
    mistakes = error.mistakes if isinstance(error, ConfigurationError) else ()
    if invocation.log_format is LogFormat.JSON:
        for line in (*mistakes, f"{error.message} {error.hint}".strip()):
            logging.getLogger("ninjasync").error("%s", line)
        return
    for mistake in mistakes:
        typer.echo(f"  - {visible(mistake)}", err=True)
    typer.echo(visible(name_tenant(f"Error: {error.message}", invocation.tenant)), err=True)
    if error.hint:
        typer.echo(visible(error.hint), err=True)


def name_tenant(line: str, tenant: str) -> str:
    """Return a line with the tenant's name: cron may mail those of many, and a loop go over them."""
    return f"{line} [tenant {tenant}]" if tenant else line


def report_refusal(invocation: Invocation, plan: Plan) -> None:
    """Say on standard error what stood in the way, a line a guard, also under ``--quiet``: cron mails it."""
    word = "Refused" if plan.refused else "Withheld"
    for guard in plan.guards:
        if guard.tripped:
            approve = f" If that is meant: {guard.approve}" if guard.approve else ""
            line = name_tenant(f"{word}: {guard.name}: {guard.message}{approve}", plan.tenant)
            if invocation.log_format is LogFormat.JSON:
                logging.getLogger("ninjasync").error("%s", line)
            else:
                typer.echo(visible(line), err=True)


def report_no(invocation: Invocation, effect: str, tenant: str) -> None:
    """Say on standard error that a question was answered with no, and to what effect."""
    remark(invocation, visible(name_tenant(f"Refused: the question was answered with no; {effect}.", tenant)))


def remark(invocation: Invocation, *lines: str) -> None:
    """Say something on standard error that is worth a look, as log lines where those are JSON."""
    for line in lines:
        if invocation.log_format is LogFormat.JSON:
            logging.getLogger("ninjasync").warning("%s", line)
        else:
            sys.stderr.write(f"{line}\n")  # typer.echo would go past the progress bars, which replace this stream


@contextmanager
def show_reading(invocation: Invocation) -> Iterator[Listener]:
    """Show the progress of reading both sides; give the listener that takes the events."""
    progress = Progress(invocation)
    with progress.reading():
        yield progress.tell


def expect_terminal(purpose: str) -> None:
    """Raise CommandLineError where there is no terminal to ask on. ``purpose`` is what ``--yes`` is for."""
    if not sys.stdin.isatty():
        raise CommandLineError(
            "There is no terminal to ask on.", Message("Give --yes to {} without a question.", as_word(purpose))
        )


def confirm(question: str) -> bool:
    """Ask on the terminal; anything but yes means no, and so does no answer."""
    try:
        typer.echo(f"{question} [y/N] ", nl=False, err=True)
        return sys.stdin.readline().strip().casefold() in ("y", "yes")
    except KeyboardInterrupt:
        typer.echo(err=True)  # what follows stands on a line of its own
        raise
