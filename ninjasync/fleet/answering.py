"""How a worker answers a question: it refuses, runs the tenant here, has it tried again, or keeps the result.

Also what becomes of the jobs of dead workers. Knows the queue's tables; when a worker looks around, and how it is
connected, is in ``working``.
"""

import asyncio
import logging
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninjasync import __version__
from ninjasync.config.fleet import Fleet, TenantFile, make_digests
from ninjasync.errors import ConfigurationError
from ninjasync.fleet import queue
from ninjasync.fleet.processes import Main
from ninjasync.fleet.queue import Question
from ninjasync.fleet.rows import read_row
from ninjasync.fleet.run import make_job
from ninjasync.fleet.supervisor import NotRunError, Supervisor
from ninjasync.fleet.tenants import load_fleet
from ninjasync.model.fleet import GOOD, FleetRow
from ninjasync.model.message import Message, text
from ninjasync.report.escape import visible
from ninjasync.state.lock import actor

if TYPE_CHECKING:
    from procrastinate import App
    from procrastinate.jobs import Job as QueuedJob
    from psycopg_pool import AsyncConnectionPool

log = logging.getLogger(__name__)

LOST = "The queue's database was lost. Trying again."
_FAILED, _LOCKED, _INTERRUPTED, _MISTAKE = 1, 5, 130, 78
# A result that cannot be kept, for the database is away, is tried to keep for so many seconds.
_KEEPS_TRYING = 600.0
_BEFORE = "SELECT pg_postmaster_start_time(), EXISTS (SELECT FROM fleet_results WHERE job = %s)"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a worker looks around, in seconds, and after how many a job is tried again, the first time and so on.

    A worker counts as dead ``dead_after`` seconds after its last heartbeat; its jobs begin
    elsewhere within ``sweep`` and ``fetch`` seconds more.
    """

    heartbeat: float = 5.0
    dead_after: float = 30.0
    sweep: float = 5.0
    fetch: float = 5.0
    connect: float = 2.0
    again: tuple[float, ...] = (10.0, 30.0, 60.0)


PACE = Pace()


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker needs: ``main`` runs a command line, ``now`` tells the time, ``tell`` hears of each row."""

    fleet: Fleet
    at_once: int
    main: Main
    now: Callable[[], datetime]
    tell: Callable[[FleetRow], None]
    pace: Pace = field(default_factory=lambda: PACE)


