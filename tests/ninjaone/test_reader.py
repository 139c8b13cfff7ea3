"""Reading and writing NinjaOne, one reply after the other, as the library ``responses`` plays them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import pytest
import requests
import responses
from pydantic import SecretStr

from ninjasync.config.context import RunContext
from ninjasync.config.schema import Config
from ninjasync.errors import CredentialsError, IncompleteReadError, UnreachableError
from ninjasync.model.directory import Group, User, Wanted
from ninjasync.ninjaone.endpoint import connect
from ninjasync.ninjaone.reader import Reader
from tests.support.contexts import context_of

if TYPE_CHECKING:
    from tests.support.clock import Clock

MakeConfig = Callable[..., Config]
URL = "https://ninjaone.test/scim/v2"
USERS, GROUPS = f"{URL}/Users", f"{URL}/Groups"


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    """Replies in the order of registration; each must be asked for."""
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        yield mock


@contextmanager
def reading(context: RunContext) -> Iterator[Reader]:
    with connect(context, SecretStr("scim-token")) as endpoint:
        yield Reader(endpoint, context)


@pytest.fixture
def reader(make_config: MakeConfig, clock: Clock) -> Iterator[Reader]:
    config = make_config(ninjaone={"dialect": {"page_size": 2}}, run={"retries": 3})
    with reading(context_of(config, stop=clock)) as made:
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
NOBODY = Wanted(frozenset(), frozenset(), {}, {})


# --- reading ---------------------------------------------------------------------------------


def test_both_lists_are_read_page_by_page_by_what_came(reader: Reader, server: responses.RequestsMock) -> None:
    server.get(USERS, json=listed(user("a", externalId="DU1"), total=3))
    server.get(USERS, json=listed(user("b"), user("c"), total=3))
    server.get(GROUPS, json=listed(group("g", members=[{"value": "a"}])))
    found = reader.directory(("title",), NOBODY)
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
        found = reader.directory((), NOBODY)
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
        found = reader.directory((), NOBODY)
        assert len(server.calls) == 2
    assert ([one.id for one in found.users], [one.id for one in found.groups]) == (["a"], ["g"])


@pytest.mark.parametrize("refused", [USERS, GROUPS])
def test_what_goes_wrong_with_what_was_begun_is_raised_to_whoever_wants_it(reader: Reader, refused: str) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as server:
        server.get(USERS, json=listed(user("a")), status=401 if refused == USERS else 200)
        server.get(GROUPS, json=listed(group("g")), status=401 if refused == GROUPS else 200)
        reader.begin(())
        with pytest.raises(CredentialsError):
            reader.directory((), NOBODY)


def test_every_request_carries_the_token_and_asks_for_scim(reader: Reader, server: responses.RequestsMock) -> None:
    server.get(USERS, json=NO_GROUPS)
    server.get(GROUPS, json=NO_GROUPS)
    reader.directory((), NOBODY)
    for call in server.calls:
        assert call.request.headers["Authorization"] == "Bearer scim-token"
        assert call.request.headers["Accept"].startswith("application/scim+json")
        assert call.request.headers["User-Agent"].startswith("ninjasync/")


def test_without_a_total_pages_are_read_until_an_empty_one(reader: Reader, server: responses.RequestsMock) -> None:
    server.get(USERS, json=listed(user("a"), user("b"), total=None))
    server.get(USERS, json=listed(user("c"), total=None))
    server.get(USERS, json=listed(total=None))
    server.get(GROUPS, json=NO_GROUPS)
    assert [found.id for found in reader.directory((), NOBODY).users] == ["a", "b", "c"]


def test_a_list_that_ends_before_its_total_is_incomplete(reader: Reader, server: responses.RequestsMock) -> None:
    server.get(USERS, json=listed(user("a"), total=2))
    server.get(USERS, json=listed(total=2))
    with pytest.raises(IncompleteReadError, match="says that it has 2 users, but sent 1"):
        reader.directory((), NOBODY)


@pytest.mark.parametrize("total", [5, None])
def test_a_server_that_sends_the_same_page_again_is_an_error_and_no_loop(
    reader: Reader, server: responses.RequestsMock, total: int | None
) -> None:
    for _ in range(2):
        server.get(USERS, json=listed(user("a"), user("b"), total=total))
    with pytest.raises(IncompleteReadError, match="sends the same users again"):
        reader.directory((), NOBODY)


def test_a_page_that_is_sent_twice_does_not_stand_for_the_one_that_was_not(
    reader: Reader, server: responses.RequestsMock
) -> None:
    for _ in range(2):
        server.get(USERS, json=listed(user("a"), user("b"), total=4))
    with pytest.raises(IncompleteReadError):
        reader.directory((), NOBODY)


def test_one_account_that_comes_twice_does_not_stand_for_another_that_was_skipped(
    reader: Reader, server: responses.RequestsMock
) -> None:
    server.get(USERS, json=listed(user("a"), user("b"), total=3))
    server.get(USERS, json=listed(user("b"), total=3))
    with pytest.raises(IncompleteReadError):
        reader.directory((), NOBODY)


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
            reader.directory((), NOBODY)
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
    found = reader.directory((), NOBODY)
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
    found = reader.directory((), NOBODY)
    assert [one.members for one in found.groups] == [frozenset({"a"}), None, None, None]


def test_a_group_alone_without_members_in_a_list_that_shows_members_has_none(
    reader: Reader, server: responses.RequestsMock
) -> None:
    server.get(USERS, json=NO_GROUPS)
    rows = [group("g", members=[{"value": "a"}]), {"id": "h", "displayName": "h"}, group("i", members=[])]
    server.get(GROUPS, json=listed(*rows))
    assert [one.members for one in reader.directory((), NOBODY).groups] == [frozenset({"a"}), None, frozenset()]


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
        reader.directory((), NOBODY)
    assert getattr(caught.value, "hint", "")
    assert "scim-token" not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize(("status", "tries"), [(500, 3), (502, 4), (503, 4), (504, 4), (429, 4)])
def test_a_failure_that_may_pass_is_tried_again_and_then_told(
    reader: Reader, server: responses.RequestsMock, status: int, tries: int
) -> None:
    for _ in range(tries):
        server.get(USERS, status=status)
    with pytest.raises((UnreachableError, IncompleteReadError), match=f"HTTP {status}"):
        reader.directory((), NOBODY)


def test_a_list_that_fails_for_good_is_replaced_by_look_ups(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(USERS, status=500)
    server.get(f"{USERS}/a", json=user("a"))
    found = lookups("auto").directory((), Wanted(frozenset({"a"}), frozenset(), {}, {}))
    assert ([one.id for one in found.users], found.complete) == (["a"], False)
    assert "fails to list its users (HTTP 500). Each account is looked up instead." in found.warnings[0]


def test_where_neither_a_list_nor_any_look_up_is_answered_the_read_fails(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    for _ in range(3):  # the list, and both accounts
        server.get(re.compile(f"{USERS}.*"), status=500)
    with pytest.raises(UnreachableError, match="could not read a single one of 2 users"):
        lookups("auto").directory((), Wanted(frozenset({"a", "b"}), frozenset(), {}, {}))


@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_that_the_server_asks_for_is_waited(
    reader: Reader, server: responses.RequestsMock, clock: Clock, status: int
) -> None:
    server.get(USERS, status=status, headers={"Retry-After": "17"})
    server.get(USERS, json=NO_GROUPS)
    server.get(GROUPS, json=NO_GROUPS)
    reader.directory((), NOBODY)
    assert clock.waits[0] == 17.0


@pytest.mark.parametrize(
    "error", [requests.ConnectionError("reset"), requests.ReadTimeout(), requests.exceptions.ChunkedEncodingError()]
)
def test_a_broken_connection_is_tried_again(reader: Reader, server: responses.RequestsMock, error: Exception) -> None:
    server.get(USERS, body=error)
    server.get(USERS, json=NO_GROUPS)
    server.get(GROUPS, json=NO_GROUPS)
    assert reader.directory((), NOBODY).users == ()


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
        reader.directory((), NOBODY)
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
    account = reader.endpoint.find_own_user("DU1", "jane@example.com")
    assert (account.id if account else None) == found


@pytest.mark.parametrize(
    ("by_external_id", "by_name", "found"),
    [
        ([group("g", externalId="DG1")], None, "g"),
        ([group("x", externalId="DG9")], [group("g", displayName="Staff")], "g"),
        ([], [group("g", displayName="Staff", externalId="DG9"), group("h", displayName="staff")], "h"),
        ([], [group("g", displayName="Staff", externalId="DG9"), group("h", displayName="Stuff")], None),
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
    made = reader.endpoint.find_own_group("DG1", "Staff")
    assert (made.id if made else None) == found


def test_a_hostile_name_stays_within_its_filter(reader: Reader, server: responses.RequestsMock) -> None:
    server.get(USERS, json=listed())
    server.get(USERS, json=listed())
    reader.endpoint.find_own_user("DU1", 'x" or id pr or "@example.com')
    params = server.calls[1].request.params  # type: ignore[attr-defined]  # responses adds it
    assert params == {"filter": r'userName eq "x\" or id pr or \"@example.com"'}


@pytest.mark.parametrize("status", [400, 404])
def test_a_filter_that_is_not_supported_finds_nobody(
    reader: Reader, server: responses.RequestsMock, status: int
) -> None:
    server.get(USERS, status=status, json={})
    server.get(USERS, json=listed(user("a", userName="jane@example.com")))
    account = reader.endpoint.find_own_user("DU1", "jane@example.com")
    assert account is not None
    assert account.id == "a"


@pytest.mark.parametrize(("status", "body"), [(200, {}), (403, {}), (418, {"detail": "teapot"})])
def test_a_look_up_that_gives_no_answer_is_not_taken_for_nobody(
    reader: Reader, server: responses.RequestsMock, status: int, body: Any
) -> None:
    server.get(USERS, status=status, json=body)
    with pytest.raises((UnreachableError, CredentialsError), match=f"look-up .*HTTP {status}"):
        reader.endpoint.find_own_user("DU1", "jane@example.com")


# --- one by one ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [(200, user("a", externalId="DU1"), "a"), (404, {}, None), (404, None, None)],
)
def test_an_account_is_read_by_its_id(
    reader: Reader, server: responses.RequestsMock, status: int, body: Any, found: str | None
) -> None:
    server.get(f"{USERS}/a%2Fb", status=status, json=body)
    account = reader.endpoint.read_user("a/b", ())
    assert (account.id if account else None) == found


@pytest.mark.parametrize(("status", "body"), [(200, {"id": "g"}), (200, []), (403, {}), (400, {})])
def test_a_group_that_gives_no_readable_answer_is_not_taken_for_gone(
    reader: Reader, server: responses.RequestsMock, status: int, body: Any
) -> None:
    server.get(f"{GROUPS}/g", status=status, json=body)
    with pytest.raises((UnreachableError, CredentialsError)):
        reader.endpoint.read_group("g")


NOW = datetime(2027, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("created", "since"),
    [
        ("2027-01-01T12:00:00Z", True),
        ("2027-01-01T11:59:58Z", True),  # clocks show whole seconds
        ("2027-01-01T11:59:57Z", False),
        ("2030-01-01T00:00:00", True),
        ("2020-01-01T00:00:00Z", False),
        ("yesterday", False),
        (None, False),
    ],
)
def test_a_resource_was_made_since_only_where_ninjaone_says_so(
    reader: Reader, server: responses.RequestsMock, created: str | None, since: bool
) -> None:
    server.get(f"{USERS}/a", json={"meta": {"created": created}})
    assert _made_since(reader, NOW) is since


def _made_since(reader: Reader, when: datetime) -> bool:
    """Ask with the server's clock taken to be right: without a Date header the skew is next to nothing."""
    return reader.endpoint.was_created_since("user", "a", when)


