"""The ledger's file: its tables, its versions, how it is opened, and how its failures are told.

Knows SQLite and the schema; what the rows mean is ``ledger``'s affair.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from ninjasync.errors import LedgerError, LedgerNotWritableError

SCHEMA_VERSION = 1

_schema = sa.MetaData()
meta = sa.Table("meta", _schema, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text))
tenants = sa.Table(
    "tenants",
    _schema,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("endpoint_url", sa.Text, nullable=False),
    sa.Column("api_hostname", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("since", sa.Text, nullable=False),
    sa.Column("recorded_at", sa.Text),
)
resources = sa.Table(
    "resources",
    _schema,
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("resource", sa.Text, primary_key=True),
    sa.Column("external_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("since", sa.Text, nullable=False),
    sa.Column("deactivated_at", sa.Text),
    sa.Column("applied", sa.Text, nullable=False, server_default="{}"),
    sa.Column("shown", sa.Text, nullable=False, server_default="{}"),
    sa.Column("members", sa.Text, nullable=False, server_default="[]"),
    sa.Column("deleted_at", sa.Text),
)
runs = sa.Table(
    "runs",
    _schema,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), index=True, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("command", sa.Text, nullable=False),
    sa.Column("started_at", sa.Text, nullable=False),
    sa.Column("ended_at", sa.Text),
    sa.Column("exit_code", sa.Integer),
    sa.Column("counts", sa.Text, nullable=False, server_default="{}"),
)
operations = sa.Table(
    "operations",
    _schema,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run", sa.Text, sa.ForeignKey("runs.id"), index=True, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("external_id", sa.Text),
    sa.Column("id", sa.Text),
    sa.Column("diff", sa.Text, nullable=False),
    sa.Column("intended_at", sa.Text, nullable=False),
    sa.Column("ended_at", sa.Text),
    sa.Column("status", sa.Text, nullable=False, index=True),
    sa.Column("error", sa.Text, nullable=False, server_default=""),
)
baselines = sa.Table(
    "baselines",
    _schema,
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("in_scope", sa.Integer, nullable=False),
    sa.Column("scope_digest", sa.Text, nullable=False),
    sa.Column("groups", sa.Text, nullable=False),
)
contested = sa.Table(
    "contested",
    _schema,
    sa.Column("tenant", sa.Text, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("resource", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
)
used_plans = sa.Table(
    "used_plans",
    _schema,
    sa.Column("file_digest", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)

# Version n's entry takes a ledger from version n to n + 1; a new one is a row here.
_MIGRATIONS: Mapping[int, tuple[str, ...]] = {}

# Marks an SQLite file as a ledger (PRAGMA application_id), so that no other program's is taken for one.
_APPLICATION_ID = 0x4E4A5359


def engine(path: Path, *, write: bool) -> sa.Engine:
    """Return what connects to the ledger at ``path``, which must be there."""

    def connect() -> sqlite3.Connection:
        uri = f"{path.absolute().as_uri()}?mode={'rw' if write else 'ro'}"
        if not write and not _may_write(path.parent):
            uri += "&immutable=1"  # SQLite could not make the files beside it that reading in WAL mode takes
        connection = sqlite3.connect(uri, uri=True, timeout=30, check_same_thread=False)
        try:
            (mark,) = connection.execute("PRAGMA application_id").fetchone()
            # Switching to WAL rewrites the file's header, which must not happen to another program's file.
            if write and (mark == _APPLICATION_ID or path.stat().st_size == 0):
                connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA foreign_keys=ON")
        except sqlite3.DatabaseError:
            connection.close()
            raise
        # A commit survives the death of the process; only a power cut may take the last ones, and
        # what they said is found again by looking at the server.
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    return sa.create_engine("sqlite://", creator=connect, poolclass=sa.pool.QueuePool, pool_size=1, max_overflow=16)


def _may_write(folder: Path) -> bool:
    return os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def create(connection: sa.Connection) -> None:
    """Make the tables of a new ledger."""
    connection.exec_driver_sql(f"PRAGMA application_id={_APPLICATION_ID}")
    _schema.create_all(connection)
    connection.execute(sa.insert(meta).values(key="schema_version", value=str(SCHEMA_VERSION)))


def check(connection: sa.Connection, path: Path) -> None:
    """Refuse what is no ledger or too new; bring an older one up to date."""
    if connection.exec_driver_sql("PRAGMA application_id").scalar() != _APPLICATION_ID:
        raise LedgerError(
            f"{path} is not a ledger of ninjasync.", "Give [state] path another file; this one is left untouched."
        )
    found = connection.execute(sa.select(meta.c.value).where(meta.c.key == "schema_version")).scalar()
    if found is None or not found.isdigit():
        raise damaged(path, "it does not say which version it is")
    version = int(found)
    if version > SCHEMA_VERSION:
        raise LedgerError(
            f"The ledger {path} is of a newer ninjasync (its version is {version}, this one reads {SCHEMA_VERSION}).",
            "Upgrade ninjasync on this machine.",
        )
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if found != "ok":
        raise damaged(path, str(found))
    for step in range(version, SCHEMA_VERSION):
        for statement in _MIGRATIONS[step]:
            connection.exec_driver_sql(statement)
    if version < SCHEMA_VERSION:
        connection.execute(sa.update(meta).where(meta.c.key == "schema_version").values(value=str(SCHEMA_VERSION)))


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn the database's errors into one sentence."""
    try:
        yield
    except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        text = str(cause)
        if isinstance(cause, sqlite3.OperationalError) and "malformed" not in text:
            raise LedgerNotWritableError(
                f"The ledger {path} cannot be used: {text}.", "Check that its folder may be written to and is not full."
            ) from error
        raise damaged(path, text) from error


def damaged(path: Path, why: str) -> LedgerError:
    """Return the error for a ledger that is not to be trusted."""
    return LedgerError(
        f"The ledger {path} is damaged: {why}.",
        "Put a backup in its place. Without one, move it away: the next plan then adopts what it can prove to be ours, "
        "removes nobody whom Duo still has, and says what it cannot judge.",
    )
