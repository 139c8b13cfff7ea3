"""One connection to a ledger in PostgreSQL: statements, locks, whether it still lives, what its failures mean.

The tenant's lock lies on the connection that journals, and a lost one is never replaced: who has lost the lock can
journal nothing, and so begins no write. Knows PostgreSQL; does not know what the rows mean.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import datetime
from functools import cache, partial
from typing import Any, cast

import psycopg

from ninjasync.errors import LedgerError, LedgerLostError, LedgerNotWritableError, RefusedRowError
from ninjasync.model.events import Listener, Locked, ignore
from ninjasync.model.message import Message
from ninjasync.model.message import text as as_text
from ninjasync.model.tenant import Tenant
from ninjasync.state import schema
from ninjasync.state.database import Statement, storable_values
from ninjasync.state.lock import UNNAMED, held_by
from ninjasync.state.postgres_address import DEAF

Connection = psycopg.Connection[tuple[Any, ...]]

# Seconds.
SEEN_EVERY, _ASK_FOR_LOCK_EVERY = 5.0, 0.1
# The server takes a moment to notice that a holder was killed.
_MOMENT = 0.3
# A batch of no more rows is answered at once, so that no answer means that none is coming.
_QUICK = 200
# Rows fetched at a time where there may be very many; an older libpq fetches one by one.
_CHUNK = 2000 if psycopg.capabilities.has_stream_chunked() else 1

_SEEN = """
    UPDATE runs SET seen_at = to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+00:00"')
    WHERE id = ?"""
# The halves of the lock's number, as the server shows them. A run writes down who makes it; a command that is no run
# has the name of its connection.
_HOLDER = """
    SELECT application_name, backend_start, (
        SELECT actor || ', since ' || started_at FROM runs
        WHERE tenant = ? AND ended_at IS NULL AND starts_with('ninjasync ' || actor, application_name)
        ORDER BY started_at DESC LIMIT 1)
    FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid::bigint = ? AND objid::bigint = ?
        AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_STATED = "SELECT key, value FROM meta WHERE key IN ('schema_version', 'oldest_writer')"


