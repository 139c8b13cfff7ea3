"""Answers fetched ahead of time by as many threads as it takes, taken in any order, a bounded number at once.

Knows threads; knows nothing of what is fetched. A thread that hangs in a request holds up
nobody: it is a daemon, which ends with the process.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import Generic, Self, TypeVar

K = TypeVar("K")
T = TypeVar("T")


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


# Who waits longer than this for an answer waits for a service, which several threads shorten. Where there
# is nothing to wait for, they would only be in each other's way: Python runs one at a time (a quarter of a plan).
_PATIENCE = 0.01


class Ahead(Generic[K, T]):
    """Fetches ``keys`` in their order, up to ``threads`` at a time; no more than that wait to be taken."""

    def __init__(self, fetch: Callable[[K], T], keys: Iterable[K], threads: int) -> None:
        self._fetch = fetch
        self._futures: dict[K, Future[T]] = {key: Future() for key in keys}
        # What a thread has taken from here, nobody but ``take`` holds any more: a page must not outlive its reading.
        self._left = deque(self._futures.items())
        self._room = threading.Semaphore(threads)
        self._closed = False
        self._to_start = min(threads, len(self._futures))
        self._start(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._futures.clear()
        self._room.release(1_000)  # wakes all who wait, so that they see that it is over

    def __contains__(self, key: K) -> bool:
        return key in self._futures

    def take(self, key: K) -> T:
        """Return, or raise, what came of fetching ``key``; each can be taken once, the first of them first."""
        future = self._futures.pop(key)
        if self._to_start:
            done, _ = wait([future], _PATIENCE)
            if not done:
                self._start(self._to_start)
        found = future.result()
        self._room.release()
        return found

    def _start(self, number: int) -> None:
        for _ in range(min(number, self._to_start)):
            threading.Thread(target=self._work, name="read", daemon=True).start()
        self._to_start -= number

    def _work(self) -> None:
        while self._room.acquire() and not self._closed:
            try:
                key, future = self._left.popleft()
            except IndexError:
                return
            try:
                future.set_result(self._fetch(key))
            except BaseException as error:
                future.set_exception(error)
            del future
