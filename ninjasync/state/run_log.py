"""Past runs, and the journal: each write before it is sent and after. Knows rows; decides nothing by them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ninjasync.errors import LedgerError
from ninjasync.log import run_id
from ninjasync.model.directory import Resource
from ninjasync.model.history import Operation, Run
from ninjasync.model.message import Message, text
from ninjasync.names_alike import folded
from ninjasync.state.database import Statement, statement
from ninjasync.state.group_commit import GroupCommit
from ninjasync.state.times import read_time, stamp

# An operation's status beside those of an outcome: sent and never heard of again, or failed in a way
# that leaves open whether it was carried out.
PENDING, UNCERTAIN = "pending", "uncertain"

_RUN = "SELECT id, actor, command, started_at, ended_at, exit_code, counts FROM runs WHERE tenant = ?"
_OPERATION = """
    SELECT number, run, operations.resource, action, key, external_id, operations.id, diff, intended_at, status, error
    FROM operations"""
_NOTE = """
    INSERT INTO runs (id, tenant, actor, command, started_at, ended_at, exit_code) VALUES (?, ?, ?, ?, ?, ?, ?)"""
_INTEND = """
    INSERT INTO operations (run, resource, action, key, external_id, id, diff, intended_at, status)
    SELECT id, ?, ?, ?, ?, ?, ?, ?, ? FROM runs WHERE id = ? AND tenant = ? RETURNING number"""
_CONCLUDE = """
    UPDATE operations SET status = ?, error = ?, ended_at = ?
    WHERE number = ? AND run IN (SELECT id FROM runs WHERE tenant = ?)"""
_CONTEST = """
    INSERT INTO contested (tenant, resource, name, at) VALUES (?, ?, ?, ?)
    ON CONFLICT (tenant, resource, name) DO UPDATE SET at = excluded.at"""
_LATEST_THAT_WROTE = """
    SELECT DISTINCT run FROM operations JOIN runs ON runs.id = run
    WHERE tenant = ? AND status = 'applied' ORDER BY run DESC LIMIT 2"""
# One for each run, the last where there were several: a rename goes in two steps.
_LAST_ERRORS = """
    SELECT error FROM operations WHERE number IN (
        SELECT max(number) FROM operations JOIN runs ON runs.id = run
        WHERE tenant = ? AND run <> ? AND operations.resource = ? AND coalesce(external_id, key) = ?
        GROUP BY run)
    ORDER BY number DESC LIMIT 2"""
_FORGET_OPERATIONS = """
    DELETE FROM operations WHERE run IN (SELECT id FROM runs WHERE tenant = ? AND started_at < ?)"""


@dataclass(frozen=True, slots=True)
class Intent:
    """A write that is about to be sent; ``diff`` is JSON."""

    run: str
    resource: Resource
    action: str
    key: str
    external_id: str | None
    id: str | None
    diff: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OwnershipChange:
    """What a write that was carried out means for what is ours.

    ``gone`` says that NinjaOne accepted the deletion; all else is of no account then. ``applied`` and ``shown`` are
    laid over what was recorded before; ``added`` and ``removed`` are Duo ids of members.
    """

    resource: Resource
    external_id: str
    id: str = ""
    name: str = ""
    applied: Mapping[str, Any] | None = None
    shown: Mapping[str, Any] | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    deactivated: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What became of a write, and what is ours by it, if that changed.

    ``taken`` says that NinjaOne refused the resource's name, given here, as taken.
    """

    number: int
    status: str
    error: str
    at: datetime
    owned: OwnershipChange | None = None
    taken: tuple[Resource, str] | None = None


Work = Intent | Conclusion


