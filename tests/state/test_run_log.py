"""The history of runs and the journal: many lines in one transaction, and recovery of what was lost."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ninjasync.errors import InterruptedRunError, LedgerError, LedgerNotWritableError, RefusedRequestError
from ninjasync.model.change import Change
from ninjasync.net.pacing import TransientError
from ninjasync.planning.moment import Moment
from ninjasync.runs import plan
from ninjasync.runs.executor import Attempt
from ninjasync.runs.journal import LedgerJournal
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from ninjasync.state import sqlite
from ninjasync.state.ledger import Ledger
from ninjasync.state.memory import Memory
from ninjasync.state.run_log import Conclusion, Intent, OwnershipChange, RunLog
from ninjasync.state.sqlite import SqliteStore
from tests.support.company import END_USERS, user
from tests.support.contexts import now
from tests.support.ledgers import tenant
from tests.support.office import Office
from tests.support.postgres import LedgerFile, Place

# --- history -----------------------------------------------------------------------------------


def test_history_tells_of_every_run_the_latest_first(office: Office) -> None:
    assert office.run("history").out == "Tenant 127.0.0.1\nNo runs yet.\n"
    assert json.loads(office.run("history", "--format", "json").out)["runs"] == []
    office.apply()
    office.people.disable(office.duo(user(0)))
    office.configure("safety", max_removals=0, max_removals_percent=0)
    assert office.apply().code == 3

    runs = json.loads(office.run("history", "--format", "json").out)["runs"]

    assert [run["exit_code"] for run in runs] == [3, 0]
    assert [run["command"] for run in runs] == ["apply", "apply"]
    assert runs[1]["counts"] == {"applied": 7, "failed": 0, "skipped": 0, "held": 0}
    assert all(str(os.getpid()) in run["actor"] for run in runs)
    assert all(run["started_at"] <= run["ended_at"] for run in runs)
    first, *lines = office.run("history").out.splitlines()
    assert first == "Tenant 127.0.0.1"
    assert [line.split()[0] for line in lines] == [run["id"] for run in runs]
    assert "exit 3" in lines[0]
    assert "7 applied" in lines[1]


def test_history_of_one_run_tells_every_operation_with_its_outcome_before_and_after(office: Office) -> None:
    office.settle()
    office.people.users[office.duo(user(0))]["lastname"] = "Changed"
    office.people.disable(office.duo(user(1)))
    office.apply()
    run = json.loads(office.run("history", "--format", "json").out)["runs"][0]["id"]

    found = json.loads(office.run("history", run, "--format", "json").out)
    text = office.run("history", run[:-1]).out

    assert found["run"]["id"] == run
    rows = {(one["key"], one["action"]): one for one in found["operations"]}
    assert rows.keys() == {(user(0), "update"), (user(1), "deactivate"), (END_USERS, "update")}
    assert {one["status"] for one in rows.values()} == {"applied"}
    assert rows[user(0), "update"]["diff"] == [{"path": "name.familyName", "before": "Two", "after": "Changed"}]
    assert rows[user(1), "deactivate"]["diff"] == [{"path": "active", "before": True, "after": False}]
    assert rows[END_USERS, "update"]["diff"] == [{"path": "members", "before": [user(1)], "after": []}]
    assert 'name.familyName: "Two" -> "Changed"' in text
    assert "active: true -> false" in text
    assert f"- {user(1)}" in text


def test_history_of_an_unknown_or_ambiguous_run_is_64(office: Office) -> None:
    office.apply()
    office.apply()

    assert office.run("history", "1999").code == 64
    assert office.run("history", "2").code == 64


def test_history_shows_what_failed_and_why(office: Office) -> None:
    office.native("stranger@example.com")
    office.settle()
    office.people.set_email(office.duo(user(0)), "nowhere@example.com")
    office.plan("--out", office.folder / "plan")
    office.box.intercept("scim", lambda request, serve: _refuse(request.method) or serve(request))

    assert office.run("apply", office.folder / "plan").code == 4

    run = json.loads(office.run("history", "--format", "json").out)["runs"][0]
    assert (run["exit_code"], run["command"]) == (4, f"apply {office.folder / 'plan'}")
    (operation,) = json.loads(office.run("history", run["id"], "--format", "json").out)["operations"]
    assert operation["status"] == "failed"
    assert "400" in operation["error"]
    assert "400" in office.run("history", run["id"]).out


def _refuse(method: str) -> HttpResponse | None:
    return HttpResponse(400) if method != "GET" else None


def test_history_belongs_to_the_tenant(office: Office) -> None:
    office.apply()
    office.configure("state", tenant="north")

    assert office.run("history").out == "Tenant north\nNo runs yet.\n"


def test_a_run_that_ended_by_an_error_is_in_the_history_and_not_taken_for_a_killed_one(office: Office) -> None:
    office.configure("duo", secret_key="wrong-secret")
    assert office.apply().code == 6

    runs = json.loads(office.run("history", "--format", "json").out)["runs"]

    assert [(run["exit_code"], run["counts"]) for run in runs] == [(6, {})]
    office.configure("duo", secret_key=office.box.secret_key)
    assert office.plan().json["warnings"] == [] or "cut short" not in " ".join(office.plan().json["warnings"])


def test_runs_and_values_are_pruned_after_keep_history_days_but_ownership_never(office: Office) -> None:
    office.configure("state", keep_history_days=10)
    office.settle()
    office.days_pass(9)
    office.people.users[office.duo(user(0))]["lastname"] = "Changed"
    office.apply()
    assert office.ask_ledger("select count(*) from runs") == [(2,)]

    office.days_pass(2)
    office.people.erase(office.duo(user(1)))
    office.apply()

    assert office.ask_ledger("select count(*) from runs") == [(2,)]
    assert office.ask_ledger("select count(*) from operations where action = 'create'") == [(0,)]
    assert office.ask_ledger("select count(*) from resources") == [(7,)]
    # He whom only the ledger knows by now is still known.
    assert office.account(user(1))["active"] is False
    office.days_pass(31)
    assert office.apply().actions() == {user(1): "delete"}


def test_a_used_plan_stays_used_after_its_run_was_pruned(office: Office, tmp_path: Path) -> None:
    office.configure("state", keep_history_days=1)
    office.plan("--out", tmp_path / "plan")
    assert office.run("apply", tmp_path / "plan").code == 0
    office.days_pass(5)
    office.apply()
    office.ninjaone.clear()

    assert office.run("apply", tmp_path / "plan").code == 3
    assert not office.ninjaone.users


# --- one transaction for many lines ------------------------------------------------------------


@pytest.fixture
def ledger(place: Place) -> Iterator[Ledger]:
    with contextlib.closing(Ledger.open(place.store, tenant(), datetime.now(UTC))) as made:
        made.run_log.begin("me", "apply", datetime.now(UTC), "run")
        yield made


def intended(ledger: Ledger, key: str) -> int:
    return ledger.run_log.intend(Intent("run", "user", "create", key, key, None, "[]", datetime.now(UTC)))


def concluded(ledger: Ledger, number: int, duo_id: str) -> None:
    owned = OwnershipChange("user", duo_id, f"n-{duo_id}", duo_id)
    ledger.run_log.conclude(Conclusion(number, "applied", "", datetime.now(UTC), owned))


def as_others_see_it(place: Place) -> dict[str, str]:
    """What would be left if the process were killed now: each write's status by key."""
    return dict(place.ask("select key, status from operations"))


