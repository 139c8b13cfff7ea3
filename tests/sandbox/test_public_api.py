"""The sandbox's public API, asked by hand over real HTTP: what it shows, and each of its quirks and faults."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from ninjasync.sandbox.box import Behavior, Sandbox
from ninjasync.sandbox.company.staffing import BREAKGLASS, ORGANIZATION_NAMES, existing_accounts, make_company
from ninjasync.sandbox.ninjaone.schema import NINJAONE_USER, USER


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    company = make_company(users=30, seed=2)
    with Sandbox(company, existing_accounts(company, seed=2)) as box:
        yield box


@pytest.fixture
def box(running: Sandbox) -> Iterator[Sandbox]:
    yield running
    running.set_behavior()


def ask_token(box: Sandbox, path: str = "/ws/oauth/token", **form: str) -> requests.Response:
    given = {
        "grant_type": "client_credentials",
        "client_id": box.access.client_id,
        "client_secret": box.access.client_secret,
        "scope": "monitoring",
    }
    return requests.post(box.api_url + path, data=given | form, timeout=5)


def get(box: Sandbox, path: str, **params: str) -> requests.Response:
    token = ask_token(box).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{box.api_url}/v2{path}", params=params, headers=headers, timeout=5)


def emails(box: Sandbox, path: str) -> set[str]:
    return {row["email"] for row in get(box, path).json()}


def test_the_organizations_of_the_company_have_names(box: Sandbox) -> None:
    rows = get(box, "/organizations", pageSize="100").json()
    assert {str(row["id"]): row["name"] for row in rows} == ORGANIZATION_NAMES


def test_system_administrators_are_marked(box: Sandbox) -> None:
    rows = get(box, "/user/technicians").json()
    domain = box.company.domain
    administrators = {row["email"] for row in rows if row["administrator"]}
    assert administrators == {f"{BREAKGLASS}@{domain}", f"olga.owner@{domain}"}


def test_an_account_that_scim_does_not_show_is_shown_and_its_name_is_taken(box: Sandbox) -> None:
    address = f"kai.kiosk@{box.company.domain}"
    assert address in emails(box, "/user/end-users")
    headers = {"Authorization": f"Bearer {box.token}"}
    shown = requests.get(f"{box.scim_url}/Users", params={"count": "500"}, headers=headers, timeout=5).json()
    assert address not in {row["userName"] for row in shown["Resources"]}
    body = {"schemas": [USER.schema], "userName": address.title()}
    assert requests.post(f"{box.scim_url}/Users", json=body, headers=headers, timeout=5).status_code == 409


def test_an_account_keeps_its_number_when_others_come_and_go(box: Sandbox) -> None:
    before = {row["email"]: row["id"] for row in get(box, "/users").json()}
    first = next(iter(box.ninjaone.users))
    row = dict(box.ninjaone.users[first])
    box.ninjaone.delete(USER, first)
    new = box.ninjaone.create(USER, {"userName": "new.comer@example.com"})["id"]
    after = {row["email"]: row["id"] for row in get(box, "/users").json()}
    assert after.pop("new.comer@example.com") not in before.values()
    assert after == {email: number for email, number in before.items() if email != row["userName"]}
    box.ninjaone.delete(USER, new)
    box.ninjaone.overwrite(USER, row)


def test_the_configuration_reaches_it(box: Sandbox) -> None:
    api = tomllib.loads(box.config_toml())["ninjaone"]["api"]
    asked = {"client_id": api["client_id"], "client_secret": api["client_secret"]}
    assert api["url"] == box.api_url
    assert ask_token(box, **asked).json()["scope"] == "monitoring"


def test_wrong_credentials_are_told_apart(box: Sandbox) -> None:
    assert ask_token(box, client_id="another").status_code == 404
    assert ask_token(box, client_secret="wrong").status_code == 401
    assert requests.get(f"{box.api_url}/v2/users", timeout=5).status_code == 400
    refused = requests.get(f"{box.api_url}/v2/users", headers={"Authorization": "Bearer x"}, timeout=5)
    assert (refused.status_code, refused.json()["error"]) == (401, "not_authenticated")


def test_every_nth_answer_may_be_a_page_on_too_many_requests(box: Sandbox) -> None:
    box.set_behavior(quirks=["api.html-throttle=2"])
    page = get(box, "/users")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html")
    assert b"Too many requests" in page.content


def test_a_host_may_lack_the_lists_by_kind(box: Sandbox) -> None:
    box.set_behavior(quirks=["api.no-user-lists"])
    assert get(box, "/user/end-users").status_code == get(box, "/user/technicians").status_code == 404
    assert f"kai.kiosk@{box.company.domain}" in emails(box, "/users")
    box.set_behavior(quirks=["api.no-organizations"])
    assert get(box, "/organizations").status_code == 404


def test_lists_may_be_cut_off(box: Sandbox) -> None:
    box.set_behavior(quirks=["api.truncated=3"])
    assert len(get(box, "/users").json()) == len(get(box, "/organizations").json()) == 3


def test_pages_of_organizations_may_stand_still(box: Sandbox) -> None:
    assert [row["id"] for row in get(box, "/organizations", after="4").json()] == [12, 107]
    box.set_behavior(quirks=["api.ignores-after"])
    assert [row["id"] for row in get(box, "/organizations", after="4").json()] == [1, 4, 12, 107]


def test_the_scope_may_be_wide_or_none(box: Sandbox) -> None:
    box.set_behavior(quirks=["api.wide-scope"])
    assert ask_token(box).json()["scope"] == "monitoring management control"
    box.set_behavior(quirks=["api.no-scope"])
    refused = ask_token(box)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    box.set_behavior(quirks=["api.forbidden"])
    assert get(box, "/users").status_code == 403
    box.set_behavior(quirks=["api.technicians-forbidden"])
    assert [get(box, f"/user/{kind}").status_code for kind in ("technicians", "end-users")] == [403, 200]


def test_tokens_may_be_had_elsewhere(box: Sandbox) -> None:
    box.set_behavior(quirks=["api.token-elsewhere"])
    assert ask_token(box).status_code == 405
    assert ask_token(box, "/oauth/token").status_code == 200


def test_what_scim_wrote_may_be_shown_late(box: Sandbox) -> None:
    box.set_behavior(quirks=["api.lag=2"])

    def kinds() -> set[Any]:
        return {row["userType"] for row in get(box, "/users").json() if row["email"] == address}

    user_id, row = next((id_, row) for id_, row in box.ninjaone.users.items() if row["userName"].startswith(BREAKGLASS))
    address, extension = row["userName"], row[NINJAONE_USER]
    assert kinds() == {"TECHNICIAN"}
    box.ninjaone.edit(USER, user_id, **{NINJAONE_USER: extension | {"userType": "endUser"}})
    assert [kinds(), kinds(), kinds()] == [{"TECHNICIAN"}, {"TECHNICIAN"}, {"END_USER"}]
    box.ninjaone.edit(USER, user_id, **{NINJAONE_USER: extension})


def test_faults_are_for_the_public_api_too(box: Sandbox) -> None:
    box.set_behavior(faults={"api.429": "1:7"})
    busy = ask_token(box)
    assert (busy.status_code, busy.headers["Retry-After"], "resultCode" in busy.json()) == (429, "7", True)
    headers = {"Authorization": f"Bearer {box.token}"}
    assert requests.get(f"{box.scim_url}/Users", headers=headers, timeout=5).status_code == 200
    box.set_behavior(faults={"503": "1"})
    assert ask_token(box).status_code == 503


def test_requests_to_it_can_be_intercepted_and_are_recorded(box: Sandbox) -> None:
    seen: list[str] = []

    def watch(request: Any, serve: Any) -> Any:
        seen.append(request.path)
        return serve(request)

    with Sandbox(box.company, box.ninjaone, behavior=Behavior(quirks=("api.no-user-lists",))) as other:
        other.intercept("api", watch)
        get(other, "/users")
        assert seen == ["/ws/oauth/token", "/v2/users"]
        assert [(request.service, request.path) for request in other.requests] == [("api", path) for path in seen]
