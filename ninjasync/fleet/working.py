"""A worker: takes a fleet's jobs from the queue, so many at once, until it is stopped.

The queue, its workers' heartbeats and its locks are procrastinate's. What is ours: a sweep for
the jobs of dead workers, which procrastinate leaves to its users, and connecting again to a lost
database. Knows nothing of the command that asks. procrastinate and psycopg are imported where they are used.
"""

import asyncio
import logging
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninjasync.errors import NinjasyncError
from ninjasync.fleet import queue
from ninjasync.fleet.answering import LOST, Answering, Pace, TryAgainError, Worker
from ninjasync.fleet.supervisor import Supervisor

if TYPE_CHECKING:
    from procrastinate import App
    from procrastinate.jobs import Job as QueuedJob
    from procrastinate.retry import BaseRetryStrategy
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

    from ninjasync.state.postgres_address import Address

log = logging.getLogger(__name__)


def work(worker: Worker, stop: threading.Event, announce: Callable[[], None]) -> None:
    """Run jobs until ``stop`` is set; then let those under way finish their calls, and give the rest back.

    Calls ``announce`` once the queue can be used. Raises NinjasyncError where it cannot be to begin with; a
    database that is lost later is waited for.
    """
    address = queue.database_of(worker.fleet)
    with queue.connect(address) as connection:
        queue.expect_tables(connection)
    announce()
    # psycopg needs a loop that selects, which is not the default on Windows.
    with (
        tempfile.TemporaryDirectory(prefix="ninjasync-work-") as folder,
        asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner,
    ):
        runner.run(_work(worker, address, Path(folder), stop))


async def _await_database(pace: Pace, address: "Address", is_over: Callable[[], bool]) -> None:
    """Wait until the database can be reached again, or all is over; say why it cannot be, each reason once."""
    told = ""
    while not is_over():
        await asyncio.sleep(pace.connect)
        if not (why := await asyncio.to_thread(_try_to_connect, address)):
            return
        if why != told:
            told = why
            log.warning("%s Trying again.", why)


def _try_to_connect(address: "Address") -> str:
    """Return why the database cannot be reached; "" where it can be."""
    try:
        with queue.connect(address):
            return ""
    except NinjasyncError as error:
        return str(error.message)


async def _work(worker: Worker, address: "Address", folder: Path, stop: threading.Event) -> None:
    supervisor = Supervisor(worker.main, worker.at_once, stop)
    supervisor.start(asyncio.get_running_loop(), worker.fleet.settings.timeout)
    try:
        while not stop.is_set() and not supervisor.closed:
            answering = Answering(worker, supervisor, folder, stop)
            working = asyncio.create_task(_work_connected(answering, queue.conninfo_of(address)))
            while not working.done() and not stop.is_set() and not supervisor.closed:
                await asyncio.wait({working}, timeout=0.1)
            working.cancel()
            await _end_of(working)
            if not stop.is_set() and not supervisor.closed:
                log.warning(LOST)
            await _await_database(worker.pace, address, lambda: stop.is_set() or supervisor.closed)
    finally:
        stop.set()
        while not supervisor.closed:
            await asyncio.sleep(0.05)
    if supervisor.error is not None:
        raise supervisor.error


async def _end_of(working: "asyncio.Task[None]") -> None:
    """Wait for the end of a connected worker. Raises NinjasyncError where connecting again would not help."""
    import psycopg
    from procrastinate.exceptions import ConnectorException

    hopeless = (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction)
    try:
        await working
    except asyncio.CancelledError:
        pass
    except (ConnectorException, psycopg.Error) as error:
        cause = error if isinstance(error, psycopg.Error) else error.__cause__
        if isinstance(cause, hopeless):
            raise queue.unusable(cause) from error


async def _work_connected(answering: Answering, conninfo: str) -> None:
    """Work until cancelled, or until the database is lost."""
    from procrastinate import App, PsycopgConnector
    from psycopg_pool import AsyncConnectionPool

    pace = answering.worker.pace
    pool = AsyncConnectionPool(
        conninfo,
        min_size=1,
        max_size=4,
        open=False,
        check=AsyncConnectionPool.check_connection,
        timeout=pace.dead_after / 3,
        configure=_configure,
    )
    app = App(connector=PsycopgConnector())

    @app.task(name=queue.TASK, pass_context=True, retry=_try_again(pace))
    async def answer(context: Any, /, **values: Any) -> None:
        await answering.answer(pool, context.job, values)

    async with pool, app.open_async(pool):
        sweeping = asyncio.create_task(_sweep(answering, app, pool))
        try:
            await app.run_worker_async(
                queues=[answering.queue],
                concurrency=answering.worker.at_once,
                install_signal_handlers=False,
                delete_jobs="always",  # what became of them is in our table
                fetch_job_polling_interval=pace.fetch,
                update_heartbeat_interval=pace.heartbeat,
                stalled_worker_timeout=pace.dead_after,
            )
        finally:
            sweeping.cancel()


async def _configure(connection: "AsyncConnection[Any]") -> None:
    """Set what holds for a session with the queue, as ``queue.connect`` does."""
    from ninjasync.state.postgres_session import SET

    await connection.execute(SET, queue.settings())
    await connection.commit()


def _try_again(pace: Pace) -> "BaseRetryStrategy":
    """Return what decides which jobs are tried again: those that say so, and those that an error ended, some times."""
    from procrastinate.retry import BaseRetryStrategy, RetryDecision

    class TryAgain(BaseRetryStrategy):
        def get_retry_decision(self, *, exception: BaseException, job: "QueuedJob") -> RetryDecision | None:
            if isinstance(exception, TryAgainError):
                return RetryDecision(retry_in={"milliseconds": int(exception.seconds * 1000)})
            return RetryDecision() if job.attempts < len(pace.again) else None

    return TryAgain()


async def _sweep(answering: Answering, app: "App", pool: "AsyncConnectionPool") -> None:
    """Give back the jobs of dead workers, again and again; a lost database is for the worker itself to notice."""
    import psycopg
    from procrastinate.exceptions import ConnectorException

    while True:
        await asyncio.sleep(answering.worker.pace.sweep)
        try:
            async with pool.connection() as connection:
                # One sweep at a time: a second one would give back what a worker has just taken up again.
                lock = await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (queue.SWEEP_LOCK,))
                if await lock.fetchone() == (True,):
                    await answering.give_back(app, pool)
        except (ConnectorException, psycopg.Error):
            continue
