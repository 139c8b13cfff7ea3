"""What a run shows while it goes on: bars on a terminal, gone at its end, and elsewhere a few log lines."""

from __future__ import annotations

import logging
import os
import pty
import re
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ninjasync.cli import clock
from ninjasync.cli.options import Invocation
from ninjasync.cli.progress import Progress
from ninjasync.cli.progress_bars import _Rate
from ninjasync.config.load import load
from ninjasync.config.schema import Config
from ninjasync.errors import LockedError
from ninjasync.model.events import Event, Locked, Read, Wait
from ninjasync.model.plan import Approvals
from ninjasync.model.tenant import Tenant
from ninjasync.net.pacing import Pacer, TransientError
from ninjasync.runs import plan
from ninjasync.state import lock
from tests.support.contexts import context_of
from tests.support.forked import fork
from tests.support.office import Office
from tests.support.server import json_reply

if TYPE_CHECKING:
    from tests.support.clock import Clock

PAUSE = json_reply({}, 429, **{"Retry-After": "50"})


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    world = Office(tmp_path_factory.mktemp("world")).start()
    world.configure("run", retries=2)
    world.proxy_scim()
    yield world
    world.stop()


@pytest.fixture
def world(shared: Office, tmp_path: Path) -> Iterator[Office]:
    """The one world, as it was."""
    saved = shared.save()
    shared.folder = tmp_path
    yield shared
    shared.restore(saved, tmp_path)


# --- on a terminal ---------------------------------------------------------------------------


class Terminal:
    """A process whose questions and progress go to a terminal of 80 columns, and whose result goes to a pipe."""

    def __init__(self, *arguments: str, **variables: str) -> None:
        self._leader, follower = pty.openpty()
        with pytest.MonkeyPatch.context() as patches:
            patches.delenv("NO_COLOR", raising=False)
            for name, value in {"TERM": "xterm", "COLUMNS": "80", "LINES": "24", **variables}.items():
                patches.setenv(name, value)
            self._process = fork(*arguments, stdin=follower, stderr=follower)
        os.close(follower)
        self.seen = ""
        self.code: int | None = None

    def wait_for(self, words: str) -> None:
        while words not in self.seen:
            some = self._some()
            assert some, f"{words!r} was not shown: {self.seen!r}"
            self.seen += some

    def type(self, text: str) -> None:
        os.write(self._leader, text.encode())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def finish(self) -> str:
        """Return standard output."""
        while some := self._some():
            self.seen += some
        self.code = self._process.wait(30)
        return self._process.out

    def close(self) -> None:
        self._process.kill()
        os.close(self._leader)

    def _some(self) -> str:
        ready, _, _ = select.select([self._leader], [], [], 30)
        try:
            return os.read(self._leader, 65536).decode(errors="replace") if ready else ""
        except OSError:  # Linux's way to say that nobody is at the other end any more
            return ""


@contextmanager
def terminal(world: Office, command: str, *arguments: str, **variables: str) -> Iterator[Terminal]:
    made = Terminal(command, "--config", world.write_config(), *arguments, **variables)
    try:
        yield made
    finally:
        made.close()


def screen(written: str) -> list[str]:
    """What is left on the screen of all that was written to it: as much of a terminal as rich makes use of."""
    lines, row, column = [""], 0, 0
    for sequence, text in re.findall(r"(\x1b\[[?\d;]*[A-Za-z]|[\r\n])|([^\x1b\r\n]+)", written):
        if text:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
        elif sequence == "\r":
            column = 0
        elif sequence == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif sequence.endswith("A"):
            row -= int(sequence[2:-1] or 1)
        elif sequence == "\x1b[2K":
            lines[row] = ""
        else:
            assert re.fullmatch(r"\x1b\[(\?25[hl]|[\d;]*m)", sequence), repr(sequence)
    return [line.rstrip() for line in lines if line.strip()]


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"PYTHONIOENCODING": "cp437"}])
def test_a_plan_shows_what_it_reads_and_leaves_nothing_of_it_on_the_screen(
    world: Office, variables: dict[str, str]
) -> None:
    with terminal(world, "plan", **variables) as shown:
        out = shown.finish()
    assert shown.code == 0
    assert re.search(r"Duo users .* 15 of 15", shown.seen)
    assert "NinjaOne users" in shown.seen
    assert screen(shown.seen) == []
    assert bool(re.search(r"\x1b\[[\d;]*[39]\d", shown.seen)) == ("NO_COLOR" not in variables)
    assert ("━" in shown.seen) == ("PYTHONIOENCODING" not in variables)
    assert out.endswith("Plan: users: 15 to create; groups: 2 to create.\n")
    assert "\x1b" not in out


