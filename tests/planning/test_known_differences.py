"""What the ledger says of accounts, and what NinjaOne does not show of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninjasync.config.provisioning import Deprovision, Groups
from ninjasync.model.attributes import USER_TYPE
from ninjasync.model.change import Delta, Member
from ninjasync.model.directory import Problem
from ninjasync.model.message import Message
from ninjasync.model.ownership import Owned

if TYPE_CHECKING:
    from tests.support.sides import Sides
from tests.support.differences import only, problems, what


def test_an_account_that_does_not_show_its_externalid_is_ours_by_the_ledger_and_is_not_told_again(
    sides: Sides,
) -> None:
    sides.duo("A")
    sides.account("n-A", "a@example.com")
    sides.recorded("A")
    found = sides.diff()
    assert found.changes == ()
    assert set(found.ours) == {"A"}


def test_an_account_of_the_ledger_that_carries_another_externalid_is_told_apart_as_ours(sides: Sides) -> None:
    sides.duo("A")
    sides.account("n-A", "a@example.com", "something-else")
    sides.recorded("A")
    assert only(sides.diff()).diff == (Delta("externalId", "something-else", "A"),)


def test_a_user_who_was_deleted_in_duo_is_a_leaver_if_the_ledger_knows_the_account(sides: Sides) -> None:
    sides.settled("B")
    sides.account("n-A", "a@example.com", "A")
    sides.recorded("A", "B")
    found = sides.diff()
    change = only(found)
    assert (change.action, change.id, change.reasons[0]) == ("deactivate", "n-A", "no longer in Duo")
    assert found.leavers == {"A"}


def test_a_user_made_anew_takes_the_account_that_the_ledger_knows(sides: Sides) -> None:
    sides.duo("DUNEW1", "jane@example.com")
    sides.account("a", "jane@example.com", "DUOLD1", active=False)
    sides.recorded("DUOLD1", account="a")
    found = sides.diff()
    change = only(found)
    assert (change.action, change.id) == ("adopt", "a")
    assert change.diff == (Delta("active", False, True), Delta("externalId", "DUOLD1", "DUNEW1"))
    assert (found.users.unmanaged, found.ours, found.leavers) == (0, {}, frozenset())


def test_a_user_made_anew_keeps_the_account_though_adopting_is_off(sides: Sides) -> None:
    sides.deprovision = Deprovision(adopt=False)
    sides.duo("DUNEW1", "jane@example.com")
    sides.account("a", "jane@example.com", "DUOLD1")
    sides.recorded("DUOLD1", account="a")
    assert only(sides.diff()).action == "adopt"


def test_an_account_with_a_duo_id_that_no_ledger_entry_knows_is_not_ours(sides: Sides) -> None:
    sides.duo("DUNEW1", "jane@example.com")
    sides.account("a", "jane@example.com", "DUOTHER")
    found = sides.diff()
    assert found.changes == ()
    assert "carries a Duo id that neither this Duo nor the ledger knows (DUOTHER)" in found.problems[0].message


def test_no_account_is_rekeyed_from_the_ledger_either_while_a_duo_record_has_no_id(sides: Sides) -> None:
    sides.unreadable_in_duo.append(Problem("user", "?", None, "unreadable-record", Message("without an id")))
    sides.duo("DUNEW1", "jane@example.com")
    sides.account("a", "jane@example.com")
    sides.recorded("DUOLD1", account="a")
    found = sides.diff()
    assert problems(found)["DUNEW1"] == "name-taken"
    assert "record in Duo could not be read" in found.problems[1].message


@pytest.mark.parametrize("external_id", [None, "A"])
def test_what_another_tenant_owns_is_never_touched(sides: Sides, external_id: str | None) -> None:
    sides.foreign_users = {"x": "other"}
    sides.foreign_groups = {"g": "other"}
    sides.duo("A")
    sides.duo_group("G", "Staff")
    sides.account("x", "a@example.com", external_id)
    sides.group("g", "Staff")
    found = sides.diff()
    assert found.changes == ()
    assert problems(found) == {"A": "name-taken", "G": "duplicate-group-name"}
    assert "of the tenant other" in found.problems[0].message


def test_a_user_with_an_account_does_not_get_the_name_of_another_tenants_account(sides: Sides) -> None:
    sides.foreign_users = {"x": "other"}
    sides.duo("A", "x@example.com")
    sides.account("a", "a@example.com", "A")
    sides.account("x", "x@example.com")
    assert "the account x of the tenant other" in sides.diff().problems[0].message


def test_an_unmanaged_account_that_blocks_a_rename_is_named(sides: Sides) -> None:
    sides.duo("A", "x@example.com")
    sides.account("a", "a@example.com", "A")
    sides.account("x", "x@example.com")
    assert "the account x, which ninjasync does not manage" in sides.diff().problems[0].message


def test_without_a_ledger_it_is_said_how_many_accounts_cannot_be_judged(sides: Sides) -> None:
    sides.known = False
    sides.settled("A")
    sides.account("x", "x@example.com", "DUGONE1")
    found = sides.diff()
    assert found.changes == ()
    (warning,) = found.warnings
    assert "There is no ledger for this tenant yet: 1 account in NinjaOne cannot be judged" in warning


@pytest.mark.parametrize(
    ("days_ago", "after", "actions"),
    [(30.0, 30, ["delete"]), (29.9, 30, []), (31.0, 30, ["delete"]), (999.0, -1, []), (None, 30, [])],
)
def test_a_leaver_is_deleted_so_many_days_after_the_deactivation_was_recorded(
    sides: Sides, days_ago: float | None, after: int, actions: list[str]
) -> None:
    sides.deprovision = Deprovision(delete_after_days=after)
    sides.leaver("A", active=False)
    sides.recorded("A", deactivated_days_ago=days_ago)
    found = sides.diff()
    assert [change.action for change in found.changes] == actions
    assert len(found.schedule.undated) == (days_ago is None)
    assert len(found.schedule.waiting) == (days_ago == 29.9)


def test_due_deletions_beyond_the_limit_are_deferred_the_oldest_go_first(sides: Sides) -> None:
    sides.removal_limit = 3
    sides.leaver("NOW")
    sides.leaver("A", "B", "C", "D", active=False)
    for days, id_ in ((40, "A"), (70, "B"), (50, "C"), (60, "D")):
        sides.recorded(id_, deactivated_days_ago=days)
    found = sides.diff()
    assert sorted(what(found)) == [
        ("deactivate", "now@example.com"),
        ("delete", "b@example.com"),
        ("delete", "d@example.com"),
    ]
    assert [turn.account.external_id for turn in found.schedule.deferred] == ["C", "A"]
    assert "2 deletions are due but beyond the removal limit" in found.warnings[0]


def test_deletions_that_are_due_wait_while_deactivations_take_the_whole_limit(sides: Sides) -> None:
    sides.leaver("L", "M", "N", "O")
    sides.leaver("A", active=False)
    sides.recorded("A", deactivated_days_ago=99)
    found = sides.diff()
    assert {change.action for change in found.changes} == {"deactivate"}
    assert len(found.schedule.deferred) == 1


def test_a_group_deleted_in_duo_is_kept_or_deleted_if_the_ledger_knows_it(sides: Sides) -> None:
    sides.group("g", "Staff", "DGGONE")
    sides.owned_groups = {"DGGONE": Owned("g", "Staff")}
    assert sides.diff().changes == ()
    sides.pushing = Groups(removed="delete")
    change = only(sides.diff())
    assert (change.action, change.key, change.reasons) == ("delete", "Staff", ("deleted in Duo",))


def test_a_group_made_anew_in_duo_keeps_the_group_and_its_role_mapping(sides: Sides) -> None:
    sides.pushing = Groups(removed="delete")
    sides.duo_group("DGNEW1", "Staff")
    sides.group("g", "Staff", "DGOLD1")
    sides.owned_groups = {"DGOLD1": Owned("g", "Staff")}
    change = only(sides.diff())
    assert (change.action, change.id, change.diff) == ("adopt", "g", (Delta("externalId", "DGOLD1", "DGNEW1"),))


def test_a_group_that_does_not_show_its_externalid_is_ours_by_the_ledger(sides: Sides) -> None:
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff")
    sides.owned_groups = {"G": Owned("g", "Staff")}
    assert sides.diff().changes == ()


def test_members_that_ninjaone_does_not_show_are_those_that_the_ledger_says_we_put_there(sides: Sides) -> None:
    sides.settled("A", "B", "C")
    sides.duo("A", groups=("G",))
    sides.duo("B", groups=("G",))
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff", "G", None)
    sides.owned_groups = {"G": Owned("g", "Staff", members=frozenset({"A", "C", "long-gone"}))}
    found = sides.diff()
    change = only(found)
    assert change.added == (Member("b@example.com", "B", "n-B"),)
    assert change.removed == (Member("c@example.com", "C", "n-C"),)
    assert "does not show the members of its groups" in found.warnings[0]


def test_an_account_of_the_ledger_that_could_not_be_read_is_held_by_its_id(sides: Sides) -> None:
    sides.duo("A")
    sides.recorded("A")
    sides.duo_group("G", "Staff")
    sides.owned_groups = {"G": Owned("g", "Staff")}
    sides.unreadable_in_ninjaone += [
        Problem("user", "n-A", None, "unreadable-record", Message("has no userName")),
        Problem("group", "g", None, "unreadable-record", Message("has no displayName")),
    ]
    assert sides.diff().changes == ()


SHOWN = Owned("n-A", "a@example.com", applied={"name.givenName": "Jane"}, shown={"name.givenName": "JANE"})


@pytest.mark.parametrize(
    ("shows", "wants", "sent"),
    [("JANE", "Jane", False), ("Joan", "Jane", True), ("JANE", "Janet", True)],
)
def test_a_value_that_ninjaone_made_into_another_is_not_sent_again_unchanged(
    sides: Sides, shows: str, wants: str, sent: bool
) -> None:
    sides.duo("A", values=("Doe", wants, "All", "endUser"))
    sides.account("n-A", "a@example.com", "A", values=("Doe", shows, "All", "endUser"))
    sides.owned_users = {"A": SHOWN}
    found = sides.diff()
    assert bool(found.changes) is sent
    assert any("keeps another givenName" in warning or "name.givenName" in warning for warning in found.warnings) is (
        not sent
    )


def test_a_value_that_no_account_shows_is_compared_with_what_was_last_applied(sides: Sides) -> None:
    sides.duo("A", values=("Doe", "Jane", "All", "technician"))
    sides.account("n-A", "a@example.com", "A", values=("Doe", "Jane", "All", None))
    sides.owned_users = {"A": Owned("n-A", "a@example.com", applied={USER_TYPE: "technician"})}
    found = sides.diff()
    assert found.changes == ()
    assert "does not show userType of 1 account" in found.warnings[0]
    sides.owned_users = {"A": Owned("n-A", "a@example.com", applied={USER_TYPE: "endUser"})}
    assert only(sides.diff()).diff == (Delta(USER_TYPE, None, "technician"),)


def test_a_privilege_that_comes_back_different_is_never_accepted(sides: Sides) -> None:
    sides.duo("A", values=("Doe", "Jane", "All", "technician"))
    sides.account("n-A", "a@example.com", "A")
    sides.owned_users = {
        "A": Owned("n-A", "a@example.com", applied={USER_TYPE: "technician"}, shown={USER_TYPE: "endUser"})
    }
    assert only(sides.diff()).diff == (Delta(USER_TYPE, "endUser", "technician"),)


def test_names_that_ninjaone_keeps_otherwise_are_not_sent_again_unchanged(sides: Sides) -> None:
    sides.duo("A", "jane+x@example.com")
    sides.account("n-A", "jane@example.com", "A")
    sides.owned_users = {
        "A": Owned("n-A", "x", applied={"userName": "jane+x@example.com"}, shown={"userName": "jane@example.com"})
    }
    sides.duo_group("G", "Staff ")
    sides.group("g", "Staff", "G")
    sides.owned_groups = {"G": Owned("g", "Staff", applied={"displayName": "Staff "}, shown={"displayName": "Staff"})}
    assert sides.diff().changes == ()


def test_a_name_that_a_hidden_account_holds_is_not_tried_again_at_once(sides: Sides) -> None:
    sides.duo("A")
    sides.duo_group("G", "Staff")
    sides.hidden = frozenset({("user", "a@example.com"), ("group", "staff")})
    found = sides.diff()
    assert found.changes == ()
    assert problems(found) == {"A": "name-taken", "G": "duplicate-group-name"}


def test_after_look_ups_alone_the_number_of_unmanaged_accounts_is_unknown(sides: Sides) -> None:
    sides.settled("A")
    sides.complete = False
    found = sides.diff()
    assert (found.users.unmanaged, found.groups.unmanaged) == (None, None)


def test_a_protected_user_whose_membership_differs_is_counted_though_no_account_is_ours(sides: Sides) -> None:
    sides.protected = ("root@example.com",)
    sides.duo("R", "root@example.com", groups=("G",))
    sides.account("r", "root@example.com")
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff", "G")
    assert any(warning.startswith("1 group membership of") for warning in sides.diff().warnings)


def test_a_group_with_a_duo_id_that_no_ledger_entry_knows_is_not_taken_over(sides: Sides) -> None:
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff", "DGOTHER")
    assert problems(sides.diff()) == {"G": "duplicate-group-name"}
