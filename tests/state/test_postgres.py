"""What a ledger in PostgreSQL does by itself: tables, roles, versions, the lock, the connection."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from ninjasync.errors import LedgerError, LedgerLostError, LockedError
from ninjasync.model.tenant import Tenant
from ninjasync.state.ledger import Ledger
from ninjasync.state.postgres import PostgresStore
from ninjasync.state.postgres_address import read_address
from ninjasync.state.run_log import Conclusion, Intent, OwnershipChange
from tests.support.postgres import TestDatabase

AT = datetime(2027, 3, 1, 9, tzinfo=UTC)
TENANT = Tenant("https://ninja.example/scim", "api-1.duosecurity.com", "")


def store_at(url: str) -> PostgresStore:
    return PostgresStore(read_address(SecretStr(url)))


def test_a_ledger_is_made_written_and_read(database: TestDatabase) -> None:
    store = store_at(database.url)
    assert store.open_to_read() is None
    with Ledger.holding(store, TENANT, 0, AT) as ledger:
        assert store.holder(TENANT)
        run = ledger.run_log.begin("me", "apply", AT, "run")
        ledger.record("user", [("DU1", "n1", "a@example.com"), ("DU2", "n2", "b\0\ud800")], AT)
        with ledger.database.watch(run, print):
            number = ledger.run_log.intend(Intent(run, "user", "update", "k", "DU1", "n1", "{}", AT))
            owned = OwnershipChange("user", "DU1", "n1", "a@example.com", applied={"title": "x"})
            ledger.run_log.conclude(Conclusion(number, "applied", "", AT, owned))
            with pytest.raises(LedgerError, match="is not in the ledger"):
                ledger.run_log.intend(Intent("no run", "user", "update", "k", "DU1", "n1", "{}", AT))
        with ledger.snapshot():
            assert ledger.owned("user")["DU1"].applied == {"title": "x"}
        assert ledger.run_log.last_seen()
        with pytest.raises(LockedError, match="process"), store.holding(TENANT, 0, AT):
            pass
        database.end_connections()
        with pytest.raises(LedgerLostError):
            ledger.run_log.intend(Intent(run, "user", "update", "k", "DU1", "n1", "{}", AT))
    assert store.holder(TENANT) is None
