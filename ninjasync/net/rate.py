"""How fast requests may go: a fixed limit that is kept exactly, or one that is found from a server's 429s.

The found limit is additive-increase/multiplicative-decrease with slow start, as TCP has it
(RFC 5681 §3.1), but for two things: the increase approaches the ceiling where the last 429
came, and creeps beyond it; the decrease goes by what the server accepted, not by half.

Pure: times come in as arguments, in seconds.
"""

from collections import deque

# Found by simulating servers with a bucket of 5 to 100 requests or a window of a second, at 10 to
# 200 requests a second, with and without latency: 90 to 100 % of the limit used, 0.1 to 2 % refused.
_WINDOW = 1.0  # over which the last successes are counted
_BACK_OFF = 0.97  # of what was accepted in the last window, where a refusal came
_APPROACH = 0.5  # share of the way to the ceiling that is made up in a second
_CREEP = 0.002  # by which the ceiling itself grows in a second
_SLOW_START = 2.0  # growth in a second as long as only one refusal has come
# How much the last window weighs against the time since the last refusal, at the first refusal, at the
# second (the time before it was the slow start's, which says little), and from then on.
_WEIGHTS = (0.5, 0.9, 0.5)
_TELLING = 5  # accepted requests in a window; a refusal after fewer says nothing about a rate
_SLOWEST = 2.0  # requests a second; less is a matter of pauses, which the server sets


class RateLimiter:
    """Assigns the moments at which requests may go. Not safe for threads: its owner holds a lock.

    ``fixed`` is in requests a second from a bucket of ``burst``; 0 is no limit.
    """

    def __init__(self, fixed: float, burst: float, now: float) -> None:
        self._fixed = fixed
        self._burst = max(burst, 1.0)
        self._next = now - (self._burst - 1) / fixed if fixed else now
        self._found: float | None = None
        self._ceiling: float | None = None
        self._refusals = 0
        self._grown_at = now
        self._cycle_from = now
        self._cycle = 0
        self._done: deque[float] = deque()

    @property
    def rate(self) -> float:
        """The present limit in requests a second; 0 is none."""
        rates = [rate for rate in (self._fixed, self._found) if rate]
        return min(rates) if rates else 0.0

    def reserve(self, now: float) -> float:
        """Return the moment at which the next request may go; it is reserved."""
        self._grow(now)
        rate = self.rate
        if not rate:
            return now
        # A fixed limit saves up to its bucket; a found one saves nothing, which would only be refused.
        saved = (self._burst - 1) / rate if rate == self._fixed else 0.0
        slot = max(self._next, now - saved)
        self._next = slot + 1 / rate
        return max(slot, now)

    def accepted(self, now: float) -> None:
        """Count a request that the server did not refuse."""
        self._cycle += 1
        self._done.append(now)
        while self._done and self._done[0] < now - _WINDOW:
            self._done.popleft()

    def refused(self, now: float, pause: float) -> None:
        """Lower the rate after a 429 upon which all halt for ``pause`` seconds."""
        while self._done and self._done[0] < now - _WINDOW:
            self._done.popleft()
        if len(self._done) < _TELLING:
            return
        # What came through lately is too much: a bucket may have paid for it. What came through
        # since the last halt, counted over this one too, is too little. The truth lies between.
        lately = _BACK_OFF * len(self._done) / _WINDOW
        since = self._cycle / max(now - self._cycle_from + pause, 0.001)
        weight = _WEIGHTS[min(self._refusals, len(_WEIGHTS) - 1)]
        self._refusals += 1
        self._found = max(weight * lately + (1 - weight) * min(since, lately), _SLOWEST)
        self._ceiling = None if self._refusals == 1 else max(lately, self._found)
        self._cycle, self._cycle_from = 0, now + pause
        self._grown_at = self._next = now + pause

    def _grow(self, now: float) -> None:
        if self._found is None or now <= self._grown_at:
            return
        seconds, self._grown_at = now - self._grown_at, now
        if self._ceiling is None:
            self._found *= _SLOW_START ** min(seconds, 1.0)
            return
        self._found += (self._ceiling - self._found) * min(_APPROACH * seconds, 1.0)
        if self._found > 0.97 * self._ceiling:
            self._ceiling *= 1 + _CREEP * min(seconds, 1.0)
