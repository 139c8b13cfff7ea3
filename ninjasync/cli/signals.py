"""SIGINT and SIGTERM while something is under way that must end well."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType


@contextmanager
def stop_on_signals(
    stop: threading.Event, announce: Callable[[], None], *, second_interrupts: bool = True
) -> Iterator[None]:
    """Let a signal set ``stop`` and ``announce`` it, in place of an interrupt; a second Ctrl-C may interrupt.

    A second SIGTERM is the same request: ``timeout`` and systemd send it to the process and to its whole group, and a
    fleet hands it on to tenants that have it already.
    """

    def request(number: int, frame: FrameType | None) -> None:
        if not stop.is_set():
            stop.set()
            with suppress(RuntimeError):  # where it came amid a write to the same stream
                announce()
        elif second_interrupts and number == signal.SIGINT:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
