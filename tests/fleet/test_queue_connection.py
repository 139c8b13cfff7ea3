"""The queue's connection: TLS as the ledger's, one sentence for whatever goes wrong with it, the password nowhere."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme

from ninjasync.config.fleet import find_fleet
from ninjasync.fleet import asking, queue
from ninjasync.fleet.tenants import load_fleet
from ninjasync.fleet.working import _configure
from ninjasync.report.formats import Format
from tests.support.fleet import outcomes
from tests.support.postgres import TestDatabase
from tests.support.private_server import PrivateServer
from tests.support.queued_fleet import QueuedFleet, until, worker

MARK = "Pa55-w0rd-mark"


class GuardedServer(PrivateServer):
    """A server that calls itself db.example.com, wants TLS and a password, and may be stopped by a test."""

    def __init__(self, authority: trustme.CA) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        super().__init__()
        self.stop("fast")
        self.add_certificate(authority.issue_cert("db.example.com"))
        (self.folder / "data" / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 md5\n")
        self.begin()
        self.tell(f"CREATE ROLE asker LOGIN PASSWORD '{MARK}'", "CREATE DATABASE shared OWNER asker")

    def begin(self) -> None:
        self.start(f"-c listen_addresses=127.0.0.1 -p {self.port} -c ssl=on")

    def tell(self, *statements: str, database: str = "queue") -> list[tuple[Any, ...]]:
        """Carry statements out as the owner, and return what the last one finds."""
        with psycopg.connect(f"{self.url_of(database)}&port={self.port}", autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA, postgres: PrivateServer) -> Iterator[GuardedServer]:
    made = GuardedServer(authority)
    yield made
    made.remove()


class GuardedFleet(QueuedFleet):
    """A fleet whose queue and ledgers are on such a server."""

    def __init__(self, folder: Path, server: GuardedServer, authority: trustme.CA) -> None:
        self.server = server
        authority.cert_pem.write_to_path(folder / "authority.pem")
        self.trust = f"&sslrootcert={folder / 'authority.pem'}"
        super().__init__(folder, self.url_at())

    def url_at(self, host: str = "db.example.com", password: str = MARK, database: str = "shared") -> str:
        return f"postgresql://asker:{password}@{host}:{self.server.port}/{database}?hostaddr=127.0.0.1{self.trust}"

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        return self.server.tell(statement, database="shared")

    def put_queue_at(self, url: str) -> None:
        self.queue = url
        self.settings("")


@pytest.fixture
def fleet(
    tmp_path: Path, server: GuardedServer, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GuardedFleet]:
    monkeypatch.setenv("HOME", str(tmp_path))  # whose .postgresql may name authorities
    made = GuardedFleet(tmp_path, server, authority)
    yield made
    made.stop()
    server.tell("DROP DATABASE shared WITH (FORCE)", "CREATE DATABASE shared OWNER asker")


def command_lines() -> str:
    """Return the command lines of all processes of this machine, but of the server's own."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return "\n".join(found)


