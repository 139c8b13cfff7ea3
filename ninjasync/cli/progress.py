"""Shows the progress of a run: as bars on a terminal, else as a few log lines.

The lines are of level info, so that a cron job says nothing; a long pause that a service
asked for is a warning, once. Counts events and decides nothing.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, assert_never

from ninjasync.cli.options import Invocation
from ninjasync.log import fields
from ninjasync.model.events import Event, Locked, Read, Unsettled, Wait
from ninjasync.model.message import Message, text
from ninjasync.model.outcome import Outcome
from ninjasync.report.text import render_outcome

if TYPE_CHECKING:
    from ninjasync.cli.progress_bars import Bars

_FIRST_LINE_AFTER, _NEXT_LINE_AFTER = 10, 30  # seconds
_WORTH_A_BAR, _WORTH_A_WARNING = 1, 30  # seconds

log = logging.getLogger("ninjasync")


class Progress:
    """The progress of one command. ``tell`` may be called at any time, by any thread."""

    def __init__(self, invocation: Invocation, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._color = invocation.color(error=True)
        self._drawn = not invocation.quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._bars: Bars | None = None
        self._read: dict[tuple[str, str], Read] = {}
        self._next_line = 0.0
        self._warned: set[str] = set()
        self._locked = False
        self._lock = threading.Lock()

    @contextmanager
    def reading(self, what: str = "Duo and NinjaOne") -> Iterator[None]:
        """Show the events of reading ``what``."""
        began = self._clock()
        self._next_line = began + _FIRST_LINE_AFTER
        with self._showing(f"Reading {what}"):
            yield
        if amounts := self._amounts():
            log.info("Read %s in %.0f s.", amounts, self._clock() - began)

    @contextmanager
    def applying(self, total: int) -> Iterator[Callable[[Outcome], None]]:
        """Show how many of ``total`` changes have an outcome; give a function that takes each one, and logs it."""
        began, counts = self._clock(), dict.fromkeys(("applied", "failed", "skipped"), 0)

        def count(outcome: Outcome) -> None:
            counts[outcome.status] += 1
            level, change = logging.ERROR if outcome.status == "failed" else logging.INFO, outcome.change
            if log.isEnabledFor(level):
                operation = fields(f"{change.action} {change.resource} {change.key}", outcome.seconds, outcome.status)
                log.log(level, "%s", render_outcome(outcome), extra=operation)
            if self._bars:
                self._bars.show("Changes", sum(counts.values()), total, _failures(counts["failed"]))

        with self._showing("Applying to NinjaOne"):
            if self._bars:
                self._bars.show("Changes", 0, total)
            yield count
        log.info("%s in %.0f s.", ", ".join(f"{n} {status}" for status, n in counts.items()), self._clock() - began)

    def tell(self, event: Event) -> None:
        """Take an event into account."""
        with self._lock:
            match event:
                case Read():
                    self._count_read(event)
                case Wait():
                    self._show_wait(event)
                case Locked():
                    log.info(Message("Another run holds the lock, for which this one waits: {}.", text(event.holder)))
                    if self._bars:
                        self._bars.wait(event.seconds, "Waiting for another run to end, {} s at most")
                        self._locked = True
                case Unsettled():
                    told = "The run %s was cut short; waiting %.0f s, until nothing that it sent can still arrive."
                    log.warning(told, event.run, event.seconds)
                    if self._bars:
                        self._bars.wait(event.seconds, "Waiting {} s, until nothing of the last run can still arrive")
                        self._locked = True
                case _:
                    assert_never(event)

    @contextmanager
    def _showing(self, heading: str) -> Iterator[None]:
        if not self._drawn:
            yield
            return
        from ninjasync.cli.progress_bars import draw_bars  # rich: 100 ms, which no run without a terminal needs

        with ExitStack() as stack:
            self._bars = stack.enter_context(draw_bars(heading, color=self._color))
            stack.callback(setattr, self, "_bars", None)
            yield

    def _count_read(self, read: Read) -> None:
        self._read[read.service, read.resource] = read
        if self._bars:
            if self._locked:
                self._bars.go_on()
                self._locked = False
            self._bars.show(f"{read.service} {read.resource}s", read.done, read.total)
        if self._clock() >= self._next_line:
            self._next_line = self._clock() + _NEXT_LINE_AFTER
            log.info("Reading: %s so far.", self._amounts())

    def _show_wait(self, wait: Wait) -> None:
        if self._bars and wait.seconds >= _WORTH_A_BAR:
            words = _reason(wait) if wait.why == "limit" else f"Waiting {{}} s: {_reason(wait)}"
            self._bars.wait(wait.seconds, words)
        if wait.why == "asked" and wait.seconds >= _WORTH_A_WARNING and wait.service not in self._warned:
            self._warned.add(wait.service)
            log.warning("The run waits %.0f s: %s.", wait.seconds, _reason(wait))

    def _amounts(self) -> str:
        """Say how many are read of what, in the same order each time."""
        parts = []
        for (service, resource), read in sorted(self._read.items()):
            total = f" of {read.total:,}" if read.total is not None and read.total != read.done else ""
            parts.append(f"{read.done:,}{total} {resource}{'s' * (read.done != 1 or bool(total))} in {service}")
        return ", ".join(parts)


def _reason(wait: Wait) -> str:
    status = f" (HTTP {wait.status})" if wait.status else ""
    match wait.why:
        case "asked":
            return f"{wait.service} asked for a pause{status}"
        case "limit":
            return f"{wait.service}'s rate limit sets the pace"
        case "failed":
            return f"{wait.service} {'failed' if wait.status else 'was not reached'}{status}, to be tried again"
    assert_never(wait.why)


def _failures(number: int) -> str:
    return f", {number:,} failed" if number else ""
