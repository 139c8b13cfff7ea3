"""Groups and their members, and the names and the order of all changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ninjasync.config.provisioning import Deprovision, Groups
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Delta, Member
from ninjasync.model.directory import Problem
from ninjasync.model.message import Message
from ninjasync.model.values import same_value

if TYPE_CHECKING:
    from tests.support.sides import Sides
from tests.support.differences import HELD, LEFT_ALONE, OUT, only, problems, what

# --- names -------------------------------------------------------------------------------------


def test_two_users_that_swapped_addresses_swap_by_a_temporary_name_at_their_own_domain(sides: Sides) -> None:
    sides.duo("A", "b@example.org")
    sides.duo("B", "a@example.com")
    sides.account("a", "a@example.com", "A")
    sides.account("b", "b@example.org", "B")
    found = sides.diff()
    assert what(found) == [("update", "a@example.com"), ("update", "b@example.org")]
    assert [change.via for change in found.changes] == ["ninjasync-B@example.com", None]


def test_a_chain_of_addresses_comes_in_the_order_in_which_names_become_free(sides: Sides) -> None:
    for who, wants, has in (("A", "b", "a"), ("B", "c", "b"), ("C", "d", "c")):
        sides.duo(who, f"{wants}@x.yz")
        sides.account(who.lower(), f"{has}@x.yz", who)
    sides.duo("Z", "a@x.yz")
    found = sides.diff()
    assert what(found) == [
        ("update", "d@x.yz"),
        ("update", "c@x.yz"),
        ("update", "b@x.yz"),
        ("create", "a@x.yz"),
    ]
    assert [change.needs for change in found.changes] == [(), ("user:c",), ("user:b",), ("user:a",)]


def test_users_that_share_one_address_are_held_and_each_message_names_the_others(sides: Sides) -> None:
    sides.duo("A", "Same@example.com")
    sides.duo("B", "same@example.com")
    sides.account("b", "old@example.com", "B")
    found = sides.diff()
    assert found.changes == ()
    assert problems(found) == {"A": "duplicate-user-name", "B": "duplicate-user-name"}
    assert "wants the same userName as same@example.com" in found.problems[0].message
    assert (found.users.held, found.users.unchanged) == (2, 0)


def test_a_disabled_twin_is_no_duplicate(sides: Sides) -> None:
    sides.duo("A", "same@example.com")
    sides.duo("B", "same@example.com", standing=OUT)
    assert what(sides.diff()) == [("create", "same@example.com")]


def test_an_unmanaged_account_with_the_new_address_of_a_managed_user_is_not_taken_over(sides: Sides) -> None:
    sides.duo("A", "new@example.com")
    sides.account("a", "old@example.com", "A")
    sides.account("s", "new@example.com")
    found = sides.diff()
    assert found.changes == ()
    assert problems(found) == {"A": "name-taken"}


def test_an_account_that_could_not_be_read_is_held_with_its_user_and_its_name(sides: Sides) -> None:
    sides.duo("A")
    sides.duo("B", "b@example.com")
    sides.unreadable_in_ninjaone += [
        Problem("user", "x", "A", "unreadable-record", Message("has no userName")),
        Problem("user", "B@example.com", None, "unreadable-record", Message("has no id")),
    ]
    found = sides.diff()
    assert found.changes == ()
    assert {(problem.external_id, problem.code) for problem in found.problems} == {
        ("A", "unreadable-record"),
        (None, "unreadable-record"),
        ("B", "name-taken"),
    }
    assert any("an account that NinjaOne does not show" in problem.message for problem in found.problems)


def test_every_record_without_an_id_counts_as_held(sides: Sides) -> None:
    lost = Problem("user", "?", None, "unreadable-record", Message("without an id"))
    sides.unreadable_in_duo += [lost, lost]
    sides.duo("A", standing=HELD)
    assert sides.diff().users.held == 3


# --- groups and members ------------------------------------------------------------------------


def test_a_new_group_is_created_with_its_members_and_after_the_users(sides: Sides) -> None:
    sides.settled("A")
    sides.duo("A", groups=("G",))
    sides.duo("B", groups=("G",))
    sides.duo("C", groups=("G",), standing=HELD)
    sides.duo("D", groups=("G",), standing=OUT)
    sides.duo_group("G", 'Staff (from AD sync "x")', pushed="Staff")
    person, group = sides.diff().changes
    assert (person.action, person.key) == ("create", "b@example.com")
    assert (group.resource, group.action, group.key) == ("group", "create", "Staff")
    assert group.diff == (Delta("displayName", None, "Staff"),)
    assert group.added == (Member("a@example.com", "A", "n-A"), Member("b@example.com", "B", None))
    assert group.reasons == ('the Duo group "Staff (from AD sync "x")" is in scope',)


def test_a_renamed_group_is_renamed_in_place(sides: Sides) -> None:
    sides.duo_group("G", "New")
    sides.group("g", "Old", "G")
    change = only(sides.diff())
    assert (change.action, change.id, change.diff) == ("update", "g", (Delta("displayName", "Old", "New"),))


def test_a_group_name_changes_even_if_only_in_letter_case(sides: Sides) -> None:
    sides.duo_group("G", "STAFF")
    sides.group("g", "Staff", "G")
    assert only(sides.diff()).diff == (Delta("displayName", "Staff", "STAFF"),)


def test_two_groups_that_swapped_names_swap_by_way_of_a_temporary_one(sides: Sides) -> None:
    sides.duo_group("G", "H-name")
    sides.duo_group("H", "G-name")
    sides.group("g", "G-name", "G")
    sides.group("h", "H-name", "H")
    assert sorted(str(change.via) for change in sides.diff().changes) == ["None", "ninjasync-H"]


def test_a_hand_made_group_of_that_name_is_adopted_with_its_role_mapping(sides: Sides) -> None:
    sides.settled("A")
    sides.duo("A", groups=("G",))
    sides.duo_group("G", "Staff")
    sides.group("g", "staff")
    found = sides.diff()
    change = only(found)
    assert (change.action, change.id) == ("adopt", "g")
    assert change.diff == (Delta("externalId", None, "G"), Delta("displayName", "staff", "Staff"))
    assert change.added == (Member("a@example.com", "A", "n-A"),)
    assert found.groups.unmanaged == 0


def test_with_adopt_off_a_group_whose_name_is_taken_is_held(sides: Sides) -> None:
    sides.deprovision = Deprovision(adopt=False)
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff")
    found = sides.diff()
    assert found.changes == ()
    assert problems(found) == {"G": "duplicate-group-name"}
    assert (found.groups.held, found.groups.unmanaged) == (1, 1)


def test_groups_that_would_get_one_name_are_held_and_each_message_names_the_other(sides: Sides) -> None:
    sides.duo_group("G", 'Staff (from AD sync "a")', pushed="Staff")
    sides.duo_group("H", "staff")
    sides.group("g", "Staff", "G")
    found = sides.diff()
    assert found.changes == ()
    assert problems(found) == {"G": "duplicate-group-name", "H": "duplicate-group-name"}
    assert '"staff" in Duo would get the same name' in found.problems[0].message
    assert (found.groups.held, found.groups.unchanged) == (2, 0)


def test_the_second_group_with_an_externalid_is_left_alone_and_said(sides: Sides) -> None:
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff", "G")
    sides.group("g2", "Staff 2", "G")
    found = sides.diff()
    assert found.changes == ()
    assert found.warnings == ("Staff (g) and Staff 2 (g2) both claim the Duo id G; the second is left alone.",)


def test_the_second_group_with_an_externalid_is_not_given_to_another_group(sides: Sides) -> None:
    sides.duo_group("G", "Staff")
    sides.duo_group("H", "Other")
    sides.group("g", "Staff", "G")
    sides.group("g2", "Other", "G")
    assert problems(sides.diff()) == {"H": "duplicate-group-name"}


def test_a_group_whose_record_in_ninjaone_is_unreadable_is_held_and_not_made_anew(sides: Sides) -> None:
    sides.duo_group("G", "Staff")
    sides.duo_group("H", "Ops")
    sides.unreadable_in_ninjaone += [
        Problem("group", "g", "G", "unreadable-record", Message("has no displayName")),
        Problem("group", "OPS", None, "unreadable-record", Message("has no id")),
    ]
    found = sides.diff()
    assert found.changes == ()


def test_an_unreadable_group_is_counted_among_the_groups_not_the_users(sides: Sides) -> None:
    sides.unreadable_in_ninjaone.append(Problem("group", "g", None, "unreadable-record", Message("has no displayName")))
    found = sides.diff()
    assert (found.users.held, found.groups.held) == (0, 1)


@pytest.mark.parametrize(("removed", "action"), [("keep", None), ("delete", "delete")])
def test_a_group_that_left_the_scope_is_kept_with_its_members_or_deleted(
    sides: Sides, removed: Any, action: str | None
) -> None:
    sides.pushing = Groups(removed=removed)
    sides.settled("A")
    sides.duo_group("G", "Staff", pushed=None)
    sides.group("g", "Staff", "G", ("n-A",))
    found = sides.diff()
    assert [change.action for change in found.changes] == ([action] if action else [])
    assert bool(found.warnings) == (removed == "keep")
    if removed == "keep":
        assert found.warnings == ('The group "Staff" is no longer in scope; it is kept, with its members as they are.',)


def test_a_group_that_duo_does_not_have_is_unmanaged_and_never_deleted(sides: Sides) -> None:
    sides.pushing = Groups(removed="delete")
    sides.group("g", "Staff", "DG-GONE")
    sides.group("h", "Native")
    found = sides.diff()
    assert found.changes == ()
    assert found.groups.unmanaged == 2


def test_members_are_added_and_removed_one_by_one_and_sorted(sides: Sides) -> None:
    sides.settled("A", "B", "C", "D")
    sides.duo("A", groups=("G",))
    sides.duo("B", groups=("G",))
    sides.duo("D", groups=("G",))
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff", "G", ("n-C", "n-D"))
    found = sides.diff()
    change = only(found)
    assert (change.action, change.diff) == ("update", ())
    assert change.added == (Member("a@example.com", "A", "n-A"), Member("b@example.com", "B", "n-B"))
    assert change.removed == (Member("c@example.com", "C", "n-C"),)
    assert found.memberships == 2


def test_a_leaver_leaves_the_groups_with_the_account(sides: Sides) -> None:
    sides.leaver("A")
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff", "G", ("n-A",))
    group, person = sides.diff().changes
    assert group.removed == (Member("a@example.com", "A", "n-A"),)
    assert person.action == "deactivate"


def test_a_leaver_whose_account_is_kept_keeps_the_groups(sides: Sides) -> None:
    sides.deprovision = Deprovision(users="keep")
    sides.leaver("A")
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff", "G", ("n-A",))
    found = sides.diff()
    assert found.changes == ()
    assert "1 group membership of held" in found.warnings[0]


def test_memberships_of_held_locked_out_protected_and_unmanaged_accounts_stay_and_are_counted(sides: Sides) -> None:
    sides.protected = ("p@example.com",)
    sides.duo("H", standing=HELD)
    sides.duo("L", standing=LEFT_ALONE, groups=("G",))
    sides.duo("P", "p@example.com", groups=("G",))
    for id_ in "HLP":
        sides.account(f"n-{id_}", f"{id_.lower()}@example.com", id_)
    sides.account("n-U", "unmanaged@example.com")
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff", "G", ("n-H", "n-U", "n-unknown"))
    found = sides.diff()
    assert found.changes == ()
    assert found.warnings[-1].startswith("5 group memberships of held, protected, kept or unmanaged accounts differ")


def test_memberships_of_held_users_that_agree_are_not_reported(sides: Sides) -> None:
    sides.duo("H", standing=HELD, groups=("G",))
    sides.account("n-H", "h@example.com", "H")
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff", "G", ("n-H",))
    assert sides.diff().warnings == ()


def test_an_adopted_account_brings_its_memberships_along(sides: Sides) -> None:
    sides.duo("A", groups=("G",))
    sides.account("n-A", "a@example.com")
    sides.duo_group("G", "Staff")
    sides.duo_group("H", "Other")
    sides.group("g", "Staff", "G", ("n-A",))
    sides.group("h", "Other", "H", ("n-A",))
    adopted, group = sides.diff().changes
    assert adopted.action == "adopt"
    assert (group.key, group.removed) == ("Other", (Member("a@example.com", "A", "n-A"),))


def test_a_group_whose_members_are_not_shown_loses_no_member(sides: Sides) -> None:
    sides.settled("A")
    sides.duo("A", groups=("G",))
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff", "G", None)
    assert only(sides.diff()).removed == ()


# --- order -------------------------------------------------------------------------------------


def test_removals_come_last_and_users_before_groups_and_then_by_name(sides: Sides) -> None:
    sides.pushing = Groups(removed="delete")
    sides.leaver("L")
    sides.duo("B", "B@example.com")
    sides.duo("A", "a@example.com")
    sides.duo_group("N", "New")
    sides.duo_group("O", "Old", pushed=None)
    sides.group("o", "Old", "O")
    assert what(sides.diff()) == [
        ("create", "a@example.com"),
        ("create", "B@example.com"),
        ("create", "New"),
        ("deactivate", "l@example.com"),
        ("delete", "Old"),
    ]


def test_the_order_in_which_records_arrive_changes_nothing(sides: Sides) -> None:
    sides.settled("A", "B")
    sides.leaver("L", "M")
    sides.duo("A", "b@example.com", groups=("G",))
    sides.duo("B", "a@example.com", groups=("G",))
    sides.duo("C", groups=("G",))
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff", "G", ("n-L", "n-M"))
    first = sides.diff()
    sides.people = dict(reversed(sides.people.items()))
    sides.accounts.reverse()
    second = sides.diff()
    assert (first.changes, first.problems, first.warnings) == (second.changes, second.problems, second.warnings)


@pytest.mark.parametrize(
    ("path", "actual", "desired", "same"),
    [
        (USER_TYPE, "Technician", "technician", True),
        (USER_TYPE, "ENDUSER", "endUser", True),
        (USER_TYPE, "endUser", "technician", False),
        (USER_TYPE, "endUser", None, True),
        (USER_TYPE, None, None, True),
        (USER_TYPE, "technician", None, False),
        (USER_TYPE, None, "technician", False),
        (USER_TYPE, None, "endUser", False),
        (ORGANIZATION_ID, "all", "All", True),
        (ORGANIZATION_ID, "007", "7", True),
        (ORGANIZATION_ID, "000", "0", True),
        (ORGANIZATION_ID, "7", "All", False),
        (ORGANIZATION_ID, "All", None, True),
        (ORGANIZATION_ID, "7", None, False),
        ("title", "Boss", "boss", False),
        ("title", None, None, True),
        ("title", None, "boss", False),
    ],
)
def test_two_values_are_the_same_where_only_their_form_differs(
    path: str, actual: str | None, desired: str | None, same: bool
) -> None:
    assert same_value(path, actual, desired) is same


def test_a_privilege_that_is_only_spelt_otherwise_is_no_change(sides: Sides) -> None:
    sides.duo("A", values=("Doe", "Jane", "All", "technician"))
    sides.account("a", "a@example.com", "A", values=("Doe", "Jane", "ALL", "Technician"))
    assert sides.diff().changes == ()


def test_a_value_that_is_no_longer_wanted_is_taken_away(sides: Sides) -> None:
    sides.duo("A", values=("Doe", "Jane", None, "technician"))
    sides.account("a", "a@example.com", "A", values=("Doe", "Jane", "7", "technician"))
    assert only(sides.diff()).diff == (Delta(ORGANIZATION_ID, "7", None),)
