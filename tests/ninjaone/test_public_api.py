"""NinjaOne's public API, read over real HTTP from the sandbox's imitation of it, with the ways of its hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from pydantic import SecretStr

from ninjasync.config.context import RunContext
from ninjasync.config.schema import Config
from ninjasync.errors import CredentialsError, IncompleteReadError, UnreachableError
from ninjasync.net.pacing import TransientError
from ninjasync.ninjaone.oauth import NotPermittedError, OAuthClient
from ninjasync.ninjaone.public_api import ApiOrganization, ApiUser, PublicApi
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Request, Service
from ninjasync.sandbox.ninjaone.public_api import ApiWays, public_api
from ninjasync.sandbox.ninjaone.schema import NINJAONE_USER, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne
from ninjasync.sandbox.server import Listener

NOW = datetime(2026, 11, 27, tzinfo=UTC)
CLIENT, SECRET = "client-of-training", "a-secret-for-training-alone"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT", 0.001)
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT_OF_429", 0.001)


def tenant(end_users: int = 3, technicians: int = 2) -> NinjaOne:
    store = NinjaOne(seed=5)
    store.organizations = {1: "Contoso Ltd", 4: "Fabrikam", 12: "Northwind"}
    for number in range(end_users + technicians):
        kind = "endUser" if number < end_users else "technician"
        extension = {"userType": kind} | ({"organizationId": "4"} if kind == "endUser" else {})
        store.create(USER, {"userName": f"person{number}@example.com", NINJAONE_USER: extension})
    return store


@contextmanager
def served(service: Service, **api: Any) -> Iterator[tuple[OAuthClient, list[Request]]]:
    """Serve the public API on loopback and return a client of it, and what was asked."""
    asked: list[Request] = []
    numbers = count(1)
    listener = Listener("api", service, port=0, record=asked.append, number=lambda: next(numbers))
    url = f"http://127.0.0.1:{listener.port}"
    config = Config.model_validate(
        {
            "duo": {"api_hostname": "api-1.duosecurity.com", "integration_key": "DI", "secret_key": "x" * 40},
            "ninjaone": {
                "endpoint_url": "https://example.com/scim",
                "secret_token": "y" * 40,
                "api": {"url": url, "client_id": CLIENT, "client_secret": SECRET, **api},
            },
            "scope": {"all_users": True},
            "run": {"retries": 4},
        }
    )
    client = OAuthClient(RunContext(config, "r", NOW, lambda: NOW), SecretStr(SECRET))
    try:
        yield client, asked
    finally:
        client.close()
        listener.close()


def users_of(client: OAuthClient) -> list[ApiUser]:
    api = PublicApi(client)
    return [*api.read_users("endUser"), *api.read_users("technician")]


def organizations_of(client: OAuthClient) -> list[ApiOrganization]:
    return PublicApi(client).read_organizations()


def of(store: NinjaOne, **ways: Any) -> Service:
    return public_api(store, CLIENT, SECRET, replace(ApiWays(), **ways))


def paths(asked: list[Request]) -> list[str]:
    return [f"{request.method} {request.path}" for request in asked]


def test_organizations_and_users_of_both_kinds_are_read_in_four_requests() -> None:
    store = tenant()
    first = next(iter(store.users))
    store.administrators.add(first)
    with served(of(store)) as (client, asked):
        assert {found.id: found.name for found in organizations_of(client)} == {
            "1": "Contoso Ltd",
            "4": "Fabrikam",
            "12": "Northwind",
        }
        users = {user.email: user for user in users_of(client)}
    assert len(asked) == 4
    assert {name: user.kind for name, user in users.items()} == {
        f"person{number}@example.com": "endUser" if number < 3 else "technician" for number in range(5)
    }
    assert {user.organization for user in users.values() if user.kind == "endUser"} == {"4"}
    assert {user.organization for user in users.values() if user.kind == "technician"} == {None}
    assert client.granted == {"monitoring"}


def test_nothing_is_sent_but_get_and_the_request_for_a_token() -> None:
    with served(of(tenant())) as (client, asked):
        organizations_of(client)
        users_of(client)
    assert {request.method for request in asked if request.path != "/ws/oauth/token"} == {"GET"}
    assert paths(asked).count("POST /ws/oauth/token") == 1


def test_an_account_in_the_console_alone_and_a_disabled_one_are_told() -> None:
    store = tenant()
    store.unlisted["boss@example.com"] = {
        "userName": "boss@example.com",
        "active": False,
        "administrator": True,
        NINJAONE_USER: {"userType": "technician"},
    }
    with served(of(store)) as (client, _):
        (boss,) = (user for user in users_of(client) if user.email == "boss@example.com")
    assert (boss.kind, boss.enabled, boss.administrator) == ("technician", False, True)


def test_an_end_user_of_all_organizations_has_an_empty_number() -> None:
    store = tenant()
    for user in store.users.values():
        if user[NINJAONE_USER]["userType"] == "endUser":
            store.update(USER, user["id"], {**user, NINJAONE_USER: {"userType": "endUser", "organizationId": "All"}})
            break
    with served(of(store)) as (client, _):
        assert sorted(str(user.organization) for user in users_of(client) if user.kind == "endUser") == ["", "4", "4"]


def test_a_host_without_the_two_lists_has_one_for_both() -> None:
    with served(of(tenant(), no_user_lists=True)) as (client, asked):
        assert sorted(user.kind for user in users_of(client)) == ["endUser"] * 3 + ["technician"] * 2
    assert paths(asked)[-2:] == ["GET /v2/user/end-users", "GET /v2/users"]


@pytest.mark.parametrize("number", [49, 50, 51, 100, 999, 1000, 1001, 2001])
def test_organizations_are_read_to_the_end_whatever_their_number(number: int) -> None:
    store = tenant()
    store.organizations = {each: f"Organization {each}" for each in range(1, number + 1)}
    with served(of(store)) as (client, _):
        assert len(organizations_of(client)) == number


@pytest.mark.parametrize("most", [50, 100, 150, 400, 500, 750, 1000])
def test_a_list_that_is_cut_off_at_a_round_number_is_asked_for_more(most: int) -> None:
    store = tenant()
    store.organizations = {each: f"Organization {each}" for each in range(1, most + 20)}
    with served(of(store, most_rows=most)) as (client, _):
        assert len(organizations_of(client)) == most + 19


def test_a_list_of_users_of_a_round_number_is_asked_for_more_once_and_the_same_rows_count_once() -> None:
    with served(of(tenant(end_users=50))) as (client, asked):
        users = users_of(client)
    assert len(users) == 52
    assert paths(asked).count("GET /v2/user/end-users") == 2


def test_organizations_that_come_again_for_each_page_end() -> None:
    store = tenant()
    store.organizations = {each: f"Organization {each}" for each in range(1, 101)}
    with served(of(store, ids_stand=True)) as (client, asked):
        assert len(organizations_of(client)) == 100
    assert len(asked) < 5


def test_a_host_that_gives_the_same_users_again_is_asked_for_more_of_one_list_only() -> None:
    with served(of(tenant(end_users=50, technicians=10))) as (client, asked):
        assert len(users_of(client)) == 60
    assert paths(asked) == [
        "POST /ws/oauth/token",
        *["GET /v2/user/end-users"] * 2,
        "GET /v2/user/technicians",
    ]


@pytest.mark.parametrize("most", [1000, 500, 400])
@pytest.mark.parametrize("number", [1000, 1115, 3000])
def test_users_that_are_cut_off_at_a_round_number_are_read_to_the_end_by_the_last_id(most: int, number: int) -> None:
    rows = [{"id": each, "email": f"person{each}@example.com"} for each in range(1, number + 1)]

    def service(request: HttpRequest) -> HttpResponse:
        if request.path != "/v2/user/end-users":
            return _json([])
        after = int(request.params.get("after", "0"))
        return _json([row for row in rows if int(str(row["id"])) > after][:most])

    with served(_tokens(service)) as (client, _):
        assert len({user.email for user in users_of(client)}) == number


def test_a_full_page_of_organizations_that_comes_again_is_an_error_and_no_end() -> None:
    store = tenant()
    store.organizations = {each: f"Organization {each}" for each in range(1, 1116)}
    with served(of(store, ids_stand=True)) as (client, asked), pytest.raises(IncompleteReadError, match="do not grow"):
        organizations_of(client)
    assert len(asked) == 3


def test_one_forbidden_list_leaves_the_other_readable_and_says_so() -> None:
    with served(of(tenant(), forbids_technicians=True)) as (client, _):
        api = PublicApi(client)
        assert len(api.read_users("endUser")) == 3
        with pytest.raises(NotPermittedError, match="permission_denied"):
            api.read_users("technician")


@pytest.mark.parametrize("lasts", [None, "3600", 0, -5, 10**400, True])
def test_a_token_whose_end_is_not_told_lasts_as_long_as_ninjaone_s_do(lasts: Any) -> None:
    def service(request: HttpRequest) -> HttpResponse:
        if request.path.endswith("/oauth/token"):
            return _json({"access_token": "t0ken", "expires_in": lasts})
        return _json([{"id": 1, "name": "A"}])

    with served(service) as (client, asked):
        for _ in range(3):
            organizations_of(client)
    assert paths(asked).count("POST /ws/oauth/token") == 1


def test_ids_that_do_not_grow_are_an_error() -> None:
    pages = iter([list(range(1, 1001)), [*list(range(2, 1001)), 0], []])

    def service(request: HttpRequest) -> HttpResponse:
        if request.path != "/v2/organizations":
            return of(tenant())(request)
        rows = [{"id": number, "name": "x"} for number in next(pages)]
        return of(tenant())(request) if not rows else _json(rows)

    with served(_tokens(service)) as (client, _), pytest.raises(IncompleteReadError, match="do not grow"):
        organizations_of(client)


def _json(document: Any, status: int = 200) -> HttpResponse:
    from ninjasync.sandbox.exchange import json_response

    return json_response(status, document, media_type="application/json")


def _tokens(service: Callable[[HttpRequest], HttpResponse]) -> Service:
    """Grant tokens, and leave the rest to ``service``."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.path.endswith("/oauth/token"):
            return _json({"access_token": "t0ken", "expires_in": 3600, "scope": "monitoring"})
        return service(request)

    return answer


