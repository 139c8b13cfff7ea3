"""A clock for tests of pauses: none of them waits."""

from __future__ import annotations

from ninjasync.threads import Stop


class Clock(Stop):
    """A time that passes only during a wait, so that no test waits. It is a run's ``stop`` event as well."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.waits: list[float] = []
        self.stop_after: int | None = None

    def wait(self, timeout: float | None = None) -> bool:
        """Let ``timeout`` seconds pass at once; set after ``stop_after`` waits."""
        assert timeout is not None
        if timeout:
            self.now += timeout
            self.waits.append(timeout)
        if self.stop_after is not None and len(self.waits) >= self.stop_after:
            self.set()
        return self.is_set()
