"""The ledger's file: its tables, its versions, how it is opened, and how its failures are told.

Knows SQLite and the schema; what the rows mean is ``ledger``'s affair.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from ninjasync.config.schema import Config
from ninjasync.errors import LedgerError, LedgerNotWritableError

SCHEMA_VERSION = 2

_TABLES = """
CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT
);
CREATE TABLE tenants (
    id TEXT NOT NULL PRIMARY KEY,
    endpoint_url TEXT NOT NULL,
    api_hostname TEXT NOT NULL,
    name TEXT NOT NULL,
    since TEXT NOT NULL,
    recorded_at TEXT
);
CREATE TABLE resources (
    tenant TEXT NOT NULL REFERENCES tenants (id),
    resource TEXT NOT NULL,
    external_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    since TEXT NOT NULL,
    deactivated_at TEXT,
    applied TEXT NOT NULL DEFAULT '{}',
    shown TEXT NOT NULL DEFAULT '{}',
    members TEXT NOT NULL DEFAULT '[]',
    deleted_at TEXT,
    PRIMARY KEY (tenant, resource, external_id)
);
CREATE INDEX ix_resources_id ON resources (id);
CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (id),
    actor TEXT NOT NULL,
    command TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    exit_code INTEGER,
    counts TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX ix_runs_tenant ON runs (tenant);
CREATE TABLE operations (
    number INTEGER NOT NULL PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (id),
    resource TEXT NOT NULL,
    action TEXT NOT NULL,
    key TEXT NOT NULL,
    external_id TEXT,
    id TEXT,
    diff TEXT NOT NULL,
    intended_at TEXT NOT NULL,
    ended_at TEXT,
    status TEXT NOT NULL,
    error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX ix_operations_run ON operations (run);
CREATE INDEX ix_operations_status ON operations (status);
CREATE TABLE baselines (
    tenant TEXT NOT NULL PRIMARY KEY REFERENCES tenants (id),
    at TEXT NOT NULL,
    in_scope INTEGER NOT NULL,
    scope_digest TEXT NOT NULL,
    groups TEXT NOT NULL
);
CREATE TABLE contested (
    tenant TEXT NOT NULL REFERENCES tenants (id),
    resource TEXT NOT NULL,
    name TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (tenant, resource, name)
);
CREATE TABLE used_plans (
    file_digest TEXT NOT NULL PRIMARY KEY,
    run TEXT NOT NULL,
    at TEXT NOT NULL
);
"""

# Version n's entry takes a ledger from version n to n + 1; a new one is a row here.
_MIGRATIONS: Mapping[int, tuple[str, ...]] = {
    # What explain told of the last plan before it made its own.
    1: ("DELETE FROM meta WHERE key GLOB 'last_plan *' OR key GLOB 'last_names *'",),
}
# The oldest version that can be read as it stands, by who may not write.
_READABLE_SINCE = 1

# Marks an SQLite file as a ledger (PRAGMA application_id), so that no other program's is taken for one.
_APPLICATION_ID = 0x4E4A5359


def path_of(config: Config) -> Path:
    """Return where the ledger is. Raises LedgerNotWritableError where there is no home folder for it."""
    if config.state.path:
        return config.file(config.state.path)
    import platformdirs

    try:
        folder = Path(platformdirs.user_state_dir("ninjasync", appauthor=False))
    except RuntimeError:
        folder = Path("~")
    if not folder.is_absolute():  # the system knows no home of this user; some versions give "~" as it stands
        raise LedgerNotWritableError(
            "There is no home folder to keep the ledger in.", "Set [state] path, or the variable XDG_STATE_HOME."
        )
    return folder / "ledger.sqlite3"


def make(path: Path) -> None:
    """Put a new ledger (mode 0600) at ``path``, unless somebody else has just done so. Raises OSError.

    It is made beside and appears whole: one that is found empty or half made is damaged,
    and must not be what a kill leaves.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}-new-")
    os.close(handle)
    try:
        with closing(sqlite3.connect(name)) as connection:
            connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
            connection.executescript(f"BEGIN; {_TABLES}")
            connection.execute("INSERT INTO meta VALUES ('schema_version', ?)", (str(SCHEMA_VERSION),))
            connection.commit()
        _place(Path(name), path)
    except sqlite3.OperationalError as error:
        raise OSError(None, str(error)) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _place(made: Path, path: Path) -> None:
    """Give a file its name if nobody has it yet: by a link, which never takes another's place."""
    try:
        os.link(made, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not path.exists():
            made.rename(path)


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Return a connection to the ledger at ``path``, which must be there; transactions are begun by whoever uses it."""
    uri = f"{path.absolute().as_uri()}?mode={'rw' if write else 'ro'}"
    if not write and not _may_write(path.parent):
        uri += "&immutable=1"  # SQLite could not make the files beside it that reading in WAL mode takes
    connection = sqlite3.connect(uri, uri=True, timeout=30, check_same_thread=False, isolation_level=None)
    try:
        # Switching to WAL rewrites the file's header, which must not happen to another program's file.
        if write and _mark(connection) == _APPLICATION_ID:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")
        # A commit survives the death of the process; only a power cut may take the last ones, and
        # what they said is found again by looking at the server.
        connection.execute("PRAGMA synchronous=NORMAL")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _may_write(folder: Path) -> bool:
    return os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _mark(connection: sqlite3.Connection) -> int:
    mark: int = connection.execute("PRAGMA application_id").fetchone()[0]
    return mark


def check(connection: sqlite3.Connection, path: Path, *, write: bool) -> None:
    """Refuse what is no ledger or too new; with ``write``, bring an older one up to date."""
    if _mark(connection) != _APPLICATION_ID:
        raise LedgerError(
            f"{path} is not a ledger of ninjasync.", "Give [state] path another file; this one is left untouched."
        )
    (found,) = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() or (None,)
    if not (isinstance(found, str) and found.isdecimal()):
        raise damaged(path, "it does not say which version it is")
    version = int(found)
    if version > SCHEMA_VERSION:
        raise LedgerError(
            f"The ledger {path} is of a newer ninjasync (its version is {version}, this one reads {SCHEMA_VERSION}).",
            "Upgrade ninjasync on this machine.",
        )
    (page,) = connection.execute("PRAGMA page_size").fetchone()
    if path.stat().st_size % page:
        raise damaged(path, "it ends in the middle of a page")
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise damaged(path, str(found))
    if not write and version >= _READABLE_SINCE:
        return
    for step in range(version, SCHEMA_VERSION):
        for statement in _MIGRATIONS[step]:
            connection.execute(statement)
    if version < SCHEMA_VERSION:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(SCHEMA_VERSION),))


# What SQLite calls an operational error although no disk and no permission is to blame.
_MARKS_OF_DAMAGE = ("malformed", "no such table", "no such column", "not decode")


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn the database's errors into one sentence."""
    try:
        yield
    except (sqlite3.DatabaseError, ValueError) as error:  # ValueError: a text that is no JSON, or no date
        text = str(error)
        if isinstance(error, sqlite3.OperationalError) and not any(mark in text for mark in _MARKS_OF_DAMAGE):
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
