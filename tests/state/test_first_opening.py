"""Two who open a ledger that is not there yet: the one who waits for the other finds its tables."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from datetime import UTC, datetime

import psycopg
from pydantic import SecretStr

from ninjasync.state import postgres, schema
from ninjasync.state.postgres import PostgresStore
from ninjasync.state.postgres_address import read_address
from tests.support.postgres import TestDatabase


def test_tables_that_another_made_while_this_one_waited_are_found(database: TestDatabase) -> None:
    store, failed = PostgresStore(read_address(SecretStr(database.url))), list[Exception]()

    def open_ledger() -> None:
        try:
            store.open(datetime(2026, 11, 2, tzinfo=UTC)).close()
        except Exception as error:
            failed.append(error)

    with closing(psycopg.connect(database.url)) as first:
        first.execute("SELECT pg_advisory_xact_lock(%s)", (postgres._TABLES_LOCK,))
        second = threading.Thread(target=open_ledger)
        second.start()
        while not database.ask("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            time.sleep(0.01)
        for statement in schema.creation(schema.POSTGRESQL):
            first.execute(statement.encode())
        first.commit()
        second.join()
    assert failed == []