class PostgresDatabase:
    """An open ledger in PostgreSQL; see ``Database``."""

    def __init__(self, place: str, connection: Connection, *, writable: bool) -> None:
        self.place, self.writable, self.version = place, writable, schema.SCHEMA_VERSION
        self._connection = connection
        self._lock = threading.RLock()
        self._asked_at: float | None = None  # when the batch under way was sent, if it is one that takes no time

    # --- statements --------------------------------------------------------------------------

    def read(self, query: str, *values: object) -> list[Any]:
        """Return all rows of a query."""
        with self.errors(), self._lock:
            return self._connection.execute(_translated(query), storable_values(values)).fetchall()

    @contextmanager
    def rows(self, query: str, *values: object) -> Iterator[Iterable[Any]]:
        """Have the rows of a query, some thousand of them in memory."""
        with (
            self.errors(),
            self._lock,
            self._connection.cursor() as cursor,
            closing(
                cast("Generator[Any]", cursor.stream(_translated(query), storable_values(values), size=_CHUNK))
            ) as rows,
        ):
            yield rows

    def write(self, statements: Sequence[Statement]) -> list[list[Any]]:
        """Carry statements out in one transaction, and in one round trip."""
        quick = sum(len(one.rows) for one in statements) <= _QUICK
        with self.errors(), self._lock:
            self._asked_at = time.monotonic() if quick else None
            try:
                with self._connection.pipeline():
                    self._connection.execute("BEGIN")
                    cursors = [self._send(one) for one in statements]
                    self._connection.execute("COMMIT")
            except psycopg.Error:
                self._give_up_transaction()
                raise
            finally:
                self._asked_at = None
            return [cursor.fetchall() if cursor is not None and cursor.description else [] for cursor in cursors]

    def _send(self, one: Statement) -> psycopg.Cursor[tuple[Any, ...]] | None:
        if len(one.rows) == 1:
            return self._connection.execute(_translated(one.sql), storable_values(one.rows[0]))
        if one.rows:
            self._connection.cursor().executemany(_translated(one.sql), list(map(storable_values, one.rows)))
        return None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Begin a transaction, and commit it at the end if nothing failed."""
        with self.errors(), self._lock, self._connection.transaction():
            yield self._connection

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that is read meanwhile be of this moment."""
        with self.errors(), self._lock:
            self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._connection.execute("SELECT 1 FROM meta LIMIT 1")  # with the first look the moment is set
        try:
            yield
        finally:
            with self._lock:
                self._give_up_transaction()

    def _give_up_transaction(self) -> None:
        with suppress(psycopg.Error):  # a lost connection has none
            self._connection.rollback()

    # --- the lock ----------------------------------------------------------------------------

    @contextmanager
    def hold(self, tenant: Tenant, timeout: float, now: datetime, tell: Listener = ignore) -> Iterator[None]:
        """Hold a tenant's lock; it is gone at once with this process or its connection."""
        number = _number(tenant)
        until, told = time.monotonic() + max(timeout, _MOMENT), timeout <= _MOMENT
        while not self.read("SELECT pg_try_advisory_lock(?)", number)[0][0]:
            left = until - time.monotonic()
            if left <= 0:
                raise held_by(self.holder(tenant) or UNNAMED)
            if not told:
                tell(Locked(self.holder(tenant) or UNNAMED, timeout))
                told = True
            time.sleep(min(left, _ASK_FOR_LOCK_EVERY))
        try:
            yield
        finally:
            with suppress(LedgerError):  # it went with the connection
                self.read("SELECT pg_advisory_unlock(?)", number)

    def holder(self, tenant: Tenant) -> str | None:
        """Say who holds the lock: by what their run wrote down, else by their connection."""
        number = _number(tenant) % 2**64
        for application, since, run in self.read(_HOLDER, tenant.id, number >> 32, number % 2**32):
            if run:
                return str(run)
            who = application.removeprefix("ninjasync ") if application else UNNAMED
            return f"{who}, since {since.isoformat(timespec='seconds')}" if since else who
        return None

    # --- whether it still lives --------------------------------------------------------------

    @contextmanager
    def watch(self, run: str, on_lost: Callable[[LedgerError], None]) -> Iterator[None]:
        """Write the server's time into the run every some seconds: so a dead connection is noticed by itself."""
        seen, done = Statement(_SEEN, [(run,)]), threading.Event()
        self.write([seen])

        def keep_seen() -> None:
            while not done.wait(SEEN_EVERY):
                try:
                    self.write([seen])
                except LedgerError as error:
                    on_lost(error)
                    return

        threads = [
            threading.Thread(target=work, name="ledger", daemon=True)
            for work in (keep_seen, partial(self._cut_off_if_deaf, done))
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            done.set()
            for thread in threads:
                thread.join()

    def _cut_off_if_deaf(self, done: threading.Event) -> None:
        """Shut the connection where no answer comes although the network takes all, as with a proxy that is stuck.

        Keepalives are answered by the proxy itself then, and a thread that waits for the answer would wait for ever.
        Time is told by looks: a process that was stopped meanwhile, and goes on, has its answer waiting.
        """
        looks, before = 0, None
        while not done.wait(SEEN_EVERY):
            asked_at = self._asked_at
            looks = looks + 1 if asked_at is not None and asked_at == before else 0
            before = asked_at
            if looks * SEEN_EVERY > DEAF:
                with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self._connection.fileno())) as end:
                    end.shutdown(socket.SHUT_RDWR)
                return

    @property
    def survives(self) -> float:
        """How long a run may go on after it was last seen: until it looks again, and hears nothing."""
        return SEEN_EVERY + DEAF

    def clock(self) -> datetime:
        """Return the server's time."""
        ((now,),) = self.read("SELECT clock_timestamp()")
        assert isinstance(now, datetime)
        return now

    # --- the ledger as a whole ---------------------------------------------------------------

    def find_version(self) -> int:
        """Read which version the tables are of; see ``schema.expect_usable``."""
        try:
            self.version = schema.expect_usable(self.place, dict(self.read(_STATED)))
        except ValueError:
            raise LedgerError(
                Message("The table meta in {} is not that of a ledger of ninjasync.", as_text(self.place)),
                "Give [state] url another database, or a schema of its own (?options=-csearch_path=NAME).",
            ) from None
        return self.version

    @property
    def identity(self) -> str:
        """Return which table of which running server it is."""
        ((started, database, meta),) = self.read(
            "SELECT pg_postmaster_start_time(), current_database(), 'meta'::regclass::oid"
        )
        return f"{started.timestamp()} {database} {meta}"

    def grants(self) -> tuple[str, ...]:
        """Return the lines of SQL that let a role ``ninjasync`` use the ledger, and no more."""
        ((name,),) = self.read("SELECT quote_ident(current_schema())")
        rights = "SELECT, INSERT, UPDATE, DELETE ON"
        return (
            f"GRANT USAGE ON SCHEMA {name} TO ninjasync;",
            f"GRANT {rights} {', '.join(f'{name}.{table}' for table in schema.TABLES)} TO ninjasync;",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {name} GRANT {rights} TABLES TO ninjasync;",
        )

    def errors(self) -> AbstractContextManager[None]:
        """Turn failures into a LedgerError."""
        return _translate_errors(self.place, self._connection)

    def close(self) -> None:
        """Close the connection, and with it let go of every lock."""
        self._connection.close()


