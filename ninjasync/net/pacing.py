"""Which failure deserves another try, how long to wait, and how fast requests may go.

All workers share one ``Pacer`` for each service, so that a 429 to one of them halts all.
Knows time and failures. Must not know Duo, SCIM or what is asked.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import tenacity

from ninjasync.errors import InterruptedRunError, UnreachableError
from ninjasync.model.events import Listener, Reason, Service, Wait, ignore
from ninjasync.net.rate import RateLimiter
from ninjasync.threads import Stop

T = TypeVar("T")

# Refusals that pass: a timeout, a locked resource, too early, too many (RFC 9110, 4918, 8470, 6585).
_PASSING = frozenset({408, 423, 425, 429})
# Of 5xx all may pass, those that only edges send (520 to 530, 598, 599) too, but for what a server
# says of itself or of the network for good: not implemented, HTTP version, variants, loop, extension, login.
_LASTING = frozenset({501, 505, 506, 508, 510, 511})
# What passes if the server says when to come again: by itself a 403 is about rights.
_PASSING_IF_ASKED = frozenset({403})
# Refusals of a pace, upon which all go slower.
_TOO_FAST = frozenset({403, 429})
# Duo answers 500 to some requests that will never succeed, so it is not asked for long.
_MOST_RETRIES_OF_500 = 2
FIRST_WAIT, FIRST_WAIT_OF_429 = 0.25, 1.0
_LONGEST_WAIT = 120.0
# What a server may make us wait by Retry-After; more is taken for a mistake of its.
_LONGEST_PAUSE = 3600.0


def may_pass(status: int, retry_after: str | None) -> bool:
    """Whether an answer with this status, and this Retry-After header, is worth another try (CONTRACT §7.6)."""
    if status in _PASSING_IF_ASKED:
        return bool(retry_after and retry_after.strip())
    return status in _PASSING or (500 <= status < 600 and status not in _LASTING)


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

    One for each service, shared by all threads: when one gets a 429, all wait. ``rate`` is in
    calls a second from a bucket of ``burst`` calls; 0 is no limit but the one that the server's
    refusals show. ``retries`` is how often one call is tried again. Setting ``stop`` ends every
    wait by an InterruptedRunError; where it is aborted, no call is made any more. ``tell`` hears of
    every wait, as one of ``service``.
    """

    def __init__(
        self,
        retries: int,
        *,
        rate: float = 0,
        burst: float = 1,
        stop: Stop,
        service: Service = "NinjaOne",
        tell: Listener = ignore,
    ) -> None:
        self._retries = retries
        self._rate = RateLimiter(rate, burst, time.monotonic())
        self._halted_until = 0.0
        self._halted_by: int | None = None
        self._lock = threading.Lock()
        self._stop = stop
        self._service, self._tell = service, tell

    def call(self, attempt: Callable[[], T]) -> T:
        """Return what ``attempt`` returns; it is called again while it raises TransientError."""
        times_500 = 0
        failure: TransientError | None = None
        lost: TransientError | None = None

        def gives_up(state: tenacity.RetryCallState) -> bool:
            nonlocal times_500, failure, lost
            failure = _error(state)
            lost = failure if failure.maybe_done else lost
            times_500 += failure.status == 500
            return times_500 > _MOST_RETRIES_OF_500 or state.attempt_number > self._retries

        def attempt_in_turn() -> T:
            self._await_turn()
            self.expect_running()
            return attempt()

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=gives_up,
            wait=_own_wait,
            before_sleep=self._halt,  # not by wait, which is asked before it is known whether there is another try
            sleep=lambda seconds: self._sleep(seconds, "failed", failure.status if failure else None),
            reraise=True,
        )
        try:
            done = retrying(attempt_in_turn)
        except InterruptedRunError as error:
            if failure is None:
                raise
            raise error from lost  # by which is told whether the request may have been carried out
        with self._lock:
            self._rate.accepted(time.monotonic())
        return done

    def expect_running(self) -> None:
        """Raise InterruptedRunError where the run was aborted: not even what belongs to a call may be sent then."""
        if self._stop.cause is not None:
            raise InterruptedRunError("The run was stopped before this was sent.")

    def _halt(self, state: tenacity.RetryCallState) -> None:
        """Let all threads keep the pause that a failure asks for, where the call is going to be tried again."""
        error = _error(state)
        if not _halts(error):
            return
        pause = error.pause if error.pause is not None else _backoff(state, FIRST_WAIT_OF_429)
        with self._lock:
            now = time.monotonic()
            # A server that says "again, at once" does not ask for fewer requests.
            if error.status in _TOO_FAST and pause > 0 and now >= self._halted_until:
                self._rate.refused(now, pause)
            self._halted_until = max(self._halted_until, now + pause)
            self._halted_by = error.status

    def _await_turn(self) -> None:
        """Wait until no halt is on and the rate limiter has a place for this call."""
        while True:
            with self._lock:
                now = time.monotonic()
                halt = self._halted_until - now
                wait = halt if halt > 0 else self._rate.reserve(now) - now
            if wait > 0:
                self._sleep(wait, "asked", self._halted_by) if halt > 0 else self._sleep(wait, "limit")
            if halt > 0:
                continue
            with self._lock:
                if self._halted_until <= time.monotonic():
                    return

    def _sleep(self, seconds: float, why: Reason, status: int | None = None) -> None:
        if seconds:  # there is none here where the pause is awaited with the turn
            self._tell(Wait(self._service, seconds, why, status))
        if self._stop.wait(seconds):
            raise InterruptedRunError("The run was interrupted while it waited to try again.")


def _halts(error: TransientError) -> bool:
    return error.status == 429 or error.pause is not None


def _own_wait(state: tenacity.RetryCallState) -> float:
    """Return how long this call alone waits, if longer than the pause that all keep and that comes with the turn.

    A server may say "at once", or name a date gone by; it is not asked again any sooner for that.
    """
    error = _error(state)
    if _halts(error) and error.pause is None:
        return 0.0
    own = _backoff(state, FIRST_WAIT_OF_429 if error.status == 429 else FIRST_WAIT)
    return own if own > (error.pause or 0.0) else 0.0


def _backoff(state: tenacity.RetryCallState, first: float) -> float:
    """Return ``first``, doubled with each try, and up to as much again by chance, so that not all come back at once."""
    backoff = tenacity.wait_exponential(multiplier=first, max=_LONGEST_WAIT)(state)
    return backoff + tenacity.wait_random(0, backoff)(state)


def _error(state: tenacity.RetryCallState) -> TransientError:
    assert state.outcome is not None
    error = state.outcome.exception()
    assert isinstance(error, TransientError)
    return error
