"""What this tenant owns in NinjaOne, what was done, and what was about to be done.

An SQLite file. Where NinjaOne keeps ``externalId`` the ledger is a cache of the truth, and where it
does not, the truth. Knows rows; what follows from them is decided elsewhere.
"""

import json
import logging
import secrets
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from ninjasync.errors import LedgerError, LedgerNotWritableError
from ninjasync.log import run_id
from ninjasync.model.directory import Resource
from ninjasync.model.history import Operation, Run, TenantEntries
from ninjasync.model.ownership import Baseline, Owned, Ownership
from ninjasync.model.tenant import Tenant
from ninjasync.names_alike import folded
from ninjasync.state import sqlite

log = logging.getLogger(__name__)

T = TypeVar("T")

# A name that was taken by an account that NinjaOne does not show may have become free.
_CONTESTED_FOR = timedelta(days=1)

# An operation's status beside those of an outcome: sent and never heard of again, or failed in a way
# that leaves open whether it was carried out.
PENDING, UNCERTAIN = "pending", "uncertain"


# Text that is NULL where it says nothing costs no look at it, and there are as many rows as people.
_OWNED = """
    SELECT external_id, id, name, deactivated_at,
        nullif(applied, '{}'), nullif(shown, '{}'), nullif(members, '[]'), deleted_at
    FROM resources WHERE tenant = ? AND resource = ?"""
_FOREIGN = """
    SELECT resources.id, tenants.name, tenants.api_hostname
    FROM resources JOIN tenants ON tenants.id = resources.tenant
    WHERE tenants.endpoint_url = ? AND tenants.id <> ? AND resources.resource = ?"""
_TENANTS = """
    SELECT endpoint_url, api_hostname, name, since,
        (SELECT count(*) FROM resources WHERE tenant = tenants.id AND resource = 'user'),
        (SELECT count(*) FROM resources WHERE tenant = tenants.id AND resource = 'group'),
        (SELECT count(*) FROM runs WHERE tenant = tenants.id)
    FROM tenants ORDER BY name, endpoint_url, api_hostname"""
_NAMESAKES = """
    SELECT resources.external_id, tenants.name
    FROM resources JOIN tenants ON tenants.id = resources.tenant
    WHERE tenants.endpoint_url = ? AND tenants.api_hostname = ? AND tenants.id <> ? AND resources.resource = 'user'
    ORDER BY tenants.name"""
# All of the former tenant (:old) becomes this one's (:new), and goes before what a mere plan left there.
_TAKE_OVER = (
    "UPDATE OR REPLACE resources SET tenant = :new WHERE tenant = :old",
    "UPDATE runs SET tenant = :new WHERE tenant = :old",
    "UPDATE OR REPLACE baselines SET tenant = :new WHERE tenant = :old",
    "UPDATE OR REPLACE contested SET tenant = :new WHERE tenant = :old",
    "UPDATE OR REPLACE meta SET key = replace(key, :old, :new) WHERE instr(key, ' ' || :old) > 0",
    """UPDATE tenants SET
        since = min(since, (SELECT since FROM tenants WHERE id = :old)),
        recorded_at = coalesce((SELECT recorded_at FROM tenants WHERE id = :old), recorded_at)
    WHERE id = :new""",
    "DELETE FROM tenants WHERE id = :old",
)
_RECORD = """
    INSERT INTO resources (tenant, resource, external_id, id, name, since) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (tenant, resource, external_id) DO UPDATE SET id = excluded.id, name = excluded.name"""
_INTEND = """
    INSERT INTO operations (run, resource, action, key, external_id, id, diff, intended_at, status)
    VALUES (:run, :resource, :action, :key, :external_id, :id, :diff, :intended_at, :status)"""
_MARK_DELETED = """
    UPDATE resources SET deleted_at = :at
    WHERE tenant = :tenant AND resource = :resource AND external_id = :external_id"""
_DISOWN_OTHERS = """
    DELETE FROM resources
    WHERE tenant = :tenant AND resource = :resource AND id = :id AND external_id <> :external_id"""
