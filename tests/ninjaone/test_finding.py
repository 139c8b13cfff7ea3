"""Accounts and groups that are looked up, one by one, and lists that are not to be trusted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import responses

from ninjasync.errors import CredentialsError, UnreachableError
from ninjasync.model.directory import Wanted
from ninjasync.ninjaone.reader import Reader
from tests.support.scim_pages import GROUPS, NOBODY, USERS, group, listed, user

# --- looking up --------------------------------------------------------------------------------


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
def test_a_filter_that_is_not_supported_finds_no_user(
    reader: Reader, server: responses.RequestsMock, status: int
) -> None:
    server.get(USERS, status=status, json={})
    server.get(USERS, json=listed(user("a", userName="jane@example.com")))
    account = reader.endpoint.find_own_user("DU1", "jane@example.com")
    assert account is not None
    assert account.id == "a"


@pytest.mark.parametrize(("status", "body"), [(200, {}), (403, {}), (418, {"detail": "teapot"})])
def test_a_look_up_without_an_answer_is_not_taken_for_an_absent_user(
    reader: Reader, server: responses.RequestsMock, status: int, body: Any
) -> None:
    server.get(USERS, status=status, json=body)
    with pytest.raises((UnreachableError, CredentialsError), match=f"look-up .*HTTP {status}"):
        reader.endpoint.find_own_user("DU1", "jane@example.com")


# --- one by one --------------------------------------------------------------------------------


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
def test_the_account_that_holds_a_name_is_found_whether_managed_or_not(
    reader: Reader, server: responses.RequestsMock, resource: Any, first: Any, second: Any, found: str | None
) -> None:
    url = USERS if resource == "user" else GROUPS
    server.get(url, json=listed(*first))
    if second is not None:
        server.get(url, json=listed(*second))
    holder = reader.endpoint.find_holder(resource, "DU1", "jane@x.yz")
    assert (holder.id if holder else None) == found


# --- lists that are not to be trusted ----------------------------------------------------------


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
    found = lookups("lookup").read_directory((), wanted)
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
    found = lookups("auto").read_directory((), Wanted(frozenset(), frozenset(), {"DU2": "b@example.com"}, {}))
    assert [account.id for account in found.users] == ["b"]
    assert "does not list its users" in found.warnings[0]
    assert not found.complete


def test_a_list_that_was_asked_for_and_is_refused_is_an_error_with_the_cure(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(USERS, status=501, json={})
    with pytest.raises(UnreachableError) as caught:
        lookups("list").read_directory((), NOBODY)
    assert 'discovery = "lookup"' in caught.value.hint


def test_a_list_that_lacks_an_account_which_can_still_be_read_is_not_trusted(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(USERS, json=listed(user("b")))
    server.get(GROUPS, json=listed())
    server.get(f"{USERS}/a", json=user("a"))
    server.get(f"{USERS}/a", json=user("a"))
    found = lookups("auto").read_directory((), Wanted(frozenset({"a"}), frozenset(), {}, {}))
    assert [account.id for account in found.users] == ["a"]
    assert not found.complete
    assert "the list is not trusted" in found.warnings[0]


def test_an_account_that_neither_the_list_nor_a_get_shows_is_gone(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(USERS, json=listed(user("b")))
    server.get(GROUPS, json=listed(group("g", members=[{"value": "a"}])))
    server.get(f"{USERS}/a", status=404, json={})
    server.get(f"{GROUPS}/h", status=404, json={})
    found = lookups("auto").read_directory((), Wanted(frozenset({"a", "b"}), frozenset({"g", "h"}), {}, {}))
    assert found.vanished == {"a", "h"}
    assert found.complete


def test_the_holder_of_a_refused_name_is_looked_for_and_hidden_where_none_is_shown(
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
    found = lookups("list").read_directory((), Wanted(frozenset(), frozenset(), {}, {}, contested))
    assert [account.id for account in found.users] == ["b", "c"]
    assert [one.id for one in found.groups] == ["g"]
    assert found.hidden == {("user", "d@example.com")}


def test_an_unreadable_record_found_by_a_look_up_is_held(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(USERS, json=listed({"userName": "b@example.com", "externalId": "DU2"}))
    server.get(USERS, json=listed())
    found = lookups("lookup").read_directory((), Wanted(frozenset(), frozenset(), {"DU2": "b@example.com"}, {}))
    assert [problem.external_id for problem in found.unreadable] == ["DU2"]


def test_a_list_that_lacks_a_group_which_can_still_be_read_is_not_trusted_either(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(USERS, json=listed())
    server.get(GROUPS, json=listed())
    server.get(f"{GROUPS}/g", json=group("g"))
    server.get(f"{GROUPS}/g", json=group("g"))
    found = lookups("auto").read_directory((), Wanted(frozenset(), frozenset({"g"}), {}, {}))
    assert [one.id for one in found.groups] == ["g"]
    assert "lacks the group g" in found.warnings[0]


def test_an_account_that_the_list_lacks_and_that_cannot_be_understood_is_held_and_not_gone(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(USERS, json=listed())
    server.get(GROUPS, json=listed())
    server.get(f"{USERS}/a", json={"id": "a"})
    found = lookups("auto").read_directory((), Wanted(frozenset({"a"}), frozenset(), {}, {}))
    assert found.vanished == frozenset()
    assert [problem.key for problem in found.unreadable] == ["a"]


def test_an_account_that_is_looked_up_and_cannot_be_understood_is_held_and_not_gone(
    lookups: Callable[[str], Reader], server: responses.RequestsMock
) -> None:
    server.get(f"{USERS}/a", json={"id": "a"})
    found = lookups("lookup").read_directory((), Wanted(frozenset({"a"}), frozenset(), {}, {}))
    assert found.vanished == frozenset()
    assert [problem.key for problem in found.unreadable] == ["a"]
