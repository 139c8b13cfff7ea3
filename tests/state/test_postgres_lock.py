"""The lock on the connection that journals: who holds it, who waits, what becomes of it when the connection goes."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import closing
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from ninjasync.errors import LedgerError, LedgerLostError, LockedError
from ninjasync.model.events import Event, Locked
from ninjasync.model.tenant import Tenant
from ninjasync.state import postgres_database
from ninjasync.state.ledger import Ledger
from ninjasync.state.postgres import PostgresStore
from ninjasync.state.postgres_address import read_address
from ninjasync.state.run_log import Intent
from tests.support.pooler import Relay, with_another_pid
from tests.support.postgres import TestDatabase

AT = datetime(2027, 3, 1, 9, tzinfo=UTC)
TENANT = Tenant("https://ninja.example/scim", "api-1.duosecurity.com", "")
OTHER = Tenant("https://ninja.example/scim", "api-2.duosecurity.com", "")


def over_tcp(database: TestDatabase, relay: Relay) -> PostgresStore:
    return PostgresStore(read_address(SecretStr(f"postgresql://owner@127.0.0.1:{relay.port}/{database.name}")))


@pytest.mark.parametrize("tenant", [TENANT, OTHER])  # one whose number is negative, and one whose is not
def test_one_holds_a_tenants_lock_and_the_next_hears_who(database: TestDatabase, tenant: Tenant) -> None:
    store = database.store
    store.open(AT).close()
    assert store.holder(tenant) is None
    with store.holding(tenant, 0, AT):
        me = f"process {os.getpid()}"
        assert me in str(store.holder(tenant))
        with pytest.raises(LockedError, match=me), store.holding(tenant, 0, AT):
            pass
        third = Tenant(tenant.endpoint_url, tenant.api_hostname, "third")
        with store.holding(third, 0, AT):
            assert store.holder(third)
    assert store.holder(tenant) is None


def test_numbers_of_both_signs_are_tried() -> None:
    assert {postgres_database._number(one) < 0 for one in (TENANT, OTHER)} == {True, False}


def test_a_run_is_named_as_it_wrote_itself_down(database: TestDatabase) -> None:
    actor = f"ann@{socket.gethostname()} (process 1)"
    with Ledger.holding(database.store, TENANT, 0, AT) as ledger:
        assert "since" in str(database.store.holder(TENANT))
        ledger.run_log.begin("another@elsewhere (process 7)", "apply", AT)
        assert "elsewhere" not in str(database.store.holder(TENANT)), "an older run that never ended"
        database.ask(f"UPDATE runs SET actor = '{actor}'")
        assert actor not in str(database.store.holder(TENANT))


def test_who_waits_is_told_once_and_gets_it_when_it_is_free(database: TestDatabase) -> None:
    told: list[Event] = []
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with database.store.holding(TENANT, 0, AT):
            held.set()
            free.wait(30)

    def tell(event: Event) -> None:
        told.append(event)
        free.set()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(30)
    with database.store.holding(TENANT, 60, AT, tell):
        pass
    holder.join()
    (one,) = told
    assert isinstance(one, Locked)
    assert f"process {os.getpid()}" in one.holder


def test_who_has_lost_the_connection_has_lost_the_lock_and_journals_nothing(database: TestDatabase) -> None:
    with Ledger.holding(database.store, TENANT, 0, AT) as ledger:
        run = ledger.run_log.begin("me", "apply", AT)
        database.end_connections()
        with Ledger.holding(database.store, TENANT, 5, AT) as other:
            for _ in range(2):
                with pytest.raises(LedgerLostError, match="was lost"):
                    ledger.run_log.intend(Intent(run, "user", "create", "k", "DU1", None, "{}", AT))
            assert other.run_log.operations(run) == []
            with pytest.raises(LedgerLostError):
                ledger.owned("user")


def test_a_dead_connection_is_noticed_although_nothing_is_journaled(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_database, "SEEN_EVERY", 0.02)
    lost: list[LedgerError] = []
    noticed = threading.Event()

    def on_lost(error: LedgerError) -> None:
        lost.append(error)
        noticed.set()

    with closing(Ledger.open(database.store, TENANT, AT)) as ledger:
        run = ledger.run_log.begin("me", "apply", AT)
        with ledger.database.watch(run, on_lost):
            first = ledger.run_log.last_seen()[run]
            assert abs((first - ledger.database.clock()).total_seconds()) < 60
            while ledger.run_log.last_seen()[run] == first:
                pass
            database.end_connections()
            assert noticed.wait(30)
    assert [type(one) for one in lost] == [LedgerLostError]


class Looks(threading.Event):
    """Is set after so many looks, however long they took."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self._left = left

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        return self._left < 0


def test_a_connection_is_not_deaf_for_the_time_in_which_its_own_process_stood_still(database: TestDatabase) -> None:
    with closing(database.store.open(AT)) as opened:
        long_ago = -1e9  # as the clock has it, once the process goes on
        opened._asked_at = long_ago
        opened._cut_off_if_deaf(Looks(3))
        assert opened.read("SELECT 1") == [(1,)]
        opened._asked_at = long_ago
        opened._cut_off_if_deaf(Looks(1000))
        with pytest.raises(LedgerLostError):
            opened.read("SELECT 1")


def test_a_run_that_ends_is_watched_no_longer(database: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_database, "SEEN_EVERY", 0.01)
    with closing(Ledger.open(database.store, TENANT, AT)) as ledger:
        run = ledger.run_log.begin("me", "apply", AT)
        with ledger.database.watch(run, lambda error: pytest.fail(str(error))):
            pass
        seen = ledger.run_log.last_seen()
        assert not [one for one in threading.enumerate() if one.name == "ledger"]
        assert ledger.run_log.last_seen() == seen


def test_a_pooler_is_noticed_and_refused_before_anything_is_read(database: TestDatabase) -> None:
    with Relay(database.server.socket, with_another_pid) as relay:
        store = over_tcp(database, relay)
        for opening in (lambda: store.open(AT), store.open_to_read):
            with pytest.raises(LedgerError, match="through a pooler") as caught:
                opening()
            assert "the PostgreSQL server itself" in caught.value.hint
    assert database.ask("SELECT to_regclass('meta')") == [(None,)], "nothing was made either"


def test_a_mere_relay_is_no_pooler_and_both_ends_keep_the_connection_alive(database: TestDatabase) -> None:
    with Relay(database.server.socket) as relay, closing(over_tcp(database, relay).open(AT)) as opened:
        with socket.socket(fileno=os.dup(opened._connection.fileno())) as ours:
            options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
            assert [ours.getsockopt(socket.IPPROTO_TCP, one) for one in options] == [10, 5, 3, 25_000]
        relay.cut()
        with pytest.raises(LedgerLostError):
            opened.read("SELECT 1")