class RunLog:
    """The runs of one tenant and their writes. Safe to share between threads. Methods may raise LedgerError."""

    def __init__(self, commits: GroupCommit[Work], tenant: str) -> None:
        self._commits, self._tenant = commits, tenant

    # --- the journal -------------------------------------------------------------------------

    def begin(self, actor: str, command: str, now: datetime, id_: str = "") -> str:
        """Begin a run and return its id, a new one where none is given."""
        run = id_ or run_id(now)
        self._commits.write(
            statement(
                "INSERT INTO runs (id, tenant, actor, command, started_at) VALUES (?, ?, ?, ?, ?)",
                *(run, self._tenant, actor, command, stamp(now)),
            )
        )
        return run

    def note(self, actor: str, command: str, now: datetime) -> None:
        """Put a command that is no run, and is done, among the runs."""
        row = (run_id(now), self._tenant, actor, command, stamp(now), stamp(now), 0)
        self._commits.write(statement(_NOTE, *row))

    def intend(self, intent: Intent) -> int:
        """Journal a write that is about to be sent; return its number. Safe from a kill when this returns."""
        for (number,) in self._commits.commit(intent):
            return int(number)
        raise LedgerError(
            Message("The run {} is not in the ledger {}.", text(intent.run), text(self._commits.database.place)),
            "Nothing more is written; plan again.",
        )

    def conclude(self, conclusion: Conclusion) -> None:
        """Journal what became of a write and, in the same transaction, what is ours by it.

        It is safe from the next ``intend`` or ``flush`` on, and is seen by everything that this ledger is asked. After
        a kill before that, the outcome is unknown, as after one between the answer and this call.
        """
        self._commits.queue(conclusion)

    def flush(self) -> None:
        """Make everything safe that was concluded."""
        self._commits.flush()

    def statements_of(self, work: Work) -> list[Statement]:
        """Return the statements that put ``work`` into the journal's tables."""
        if isinstance(work, Intent):
            row = (work.resource, work.action, work.key, work.external_id, work.id, work.diff, stamp(work.at), PENDING)
            return [statement(_INTEND, *row, work.run, self._tenant)]
        ended = [statement(_CONCLUDE, work.status, work.error, stamp(work.at), work.number, self._tenant)]
        if work.taken is not None:
            resource, name = work.taken
            ended.append(statement(_CONTEST, self._tenant, resource, folded(name), stamp(work.at)))
        return ended

    def finish(self, run: str, exit_code: int | None, counts: Mapping[str, int], now: datetime) -> None:
        """End a run; ``exit_code`` is None for one that was killed."""
        self._commits.write(
            statement(
                "UPDATE runs SET ended_at = ?, exit_code = ?, counts = ? WHERE id = ? AND tenant = ?",
                *(stamp(now), exit_code, json.dumps(dict(counts)), run, self._tenant),
            )
        )

    def prune(self, keep_days: int, now: datetime) -> None:
        """Forget runs and before/after values older than ``keep_days``; what is ours is never forgotten."""
        old = (self._tenant, stamp(now - timedelta(days=keep_days)))
        self._commits.write(
            statement(_FORGET_OPERATIONS, *old),
            statement("DELETE FROM runs WHERE tenant = ? AND started_at < ?", *old),
        )

    # --- what was done -----------------------------------------------------------------------

    def unfinished(self) -> tuple[list[Run], list[Operation]]:
        """Return runs that never ended, and the writes whose outcome is unknown."""
        runs = self._commits.read(f"{_RUN} AND ended_at IS NULL ORDER BY started_at, id", self._tenant)
        operations = self._commits.read(
            f"{_OPERATION} JOIN runs ON runs.id = run WHERE tenant = ? AND status IN (?, ?) ORDER BY number",
            *(self._tenant, PENDING, UNCERTAIN),
        )
        with self._commits.database.errors():
            return [_read_run(row) for row in runs], [_read_operation(row) for row in operations]

    def count_unknown(self) -> int:
        """Return how many writes there are whose outcome is unknown."""
        query = "SELECT count(*) FROM operations JOIN runs ON runs.id = run WHERE tenant = ? AND status IN (?, ?)"
        ((number,),) = self._commits.read(query, self._tenant, PENDING, UNCERTAIN)
        return int(number)

    def last_seen(self) -> dict[str, datetime]:
        """Return when each unfinished run was last seen, by the database's clock; see ``Database.watch``."""
        query = "SELECT id, seen_at FROM runs WHERE tenant = ? AND ended_at IS NULL AND seen_at IS NOT NULL"
        rows = self._commits.read(query, self._tenant)
        with self._commits.database.errors():
            return {run: read_time(at) for run, at in rows}

    def runs(self, limit: int = 100) -> list[Run]:
        """Return this tenant's runs, the latest first."""
        rows = self._commits.read(f"{_RUN} ORDER BY started_at DESC, id DESC LIMIT ?", self._tenant, limit)
        with self._commits.database.errors():
            return [_read_run(row) for row in rows]

    def last_apply(self) -> Run | None:
        """Return the latest run that was an apply; None where there was none."""
        query = f"{_RUN} AND command LIKE ? ORDER BY started_at DESC, id DESC LIMIT 1"
        rows = self._commits.read(query, self._tenant, "apply%")
        with self._commits.database.errors():
            return next((_read_run(row) for row in rows), None)

    def operations(self, run: str) -> list[Operation]:
        """Return the writes of one run, in the order in which they were sent."""
        return self._operations("run = ? AND tenant = ?", run, self._tenant)

    def operations_on(self, resource: Resource) -> list[Operation]:
        """Return all writes of this tenant to users, or to groups, in the order in which they were sent."""
        return self._operations("tenant = ? AND operations.resource = ?", self._tenant, resource)

    def _operations(self, condition: str, *values: object) -> list[Operation]:
        query = f"{_OPERATION} JOIN runs ON runs.id = run WHERE {condition} ORDER BY number"
        rows = self._commits.read(query, *values)
        with self._commits.database.errors():
            return [_read_operation(row) for row in rows]

    def repeated(self) -> frozenset[tuple[str, str | None, str]]:
        """Return what the last two runs that wrote anything both applied: resource, Duo id, diff as JSON."""
        applied = "SELECT resource, external_id, diff FROM operations WHERE run = ? AND status = 'applied'"
        latest = self._commits.read(_LATEST_THAT_WROTE, self._tenant)
        done = [frozenset(self._commits.read(applied, run)) for (run,) in latest]
        return done[0] & done[1] if len(done) == 2 else frozenset()

    def last_errors(self, run: str, resource: Resource, external_id: str | None, key: str) -> list[str]:
        """Return what the last two writes of a resource before ``run`` ended with, "" where all went well."""
        rows = self._commits.read(_LAST_ERRORS, self._tenant, run, resource, external_id or key)
        return [error for (error,) in rows]


def _read_run(row: tuple[Any, ...]) -> Run:
    """Make a run of the columns of ``_RUN``."""
    id_, actor, command, started, ended, code, counts = row
    return Run(id_, actor, command, read_time(started), read_time(ended) if ended else None, code, json.loads(counts))


def _read_operation(row: tuple[Any, ...]) -> Operation:
    """Make an operation of the columns of ``_OPERATION``."""
    number, run, resource, action, key, external_id, id_, diff, at, status, error = row
    values, intended = json.loads(diff), read_time(at)
    return Operation(number, run, resource, action, key, external_id, id_, values, intended, status, error)