@pytest.mark.parametrize("every", [2, 3])
def test_a_page_in_place_of_an_answer_is_throttling_and_tried_again(every: int) -> None:
    with served(of(tenant(), html_every=every)) as (client, _):
        assert len(organizations_of(client)) == 3
        assert len(users_of(client)) == 5


def test_a_host_that_shows_nothing_but_pages_is_never_an_empty_list() -> None:
    with served(of(tenant(), html_every=1)) as (client, asked), pytest.raises(TransientError, match="throttled"):
        users_of(client)
    assert len(asked) == 5


@pytest.mark.parametrize(
    ("ways", "api", "said"),
    [
        ({}, {"client_id": "another"}, "Client app not exist"),
        ({"refuses_scope": True}, {}, "scope is not granted"),
    ],
)
def test_a_refused_client_is_a_matter_of_credentials(ways: Any, api: Any, said: str) -> None:
    with served(of(tenant(), **ways), **api) as (client, _), pytest.raises(CredentialsError, match=said) as raised:
        client.authorize()
    assert SECRET not in str(raised.value) + raised.value.hint


def test_a_wrong_secret_is_refused_and_shown_nowhere() -> None:
    service = public_api(tenant(), CLIENT, "another-secret-altogether")
    with served(service) as (client, _), pytest.raises(CredentialsError, match="authentication failed") as raised:
        users_of(client)
    assert SECRET not in str(raised.value) + raised.value.hint


