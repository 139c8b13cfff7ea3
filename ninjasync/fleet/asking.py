"""The command that asks: one job a tenant, and rows of what the workers found.

It may be killed and run again, and there may be several: a question that waits or is under
way is not put twice, and what no worker has taken yet is found. Knows the queue; what a worker
does is in ``working``.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ninjasync.config.fleet import Fleet, TenantFile, make_digests
from ninjasync.errors import NinjasyncError
from ninjasync.fleet import queue
from ninjasync.fleet.queue import Connection, Question
from ninjasync.fleet.rows import row_not_begun
from ninjasync.fleet.run import Engine, FleetRun
from ninjasync.model.fleet import FleetRow
from ninjasync.report.escape import visible

if TYPE_CHECKING:
    from ninjasync.state.postgres_address import Address

log = logging.getLogger(__name__)

# All in seconds: between two looks at the results; until a lost database is tried again, and how long in all; and how
# long nothing may happen while no worker has a job of the fleet.
_LOOKS_AGAIN_AFTER = 0.3
_CONNECTS_AGAIN_AFTER = 2.0
_PATIENCE = 300.0
_LONGEST_WITHOUT_WORKERS = 300.0
# What was found for an asking command that has not ended, or was killed, is an answer for so long.
_STILL_NEWS = "5 minutes"
# So often is a question put at most: its job may be gone without a result, taken out by another asking command.
_MOST = 4

_ENDED = """
SELECT asked.id, results.summary, results.document
FROM unnest(%s::bigint[]) AS asked (id)
    LEFT JOIN fleet_results AS results ON results.job = asked.id
    LEFT JOIN procrastinate_jobs AS jobs ON jobs.id = asked.id
WHERE results.job IS NOT NULL OR jobs.id IS NULL OR jobs.status NOT IN ('todo', 'doing')
ORDER BY results.ended_at, asked.id  -- what failed in a row counts
"""
_UNDER_WAY = """
SELECT queueing_lock, id FROM procrastinate_jobs WHERE queueing_lock = ANY(%s) AND status IN ('todo', 'doing')
"""
_LEFT_BEHIND = """
SELECT question, job FROM fleet_results
WHERE question = ANY(%s) AND taken_at IS NULL AND exit_code IN (0, 2) AND ended_at > now() - %s::interval
ORDER BY ended_at
"""
_ANY_WORKER = "SELECT EXISTS (SELECT FROM procrastinate_workers WHERE last_heartbeat > now() - interval '1 minute')"
_AT_WORK = """
SELECT EXISTS (
    SELECT FROM procrastinate_jobs AS jobs JOIN procrastinate_workers AS workers ON workers.id = jobs.worker_id
    WHERE jobs.queue_name = %s AND jobs.status = 'doing' AND last_heartbeat > now() - interval '1 minute'
)
"""
_TAKEN = "UPDATE fleet_results SET taken_at = now() WHERE job = ANY(%s) AND taken_at IS NULL"

_NO_LEDGER = "[state] url: is empty, and a ledger in a file is one machine's alone; --on workers needs it in PostgreSQL"

_Found = TypeVar("_Found")


@contextmanager
def ask_workers(fleet: Fleet) -> Iterator[Engine]:
    """Give the engine that has tenants run by workers.

    What was found counts as taken when the block ends without an error. Raises NinjasyncError
    where the database cannot be reached, or not used; one that is lost later costs the tenants that are not done.
    """
    with ExitStack() as stack:
        database = _Database(queue.database_of(fleet), stack)
        database.do(queue.expect_tables)
        database.do(queue.forget_old_results)
        asking = _Asking(fleet, database)
        yield partial(_ask, asking)
        with suppress(NinjasyncError):  # the table is told; who asks the same within minutes hears of it
            database.do(lambda on: on.execute(_TAKEN, (sorted(asking.taken),)), lambda: True)


class _Database:
    """The queue's database, connected to again where it was lost."""

    def __init__(self, address: "Address", stack: ExitStack) -> None:
        self._address, self._stack = address, stack
        self._connection: Connection | None = None

    def do(self, action: Callable[[Connection], _Found], is_over: Callable[[], bool] = lambda: False) -> _Found:
        """Return what ``action`` finds; where the database was lost meanwhile, do it once more when that is back.

        Raises NinjasyncError where it cannot be reached the first time, is not back in time or before ``is_over``, or
        cannot be used.
        """
        import psycopg

        may_wait = self._connection is not None
        until, told = time.monotonic() + _PATIENCE, ""
        while True:
            try:
                if self._connection is None:
                    self._connection = self._stack.enter_context(queue.connect(self._address))
                return action(self._connection)
            except psycopg.OperationalError as error:
                lost, self._connection, may_wait = queue.unreachable(self._address, error), None, True
            except psycopg.Error as error:
                raise queue.unusable(error) from error
            except NinjasyncError as error:
                if not may_wait or self._connection is not None:
                    raise
                lost = error
            if time.monotonic() > until or is_over():
                raise lost
            if str(lost.message) != told:
                told = str(lost.message)
                log.warning("%s Trying again.", told)
            time.sleep(_CONNECTS_AGAIN_AFTER)


