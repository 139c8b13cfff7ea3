"""A fleet whose tenants are run by workers: real ones, but such as look around more often.

Knows what the queue's tables hold of jobs and workers.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
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
from tests.support import quick
from tests.support.fleet import NAMES, ServedFleet
from tests.support.forked import Forked, fork, fork_call


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

    def begin(self, *arguments: str) -> Forked:
        """Begin a command in a process of its own."""
        return fork("fleet", *arguments, "--format", "json", "--fleet", str(self.folder / "fleet.toml"))

    def end(self, asking: Forked) -> tuple[int, dict[str, Any]]:
        """Wait for the end of such a command; return its exit code and the rows by tenant."""
        code = asking.wait(180)
        return code, {row["tenant"]: row for row in json.loads(asking.out)["tenants"]}

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
        here = "application_name = 'ninjasync fleet' AND datname = current_database()"
        [(number,)] = self.ask(f"SELECT count(*) FROM pg_stat_activity WHERE {here}")
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
    process: Forked
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
    with (fleet.folder / "said").open("a") as said:
        process = fork_call(quick.work, version, json.dumps(again), "--fleet", file, *options, stderr=said.fileno())
    try:
        until(lambda: fleet.workers() - before or process.is_over())
        assert not process.is_over(), fleet.said()
        [number] = fleet.workers() - before
        yield WorkerProcess(fleet, process, number)
    finally:
        if not process.is_over():
            process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(60)


def until(true: Callable[[], Any]) -> None:
    """Wait for something to become true, but not for ever."""
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