def test_a_clock_that_is_an_hour_ahead_is_reckoned_with(reader: Reader, server: responses.RequestsMock) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    made = {"meta": {"created": (ahead - timedelta(minutes=10)).isoformat()}}
    server.get(f"{USERS}/a", json=made, headers={"Date": format_datetime(ahead, usegmt=True)})
    assert not _made_since(reader, datetime.now(UTC)), "ten minutes before, though later by our clock"


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
    holder = reader.endpoint.find_holder(resource, "DU1", "jane@x.yz")
    assert (holder.id if holder else None) == found


# --- lists that are not to be trusted --------------------------------------------------------


@pytest.fixture
def lookups(make_config: MakeConfig, clock: Clock) -> Iterator[Callable[[str], Reader]]:
    """Make a reader for a kind of discovery; it asks one thing at a time."""
    made: list[Reader] = []

    def make(discovery: str) -> Reader:
        config = make_config(ninjaone={"dialect": {"discovery": discovery}}, run={"parallelism": 1, "retries": 0})
        context = context_of(config, stop=clock)
        made.append(Reader(connect(context, SecretStr("t")), context))
        return made[-1]

    yield make
    for reader in made:
        reader.endpoint.close()


def test_every_account_of_the_ledger_is_looked_up_by_id_and_every_wanted_name_by_filter(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    wanted = Wanted(frozenset({"a", "gone"}), frozenset({"g"}), {"DU2": "b@example.com"}, {"DG1": "g", "DG2": "new"})
    server.get(f"{USERS}/a", json=user("a", externalId="DU1"))
    server.get(f"{USERS}/gone", status=404, json={})
    server.get(USERS, json=listed(user("b", userName="B@example.com"), user("x")))
    server.get(f"{GROUPS}/g", json=group("g", externalId="DG1", members=[{"value": "a"}]))
    server.get(GROUPS, json=listed(group("g", externalId="DG1", members=[{"value": "a"}])))
    server.get(GROUPS, json=listed())
    server.get(GROUPS, json=listed(group("h", displayName="Old", externalId="DG2")))
    found = lookups("lookup").directory((), wanted)
    assert [account.id for account in found.users] == ["a", "b"]
    assert [one.id for one in found.groups] == ["g", "h"]
    assert found.vanished == {"gone"}
    assert not found.complete


@pytest.mark.parametrize("status", [400, 405, 501])
def test_a_server_that_does_not_list_is_looked_up_and_that_is_said(
    lookups: Callable[[str], Reader], server: responses.RequestsMock, status: int
) -> None:
    server.get(USERS, status=status, json={"detail": "too many"})
    server.get(USERS, json=listed(user("b", userName="b@example.com")))
    found = lookups("auto").directory((), Wanted(frozenset(), frozenset(), {"DU2": "b@example.com"}, {}))
    assert [account.id for account in found.users] == ["b"]
    assert "does not list its users" in found.warnings[0]
    assert not found.complete


def test_a_list_that_was_asked_for_and_is_refused_is_an_error_with_the_cure(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(USERS, status=501, json={})
    with pytest.raises(UnreachableError) as caught:
        lookups("list").directory((), NOBODY)
    assert 'discovery = "lookup"' in caught.value.hint


def test_a_list_that_lacks_an_account_which_can_still_be_read_is_not_trusted(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(USERS, json=listed(user("b")))
    server.get(GROUPS, json=listed())
    server.get(f"{USERS}/a", json=user("a"))
    server.get(f"{USERS}/a", json=user("a"))
    found = lookups("auto").directory((), Wanted(frozenset({"a"}), frozenset(), {}, {}))
    assert [account.id for account in found.users] == ["a"]
    assert not found.complete
    assert "the list is not trusted" in found.warnings[0]


def test_what_the_list_lacks_and_nobody_can_read_is_gone(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(USERS, json=listed(user("b")))
    server.get(GROUPS, json=listed(group("g", members=[{"value": "a"}])))
    server.get(f"{USERS}/a", status=404, json={})
    server.get(f"{GROUPS}/h", status=404, json={})
    found = lookups("auto").directory((), Wanted(frozenset({"a", "b"}), frozenset({"g", "h"}), {}, {}))
    assert found.vanished == {"a", "h"}
    assert found.complete


def test_the_holder_of_a_name_that_was_refused_is_looked_for_and_hidden_where_nobody_is_shown(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    contested: frozenset[tuple[Any, str]] = frozenset(
        {("user", "b@example.com"), ("user", "c@example.com"), ("user", "d@example.com"), ("group", "staff")}
    )
    server.get(USERS, json=listed(user("b")))
    server.get(GROUPS, json=listed())
    server.get(GROUPS, json=listed(group("g", displayName="Staff")))
    server.get(USERS, json=listed(user("c", userName="C@example.com")))
    server.get(USERS, json=listed())
    found = lookups("list").directory((), Wanted(frozenset(), frozenset(), {}, {}, contested))
    assert [account.id for account in found.users] == ["b", "c"]
    assert [one.id for one in found.groups] == ["g"]
    assert found.hidden == {("user", "d@example.com")}


def test_an_unreadable_record_found_by_a_look_up_is_held(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(USERS, json=listed({"userName": "b@example.com", "externalId": "DU2"}))
    server.get(USERS, json=listed())
    found = lookups("lookup").directory((), Wanted(frozenset(), frozenset(), {"DU2": "b@example.com"}, {}))
    assert [problem.external_id for problem in found.unreadable] == ["DU2"]


def test_a_list_that_lacks_a_group_which_can_still_be_read_is_not_trusted_either(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(USERS, json=listed())
    server.get(GROUPS, json=listed())
    server.get(f"{GROUPS}/g", json=group("g"))
    server.get(f"{GROUPS}/g", json=group("g"))
    found = lookups("auto").directory((), Wanted(frozenset(), frozenset({"g"}), {}, {}))
    assert [one.id for one in found.groups] == ["g"]
    assert "lacks the group g" in found.warnings[0]


def test_an_account_that_the_list_lacks_and_that_cannot_be_understood_is_held_and_not_gone(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(USERS, json=listed())
    server.get(GROUPS, json=listed())
    server.get(f"{USERS}/a", json={"id": "a"})
    found = lookups("auto").directory((), Wanted(frozenset({"a"}), frozenset(), {}, {}))
    assert found.vanished == frozenset()
    assert [problem.key for problem in found.unreadable] == ["a"]


def test_an_account_that_is_looked_up_and_cannot_be_understood_is_held_and_not_gone(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(f"{USERS}/a", json={"id": "a"})
    found = lookups("lookup").directory((), Wanted(frozenset({"a"}), frozenset(), {}, {}))
    assert found.vanished == frozenset()
    assert [problem.key for problem in found.unreadable] == ["a"]
