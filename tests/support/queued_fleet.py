"""A fleet whose tenants are run by workers: real ones, but such as look around more often.

Knows what the queue's tables hold of jobs and workers.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from procrastinate.sync_psycopg_connector import SyncPsycopgConnector

from ninjasync.fleet.queue import TASK
from tests.support.fleet import NAMES, ServedFleet

# As the command line starts it, but for its pace, and for the version that it takes itself for.
_WORKER = """
import sys
from ninjasync.fleet import answering
answering.PACE = answering.Pace(0.3, 2.0, 0.3, 0.3, 0.3, {again!r})
answering.__version__ = {version!r} or answering.__version__
from ninjasync.__main__ import main
sys.argv[1:] = ["fleet", "work", "--fleet", {fleet!r}, *{options!r}]
main()
"""


class QueuedFleet(ServedFleet):
    """A fleet of sandboxes whose queue and ledgers are in one database."""

    def __init__(self, folder: Path, url: str, names: tuple[str, ...] = NAMES) -> None:
        self.url = self.queue = url
        super().__init__(folder, names)

    def write(self, name: str, more: str = "", **replaced: str) -> None:
        super().write(name, more, **replaced)
        file = self.folder / "tenants" / f"{name}.toml"
        file.write_text(file.read_text("utf-8").replace(f'path = "../{name}.sqlite"', f'url = "{self.url}"'), "utf-8")

    def settings(self, more: str) -> None:
        super().settings(f'database = "{self.queue}"\n{more}')

    def copy(self, to: Path) -> Path:
        """Copy the fleet's files, as another machine has them."""
        to.mkdir()
        shutil.copy(self.folder / "fleet.toml", to)
        shutil.copytree(self.folder / "tenants", to / "tenants")
        return to

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a command in a process of its own."""
        return subprocess.Popen(
            self.command(*arguments, "--format", "json"),
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def end(self, asking: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
        """Wait for the end of such a command; return its exit code and the rows by tenant."""
        out, _ = asking.communicate(timeout=180)
        return asking.returncode, {row["tenant"]: row for row in json.loads(out)["tenants"]}

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(statement).fetchall()

    def tell(self, statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statements)

    def queued(self) -> set[tuple[str, str]]:
        """Return the tenants that have a job, with its status."""
        return set(self._ask_if_there("SELECT args ->> 'tenant', status::text FROM procrastinate_jobs"))

    def workers(self) -> set[int]:
        """Return the ids of the workers that have signed on."""
        return {number for (number,) in self._ask_if_there("SELECT id FROM procrastinate_workers")}

    def said(self) -> str:
        """Return what the workers said on standard error."""
        return (self.folder / "said").read_text("utf-8")

    def waiting_commands(self) -> int:
        """Return how many commands ask, or wait to ask."""
        [(number,)] = self.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ninjasync fleet'")
        return int(number)

    def put_job(self, values: dict[str, Any]) -> None:
        """Put a job into the queue past ninjasync, as anyone may who can write to the database."""
        job = Job(queue="ninjasync-fleet", lock=None, queueing_lock=repr(values), task_name=TASK, task_kwargs=values)
        with psycopg.connect(self.url, autocommit=True) as connection:
            JobManager(SyncPsycopgConnector()).defer_job(job, connection=connection)

    def _ask_if_there(self, statement: str) -> list[tuple[Any, ...]]:
        try:
            return self.ask(statement)
        except psycopg.errors.UndefinedTable:
            return []


@dataclass
class WorkerProcess:
    """A worker at work: its process, and its id in the queue."""

    fleet: QueuedFleet
    process: subprocess.Popen[str]
    id: int

    def tenants(self) -> set[str]:
        """Return the tenants that it has."""
        found = self.fleet.ask(f"SELECT args ->> 'tenant' FROM procrastinate_jobs WHERE worker_id = {self.id}")
        return {name for (name,) in found}

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have it stopped with all that it started, as where its whole machine stands still."""
        pids = descendants(self.process.pid)
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


def descendants(pid: int) -> list[int]:
    """Return a process with all that it and its children started, itself first."""
    children: dict[int, list[int]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(file.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(file.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


@contextmanager
def worker(
    fleet: QueuedFleet,
    *options: str,
    folder: Path | None = None,
    version: str = "",
    again: tuple[float, ...] = (1.0, 2.0, 3.0),
) -> Iterator[WorkerProcess]:
    """Have a worker that has signed on; ``folder`` has its copy of the fleet's files."""
    before = fleet.workers()
    file = str((folder or fleet.folder) / "fleet.toml")
    code = _WORKER.format(fleet=file, options=list(options), version=version, again=again)
    with (fleet.folder / "said").open("a") as said:
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL, stderr=said, text=True)
    try:
        until(lambda: fleet.workers() - before or process.poll() is not None)
        assert process.poll() is None, fleet.said()
        [number] = fleet.workers() - before
        yield WorkerProcess(fleet, process, number)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(60)


def until(true: Callable[[], Any]) -> None:
    """Wait for something to become true, but not for ever."""
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
