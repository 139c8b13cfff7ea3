"""The ledger as an SQLite file: where it is, how it is made, opened verified, and what its failures mean.

Knows SQLite; does not know what the rows mean.
"""

import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import platformdirs

from ninjasync.config.schema import Config
from ninjasync.errors import LedgerError, LedgerNotWritableError
from ninjasync.model.events import Listener, ignore
from ninjasync.model.message import Message
from ninjasync.model.message import text as as_text
from ninjasync.model.tenant import Tenant
from ninjasync.state import lock, schema
from ninjasync.state.database import Statement, storable_values

# RETURNING came with it.
_OLDEST = (3, 35, 0)
_CHECK_EVERY = timedelta(days=1)

# Marks an SQLite file as a ledger (PRAGMA application_id), so that no other program's is taken for one.
_APPLICATION_ID = 0x4E4A5359


def ledger_path(config: Config) -> Path:
    """Return where the ledger is. Raises LedgerNotWritableError where there is no home folder for it."""
    if config.state.path:
        return config.file(config.state.path)
    try:
        folder = Path(platformdirs.user_state_dir("ninjasync", appauthor=False))
    except RuntimeError:
        folder = Path("~")
    if not folder.is_absolute():  # the system knows no home of this user; some versions give "~" as it stands
        raise LedgerNotWritableError(
            "There is no home folder to keep the ledger in.", "Set [state] path, or the variable XDG_STATE_HOME."
        )
    return folder / "ledger.sqlite3"


