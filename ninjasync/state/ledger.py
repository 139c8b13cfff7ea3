"""What this tenant owns in NinjaOne.

Where NinjaOne keeps ``externalId`` the ledger is a cache of the truth, and where it does not, the truth. Knows rows;
what follows from them is decided elsewhere. ``run_log`` has what was done and what was about to be done, ``memory``
the single facts.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from typing import Self

import msgspec

from ninjasync.errors import LedgerError
from ninjasync.model.directory import Resource
from ninjasync.model.events import Listener, ignore
from ninjasync.model.history import TenantEntries
from ninjasync.model.ownership import Owned, Ownership
from ninjasync.model.tenant import Tenant
from ninjasync.state.database import Database, Statement, statement, storable
from ninjasync.state.group_commit import GroupCommit
from ninjasync.state.memory import Memory
from ninjasync.state.run_log import Intent, OwnershipChange, RunLog, Work
from ninjasync.state.store import Store
from ninjasync.state.times import read_time, stamp

# Text that is NULL where it says nothing costs no look at it, and there are as many rows as users.
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
    FROM tenants"""
_SHARING_A_SIDE = " WHERE endpoint_url = ? OR api_hostname = ?"
_BY_NAME = " ORDER BY name, endpoint_url, api_hostname"
_NAMESAKES = """
    SELECT resources.external_id, tenants.name
    FROM resources JOIN tenants ON tenants.id = resources.tenant
    WHERE tenants.endpoint_url = ? AND tenants.api_hostname = ? AND tenants.id <> ? AND resources.resource = 'user'
    ORDER BY tenants.name"""
_ADD_TENANT = """
    INSERT INTO tenants (id, endpoint_url, api_hostname, name, since) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING"""
_RECORD = """
    INSERT INTO resources (tenant, resource, external_id, id, name, since) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (tenant, resource, external_id) DO UPDATE SET id = excluded.id, name = excluded.name"""
_OWN = """
    INSERT INTO resources (
        tenant, resource, external_id, id, name, since, deactivated_at, applied, shown, members, deleted_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)
    ON CONFLICT (tenant, resource, external_id) DO UPDATE
    SET id = excluded.id, name = excluded.name, deactivated_at = excluded.deactivated_at, applied = excluded.applied,
        shown = excluded.shown, members = excluded.members, deleted_at = NULL"""
_MARK_DELETED = "UPDATE resources SET deleted_at = ? WHERE tenant = ? AND resource = ? AND external_id = ?"
_DISOWN = "DELETE FROM resources WHERE tenant = ? AND resource = ? AND external_id = ?"
_SET_MEMBERS = "UPDATE resources SET members = ? WHERE tenant = ? AND resource = ? AND external_id = ?"
# All of a former tenant becomes another one's, and goes before what a mere plan left there.
_CLEAR = (
    "DELETE FROM resources WHERE tenant = ?",
    "DELETE FROM baselines WHERE tenant = ?",
    "DELETE FROM contested WHERE tenant = ?",
)
_TAKE_OVER = (
    "UPDATE resources SET tenant = ? WHERE tenant = ?",
    "UPDATE baselines SET tenant = ? WHERE tenant = ?",
    "UPDATE contested SET tenant = ? WHERE tenant = ?",
    "UPDATE runs SET tenant = ? WHERE tenant = ?",
    "INSERT INTO pauses (tenant, since, until, actor, reason) "
    "SELECT ?, since, until, actor, reason FROM pauses WHERE tenant = ? ON CONFLICT (tenant) DO NOTHING",
)