@dataclass(frozen=True, slots=True)
class _Asking:
    """One asking command; ``put`` are the jobs that it waits or waited for, ``taken`` those whose results it has."""

    fleet: Fleet
    database: _Database
    put: set[int] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)

    @property
    def queue(self) -> str:
        return queue.name_of(self.fleet.path)


def _ask(
    asking: _Asking, run: FleetRun, tenants: Sequence[TenantFile], stop: threading.Event, hold: threading.Event
) -> Iterator[tuple[TenantFile, FleetRow]]:
    """Put a question for each tenant, and yield what comes back; see ``Engine``."""
    if stop.is_set() or hold.is_set():
        return
    for tenant in tenants:
        if not _has_shared_ledger(tenant):
            yield tenant, replace(row_not_begun(tenant, run.today, _NO_LEDGER), outcome="configuration", exit_code=78)
    tenants = [tenant for tenant in tenants if _has_shared_ledger(tenant)]
    questions = _questions(asking, run, tenants)
    left = dict(zip(questions, tenants, strict=True))
    try:
        for key, row in _await_rows(asking, questions, stop, hold):
            tenant = left.pop(key)
            yield tenant, _lost(run, tenant, row) if isinstance(row, str) else replace(row, file=str(tenant.path))
    except NinjasyncError as error:
        if not asking.put:
            raise
        why = f"{error.message} Whether a worker ran this tenant is not known; the same command finds out."
        for tenant in left.values():
            yield tenant, replace(_lost(run, tenant, why), outcome="failed")


def _await_rows(
    asking: _Asking, questions: Mapping[str, tuple[str, Question]], stop: threading.Event, hold: threading.Event
) -> Iterator[tuple[str, FleetRow | str]]:
    """Yield the row of each question that a worker has answered, or why there will be none.

    Raises NinjasyncError where the database is lost for long.
    """
    waiting = _put(asking, questions, stop)
    if waiting and not asking.database.do(lambda on: on.execute(_ANY_WORKER).fetchone() == (True,), stop.is_set):
        log.warning("No worker is at work: start ninjasync fleet work on a machine. Waiting for one.")
    put, heard_at, was_stopped = Counter(questions), time.monotonic(), False
    while waiting:
        vanished = []
        for job, summary, document in asking.database.do(partial(_ended, list(waiting)), stop.is_set):
            key, heard_at = waiting.pop(job), time.monotonic()
            if summary is None:
                vanished.append(key)
                continue
            asking.taken.add(job)
            yield key, queue.read_result(summary, document)
        if stop.is_set() or hold.is_set():
            _take_out(asking, waiting, stop, under_way=stop.is_set())
        else:
            put.update(vanished)
            waiting |= _put(asking, {key: questions[key] for key in vanished if put[key] <= _MOST}, stop)
            for key in (key for key in vanished if put[key] > _MOST):
                yield key, "its job vanished from the queue"
        if asking.database.do(lambda on: on.execute(_AT_WORK, (asking.queue,)).fetchone() == (True,), stop.is_set):
            heard_at = time.monotonic()
        elif was_stopped:  # what waited is out of the queue by now
            for key in waiting.values():
                gone = "the worker that had it is gone; the next run settles what it left"
                yield key, FleetRow(questions[key][1].tenant, "", "killed", error=gone)
            return
        elif time.monotonic() - heard_at > _LONGEST_WITHOUT_WORKERS:
            _take_out(asking, waiting, stop, under_way=True)
            none = f"no worker took it within {_LONGEST_WITHOUT_WORKERS:.0f} seconds; start ninjasync fleet work"
            yield from ((key, none) for key in waiting.values())
            return
        was_stopped = stop.is_set()
        time.sleep(_LOOKS_AGAIN_AFTER)