@dataclass(frozen=True, slots=True)
class SqliteStore:
    """A ledger as the file at ``path``; see ``Store``."""

    path: Path

    @property
    def place(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def unverified(self) -> str:
        """Nothing: no network is between."""
        return ""

    def open(self, now: datetime) -> "SqliteDatabase":
        """Open the file to be written, made (mode 0600) where there is none."""
        path = self.path
        try:
            if not path.exists():
                place = path.resolve()  # it may be a link to where none is yet
                place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                create(place)
            elif path.stat().st_size == 0:
                raise damaged(path, "it is empty")
        except OSError as error:
            raise LedgerNotWritableError(
                Message("The ledger {} cannot be made: {}.", as_text(path), as_text(error.strerror or error)),
                "Give [state] path a place that may be written to.",
            ) from error
        return open_database(path, now, write=True)

    def open_to_read(self) -> "SqliteDatabase | None":
        """Open the file without writing."""
        try:
            if not self.path.is_file():
                return None
            if not _may(self.path, os.R_OK):
                raise _unreadable(self.path, "this user may not read it")
            if self.path.stat().st_size == 0:
                raise damaged(self.path, "it is empty")
        except OSError as error:
            raise _unreadable(self.path, error.strerror or error) from error
        return open_database(self.path, None, write=False)

    @contextmanager
    def holding(
        self, tenant: Tenant, timeout: float, now: datetime, tell: Listener = ignore
    ) -> Iterator["SqliteDatabase"]:
        """Hold the lock beside the file, then open the file."""
        with lock.hold_lock(self.path, tenant, timeout, now, tell), closing(self.open(now)) as database:
            yield database

    def holder(self, tenant: Tenant) -> str | None:
        """Say who holds the lock beside the file."""
        return lock.present_holder(self.path, tenant)


def create(path: Path) -> None:
    """Put a new ledger (mode 0600) at ``path``, unless another process has just done so. Raises OSError.

    It is made beside and appears whole: an empty or half-made file counts as damaged,
    and must not be what a kill leaves.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}-new-")
    os.close(handle)
    try:
        with closing(sqlite3.connect(name)) as connection:
            connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
            connection.execute("BEGIN")
            for one in schema.creation(schema.SQLITE):
                connection.execute(one)
            connection.commit()
        _place(Path(name), path)
    except sqlite3.OperationalError as error:
        raise OSError(None, str(error)) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _place(made: Path, path: Path) -> None:
    """Give a file its name if no other file has it yet: by a link, which never takes another's place."""
    try:
        os.link(made, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not path.exists():
            made.rename(path)


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Return a connection to the ledger at ``path``, which must be there; it begins no transaction by itself."""
    if sqlite3.sqlite_version_info < _OLDEST:
        raise LedgerError(
            Message("SQLite {} is too old for the ledger, which needs 3.35.", as_text(sqlite3.sqlite_version)),
            "Use a Python that comes with a newer SQLite.",
        )
    uri = f"{path.absolute().as_uri()}?mode={'rw' if write else 'ro'}"
    if not write and not _may(path.parent, os.W_OK):
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


def open_database(path: Path, now: datetime | None, *, write: bool) -> "SqliteDatabase":
    """Open the ledger at ``path``, which must be there, and verify it; see ``SqliteDatabase.verify`` for ``now``."""
    with translate_errors(path):
        database = SqliteDatabase(path, connect(path, write=write), writable=write)
    try:
        database.verify(now)
    except BaseException:  # raised again
        database.close()
        raise
    return database


def _unreadable(path: Path, why: object) -> LedgerNotWritableError:
    return LedgerNotWritableError(
        Message("The ledger {} cannot be read: {}.", as_text(path), as_text(why)),
        "Let this user read and write it, and its folder.",
    )


def _may(path: Path, mode: int) -> bool:
    """Whether this process may do so. Looks without opening: closing would take away SQLite's locks in this process."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _mark(connection: sqlite3.Connection) -> int:
    mark: int = connection.execute("PRAGMA application_id").fetchone()[0]
    return mark


class SqliteDatabase:
    """An open ledger file; see ``Database``."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, writable: bool) -> None:
        self.path, self.writable, self.version = path, writable, schema.SCHEMA_VERSION
        self._connection = connection
        self._lock = threading.Lock()

    @property
    def place(self) -> str:
        """The file."""
        return str(self.path)

    def read(self, query: str, *values: object) -> list[Any]:
        """Return all rows of a query."""
        with self.errors(), self._lock:
            return self._connection.execute(query, storable_values(values)).fetchall()

    @contextmanager
    def rows(self, query: str, *values: object) -> Iterator[Iterable[Any]]:
        """Have the rows of a query."""
        with self.errors(), self._lock:
            yield self._connection.execute(query, storable_values(values))

    def write(self, statements: Sequence[Statement]) -> list[list[Any]]:
        """Carry statements out in one transaction."""
        with self._transaction() as connection:
            return [_carry_out(connection, one) for one in statements]

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that is read meanwhile be of this moment."""
        with self.errors():
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT 1 FROM meta").fetchone()  # with the first look the moment is set
        try:
            yield
        finally:
            self._connection.rollback()

    def hold(
        self, tenant: Tenant, timeout: float, now: datetime, tell: Listener = ignore
    ) -> AbstractContextManager[None]:
        """Hold a tenant's lock, which lies beside the file."""
        return lock.hold_lock(self.path, tenant, timeout, now, tell)

    def holder(self, tenant: Tenant) -> str | None:
        """Say who holds the lock beside the file."""
        return lock.present_holder(self.path, tenant)

    def watch(self, run: str, on_lost: Callable[[LedgerError], None]) -> AbstractContextManager[None]:
        """Do nothing: the lock dies with this process, and a file does not go away by itself."""
        return nullcontext()

    @property
    def survives(self) -> float:
        """0: who has no lock any more is dead."""
        return 0.0

    def clock(self) -> datetime:
        """Return this machine's time: there is no other one."""
        return datetime.now(UTC)

    @property
    def identity(self) -> str:
        """Return which file it is."""
        with self.errors():
            found = self.path.stat()
        return f"{found.st_dev} {found.st_ino}"

    def grants(self) -> tuple[str, ...]:
        """Return nothing: a file has no roles."""
        return ()

    def errors(self) -> AbstractContextManager[None]:
        """Turn failures into a LedgerError."""
        return translate_errors(self.path)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self.errors(), self._lock, self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    def verify(self, now: datetime | None) -> None:
        """Refuse what is no ledger, damaged or too new; bring an older one up to date.

        The whole file is looked through once a day, and where a run was cut short. Where ``now`` is None, which
        goes for those who only read, only the latter.
        """
        if not self.writable:
            with self.errors():
                self._verify(self._connection, now)
            return
        with self._transaction() as connection:
            if self._verify(connection, now) and now is not None:
                connection.execute(_CHECKED, (now.isoformat(timespec="seconds"),))

    def _verify(self, connection: sqlite3.Connection, now: datetime | None) -> bool:
        version = self._version(connection)
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        if self.path.stat().st_size % page:
            raise damaged(self.path, "it ends in the middle of a page")
        is_due = _is_check_due(connection, now)
        if is_due:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if answer != "ok":
                raise damaged(self.path, str(answer))
        if self.writable or version < schema.READABLE_SINCE:
            for one in schema.migration(version, schema.SQLITE):
                connection.execute(one)
            version = max(version, schema.SCHEMA_VERSION)
        self.version = version
        return is_due

    def _version(self, connection: sqlite3.Connection) -> int:
        if _mark(connection) != _APPLICATION_ID:
            raise LedgerError(
                Message("{} is not a ledger of ninjasync.", as_text(self.path)),
                "Give [state] path another file; this one is left untouched.",
            )
        stated = dict(
            connection.execute("SELECT key, value FROM meta WHERE key IN ('schema_version', 'oldest_writer')")
        )
        try:
            return schema.expect_usable(str(self.path), stated)
        except ValueError:
            raise damaged(self.path, "it does not say which version it is") from None


def _carry_out(connection: sqlite3.Connection, one: Statement) -> list[Any]:
    if len(one.rows) == 1:
        return connection.execute(one.sql, storable_values(one.rows[0])).fetchall()
    connection.executemany(one.sql, map(storable_values, one.rows))
    return []


_CHECKED = """
    INSERT INTO meta (key, value) VALUES ('checked_at', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"""


def _is_check_due(connection: sqlite3.Connection, now: datetime | None) -> bool:
    """Whether the file is to be looked through, which takes 0.15 s where it is large."""
    if connection.execute("SELECT 1 FROM runs WHERE ended_at IS NULL LIMIT 1").fetchone():
        return True
    if now is None:
        return False
    (checked_at,) = connection.execute("SELECT value FROM meta WHERE key = 'checked_at'").fetchone() or (None,)
    return checked_at is None or abs(now - datetime.fromisoformat(checked_at)) >= _CHECK_EVERY


# What SQLite calls an operational error although no disk and no permission is to blame.
_MARKS_OF_DAMAGE = ("malformed", "no such table", "no such column", "not decode")


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Turn the database's errors into one sentence."""
    try:
        yield
    except (sqlite3.DatabaseError, ValueError) as error:  # ValueError: a text that is no JSON, or no date
        text = str(error)
        if isinstance(error, sqlite3.OperationalError) and not any(mark in text for mark in _MARKS_OF_DAMAGE):
            raise LedgerNotWritableError(
                Message("The ledger {} cannot be used: {}.", as_text(path), as_text(text)),
                "Check that its folder may be written to and is not full.",
            ) from error
        raise damaged(path, text) from error


def damaged(path: Path, why: str) -> LedgerError:
    """Return the error for a ledger that is not to be trusted."""
    return LedgerError(
        Message("The ledger {} is damaged: {}.", as_text(path), as_text(why)),
        "Put a backup in its place. Without one, move it away: the next plan then adopts what it can prove to be ours, "
        "removes no user that Duo still has, and says what it cannot judge.",
    )
