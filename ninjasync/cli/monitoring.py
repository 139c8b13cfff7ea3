"""Connects a command with [monitor]: what is known of its run, and the notifications when it ends."""

import sys
from functools import partial

from ninjasync.cli import clock
from ninjasync.cli.options import Invocation
from ninjasync.cli.session import load_config
from ninjasync.config.schema import Config
from ninjasync.runs import monitor
from ninjasync.runs.monitor import RunInProgress


def load_watched(invocation: Invocation, command: str, *, whole: bool) -> tuple[Config, RunInProgress]:
    """Return the configuration, and the run so far, for the command to fill in; [monitor] is notified at the end.

    A plan on a terminal notifies nothing: its user sees it, and it must neither raise nor end an
    alarm about the runs that no user watches.
    """
    config = load_config(invocation)
    watch = RunInProgress(config, command, clock.now(), whole)
    if config.monitor.has_listeners and not (command == "plan" and (invocation.attended or sys.stderr.isatty())):
        invocation.at_end = partial(_notify, watch)
    return config, watch


def _notify(watch: RunInProgress, exit_code: int, error: BaseException | None) -> None:
    watch.error = error
    monitor.notify(watch, exit_code, clock.now())
