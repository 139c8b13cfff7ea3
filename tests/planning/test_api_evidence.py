"""What follows from the public API's evidence: stricter plans only, accounts matched by address alone."""

from __future__ import annotations

from typing import Any

import pytest

from ninjasync.model.api_evidence import KINDS, ApiAccount, ApiEvidence
from ninjasync.model.attributes import GIVEN_NAME, ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Change, Delta
from ninjasync.model.directory import Directory, User
from ninjasync.model.message import Message
from ninjasync.names_alike import folded
from ninjasync.planning.api_evidence import (
    apply_evidence,
    find_administrators,
    names_that_may_hit_administrators,
)

PATHS = (GIVEN_NAME, ORGANIZATION_ID, USER_TYPE)


def account(name: str, kind: Any = "endUser", organization: str | None = "4", **more: Any) -> ApiAccount:
    return ApiAccount(
        folded(name), kind, None if kind == "technician" else organization, **{"administrator": False, **more}
    )


def evidence(*accounts: ApiAccount, **more: Any) -> ApiEvidence:
    return ApiEvidence(accounts={folded(one.name): one for one in accounts}, **more)


def user(name: str, organization: str | None, kind: str | None, id_: str = "1", active: bool = True) -> User:
    return User(name, "DU1", active, ("Ann", organization, kind), id_)


def directory(*users: User) -> Directory:
    return Directory(PATHS, users, ())


def values(found: Directory, name: str) -> tuple[str | None, ...]:
    (one,) = (each for each in found.users if each.user_name == name)
    return one.values


@pytest.mark.parametrize(
    ("shown", "api", "then"),
    [
        ((None, None), account("ann@example.com"), ("4", "endUser")),
        (("12", "endUser"), account("ann@example.com"), ("4", "endUser")),
        (("4", "technician"), account("ann@example.com"), ("4", "endUser")),
        (("4", "ENDUSER"), account("ann@example.com"), ("4", "ENDUSER")),
        (("004", "endUser"), account("ann@example.com"), ("004", "endUser")),
        (("4", "endUser"), account("ann@example.com", organization=None), ("4", "endUser")),
        (("4", "endUser"), account("ANN@EXAMPLE.COM", organization="12"), ("12", "endUser")),
        ((None, "endUser"), account("ann@example.com", organization="All"), ("All", "endUser")),
        (("4", "endUser"), account("ann@example.com", organization="All"), ("4", "endUser")),
        ((None, "endUser"), account("ann@example.com", "technician"), (None, "technician")),
        (("4", "endUser"), account("other@example.com", organization="9"), ("4", "endUser")),
    ],
)
def test_the_apis_word_counts_where_scim_shows_nothing_or_something_else(
    shown: tuple[str | None, str | None], api: ApiAccount, then: tuple[str | None, str | None]
) -> None:
    found = apply_evidence(directory(user("ann@example.com", *shown)), evidence(api), ())
    assert values(found, "ann@example.com") == ("Ann", *then)


def test_an_address_that_two_accounts_have_says_nothing_of_either() -> None:
    both = ApiEvidence(ambiguous={"ann@example.com": frozenset({"endUser", "technician"})})
    found = apply_evidence(directory(user("ann@example.com", None, None)), both, ())
    assert values(found, "ann@example.com") == ("Ann", None, None)


def test_an_account_that_scim_does_not_show_takes_its_name_and_says_its_kind() -> None:
    known = evidence(account("boss@example.com", "technician"), account("nobody.wants@example.com"))
    found = apply_evidence(directory(), known, ["Boss@example.com", "new@example.com"])
    assert found.hidden == {("user", "boss@example.com")}
    assert found.kinds == {"boss@example.com": "a technician"}


def test_a_name_that_scim_shows_is_not_hidden() -> None:
    found = apply_evidence(
        directory(user("ann@example.com", "4", "endUser")), evidence(account("ann@example.com")), ["ann@example.com"]
    )
    assert found.hidden == frozenset()


def test_accounts_that_one_side_calls_active_are_told_and_stay_as_scim_shows_them() -> None:
    known = evidence(account("off@example.com", enabled=False), account("on@example.com", enabled=True))
    actual = directory(
        user("off@example.com", "4", "endUser"), user("on@example.com", "4", "endUser", "2", active=False)
    )
    found = apply_evidence(actual, known, ())
    assert [one.active for one in found.users] == [True, False]
    assert sum("on@example.com" in warning for warning in found.warnings) == 1
    assert sum("off@example.com" in warning for warning in found.warnings) == 1


def test_system_administrators_are_found_by_address() -> None:
    known = evidence(account("boss@example.com", "technician", administrator=True), account("ann@example.com"))
    actual = directory(user("BOSS@example.com", None, "technician"), user("ann@example.com", "4", "endUser", "2"))
    assert find_administrators(actual, known) == {"boss@example.com"}


def change(action: Any, id_: str | None = "1", *rows: Delta) -> Change:
    return Change("user", action, "ann@example.com", id_, "DU1", rows)


DEMOTION = Delta(USER_TYPE, "technician", "endUser")


@pytest.mark.parametrize(
    ("kind", "made", "kept"),
    [
        ("technician", change("deactivate"), False),
        ("technician", change("delete"), False),
        ("technician", change("update", "1", DEMOTION), False),
        ("technician", change("update", "1", Delta(GIVEN_NAME, "Ann", "Anne")), True),
        (None, change("deactivate"), False),
        ("endUser", change("deactivate"), True),
        ("endUser", change("create", None, Delta(USER_TYPE, None, "technician")), True),
    ],
)
def test_as_long_as_administrators_are_unknown_no_technician_is_removed_or_changes_type(
    kind: str | None, made: Change, kept: bool
) -> None:
    unknown = ApiEvidence(unread=frozenset(KINDS), failures=(Message("it cannot be reached"),))
    actual = directory(user("ann@example.com", "4", kind))
    assert names_that_may_hit_administrators((made,), actual, unknown) == (frozenset() if kept else {made.name})


def test_where_they_are_known_nothing_is_withheld() -> None:
    known = evidence(account("ann@example.com", "technician"))
    actual = directory(user("ann@example.com", None, "technician"))
    made = (change("deactivate"), change("update", "1", DEMOTION))
    assert names_that_may_hit_administrators(made, actual, known) == frozenset()


def test_a_technician_of_unknown_role_is_left_alone_and_the_others_are_not() -> None:
    known = evidence(
        account("ann@example.com", "technician", administrator=None), account("bob@example.com", "technician")
    )
    actual = directory(user("ann@example.com", None, "technician"), user("bob@example.com", None, "technician", "2"))
    made = (change("deactivate"), change("deactivate", "2"))
    assert names_that_may_hit_administrators(made, actual, known) == {made[0].name}


def test_a_technician_that_the_apis_list_lacks_may_be_an_administrator() -> None:
    known = evidence(account("bob@example.com", "technician"))
    made = change("deactivate")
    actual = directory(user("ann@example.com", None, "technician"))
    assert names_that_may_hit_administrators((made,), actual, known) == {made.name}