class TryAgainError(Exception):
    """A job is to be tried again, after so many ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class Answering:
    """One worker at work: its tenants, and how it answers a question."""

    def __init__(self, worker: Worker, supervisor: Supervisor, folder: Path, stop: threading.Event) -> None:
        self.worker, self.queue = worker, queue.name_of(worker.fleet.path)
        self._supervisor, self._folder, self._stop = supervisor, folder, stop
        self._fleet = worker.fleet

    async def answer(self, pool: "AsyncConnectionPool", job: "QueuedJob", values: Mapping[str, Any]) -> None:
        """Run what a job asks and keep what became of it. Raises TryAgainError where it is to be tried again."""
        async with pool.connection() as connection:
            found = await connection.execute(_BEFORE, (job.id,))
            server_began, answered = await found.fetchone() or (None, False)
        if answered:  # by a worker that died, or was thought dead, before it could say so
            return
        try:
            question = queue.from_json(values)
        except ValueError as error:
            row = FleetRow("", "", "failed", 64, error=f"{actor()} refuses a job that it does not understand: {error}")
            await self._keep(pool, job, row)
            return
        row = await self._run(question)
        may_try = job.attempts < len(self.worker.pace.again)
        if row.exit_code == _LOCKED and may_try:
            raise TryAgainError(self.worker.pace.again[job.attempts])
        if row.exit_code == _FAILED and may_try and not await self._is_same_server(pool, server_began):
            raise TryAgainError(self.worker.pace.connect)  # its ledger was lost with the queue
        await self._keep(pool, job, row)

    async def _run(self, question: Question) -> FleetRow:
        """Run a tenant's command line here, or refuse to. Raises TryAgainError where this worker is to stop."""
        try:
            tenant = await self._expect_same(question)
        except ConfigurationError as error:
            why = "; ".join(error.mistakes) or f"{error.message} {error.hint}".strip()
            return FleetRow(question.tenant, "", "configuration", _MISTAKE, error=f"{actor()} refuses it: {why}")
        halt = threading.Event()
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            job = make_job(tenant, question.arguments, Path(folder), halt)
            ending = asyncio.ensure_future(self._supervisor.run(job))
            try:
                try:
                    done = await asyncio.shield(ending)
                except asyncio.CancelledError:  # the asking command wants it to stop
                    halt.set()
                    done = await ending
            except NotRunError:
                raise TryAgainError(0) from None
            if done.exit_code == _INTERRUPTED and self._stop.is_set() and not halt.is_set():
                raise TryAgainError(0)
            row = read_row(question.arguments[0], tenant, done, self.worker.now().date(), whole=question.whole)
            # What is not in place here may be in place elsewhere.
            is_red_check = question.arguments[0] == "check" and row.outcome not in GOOD
            return replace(row, error=f"{row.error} [checked on {socket.gethostname()}]") if is_red_check else row

    async def _expect_same(self, question: Question) -> TenantFile:
        """Return the tenant of a question. Raises ConfigurationError where this machine's copy is another."""
        if question.version != __version__:
            raise ConfigurationError(
                Message("it runs ninjasync {}, and {} asked.", text(__version__), text(question.version)),
                "Install the same version on all machines.",
            )
        tenant = self._find(question.tenant)
        if tenant is None or tenant.mistakes:  # perhaps no longer
            self._fleet = await asyncio.to_thread(load_fleet, self._fleet.path)
            tenant = self._find(question.tenant)
        if tenant is None:
            raise ConfigurationError(
                Message('this machine\'s fleet has no tenant "{}".', text(question.tenant)),
                "Bring the configurations of all machines into step.",
            )
        [digest] = make_digests(self._fleet.path, self._fleet.settings, [tenant.path])
        if digest != question.digest:
            raise ConfigurationError(
                Message("this machine's copy of {} or of the defaults is another.", text(tenant.path)),
                "Bring the configurations of all machines into step.",
            )
        if tenant.mistakes:
            raise ConfigurationError("The tenant's file is wrong.", mistakes=tenant.mistakes)
        return tenant

    def _find(self, name: str) -> TenantFile | None:
        return next((tenant for tenant in self._fleet.tenants if visible(tenant.name) == name), None)

    async def _is_same_server(self, pool: "AsyncConnectionPool", began: Any) -> bool:
        """Whether the database is there, and has been all along."""
        import psycopg

        try:
            async with pool.connection() as connection:
                found = await (await connection.execute("SELECT pg_postmaster_start_time()")).fetchone()
        except psycopg.Error:
            return False
        return found == (began,)

    async def _keep(self, pool: "AsyncConnectionPool", job: "QueuedJob", row: FleetRow) -> None:
        """Keep what became of a job, as soon as a database that is away is back, unless the worker stops first."""
        import psycopg

        statement, values = queue.record(job, row, actor())
        until, told = time.monotonic() + _KEEPS_TRYING, False
        while True:
            try:
                async with pool.connection() as connection:
                    await connection.execute(statement, values)
            except psycopg.OperationalError:
                if time.monotonic() > until or self._stop.is_set():
                    raise
                if not told:
                    told = True
                    log.warning(LOST)
                await asyncio.sleep(self.worker.pace.connect)
            else:
                self.worker.tell(row)
                return

    async def give_back(self, app: "App", pool: "AsyncConnectionPool") -> None:
        """Put the jobs of dead workers back into the queue, those alone excepted whose workers died each time."""
        from procrastinate.exceptions import UniqueViolation
        from procrastinate.jobs import Status

        manager = app.job_manager
        stalled = await manager.get_stalled_jobs(queue=self.queue, seconds_since_heartbeat=self.worker.pace.dead_after)
        for job in stalled:
            if job.attempts >= len(self.worker.pace.again):
                why = f"the workers that ran it vanished, {job.attempts + 1} times in a row"
                name = str(job.task_kwargs.get("tenant", ""))
                await self._keep(pool, job, FleetRow(name, "", "killed", error=why))
            else:
                try:
                    await manager.retry_job(job)
                    continue
                except UniqueViolation:  # the same is asked anew, and waits
                    pass
            await manager.finish_job(job, Status.FAILED, delete_job=True)
