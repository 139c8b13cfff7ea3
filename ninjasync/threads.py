"""Work in background threads, waiting for it so that a signal is handled meanwhile, and how all of it is ended.

Knows nothing of the work.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from ninjasync.errors import NinjasyncError

T = TypeVar("T")


class Stop(threading.Event):
    """Ends a run. Set, it ends every wait and lets what is under way finish; with a ``cause`` nothing more is sent."""

    cause: NinjasyncError | None = None

    def abort(self, cause: NinjasyncError) -> None:
        """End the run for ``cause``, such as a lost ledger; the first one counts."""
        if self.cause is None:
            self.cause = cause
        self.set()


def in_background(work: Callable[[], T]) -> Future[T]:
    """Do ``work`` in a thread of its own; the future has what it returns or raises."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="read", daemon=True).start()
    return future


# Seconds. A signal that comes just before the main thread begins to wait is handled when it wakes.
HEEDS_SIGNALS_AFTER = 0.5


def result_of(future: Future[T]) -> T:
    """Return, or raise, what comes of ``future``; an interrupt is handled meanwhile."""
    while not future.done():
        wait([future], timeout=HEEDS_SIGNALS_AFTER)
    return future.result()
