"""A tenant whose ledger the tests damage, and a way to damage it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from ninjasync.model.tenant import Tenant


def changed(statement: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)

    return change


def tenant() -> Tenant:
    return Tenant("https://ninja.example/scim", "api-1.duosecurity.com", "")
