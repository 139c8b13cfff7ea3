"""What a command begins with: logging, the configuration, and a word on a terminal that it reads."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ninjasync.cli.options import Invocation

if TYPE_CHECKING:
    from ninjasync.config import Config


def loaded(invocation: Invocation) -> "Config":
    """Start logging and return the configuration."""
    from ninjasync.cli.logs import start_logging
    from ninjasync.settings import load

    start_logging(invocation)
    return load(invocation.config)


@contextmanager
def reading(invocation: Invocation) -> Iterator[None]:
    """Show on a terminal that reading is under way."""
    if invocation.quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True, no_color=not invocation.color(error=True)).status("Reading Duo and NinjaOne"):
        yield
