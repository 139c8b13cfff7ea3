"""After the writes the public API is looked at: what it denies has failed, everywhere and with its reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from ninjasync.sandbox.ninjaone.schema import NINJAONE_USER
from tests.support.api_answers import Rows, with_rows
from tests.support.company import tech, user
from tests.support.office import Office


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr("ninjasync.runs.confirmation.LOOKS_AFTER", (0.0, 0.01))
    with Office(tmp_path) as made:
        made.set_up_public_api()
        made.configure("safety", max_removals=10, max_privilege_changes=10)
        made.box.set_behavior(quirks=["no-extension"])
        made.settle()
        yield made


def ignoring(*paths: str) -> Callable[[HttpRequest, Service], HttpResponse]:
    """Take a PATCH as if all of it were done, and leave these attributes as they are."""

    def serve_partly(request: HttpRequest, serve: Service) -> HttpResponse:
        if request.method != "PATCH":
            return serve(request)
        body = json.loads(request.body)
        kept = [one for one in body["Operations"] if not one["path"].endswith(paths)]
        if not kept:
            return serve(HttpRequest("GET", request.path, "", request.headers, b"", request.connection))
        body["Operations"] = kept
        return serve(
            HttpRequest(
                request.method,
                request.path,
                request.query,
                request.headers,
                json.dumps(body).encode(),
                request.connection,
            )
        )

    return serve_partly


def all_enabled(rows: Rows) -> None:
    for row in rows:
        row["enabled"] = True


def change_of(done: Any, name: str) -> Any:
    (change,) = (each for each in done.json["changes"] if each["key"] == name)
    return change


def test_a_write_that_was_denied_is_failed_in_the_history_with_its_reason(office: Office) -> None:
    office.people.set_attribute(office.duo(user(3)), "organizationID", "7")
    office.box.intercept("scim", ignoring("organizationId"))
    done = office.apply()
    assert done.code == 4, done.printed
    change = change_of(done, user(3))
    assert change["outcome"] == "failed"
    assert 'accepted organizationId "7" over SCIM, and its public API still shows "4"' in change["error"]
    assert done.json["result"] == {"applied": 0, "failed": 1, "skipped": 0, "exit_code": 4}
    (operation,) = office.run("history", "--user", user(3), "--format", "json").json["operations"][-1:]
    assert (operation["status"], operation["error"]) == ("failed", change["error"])
    (run, *_) = office.run("history", "--format", "json").json["runs"]
    assert (run["exit_code"], run["counts"]["failed"]) == (4, 1), run


def test_what_was_denied_is_not_remembered_as_applied(office: Office) -> None:
    """Without the API, the next plan shows it again, as it was never done."""
    office.people.set_attribute(office.duo(user(3)), "organizationID", "7")
    office.box.intercept("scim", ignoring("organizationId"))
    assert office.apply().code == 4
    office.configure("ninjaone.api", url="")
    (change,) = office.plan().json["changes"]
    assert [row["after"] for row in change["diff"]] == ["7"]


def test_a_write_that_is_shown_late_is_looked_at_once_more_and_then_is_done(office: Office) -> None:
    office.people.set_attribute(office.duo(user(3)), "organizationID", "7")
    office.box.set_behavior(quirks=["no-extension", "api.lag=2"])
    assert office.plan().json["changes"], "the API has shown these lists once before the write"
    done = office.apply()
    assert done.code == 0, done.printed
    assert change_of(done, user(3))["outcome"] == "applied"


def test_an_account_that_is_still_enabled_after_its_deactivation_is_told(office: Office) -> None:
    office.people.trash(office.duo(user(3)))
    office.box.intercept("api", with_rows(all_enabled))
    done = office.apply()
    assert done.code == 0, done.printed
    change = change_of(done, user(3))
    assert change["observed"] == [{"path": "enabled", "sent": "false", "shown": "true"}]
    assert "See to these accounts" in done.err
    assert user(3) in done.err
    again = office.plan()
    assert sum(user(3) in warning and "calls these accounts enabled" in warning for warning in again.json["warnings"])


def test_that_is_told_where_scim_hides_who_is_active_too(office: Office) -> None:
    office.box.set_behavior(quirks=["no-extension", "active-left-out"])
    office.people.trash(office.duo(user(3)))
    assert office.apply().code == 0
    office.box.intercept("api", with_rows(all_enabled))
    warnings = office.plan().json["warnings"]
    assert sum(user(3) in warning and "does not show whether they are active" in warning for warning in warnings) == 1


def test_no_number_is_no_denial_where_scim_shows_the_one_that_was_sent(office: Office) -> None:
    office.box.set_behavior()
    office.people.set_attribute(office.duo(user(3)), "organizationID", "7")

    def without_number(rows: Rows) -> None:
        for row in rows:
            if row["email"] == user(3):
                row["organizationId"] = None

    office.box.intercept("api", with_rows(without_number))
    done = office.apply()
    assert done.code == 0, done.printed
    assert office.plan("--detailed-exitcode").code == 0


def test_a_saved_plan_is_applied_where_scim_hides_what_the_api_shows(office: Office) -> None:
    office.edit(user(3), **{NINJAONE_USER: {"userType": "endUser", "organizationId": "All"}})
    office.people.trash(office.duo(user(4)))
    saved = office.folder / "saved.plan"
    assert office.run("plan", "--out", saved).code == 0
    done = office.run("apply", saved, "--yes", "--format", "json")
    assert done.code == 0, done.printed
    assert office.account(user(3))[NINJAONE_USER]["organizationId"] == "4"
    assert not office.account(user(4))["active"]


def test_where_the_lists_are_cut_off_no_account_that_they_lack_is_changed(office: Office) -> None:
    """SCIM shows no extension: what was last applied counts, though the API tells it of others."""
    office.ask_ledger("UPDATE resources SET shown = '{}'")
    office.box.set_behavior(quirks=["no-extension", "api.truncated=2"])
    planned = office.plan()
    assert planned.json["changes"] == []
    assert any("does not list 11 accounts" in warning for warning in planned.json["warnings"])


def saved_with_two_leavers(office: Office) -> Path:
    """A saved plan that deactivates a technician and an end user."""
    office.people.trash(office.duo(tech(0)))
    office.people.trash(office.duo(user(0)))
    saved = office.folder / "saved.plan"
    assert office.run("plan", "--out", saved).code == 0
    office.box.forget()
    return saved


def test_a_saved_plan_is_stale_once_one_of_its_accounts_is_a_system_administrators(office: Office) -> None:
    saved = saved_with_two_leavers(office)
    office.ninjaone.administrators.add(office.id_of(tech(0)))
    done = office.run("apply", saved, "--yes", "--format", "json")
    assert done.code == 3, done.printed
    assert "have become system administrators" in done.json["error"]["message"]
    assert tech(0) in done.json["error"]["message"]
    assert office.writes() == []


def test_of_a_saved_plan_technicians_are_left_out_where_their_list_cannot_be_had_by_now(office: Office) -> None:
    saved = saved_with_two_leavers(office)
    office.box.set_behavior(quirks=["no-extension", "api.technicians-forbidden"])
    done = office.run("apply", saved, "--yes", "--format", "json")
    assert done.code == 3, done.printed
    assert office.account(tech(0))["active"]
    assert not office.account(user(0))["active"]
    assert [guard["name"] for guard in done.json["guards"] if guard["tripped"]] == ["administrators"]
