"""Several machines: a real queue in PostgreSQL, real workers, and what becomes of tenants when these die or hang."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.fleet import ServedFleet, outcomes
from tests.support.private_server import BINARIES, PrivateServer

pytestmark = pytest.mark.skipif(BINARIES is None, reason="needs PostgreSQL's server")

# A worker as the command line starts it, but one that looks around more often.
WORKER = """
import sys
from ninjasync.fleet import working
working.PACE = working.Pace(0.3, 2.0, 0.3, 0.3, 0.3, (1.0, 1.0, 1.0))
from ninjasync.__main__ import main
sys.argv[1:] = ["fleet", "work", "--fleet", {fleet!r}, *{options!r}]
main()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    made = PrivateServer()
    yield made
    made.remove()


class QueuedFleet(ServedFleet):
    """A fleet of sandboxes whose queue is in a server's database."""

    def __init__(self, folder: Path, server: PrivateServer) -> None:
        super().__init__(folder)
        self.server = server
        self.settings("at_once = 2")

    def settings(self, more: str) -> None:
        if hasattr(self, "server"):
            more += f'\ndatabase = "{self.server.url}"'
        super().settings(more)

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            return connection.execute(statement).fetchall()

    def workers(self) -> int:
        try:
            [(number,)] = self.ask("SELECT count(*) FROM procrastinate_workers")
        except psycopg.errors.UndefinedTable:
            return 0
        return int(number)


@pytest.fixture
def fleet(server: PrivateServer, tmp_path: Path) -> Iterator[QueuedFleet]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    made = QueuedFleet(tmp_path, server)
    yield made
    made.stop()


@contextmanager
def worker(fleet: QueuedFleet, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Have a worker that has begun; what it says on standard error is in ``worker-PID`` beside the fleet."""
    code = WORKER.format(fleet=str(fleet.folder / "fleet.toml"), options=list(options))
    before = fleet.workers()
    with (fleet.folder / "said").open("a") as said:
        running = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL, stderr=said, text=True)
    try:
        until(lambda: fleet.workers() > before)
        yield running
    finally:
        running.terminate()
        running.send_signal(signal.SIGCONT)
        running.wait(60)


def until(true: Callable[[], Any]) -> None:
    while not true():
        time.sleep(0.02)


def test_workers_plan_and_apply_as_this_machine_does(fleet: QueuedFleet) -> None:
    with worker(fleet), worker(fleet):
        code, rows, said = fleet.run("plan", "--detailed-exitcode", "--on", "workers")
        assert (code, set(outcomes(rows).values()), said) == (2, {"changes"}, "")
        assert {row["users"] for row in rows.values()} == {5}
        code, rows, _ = fleet.run("apply", "--yes", "--on", "workers")
        assert (code, set(outcomes(rows).values())) == (0, {"done"})
        assert {name: fleet.accounts(name) for name in fleet.names} == dict.fromkeys(fleet.names, 5)
        code, rows, _ = fleet.run("plan", "--detailed-exitcode", "--on", "workers")
        assert (code, set(outcomes(rows).values())) == (0, {"no changes"})