class _Values(Mapping[str, str | None]):
    """Values by path out of a JSON text, parsed when one is asked for: those of most accounts never are.

    At 100,000 accounts that is a second, and 60 MiB, less for each plan.
    """

    __slots__ = ("_parsed", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._parsed: dict[str, str | None] | None = None

    def __getitem__(self, path: str) -> str | None:
        return self._read()[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def _read(self) -> dict[str, str | None]:
        if self._parsed is None:
            self._parsed = json.loads(self._text)
        return self._parsed


_NO_VALUES: Mapping[str, str | None] = {}
_NO_MEMBERS = frozenset[str]()


class Ledger:
    """The ledger of one tenant. Safe to share between threads. Every method may raise LedgerError."""

    def __init__(self, database: Database, tenant: Tenant) -> None:
        self.database, self.tenant = database, tenant
        self._id = tenant.id  # a digest, asked for with each write
        self._commits = GroupCommit[Work](database, self._statements_of, self._forget_rows)
        self.run_log, self.memory = RunLog(self._commits, tenant.id), Memory(self._commits, tenant.id)
        # What was last read of each kind; and a copy of it that follows what is written, made by the first write.
        # The one who holds the lock is the only one who writes a tenant's rows, so it need not look again.
        self._last_read: dict[Resource, dict[str, Owned]] = {}
        self._rows: dict[Resource, dict[str, Owned]] = {}
        self._holders: dict[Resource, dict[str, str]] = {}

    @classmethod
    def open(cls, store: Store, tenant: Tenant, now: datetime) -> Self:
        """Open the ledger in ``store`` to be written, made where there is none; see ``Store.open``."""
        return cls._begun(store.open(now), tenant, now)

    @classmethod
    def open_to_read(cls, store: Store, tenant: Tenant) -> Self | None:
        """Open the ledger in ``store`` without writing; None where there is none or it cannot be read at all."""
        database = store.open_to_read()
        return None if database is None else cls(database, tenant)

    @classmethod
    @contextmanager
    def holding(
        cls, store: Store, tenant: Tenant, timeout: float, now: datetime, tell: Listener = ignore
    ) -> Iterator[Self]:
        """Hold the tenant's lock, and have the ledger open to be written, until the end; see ``Store.holding``."""
        with store.holding(tenant, timeout, now, tell) as database:
            ledger = cls._begun(database, tenant, now)
            try:
                yield ledger
            finally:
                ledger.close()

    @classmethod
    def _begun(cls, database: Database, tenant: Tenant, now: datetime) -> Self:
        ledger = cls(database, tenant)
        row = (tenant.id, tenant.endpoint_url, tenant.api_hostname, tenant.name, stamp(now))
        try:
            ledger._commits.write(statement(_ADD_TENANT, *row))
        except BaseException:  # raised again
            ledger.close()
            raise
        return ledger

    @property
    def writable(self) -> bool:
        """Whether it was opened to be written."""
        return self.database.writable

    def close(self) -> None:
        """Close the connection; what was concluded is safe then, where it can be."""
        with suppress(LedgerError):
            self.flush()
        self.database.close()

    def flush(self) -> None:
        """Make everything safe that was concluded."""
        self._commits.flush()

    def snapshot(self) -> AbstractContextManager[None]:
        """Let all that is read meanwhile be of this moment, whatever others write; only reading is allowed."""
        return self._commits.snapshot()

    # --- what is ours ------------------------------------------------------------------------

    def ownership(self, now: datetime) -> Ownership:
        """Return all that is known of who owns what; known it is from the first ``record`` on."""
        ((recorded,),) = self._commits.read("SELECT recorded_at FROM tenants WHERE id = ?", self._id) or [(None,)]
        users, groups = self.owned("user"), self.owned("group")
        return Ownership(
            known=recorded is not None,
            users=users,
            groups=groups,
            namesakes={} if users or groups else self._namesakes(),
            foreign_users=self.foreign("user"),
            foreign_groups=self.foreign("group"),
            contested=self.memory.contested(now),
            members_shown=self.memory.members_shown,
            members_hidden=self.memory.members_hidden,
        )

    def owned(self, resource: Resource) -> dict[str, Owned]:
        """Return this tenant's resources by Duo id."""
        self.flush()
        rows = self._read_rows(resource)
        self._forget_rows(resource)
        self._last_read[resource] = rows
        return rows

    def _read_rows(self, resource: Resource) -> dict[str, Owned]:
        with self.database.rows(_OWNED, self._id, resource) as rows:
            return {
                duo_id: Owned(
                    id_,
                    name,
                    read_time(at) if at else None,
                    _Values(applied) if applied else _NO_VALUES,
                    _Values(shown) if shown else _NO_VALUES,
                    frozenset(json.loads(members)) if members else _NO_MEMBERS,
                    deleted is not None,
                )
                for duo_id, id_, name, at, applied, shown, members, deleted in rows
            }

    def foreign(self, resource: Resource) -> dict[str, str]:
        """Return NinjaOne ids that belong to other tenants of the same endpoint, with those tenants' names."""
        rows = self._commits.read(_FOREIGN, self.tenant.endpoint_url, self._id, resource)
        return {id_: name or host for id_, name, host in rows}

    def _namesakes(self) -> dict[str, str]:
        """Return the Duo ids of users of tenants that differ from this one by name alone, with those names."""
        return dict(self._commits.read(_NAMESAKES, self.tenant.endpoint_url, self.tenant.api_hostname, self._id))

    def record(self, resource: Resource, found: Iterable[tuple[str, str, str]], now: datetime) -> None:
        """Record resources that were found to be ours: Duo id, NinjaOne id, name of each. Writes what differs."""
        self.flush()
        before = self._last_read.get(resource) or self._rows_of(resource)
        new = [row for row in found if not _is_recorded(before.get(row[0]), row[1], row[2])]
        at = stamp(now)
        recorded = statement("UPDATE tenants SET recorded_at = ? WHERE id = ? AND recorded_at IS NULL", at, self._id)
        rows = [(self._id, resource, duo_id, id_, name, at) for duo_id, id_, name in new]
        self._commits.write(recorded, Statement(_RECORD, rows))
        if new:
            self._forget_rows(resource)

    def start_clocks(self, duo_ids: Iterable[str], now: datetime) -> None:
        """Record that these accounts were found inactive, their users gone, where nothing is recorded yet."""
        self._change_users(
            "UPDATE resources SET deactivated_at = ? "
            "WHERE tenant = ? AND resource = 'user' AND external_id = ? AND deactivated_at IS NULL",
            [(stamp(now), self._id, duo_id) for duo_id in duo_ids],
        )

    def stop_clocks(self, duo_ids: Iterable[str]) -> None:
        """Forget when these accounts were deactivated: they are active again."""
        self._change_users(
            "UPDATE resources SET deactivated_at = NULL WHERE tenant = ? AND resource = 'user' AND external_id = ?",
            [(self._id, duo_id) for duo_id in duo_ids],
        )

    def _change_users(self, query: str, rows: list[tuple[str, ...]]) -> None:
        if rows:
            self._commits.write(Statement(query, rows))
            self._forget_rows("user")

    def forget(self, ids: Iterable[str]) -> None:
        """Forget resources, by NinjaOne id, that are proven to be gone, and with them their memberships."""
        gone = set(ids)
        if not gone:
            return
        self.flush()
        users = {duo_id for duo_id, owned in self._rows_of("user").items() if owned.id in gone}
        query = "DELETE FROM resources WHERE tenant = ? AND id = ?"
        self._commits.write(Statement(query, [(self._id, id_) for id_ in sorted(gone)]), *self._leave_groups(users))
        self._forget_rows()

    # --- what is ours by a write, out of rows in memory ---------------------------------------

    def _statements_of(self, work: Work) -> list[Statement]:
        statements = self.run_log.statements_of(work)
        if not isinstance(work, Intent) and work.owned is not None:
            statements += self._own(work.owned, work.at)
        return statements

    def _own(self, change: OwnershipChange, at: datetime) -> list[Statement]:
        rows, holders = self._rows_of(change.resource), self._holders[change.resource]
        key, before = (self._id, change.resource, change.external_id), rows.get(change.external_id)
        if change.gone:
            # Kept until a list lacks it: with some servers a deleted account stays, inactive.
            if before is not None:
                rows[change.external_id] = msgspec.structs.replace(before, deleted=True)
            return [statement(_MARK_DELETED, stamp(at), *key)]
        statements: list[Statement] = []
        former = holders.get(change.id)
        if former is not None and former != change.external_id:
            # An account has one owner: a re-keyed one leaves its former line behind.
            statements.append(statement(_DISOWN, *key[:2], former))
            rows.pop(former, None)
        if change.resource == "user" and before is not None and before.id != change.id:
            statements += self._leave_groups({change.external_id})  # a new account is in none yet
        after = _changed(before, change, at)
        rows[change.external_id], holders[change.id] = after, change.external_id
        texts = (json.dumps(dict(after.applied)), json.dumps(dict(after.shown)), json.dumps(sorted(after.members)))
        stopped = stamp(after.deactivated_at) if after.deactivated_at else None
        statements.append(statement(_OWN, *key, after.id, after.name, stamp(at), stopped, *texts))
        return statements

    def _leave_groups(self, users: set[str]) -> list[Statement]:
        """Forget that these (Duo ids) are in any group: their accounts are gone."""
        groups = self._rows_of("group") if users else {}
        left: list[tuple[str, ...]] = []
        for duo_id, group in groups.items():
            if not group.members.isdisjoint(users):
                groups[duo_id] = msgspec.structs.replace(group, members=group.members - users)
                left.append((json.dumps(sorted(groups[duo_id].members)), self._id, "group", duo_id))
        return [Statement(_SET_MEMBERS, left)] if left else []

    def _rows_of(self, resource: Resource) -> dict[str, Owned]:
        if resource not in self._rows:
            last = self._last_read.pop(resource, None)
            rows = self._rows[resource] = dict(last) if last is not None else self._read_rows(resource)
            self._holders[resource] = {owned.id: duo_id for duo_id, owned in rows.items()}
        return self._rows[resource]

    def _forget_rows(self, *resources: Resource) -> None:
        """Read rows again when they are needed next; all kinds where none is given."""
        for resource in resources or ("user", "group"):
            for kept in (self._last_read, self._rows, self._holders):
                kept.pop(resource, None)

    # --- the ledger as a whole ---------------------------------------------------------------

    def tenants(self) -> list[TenantEntries]:
        """Return every tenant that the ledger knows."""
        return self._tenants(f"{_TENANTS}{_BY_NAME}")

    def neighbours(self) -> list[TenantEntries]:
        """Return the tenants with this one's endpoint or Duo, itself among them."""
        query = f"{_TENANTS}{_SHARING_A_SIDE}{_BY_NAME}"
        return self._tenants(query, self.tenant.endpoint_url, self.tenant.api_hostname)

    def _tenants(self, query: str, *values: str) -> list[TenantEntries]:
        rows, pauses = self._commits.read(query, *values), self.memory.pauses()
        with self.database.errors():
            return [
                TenantEntries(
                    tenant := Tenant(endpoint, host, name), read_time(since), users, groups, runs, pauses.get(tenant.id)
                )
                for endpoint, host, name, since, users, groups, runs in rows
            ]

    def take_over(self, former: str) -> None:
        """Make everything that the ledger has of the tenant with the id ``former`` this one's.

        What a mere plan left of this one before goes.
        """
        ids = (self._id, former)
        since = min(at for (at,) in self._commits.read("SELECT since FROM tenants WHERE id IN (?, ?)", *ids))
        query = "SELECT recorded_at FROM tenants WHERE id = ? OR id = ? ORDER BY recorded_at DESC"
        recorded = [at for (at,) in self._commits.read(query, *ids) if at is not None]
        keys = [key for (key,) in self._commits.read("SELECT key FROM meta") if f" {former}" in key]
        moved = [(key.replace(former, self._id), key) for key in keys]
        statements = [Statement("DELETE FROM meta WHERE key = ?", [(new,) for new, _ in moved])]
        statements.append(Statement("UPDATE meta SET key = ? WHERE key = ?", moved))
        statements += [statement(query, self._id) for query in _CLEAR]
        statements += [statement(query, *ids) for query in _TAKE_OVER]
        values = (since, recorded[0] if recorded else None, self._id)
        statements.append(statement("UPDATE tenants SET since = ?, recorded_at = ? WHERE id = ?", *values))
        statements.append(statement("DELETE FROM pauses WHERE tenant = ?", former))
        statements.append(statement("DELETE FROM tenants WHERE id = ?", former))
        self._commits.write(*statements)
        self._forget_rows()


def _is_recorded(entry: Owned | None, id_: str, name: str) -> bool:
    return entry is not None and entry.id == id_ and entry.name == storable(name)


def _changed(before: Owned | None, change: OwnershipChange, at: datetime) -> Owned:
    """Return what the ledger says of a resource after a write to it."""
    entry = before or Owned(change.id, change.name)
    applied = change.applied or {}
    shown = {path: value for path, value in entry.shown.items() if path not in applied}
    return Owned(
        change.id,
        change.name,
        at if change.deactivated else None,
        {**entry.applied, **applied},
        {**shown, **(change.shown or {})},
        entry.members.union(change.added).difference(change.removed),
    )