def _has_shared_ledger(tenant: TenantFile) -> bool:
    """Whether workers on several machines have one ledger of this tenant, and so one lock."""
    return tenant.config is not None and tenant.config.state.url is not None


def _questions(asking: _Asking, run: FleetRun, tenants: Sequence[TenantFile]) -> dict[str, tuple[str, Question]]:
    """Return the tenant's id and its question by the question's key, in the order of the tenants."""
    digests = make_digests(asking.fleet.path, asking.fleet.settings, [tenant.path for tenant in tenants])
    made = {}
    for tenant, digest in zip(tenants, digests, strict=True):
        question = Question(visible(tenant.name), tuple(run.arguments(tenant) or ()), digest, whole=run.documents)
        tenant_id = queue.id_of(tenant)
        made[question.key(asking.queue, tenant_id)] = tenant_id, question
    return made


def _put(asking: _Asking, questions: Mapping[str, tuple[str, Question]], stop: threading.Event) -> dict[int, str]:
    """Return the jobs by which the questions are answered, with each question's key: new ones, and what there is."""
    if not questions:
        return {}
    from procrastinate.jobs import Job
    from procrastinate.manager import JobManager
    from procrastinate.sync_psycopg_connector import SyncPsycopgConnector

    manager = JobManager(SyncPsycopgConnector())

    def put(connection: Connection) -> dict[int, str]:
        keys = list(questions)
        with connection.transaction():
            # One asking command at a time: the queue itself refuses only what waits, not what is under way.
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (queue.PUTTING_LOCK,))
            found: dict[str, int] = dict(connection.execute(_LEFT_BEHIND, (keys, _STILL_NEWS)).fetchall())
            if found:
                told = "Another command asked the same for %d of these tenants in the last %s: shown is what it got."
                log.warning(told, len(found), _STILL_NEWS)
            found |= dict(connection.execute(_UNDER_WAY, (keys,)).fetchall())
            new = [
                Job(
                    queue=asking.queue,
                    lock=tenant_id,
                    queueing_lock=key,
                    task_name=queue.TASK,
                    task_kwargs=queue.to_json(question),
                )
                for key, (tenant_id, question) in questions.items()
                if key not in found
            ]
            added = manager.batch_defer_jobs(new, connection=connection) if new else []
            return {job: key for key, job in found.items()} | {
                job.id: str(job.queueing_lock) for job in added if job.id
            }

    jobs = asking.database.do(put, stop.is_set)
    asking.put.update(jobs)
    return jobs


def _ended(jobs: list[int], connection: Connection) -> list[tuple[int, str | None, str | None]]:
    """Return the jobs that have a result, and those that are gone without one."""
    return [(job, summary, document) for job, summary, document in connection.execute(_ENDED, (jobs,))]


def _take_out(asking: _Asking, jobs: Iterable[int], stop: threading.Event, *, under_way: bool) -> None:
    """Take what waits out of the queue, and tell the workers to stop what is under way, where that is wanted."""
    from procrastinate.manager import JobManager
    from procrastinate.sync_psycopg_connector import SyncPsycopgConnector

    manager = JobManager(SyncPsycopgConnector())

    def take_out(connection: Connection) -> None:
        with connection.transaction():
            for job in jobs:
                manager.cancel_job_by_id(job, abort=under_way, delete_job=True, connection=connection)

    asking.database.do(take_out, stop.is_set)


def _lost(run: FleetRun, tenant: TenantFile, why: str) -> FleetRow:
    return replace(row_not_begun(tenant, run.today, why), exit_code=1)