def test_everything_goes_by_tls_to_a_server_that_proves_who_it_is_and_the_password_shows_nowhere(
    fleet: GuardedFleet,
) -> None:
    for name in fleet.names:
        fleet.boxes[name].set_behavior(faults={"scim.latency": "100ms"})
    with worker(fleet, "--log-level", "debug") as one:
        running = fleet.begin("apply", "--yes", "--on", "workers", "--log-level", "debug")
        until(lambda: any(map(fleet.writes, one.tenants())))
        lines = command_lines()
        asked = "SELECT ssl, usename, application_name, query FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
        sessions = fleet.server.tell(f"{asked} WHERE usename = 'asker'")
        code, rows = fleet.end(running)
    assert (code, set(outcomes(rows).values())) == (0, {"done"})
    assert {name.split()[0] for _, _, name, _ in sessions} == {"ninjasync"}
    assert len(sessions) >= 3, "the command that asks, the worker, its tenants"
    assert all(encrypted for encrypted, *_ in sessions)
    assert "fleet work" in lines or "-c" in lines
    kept = fleet.ask("SELECT args::text FROM procrastinate_jobs")
    kept += fleet.ask("SELECT row_to_json(one)::text FROM fleet_results AS one")
    assert len(kept) == 4
    status = fleet.show("status")
    for told in (lines, str(sessions), str(kept), str(rows), fleet.said(), status.out + status.err):
        assert MARK not in told


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"password": f"x{MARK}"}, 1, "password authentication failed"),
        ({"database": "nowhere"}, 1, 'database "nowhere" does not exist'),
        ({"host": "other.example.com"}, 1, "certificate"),
    ],
)
def test_what_keeps_a_command_from_the_queue_is_one_sentence_with_what_to_do(
    fleet: GuardedFleet, changed: dict[str, str], code: int, said: str
) -> None:
    fleet.put_queue_at(fleet.url_at(**changed))
    for command in (
        ["plan", "--on", "workers"],
        ["apply", "--yes", "--on", "workers"],
        ["check", "--on", "workers"],
        ["work"],
        ["work", "--tables"],
    ):
        done = fleet.show(*command)
        assert (done.code, done.out) == (code, ""), command
        [error, hint] = done.err.splitlines()
        assert error.startswith("Error: The queue postgresql://")
        assert "cannot be reached" in error
        assert said in error
        assert hint.startswith("Check [fleet] database")
        assert MARK not in done.err + fleet.show(*command, "--log-level", "debug").err


def test_the_queue_has_the_ledgers_rule_for_a_server_that_need_not_prove_who_it_is(fleet: GuardedFleet) -> None:
    fleet.put_queue_at(f"{fleet.url_at()}&sslmode=prefer")
    for command in (["plan", "--on", "workers"], ["work"]):
        done = fleet.show(*command)
        assert done.code == 78
        assert "[fleet] database: sslmode=prefer leaves open whether anything is encrypted" in done.err
    fleet.put_queue_at(f"{fleet.url_at('another.example.com')}&sslmode=require")
    done = fleet.show("work", "--tables")
    assert done.code == 0
    assert "[fleet] database: with sslmode=require the server of postgresql://another.example.com:" in done.err
    assert MARK not in done.err + done.out


def test_the_server_ends_the_session_of_a_machine_that_is_gone_or_stands_still(fleet: GuardedFleet) -> None:
    address = queue.database_of(load_fleet(find_fleet(fleet.folder / "fleet.toml")))
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "idle_in_transaction_session_timeout")
    wanted = [("10",), ("5",), ("25s",)]
    with queue.connect(address) as connection:
        assert [connection.execute(f"SHOW {name}".encode()).fetchone() for name in names] == wanted

    async def ask_as_a_worker() -> list[Any]:
        async with await psycopg.AsyncConnection.connect(queue.conninfo_of(address)) as one:
            await _configure(one)
            return [await (await one.execute(f"SHOW {name}".encode())).fetchone() for name in names]

    assert asyncio.run(ask_as_a_worker()) == wanted


def test_a_role_without_rights_is_told_so_by_the_command_that_asks(fleet: GuardedFleet) -> None:
    assert fleet.show("work", "--tables").code == 0
    fleet.server.tell("DROP ROLE IF EXISTS other", f"CREATE ROLE other LOGIN PASSWORD '{MARK}'")
    fleet.put_queue_at(fleet.url_at().replace("asker", "other"))
    done = fleet.show("plan", "--on", "workers")
    assert done.code == 1
    [error, hint] = done.err.splitlines()
    assert error.startswith("Error: The queue cannot be used: permission denied for table")
    assert "ninjasync fleet work --tables" in hint


