"""What the contract says of the lock, the journal, and the second look of a saved plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninjasync.cli import clock
from ninjasync.config.tenant import tenant_of
from ninjasync.errors import LockedError
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from ninjasync.sandbox.ninjaone.schema import USER
from ninjasync.state import lock
from tests.support.command import Terminal
from tests.support.company import account_of, user
from tests.support.office import Office


def test_12_the_lock_is_taken_before_the_first_read(office: Office) -> None:
    held: list[int] = []

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        if not held:
            held.append(0)
            with (
                pytest.raises(LockedError, match="Another run holds the lock"),
                lock.hold_lock(office.ledger, tenant_of(office.load_config()), 0, clock.now()),
            ):
                pass
        return serve(request)

    office.box.intercept("duo", meddle)

    assert office.apply().code == 0
    assert held


def test_12_a_run_that_does_not_get_the_lock_has_read_nothing(office: Office) -> None:
    with lock.hold_lock(office.ledger, tenant_of(office.load_config()), 0, clock.now()):
        done = office.apply()

    assert done.code == 5
    assert not office.asked_anything()


def test_12_the_lock_is_kept_through_the_question(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bool] = []

    def meanwhile() -> None:
        tried.append(lock.is_held(office.ledger, tenant_of(office.load_config())))

    monkeypatch.setattr("sys.stdin", Terminal("y\n", meanwhile))

    assert office.run("apply").code == 0
    assert tried == [True]
    assert not lock.is_held(office.ledger, tenant_of(office.load_config()))


def test_12_only_the_holder_of_the_lock_settles_a_journal_and_plan_says_unfinished(office: Office) -> None:
    name, duo_id = office.settle_but_for_a_newcomer()
    made = office.ninjaone.create(USER, account_of(office.people.users[duo_id]))
    tenant = tenant_of(office.load_config()).id
    office.ask_ledger(
        "insert into runs (id, tenant, actor, command, started_at) values (?, ?, ?, ?, ?)",
        *("20260101-000000-abcdef", tenant, "ada@host (process 1)", "apply", "2026-01-01T00:00:00.000+00:00"),
    )
    office.ask_ledger(
        "insert into operations (run, resource, action, key, external_id, diff, intended_at, status) "
        "values ('20260101-000000-abcdef', 'user', 'create', ?, ?, '{}', '2026-01-01T00:00:00.000+00:00', 'pending')",
        *(name, duo_id),
    )

    planned = office.plan()

    assert "20260101-000000-abcdef" in planned.warnings
    assert "ada@host" in planned.warnings
    assert office.ask_ledger("select status from operations where key = ?", name)[-1] == ("pending",)

    with lock.hold_lock(office.ledger, tenant_of(office.load_config()), 0, clock.now()):
        assert "under way" in office.plan().warnings
        assert office.apply().code == 5
        assert office.ask_ledger("select status from operations where key = ?", name)[-1] == ("pending",)

    done = office.apply()

    assert "1 writes" in done.warnings or "1 write" in done.warnings
    assert office.ask_ledger("select status from operations where key = ?", name)[-1] == ("applied",)
    assert office.ask_ledger("select id from resources where external_id = ?", duo_id) == [(made["id"],)]
    assert "cut short" not in office.plan().warnings


@pytest.mark.parametrize(("changed", "by_pages"), [(1, False), (5, True)])
def test_12_only_a_saved_plan_is_read_again_by_pages_where_that_costs_fewer_requests(
    office: Office, tmp_path: Path, changed: int, by_pages: bool
) -> None:
    office.settle()
    for number in range(changed):
        office.people.users[office.duo(user(number))]["lastname"] = "Changed"
    office.plan("--out", tmp_path / "plan")
    office.box.forget()

    assert office.run("apply", tmp_path / "plan").code == 0

    assert [one for one in office.box.requests if one.service == "duo"] == []
    gets = [one.path.removeprefix("/scim/v2") for one in office.box.requests if one.method == "GET"]
    assert sorted(gets) == (["/Groups", "/Users"] if by_pages else [f"/Users/{office.account(user(0))['id']}"])
