"""Reading and writing NinjaOne, one reply after the other, as the library ``responses`` plays them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import pytest
import requests
import responses

from ninjasync.errors import CredentialsError, IncompleteReadError, UnreachableError
from ninjasync.model.directory import Group, User, Wanted
from ninjasync.ninjaone.reader import Reader
from tests.support.contexts import context_of

if TYPE_CHECKING:
    from tests.support.clock import Clock
from tests.support.scim_pages import GROUPS, NOBODY, URL, USERS, MakeConfig, group, listed, reading, user


def asked(server: responses.RequestsMock) -> list[tuple[str, str]]:
    return [(str(call.request.method), str(call.request.url).removeprefix(URL)) for call in server.calls]


NO_GROUPS = listed()


def test_both_lists_are_read_page_by_page_by_what_came(reader: Reader, server: responses.RequestsMock) -> None:
    server.get(USERS, json=listed(user("a", externalId="DU1"), total=3))
    server.get(USERS, json=listed(user("b"), user("c"), total=3))
    server.get(GROUPS, json=listed(group("g", members=[{"value": "a"}])))
    found = reader.read_directory(("title",), NOBODY)
    assert found.paths == ("title",)
    assert found.users == (
        User("a@example.com", "DU1", True, (None,), "a", shows_active=False),
        User("b@example.com", None, True, (None,), "b", shows_active=False),
        User("c@example.com", None, True, (None,), "c", shows_active=False),
    )
    assert found.groups == (Group("g", None, frozenset({"a"}), "g"),)
    assert found.unreadable == ()
    assert asked(server) == [
        ("GET", "/Users?startIndex=1&count=2"),
        ("GET", "/Users?startIndex=2&count=2"),
        ("GET", "/Groups?startIndex=1&count=2"),
    ]


def test_what_was_begun_is_asked_for_once_and_a_single_worker_asks_for_one_thing_at_a_time(
    make_config: MakeConfig, clock: Clock, server: responses.RequestsMock
) -> None:
    server.get(USERS, json=listed(user("a")))
    server.get(GROUPS, json=listed(group("g", members=[{"value": "a"}])))
    config = make_config(run={"parallelism": 1})
    with reading(context_of(config, stop=clock)) as reader:
        reader.begin(())
        found = reader.read_directory((), NOBODY)
    assert ([one.id for one in found.users], [one.id for one in found.groups]) == (["a"], ["g"])
    assert asked(server) == [("GET", "/Users?startIndex=1&count=100"), ("GET", "/Groups?startIndex=1&count=100")]


def test_several_workers_ask_for_the_first_users_and_the_first_groups_at_once(reader: Reader) -> None:
    together = threading.Barrier(2)

    def answer(body: dict[str, Any]) -> Callable[[Any], tuple[int, dict[str, str], str]]:
        def wait_for_the_other(request: Any) -> tuple[int, dict[str, str], str]:
            together.wait(timeout=30)
            return 200, {}, json.dumps(body)

        return wait_for_the_other

    with responses.RequestsMock() as server:
        server.add_callback("GET", USERS, answer(listed(user("a"))))
        server.add_callback("GET", GROUPS, answer(listed(group("g", members=[{"value": "a"}]))))
        reader.begin(())
        found = reader.read_directory((), NOBODY)
        assert len(server.calls) == 2
    assert ([one.id for one in found.users], [one.id for one in found.groups]) == (["a"], ["g"])


@pytest.mark.parametrize("refused", [USERS, GROUPS])
def test_what_goes_wrong_with_a_page_that_was_begun_is_raised_where_it_is_wanted(reader: Reader, refused: str) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as server:
        server.get(USERS, json=listed(user("a")), status=401 if refused == USERS else 200)
        server.get(GROUPS, json=listed(group("g")), status=401 if refused == GROUPS else 200)
        reader.begin(())
        with pytest.raises(CredentialsError):
            reader.read_directory((), NOBODY)


def test_every_request_carries_the_token_and_asks_for_scim(reader: Reader, server: responses.RequestsMock) -> None:
    server.get(USERS, json=NO_GROUPS)
    server.get(GROUPS, json=NO_GROUPS)
    reader.read_directory((), NOBODY)
    for call in server.calls:
        assert call.request.headers["Authorization"] == "Bearer scim-token"
        assert call.request.headers["Accept"].startswith("application/scim+json")
        assert call.request.headers["User-Agent"].startswith("ninjasync/")


def test_without_a_total_pages_are_read_until_an_empty_one(reader: Reader, server: responses.RequestsMock) -> None:
    server.get(USERS, json=listed(user("a"), user("b"), total=None))
    server.get(USERS, json=listed(user("c"), total=None))
    server.get(USERS, json=listed(total=None))
    server.get(GROUPS, json=NO_GROUPS)
    assert [found.id for found in reader.read_directory((), NOBODY).users] == ["a", "b", "c"]


def test_a_list_that_ends_before_its_total_is_incomplete(reader: Reader, server: responses.RequestsMock) -> None:
    server.get(USERS, json=listed(user("a"), total=2))
    server.get(USERS, json=listed(total=2))
    with pytest.raises(IncompleteReadError, match="says that it has 2 users, but sent 1"):
        reader.read_directory((), NOBODY)


@pytest.mark.parametrize("total", [5, None])
def test_a_server_that_sends_the_same_page_again_is_an_error_and_no_loop(
    reader: Reader, server: responses.RequestsMock, total: int | None
) -> None:
    for _ in range(2):
        server.get(USERS, json=listed(user("a"), user("b"), total=total))
    with pytest.raises(IncompleteReadError, match="sends the same users again"):
        reader.read_directory((), NOBODY)


def test_a_page_that_is_sent_twice_does_not_stand_for_the_one_that_was_not(
    reader: Reader, server: responses.RequestsMock
) -> None:
    for _ in range(2):
        server.get(USERS, json=listed(user("a"), user("b"), total=4))
    with pytest.raises(IncompleteReadError):
        reader.read_directory((), NOBODY)


def test_one_account_that_comes_twice_does_not_stand_for_another_that_was_skipped(
    reader: Reader, server: responses.RequestsMock
) -> None:
    server.get(USERS, json=listed(user("a"), user("b"), total=3))
    server.get(USERS, json=listed(user("b"), total=3))
    with pytest.raises(IncompleteReadError):
        reader.read_directory((), NOBODY)


def test_the_same_page_with_an_unreadable_record_again_and_again_is_no_loop(
    make_config: MakeConfig, clock: Clock
) -> None:
    seen = 0

    def same(request: Any) -> tuple[int, dict[str, str], str]:
        nonlocal seen
        seen += 1
        return (200, {}, json.dumps(listed(user("a"), {"id": "b"}, total=None))) if seen < 20 else (400, {}, "{}")

    with responses.RequestsMock() as mock, reading(context_of(make_config(), stop=clock)) as reader:
        mock.add_callback("GET", USERS, callback=same)
        with pytest.raises(IncompleteReadError):
            reader.read_directory((), NOBODY)
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
    server.get(GROUPS, json=listed(group("g"), {"id": "h"}, group("i")))
    found = reader.read_directory((), NOBODY)
    assert [one.id for one in found.users] == ["a", "d"]
    assert [one.id for one in found.groups] == ["g", "i"]
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
    found = reader.read_directory((), NOBODY)
    assert [one.members for one in found.groups] == [frozenset({"a"}), None, None, None]


def test_a_group_alone_without_members_in_a_list_that_shows_members_has_none(
    reader: Reader, server: responses.RequestsMock
) -> None:
    server.get(USERS, json=NO_GROUPS)
    rows = [group("g", members=[{"value": "a"}]), {"id": "h", "displayName": "h"}, group("i", members=[])]
    server.get(GROUPS, json=listed(*rows))
    assert [one.members for one in reader.read_directory((), NOBODY).groups] == [frozenset({"a"}), None, frozenset()]


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (401, "{}", CredentialsError, "refused the SCIM token"),
        (401, "<html>", CredentialsError, "refused the SCIM token"),
        (403, '{"detail": "not you"}', CredentialsError, "HTTP 403: not you"),
        (404, "{}", UnreachableError, "HTTP 404"),
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
        reader.read_directory((), NOBODY)
    assert getattr(caught.value, "hint", "")
    assert "scim-token" not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize(("status", "tries"), [(500, 3), (502, 4), (503, 4), (504, 4), (429, 4)])
def test_a_failure_that_may_pass_is_tried_again_and_then_told(
    reader: Reader, server: responses.RequestsMock, status: int, tries: int
) -> None:
    for _ in range(tries):
        server.get(USERS, status=status)
    with pytest.raises((UnreachableError, IncompleteReadError), match=f"HTTP {status}"):
        reader.read_directory((), NOBODY)


def test_a_list_that_fails_for_good_is_replaced_by_look_ups(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(USERS, status=500)
    server.get(f"{USERS}/a", json=user("a"))
    found = lookups("auto").read_directory((), Wanted(frozenset({"a"}), frozenset(), {}, {}))
    assert ([one.id for one in found.users], found.complete) == (["a"], False)
    assert "fails to list its users (HTTP 500). Each account is looked up instead." in found.warnings[0]


def test_where_neither_a_list_nor_any_look_up_is_answered_the_read_fails(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    for _ in range(3):  # the list, and both accounts
        server.get(re.compile(f"{USERS}.*"), status=500)
    with pytest.raises(UnreachableError, match="could not read a single one of 2 users"):
        lookups("auto").read_directory((), Wanted(frozenset({"a", "b"}), frozenset(), {}, {}))


@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_that_the_server_asks_for_is_waited(
    reader: Reader, server: responses.RequestsMock, clock: Clock, status: int
) -> None:
    server.get(USERS, status=status, headers={"Retry-After": "17"})
    server.get(USERS, json=NO_GROUPS)
    server.get(GROUPS, json=NO_GROUPS)
    reader.read_directory((), NOBODY)
    assert clock.waits[0] == 17.0


@pytest.mark.parametrize(
    "error", [requests.ConnectionError("reset"), requests.ReadTimeout(), requests.exceptions.ChunkedEncodingError()]
)
def test_a_broken_connection_is_tried_again(reader: Reader, server: responses.RequestsMock, error: Exception) -> None:
    server.get(USERS, body=error)
    server.get(USERS, json=NO_GROUPS)
    server.get(GROUPS, json=NO_GROUPS)
    assert reader.read_directory((), NOBODY).users == ()


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
    with reading(context_of(make_config())) as reader:
        reader.read_directory((), NOBODY)
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
    with reading(context_of(make_config(ninjaone=ninjaone))) as reader:
        assert reader.endpoint.transport._verify == verify


def test_a_proxy_is_used_where_one_is_configured(make_config: MakeConfig) -> None:
    with reading(context_of(make_config(ninjaone={"proxy": "http://p.example"}))) as reader:
        assert reader.endpoint.transport._proxies == {"http": "http://p.example", "https": "http://p.example"}
