"""With NinjaOne's public API as further evidence plans are stricter, never looser; without it nothing changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from ninjasync.sandbox.ninjaone.schema import NINJAONE_USER
from tests.support.company import TECHNICIANS, tech, user
from tests.support.office import Office

EXTENSION = NINJAONE_USER


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT_OF_429", 0.001)
    monkeypatch.setattr("ninjasync.runs.confirmation.LOOKS_AFTER", (0.0, 0.01))
    with Office(tmp_path) as made:
        made.set_up_public_api()
        made.configure("safety", max_removals=10, max_privilege_changes=10)
        yield made


def asked(office: Office) -> list[str]:
    return [f"{request.method} {request.path}" for request in office.box.requests if request.service == "api"]


def without_type_changes(request: HttpRequest, serve: Service) -> HttpResponse:
    """Take a PATCH, and keep the user type as it is: NinjaOne may do so, and SCIM shows nothing of it."""
    if request.method == "PATCH" and b"userType" in request.body:
        body = json.loads(request.body)
        for operation in body["Operations"]:
            if operation["path"].endswith("userType"):
                operation["value"] = "technician"  # as it was
        request = HttpRequest(
            request.method, request.path, request.query, request.headers, json.dumps(body).encode(), request.connection
        )
    return serve(request)


def test_a_company_settles_with_it_and_it_costs_at_most_five_requests(office: Office) -> None:
    office.settle()
    assert office.plan("--detailed-exitcode").code == 0
    assert len(asked(office)) <= 5
    assert {line.split()[0] for line in asked(office) if "oauth" not in line} == {"GET"}


def test_organizations_by_name_end_in_the_right_number_and_a_wrong_one_is_held(office: Office) -> None:
    office.ninjaone.organizations[77] = "Contoso Ltd"
    office.people.set_attribute(office.duo(user(0)), "organizationID", "contoso ltd ")
    office.people.set_attribute(office.duo(user(1)), "organizationID", "Contosso Ltd")
    office.people.set_attribute(office.duo(user(2)), "organizationID", "4711")
    done = office.apply()
    assert done.code == 0, done.printed
    assert office.account(user(0))[EXTENSION]["organizationId"] == "77"
    held = {each["key"]: each for each in done.json["problems"]}
    assert {key: each["code"] for key, each in held.items()} == {
        user(1): "unknown-organization",
        user(2): "unknown-organization",
    }
    assert 'did you mean "Contoso Ltd"' in held[user(1)]["message"]
    assert "no organization with the number 4711" in held[user(2)]["message"]


def test_two_organizations_of_one_name_hold_the_user(office: Office) -> None:
    office.ninjaone.organizations |= {77: "Contoso", 78: "Contoso"}
    office.people.set_attribute(office.duo(user(0)), "organizationID", "Contoso")
    done = office.plan()
    assert {each["key"]: each["code"] for each in done.json["problems"]} == {user(0): "unknown-organization"}


def test_a_system_administrator_who_leaves_duo_stays(office: Office) -> None:
    office.settle()
    office.ninjaone.administrators.add(office.id_of(tech(0)))
    for number in (0, 1):
        office.people.trash(office.duo(tech(number)))
    done = office.apply()
    assert done.code == 0, done.printed
    assert office.account(tech(0))["active"]
    assert not office.account(tech(1))["active"]
    assert any(tech(0) in warning and "Protected" in warning for warning in done.json["warnings"])


def test_an_administrator_is_not_protected_where_the_operator_says_so(office: Office) -> None:
    office.settle()
    office.ninjaone.administrators.add(office.id_of(tech(0)))
    office.configure("safety", protect_administrators=False)
    office.people.trash(office.duo(tech(0)))
    assert office.apply().code == 0
    assert not office.account(tech(0))["active"]


def test_a_demotion_that_ninjaone_ignores_is_a_failure_that_names_the_account(office: Office) -> None:
    office.box.set_behavior(quirks=["no-extension"])
    office.settle()
    office.people.set_attribute(office.duo(tech(0)), "userType", "endUser")
    office.people.set_attribute(office.duo(tech(0)), "organizationID", "3")
    office.box.intercept("scim", without_type_changes)
    for _ in range(2):
        done = office.apply()
        assert done.code == 4, done.printed
        (change,) = (each for each in done.json["changes"] if each["key"] == tech(0))
        assert change["outcome"] == "failed"
        assert "public API still shows" in change["error"]


@pytest.mark.parametrize("fails_from", [2, 3])
def test_where_the_api_fails_after_the_writes_that_is_said_and_what_it_denied_before_stays(
    office: Office, fails_from: int
) -> None:
    office.box.set_behavior(quirks=["no-extension"])
    office.settle()
    office.people.set_attribute(office.duo(tech(0)), "userType", "endUser")
    office.people.set_attribute(office.duo(tech(0)), "organizationID", "3")
    office.box.intercept("scim", without_type_changes)
    looks = 0

    def failing(request: HttpRequest, serve: Service) -> HttpResponse:
        nonlocal looks
        looks += request.path.startswith("/v2/user/technicians")
        return (
            HttpResponse(404, b"{}") if looks >= fails_from and request.path.startswith("/v2/user") else serve(request)
        )

    office.box.intercept("api", failing)
    done = office.apply()
    assert "could not be read after the writes" in done.err
    (change,) = (each for each in done.json["changes"] if each["key"] == tech(0))
    denied = "public API still shows" in change.get("error", "")
    assert denied == (fails_from == 3)


def test_a_saved_plan_without_the_api_s_secret_is_refused_before_anything_is_written(office: Office) -> None:
    saved = office.folder / "saved.plan"
    assert office.run("plan", "--out", saved).code == 0
    office.configure("ninjaone.api", client_secret={"env": "NOT_SET_ANYWHERE"})
    text, key = office.folder / "config.toml", "NOT_SET_ANYWHERE"
    done = office.run("apply", saved, "--yes")
    assert key in text.read_text("utf-8")
    assert done.code == 78, done.printed
    assert office.writes() == []


@pytest.mark.parametrize("by_lookup", [False, True])
def test_drift_made_by_hand_is_found_where_scim_hides_the_extension(office: Office, by_lookup: bool) -> None:
    office.box.set_behavior(quirks=["no-extension"])
    if by_lookup:
        office.configure("ninjaone.dialect", discovery="lookup")
    office.settle()
    office.edit(user(3), **{EXTENSION: {"userType": "endUser", "organizationId": "All"}})
    planned = office.plan()
    (change,) = planned.json["changes"]
    assert change["diff"] == [{"path": "organizationId", "before": "All", "after": "4"}]
    assert office.apply().code == 0
    assert office.account(user(3))[EXTENSION]["organizationId"] == "4"
    office.configure("ninjaone.api", url="")
    office.edit(user(3), **{EXTENSION: {"userType": "endUser", "organizationId": "All"}})
    assert office.plan().json["changes"] == [], "as before, where the API is off"


def test_an_address_of_an_account_that_scim_does_not_show_is_taken_before_any_post(office: Office) -> None:
    office.ninjaone.unlisted[user(0)] = {
        "userName": user(0).upper(),
        "active": True,
        EXTENSION: {"userType": "technician"},
    }
    done = office.apply()
    assert done.code == 0, done.printed
    (problem,) = done.json["problems"]
    assert (problem["key"], problem["code"]) == (user(0), "name-taken")
    assert "a technician that SCIM does not show" in problem["message"]


QUIRKS = (
    *("api.html-throttle=2", "api.no-user-lists", "api.no-organizations", "api.truncated=3", "api.truncated=5"),
    *("api.ignores-after", "api.wide-scope", "api.lag=1", "api.html-throttle=1"),
)


def keys(done: Any) -> set[tuple[str, str, str]]:
    return {(each["resource"], each["action"], each["key"]) for each in done.json["changes"]}


# In pairs, and against an oracle: tests/worlds/test_api_worlds.
@pytest.mark.parametrize("quirks", [(quirk,) for quirk in QUIRKS] + [("api.no-organizations", "api.no-user-lists")])
def test_whatever_the_api_does_no_change_is_made_that_would_not_be_made_without_it(
    office: Office, quirks: tuple[str, ...]
) -> None:
    office.settle()
    office.people.trash(office.duo(tech(0)))
    office.people.trash(office.duo(user(0)))
    office.people.hire("New", "Comer", groups=[TECHNICIANS], user_type="technician")
    office.people.set_attribute(office.duo(user(4)), "organizationID", "6")
    office.configure("ninjaone.api", url="")
    without = keys(office.plan())
    office.configure("ninjaone.api", url=office.box.api_url)
    office.box.set_behavior(quirks=quirks)
    done = office.apply()
    assert done.code in (0, 3), done.printed
    assert keys(done) <= without
    kept_back = [each for each in done.json["changes"] if each["outcome"] != "applied"]
    if kept_back:
        assert done.code == 3
        assert {guard["name"] for guard in done.json["guards"] if guard["tripped"]} <= {"administrators", "held"}
    office.box.set_behavior()
    assert office.apply().code == 0
    assert office.plan("--detailed-exitcode").code == 0


@pytest.mark.parametrize("quirk", [None, "api.technicians-forbidden", "api.html-throttle=1"])
def test_an_api_that_fails_loosens_no_limit_of_the_other_changes(office: Office, quirk: str | None) -> None:
    for _ in range(2):
        office.people.hire("Some", "Body", groups=[TECHNICIANS], user_type="technician")
    office.configure("safety", max_removals=3, max_removals_percent=0)
    office.settle()
    for name in (tech(0), tech(1), user(0), user(1)):
        office.people.trash(office.duo(name))
    before = office.snapshot()
    if quirk is None:
        office.configure("ninjaone.api", url=None, client_id=None, client_secret=None)
    else:
        office.box.set_behavior(quirks=[quirk])
    done = office.apply()
    assert done.code == 3, done.printed
    assert "removals" in {guard["name"] for guard in done.json["guards"] if guard["tripped"]}
    assert office.snapshot() == before


def test_refused_credentials_end_a_run_with_six_and_nothing_is_written(office: Office) -> None:
    office.configure("ninjaone.api", client_secret="another-secret-altogether")
    done = office.apply()
    assert done.code == 6
    assert "another-secret-altogether" not in done.printed
    assert office.writes() == []


def test_an_account_that_the_api_calls_disabled_is_told_and_stays_as_it_is(office: Office) -> None:
    office.settle()

    def disable(request: HttpRequest, serve: Service) -> HttpResponse:
        answer = serve(request)
        if not request.path.startswith("/v2/user/"):
            return answer
        rows = json.loads(answer.body)
        for row in rows:
            row["enabled"] = row["email"] != user(2)
        return HttpResponse(answer.status, json.dumps(rows).encode(), answer.headers)

    office.box.intercept("api", disable)
    done = office.apply()
    assert (done.code, done.json["changes"]) == (0, [])
    assert sum(user(2) in warning and "disabled" in warning for warning in done.json["warnings"]) == 1


def test_the_secret_is_in_no_output_log_ledger_or_report(office: Office) -> None:
    secret = office.box.access.client_secret
    files = [office.folder / name for name in ("run.log", "out.json", "shapes.json", "saved.plan")]
    printed = office.run("plan", "--log-level", "debug", "--log-file", files[0], "--out", files[3]).printed
    printed += office.run("apply", "--yes", "--format", "json", "--output", files[1], "--log-level", "debug").printed
    printed += office.run("check", "--shapes", files[2], "--log-level", "debug").printed
    assert secret not in printed
    assert not [file for file in (*files, *office.folder.glob("ledger*")) if secret.encode() in file.read_bytes()]


def test_what_waits_for_the_list_of_administrators_does_not_refuse_a_plan_for_another_user(office: Office) -> None:
    office.settle()
    office.people.trash(office.duo(tech(0)))
    office.people.set_attribute(office.duo(user(4)), "organizationID", "6")
    office.box.set_behavior(quirks=["api.technicians-forbidden"])
    assert office.plan().code == 3
    done = office.apply("--only", user(4))
    assert done.code == 0, done.printed
    assert office.account(user(4))[EXTENSION]["organizationId"] == "6"


@pytest.mark.parametrize(
    ("quirk", "says"),
    [("api.no-scope", "The scope is not granted"), ("api.forbidden", "permission_denied")],
)
def test_a_client_app_that_may_read_nothing_ends_a_run_with_six(office: Office, quirk: str, says: str) -> None:
    office.box.set_behavior(quirks=[quirk])
    done = office.apply()
    assert done.code == 6, done.printed
    assert says in done.err
    assert "[ninjaone.api] client_id and client_secret" in done.err
    assert office.writes() == []


def test_a_console_that_takes_token_requests_elsewhere_is_named_with_the_key_and_then_read(office: Office) -> None:
    office.settle()
    office.box.set_behavior(quirks=["api.token-elsewhere"])
    warned = office.plan()
    assert warned.code == 0, warned.printed
    assert sum("gave no token (HTTP 405" in warning for warning in warned.json["warnings"]) == 1
    office.configure("ninjaone.api", token_path="/oauth/token")
    assert not [warning for warning in office.plan().json["warnings"] if "public API" in warning]