def test_what_is_intended_is_safe_at_once_and_what_is_concluded_with_the_next(ledger: Ledger, place: Place) -> None:
    first = intended(ledger, "a")
    assert as_others_see_it(place) == {"a": "pending"}

    concluded(ledger, first, "DU-a")
    intended(ledger, "b")

    assert as_others_see_it(place) == {"a": "applied", "b": "pending"}


@pytest.mark.parametrize(
    "asked",
    [
        lambda ledger: ledger.flush(),
        lambda ledger: ledger.run_log.unfinished(),
        lambda ledger: ledger.run_log.finish("run", 0, {}, datetime.now(UTC)),
        lambda ledger: ledger.close(),
    ],
)
def test_what_is_concluded_is_safe_before_anything_else_that_the_ledger_does(
    ledger: Ledger, place: Place, asked: Callable[[Ledger], None]
) -> None:
    concluded(ledger, intended(ledger, "a"), "DU-a")
    asked(ledger)
    assert as_others_see_it(place) == {"a": "applied"}


def test_what_is_concluded_is_seen_in_what_the_ledger_says(ledger: Ledger) -> None:
    concluded(ledger, intended(ledger, "a"), "DU-a")
    assert ledger.run_log.unfinished()[1] == []
    assert [entry.id for entry in ledger.owned("user").values()] == ["n-DU-a"]


