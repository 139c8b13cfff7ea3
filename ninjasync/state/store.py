"""Where a ledger is kept, whichever database that is: it opens it, and gives the lock of one tenant with it.

Chooses by [state]; what each database does differently is in ``sqlite`` and ``postgres``.
"""

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

from ninjasync.config.schema import Config
from ninjasync.config.secrets import read_ledger_url
from ninjasync.errors import ConfigurationError
from ninjasync.model.events import Listener, ignore
from ninjasync.model.message import Message, word
from ninjasync.model.tenant import Tenant
from ninjasync.state.database import Database
from ninjasync.state.sqlite import SqliteStore, ledger_path


class Store(Protocol):
    """A place for a ledger. Nothing is opened, and no server asked, before a method is called."""

    @property
    def place(self) -> str:
        """Where it is, for messages; without any secret."""

    @property
    def unverified(self) -> str:
        """The setting by which a server need not prove that it is the right one; empty where it must, or is a file."""

    def open(self, now: datetime) -> Database:
        """Open the ledger to be written; it is made where there is none, and brought up to date.

        Raises LedgerNotWritableError where it can be neither made nor written, LedgerError where it is damaged, of a
        newer ninjasync, or something else.
        """

    def open_to_read(self) -> Database | None:
        """Open the ledger without writing; None where there is none, or where it cannot be read at all."""

    def holding(
        self, tenant: Tenant, timeout: float, now: datetime, tell: Listener = ignore
    ) -> AbstractContextManager[Database]:
        """Hold the tenant's lock, and have the ledger open to be written, until the end.

        Where the ledger is lost, so is the lock, and no write is journaled any more. Raises LockedError, naming the
        holder, where the lock is not free within ``timeout`` seconds.
        """

    def holder(self, tenant: Tenant) -> str | None:
        """Say who holds the tenant's lock at this moment, and since when; None if it is free."""


def store_of(config: Config) -> Store:
    """Return where the ledger of ``config`` is.

    Raises LedgerNotWritableError where there is no home folder for it, ConfigurationError where a database is named
    that cannot be reached so.
    """
    if config.state.url is None:
        return SqliteStore(ledger_path(config))
    return database_at(read_ledger_url(config), "[state] url")


def database_at(url: SecretStr, key: str) -> Store:
    """Return the ledger in a database; raises ConfigurationError, which names ``key``, where it is none."""
    try:
        from ninjasync.state.postgres import PostgresStore  # psycopg takes 0.1 s
        from ninjasync.state.postgres_address import read_address
    except ImportError as error:
        raise ConfigurationError(
            Message("{}: a ledger in PostgreSQL needs the extra package psycopg.", word(key)),
            "Install it, in the folder of ninjasync's source: pip install '.[postgres]'",
        ) from error
    return PostgresStore(read_address(url, key), key)
