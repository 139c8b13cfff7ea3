"""What a command begins with: logging, the configuration, how reading gets on, and a question."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from ninjasync.cli import clock
from ninjasync.cli.options import Invocation, LogFormat

if TYPE_CHECKING:
    from ninjasync.config.context import RunContext
    from ninjasync.config.schema import Config
    from ninjasync.errors import NinjasyncError
    from ninjasync.model.events import Listener
    from ninjasync.model.plan import Plan
    from ninjasync.runs.watch import Watch


def loaded(invocation: Invocation) -> "Config":
    """Start logging and return the configuration."""
    from ninjasync.cli.logs import start_logging
    from ninjasync.config.load import expect_filled_in, load
    from ninjasync.config.tenant import tenant_of

    start_logging(invocation)
    config = load(invocation.config)
    expect_filled_in(config)
    invocation.tenant = tenant_of(config).shown
    return config


def watched(invocation: Invocation, command: str, *, whole: bool) -> "tuple[Config, Watch]":
    """Start logging; return the configuration, and where to put down what [monitor] is to be told in the end.

    Nobody is told of a plan on a terminal: somebody is looking at it, and it must neither
    calm nor set off what watches over the runs that nobody looks at.
    """
    config = loaded(invocation)
    from ninjasync.runs.watch import Watch

    watch = Watch(config, command, clock.now(), whole)
    invocation.watch = None if command == "plan" and sys.stderr.isatty() else watch
    return config, watch


def context_of(invocation: Invocation, config: "Config", listener: "Listener | None" = None) -> "RunContext":
    """Return what goes along with a run that begins now."""
    from ninjasync.config.context import RunContext
    from ninjasync.model.events import ignore

    return RunContext(config, invocation.run_id, clock.now(), clock.now, listener=listener or ignore)


def complain(invocation: Invocation, error: "NinjasyncError") -> None:
    """Say on standard error what went wrong and what to do, as log lines where those are JSON."""
    from ninjasync.errors import ConfigurationError
    from ninjasync.report.escape import visible

    mistakes = error.mistakes if isinstance(error, ConfigurationError) else ()
    if invocation.log_format is LogFormat.JSON:
        for line in (*mistakes, f"{error.message} {error.hint}".strip()):
            logging.getLogger("ninjasync").error("%s", line)
        return
    for mistake in mistakes:
        typer.echo(f"  - {visible(mistake)}", err=True)
    typer.echo(visible(_named(f"Error: {error.message}", invocation.tenant)), err=True)
    if error.hint:
        typer.echo(visible(error.hint), err=True)


def _named(line: str, tenant: str) -> str:
    """Return a line for standard error with the tenant's name: cron may mail those of many tenants."""
    return f"{line} [tenant {tenant}]" if tenant else line


def tell_refusal(invocation: Invocation, plan: "Plan") -> None:
    """Say on standard error what stood in the way, a line a guard, also under ``--quiet``: cron mails it."""
    from ninjasync.report.escape import visible

    word = "Refused" if plan.refused else "Withheld"
    for guard in plan.guards:
        if guard.tripped:
            approve = f" If that is meant: {guard.approve}" if guard.approve else ""
            line = _named(f"{word}: {guard.name}: {guard.message}{approve}", plan.tenant)
            if invocation.log_format is LogFormat.JSON:
                logging.getLogger("ninjasync").error("%s", line)
            else:
                typer.echo(visible(line), err=True)


def tell_no(invocation: Invocation, what: str, tenant: str) -> None:
    """Say on standard error that a question was answered with no."""
    from ninjasync.report.escape import visible

    remark(invocation, visible(_named(f"Refused: the question was answered with no; {what}.", tenant)))


def remark(invocation: Invocation, *lines: str) -> None:
    """Say something on standard error that is worth a look, as log lines where those are JSON."""
    for line in lines:
        if invocation.log_format is LogFormat.JSON:
            logging.getLogger("ninjasync").warning("%s", line)
        else:
            sys.stderr.write(f"{line}\n")  # typer.echo would go past the bars, which have taken its place


def ended(invocation: Invocation, exit_code: int, error: BaseException | None) -> None:
    """Tell whoever [monitor] names."""
    if invocation.watch is not None and invocation.watch.config.monitor.has_listeners:
        from ninjasync.runs.monitor import tell

        invocation.watch.error = error
        tell(invocation.watch, exit_code, clock.now())


@contextmanager
def reading(invocation: Invocation) -> "Iterator[Listener]":
    """Show how reading gets on; give whom to tell."""
    from ninjasync.cli.progress import Progress

    progress = Progress(invocation)
    with progress.reading():
        yield progress.tell


def confirmed(question: str) -> bool:
    """Ask on the terminal; no is what anything but yes means, and no answer."""
    try:
        typer.echo(f"{question} [y/N] ", nl=False, err=True)
        return sys.stdin.readline().strip().casefold() in ("y", "yes")
    except KeyboardInterrupt:
        typer.echo(err=True)  # what follows stands on a line of its own
        raise
