"""Answers fetched ahead of time where it takes time to get them, a bounded number at once.

Knows threads; knows nothing of what is fetched. A thread that hangs in a request holds up
nobody: it is a daemon, which ends with the process.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Generic, Self, TypeVar

from ninjasync.threads import T, result_of

K = TypeVar("K")


# Who waits longer than this for each answer waits for a service, and several threads shorten that. Where
# there is nothing to wait for, they are in each other's way: Python runs one at a time (a quarter of a plan).
_AT_ONCE = 0.01
# What connecting may take beside, while the rest of the program is still being imported.
_CONNECTING = 0.015


class Ahead(Generic[K, T]):
    """Fetches what is expected to be taken, by up to ``threads`` threads once answers prove slow.

    Until then ``take`` fetches by itself. Twice as many answers as threads are under way
    or wait to be taken, never more.
    """

    def __init__(self, fetch: Callable[[K], T], threads: int) -> None:
        self._fetch, self._threads = fetch, threads
        self._expected: dict[K, None] = {}
        self._futures: dict[K, Future[T]] = {}
        # What a thread has taken from here, nobody but ``take`` holds any more: a page must not outlive its reading.
        self._left: deque[tuple[K, Future[T]]] = deque()
        self._room = threading.Semaphore(2 * threads)
        self._lock = threading.Lock()
        self._working = 0
        self._closed = False
        self._fetched, self._seconds = 0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._futures.clear()
        self._room.release(1_000)  # wakes all who wait, so that they see that it is over

    @property
    def slow(self) -> bool:
        """Whether the answers so far were worth waiting for in several threads."""
        return self._seconds > self._fetched * _AT_ONCE + _CONNECTING

    def expect(self, keys: Iterable[K]) -> None:
        """Say what will be taken, in this order; it may be fetched from now on."""
        self._expected = dict.fromkeys(key for key in keys if key not in self._futures)
        self._start_if_slow()

    def keep(self, key: K, guesses: Sequence[K] = ()) -> None:
        """Fetch ``key`` here and now, for ``take`` to return what comes of it, or to raise it.

        Where that takes its time, ``guesses``, fewer than threads, are fetched meanwhile;
        nobody need take them.
        """
        future: Future[T] = Future()
        self._room.acquire()
        self._futures[key] = future
        if guesses:
            waited = threading.Timer(_AT_ONCE + _CONNECTING, self._guess, (future, guesses))
            waited.daemon = True
            waited.start()
        try:
            future.set_result(self._fetch_here(key))
        except BaseException as error:
            future.set_exception(error)

    def take(self, key: K) -> T:
        """Return, or raise, what comes of fetching ``key``."""
        if (future := self._futures.pop(key, None)) is not None:
            found = result_of(future)
            self._room.release()
            return found
        self._expected.pop(key, None)
        found = self._fetch_here(key)
        self._start_if_slow()
        return found

    def _fetch_here(self, key: K) -> T:
        begun = time.monotonic()
        found = self._fetch(key)
        self._seconds += time.monotonic() - begun
        self._fetched += 1
        return found

    def _guess(self, first: Future[T], keys: Sequence[K]) -> None:
        if not first.done() and not self._closed:
            self._start(keys)

    def _start_if_slow(self) -> None:
        if self._expected and self.slow:
            expected, self._expected = self._expected, {}
            self._start(expected)

    def _start(self, keys: Iterable[K]) -> None:
        with self._lock:
            for key in keys:
                future = self._futures[key] = Future()
                self._left.append((key, future))
            for _ in range(min(self._threads - self._working, len(self._left))):
                self._working += 1
                threading.Thread(target=self._work, name="read", daemon=True).start()

    def _work(self) -> None:
        while self._room.acquire() and not self._closed:
            with self._lock:
                if not self._left:
                    self._working -= 1
                    self._room.release()
                    return
                key, future = self._left.popleft()
            try:
                future.set_result(self._fetch(key))
            except BaseException as error:
                future.set_exception(error)
            del future
