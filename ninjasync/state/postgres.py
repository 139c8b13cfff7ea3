"""A ledger in PostgreSQL: how it is reached and opened, and how its tables are made and brought up to date.

Imported only where [state] url names a server. Knows PostgreSQL; does not know what the rows mean.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from ninjasync.errors import LedgerError, LedgerNotWritableError
from ninjasync.model.events import Listener, ignore
from ninjasync.model.message import Argument, Message, word
from ninjasync.model.message import text as as_text
from ninjasync.model.tenant import Tenant
from ninjasync.state import postgres_session, schema
from ninjasync.state.lock import actor
from ninjasync.state.postgres_address import Address
from ninjasync.state.postgres_database import PostgresDatabase

# What holds for our session alone, and needs no right. A commit is on the server's disk when it says so; it ends no
# session that waits for NinjaOne, and waits for no lock for ever.
_SETTINGS = {
    **postgres_session.SETTINGS,
    "synchronous_commit": "on",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "lock_timeout": "30s",
}
# A look at a table: without one, a session that waited for others who made the tables would not hear of them yet.
_SURVEY = """
    SELECT current_user, pg_encoding_to_char(encoding), to_regclass('meta') IS NOT NULL,
        pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean
    FROM pg_database WHERE datname = current_database()"""
_WITHOUT_RIGHTS = """
    SELECT DISTINCT one FROM unnest(?::text[]) AS one, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS kind
    WHERE NOT coalesce(has_table_privilege(to_regclass(one)::oid, kind), false) ORDER BY one"""
# The lock of those who make tables: a number that needs only differ from others' in the same database.
_TABLES_LOCK = 7_366_000
# PostgreSQL cuts a longer name of a connection off.
_LONGEST_NAME = 63


@dataclass(frozen=True, slots=True)
class _Survey:
    """What a server is like; ``has_tables`` says that there is a ledger, of whatever version."""

    role: str
    encoding: str
    has_tables: bool
    only_reads: bool


class PostgresStore:
    """A ledger in a PostgreSQL database; see ``Store``."""

    def __init__(self, address: Address, key: str = "[state] url") -> None:
        self._address, self._key = address, word(key)  # which says what to change

    @property
    def place(self) -> str:
        """The server and the database, without user and password."""
        return self._address.place

    @property
    def unverified(self) -> str:
        """The URL's sslmode, where it is less than verify-full."""
        return self._address.unverified

    def open(self, now: datetime) -> PostgresDatabase:
        """Connect to write; the tables are made, or brought up to date, where that is due and the role may do so."""
        with self._connected(write=True) as database:
            survey = self._survey(database)
            if survey.only_reads:
                raise LedgerNotWritableError(
                    Message("The ledger {} can only be read: its server is a standby or read-only.", self._shown),
                    Message("Give {} the server that takes writes.", self._key),
                )
            if not survey.has_tables or database.find_version() < schema.SCHEMA_VERSION:
                self._bring_up_to_date(database)
            missing = [name for (name,) in database.read(_WITHOUT_RIGHTS, list(schema.TABLES))]
            if missing:
                raise LedgerNotWritableError(
                    Message(
                        "The role {} may not read and write every table of the ledger {}: not {}.",
                        *(as_text(survey.role), self._shown, as_text(", ".join(missing))),
                    ),
                    "Grant it SELECT, INSERT, UPDATE and DELETE on them; ninjasync ledger upgrade prints the lines.",
                )
        return database

    def open_to_read(self) -> PostgresDatabase | None:
        """Connect to read; None where the tables are not there."""
        with self._connected(write=False) as database:
            if self._survey(database).has_tables:
                database.find_version()
                return database
        database.close()
        return None

    @contextmanager
    def holding(
        self, tenant: Tenant, timeout: float, now: datetime, tell: Listener = ignore
    ) -> Iterator[PostgresDatabase]:
        """Connect, and take the lock on that very connection."""
        with closing(self.open(now)) as database, database.hold(tenant, timeout, now, tell):
            yield database

    def holder(self, tenant: Tenant) -> str | None:
        """Ask the server who holds the lock."""
        database = self.open_to_read()
        if database is None:
            return None
        with closing(database):
            return database.holder(tenant)

    @property
    def _shown(self) -> Argument:
        return as_text(self.place)

    # --- connecting --------------------------------------------------------------------------

    @contextmanager
    def _connected(self, *, write: bool) -> Iterator[PostgresDatabase]:
        """Have a connection that is as it should be, closed again where anything fails."""
        postgres_session.warn_if_unverified(self._key.value, self.place, self._address.unverified)
        connection = self._connect()
        database = PostgresDatabase(self.place, connection, writable=write)
        try:
            ((pid,),) = database.read("SELECT pg_backend_pid()")
            if pid != connection.info.backend_pid:
                raise LedgerError(
                    Message("The ledger {} is reached through a pooler, which hands locks to others.", self._shown),
                    Message("Give {} the address of the PostgreSQL server itself.", self._key),
                )
            wanted = _SETTINGS if write else _SETTINGS | {"default_transaction_read_only": "on"}
            database.read(postgres_session.SET, list(wanted), list(wanted.values()))
            yield database
        except BaseException:  # raised again
            database.close()
            raise

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        name = f"ninjasync {actor()}".encode()[:_LONGEST_NAME].decode("ascii", "replace")
        parameters = {**self._address.parameters, "application_name": name}
        try:
            return psycopg.connect(make_conninfo(**parameters), autocommit=True)
        except psycopg.Error as error:
            why = postgres_session.reason_of(error, self._address)
            raise LedgerNotWritableError(
                Message("The ledger {} cannot be reached: {}.", self._shown, as_text(why)),
                Message("Check {}, and that the database server is up and lets this machine in.", self._key),
            ) from None

    def _survey(self, database: PostgresDatabase) -> _Survey:
        survey = _Survey(*database.read(_SURVEY)[0])
        if survey.encoding != "UTF8":
            raise LedgerError(
                Message("The database of the ledger {} has the encoding {}.", self._shown, as_text(survey.encoding)),
                "Make one with the encoding UTF8, as createdb does by itself on most systems.",
            )
        return survey

    # --- tables ------------------------------------------------------------------------------

    def _bring_up_to_date(self, database: PostgresDatabase) -> None:
        """Make or change the tables; of several who find that due at once, one does."""
        try:
            with database.transaction() as connection:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_TABLES_LOCK,))
                # A name that was not found stays unknown to a session, in a transaction until that opens a table.
                connection.execute("SELECT FROM pg_class LIMIT 1")
                is_new = not self._survey(database).has_tables
                words = schema.POSTGRESQL
                for one in schema.creation(words) if is_new else schema.migration(database.find_version(), words):
                    connection.execute(one.encode())
        except LedgerNotWritableError as error:
            if isinstance(error.__cause__, psycopg.errors.InsufficientPrivilege | psycopg.errors.InvalidSchemaName):
                raise LedgerError(
                    Message(
                        "The ledger {} has not the tables of this version, which this role may not make.", self._shown
                    ),
                    "Let a role that may make tables run this, with its own [state] url: ninjasync ledger upgrade",
                ) from error
            raise
        database.find_version()