@pytest.mark.parametrize(("options", "variables"), [(("--quiet",), {}), ((), {"TERM": "dumb"})])
def test_nothing_is_drawn_where_that_is_not_wanted_or_cannot_be(
    world: Office, options: tuple[str, ...], variables: dict[str, str]
) -> None:
    with terminal(world, "plan", *options, **variables) as shown:
        shown.finish()
    assert (shown.code, shown.seen) == (0, "")


def test_an_apply_asks_when_the_bars_are_gone_then_counts_changes_below_its_log_lines(world: Office) -> None:
    with terminal(world, "apply", "--log-level", "info") as shown:
        shown.wait_for("[y/N] ")
        before = screen(shown.seen)
        shown.type("y\n")
        shown.finish()
    assert shown.code == 0
    assert re.search(r"info: Read 3 groups in Duo, 15 users in Duo, .* in \d+ s\.$", " ".join(before[:-1]))
    assert before[-1] == "Apply these 17 changes? [y/N]"
    assert "17 of 17" in shown.seen
    left = screen(shown.seen)
    assert not any("Changes" in line or "Applying" in line for line in left)
    assert sum(line.startswith("info: applied: create") for line in left) == 17
    assert left[-1].startswith("info: 17 applied, 0 failed, 0 skipped in ")


@pytest.mark.parametrize("discovery", ["list", "lookup"])
def test_a_pause_that_a_service_asks_for_is_said_so_and_does_not_outlast_an_interrupt(
    world: Office, discovery: str
) -> None:
    world.configure("ninjaone.dialect", discovery=discovery)
    world.proxy_scim(lambda hit, forward: PAUSE)
    with terminal(world, "plan") as shown:
        shown.wait_for("s: NinjaOne asked for a pause (HTTP 429)")
        shown.interrupt()
        out = shown.finish()
    assert re.search(r"Waiting (50|49) s: NinjaOne asked", shown.seen)
    assert (shown.code, out) == (130, "")
    assert screen(shown.seen)[-1] == "Error: Interrupted. [tenant 127.0.0.1]"
    assert not any("Waiting" in line or "Reading" in line for line in screen(shown.seen))


def test_an_interrupt_at_the_question_ends_the_run_on_a_line_of_its_own(world: Office) -> None:
    with terminal(world, "apply") as shown:
        shown.wait_for("[y/N] ")
        time.sleep(0.5)  # seen here is not yet written there: the program is to wait for the answer
        shown.interrupt()
        shown.finish()
    assert shown.code == 130
    assert screen(shown.seen)[0].startswith("Apply these 17 changes?")
    assert screen(shown.seen)[1] == "Error: Interrupted. [tenant 127.0.0.1]"
    assert world.writes() == []


def test_an_error_is_told_when_the_bars_are_gone(world: Office) -> None:
    world.proxy_scim(lambda hit, forward: json_reply({}, 401))
    with terminal(world, "plan") as shown:
        shown.finish()
    assert shown.code == 6
    assert screen(shown.seen)[0].startswith("Error: NinjaOne refused the SCIM token")


def test_a_rate_is_that_of_the_last_seconds_and_waits_until_it_can_be_told() -> None:
    rate = _Rate(100.0, 300)
    rate.count(100.1, 2400)  # eight pages at once say nothing
    assert rate.at(100.2) == 0
    assert rate.at(102.0) == 1050
    for second in range(1, 9):
        rate.count(100.0 + second, 2400 + 10 * second)
    assert rate.at(108.0) == 10
    rate.count(109.0, 300)  # read again from the beginning
    rate.count(111.0, 500)
    assert rate.at(111.0) == 100


# --- elsewhere -------------------------------------------------------------------------------


def test_without_a_terminal_nothing_is_said_unless_it_is_asked_for(world: Office) -> None:
    done = world.run_forked("apply", "--yes")
    assert (done.code, done.err) == (0, "")
    told = world.run("plan", "--log-level", "info")
    *operations, last = told.err.splitlines()
    assert all(line.startswith("info: read ") for line in operations)
    assert re.fullmatch(
        r"info: Read 3 groups in Duo, 15 users in Duo, 2 groups in NinjaOne, 15 users in NinjaOne in \d+ s\.", last
    )


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The log lines of level info and above."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(f"{record.levelname.lower()}: {record.getMessage()}")  # type: ignore[method-assign]  # heard here
    logger = logging.getLogger("ninjasync")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(before)


