"""Fetching ahead: by whoever asks while answers come at once, by several threads once they do not."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from ninjasync.net import prefetch
from ninjasync.net.prefetch import Prefetch
from ninjasync.threads import in_background, result_of

NEVER_SLOW, ALWAYS_SLOW = 1e9, -1.0


def test_answers_that_come_at_once_are_fetched_by_the_thread_that_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "_WORTH_THREADS", NEVER_SLOW)
    asked: list[int] = []

    def fetch(key: int) -> int:
        asked.append(key)
        return threading.get_ident()

    with Prefetch(fetch, 4) as pages:
        pages.get(0)
        pages.announce(range(1, 20))
        assert {pages.get(key) for key in range(1, 20)} == {threading.get_ident()}
    assert asked == list(range(20))


def test_answers_worth_waiting_for_are_fetched_side_by_side_before_they_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prefetch, "_WORTH_THREADS", ALWAYS_SLOW)
    together = threading.Barrier(4)

    def fetch(key: int) -> int:
        if key:
            together.wait(timeout=30)  # passes only where four are under way at once
        return key * 10

    with Prefetch(fetch, 4) as pages:
        assert pages.get(0) == 0
        pages.announce(range(1, 41))
        assert [pages.get(key) for key in range(1, 41)] == [key * 10 for key in range(1, 41)]


def test_no_more_than_twice_as_many_answers_as_threads_wait_to_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "_WORTH_THREADS", ALWAYS_SLOW)
    fetched: list[int] = []
    six = threading.Event()

    def fetch(key: int) -> int:
        fetched.append(key)
        if len(fetched) == 6:
            six.set()
        return key

    with Prefetch(fetch, 3) as pages:
        result_of(pages.start(0))  # one of the six
        pages.announce(range(1, 50))
        assert six.wait(timeout=30)
        for taken in range(50):
            assert pages.get(taken) == taken
            # What was fetched can only be what was taken, six more, and what others fetch meanwhile for the room made.
            assert len(fetched) <= taken + 1 + 6
    assert sorted(fetched) == list(range(50))


def test_what_was_started_is_fetched_once_and_counts_as_the_first_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "_WORTH_THREADS", ALWAYS_SLOW)
    asked: list[int] = []

    def fetch(key: int) -> int:
        asked.append(key)
        return key

    with Prefetch(fetch, 4) as pages:
        assert not pages.is_worth_threads()
        assert result_of(pages.start(0)) == pages.get(0) == 0
        assert pages.is_worth_threads()
        pages.announce(range(1, 20))
        assert [pages.get(key) for key in range(1, 20)] == list(range(1, 20))
    assert sorted(asked) == list(range(20))


def test_it_is_decided_by_the_first_answer_alone_whether_threads_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "_WORTH_THREADS", 0.05)

    def fetch(key: int) -> int:
        time.sleep(key / 10)
        return threading.get_ident()

    with Prefetch(fetch, 4) as pages:
        pages.get(0)  # at once
        pages.get(1)  # in its time
        pages.announce([3, 2])
        assert {pages.get(key) for key in (3, 2)} == {threading.get_ident()}


@pytest.mark.parametrize("at_once", [NEVER_SLOW, ALWAYS_SLOW])
def test_what_fetching_raises_is_raised_to_the_thread_that_takes_it(
    monkeypatch: pytest.MonkeyPatch, at_once: float
) -> None:
    monkeypatch.setattr(prefetch, "_WORTH_THREADS", at_once)

    def fetch(key: int) -> int:
        if key == 2:
            raise ValueError("the third")
        return key

    with Prefetch(fetch, 2) as pages:
        assert pages.get(0) == 0
        pages.announce(range(1, 5))
        assert pages.get(1) == 1
        with pytest.raises(ValueError, match="the third"):
            pages.get(2)
        assert [pages.get(key) for key in (3, 4, 7)] == [3, 4, 7]


def test_a_signal_that_another_thread_took_is_noticed_while_an_answer_is_waited_for() -> None:
    heeded = threading.Event()

    def work() -> bool:
        time.sleep(0.3)  # until the main thread waits, whom this does not wake:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        return heeded.wait(timeout=30)

    before = signal.signal(signal.SIGUSR1, lambda *_: heeded.set())
    try:
        assert result_of(in_background(work))
    finally:
        signal.signal(signal.SIGUSR1, before)