def test_a_server_that_takes_no_writes_is_told(fleet: GuardedFleet) -> None:
    fleet.server.tell("ALTER DATABASE shared SET default_transaction_read_only = on")
    for command in (["plan", "--on", "workers"], ["work"], ["work", "--tables"]):
        done = fleet.show(*command)
        [error, hint] = done.err.splitlines()
        assert (done.code, "read-only transaction" in error) == (1, True)
        assert hint.startswith("Give [fleet] database the server that takes writes")


def test_a_status_shows_no_password_of_a_ledger_that_lets_no_one_in(fleet: GuardedFleet) -> None:
    fleet.url = fleet.url_at(password=f"x{MARK}")
    fleet.write("alpha")
    for format in Format:
        shown = fleet.show("status", "--format", format.value)
        assert shown.code == 1
        assert "password authentication failed" in shown.out.replace("\n    ", " ")
        assert MARK not in shown.out + shown.err


def test_a_database_that_stays_away_costs_the_tenants_that_were_not_done_and_the_table_is_told(
    fleet: GuardedFleet, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_PATIENCE", 1.0)
    monkeypatch.setattr(asking, "_CONNECTS_AGAIN_AFTER", 0.1)
    fleet.url = database.url  # the ledgers', which stay
    for name in fleet.names:
        fleet.write(name)
    for name in fleet.names[1:]:
        fleet.boxes[name].set_behavior(faults={"scim.latency": "1s"})

    def lose() -> None:
        until(lambda: fleet.ask("SELECT 1 FROM fleet_results WHERE exit_code = 0"))
        until(lambda: any(map(fleet.writes, fleet.names[1:])))
        fleet.server.stop("fast")

    with worker(fleet, "--at-once", "4") as one:
        losing = threading.Thread(target=lose)
        losing.start()
        code, rows, said = fleet.run("apply", "--yes", "--on", "workers")
        losing.join()
        assert (code, rows.pop("alpha")["outcome"]) == (1, "done")
        assert set(outcomes(rows).values()) == {"failed"}
        assert all("Whether a worker ran this tenant is not known" in row["error"] for row in rows.values())
        until(lambda: "database was lost" in fleet.said())
        one.process.terminate()
        assert one.process.wait(60) == 0, "it has results in hand, and ends nonetheless"
    told = [line for line in said.splitlines() if "Trying again." in line]
    assert len(told) == len(set(told)) > 0, "each reason once"
    fleet.server.begin()
    monkeypatch.undo()
    for name in fleet.names:
        fleet.boxes[name].set_behavior()
    with worker(fleet):
        code, rows, _ = fleet.run("apply", "--yes", "--on", "workers")
    assert (code, set(outcomes(rows).values())) == (0, {"done"})
    assert {name: fleet.accounts(name) for name in fleet.names} == dict.fromkeys(fleet.names, 5)
    assert MARK not in said + fleet.said()


def test_ctrl_c_ends_a_command_whose_database_is_away(fleet: GuardedFleet) -> None:
    running = fleet.begin("plan", "--on", "workers")
    until(lambda: fleet.server.tell("SELECT 1 FROM pg_stat_activity WHERE application_name = 'ninjasync fleet'"))
    until(fleet.queued)
    fleet.server.stop("fast")
    running.send_signal(signal.SIGINT)
    code, rows = fleet.end(running)
    fleet.server.begin()
    assert code == 130
    assert set(outcomes(rows).values()) == {"failed"}


def test_a_worker_whose_password_was_changed_says_so_once_and_goes_on_when_it_may(fleet: GuardedFleet) -> None:
    with worker(fleet):
        fleet.server.tell(
            "ALTER ROLE asker PASSWORD 'another'",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'asker'",
        )
        until(lambda: "password authentication failed" in fleet.said())
        fleet.server.tell(f"ALTER ROLE asker PASSWORD '{MARK}'")
        code, rows, _ = fleet.run("plan", "--on", "workers")
    assert (code, set(outcomes(rows).values())) == (0, {"changes"})
    assert fleet.said().count("password authentication failed") == 1
    assert MARK not in fleet.said()