@pytest.mark.parametrize("before", ["no: ", "x" * 490])
def test_an_error_that_repeats_the_secret_is_masked_also_where_a_long_one_is_cut_off(before: str) -> None:
    def service(request: HttpRequest) -> HttpResponse:
        return _json({"error_description": f"{before}{SECRET} {request.body.decode()}"}, 401)

    with served(service) as (client, _), pytest.raises(CredentialsError) as raised:
        client.authorize()
    assert SECRET[:5] not in str(raised.value)


def test_another_path_for_tokens_is_set_by_a_key_and_named_where_it_would_help() -> None:
    store = tenant()
    with served(of(store, token_path="/oauth/token")) as (client, _), pytest.raises(UnreachableError) as raised:
        client.authorize()
    assert "[ninjaone.api] token_path" in raised.value.hint
    with served(of(store, token_path="/oauth/token"), token_path="/oauth/token") as (client, _):
        assert len(users_of(client)) == 5


def test_a_token_that_was_withdrawn_is_renewed_once() -> None:
    withdrawn = iter([True, False, False])

    def service(request: HttpRequest) -> HttpResponse:
        if request.path == "/v2/organizations":
            return _json({"error": "not_authenticated"}, 401) if next(withdrawn) else _json([{"id": 1, "name": "A"}])
        return _json({}, 404)

    with served(_tokens(service)) as (client, asked):
        assert [found.name for found in organizations_of(client)] == ["A"]
    assert paths(asked) == ["POST /ws/oauth/token", "GET /v2/organizations"] * 2


