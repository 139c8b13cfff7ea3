"""What this tenant owns in NinjaOne, what was done, and what was about to be done.

An SQLite file, through SQLAlchemy Core so that a server database can take its place.
Where NinjaOne keeps ``externalId`` the ledger is a cache of the truth, and where it
does not, the truth. Knows rows; what follows from them is decided elsewhere.
"""

import json
import os
import secrets
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

from ninjasync import ledger_file
from ninjasync.directory import Baseline, Owned, Ownership, Resource
from ninjasync.errors import LedgerNotWritableError
from ninjasync.plan import GuardResult, LastPlan
from ninjasync.tenant import Tenant
from ninjasync.trace import run_id

T = TypeVar("T")

# A name that was taken by an account that NinjaOne does not show may have become free.
_CONTESTED_FOR = timedelta(days=1)

# An operation's status beside those of an outcome: sent and never heard of again, or failed in a way
# that leaves open whether it was carried out.
PENDING, UNCERTAIN = "pending", "uncertain"


@dataclass(frozen=True, slots=True)
class Operation:
    """One write, as journaled: before it was sent, and what became of it."""

    number: int
    run: str
    resource: Resource
    action: str
    key: str
    external_id: str | None
    id: str | None
    diff: Mapping[str, Any]
    intended_at: datetime
    status: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One past run; ``ended_at`` and ``exit_code`` are None where it was killed, or goes on."""

    id: str
    actor: str
    command: str
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    counts: Mapping[str, int]


def _text_of(statement: sa.ClauseElement) -> str:
    """Return a statement's SQL with named parameters, for the driver itself.

    Each write of a run needs up to five statements. SQLAlchemy takes 0.04 ms for each of
    them, the driver a tenth of it, and meanwhile the other workers wait.
    """
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="named")))


_INTEND = _text_of(
    sa.insert(ledger_file.operations).values(
        {
            name: sa.bindparam(name)
            for name in ("run", "resource", "action", "key", "external_id", "id", "diff", "intended_at", "status")
        }
    )
)
_CONCLUDE = _text_of(
    sa.update(ledger_file.operations)
    .where(ledger_file.operations.c.number == sa.bindparam("done"))
    .values({name: sa.bindparam(name) for name in ("status", "error", "ended_at")})
)
_OF_RESOURCE = (
    ledger_file.resources.c.tenant == sa.bindparam("of_tenant"),
    ledger_file.resources.c.resource == sa.bindparam("of_resource"),
)
_MINE = (*_OF_RESOURCE, ledger_file.resources.c.external_id == sa.bindparam("of_duo"))
_MARK_DELETED = _text_of(sa.update(ledger_file.resources).where(*_MINE).values(deleted_at=sa.bindparam("deleted_at")))
_DISOWN_OTHERS = _text_of(
    sa.delete(ledger_file.resources).where(
        *_OF_RESOURCE,
        ledger_file.resources.c.id == sa.bindparam("of_id"),
        ledger_file.resources.c.external_id != sa.bindparam("of_duo"),
    )
)
_BEFORE = _text_of(
    sa.select(
        ledger_file.resources.c.applied,
        ledger_file.resources.c.shown,
        ledger_file.resources.c.members,
        ledger_file.resources.c.deactivated_at,
        ledger_file.resources.c.since,
    ).where(*_MINE)
)
_row = insert(ledger_file.resources)
_OWN = _text_of(
    _row.on_conflict_do_update(
        index_elements=["tenant", "resource", "external_id"],
        set_={column.name: _row.excluded[column.name] for column in ledger_file.resources.c if not column.primary_key},
    )
)


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

    def __init__(self, path: Path, tenant: Tenant, engine: sa.Engine, *, writable: bool) -> None:
        self.path, self.tenant, self.writable = path, tenant, writable
        self._engine = engine
        self._journal: sa.PoolProxiedConnection | None = None
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: deque[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]] = deque()

    @classmethod
    def open(cls, path: Path, tenant: Tenant, now: datetime) -> Self:
        """Open the ledger at ``path``, made (mode 0600) where there is none.

        Raises LedgerError where it cannot be written, is damaged, is of a newer
        ninjasync, or is something else.
        """
        made = not path.exists()
        try:
            if made:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            elif path.stat().st_size == 0:
                raise ledger_file.damaged(path, "it is empty")
        except OSError as error:
            raise LedgerNotWritableError(
                f"The ledger {path} cannot be made: {error.strerror or error}.",
                "Give [state] path a place that may be written to.",
            ) from error
        ledger = cls(path, tenant, ledger_file.engine(path, write=True), writable=True)
        with ledger._write() as connection:
            if made:
                ledger_file.create(connection)
            else:
                ledger_file.check(connection, path)
            values = {
                "id": tenant.id,
                "endpoint_url": tenant.endpoint_url,
                "api_hostname": tenant.api_hostname,
                "name": tenant.name,
                "since": _stamp(now),
            }
            connection.execute(insert(ledger_file.tenants).values(values).on_conflict_do_nothing())
        return ledger

    @classmethod
    def open_to_read(cls, path: Path, tenant: Tenant) -> Self | None:
        """Open the ledger at ``path`` without writing; None where there is none or it cannot be read at all."""
        try:
            if not path.exists():
                return None
            if path.stat().st_size == 0:
                raise ledger_file.damaged(path, "it is empty")
            with path.open("rb"):
                pass
        except OSError:
            return None
        ledger = cls(path, tenant, ledger_file.engine(path, write=False), writable=False)
        with ledger._read() as connection:
            ledger_file.check(connection, path)
        return ledger

    def close(self) -> None:
        """Close the connections."""
        if self._journal is not None:
            self._journal.close()
        self._engine.dispose()

    # --- what is ours ------------------------------------------------------------------------

    def ownership(self, now: datetime) -> Ownership:
        """Return all that is known of who owns what; known it is from the first ``record`` on."""
        query = sa.select(ledger_file.tenants.c.recorded_at).where(ledger_file.tenants.c.id == self.tenant.id)
        with self._read() as connection:
            known = connection.execute(query).scalar()
        return Ownership(
            known=known is not None,
            users=self.owned("user"),
            groups=self.owned("group"),
            foreign_users=self.foreign("user"),
            foreign_groups=self.foreign("group"),
            contested=self.contested(now),
        )

    def owned(self, resource: Resource) -> dict[str, Owned]:
        """Return this tenant's resources by Duo id."""
        table = ledger_file.resources.c
        columns = (
            table.external_id,
            table.id,
            table.name,
            table.deactivated_at,
            sa.func.nullif(table.applied, "{}"),
            sa.func.nullif(table.shown, "{}"),
            sa.func.nullif(table.members, "[]"),
            table.deleted_at,
        )
        query = sa.select(*columns).where(table.tenant == self.tenant.id, table.resource == resource)
        nobody = frozenset[str]()
        with self._read() as connection:
            # The driver's rows: SQLAlchemy's cost as much again, and there are as many as people.
            rows: Iterable[Any] = connection.execute(query).cursor.fetchall()
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
        query = (
            sa.select(ledger_file.resources.c.id, ledger_file.tenants.c.api_hostname, ledger_file.tenants.c.name)
            .join(ledger_file.tenants)
            .where(
                ledger_file.tenants.c.endpoint_url == self.tenant.endpoint_url,
                ledger_file.tenants.c.id != self.tenant.id,
                ledger_file.resources.c.resource == resource,
            )
        )
        with self._read() as connection:
            return {id_: name or host for id_, host, name in connection.execute(query)}

    def record(self, resource: Resource, found: Iterable[tuple[str, str, str]], now: datetime) -> None:
        """Record resources that were found to be ours: Duo id, NinjaOne id, name of each."""
        rows = [
            {
                "tenant": self.tenant.id,
                "resource": resource,
                "external_id": duo_id,
                "id": id_,
                "name": _storable(name),
                "since": _stamp(now),
            }
            for duo_id, id_, name in found
        ]
        statement = insert(ledger_file.resources)
        new = statement.excluded
        with self._write() as connection:
            connection.execute(
                sa.update(ledger_file.tenants)
                .where(ledger_file.tenants.c.id == self.tenant.id)
                .values(recorded_at=_stamp(now))
            )
            if not rows:
                return
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["tenant", "resource", "external_id"], set_={"id": new.id, "name": new.name}
                ),
                rows,
            )

    def start_clocks(self, duo_ids: Iterable[str], now: datetime) -> None:
        """Record that these accounts were found inactive, their users gone, where nothing is recorded yet."""
        ids = list(duo_ids)
        if ids:
            with self._write() as connection:
                connection.execute(
                    sa.update(ledger_file.resources)
                    .where(
                        ledger_file.resources.c.tenant == self.tenant.id,
                        ledger_file.resources.c.resource == "user",
                        ledger_file.resources.c.external_id == sa.bindparam("duo_id"),
                        ledger_file.resources.c.deactivated_at.is_(None),
                    )
                    .values(deactivated_at=_stamp(now)),
                    [{"duo_id": duo_id} for duo_id in ids],
                )

    def stop_clocks(self, duo_ids: Iterable[str]) -> None:
        """Forget when these accounts were deactivated: they are active again."""
        ids = list(duo_ids)
        if ids:
            with self._write() as connection:
                connection.execute(
                    sa.update(ledger_file.resources)
                    .where(
                        ledger_file.resources.c.tenant == self.tenant.id,
                        ledger_file.resources.c.resource == "user",
                        ledger_file.resources.c.external_id == sa.bindparam("duo_id"),
                    )
                    .values(deactivated_at=None),
                    [{"duo_id": duo_id} for duo_id in ids],
                )

    def contest(self, resource: Resource, name: str, now: datetime) -> None:
        """Remember that NinjaOne refused a name as taken."""
        held = _storable(name.casefold())
        row = {"tenant": self.tenant.id, "resource": resource, "name": held, "at": _stamp(now)}
        with self._write() as connection:
            statement = insert(ledger_file.contested).values(row)
            connection.execute(
                statement.on_conflict_do_update(index_elements=["tenant", "resource", "name"], set_={"at": row["at"]})
            )

    def uncontest(self, names: Iterable[tuple[Resource, str]]) -> None:
        """Forget refused names whose holders have been seen since: what is seen needs no memory."""
        rows = [{"kind": resource, "held": name} for resource, name in names]
        if rows:
            with self._write() as connection:
                connection.execute(
                    sa.delete(ledger_file.contested).where(
                        ledger_file.contested.c.tenant == self.tenant.id,
                        ledger_file.contested.c.resource == sa.bindparam("kind"),
                        ledger_file.contested.c.name == sa.bindparam("held"),
                    ),
                    rows,
                )

    def contested(self, now: datetime) -> frozenset[tuple[Resource, str]]:
        """Return the folded names that were refused as taken lately; each is tried again after a day."""
        since = _stamp(now - _CONTESTED_FOR)
        query = sa.select(ledger_file.contested.c.resource, ledger_file.contested.c.name).where(
            ledger_file.contested.c.tenant == self.tenant.id, ledger_file.contested.c.at >= since
        )
        with self._read() as connection:
            return frozenset((resource, name) for resource, name in connection.execute(query))

    # --- the journal -------------------------------------------------------------------------

    def begin(self, actor: str, command: str, now: datetime, id_: str = "") -> str:
        """Begin a run and return its id, a new one where none is given."""
        run = id_ or run_id(now)
        values = {
            "id": run,
            "tenant": self.tenant.id,
            "actor": actor,
            "command": command,
            "started_at": _stamp(now),
        }
        with self._write() as connection:
            connection.execute(sa.insert(ledger_file.runs).values(values))
        return run

    def intend(self, run: str, operation: Mapping[str, Any], now: datetime) -> int:
        """Journal a write that is about to be sent; return its number. Safe from a kill when this returns.

        ``operation`` has resource, action, key, external_id, id, and diff as JSON.
        """
        values = {**operation, "key": _storable(operation["key"]), "run": run, "intended_at": _stamp(now)}
        values["status"] = PENDING

        def insert_operation(driver: sqlite3.Connection) -> int:
            number = driver.execute(_INTEND, values).lastrowid
            assert number is not None
            return number

        return self._together(insert_operation)

    def conclude(
        self, number: int, status: str, error: str, now: datetime, *, owned: Mapping[str, Any] | None = None
    ) -> None:
        """Journal what became of a write and, in the same transaction, what is ours by it.

        ``owned`` is None where nothing changes; else ``resource`` and ``external_id``,
        and either ``gone`` or ``id``, ``name``, ``deactivated``, ``applied`` and ``shown``
        (both laid over what was recorded before), ``added`` and ``removed`` members.
        """
        ended = {"done": number, "status": status, "error": _storable(error), "ended_at": _stamp(now)}

        def end_operation(driver: sqlite3.Connection) -> None:
            driver.execute(_CONCLUDE, ended)
            if owned is not None:
                self._own(driver, owned, now)

        self._together(end_operation)

    def _own(self, driver: sqlite3.Connection, owned: Mapping[str, Any], now: datetime) -> None:
        mine = {"of_tenant": self.tenant.id, "of_resource": owned["resource"], "of_duo": owned["external_id"]}
        if owned.get("gone"):
            # Kept until a list lacks it: with some servers a deleted account stays, inactive.
            driver.execute(_MARK_DELETED, {**mine, "deleted_at": _stamp(now)})
            return
        # An account has one owner: who is re-keyed loses his old line.
        driver.execute(_DISOWN_OTHERS, {**mine, "of_id": owned["id"]})
        before = driver.execute(_BEFORE, mine).fetchone() or ("{}", "{}", "[]", None, None)
        applied = json.loads(before[0]) | owned["applied"]
        shown = json.loads(before[1])
        shown = {path: value for path, value in shown.items() if path not in owned["applied"]} | owned["shown"]
        members = set(json.loads(before[2])).union(owned["added"])
        members.difference_update(owned["removed"])
        stopped, since = before[3:]
        if owned["deactivated"]:
            stopped = _stamp(now)
        row = {
            "tenant": self.tenant.id,
            "resource": owned["resource"],
            "external_id": owned["external_id"],
            "id": owned["id"],
            "name": _storable(owned["name"]),
            "since": since or _stamp(now),
            "deactivated_at": None if owned["deactivated"] is False else stopped,
            "applied": json.dumps(applied),
            "shown": json.dumps(shown),
            "members": json.dumps(sorted(members)),
            "deleted_at": None,
        }
        driver.execute(_OWN, row)

    def forget(self, ids: Iterable[str]) -> None:
        """Forget resources, by NinjaOne id, that are proven to be no more."""
        rows = [{"gone": id_} for id_ in ids]
        if rows:
            with self._write() as connection:
                connection.execute(
                    sa.delete(ledger_file.resources).where(
                        ledger_file.resources.c.tenant == self.tenant.id,
                        ledger_file.resources.c.id == sa.bindparam("gone"),
                    ),
                    rows,
                )

    def repeated(self) -> frozenset[tuple[str, str | None, str]]:
        """Return what the last two runs that wrote anything both applied: resource, Duo id, diff as JSON."""
        columns = (
            ledger_file.operations.c.resource,
            ledger_file.operations.c.external_id,
            ledger_file.operations.c.diff,
        )
        applied = (ledger_file.runs.c.tenant == self.tenant.id, ledger_file.operations.c.status == "applied")
        latest = (
            sa.select(ledger_file.operations.c.run)
            .join(ledger_file.runs)
            .where(*applied)
            .distinct()
            .order_by(ledger_file.operations.c.run.desc())
        )
        found: list[set[tuple[str, str | None, str]]] = []
        with self._read() as connection:
            for run in connection.execute(latest.limit(2)).scalars().all():
                query = sa.select(*columns).where(
                    ledger_file.operations.c.run == run, ledger_file.operations.c.status == "applied"
                )
                found.append({(resource, duo_id, diff) for resource, duo_id, diff in connection.execute(query)})
        return frozenset(found[0] & found[1]) if len(found) == 2 else frozenset()

    def finish(self, run: str, exit_code: int | None, counts: Mapping[str, int], now: datetime) -> None:
        """End a run; ``exit_code`` is None for one that was killed."""
        with self._write() as connection:
            connection.execute(
                sa.update(ledger_file.runs)
                .where(ledger_file.runs.c.id == run)
                .values(ended_at=_stamp(now), exit_code=exit_code, counts=json.dumps(dict(counts)))
            )

    def unfinished(self) -> tuple[list[Run], list[Operation]]:
        """Return runs that never ended, and the writes of which nobody knows whether they were made."""
        with self._read() as connection:
            runs = connection.execute(
                sa.select(ledger_file.runs)
                .where(ledger_file.runs.c.tenant == self.tenant.id, ledger_file.runs.c.ended_at.is_(None))
                .order_by(ledger_file.runs.c.started_at, ledger_file.runs.c.id)
            ).all()
            operations = connection.execute(
                sa.select(ledger_file.operations)
                .join(ledger_file.runs)
                .where(
                    ledger_file.runs.c.tenant == self.tenant.id,
                    ledger_file.operations.c.status.in_((PENDING, UNCERTAIN)),
                )
                .order_by(ledger_file.operations.c.number)
            ).all()
        return [_run(row) for row in runs], [_operation(row) for row in operations]

    # --- baselines, plans, history -----------------------------------------------------------

    def baseline(self) -> Baseline | None:
        """Return what the last good run found, if there was one."""
        with self._read() as connection:
            row = connection.execute(
                sa.select(ledger_file.baselines).where(ledger_file.baselines.c.tenant == self.tenant.id)
            ).first()
        return Baseline(_time(row.at), row.in_scope, row.scope_digest, json.loads(row.groups)) if row else None

    def set_baseline(self, baseline: Baseline) -> None:
        """Record what a good run found."""
        row = {
            "tenant": self.tenant.id,
            "at": _stamp(baseline.at),
            "in_scope": baseline.in_scope,
            "scope_digest": baseline.scope_digest,
            "groups": json.dumps(dict(baseline.groups)),
        }
        with self._write() as connection:
            connection.execute(
                insert(ledger_file.baselines).values(row).on_conflict_do_update(index_elements=["tenant"], set_=row)
            )

    def last_plan(self) -> LastPlan | None:
        """Return what the guards said of the last plan of the whole world, if there was one."""
        if (found := self._meta(f"last_plan {self.tenant.id}")) is None:
            return None
        kept = json.loads(found)
        return LastPlan(_time(kept["at"]), kept["refused"], tuple(GuardResult(**guard) for guard in kept["guards"]))

    def last_names(self) -> list[str]:
        """Return what people were called in Duo at the last plan of the whole world; none where there was none."""
        found = self._meta(f"last_names {self.tenant.id}")
        return found.split("\n") if found else []

    def set_last_plan(self, plan: LastPlan, names: Iterable[str]) -> None:
        """Record what the guards said of a plan of the whole world, and what people are called in Duo.

        Names are kept as one text, for there may be 100,000: 20 ms, where a row each
        would take half a second. Nothing is decided by them.
        """
        guards = [asdict(guard) for guard in plan.guards]
        kept = {"at": _stamp(plan.at), "refused": plan.refused, "guards": guards}
        rows = [
            {"key": f"last_plan {self.tenant.id}", "value": json.dumps(kept)},
            {"key": f"last_names {self.tenant.id}", "value": _storable("\n".join(names))},
        ]
        statement = insert(ledger_file.meta)
        with self._write() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["key"], set_={"value": statement.excluded.value}), rows
            )

    def plan_used_by(self, file_digest: str) -> str | None:
        """Return the run that applied a saved plan; None if none did."""
        with self._read() as connection:
            query = sa.select(ledger_file.used_plans.c.run).where(ledger_file.used_plans.c.file_digest == file_digest)
            return connection.execute(query).scalar()

    def use_plan(self, file_digest: str, run: str, now: datetime) -> None:
        """Record that ``run`` applies a saved plan."""
        with self._write() as connection:
            connection.execute(
                insert(ledger_file.used_plans)
                .values(file_digest=file_digest, run=run, at=_stamp(now))
                .on_conflict_do_nothing()
            )

    def runs(self, limit: int = 100) -> list[Run]:
        """Return this tenant's runs, the latest first."""
        latest = (ledger_file.runs.c.started_at.desc(), ledger_file.runs.c.id.desc())
        query = (
            sa.select(ledger_file.runs)
            .where(ledger_file.runs.c.tenant == self.tenant.id)
            .order_by(*latest)
            .limit(limit)
        )
        with self._read() as connection:
            return [_run(row) for row in connection.execute(query)]

    def operations(self, run: str) -> list[Operation]:
        """Return the writes of one run, in the order in which they were sent."""
        query = (
            sa.select(ledger_file.operations)
            .where(ledger_file.operations.c.run == run)
            .order_by(ledger_file.operations.c.number)
        )
        with self._read() as connection:
            return [_operation(row) for row in connection.execute(query)]

    def prune(self, keep_days: int, now: datetime) -> None:
        """Forget runs and before/after values older than ``keep_days``; what is ours is never forgotten."""
        before = _stamp(now - timedelta(days=keep_days))
        old = sa.select(ledger_file.runs.c.id).where(
            ledger_file.runs.c.tenant == self.tenant.id, ledger_file.runs.c.started_at < before
        )
        with self._write() as connection:
            connection.execute(sa.delete(ledger_file.operations).where(ledger_file.operations.c.run.in_(old)))
            connection.execute(sa.delete(ledger_file.runs).where(ledger_file.runs.c.id.in_(old)))

    def redaction_key(self) -> bytes:
        """Return the random key of the redaction tokens, made on first use."""
        if (found := self._meta("redaction_key")) is None:
            with self._write() as connection:
                fresh = insert(ledger_file.meta).values(key="redaction_key", value=secrets.token_hex(32))
                connection.execute(fresh.on_conflict_do_nothing())
            return self.redaction_key()
        return bytes.fromhex(found)

    def _meta(self, key: str) -> str | None:
        with self._read() as connection:
            return connection.execute(sa.select(ledger_file.meta.c.value).where(ledger_file.meta.c.key == key)).scalar()

    def first_time(self, what: str) -> bool:
        """Whether this tenant's ledger is asked for ``what`` for the first time; it remembers."""
        with self._write() as connection:
            told = insert(ledger_file.meta).values(key=f"told {self.tenant.id} {what}", value="")
            return connection.execute(told.on_conflict_do_nothing()).rowcount == 1

    # --- connections -------------------------------------------------------------------------

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with ledger_file.told(self.path), self._engine.connect() as connection:
            yield connection

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
            with ledger_file.told(self.path), self._lock, self._driver() as driver:
                results = [work(driver) for work, _ in batch]
        except BaseException as error:
            for _, future in batch:
                future.set_exception(error)
        else:
            for (_, future), result in zip(batch, results, strict=True):
                future.set_result(result)

    def _driver(self) -> sqlite3.Connection:
        """Return the journal's own connection; as a context it commits, or takes back where something is raised."""
        if self._journal is None:
            self._journal = self._engine.raw_connection()
        return cast("sqlite3.Connection", self._journal.driver_connection)

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with ledger_file.told(self.path), self._lock, self._engine.begin() as connection:
            yield connection


def _storable(text: str) -> str:
    """Return ``text`` as a database can keep it: lone surrogates, which JSON may carry, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="milliseconds")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _run(row: Any) -> Run:
    return Run(
        row.id,
        row.actor,
        row.command,
        _time(row.started_at),
        _time(row.ended_at) if row.ended_at else None,
        row.exit_code,
        json.loads(row.counts),
    )


def _operation(row: Any) -> Operation:
    return Operation(
        row.number,
        row.run,
        row.resource,
        row.action,
        row.key,
        row.external_id,
        row.id,
        json.loads(row.diff),
        _time(row.intended_at),
        row.status,
        row.error,
    )
