"""One thread that starts and waits for processes, for callers in an event loop.

Knows how the two meet; what a process does, and that two threads must not start them, is in ``processes``.
"""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

from ninjasync.fleet.processes import Done, Job, Main, run_side_by_side


class NotRunError(Exception):
    """A job was not begun, for no more are."""


class Supervisor:
    """Runs jobs as ``run_side_by_side`` does, as they come. Its methods but ``start`` belong to the event loop."""

    def __init__(self, main: Main, at_once: int, stop: threading.Event) -> None:
        self._main, self._at_once, self._stop = main, at_once, stop
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._ends: dict[Path, asyncio.Future[Done]] = {}
        self.closed = False
        self.error: BaseException | None = None

    def start(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        """Begin to take jobs, until ``stop`` is set; ``timeout`` is in seconds for each."""
        threading.Thread(target=self._supervise, args=(loop, timeout), name="supervisor", daemon=True).start()

    async def run(self, job: Job) -> Done:
        """Return how the job ended. Raises NotRunError where it was not begun, for it is time to stop."""
        if self.closed:
            raise NotRunError
        end: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._ends[job.result] = end
        self._jobs.put(job)
        return await end

    def _supervise(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        error: BaseException | None = None
        try:
            jobs = self._as_they_come()
            for done in run_side_by_side(jobs, self._main, at_once=self._at_once, timeout=timeout, stop=self._stop):
                loop.call_soon_threadsafe(self._end, done)
        except Exception as caught:  # whatever it is, those who wait must hear of it
            error = caught
        loop.call_soon_threadsafe(self._close, error)

    def _as_they_come(self) -> Iterator[Job | None]:
        while True:
            try:
                yield self._jobs.get_nowait()
            except Empty:
                yield None

    def _end(self, done: Done) -> None:
        if not (end := self._ends.pop(done.job.result)).cancelled():
            end.set_result(done)

    def _close(self, error: BaseException | None) -> None:
        self.closed, self.error = True, error
        for end in self._ends.values():
            if not end.done():
                end.set_exception(NotRunError())
        self._ends.clear()
