"""Which failure is tried again, how long is waited, how fast calls may go. No test waits: time is told by ``clock``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninjasync.errors import CredentialsError, InterruptedRunError, LedgerError
from ninjasync.net.pacing import Pacer, TransientError, retry_after

if TYPE_CHECKING:
    from tests.support.clock import Clock

NOW = datetime(2027, 1, 1, 12, 0, 0, tzinfo=UTC)


class Service:
    """Fails with each of ``failures`` in turn (a status, None for no answer, or an error), then answers."""

    def __init__(self, *failures: int | Exception | None, pause: float | None = None) -> None:
        self.failures, self.pause, self.calls = list(failures), pause, 0

    def __call__(self) -> str:
        self.calls += 1
        if not self.failures:
            return "answer"
        failure = self.failures.pop(0)
        if isinstance(failure, Exception):
            raise failure
        raise TransientError(f"status {failure}", status=failure, pause=self.pause)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("7.5", None),
        ("-7", None),
        ("soon", None),
        ("²", None),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("9" * 400, 3600.0),
        ("Fri, 01 Jan 2027 12:00:30 GMT", 30.0),
        ("Fri, 01 Jan 2027 13:00:30 +0100", 30.0),
        ("Fri, 01 Jan 2027 12:00:30 -0000", 30.0),
        ("Fri, 01 Jan 2027 11:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("Fri, 01 Jan 99999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_and_never_more_than_an_hour(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after(header, NOW) == seconds


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d{1,5} \d+:\d+:\d+ [+-]?\w*"))
def test_whatever_a_server_sends_as_retry_after_breaks_nothing(header: str) -> None:
    found = retry_after(header, NOW)
    assert found is None or 0 <= found <= 3600


@pytest.mark.parametrize("failure", [None, 429, 500, 502, 503, 504])
def test_a_failure_that_may_pass_is_tried_again(clock: Clock, failure: int | None) -> None:
    service = Service(failure)
    assert Pacer(6, stop=clock).call(service) == "answer"
    assert service.calls == 2
    assert len(clock.waits) == 1
    assert clock.waits[0] > 0


@pytest.mark.parametrize(
    ("failure", "retries", "calls"),
    [(503, 6, 7), (None, 6, 7), (429, 6, 7), (503, 0, 1), (500, 6, 3), (500, 1, 2), (500, 0, 1)],
)
def test_it_is_tried_as_often_as_configured_but_an_http_500_at_most_twice_again(
    clock: Clock, failure: int | None, retries: int, calls: int
) -> None:
    service = Service(*[failure] * 99)
    with pytest.raises(TransientError) as caught:
        Pacer(retries, stop=clock).call(service)
    assert service.calls == calls
    assert caught.value.status == failure


def test_any_other_failure_is_not_tried_again(clock: Clock) -> None:
    service = Service(CredentialsError("no"))
    with pytest.raises(CredentialsError):
        Pacer(6, stop=clock).call(service)
    assert (service.calls, clock.waits) == (1, [])


def test_the_waits_grow_up_to_two_minutes_and_as_much_again_by_chance(clock: Clock) -> None:
    with pytest.raises(TransientError):
        Pacer(12, stop=clock).call(Service(*[503] * 99))
    assert len(clock.waits) == 12
    assert all(wait <= 0.5 * 2**number for number, wait in enumerate(clock.waits))
    assert all(0.25 * 2**number <= wait for number, wait in enumerate(clock.waits) if 0.25 * 2**number <= 120)
    assert max(clock.waits) <= 240


def test_what_the_server_asks_for_is_waited_and_no_more(clock: Clock) -> None:
    assert Pacer(6, stop=clock).call(Service(429, 503, pause=17.0)) == "answer"
    assert clock.waits == [17.0, 17.0]


def test_a_429_to_one_halts_all(clock: Clock) -> None:
    pacer = Pacer(6, stop=clock)
    seen: list[float] = []

    class Limited(Service):
        def __call__(self) -> str:
            if self.calls == 1:  # while the first call waits to try again, another one comes
                seen.append(clock.now)
            return super().__call__()

    with pytest.raises(TransientError):
        Pacer(0, stop=clock).call(Service(429, pause=60.0))
    assert clock.waits == []  # another service's pacer knows nothing of it
    pacer.call(Limited(429, pause=60.0))
    assert seen == [1060.0]
    pacer.call(lambda: seen.append(clock.now))
    assert seen[1] >= 1060.0


@pytest.mark.parametrize("retries", [0, 2])
def test_a_call_that_is_given_up_halts_no_other(clock: Clock, retries: int) -> None:
    pacer = Pacer(retries, stop=clock)
    with pytest.raises(TransientError):
        pacer.call(Service(*[429] * (retries + 1), pause=3600.0))
    waited = list(clock.waits)
    assert len(waited) == retries
    pacer.call(Service())
    assert clock.waits == waited


def test_another_worker_waits_out_the_halt_that_one_worker_was_given(clock: Clock) -> None:
    pacer = Pacer(1, stop=clock)
    began: list[float] = []

    def other() -> None:
        began.append(clock.now)

    def attempt() -> None:
        if not began:
            began.append(-1)
            raise TransientError("slow down", status=429, pause=60.0)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(pacer.call, other).result()

    pacer.call(attempt)
    assert began[0] == -1
    assert began[1] >= 1060.0


def test_a_5xx_to_one_worker_halts_no_other(clock: Clock) -> None:
    pacer = Pacer(0, stop=clock)
    with pytest.raises(TransientError):
        pacer.call(Service(503))
    pacer.call(Service())
    assert clock.waits == []


def test_the_first_calls_go_at_once_and_then_at_the_allowed_rate(clock: Clock) -> None:
    pacer = Pacer(0, rate=2, burst=3, stop=clock)
    times = []
    for _ in range(6):
        pacer.call(lambda: times.append(clock.now - 1000))
    assert times == pytest.approx([0, 0, 0, 0.5, 1.0, 1.5])


def test_the_bucket_fills_up_again_but_not_beyond_its_size(clock: Clock) -> None:
    pacer = Pacer(0, rate=2, burst=3, stop=clock)
    for _ in range(3):
        pacer.call(Service())
    clock.now += 1000
    clock.waits.clear()
    for _ in range(4):
        pacer.call(Service())
    assert clock.waits == pytest.approx([0.5])


def test_a_rate_of_zero_is_no_limit(clock: Clock) -> None:
    pacer = Pacer(0, stop=clock)
    for _ in range(1000):
        pacer.call(Service())
    assert clock.waits == []


def test_tries_count_against_the_rate_too(clock: Clock) -> None:
    pacer = Pacer(2, rate=0.001, burst=1, stop=clock)
    pacer.call(Service(503))
    assert sum(clock.waits) == pytest.approx(1000)


@pytest.mark.parametrize("failure", [429, 503])
def test_a_run_that_is_stopped_waits_no_longer(clock: Clock, failure: int) -> None:
    clock.stop_after = 1
    service = Service(failure, failure, pause=None)
    with pytest.raises(InterruptedRunError) as caught:
        Pacer(6, stop=clock).call(service)
    assert service.calls == 1
    assert caught.value.exit_code == 130


@pytest.mark.parametrize(("status", "maybe"), [(None, True), (500, True), (503, True), (429, False)])
def test_only_after_a_429_is_it_sure_that_nothing_was_done(status: int | None, maybe: bool) -> None:
    assert TransientError("x", status=status).maybe_done is maybe


def test_many_threads_together_do_not_exceed_the_rate(clock: Clock) -> None:
    pacer, lock = Pacer(0, rate=1, burst=5, stop=clock), threading.Lock()
    calls: list[Callable[[], None]] = []

    def called() -> None:
        with lock:
            calls.append(called)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(pacer.call, called) for _ in range(40)]:
            future.result()
    assert len(calls) == 40
    assert clock.now - 1000 >= 35 - 1e-6


def test_under_a_server_that_refuses_too_fast_a_pace_all_calls_get_through_without_a_flood_of_refusals(
    clock: Clock,
) -> None:
    """A server of 20 requests a second that counts in windows of a second."""
    pacer, windows, refused = Pacer(6, stop=clock), dict[int, int](), 0

    def attempt() -> None:
        nonlocal refused
        window = int(clock.now)
        windows[window] = windows.get(window, 0) + 1
        if windows[window] > 20:
            refused += 1
            raise TransientError("too fast", status=429, pause=1.0)
        clock.now += 0.001

    for _ in range(3000):
        pacer.call(attempt)
    assert refused < 150
    assert clock.now - 1000 < 3000 / 20 * 1.5


@pytest.mark.parametrize(
    ("failures", "lost"), [([503], 503), ([None, 429], None), ([429, 503], 503), ([429], "nothing"), ([], "nothing")]
)
def test_an_interrupt_tells_whether_a_request_may_have_been_carried_out(
    clock: Clock, failures: list[int | None], lost: int | str | None
) -> None:
    clock.stop_after = max(len(failures), 1)
    pacer = Pacer(9, rate=0 if failures else 1, stop=clock)
    if not failures:
        pacer.call(Service())  # the next must wait for its turn
    with pytest.raises(InterruptedRunError) as caught:
        pacer.call(Service(*failures))
    cause = caught.value.__cause__
    assert (cause.status if isinstance(cause, TransientError) else "nothing") == lost


def test_once_a_run_is_aborted_no_call_is_made_not_even_the_next_try_of_one_under_way(clock: Clock) -> None:
    service, pacer = Service(503), Pacer(6, stop=clock)
    clock.stop_after = None

    def lose_the_ledger() -> str:
        clock.abort(LedgerError("the ledger is lost"))
        clock.clear()  # as if no wait had noticed
        return service()

    with pytest.raises(InterruptedRunError):
        pacer.call(lose_the_ledger)
    with pytest.raises(InterruptedRunError):
        pacer.call(service)
    assert service.calls == 1