_BEFORE = """
    SELECT applied, shown, members, deactivated_at, since, id FROM resources
    WHERE tenant = :tenant AND resource = :resource AND external_id = :external_id"""
_OWN = """
    INSERT INTO resources
    VALUES (:tenant, :resource, :external_id, :id, :name, :since, :deactivated_at, :applied, :shown, :members, NULL)
    ON CONFLICT (tenant, resource, external_id) DO UPDATE
    SET id = excluded.id, name = excluded.name, deactivated_at = excluded.deactivated_at, applied = excluded.applied,
        shown = excluded.shown, members = excluded.members, deleted_at = NULL"""
_RUN = "SELECT id, actor, command, started_at, ended_at, exit_code, counts FROM runs WHERE tenant = ?"
_OPERATION = """
    SELECT number, run, operations.resource, action, key, external_id, operations.id, diff, intended_at, status, error
    FROM operations"""
_LATEST_THAT_WROTE = """
    SELECT DISTINCT run FROM operations JOIN runs ON runs.id = run
    WHERE tenant = ? AND status = 'applied' ORDER BY run DESC LIMIT 2"""
# One for each run, the last where there were several: a rename goes in two steps.
_LAST_ERRORS = """
    SELECT error FROM operations WHERE number IN (
        SELECT max(number) FROM operations JOIN runs ON runs.id = run
        WHERE tenant = ? AND run <> ? AND operations.resource = ? AND ifnull(external_id, key) = ?
        GROUP BY run)
    ORDER BY number DESC LIMIT 2"""
_FORGET_OPERATIONS = """
    DELETE FROM operations WHERE run IN (SELECT id FROM runs WHERE tenant = ? AND started_at < ?)"""


# Work for the next transaction, and who waits for its result, if anybody does.
_Work = tuple[Callable[[sqlite3.Connection], Any], Future[Any] | None]


