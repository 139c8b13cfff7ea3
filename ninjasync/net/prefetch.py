"""Answers fetched ahead of time where each takes its time, a bounded number at once.

Knows threads, and nothing of what is fetched. A thread that hangs in a request holds nothing
up: it is a daemon, which ends with the process.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Generic, Self, TypeVar

from ninjasync.threads import T, in_background, result_of

K = TypeVar("K")

# Seconds. Where the first answer takes longer, its connection included, waiting for the service costs most, and
# several threads share it out. Where it does not, threads are in each other's way, as Python runs one at a time:
# a quarter of a plan.
_WORTH_THREADS = 0.03


class Prefetch(Generic[K, T]):
    """Fetches what is announced, by up to ``threads`` threads, if the first answer proves slow.

    That is decided once. At most twice as many answers as threads are under way or wait to be
    asked for.
    """

    def __init__(self, fetch: Callable[[K], T], threads: int) -> None:
        self._fetch, self._threads = fetch, threads
        self._futures: dict[K, Future[T]] = {}
        # A thread takes its work from here. Only ``get`` then holds the future: a page must not outlive its reading.
        self._waiting: deque[tuple[K, Future[T]]] = deque()
        self._room = threading.Semaphore(2 * threads)
        self._closed = False
        self._first_took: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._futures.clear()
        self._room.release(self._threads)  # wakes all threads that wait, so that they see that it is over

    def start(self, key: K) -> Future[T]:
        """Begin to fetch ``key`` in a thread of its own, for ``get`` to return later."""
        self._room.acquire()
        future = self._futures[key] = in_background(lambda: self._fetch_timed(key))
        return future

    def is_worth_threads(self) -> bool:
        """Whether the first answer, which must be there, took long enough."""
        return self._first_took is not None and self._first_took > _WORTH_THREADS

    def announce(self, keys: Iterable[K]) -> None:
        """Say what will be asked for next, in this order; where it is worth threads, it is fetched from now on."""
        if not self.is_worth_threads():
            return
        for key in keys:
            future = self._futures[key] = Future()
            self._waiting.append((key, future))
        for _ in range(min(self._threads, len(self._waiting))):
            threading.Thread(target=self._work, name="read", daemon=True).start()

    def get(self, key: K) -> T:
        """Return, or raise, what comes of fetching ``key``: what is there already, or what is fetched now."""
        if (future := self._futures.pop(key, None)) is None:
            return self._fetch_timed(key)
        found = result_of(future)
        self._room.release()
        return found

    def _fetch_timed(self, key: K) -> T:
        begun = time.monotonic()
        found = self._fetch(key)
        if self._first_took is None:
            self._first_took = time.monotonic() - begun
        return found

    def _work(self) -> None:
        while self._room.acquire() and not self._closed:
            try:
                key, future = self._waiting.popleft()
            except IndexError:
                self._room.release()
                return
            try:
                future.set_result(self._fetch(key))
            except BaseException as error:
                future.set_exception(error)
            del future  # else it would keep its page while this thread waits for room
