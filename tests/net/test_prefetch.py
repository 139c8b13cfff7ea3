"""Fetching ahead: by whoever asks while answers come at once, by several threads once they do not."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from ninjasync.net import prefetch
from ninjasync.net.prefetch import Ahead
from ninjasync.threads import in_background, result_of, undisturbed

NEVER_SLOW, ALWAYS_SLOW = 1e9, -1.0


def test_answers_that_come_at_once_are_fetched_by_whoever_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "_AT_ONCE", NEVER_SLOW)
    asked: list[int] = []

    def fetch(key: int) -> int:
        asked.append(key)
        return threading.get_ident()

    with Ahead(fetch, 4) as pages:
        pages.keep(0)
        pages.expect(range(1, 20))
        assert {pages.take(key) for key in range(20)} == {threading.get_ident()}
    assert asked == list(range(20))


def test_answers_worth_waiting_for_are_fetched_side_by_side_before_they_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prefetch, "_AT_ONCE", ALWAYS_SLOW)
    together = threading.Barrier(4)

    def fetch(key: int) -> int:
        if key:
            together.wait(timeout=30)  # passes only where four are under way at once
        return key * 10

    with Ahead(fetch, 4) as pages:
        assert pages.take(0) == 0
        pages.expect(range(1, 41))
        assert [pages.take(key) for key in range(1, 41)] == [key * 10 for key in range(1, 41)]


def test_no_more_than_twice_as_many_answers_as_threads_wait_to_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "_AT_ONCE", ALWAYS_SLOW)
    fetched: list[int] = []
    six = threading.Event()

    def fetch(key: int) -> int:
        fetched.append(key)
        if len(fetched) == 6:
            six.set()
        return key

    with Ahead(fetch, 3) as pages:
        pages.keep(0)  # one of the six
        pages.expect(range(1, 50))
        assert six.wait(timeout=30)
        for taken in range(50):
            assert pages.take(taken) == taken
            # What was fetched can only be what was taken, six more, and what others fetch meanwhile for the room made.
            assert len(fetched) <= taken + 1 + 6
    assert sorted(fetched) == list(range(50))


def test_guesses_are_fetched_while_the_first_takes_its_time_and_each_key_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "_AT_ONCE", 0.0)
    together, asked = threading.Barrier(3), []

    def fetch(key: int) -> int:
        asked.append(key)
        if key < 3:
            together.wait(timeout=30)
        return key * 10

    with Ahead(fetch, 4) as pages:
        pages.keep(0, [1, 2])
        assert pages.take(0) == 0
        pages.expect(range(1, 20))
        assert [pages.take(key) for key in range(1, 20)] == [key * 10 for key in range(1, 20)]
    assert sorted(asked) == list(range(20))


def test_guesses_that_nobody_takes_are_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "_AT_ONCE", 0.0)
    guessed = threading.Semaphore(0)

    def fetch(key: int) -> int:
        if key < 0:
            guessed.release()
            raise ValueError("there is no such page")
        if key == 0:
            for _ in range(3):
                assert guessed.acquire(timeout=30)
        return key

    with Ahead(fetch, 4) as pages:
        pages.keep(0, [-1, -2, -3])
        assert pages.take(0) == 0
        pages.expect(range(1, 100))
        assert [pages.take(key) for key in range(1, 100)] == list(range(1, 100))


def test_nothing_is_guessed_where_the_first_comes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "_AT_ONCE", 0.1)
    asked: list[int] = []
    pages: Ahead[int, None] = Ahead(asked.append, 4)
    with pages:
        pages.keep(0, [1, 2])
        time.sleep(0.3)  # long after the guesses would have been asked for
    assert asked == [0]


@pytest.mark.parametrize("at_once", [NEVER_SLOW, ALWAYS_SLOW])
def test_what_fetching_raises_is_raised_to_whoever_takes_that_one(
    monkeypatch: pytest.MonkeyPatch, at_once: float
) -> None:
    monkeypatch.setattr(prefetch, "_AT_ONCE", at_once)

    def fetch(key: int) -> int:
        if key == 2:
            raise ValueError("the third")
        return key

    with Ahead(fetch, 2) as pages:
        assert pages.take(0) == 0
        pages.expect(range(1, 5))
        assert pages.take(1) == 1
        with pytest.raises(ValueError, match="the third"):
            pages.take(2)
        assert [pages.take(key) for key in (3, 4, 7)] == [3, 4, 7]


def test_a_signal_that_another_thread_took_is_heeded_while_an_answer_is_waited_for() -> None:
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


def test_an_interrupt_waits_for_the_end_of_what_must_not_be_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def interrupted() -> None:
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            done.append("imported")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == ["imported"]
    monkeypatch.delattr(signal, "pthread_sigmask")  # as on Windows
    with undisturbed():
        done.append("there too")
    assert done == ["imported", "there too"]