def test_a_token_that_is_refused_twice_is_a_matter_of_credentials() -> None:
    with (
        served(_tokens(lambda request: _json({"error": "not_authenticated"}, 401))) as (client, asked),
        pytest.raises(CredentialsError, match="not_authenticated"),
    ):
        organizations_of(client)
    assert len(asked) == 4


def test_a_token_is_renewed_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("ninjasync.ninjaone.oauth.time.monotonic", lambda: now[0])
    with served(of(tenant())) as (client, asked):
        organizations_of(client)
        now[0] += 3500
        organizations_of(client)
        now[0] += 45
        organizations_of(client)
    assert paths(asked).count("POST /ws/oauth/token") == 2


def test_a_redirect_is_not_followed() -> None:
    def service(request: HttpRequest) -> HttpResponse:
        return HttpResponse(307, b"", (("Location", f"http://{request.host}/elsewhere"),))

    with served(service) as (client, asked), pytest.raises(UnreachableError, match="redirects"):
        client.authorize()
    assert len(asked) == 1


@pytest.mark.parametrize("status", [403])
def test_a_list_that_may_not_be_read_says_so(status: int) -> None:
    with (
        served(_tokens(lambda request: _json({"resultCode": "NO_PERMISSION"}, status))) as (client, _),
        pytest.raises(CredentialsError, match="NO_PERMISSION"),
    ):
        organizations_of(client)


@pytest.mark.parametrize("body", [{}, {"rows": []}, "x", None, 7])
def test_what_is_no_list_is_an_error_and_never_an_empty_list(body: Any) -> None:
    with served(_tokens(lambda request: _json(body))) as (client, _), pytest.raises(UnreachableError):
        organizations_of(client)


def test_rows_that_cannot_be_read_are_left_out_and_unknown_is_not_false() -> None:
    rows = [
        {"id": 1, "email": None},
        {"id": 2, "email": "a@example.com", "organizationId": "12", "enabled": "yes"},
        "x",
        {"email": "b@example.com"},
    ]

    def service(request: HttpRequest) -> HttpResponse:
        return _json(rows if request.path == "/v2/user/end-users" else [])

    with served(_tokens(service)) as (client, _):
        found = {user.email: user for user in users_of(client)}
    assert found.keys() == {"a@example.com", "b@example.com"}
    assert (found["a@example.com"].organization, found["a@example.com"].enabled) == ("12", None)
    assert (found["b@example.com"].organization, found["b@example.com"].administrator) == (None, None)
