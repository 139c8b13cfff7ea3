"""The ledger's server goes away in the middle of an apply: nothing without its intent, no duplicate, the next settles.

A real server, really restarted. SQLite's counterpart is ``test_lost_ledger``.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from ninjasync.errors import NinjasyncError
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse
from ninjasync.state import postgres_database
from ninjasync.state.postgres_database import PostgresDatabase
from ninjasync.threads import Stop
from tests.support import quick
from tests.support.command import Ran
from tests.support.company import staff
from tests.support.forked import Forked, fork_call
from tests.support.office import Office
from tests.support.postgres import TestDatabase, empty_database
from tests.support.private_server import BINARIES, PrivateServer

Serve = Callable[[HttpRequest], HttpResponse]
PEOPLE, WORKERS = 24, 8
# Each user is created, and so are two groups, which then get their members.
INSTANTS = PEOPLE + 1 + 2


@pytest.fixture(scope="module")
def own_server() -> Iterator[PrivateServer]:
    """A server that may be restarted, which the one that all tests share may not."""
    if BINARIES is None:
        pytest.skip("needs PostgreSQL's server (Debian: postgresql)")
    server = PrivateServer()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def own_database(own_server: PrivateServer) -> Iterator[TestDatabase]:
    with empty_database(own_server) as made:
        yield made


@contextmanager
def office_at(folder: Path, database: TestDatabase) -> Iterator[Office]:
    with Office(folder, staff(PEOPLE, 1)) as made:
        made.configure("run", parallelism=WORKERS, retries=4)
        made.configure("state", path=None, url=database.url)
        yield made


@pytest.fixture
def office(tmp_path: Path, own_database: TestDatabase) -> Iterator[Office]:
    with office_at(tmp_path, own_database) as made:
        yield made


class Notice:
    """When the run knows that its ledger is lost, and what it asks of NinjaOne after that."""

    def __init__(self, patches: pytest.MonkeyPatch) -> None:
        self.came = threading.Event()
        self.after: list[HttpRequest] = []
        abort = Stop.abort

        def notice(stop: Stop, cause: NinjasyncError) -> None:
            abort(stop, cause)
            self.came.set()

        patches.setattr(Stop, "abort", notice)


def disturbed_apply(
    office: Office, notice: Notice, disturb: Callable[[], object], number: int, *, before: bool
) -> tuple[Ran, list[HttpRequest]]:
    """Apply, and let the server be disturbed before or after the write of this number; return what arrived."""
    arrived: list[HttpRequest] = []
    turn = threading.Lock()

    def serve_disturbed(request: HttpRequest, serve: Serve) -> HttpResponse:
        if request.method == "GET":
            return serve(request)
        with turn:
            arrived.append(request)
            strike = len(arrived) == number
            if notice.came.is_set():
                notice.after.append(request)
        if strike and before:
            disturb()
        answer = serve(request)
        if strike and not before:
            disturb()
        return answer

    office.box.intercept("scim", serve_disturbed)
    done = office.apply()
    office.box.intercept("scim", lambda request, serve: serve(request))
    return done, arrived


def expect_a_good_end(office: Office, database: TestDatabase, arrived: list[HttpRequest]) -> None:
    """See that each write had its intent, and that the next apply ends where an undisturbed one does."""
    intended = {str(duo_id) for (duo_id,) in database.ask("SELECT external_id FROM operations WHERE action = 'create'")}
    created = {str(one["externalId"]) for one in office.ninjaone.users.values()}
    assert created <= intended, "nothing is written without its intent"
    assert arrived
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(PostgresDatabase, "survives", 0.0)  # that run has ended, as this test knows
        again = office.apply()
    assert again.code == 0, again.printed
    assert office.plan().json["changes"] == []
    names = Counter(one["userName"] for one in office.ninjaone.users.values())
    assert len(names) == PEOPLE + 1
    assert set(names.values()) == {1}, "no account twice"
    assert database.ask("SELECT count(*) FROM operations WHERE status IN ('pending', 'uncertain')") == [(0,)]


def disturbance(kind: str, database: TestDatabase) -> Callable[[], object]:
    def restart() -> None:
        database.server.stop(kind)
        database.server.start()

    def kill() -> None:
        """Kill those who serve the run. The server then ends all others and recovers, which is awaited."""
        ours = "datname = current_database() AND application_name <> ''"
        pids = database.ask(f"SELECT pid FROM pg_stat_activity WHERE {ours}")
        with closing(psycopg.connect(database.url)) as bystander:
            for (pid,) in pids:
                os.kill(pid, signal.SIGKILL)
            with suppress(psycopg.OperationalError):
                bystander.execute("SELECT pg_sleep(60)")
        database.server.await_recovery()

    return {"terminate": database.end_connections, "kill": kill}.get(kind, restart)


@pytest.mark.parametrize(
    ("kind", "number", "before"),
    [
        ("terminate", 1, True),
        ("terminate", INSTANTS // 2, False),
        ("terminate", INSTANTS, True),
        ("kill", INSTANTS // 3, True),
        ("fast", 9, False),
        ("immediate", 9, True),
    ],
)
def test_the_run_ends_without_a_write_that_has_no_intent_and_the_next_ends_as_an_undisturbed_one(
    office: Office,
    own_database: TestDatabase,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    number: int,
    before: bool,
) -> None:
    notice = Notice(monkeypatch)
    done, arrived = disturbed_apply(office, notice, disturbance(kind, own_database), number, before=before)

    assert done.code == 1, done.printed
    # Those that were on their way when it was noticed may arrive after.
    assert len(notice.after) <= WORKERS
    assert "The next apply looks in NinjaOne" in done.err
    assert done.err.count("was lost") == 1, "one cause, told once"
    assert own_database.name in done.err
    expect_a_good_end(office, own_database, arrived)


@pytest.mark.parametrize("quickly", [True, False], ids=["noticed while reading", "noticed after"])
def test_a_connection_lost_while_both_sides_are_read_ends_the_run_before_its_first_write(
    office: Office, own_database: TestDatabase, monkeypatch: pytest.MonkeyPatch, quickly: bool
) -> None:
    monkeypatch.setattr(postgres_database, "SEEN_EVERY", 0.02 if quickly else 600)
    notice, lost = Notice(monkeypatch), threading.Event()

    def lose_the_ledger(request: HttpRequest, serve: Serve) -> HttpResponse:
        if not lost.is_set():
            lost.set()
            own_database.end_connections()
            assert not quickly or notice.came.wait(20)
        return serve(request)

    office.box.intercept("scim", lose_the_ledger)
    done = office.apply()

    assert done.code == 1, done.printed
    assert "was lost" in done.json["error"]["message"]
    assert office.writes() == []


def test_a_connection_lost_in_a_long_pause_ends_the_run_and_nothing_is_sent_any_more(
    office: Office, own_database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_database, "SEEN_EVERY", 0.2)
    halted, tries = threading.Event(), Counter[bytes]()

    def ask_for_an_hour(request: HttpRequest, serve: Serve) -> HttpResponse:
        if request.method == "GET":
            return serve(request)
        tries[request.body] += 1
        if not halted.is_set():
            halted.set()
            own_database.end_connections()
        return HttpResponse(429, headers=(("Retry-After", "3600"),))

    office.box.intercept("scim", ask_for_an_hour)
    done = office.apply()

    assert done.code == 1, done.printed
    assert set(tries.values()) == {1}, "nothing is tried again"
    assert len(tries) <= WORKERS
    assert done.json["result"]["applied"] == 0


class Relay:
    """Takes TCP connections for a server that has only a socket; ``deaf``, it takes all and passes on nothing."""

    def __init__(self, server: PrivateServer) -> None:
        self.deaf = threading.Event()
        self._server = str(next(server.folder.glob(".s.PGSQL.*[0-9]")))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError), one, other:
            while data := one.recv(65536):
                if not self.deaf.is_set():
                    other.sendall(data)


def test_a_server_that_answers_no_more_is_noticed_although_the_network_takes_everything(
    office: Office, own_database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_database, "SEEN_EVERY", 0.1)
    monkeypatch.setattr(postgres_database, "DEAF", 0.5)
    relay = Relay(own_database.server)
    office.configure("state", url=f"postgresql://owner@127.0.0.1:{relay.port}/{own_database.name}?sslmode=disable")

    def fall_silent(request: HttpRequest, serve: Serve) -> HttpResponse:
        if request.method != "GET":
            relay.deaf.set()
            return HttpResponse(503)
        return serve(request)

    office.box.intercept("scim", fall_silent)
    done = office.apply()
    relay.close()

    assert done.code == 1, done.printed
    assert "was lost" in done.err
    assert done.json["result"]["applied"] == 0


def begin_quick_apply(office: Office) -> Forked:
    return fork_call(quick.run, "apply", "--yes", "--config", office.write_config(), "--lock-timeout", "60")


def test_creates_under_retry_are_given_up_and_a_second_run_makes_each_account_once(
    office: Office, own_database: TestDatabase
) -> None:
    """The endpoint refuses for as long as the first run lives; the second waits until nothing of it can arrive."""
    office.configure("ninjaone", timeout=1)
    office.configure("run", retries=50)
    under_retry, first_is_over = threading.Event(), threading.Event()
    tries: Counter[bytes] = Counter()

    def refuse_creates(request: HttpRequest, serve: Serve) -> HttpResponse:
        if request.method == "POST" and not first_is_over.is_set():
            tries[request.body] += 1
            if len(tries) >= WORKERS and sum(tries.values()) > 2 * WORKERS:
                under_retry.set()
            return HttpResponse(503)
        return serve(request)

    office.box.intercept("scim", refuse_creates)
    first = begin_quick_apply(office)
    assert under_retry.wait(60)
    own_database.end_connections()
    second = begin_quick_apply(office)
    assert first.wait() == 1, first.err
    assert "was lost" in first.err
    first_is_over.set()
    assert second.wait() == 0, second.err
    assert len(office.ninjaone.users) == PEOPLE + 1
    assert own_database.ask("SELECT count(*) FROM operations WHERE status IN ('pending', 'uncertain')") == [(0,)]
    assert office.plan().json["changes"] == []


def disturb_at_random(folder: Path, seeds: range) -> None:
    """Disturb applies at random instants, one a seed: python -m tests.runs.test_lost_connection FOLDER 20."""
    server = PrivateServer()
    try:
        for seed in seeds:
            chance = random.Random(seed)
            kind = chance.choice(("terminate", "kill", "fast", "immediate"))
            number, before = chance.randint(1, INSTANTS), chance.random() < 0.5
            place = folder / str(seed)
            place.mkdir()
            with (
                empty_database(server) as database,
                office_at(place, database) as office,
                pytest.MonkeyPatch.context() as patches,
            ):
                notice = Notice(patches)
                done, arrived = disturbed_apply(office, notice, disturbance(kind, database), number, before=before)
                left = database.ask("SELECT count(*) FROM operations WHERE status IN ('pending', 'uncertain')")[0][0]
                late = len(notice.after)
                expect_a_good_end(office, database, arrived)
            result = done.json["result"]
            print(  # noqa: T201 - a script's
                f"{seed:>2} {kind:<9} {'before' if before else 'after':<6} write {number:>2}: exit {done.code}, "
                f"{result['applied']} applied, {result['failed']} failed, {result['skipped']} skipped, "
                f"{left} open, {late} on their way"
            )
    finally:
        server.remove()


if __name__ == "__main__":
    disturb_at_random(Path(sys.argv[1]), range(int(sys.argv[2])))