class _Values(Mapping[str, str | None]):
    """Values by path out of a JSON text, read when one is asked for: of most accounts none ever is.

    At 100,000 accounts that is a second, and 60 MiB, less for each plan.
    """

    __slots__ = ("_found", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: dict[str, str | None] | None = None

    def __getitem__(self, path: str) -> str | None:
        return self._read()[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def _read(self) -> dict[str, str | None]:
        if self._found is None:
            self._found = json.loads(self._text)
        return self._found


_NO_VALUES: Mapping[str, str | None] = {}


class Ledger:
    """The ledger of one tenant. Safe to share between threads. Every method may raise LedgerError."""

    def __init__(self, path: Path, tenant: Tenant, connection: sqlite3.Connection, *, writable: bool) -> None:
        self.path, self.tenant, self.writable = path, tenant, writable
        self._id = tenant.id  # a digest, asked for with each write
        self._connection = connection
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: deque[_Work] = deque()

    @classmethod
    def open(cls, path: Path, tenant: Tenant, now: datetime) -> Self:
        """Open the ledger at ``path``, made (mode 0600) where there is none.

        Raises LedgerError where it cannot be written, is damaged, is of a newer
        ninjasync, or is something else.
        """
        try:
            if not path.exists():
                place = path.resolve()  # it may be a link to where none is yet
                place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                sqlite.make(place)
            elif path.stat().st_size == 0:
                raise sqlite.damaged(path, "it is empty")
        except OSError as error:
            raise LedgerNotWritableError(
                f"The ledger {path} cannot be made: {error.strerror or error}.",
                "Give [state] path a place that may be written to.",
            ) from error
        ledger = cls._connected(path, tenant, writable=True)
        row = (tenant.id, tenant.endpoint_url, tenant.api_hostname, tenant.name, _stamp(now))
        with ledger._closed_on_failure(), ledger._write() as connection:
            sqlite.check(connection, path, write=True)
            connection.execute(
                "INSERT OR IGNORE INTO tenants (id, endpoint_url, api_hostname, name, since) VALUES (?, ?, ?, ?, ?)",
                row,
            )
        return ledger

    @classmethod
    def open_to_read(cls, path: Path, tenant: Tenant) -> Self | None:
        """Open the ledger at ``path`` without writing; None where there is none or it cannot be read at all."""
        try:
            if not path.exists():
                return None
            if path.stat().st_size == 0:
                raise sqlite.damaged(path, "it is empty")
            with path.open("rb"):
                pass
        except OSError:
            return None
        ledger = cls._connected(path, tenant, writable=False)
        with ledger._closed_on_failure(), sqlite.told(path):
            sqlite.check(ledger._connection, path, write=False)
        return ledger

    @classmethod
    def _connected(cls, path: Path, tenant: Tenant, *, writable: bool) -> Self:
        with sqlite.told(path):
            return cls(path, tenant, sqlite.connect(path, write=writable), writable=writable)

    @contextmanager
    def _closed_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:  # raised again
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; what was concluded is safe then, where it can be."""
        with suppress(LedgerError):
            self.flush()
        self._connection.close()

    @contextmanager
    def as_it_is(self) -> Iterator[None]:
        """Let all that is read meanwhile be of this moment, whatever others write; only reading is allowed."""
        with sqlite.told(self.path):
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT 1 FROM meta").fetchone()  # with the first look the moment is set
        try:
            yield
        finally:
            self._connection.rollback()

    # --- what is ours ------------------------------------------------------------------------

    def ownership(self, now: datetime) -> Ownership:
        """Return all that is known of who owns what; known it is from the first ``record`` on."""
        ((recorded,),) = self._read("SELECT recorded_at FROM tenants WHERE id = ?", self._id) or [(None,)]
        users, groups = self.owned("user"), self.owned("group")
        return Ownership(
            known=recorded is not None,
            users=users,
            groups=groups,
            namesakes={} if users or groups else self._namesakes(),
            foreign_users=self.foreign("user"),
            foreign_groups=self.foreign("group"),
            contested=self.contested(now),
            members_shown=self._meta(self._members_shown) is not None,
            members_hidden=self.members_hidden,
        )

    def learn_that_members_are_shown(self) -> None:
        """Remember that a group of this tenant has shown a member: from now on one without members has none."""
        if self._meta(self._members_shown) is None:
            self._change("INSERT OR IGNORE INTO meta (key, value) VALUES (?, '')", (self._members_shown,))

    def learn_that_members_are_hidden(self) -> None:
        """Remember that no group of this tenant shows members, not even by its id: it is not asked again."""
        if self._meta(self._members_hidden) is None:
            self._change("INSERT OR IGNORE INTO meta (key, value) VALUES (?, '')", (self._members_hidden,))

    @property
    def members_hidden(self) -> bool:
        """Whether groups of this tenant hide their members; a single one that was ever seen says that they do not."""
        return self._meta(self._members_hidden) is not None and self._meta(self._members_shown) is None

    @property
    def _members_shown(self) -> str:
        return f"members_shown {self._id}"

    @property
    def _members_hidden(self) -> str:
        return f"members_hidden {self._id}"

    def owned(self, resource: Resource) -> dict[str, Owned]:
        """Return this tenant's resources by Duo id."""
        nobody = frozenset[str]()
        rows = self._read(_OWNED, self._id, resource)
        with sqlite.told(self.path):
            return {
                duo_id: Owned(
                    id_,
                    name,
                    _time(at) if at else None,
                    _Values(applied) if applied else _NO_VALUES,
                    _Values(shown) if shown else _NO_VALUES,
                    frozenset(json.loads(members)) if members else nobody,
                    deleted is not None,
                )
                for duo_id, id_, name, at, applied, shown, members, deleted in rows
            }

    def foreign(self, resource: Resource) -> dict[str, str]:
        """Return NinjaOne ids that belong to other tenants of the same endpoint, with those tenants' names."""
        rows = self._read(_FOREIGN, self.tenant.endpoint_url, self._id, resource)
        return {id_: name or host for id_, name, host in rows}

    def _namesakes(self) -> dict[str, str]:
        """Return the Duo ids of users of tenants that differ from this one by name alone, with those names."""
        return dict(self._read(_NAMESAKES, self.tenant.endpoint_url, self.tenant.api_hostname, self._id))

    def tenants(self) -> list[TenantEntries]:
        """Return every tenant that the ledger knows."""
        with sqlite.told(self.path):
            return [
                TenantEntries(Tenant(endpoint, host, name), _time(since), users, groups, runs)
                for endpoint, host, name, since, users, groups, runs in self._read(_TENANTS)
            ]

    def take_over(self, former: str) -> None:
        """Make everything that the ledger has of the tenant with the id ``former`` this one's."""
        with self._write() as connection:
            for statement in _TAKE_OVER:
                connection.execute(statement, {"old": former, "new": self._id})

    def record(self, resource: Resource, found: Iterable[tuple[str, str, str]], now: datetime) -> None:
        """Record resources that were found to be ours: Duo id, NinjaOne id, name of each."""
        at, mine = _stamp(now), self._id
        rows = [(mine, resource, duo_id, id_, _storable(name), at) for duo_id, id_, name in found]
        with self._write() as connection:
            connection.execute("UPDATE tenants SET recorded_at = ? WHERE id = ?", (at, mine))
            connection.executemany(_RECORD, rows)

    def start_clocks(self, duo_ids: Iterable[str], now: datetime) -> None:
        """Record that these accounts were found inactive, their users gone, where nothing is recorded yet."""
        self._change(
            "UPDATE resources SET deactivated_at = ? "
            "WHERE tenant = ? AND resource = 'user' AND external_id = ? AND deactivated_at IS NULL",
            *((_stamp(now), self._id, duo_id) for duo_id in duo_ids),
        )

    def stop_clocks(self, duo_ids: Iterable[str]) -> None:
        """Forget when these accounts were deactivated: they are active again."""
        self._change(
            "UPDATE resources SET deactivated_at = NULL WHERE tenant = ? AND resource = 'user' AND external_id = ?",
            *((self._id, duo_id) for duo_id in duo_ids),
        )

    def contest(self, resource: Resource, name: str, now: datetime) -> None:
        """Remember that NinjaOne refused a name as taken."""
        row = (self._id, resource, _storable(folded(name)), _stamp(now))
        self._change("INSERT OR REPLACE INTO contested (tenant, resource, name, at) VALUES (?, ?, ?, ?)", row)

    def uncontest(self, names: Iterable[tuple[Resource, str]]) -> None:
        """Forget refused names whose holders have been seen since: what is seen needs no memory."""
        self._change(
            "DELETE FROM contested WHERE tenant = ? AND resource = ? AND name = ?",
            *((self._id, resource, name) for resource, name in names),
        )

    def contested(self, now: datetime) -> frozenset[tuple[Resource, str]]:
        """Return the folded names that were refused as taken lately; each is tried again after a day."""
        since = _stamp(now - _CONTESTED_FOR)
        rows = self._read("SELECT resource, name FROM contested WHERE tenant = ? AND at >= ?", self._id, since)
        return frozenset((resource, name) for resource, name in rows)

    def forget(self, ids: Iterable[str]) -> None:
        """Forget resources, by NinjaOne id, that are proven to be no more, and with them their memberships."""
        gone = set(ids)
        if not gone:
            return
        query = "SELECT external_id, id FROM resources WHERE tenant = ? AND resource = 'user'"
        people = {duo_id for duo_id, id_ in self._read(query, self._id) if id_ in gone}
        self._change("DELETE FROM resources WHERE tenant = ? AND id = ?", *((self._id, id_) for id_ in gone))
        with self._write() as connection:
            self._leave_groups(connection, people)

    def _leave_groups(self, connection: sqlite3.Connection, people: set[str]) -> None:
        """Forget that these (Duo ids) are in any group: their accounts are no more."""
        if not people:
            return
        rows = connection.execute(
            "SELECT external_id, members FROM resources WHERE tenant = ? AND resource = 'group'", (self._id,)
        ).fetchall()
        connection.executemany(
            "UPDATE resources SET members = ? WHERE tenant = ? AND resource = 'group' AND external_id = ?",
            [
                (json.dumps(sorted(set(json.loads(members)) - people)), self._id, duo_id)
                for duo_id, members in rows
                if not people.isdisjoint(json.loads(members))
            ],
        )

    # --- the journal -------------------------------------------------------------------------

    def begin(self, actor: str, command: str, now: datetime, id_: str = "") -> str:
        """Begin a run and return its id, a new one where none is given."""
        run = id_ or run_id(now)
        self._change(
            "INSERT INTO runs (id, tenant, actor, command, started_at) VALUES (?, ?, ?, ?, ?)",
            (run, self._id, actor, command, _stamp(now)),
        )
        return run

    def intend(self, run: str, operation: Mapping[str, Any], now: datetime) -> int:
        """Journal a write that is about to be sent; return its number. Safe from a kill when this returns.

        ``operation`` has resource, action, key, external_id, id, and diff as JSON.
        """
        values = {**operation, "key": _storable(operation["key"]), "run": run, "intended_at": _stamp(now)}
        values["status"] = PENDING

        def insert(connection: sqlite3.Connection) -> int:
            number = connection.execute(_INTEND, values).lastrowid
            assert number is not None
            return number

        return self._together(insert)

    def conclude(
        self, number: int, status: str, error: str, now: datetime, *, owned: Mapping[str, Any] | None = None
    ) -> None:
        """Journal what became of a write and, in the same transaction, what is ours by it.

        ``owned`` is None where nothing changes; else ``resource`` and ``external_id``,
        and either ``gone`` or ``id``, ``name``, ``deactivated``, ``applied`` and ``shown``
        (both laid over what was recorded before), ``added`` and ``removed`` members.

        It is safe from the next ``intend`` or ``flush`` on, and is seen by whatever this
        ledger is asked. After a kill before that, nobody knows what became of the write, as
        after one between the answer and this call.
        """
        ended = (status, _storable(error), _stamp(now), number)

        def end(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE operations SET status = ?, error = ?, ended_at = ? WHERE number = ?", ended)
            if owned is not None:
                self._own(connection, owned, now)

        self._waiting.append((end, None))

    def _own(self, connection: sqlite3.Connection, owned: Mapping[str, Any], now: datetime) -> None:
        mine = {"tenant": self._id, "resource": owned["resource"], "external_id": owned["external_id"]}
        if owned.get("gone"):
            # Kept until a list lacks it: with some servers a deleted account stays, inactive.
            connection.execute(_MARK_DELETED, {**mine, "at": _stamp(now)})
            return
        # An account has one owner: who is re-keyed loses his old line.
        connection.execute(_DISOWN_OTHERS, {**mine, "id": owned["id"]})
        found = connection.execute(_BEFORE, mine).fetchone()
        applied, shown, members, stopped, since, id_ = found or ("{}", "{}", "[]", None, None, owned["id"])
        if owned["resource"] == "user" and id_ != owned["id"]:
            self._leave_groups(connection, {owned["external_id"]})  # a new account is in none yet
        before = {path: value for path, value in json.loads(shown).items() if path not in owned["applied"]}
        if owned["deactivated"]:
            stopped = _stamp(now)
        row = {
            **mine,
            "id": owned["id"],
            "name": _storable(owned["name"]),
            "since": since or _stamp(now),
            "deactivated_at": None if owned["deactivated"] is False else stopped,
            "applied": json.dumps(json.loads(applied) | owned["applied"]),
            "shown": json.dumps(before | owned["shown"]),
            "members": json.dumps(sorted(set(json.loads(members)).union(owned["added"]).difference(owned["removed"]))),
        }
        connection.execute(_OWN, row)

    def repeated(self) -> frozenset[tuple[str, str | None, str]]:
        """Return what the last two runs that wrote anything both applied: resource, Duo id, diff as JSON."""
        applied = "SELECT resource, external_id, diff FROM operations WHERE run = ? AND status = 'applied'"
        found = [frozenset(self._read(applied, run)) for (run,) in self._read(_LATEST_THAT_WROTE, self._id)]
        return found[0] & found[1] if len(found) == 2 else frozenset()

    def last_errors(self, run: str, resource: Resource, external_id: str | None, key: str) -> list[str]:
        """Return what the last two writes of a resource before ``run`` ended with, "" where all went well."""
        return [error for (error,) in self._read(_LAST_ERRORS, self._id, run, resource, external_id or key)]

    def finish(self, run: str, exit_code: int | None, counts: Mapping[str, int], now: datetime) -> None:
        """End a run; ``exit_code`` is None for one that was killed."""
        self._change(
            "UPDATE runs SET ended_at = ?, exit_code = ?, counts = ? WHERE id = ?",
            (_stamp(now), exit_code, json.dumps(dict(counts)), run),
        )

    def unfinished(self) -> tuple[list[Run], list[Operation]]:
        """Return runs that never ended, and the writes of which nobody knows whether they were made."""
        runs = self._read(f"{_RUN} AND ended_at IS NULL ORDER BY started_at, id", self._id)
        operations = self._read(
            f"{_OPERATION} JOIN runs ON runs.id = run WHERE tenant = ? AND status IN (?, ?) ORDER BY number",
            self._id,
            PENDING,
            UNCERTAIN,
        )
        return [_run(*row) for row in runs], [_operation(*row) for row in operations]

    # --- baselines, plans, history -----------------------------------------------------------

    def baseline(self) -> Baseline | None:
        """Return what the last good run found, if there was one."""
        query = "SELECT at, in_scope, scope_digest, groups FROM baselines WHERE tenant = ?"
        for at, in_scope, scope_digest, groups in self._read(query, self._id):
            return Baseline(_time(at), in_scope, scope_digest, json.loads(groups))
        return None

    def set_baseline(self, baseline: Baseline) -> None:
        """Record what a good run found."""
        groups = json.dumps(dict(baseline.groups))
        self._change(
            "INSERT OR REPLACE INTO baselines (tenant, at, in_scope, scope_digest, groups) VALUES (?, ?, ?, ?, ?)",
            (self._id, _stamp(baseline.at), baseline.in_scope, baseline.scope_digest, groups),
        )

    def plan_used_by(self, file_digest: str) -> str | None:
        """Return the run that applied a saved plan; None if none did."""
        for (run,) in self._read("SELECT run FROM used_plans WHERE file_digest = ?", file_digest):
            return str(run)
        return None

    def use_plan(self, file_digest: str, run: str, now: datetime) -> None:
        """Record that ``run`` applies a saved plan."""
        row = (file_digest, run, _stamp(now))
        self._change("INSERT OR IGNORE INTO used_plans (file_digest, run, at) VALUES (?, ?, ?)", row)

    def runs(self, limit: int = 100) -> list[Run]:
        """Return this tenant's runs, the latest first."""
        rows = self._read(f"{_RUN} ORDER BY started_at DESC, id DESC LIMIT ?", self._id, limit)
        return [_run(*row) for row in rows]

    def operations(self, run: str) -> list[Operation]:
        """Return the writes of one run, in the order in which they were sent."""
        return [_operation(*row) for row in self._read(f"{_OPERATION} WHERE run = ? ORDER BY number", run)]

    def operations_on(self, resource: Resource) -> list[Operation]:
        """Return all writes of this tenant to users, or to groups, in the order in which they were sent."""
        query = f"{_OPERATION} JOIN runs ON runs.id = run WHERE tenant = ? AND operations.resource = ? ORDER BY number"
        return [_operation(*row) for row in self._read(query, self._id, resource)]

    def prune(self, keep_days: int, now: datetime) -> None:
        """Forget runs and before/after values older than ``keep_days``; what is ours is never forgotten."""
        old = (self._id, _stamp(now - timedelta(days=keep_days)))
        with self._write() as connection:
            connection.execute(_FORGET_OPERATIONS, old)
            connection.execute("DELETE FROM runs WHERE tenant = ? AND started_at < ?", old)

    def redaction_key(self) -> bytes:
        """Return the random key of the redaction tokens, made on first use."""
        if (found := self.known_redaction_key()) is None:
            row = ("redaction_key", secrets.token_hex(32))
            self._change("INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)", row)
            return self.redaction_key()
        return found

    def known_redaction_key(self) -> bytes | None:
        """Return the key of the redaction tokens; None where none was made yet."""
        found = self._meta("redaction_key")
        return None if found is None else bytes.fromhex(found)

    def _meta(self, key: str) -> str | None:
        for (value,) in self._read("SELECT value FROM meta WHERE key = ?", key):
            return str(value)
        return None

    def first_time(self, what: str) -> bool:
        """Whether this tenant's ledger is asked for ``what`` for the first time; it remembers."""
        key = f"told {self._id} {what}"
        with self._write() as connection:
            return connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES (?, '')", (key,)).rowcount == 1

    def replace_held(self, held: Iterable[str]) -> frozenset[str]:
        """Remember which records are held now, and return those of the last time."""
        key = f"held {self._id}"
        with self._write() as connection:
            found = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
            row = (key, json.dumps(sorted(held)))
            connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", row)
        return frozenset(json.loads(found[0])) if found else frozenset()

    # --- transactions ------------------------------------------------------------------------

    def _read(self, query: str, *values: object) -> list[Any]:
        self.flush()
        with sqlite.told(self.path), self._lock:
            return self._connection.execute(query, values).fetchall()

    def _change(self, statement: str, *rows: tuple[object, ...]) -> None:
        """Carry ``statement`` out for each of ``rows``, in one transaction."""
        if rows:
            with self._write() as connection:
                connection.executemany(statement, rows)

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """Begin a transaction, committed at the end, or taken back where something is raised."""
        self.flush()
        with self._transaction() as connection:
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with sqlite.told(self.path), self._lock, self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    def flush(self) -> None:
        """Make everything safe that was concluded."""
        if self._waiting:
            self._together(lambda connection: None)

    def _together(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do ``work`` in a transaction and return its result; it is committed when this returns.

        Work that came while another transaction was under way shares the next one: eight
        workers need far fewer commits than they have lines to write.
        """
        mine: Future[T] = Future()
        self._waiting.append((work, mine))
        with self._turn:
            if not mine.done():
                self._do_waiting()
        return mine.result()

    def _do_waiting(self) -> None:
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            self._do(batch)
        except Exception as error:  # whatever it is, whoever waits must hear of it
            if isinstance(error, LedgerNotWritableError) or len(batch) == 1:
                self._undone(batch, error)
            else:  # some row is damaged: it must not keep the others from being written
                for one in batch:
                    try:
                        self._do([one])
                    except Exception as its_own:  # as above
                        self._undone([one], its_own)
        except BaseException as error:  # an interrupt in the one thread that writes for all
            self._undone(batch, error)

    def _do(self, batch: list[_Work]) -> None:
        with self._transaction() as connection:
            results = [work(connection) for work, _ in batch]
        for (_, future), result in zip(batch, results, strict=True):
            if future is not None:
                future.set_result(result)

    def _undone(self, batch: list[_Work], error: BaseException) -> None:
        """Tell whoever waits; what nobody waits for is tried again with the next transaction, if that can help."""
        nobodys = [(work, future) for work, future in batch if future is None]
        hopeless = isinstance(error, Exception) and not isinstance(error, LedgerNotWritableError)
        if nobodys and hopeless:
            log.warning("%s What became of a write is not recorded; the next run looks for it in NinjaOne.", error)
        else:
            self._waiting.extendleft(reversed(nobodys))
        for _, future in batch:
            if future is not None:
                future.set_exception(error)


def _storable(text: str) -> str:
    """Return ``text`` as a database can keep it: lone surrogates, which JSON may carry, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="milliseconds")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _run(id_: str, actor: str, command: str, started: str, ended: str | None, code: int | None, counts: str) -> Run:
    return Run(id_, actor, command, _time(started), _time(ended) if ended else None, code, json.loads(counts))


def _operation(
    number: int,
    run: str,
    resource: Resource,
    action: str,
    key: str,
    external_id: str | None,
    id_: str | None,
    diff: str,
    intended_at: str,
    status: str,
    error: str,
) -> Operation:
    intended = _time(intended_at)
    return Operation(number, run, resource, action, key, external_id, id_, json.loads(diff), intended, status, error)
