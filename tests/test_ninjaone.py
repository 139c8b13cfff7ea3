"""Reading and writing NinjaOne, one reply after the other, as the library ``responses`` plays them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import pytest
import requests
import responses
from pydantic import SecretStr

from ninjasync.attribute import NINJAONE, USER_TYPE
from ninjasync.config import Config
from ninjasync.directory import Group, User
from ninjasync.errors import CredentialsError, IncompleteReadError, RefusedRequestError, UnreachableError
from ninjasync.ninjaone import Reader, Writer
from ninjasync.plan import Change, Delta

if TYPE_CHECKING:
    from conftest import Clock

MakeConfig = Callable[..., Config]
URL = "https://ninjaone.test/scim/v2"
USERS, GROUPS = f"{URL}/Users", f"{URL}/Groups"
JANE = Change("user", "create", "jane@example.com", None, "DU1", (Delta("userName", None, "jane@example.com"),))
STAFF = Change("group", "create", "Staff", None, "DG1", (Delta("displayName", None, "Staff"),))


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    """Replies in the order of registration; each must be asked for."""
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        yield mock


@pytest.fixture
def reader(make_config: MakeConfig, clock: Clock) -> Iterator[Reader]:
    config = make_config(ninjaone={"dialect": {"page_size": 2}}, run={"retries": 3})
    with Reader(config, SecretStr("scim-token"), clock) as made:
        yield made


@pytest.fixture
def writer(make_config: MakeConfig, clock: Clock) -> Iterator[Writer]:
    config = make_config(ninjaone={"dialect": {"members_per_call": 2}}, run={"retries": 3})
    with Writer(config, SecretStr("scim-token"), clock) as made:
        yield made


def listed(*rows: Any, total: Any = "number of rows") -> dict[str, Any]:
    body: dict[str, Any] = {"Resources": list(rows)}
    if total is not None:
        body["totalResults"] = len(rows) if total == "number of rows" else total
    return body


def user(id_: str, **fields: Any) -> dict[str, Any]:
    return {"id": id_, "userName": f"{id_}@example.com"} | fields


def group(id_: str, **fields: Any) -> dict[str, Any]:
    return {"id": id_, "displayName": id_, "members": []} | fields


def sent(server: responses.RequestsMock) -> list[Any]:
    return [json.loads(call.request.body) for call in server.calls if call.request.body]


def asked(server: responses.RequestsMock) -> list[tuple[str, str]]:
    return [(str(call.request.method), str(call.request.url).removeprefix(URL)) for call in server.calls]


NO_GROUPS = listed()


# --- reading ---------------------------------------------------------------------------------


def test_both_lists_are_read_page_by_page_by_what_came(reader: Reader, server: responses.RequestsMock) -> None:
    server.get(USERS, json=listed(user("a", externalId="DU1"), total=3))
    server.get(USERS, json=listed(user("b"), user("c"), total=3))
    server.get(GROUPS, json=listed(group("g", members=[{"value": "a"}])))
    found = reader.directory(("title",))
    assert found.paths == ("title",)
    assert found.users == (
        User("a@example.com", "DU1", True, (None,), "a"),
        User("b@example.com", None, True, (None,), "b"),
        User("c@example.com", None, True, (None,), "c"),
    )
    assert found.groups == (Group("g", None, frozenset({"a"}), "g"),)
    assert found.unreadable == ()
    assert asked(server) == [
        ("GET", "/Users?startIndex=1&count=2"),
        ("GET", "/Users?startIndex=2&count=2"),
        ("GET", "/Groups?startIndex=1&count=2"),
    ]


def test_every_request_carries_the_token_and_asks_for_scim(reader: Reader, server: responses.RequestsMock) -> None:
    server.get(USERS, json=NO_GROUPS)
    server.get(GROUPS, json=NO_GROUPS)
    reader.directory(())
    for call in server.calls:
        assert call.request.headers["Authorization"] == "Bearer scim-token"
        assert call.request.headers["Accept"].startswith("application/scim+json")
        assert call.request.headers["User-Agent"].startswith("ninjasync/")


def test_without_a_total_pages_are_read_until_an_empty_one(reader: Reader, server: responses.RequestsMock) -> None:
    server.get(USERS, json=listed(user("a"), user("b"), total=None))
    server.get(USERS, json=listed(user("c"), total=None))
    server.get(USERS, json=listed(total=None))
    server.get(GROUPS, json=NO_GROUPS)
    assert [found.id for found in reader.directory(()).users] == ["a", "b", "c"]


def test_a_list_that_ends_before_its_total_is_incomplete(reader: Reader, server: responses.RequestsMock) -> None:
    server.get(USERS, json=listed(user("a"), total=2))
    server.get(USERS, json=listed(total=2))
    with pytest.raises(IncompleteReadError, match="says that it has 2 users, but sent 1"):
        reader.directory(())


@pytest.mark.parametrize("total", [5, None])
def test_a_server_that_sends_the_same_page_again_is_an_error_and_no_loop(
    reader: Reader, server: responses.RequestsMock, total: int | None
) -> None:
    for _ in range(2):
        server.get(USERS, json=listed(user("a"), user("b"), total=total))
    with pytest.raises(IncompleteReadError, match="sends the same users again"):
        reader.directory(())


def test_a_page_that_is_sent_twice_does_not_stand_for_the_one_that_was_not(
    reader: Reader, server: responses.RequestsMock
) -> None:
    for _ in range(2):
        server.get(USERS, json=listed(user("a"), user("b"), total=4))
    with pytest.raises(IncompleteReadError):
        reader.directory(())


def test_one_account_that_comes_twice_does_not_stand_for_another_that_was_skipped(
    reader: Reader, server: responses.RequestsMock
) -> None:
    server.get(USERS, json=listed(user("a"), user("b"), total=3))
    server.get(USERS, json=listed(user("b"), total=3))
    with pytest.raises(IncompleteReadError):
        reader.directory(())


def test_the_same_page_with_an_unreadable_record_again_and_again_is_no_loop(
    make_config: MakeConfig, clock: Clock
) -> None:
    seen = 0

    def same(request: Any) -> tuple[int, dict[str, str], str]:
        nonlocal seen
        seen += 1
        return (200, {}, json.dumps(listed(user("a"), {"id": "b"}, total=None))) if seen < 20 else (400, {}, "{}")

    with responses.RequestsMock() as mock, Reader(make_config(), SecretStr("t"), clock) as reader:
        mock.add_callback("GET", USERS, callback=same)
        with pytest.raises(IncompleteReadError):
            reader.directory(())
    assert seen == 2


def test_an_unreadable_record_is_held_and_does_not_lose_the_page(
    reader: Reader, server: responses.RequestsMock
) -> None:
    rows = [
        user("a"),
        {"id": "b", "externalId": "DU2"},
        {"userName": "c@example.com", "externalId": 3},
        "nonsense",
        user("d"),
    ]
    server.get(USERS, json=listed(*rows))
    server.get(GROUPS, json=listed(group("g"), {"id": "h"}))
    found = reader.directory(())
    assert [one.id for one in found.users] == ["a", "d"]
    assert [one.id for one in found.groups] == ["g"]
    assert [(one.resource, one.key, one.external_id, one.code) for one in found.unreadable] == [
        ("user", "b", "DU2", "unreadable-record"),
        ("user", "c@example.com", None, "unreadable-record"),
        ("user", "?", None, "unreadable-record"),
        ("group", "h", None, "unreadable-record"),
    ]
    assert "has no userName" in found.unreadable[0].message


def test_where_lists_do_not_show_members_each_group_is_read_by_its_id(
    reader: Reader, server: responses.RequestsMock
) -> None:
    bare = [{"id": id_, "displayName": id_} for id_ in ("g/1", "h", "i", "j")]
    server.get(USERS, json=NO_GROUPS)
    server.get(GROUPS, json=listed(*bare))
    server.get(f"{GROUPS}/g%2F1", json=group("g/1", members=[{"value": "a"}]))
    server.get(f"{GROUPS}/h", json=bare[1])
    server.get(f"{GROUPS}/i", status=404, json={})
    server.get(f"{GROUPS}/j", json={"id": "j"})
    found = reader.directory(())
    assert [one.members for one in found.groups] == [frozenset({"a"}), None, None, None]


def test_a_group_alone_without_members_in_a_list_that_shows_members_has_none(
    reader: Reader, server: responses.RequestsMock
) -> None:
    server.get(USERS, json=NO_GROUPS)
    server.get(GROUPS, json=listed(group("g", members=[{"value": "a"}]), {"id": "h", "displayName": "h"}))
    assert [one.members for one in reader.directory(()).groups] == [frozenset({"a"}), None]


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (401, "{}", CredentialsError, "refused the SCIM token"),
        (401, "<html>", CredentialsError, "refused the SCIM token"),
        (403, '{"detail": "not you"}', CredentialsError, "HTTP 403: not you"),
        (404, "{}", UnreachableError, "HTTP 404"),
        (400, "<html>", UnreachableError, "HTTP 400"),
        (200, "<html>Sign in</html>", UnreachableError, "not JSON, as a login page"),
        (200, "{}", UnreachableError, "answered with no SCIM list"),
        (200, "", UnreachableError, "answered with no SCIM list"),
        (200, "[]", UnreachableError, "answered with no SCIM list"),
        (302, "", UnreachableError, "the token is not sent after a redirect"),
    ],
)
def test_what_is_no_list_ends_the_read_with_the_cure_at_the_first_try(
    reader: Reader, server: responses.RequestsMock, status: int, body: str, error: type[Exception], said: str
) -> None:
    server.get(USERS, status=status, body=body, headers={"Location": "https://elsewhere.test/"})
    with pytest.raises(error, match=said) as caught:
        reader.directory(())
    assert getattr(caught.value, "hint", "")
    assert "scim-token" not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize(("status", "tries"), [(500, 3), (502, 4), (503, 4), (504, 4), (429, 4)])
def test_a_failure_that_may_pass_is_tried_again_and_then_told(
    reader: Reader, server: responses.RequestsMock, status: int, tries: int
) -> None:
    for _ in range(tries):
        server.get(USERS, status=status)
    with pytest.raises(UnreachableError, match=f"HTTP {status}"):
        reader.directory(())


@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_that_the_server_asks_for_is_waited(
    reader: Reader, server: responses.RequestsMock, clock: Clock, status: int
) -> None:
    server.get(USERS, status=status, headers={"Retry-After": "17"})
    server.get(USERS, json=NO_GROUPS)
    server.get(GROUPS, json=NO_GROUPS)
    reader.directory(())
    assert clock.waits[0] == 17.0


@pytest.mark.parametrize(
    "error", [requests.ConnectionError("reset"), requests.ReadTimeout(), requests.exceptions.ChunkedEncodingError()]
)
def test_a_broken_connection_is_tried_again(reader: Reader, server: responses.RequestsMock, error: Exception) -> None:
    server.get(USERS, body=error)
    server.get(USERS, json=NO_GROUPS)
    server.get(GROUPS, json=NO_GROUPS)
    assert reader.directory(()).users == ()


def test_a_reader_has_no_method_that_writes() -> None:
    assert not {"create_user", "create_group", "patch", "change_members", "delete"} & set(dir(Reader))


def test_neither_netrc_nor_a_redirect_gets_at_the_token(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: responses.RequestsMock
) -> None:
    (tmp_path / ".netrc").write_text("machine ninjaone.test login me password other\n", "utf-8")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    server.get(USERS, json=NO_GROUPS)
    server.get(GROUPS, json=NO_GROUPS)
    with Reader(make_config(), SecretStr("scim-token"), threading.Event()) as reader:
        reader.directory(())
    assert server.calls[0].request.headers["Authorization"] == "Bearer scim-token"


@pytest.mark.parametrize(
    ("ninjaone", "environment", "verify"),
    [
        ({}, {}, True),
        ({}, {"REQUESTS_CA_BUNDLE": certifi.where()}, certifi.where()),
        ({"ca_file": certifi.where()}, {"REQUESTS_CA_BUNDLE": "/other"}, certifi.where()),
    ],
)
def test_the_authorities_are_the_configured_ones_else_the_environments(
    make_config: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
    ninjaone: dict[str, str],
    environment: dict[str, str],
    verify: str | bool,
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with Reader(make_config(ninjaone=ninjaone), SecretStr("t"), threading.Event()) as reader:
        assert reader._transport._session().verify == verify


def test_a_proxy_is_used_where_one_is_configured(make_config: MakeConfig) -> None:
    with Reader(make_config(ninjaone={"proxy": "http://p.example"}), SecretStr("t"), threading.Event()) as reader:
        assert reader._transport._session().proxies == {"http": "http://p.example", "https": "http://p.example"}


# --- looking up ------------------------------------------------------------------------------


def found_page(*rows: Any) -> dict[str, Any]:
    return listed(*rows)


@pytest.mark.parametrize(
    ("by_external_id", "by_name", "found"),
    [
        ([user("a", externalId="DU1")], None, "a"),
        ([], [user("b", userName="JANE@example.com")], "b"),
        ([], [user("b", userName="jane@example.com", externalId="DU9")], None),
        ([user("x"), user("y", externalId="DU9")], [user("z")], None),
        ([{"id": "broken"}, user("a", externalId="DU1")], None, "a"),
        ([], [], None),
    ],
)
def test_a_user_is_looked_up_by_externalid_then_by_name_and_a_filter_may_be_ignored(
    reader: Reader,
    server: responses.RequestsMock,
    by_external_id: list[Any],
    by_name: list[Any] | None,
    found: str | None,
) -> None:
    server.get(USERS, json=listed(*by_external_id))
    if by_name is not None:
        server.get(USERS, json=listed(*by_name))
    account = reader.find_user("DU1", "jane@example.com")
    assert (account.id if account else None) == found


@pytest.mark.parametrize(
    ("by_external_id", "by_name", "found"),
    [
        ([group("g", externalId="DG1")], None, "g"),
        ([group("x", externalId="DG9")], [group("g", displayName="Staff")], "g"),
        ([], [group("g", displayName="Staff", externalId="DG9"), group("h", displayName="staff")], None),
    ],
)
def test_a_group_is_looked_up_by_externalid_then_by_name(
    reader: Reader,
    server: responses.RequestsMock,
    by_external_id: list[Any],
    by_name: list[Any] | None,
    found: str | None,
) -> None:
    server.get(GROUPS, json=listed(*by_external_id))
    if by_name is not None:
        server.get(GROUPS, json=listed(*by_name))
    made = reader.find_group("DG1", "Staff")
    assert (made.id if made else None) == found


def test_a_hostile_name_stays_within_its_filter(reader: Reader, server: responses.RequestsMock) -> None:
    server.get(USERS, json=listed())
    server.get(USERS, json=listed())
    reader.find_user("DU1", 'x" or id pr or "@example.com')
    params = server.calls[1].request.params  # type: ignore[attr-defined]
    assert params == {"filter": r'userName eq "x\" or id pr or \"@example.com"'}


@pytest.mark.parametrize("status", [400, 404])
def test_a_filter_that_is_not_supported_finds_nobody(
    reader: Reader, server: responses.RequestsMock, status: int
) -> None:
    server.get(USERS, status=status, json={})
    server.get(USERS, json=listed(user("a", userName="jane@example.com")))
    account = reader.find_user("DU1", "jane@example.com")
    assert account is not None
    assert account.id == "a"


@pytest.mark.parametrize(("status", "body"), [(200, {}), (403, {}), (418, {"detail": "teapot"})])
def test_a_look_up_that_gives_no_answer_is_not_taken_for_nobody(
    reader: Reader, server: responses.RequestsMock, status: int, body: Any
) -> None:
    server.get(USERS, status=status, json=body)
    with pytest.raises((UnreachableError, CredentialsError), match=f"look-up .*HTTP {status}"):
        reader.find_user("DU1", "jane@example.com")


# --- creating --------------------------------------------------------------------------------


def test_a_created_user_has_the_id_that_ninjaone_gives(writer: Writer, server: responses.RequestsMock) -> None:
    server.post(USERS, status=201, json=user("n1"))
    assert writer.create_user(JANE) == "n1"
    (body,) = sent(server)
    assert (body["externalId"], body["userName"], body["active"]) == ("DU1", "jane@example.com", True)


@pytest.mark.parametrize("lost", [503, 500, 504, requests.ConnectionError("reset"), requests.ReadTimeout()])
def test_a_post_whose_answer_was_lost_is_settled_by_looking_and_not_sent_again(
    writer: Writer, server: responses.RequestsMock, lost: Any
) -> None:
    server.post(USERS, **({"status": lost} if isinstance(lost, int) else {"body": lost}))
    server.get(USERS, json=listed(user("n1", externalId="DU1")))
    assert writer.create_user(JANE) == "n1"
    assert [method for method, _ in asked(server)] == ["POST", "GET"]


def test_a_post_that_did_not_arrive_is_sent_again_after_looking(writer: Writer, server: responses.RequestsMock) -> None:
    server.post(USERS, body=requests.ConnectionError("reset"))
    server.get(USERS, json=listed())
    server.get(USERS, json=listed())
    server.post(USERS, status=201, json=user("n1"))
    assert writer.create_user(JANE) == "n1"


def test_after_a_429_nothing_was_done_so_that_nobody_looks(writer: Writer, server: responses.RequestsMock) -> None:
    server.post(USERS, status=429, headers={"Retry-After": "1"})
    server.post(USERS, status=201, json=user("n1"))
    assert writer.create_user(JANE) == "n1"
    assert [method for method, _ in asked(server)] == ["POST", "POST"]


def test_a_409_at_the_first_try_is_somebody_elses_account(writer: Writer, server: responses.RequestsMock) -> None:
    server.post(USERS, status=409, json={"detail": "taken", "scimType": "uniqueness"})
    with pytest.raises(RefusedRequestError, match=r"POST \(HTTP 409 uniqueness\): taken") as caught:
        writer.create_user(JANE)
    assert (caught.value.status, caught.value.scim_type) == (409, "uniqueness")
    assert "the next plan says who" in caught.value.hint


def test_a_409_after_a_lost_answer_is_our_own_account_if_it_carries_our_externalid(
    writer: Writer, server: responses.RequestsMock
) -> None:
    server.post(USERS, status=503)
    server.get(USERS, json=listed())
    server.get(USERS, json=listed())
    server.post(USERS, status=409, json={})
    server.get(USERS, json=listed(user("n1", externalId="DU1")))
    assert writer.create_user(JANE) == "n1"


def test_a_409_after_a_lost_answer_is_not_taken_for_done_where_a_strangers_account_holds_the_name(
    writer: Writer, server: responses.RequestsMock
) -> None:
    stranger = user("s", userName="jane@example.com", meta={"created": "2020-01-01T00:00:00Z"})
    server.post(USERS, body=requests.ConnectionError("never arrived"))
    for answer in (None, 409):
        if answer:
            server.post(USERS, status=answer, json={})
        server.get(USERS, json=listed())
        server.get(USERS, json=listed(stranger))
        server.get(f"{USERS}/s", json=stranger)
    with pytest.raises(RefusedRequestError, match="409"):
        writer.create_user(JANE)


def test_after_a_lost_answer_an_account_of_that_name_made_since_is_ours_though_it_shows_no_externalid(
    writer: Writer, server: responses.RequestsMock
) -> None:
    ours = user("n1", userName="jane@example.com", meta={"created": "9999-01-01T00:00:00Z"})
    server.post(USERS, status=504)
    server.get(USERS, json=listed())
    server.get(USERS, json=listed(ours))
    server.get(f"{USERS}/n1", json=ours)
    assert writer.create_user(JANE) == "n1"


@pytest.mark.parametrize(
    ("sent_type", "stored", "kept"),
    [
        ("technician", "Technician", True),
        ("technician", None, True),
        ("technician", "endUser", False),
        ("endUser", "technician", False),
    ],
)
def test_a_user_type_that_ninjaone_made_into_another_is_a_failed_operation(
    writer: Writer, server: responses.RequestsMock, sent_type: str, stored: str | None, kept: bool
) -> None:
    body = user("n1", **({NINJAONE: {"userType": stored}} if stored else {}))
    change = replace(JANE, diff=(*JANE.diff, Delta(USER_TYPE, None, sent_type)))
    server.post(USERS, status=201, json=body)
    server.patch(f"{USERS}/n1", json=body)
    for write in (lambda: writer.create_user(change), lambda: writer.patch("user", "n1", change.diff[1:])):
        if kept:
            write()
            continue
        with pytest.raises(RefusedRequestError, match=f'sent userType "{sent_type}" and stored "{stored}"'):
            write()


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [(200, user("a", externalId="DU1"), "a"), (404, {}, None), (404, None, None)],
)
def test_an_account_is_read_by_its_id(
    reader: Reader, server: responses.RequestsMock, status: int, body: Any, found: str | None
) -> None:
    server.get(f"{USERS}/a%2Fb", status=status, json=body)
    account = reader.user("a/b", ())
    assert (account.id if account else None) == found


@pytest.mark.parametrize(("status", "body"), [(200, {"id": "g"}), (200, []), (403, {}), (400, {})])
def test_a_group_that_gives_no_readable_answer_is_not_taken_for_gone(
    reader: Reader, server: responses.RequestsMock, status: int, body: Any
) -> None:
    server.get(f"{GROUPS}/g", status=status, json=body)
    with pytest.raises((UnreachableError, CredentialsError)):
        reader.group("g")


@pytest.mark.parametrize(
    ("status", "created", "year"),
    [
        (200, "2027-01-01T00:00:00Z", 2027),
        (200, "2027-01-01T00:00:00", 2027),
        (200, "yesterday", None),
        (200, None, None),
        (404, "2027-01-01T00:00:00Z", None),
    ],
)
def test_when_a_resource_was_created_is_known_only_where_ninjaone_says_so(
    reader: Reader, server: responses.RequestsMock, status: int, created: str | None, year: int | None
) -> None:
    server.get(f"{USERS}/a", status=status, json={"meta": {"created": created}})
    found = reader.created_at("user", "a")
    assert (found.year if found else None) == year


@pytest.mark.parametrize(
    ("resource", "first", "second", "found"),
    [
        ("user", [user("a", externalId="DU1")], None, "a"),
        ("user", [], [user("b", userName="JANE@x.yz", externalId="DU9")], "b"),
        ("user", [], [user("c")], None),
        ("group", [], [group("g", displayName="jane@X.YZ")], "g"),
    ],
)
def test_whoever_holds_a_name_is_found_whosever_he_is(
    reader: Reader, server: responses.RequestsMock, resource: Any, first: Any, second: Any, found: str | None
) -> None:
    url = USERS if resource == "user" else GROUPS
    server.get(url, json=listed(*first))
    if second is not None:
        server.get(url, json=listed(*second))
    holder = reader.holder(resource, "DU1", "jane@x.yz")
    assert (holder.id if holder else None) == found


def test_where_even_looking_fails_the_creation_failed_and_is_not_sent_again(
    writer: Writer, server: responses.RequestsMock
) -> None:
    server.post(USERS, status=503)
    for _ in range(4):
        server.get(USERS, status=503)
    with pytest.raises(UnreachableError, match="HTTP 503"):
        writer.create_user(JANE)
    assert [method for method, _ in asked(server)] == ["POST", *["GET"] * 4]


def test_an_answer_without_a_body_is_completed_by_looking(writer: Writer, server: responses.RequestsMock) -> None:
    server.post(USERS, status=201)
    server.get(USERS, json=listed(user("n1", externalId="DU1")))
    assert writer.create_user(JANE) == "n1"


def test_a_success_that_created_nothing_is_a_failure(writer: Writer, server: responses.RequestsMock) -> None:
    server.post(USERS, status=200, json={"ok": True})
    server.get(USERS, json=listed())
    server.get(USERS, json=listed())
    with pytest.raises(RefusedRequestError, match="HTTP 200, but the user is not there"):
        writer.create_user(JANE)


@pytest.mark.parametrize(("status", "hint"), [(400, ""), (403, "system administrator"), (422, "")])
def test_a_refusal_is_told_with_ninjaones_words_and_not_tried_again(
    writer: Writer, server: responses.RequestsMock, status: int, hint: str
) -> None:
    server.post(USERS, status=status, json={"detail": "no such thing", "scimType": "invalidValue"})
    with pytest.raises(RefusedRequestError, match=f"HTTP {status} invalidValue.*no such thing") as caught:
        writer.create_user(JANE)
    assert hint in caught.value.hint


def test_a_token_that_expires_in_between_is_a_matter_of_credentials(
    writer: Writer, server: responses.RequestsMock
) -> None:
    server.post(USERS, status=401)
    with pytest.raises(CredentialsError) as caught:
        writer.create_user(JANE)
    assert "Make a new token" in caught.value.hint


def test_a_group_is_created_with_its_first_members_and_the_rest_is_added(
    writer: Writer, server: responses.RequestsMock
) -> None:
    server.post(GROUPS, status=201, json=group("g"))
    server.patch(f"{GROUPS}/g", status=204)
    server.patch(f"{GROUPS}/g", status=204)
    assert writer.create_group(STAFF, ["1", "2", "3", "4", "5"]) == "g"
    first, second, third = sent(server)
    assert first["members"] == [{"value": "1"}, {"value": "2"}]
    assert second["Operations"][0]["value"] == [{"value": "3"}, {"value": "4"}]
    assert third["Operations"][0]["value"] == [{"value": "5"}]


def test_a_group_whose_answer_was_lost_is_settled_by_looking(writer: Writer, server: responses.RequestsMock) -> None:
    server.post(GROUPS, status=504)
    server.get(GROUPS, json=listed(group("g", externalId="DG1")))
    assert writer.create_group(STAFF, []) == "g"


# --- changing and deleting -------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_patch_goes_to_the_resource_by_its_escaped_id(
    writer: Writer, server: responses.RequestsMock, status: int
) -> None:
    server.patch(f"{USERS}/a%2Fb%3F", status=status)
    writer.patch("user", "a/b?", (Delta("active", True, False),))
    assert sent(server)[0]["Operations"] == [{"op": "replace", "path": "active", "value": False}]


def test_an_empty_patch_is_not_sent(writer: Writer, server: responses.RequestsMock) -> None:
    writer.patch("user", "a", ())
    writer.change_members("g", [], [])
    assert len(server.calls) == 0


def test_where_the_dialect_says_put_the_whole_resource_is_put(
    make_config: MakeConfig, clock: Clock, server: responses.RequestsMock
) -> None:
    config = make_config(ninjaone={"dialect": {"patch": "put"}})
    server.get(f"{USERS}/a", json=user("a", title="Boss"))
    server.put(f"{USERS}/a", json=user("a", title="Boss", active=False))
    with Writer(config, SecretStr("t"), clock) as writer:
        writer.patch("user", "a", (Delta("active", True, False),))
    (body,) = sent(server)
    assert (body["active"], body["title"], body["userName"]) == (False, "Boss", "a@example.com")


def test_members_are_changed_in_chunks(writer: Writer, server: responses.RequestsMock) -> None:
    for _ in range(3):
        server.patch(f"{GROUPS}/g", status=200, json={})
    writer.change_members("g", ["1", "2", "3"], ["4"])
    assert [body["Operations"][0]["op"] for body in sent(server)] == ["add", "add", "remove"]


@pytest.mark.parametrize("status", [200, 202, 204, 404])
def test_a_deleted_resource_is_gone_even_if_it_was_gone_before(
    writer: Writer, server: responses.RequestsMock, status: int
) -> None:
    server.delete(f"{USERS}/a", status=status)
    writer.delete("user", "a")
    assert asked(server) == [("DELETE", "/Users/a")]


def test_a_patch_of_what_is_gone_fails_and_says_so(writer: Writer, server: responses.RequestsMock) -> None:
    server.patch(f"{GROUPS}/g", status=404, body="<html>")
    with pytest.raises(RefusedRequestError, match=r"refused the PATCH \(HTTP 404\)\.$") as caught:
        writer.patch("group", "g", (Delta("displayName", "a", "b"),))
    assert "gone from NinjaOne" in caught.value.hint


def test_a_patch_whose_answer_was_lost_is_sent_again(writer: Writer, server: responses.RequestsMock) -> None:
    server.patch(f"{USERS}/a", status=503)
    server.patch(f"{USERS}/a", status=200, json={})
    writer.patch("user", "a", (Delta("active", True, False),))
    assert len(server.calls) == 2