def test_what_was_concluded_is_not_lost_where_the_disk_is_full_for_a_while(tmp_path: Path) -> None:
    place = LedgerFile(tmp_path / "ledger.sqlite3")
    ledger = Ledger.open(place.store, tenant(), datetime.now(UTC))
    ledger.run_log.begin("me", "apply", datetime.now(UTC), "run")
    number = intended(ledger, "a")
    assert isinstance(ledger.database, sqlite.SqliteDatabase)
    connection = ledger.database._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages}")
    ledger.run_log.conclude(Conclusion(number, "failed", "a long story " * 10_000, datetime.now(UTC)))

    for _ in range(2):
        with pytest.raises(LedgerError, match="full"):
            ledger.flush()
    with pytest.raises(LedgerError, match="full"):
        intended(ledger, "b")
    assert as_others_see_it(place) == {"a": "pending"}
    connection.execute("PRAGMA max_page_count=1000000")
    ledger.flush()

    assert as_others_see_it(place) == {"a": "failed"}
    ledger.close()


def test_a_row_that_is_damaged_keeps_nothing_else_from_being_written(
    ledger: Ledger, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    concluded(ledger, intended(ledger, "a"), "DU-a")
    ledger.flush()
    place.ask("update resources set applied = '{bad' where external_id = 'DU-a'")
    ledger.owned("user")  # what is ours is kept in memory; this reads it again
    again, other = intended(ledger, "again"), intended(ledger, "b")
    concluded(ledger, again, "DU-a")
    concluded(ledger, other, "DU-b")

    intended(ledger, "c")
    ledger.run_log.finish("run", 0, {}, datetime.now(UTC))

    assert as_others_see_it(place) == {"a": "applied", "again": "pending", "b": "applied", "c": "pending"}
    assert "the next run looks for it" in caplog.text


def test_what_is_read_at_one_moment_does_not_know_what_others_wrote_since(ledger: Ledger, place: Place) -> None:
    with contextlib.closing(Ledger.open(place.store, tenant(), datetime.now(UTC))) as other:
        with ledger.snapshot():
            other.record("user", [("DU-a", "n-a", "a@example.com")], datetime.now(UTC))
            assert not ledger.ownership(datetime.now(UTC)).known
        assert list(ledger.ownership(datetime.now(UTC)).users) == ["DU-a"]


def test_a_plan_takes_what_another_run_makes_meanwhile_for_no_gap_in_the_list(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.settle()
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
    applied, begun = threading.Event(), list[HttpRequest]()

    def apply_in_between(request: HttpRequest, serve: Service) -> HttpResponse:
        answer = serve(request)
        if request.path.endswith("/Users") and request.method == "GET" and not begun:
            begun.append(request)
            assert office.run_forked("apply", "--yes").code == 0  # this plan's list is made, and on its way
            applied.set()
        return answer

    def look_later(*arguments: Any) -> Moment:
        assert applied.wait(timeout=60)
        return moment_of(*arguments)

    moment_of = plan.moment_of
    monkeypatch.setattr(plan, "moment_of", look_later)
    office.box.intercept("scim", apply_in_between)
    planned = office.plan()

    assert not any("not trusted" in warning for warning in planned.json["warnings"]), planned.json["warnings"]
    assert planned.json["summary"]["users"]["unmanaged"] is not None


def test_a_plan_that_can_put_nothing_into_its_ledger_says_so_and_is_a_plan(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise LedgerNotWritableError("The ledger is full.", "Make room.")

    monkeypatch.setattr(Memory, "redaction_key", full)
    planned = office.plan()

    assert (planned.code, len(planned.actions())) == (0, 5)
    assert any("is full" in warning for warning in planned.json["warnings"])


def test_a_plan_needs_no_room_for_reading_a_ledger_that_cannot_be_read_either(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise LedgerNotWritableError("The ledger is full.", "Make room.")

    monkeypatch.setattr(sqlite, "connect", full)
    planned = office.plan()

    assert (planned.code, len(planned.actions())) == (0, 5)
    assert any("goes on without it" in warning for warning in planned.json["warnings"])


def test_an_apply_whose_end_cannot_be_recorded_reports_all_that_it_did_and_exits_1(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise LedgerNotWritableError("The ledger is full.", "Make room.")

    with monkeypatch.context() as patches:
        patches.setattr(RunLog, "finish", full)
        done = office.apply()

    assert done.code == 1
    assert "The ledger is full. [tenant 127.0.0.1] Make room." in " ".join(done.err.split())
    assert done.json["result"] == {"applied": 7, "failed": 0, "skipped": 0, "exit_code": 1}
    assert "cut short" in " ".join(office.apply().json["warnings"])


def test_a_link_to_where_no_ledger_is_yet_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    path.symlink_to("data/real.sqlite3")
    Ledger.open(SqliteStore(path), tenant(), datetime.now(UTC)).close()
    assert (tmp_path / "data" / "real.sqlite3").is_file()
    Ledger.open(SqliteStore(path), tenant(), datetime.now(UTC)).close()


def test_a_member_that_a_group_with_hidden_members_refused_is_added_later(office: Office) -> None:
    office.box.set_behavior(quirks=["members-hidden"])
    office.settle()
    office.people.hire("Nora", "New", groups=[END_USERS], user_type="endUser", organization="4")
    refused = [("POST", "/Users"), ("PATCH", "/Groups/"), ("nothing", "")]

    def refuse(request: HttpRequest, serve: Service) -> HttpResponse:
        method, path = refused[0]
        return HttpResponse(400) if request.method == method and path in request.path else serve(request)

    office.box.intercept("scim", refuse)
    assert office.apply().code == 4  # no account, so no membership
    del refused[0]
    assert office.apply().code == 4  # an account, and still no membership
    del refused[0]
    assert office.apply().code == 0

    assert "nora.new@example.com" in office.members(END_USERS)
    assert office.plan().json["changes"] == []


def test_of_many_writes_at_once_none_is_lost_and_each_gets_its_own_number(ledger: Ledger) -> None:
    def write(worker: int) -> dict[str, int]:
        made: dict[str, int] = {}
        for one in range(50):
            key = f"{worker}-{one}"
            made[key] = intended(ledger, key)
            concluded(ledger, made[key], f"DU-{key}")
        return made

    with ThreadPoolExecutor(8) as pool:
        numbers = {key: number for made in pool.map(write, range(8)) for key, number in made.items()}

    found = ledger.run_log.operations("run")
    assert {one.key: one.number for one in found} == numbers
    assert {one.status for one in found} == {"applied"}
    assert len(ledger.owned("user")) == 400


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TransientError("no answer"), "uncertain"),
        (TransientError("too many", status=429), "failed"),
        # It may have been between two requests, of which the first was carried out.
        (InterruptedRunError("interrupted"), "uncertain"),
        (RefusedRequestError("no", status=400), "failed"),
    ],
)
def test_a_write_that_may_have_been_carried_out_is_looked_for_by_the_next_run(
    ledger: Ledger, error: Exception, status: str
) -> None:
    change, journal = Change("user", "create", "jane", None, "DU-jane"), LedgerJournal(ledger.run_log, "run", now)
    number = journal.intend(change, "whole")
    journal.conclude(Attempt(number, change, "whole", None, error=error))
    assert [one.status for one in ledger.run_log.operations("run")] == [status]
