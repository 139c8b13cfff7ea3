"""What a command begins with: logging, the configuration, how reading gets on, and a question."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from ninjasync.cli.options import Invocation

if TYPE_CHECKING:
    from ninjasync.config import Config
    from ninjasync.progress import Tell


def loaded(invocation: Invocation) -> "Config":
    """Start logging and return the configuration."""
    from ninjasync.cli.logs import start_logging
    from ninjasync.settings import load

    start_logging(invocation)
    return load(invocation.config)


@contextmanager
def reading(invocation: Invocation) -> "Iterator[Tell]":
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