@cache
def _translated(sql: str) -> str:
    """Return a statement with the placeholders of psycopg; ours hold no ``?`` and no ``%`` of their own."""
    return sql.replace("?", "%s")


def _number(tenant: Tenant) -> int:
    """Return the tenant's id as the signed number of 64 bits that an advisory lock has."""
    number = int(tenant.id, 16)
    return number - 2**64 if number >= 2**63 else number


# --- errors, by SQLSTATE: a server may speak any language ----------------------------------------

_LOST = ("08", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04")
_NOT_WRITABLE = ("42501", "25006", "53", "54023", "55P03", "57014", "58", "XX", "3F000")
_OTHER_TABLES = ("42P01", "42703")


@contextmanager
def _translate_errors(place: str, connection: Connection) -> Iterator[None]:
    """Turn the database's errors into one sentence."""
    try:
        yield
    except psycopg.Error as error:
        raise _meaning(error, as_text(place), is_lost=connection.closed) from error
    except ValueError as error:  # a text that is no JSON, or no date
        raise LedgerError(
            Message("The ledger {} is damaged: {}.", as_text(place), as_text(error)), "Put a backup in its place."
        ) from error


def _meaning(error: psycopg.Error, place: Any, *, is_lost: bool) -> LedgerError:
    state = error.sqlstate or ""
    why = as_text((error.diag.message_primary or (str(error).strip().splitlines() or ["no reason"])[0]).rstrip("."))
    if is_lost or state.startswith(_LOST) or (not state and isinstance(error, psycopg.OperationalError)):
        return LedgerLostError(
            Message("The connection to the ledger {} was lost: {}.", place, why),
            "See whether the database server is up; the next apply looks for what was sent last.",
        )
    if state == "42501":
        return LedgerNotWritableError(
            Message("The ledger {} cannot be used: {}.", place, why),
            "Let the tables' owner run what ninjasync ledger upgrade prints, with the name of this [state] url's role.",
        )
    if state.startswith(_NOT_WRITABLE):
        return LedgerNotWritableError(
            Message("The ledger {} cannot be used: {}.", place, why),
            "Check that the database server has room and takes writes.",
        )
    if state in _OTHER_TABLES:
        return LedgerError(
            Message("The ledger {} has not the tables of this version: {}.", place, why),
            "Let a role that owns them run: ninjasync ledger upgrade",
        )
    return RefusedRowError(
        Message("The ledger {} did not take a row: {}.", place, why), "The rest of the run is not affected by it."
    )
