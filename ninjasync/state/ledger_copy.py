"""Copies what a ledger holds of some tenants into another one, of whichever kind, and proves that it is equal there.

Knows the tables. Holds no lock and decides nothing: that is for ``runs``.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ninjasync.errors import LedgerError
from ninjasync.model.history import Copied
from ninjasync.model.message import Message, text, word
from ninjasync.model.tenant import Tenant
from ninjasync.state.database import Database, Statement, Values, storable_values
from ninjasync.state.schema import columns_of


@dataclass(frozen=True, slots=True)
class _Part:
    """What of a table is a tenant's, in an order that is the same in every database; ``clash`` is for INSERT."""

    condition: str
    order: str
    clash: str = ""


# In an order in which each table comes after those that it refers to. A number of an operation is its database's own,
# and nothing refers to it: only their order is kept.
_PARTS: Mapping[str, _Part] = {
    "tenants": _Part("id = ?", "id"),
    "resources": _Part("tenant = ?", "resource, external_id"),
    "runs": _Part("tenant = ?", "id"),
    "operations": _Part("run IN (SELECT id FROM runs WHERE tenant = ?)", "number"),
    "baselines": _Part("tenant = ?", "tenant"),
    "contested": _Part("tenant = ?", "resource, name"),
    "pauses": _Part("tenant = ?", "tenant"),
    # A plan may have been used by a run that is forgotten by now, of whichever tenant: it stays used.
    "used_plans": _Part(
        "run IN (SELECT id FROM runs WHERE tenant = ?) OR run NOT IN (SELECT id FROM runs)",
        "file_digest",
        " ON CONFLICT (file_digest) DO NOTHING",
    ),
    "meta": _Part("key LIKE ?", "key"),
}
# Of the ledger as a whole. A destination that has tenants of its own keeps the key that their tokens are made with.
_SHARED = "redaction_key"
_SET_ONCE = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING"


def list_tenants(database: Database) -> list[Tenant]:
    """Return all tenants of a ledger."""
    query = "SELECT endpoint_url, api_hostname, name FROM tenants ORDER BY name, endpoint_url, api_hostname"
    return [Tenant(*row) for row in database.read(query)]


def copy_tenants(source: Database, destination: Database, tenants: Sequence[Tenant]) -> tuple[Copied, ...]:
    """Copy all that is known of ``tenants`` in one transaction; return for each table what is there now.

    The destination has it all or, whenever this ends before, nothing of it. Raises LedgerError where it cannot be
    written, has a tenant already, or is not equal afterwards.
    """
    with source.snapshot():
        rows = {table: [row for one in tenants for row in _rows_of(source, table, one)] for table in _PARTS}
        shared = source.read("SELECT key, value FROM meta WHERE key = ?", _SHARED)
    rows["used_plans"] = list(dict.fromkeys(rows["used_plans"]))
    written = [Statement(_insertion(table), found) for table, found in rows.items() if found]
    destination.write([*written, *(Statement(_SET_ONCE, [key]) for key in shared)])
    used = {row[0] for row in rows["used_plans"]}
    copied = []
    with destination.snapshot():
        for table, found in rows.items():
            there = [row for one in tenants for row in _rows_of(destination, table, one)]
            if table == "used_plans":
                every = map(tuple, destination.read(_selection(table, "1 = 1")))
                there, found = [row for row in every if row[0] in used], sorted(found)
            copied.append(_proven_equal(table, found, there, destination.place))
    return tuple(copied)


def keeps_other_tokens(source: Database, destination: Database) -> bool:
    """Whether the destination makes the tokens of --redact with another key than the source."""
    keys = [one.read("SELECT value FROM meta WHERE key = ?", _SHARED) for one in (source, destination)]
    return bool(keys[0]) and keys[0] != keys[1]


def _rows_of(database: Database, table: str, tenant: Tenant) -> list[Values]:
    about = f"% {tenant.id}%" if table == "meta" else tenant.id
    with database.rows(_selection(table, _PARTS[table].condition), about) as rows:
        return [storable_values(tuple(row)) for row in rows]


def _selection(table: str, condition: str) -> str:
    columns = ", ".join(_columns(table))
    return f"SELECT {columns} FROM {table} WHERE {condition} ORDER BY {_PARTS[table].order}"  # noqa: S608 - our names


def _columns(table: str) -> tuple[str, ...]:
    return tuple(column for column in columns_of(table) if (table, column) != ("operations", "number"))


def _insertion(table: str) -> str:
    columns = _columns(table)
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}){_PARTS[table].clash}"  # noqa: S608 - our names


def _proven_equal(table: str, sent: Sequence[Values], there: Sequence[Values], place: str) -> Copied:
    digests = _digest(sent), _digest(there)
    if len(sent) != len(there) or digests[0] != digests[1]:
        raise LedgerError(
            Message("The copy in {} is not equal: its table {} differs.", text(place), word(table)),
            "Do not use it; the ledger that was copied is as it was.",
        )
    return Copied(table, len(there), digests[1])


def _digest(rows: Iterable[Sequence[Any]]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(list(row)).encode() + b"\n")
    return digest.hexdigest()
