"""Which failure deserves another try, how long to wait, and how fast requests may go.

One ``Pacer`` for each service is shared by all workers, so that a 429 to one of them
halts all. Knows time and failures; knows nothing of Duo, of SCIM or of what is asked.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import tenacity

from ninjasync.errors import InterruptedRunError, UnreachableError

T = TypeVar("T")

TRANSIENT = frozenset({429, 500, 502, 503, 504})
# Duo answers 500 to some requests that will never succeed, so it is not asked for long.
_MOST_RETRIES_OF_500 = 2
_LONGEST_WAIT = 120.0
# What a server may make us wait by Retry-After; more is taken for a mistake of its.
_LONGEST_PAUSE = 3600.0


class TransientError(UnreachableError):
    """A failure that may pass. ``status`` is None where no answer came at all.

    ``pause`` is what the server asked us to wait, in seconds.
    """

    def __init__(self, message: str, hint: str = "", *, status: int | None = None, pause: float | None = None) -> None:
        super().__init__(message, hint)
        self.status = status
        self.pause = pause

    @property
    def maybe_done(self) -> bool:
        """Whether the request may have been carried out all the same (anything but a 429)."""
        return self.status != 429


def retry_after(header: str | None, now: datetime) -> float | None:
    """Read a Retry-After header, seconds or HTTP-date (RFC 9110 §10.2.3); None where there is none."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_PAUSE)
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return min(max((then - now).total_seconds(), 0.0), _LONGEST_PAUSE)


class Pacer:
    """Lets calls pass at the allowed rate, again after a failure that may pass, and not while halted.

    ``rate`` is in calls a second from a bucket of ``burst`` calls; 0 is no limit.
    ``retries`` is how often one call is tried again. Setting ``stop`` ends every wait by
    an InterruptedRunError. Safe to share between threads.
    """

    def __init__(self, retries: int, *, rate: float = 0, burst: float = 1, stop: threading.Event) -> None:
        self._retries = retries
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._filled = self._burst
        self._at = time.monotonic()
        self._halted_until = 0.0
        self._lock = threading.Lock()
        self._stop = stop

    def call(self, attempt: Callable[[], T]) -> T:
        """Return what ``attempt`` returns; it is called again while it raises TransientError."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=self._gives_up,
            wait=self._wait,
            sleep=self._sleep,
            before=lambda _: self._await_turn(),
            reraise=True,
        )
        return retrying(attempt)

    def _gives_up(self, state: tenacity.RetryCallState) -> bool:
        error = _error(state)
        most = min(self._retries, _MOST_RETRIES_OF_500) if error.status == 500 else self._retries
        return state.attempt_number > most

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = _error(state)
        if error.pause is not None:
            self._halt(error.pause)
            return 0.0  # the turn is awaited with all the others
        first = 1.0 if error.status == 429 else 0.25
        backoff = tenacity.wait_exponential(multiplier=first, max=_LONGEST_WAIT) + tenacity.wait_random(0, first)
        wait = backoff(state)
        if error.status == 429:
            self._halt(wait)
            return 0.0
        return wait

    def _halt(self, seconds: float) -> None:
        with self._lock:
            self._halted_until = max(self._halted_until, time.monotonic() + seconds)

    def _await_turn(self) -> None:
        """Wait until nobody is halted and the bucket has a call for us."""
        while True:
            with self._lock:
                now = time.monotonic()
                wait = self._halted_until - now
                if wait <= 0:
                    wait = self._take(now)
            if wait <= 0:
                return
            self._sleep(wait)

    def _take(self, now: float) -> float:
        """Take a call from the bucket and return 0, or return how long to wait for the next one."""
        if not self._rate:
            return 0.0
        self._filled = min(self._burst, self._filled + (now - self._at) * self._rate)
        self._at = now
        if self._filled >= 1:
            self._filled -= 1
            return 0.0
        return (1 - self._filled) / self._rate

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise InterruptedRunError("The run was interrupted while it waited to try again.")


def _error(state: tenacity.RetryCallState) -> TransientError:
    assert state.outcome is not None
    error = state.outcome.exception()
    assert isinstance(error, TransientError)
    return error
