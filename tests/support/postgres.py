"""One PostgreSQL server for a whole session of tests, and a database of its own for each test that asks for one."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import psycopg
from pydantic import SecretStr

from ninjasync.state.postgres import PostgresStore
from ninjasync.state.postgres_address import read_address
from ninjasync.state.sqlite import SqliteStore
from tests.support.private_server import PrivateServer


def shared_server(folder: Path) -> PrivateServer:
    """Return the server that all processes share which name this ``folder``: the first one makes it."""
    place = folder / "postgres"
    with filelock.FileLock(folder / "postgres.lock"):
        if place.exists():
            return PrivateServer(Path(place.read_text()))
        server = PrivateServer()
        place.write_text(str(server.folder))
        return server


@dataclass(frozen=True)
class LedgerFile:
    """A ledger as a file of a test's own."""

    path: Path

    @property
    def store(self) -> SqliteStore:
        return SqliteStore(self.path)

    @property
    def settings(self) -> dict[str, Any]:
        return {"path": str(self.path), "url": None}

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Carry one statement out and return its rows."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(sql, values).fetchall()


@dataclass(frozen=True)
class TestDatabase:
    """A database of a test's own; its owner may do everything there."""

    __test__ = False  # pytest takes a name that begins so for a test's

    server: PrivateServer
    name: str

    @property
    def url(self) -> str:
        return self.server.url_of(self.name)

    @property
    def store(self) -> PostgresStore:
        return self.store_as("owner")

    @property
    def settings(self) -> dict[str, Any]:
        """What [state] says to find it."""
        return {"path": None, "url": self.url}

    def store_as(self, role: str) -> PostgresStore:
        return PostgresStore(read_address(SecretStr(self.url_as(role))))

    def url_as(self, role: str) -> str:
        return self.server.url_of(self.name, role)

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Carry one statement out, placeholders as ``?``, and return its rows."""
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            cursor = connection.execute(sql.replace("?", "%s") if values else sql, values or None)
            return cursor.fetchall() if cursor.description else []

    def add_role(self, name: str) -> str:
        """Make a role that may log in, and return its whole name; roles are shared by all databases."""
        self.ask(f"CREATE ROLE {name}_{self.name} LOGIN")
        return f"{name}_{self.name}"

    def count_connections(self) -> int:
        """Return how many others the server has to this database: one that was closed is gone a moment later."""
        [(number,)] = self.ask(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(number)

    def end_connections(self) -> int:
        """Let the server end every connection to this database but the one that says so; return how many it was."""
        return len(
            self.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


Place = LedgerFile | TestDatabase


@contextmanager
def empty_database(server: PrivateServer, more: str = "") -> Iterator[TestDatabase]:
    """Have a new database; ``more`` is how it differs from one that is empty, as TEMPLATE and the name of another."""
    name = f"t{uuid.uuid4().hex[:12]}"
    _execute(server, f"CREATE DATABASE {name} {more}")
    try:
        yield TestDatabase(server, name)
    finally:
        _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(server: PrivateServer, sql: str) -> None:
    """Carry a statement out on a connection of its own: a test may have restarted the server."""
    with closing(psycopg.connect(server.url, autocommit=True)) as connection:
        connection.execute(sql.encode())