class Time:
    """A clock that stands still."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_long_read_has_a_line_after_ten_seconds_and_then_every_thirty(lines: list[str]) -> None:
    clock = Time()
    progress = Progress(Invocation(), clock)
    with progress.reading():
        for second in range(75):
            clock.now = second
            progress.tell(Read("Duo", "user", 300 * second, 30_000))
    assert lines == [
        "info: Reading: 3,000 of 30,000 users in Duo so far.",
        "info: Reading: 12,000 of 30,000 users in Duo so far.",
        "info: Reading: 21,000 of 30,000 users in Duo so far.",
        "info: Read 22,200 of 30,000 users in Duo in 74 s.",
    ]


def test_a_read_that_fails_has_no_line_that_says_it_is_done(lines: list[str]) -> None:
    progress = Progress(Invocation())

    def fails() -> None:
        with progress.reading():
            progress.tell(Read("Duo", "user", 1, 2))
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011  # it is this one
        fails()
    assert lines == []


def test_a_long_pause_is_a_warning_once_for_each_service_and_a_short_one_none(lines: list[str]) -> None:
    progress = Progress(Invocation())
    for service in ("Duo", "NinjaOne"):
        for seconds in (29.0, 60.0, 60.0):
            progress.tell(Wait(service, seconds, "asked", 429))
            progress.tell(Wait(service, seconds, "limit"))
    assert lines == [
        "warning: The run waits 60 s: Duo asked for a pause (HTTP 429).",
        "warning: The run waits 60 s: NinjaOne asked for a pause (HTTP 429).",
    ]


# --- what is told ----------------------------------------------------------------------------


def loaded(world: Office) -> Config:
    return load(Path(world.write_config()))


def test_readers_tell_of_each_page_how_many_they_have_of_how_many(world: Office) -> None:
    world.settle()
    world.configure("ninjaone.dialect", page_size=4)
    told: list[Event] = []
    plan.plan_run(context_of(loaded(world), listener=told.append), Approvals(), ())
    pages = [one for one in told if isinstance(one, Read) and one.service == "NinjaOne" and one.resource == "user"]
    assert pages == [Read("NinjaOne", "user", done, 15) for done in (4, 8, 12, 15)]
    others = {one for one in told if isinstance(one, Read)} - set(pages)
    assert others == {Read("Duo", "group", 3, 3), Read("Duo", "user", 15, 15), Read("NinjaOne", "group", 2, 2)}


def test_look_ups_tell_of_each_account(world: Office) -> None:
    world.configure("ninjaone.dialect", discovery="lookup")
    told: list[Event] = []
    plan.plan_run(context_of(loaded(world), listener=told.append), Approvals(), ())
    looked = [one for one in told if isinstance(one, Read) and one.service == "NinjaOne"]
    assert [one for one in looked if one.resource == "user"] == [Read("NinjaOne", "user", n, 15) for n in range(1, 16)]
    assert looked[-1] == Read("NinjaOne", "group", 2, 2)


def test_a_pacer_tells_why_it_waits(clock: Clock) -> None:
    told: list[Event] = []
    failures = iter([TransientError("", status=429, pause=17.0), TransientError("", status=503), TransientError("")])

    def attempt() -> str:
        for failure in failures:
            raise failure
        return "answer"

    pacer = Pacer(6, rate=0.5, burst=1, stop=clock, service="Duo", tell=told.append)
    assert pacer.call(attempt) == "answer"
    waits = [one for one in told if isinstance(one, Wait)]
    assert [round(one.seconds, 6) for one in waits] == [round(wait, 6) for wait in clock.waits]
    assert waits[0] == Wait("Duo", 17.0, "asked", 429)
    assert {(one.service, one.why, one.status) for one in waits[1:]} == {
        ("Duo", "failed", 503),
        ("Duo", "failed", None),
        ("Duo", "limit", None),
    }


def test_a_run_that_waits_for_the_lock_says_which_run_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    tenant = Tenant("https://n.example/scim", "api-1.duosecurity.com", "")
    monkeypatch.setattr(lock, "_MOMENT", 0.0)
    progress = Progress(Invocation())
    ledger = tmp_path / "ledger"
    told: list[Event] = []

    def tell(one: Event) -> None:
        told.append(one)
        progress.tell(one)

    def waits() -> None:
        with lock.hold_lock(ledger, tenant, 0.01, clock.now(), tell):
            raise AssertionError

    with lock.hold_lock(ledger, tenant, 0, clock.now()), pytest.raises(LockedError):
        waits()
    (one,) = told
    assert isinstance(one, Locked)
    assert f"process {os.getpid()}" in one.holder
    assert lines[0].startswith("info: Another run holds the lock, for which this one waits: ")
