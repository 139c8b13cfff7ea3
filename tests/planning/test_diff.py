"""What differs between the two sides: whose each account is, who gets which name, and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ninjasync.config.schema import Deprovision, Groups
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Change, Delta, Member
from ninjasync.model.directory import Problem
from ninjasync.model.message import Message
from ninjasync.model.ownership import Owned
from ninjasync.model.source import Standing
from ninjasync.model.values import same_value
from ninjasync.planning.diff import Difference

if TYPE_CHECKING:
    from tests.support.sides import Sides

IN, OUT, HELD, LEFT_ALONE = Standing.IN, Standing.OUT, Standing.HELD, Standing.LEFT_ALONE


def only(difference: Difference) -> Change:
    """The one change; fails where there are more."""
    (change,) = difference.changes
    return change


def what(difference: Difference) -> list[tuple[str, str]]:
    """Each change as action and key, in order."""
    return [(change.action, change.key) for change in difference.changes]


def problems(difference: Difference) -> dict[str | None, str]:
    """Problem codes by Duo id."""
    return {problem.external_id: problem.code for problem in difference.problems}


# --- users -----------------------------------------------------------------------------------


def test_nothing_is_done_where_nothing_differs(sides: Sides) -> None:
    sides.settled("A", "B")
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff", "G")
    found = sides.diff()
    assert (found.changes, found.problems, found.warnings) == ((), (), ())
    assert (len(found.ours), found.active) == (2, 2)
    assert (found.users.unchanged, found.groups.unchanged) == (2, 1)


def test_two_empty_sides_differ_in_nothing(sides: Sides) -> None:
    assert what(sides.diff()) == []


def test_a_user_without_an_account_is_created_with_every_value_and_the_reason(sides: Sides) -> None:
    sides.duo("A", "jane@example.com", values=("Doe", "Jane", None, "technician"))
    change = only(sides.diff())
    assert (change.action, change.key, change.id, change.external_id) == ("create", "jane@example.com", None, "A")
    assert change.diff == (
        Delta("userName", None, "jane@example.com"),
        Delta("name.familyName", None, "Doe"),
        Delta("name.givenName", None, "Jane"),
        Delta(USER_TYPE, None, "technician"),
    )
    assert change.reasons == ('member of "Staff"',)
    assert not change.privilege


def test_only_what_differs_is_changed(sides: Sides) -> None:
    sides.duo("A", values=("Roe", "Jane", "7", "endUser"))
    sides.account("a", "a@example.com", "A")
    change = only(sides.diff())
    assert change.action == "update"
    assert change.diff == (Delta("name.familyName", "Doe", "Roe"), Delta(ORGANIZATION_ID, "All", "7"))
    assert not change.privilege


def test_a_change_between_technician_and_end_user_is_marked(sides: Sides) -> None:
    sides.duo("A", values=("Doe", "Jane", "All", "technician"))
    sides.account("a", "a@example.com", "A")
    assert only(sides.diff()).privilege


def test_a_change_of_email_is_a_rename_of_the_same_account(sides: Sides) -> None:
    sides.duo("A", "new@example.com")
    sides.account("a", "old@example.com", "A")
    change = only(sides.diff())
    assert (change.action, change.id) == ("update", "a")
    assert change.diff == (Delta("userName", "old@example.com", "new@example.com"),)


def test_letter_case_of_an_address_is_no_change(sides: Sides) -> None:
    sides.duo("A", "Jane@Example.com")
    sides.account("a", "jane@example.COM", "A")
    assert sides.diff().changes == ()


def test_an_inactive_account_whose_user_is_in_scope_is_reactivated(sides: Sides) -> None:
    sides.settled("B")
    sides.duo("A", values=("Roe", "Jane", "All", "endUser"))
    sides.account("a", "a@example.com", "A", active=False)
    found = sides.diff()
    change = only(found)
    assert change.action == "reactivate"
    assert change.diff == (Delta("active", False, True), Delta("name.familyName", "Doe", "Roe"))
    assert (len(found.ours), found.active) == (2, 1)


@pytest.mark.parametrize(
    ("policy", "active", "actions"),
    [
        ("deactivate", True, ["deactivate"]),
        ("deactivate", False, []),
        ("delete", True, ["delete"]),
        ("delete", False, ["delete"]),
        ("keep", True, []),
        ("keep", False, []),
    ],
)
def test_a_leavers_account_goes_the_way_that_the_configuration_says(
    sides: Sides, policy: Any, active: bool, actions: list[str]
) -> None:
    sides.deprovision = Deprovision(users=policy)
    sides.leaver("A", active=active)
    found = sides.diff()
    assert [change.action for change in found.changes] == actions
    assert all(change.reasons[0] == "disabled in Duo" for change in found.changes)
    assert found.leavers == {"A"}
    assert found.users.unchanged == 1 - len(actions)


@pytest.mark.parametrize("standing", [HELD, LEFT_ALONE])
def test_who_is_held_or_locked_out_is_left_exactly_as_he_is(sides: Sides, standing: Standing) -> None:
    sides.duo("A", standing=standing)
    sides.account("a", "other@example.com", "A", active=False)
    found = sides.diff()
    assert found.changes == ()
    assert found.users.held == (standing is HELD)
    assert found.users.unchanged == (standing is LEFT_ALONE)


def test_an_account_that_nobody_in_duo_owns_is_never_removed(sides: Sides) -> None:
    sides.account("a", "gone@example.com", "DU-NOT-IN-DUO")
    sides.account("b", "hand-made@example.com")
    found = sides.diff()
    assert found.changes == ()
    assert (found.users.unmanaged, found.ours) == (2, {})


def test_one_invalid_user_holds_up_nobody_else(sides: Sides) -> None:
    sides.duo("A", standing=HELD)
    sides.duo("B")
    found = sides.diff()
    assert what(found) == [("create", "b@example.com")]
    assert problems(found) == {"A": "invalid-user-type"}


# --- adopting --------------------------------------------------------------------------------


def test_a_hand_made_account_with_the_same_address_in_any_case_is_adopted(sides: Sides) -> None:
    sides.duo("A", "jane@example.com")
    sides.account("a", "JANE@example.com", values=("Doe", "Janet", "All", "endUser"))
    found = sides.diff()
    change = only(found)
    assert (change.action, change.id) == ("adopt", "a")
    assert change.diff == (Delta("externalId", None, "A"), Delta("name.givenName", "Janet", "Jane"))
    assert "that is nobody's" in change.reasons[1]
    assert found.users.unmanaged == 0


def test_an_inactive_hand_made_account_is_adopted_and_reactivated_in_one_change(sides: Sides) -> None:
    sides.duo("A")
    sides.account("a", "a@example.com", active=False)
    change = only(sides.diff())
    assert change.action == "adopt"
    assert Delta("active", False, True) in change.diff


def test_an_adoption_that_makes_a_technician_of_an_end_user_is_marked(sides: Sides) -> None:
    sides.duo("A", values=("Doe", "Jane", "All", "technician"))
    sides.account("a", "a@example.com")
    assert only(sides.diff()).privilege


def test_with_adopt_off_the_user_is_held_and_the_holder_is_named(sides: Sides) -> None:
    sides.deprovision = Deprovision(adopt=False)
    sides.duo("A")
    sides.account("a", "a@example.com")
    found = sides.diff()
    assert found.changes == ()
    assert problems(found) == {"A": "name-taken"}
    assert "the account a, which ninjasync does not manage" in found.problems[0].message
    assert (found.users.unmanaged, found.users.held) == (1, 1)


def test_an_adoption_is_shown_even_where_nothing_can_be_written(sides: Sides) -> None:
    sides.external_id = False
    sides.duo("A")
    sides.account("a", "a@example.com")
    change = only(sides.diff())
    assert (change.action, change.diff) == ("adopt", ())


def test_a_person_made_anew_in_duo_keeps_the_account(sides: Sides) -> None:
    sides.duo("NEW", "jane@example.com")
    sides.account("a", "jane@example.com", "OLD", active=False)
    change = only(sides.diff())
    assert (change.action, change.id) == ("adopt", "a")
    assert change.diff == (Delta("active", False, True), Delta("externalId", "OLD", "NEW"))


@pytest.mark.parametrize("standing", [OUT, HELD, LEFT_ALONE])
def test_where_the_old_user_is_still_in_duo_the_new_one_is_held_and_the_old_one_is_named(
    sides: Sides, standing: Standing
) -> None:
    sides.deprovision = Deprovision(users="keep")
    sides.duo("OLD", "jane@example.com", standing=standing)
    sides.duo("NEW", "jane@example.com")
    sides.account("a", "jane@example.com", "OLD")
    found = sides.diff()
    assert found.changes == ()
    assert problems(found)["NEW"] == "name-taken"
    (problem,) = (problem for problem in found.problems if problem.external_id == "NEW")
    assert "the account a of the Duo user OLD" in problem.message


def test_an_address_that_only_a_removal_would_free_is_taken_until_then(sides: Sides) -> None:
    sides.deprovision = Deprovision(users="delete")
    sides.leaver("OLD")
    sides.duo("NEW", "old@example.com")
    found = sides.diff()
    assert what(found) == [("delete", "old@example.com")]
    assert problems(found) == {"NEW": "name-taken"}
    assert "disabled in Duo" in found.problems[0].message


def test_the_second_account_with_a_users_externalid_is_left_alone_and_said(sides: Sides) -> None:
    sides.duo("A")
    sides.account("b", "a2@example.com", "A", active=False)
    sides.account("a", "a@example.com", "A")
    found = sides.diff()
    assert found.changes == ()
    assert found.warnings == (
        "a@example.com (a) and a2@example.com (b) both claim the Duo id A; the second is left alone.",
    )
    assert found.users.unmanaged == 1


def test_the_second_account_with_a_users_externalid_is_not_given_to_another_user(sides: Sides) -> None:
    # The Duo id that it carries is in this very read, so it is no account of a person made anew.
    sides.settled("A")
    sides.account("z", "b@example.com", "A")
    sides.duo("B")
    found = sides.diff()
    assert found.changes == ()
    assert problems(found) == {"B": "name-taken"}


def test_no_account_is_rekeyed_while_a_duo_record_without_an_id_may_be_its_owner(sides: Sides) -> None:
    sides.unreadable_in_duo.append(Problem("user", "?", None, "unreadable-record", Message("without an id")))
    sides.duo("NEW", "jane@example.com")
    sides.account("a", "jane@example.com", "OLD")
    found = sides.diff()
    assert found.changes == ()
    assert problems(found)["NEW"] == "name-taken"


@pytest.mark.parametrize("known", [True, False])
def test_without_a_ledger_too_an_account_of_another_duo_user_is_not_taken_over(sides: Sides, known: bool) -> None:
    sides.known = known
    sides.settled("A")
    sides.account("z", "b@example.com", "A")
    sides.duo("B")
    found = sides.diff()
    assert found.changes == ()
    assert "carries the Duo id of another user (A)" in found.problems[0].message


# --- the ledger ------------------------------------------------------------------------------


def test_an_account_that_does_not_show_its_externalid_is_ours_by_the_ledger_and_is_not_told_again(
    sides: Sides,
) -> None:
    sides.duo("A")
    sides.account("n-A", "a@example.com")
    sides.recorded("A")
    found = sides.diff()
    assert found.changes == ()
    assert set(found.ours) == {"A"}


def test_an_account_of_the_ledger_that_carries_another_externalid_is_told_ours(sides: Sides) -> None:
    sides.duo("A")
    sides.account("n-A", "a@example.com", "something-else")
    sides.recorded("A")
    assert only(sides.diff()).diff == (Delta("externalId", "something-else", "A"),)


def test_who_was_deleted_in_duo_is_a_leaver_if_the_ledger_knows_his_account(sides: Sides) -> None:
    sides.settled("B")
    sides.account("n-A", "a@example.com", "A")
    sides.recorded("A", "B")
    found = sides.diff()
    change = only(found)
    assert (change.action, change.id, change.reasons[0]) == ("deactivate", "n-A", "no longer in Duo")
    assert found.leavers == {"A"}


def test_a_person_made_anew_takes_the_account_that_the_ledger_knows(sides: Sides) -> None:
    sides.duo("DUNEW1", "jane@example.com")
    sides.account("a", "jane@example.com", "DUOLD1", active=False)
    sides.recorded("DUOLD1", account="a")
    found = sides.diff()
    change = only(found)
    assert (change.action, change.id) == ("adopt", "a")
    assert change.diff == (Delta("active", False, True), Delta("externalId", "DUOLD1", "DUNEW1"))
    assert (found.users.unmanaged, found.ours, found.leavers) == (0, {}, frozenset())


def test_a_person_made_anew_keeps_the_account_though_adopting_is_off(sides: Sides) -> None:
    sides.deprovision = Deprovision(adopt=False)
    sides.duo("DUNEW1", "jane@example.com")
    sides.account("a", "jane@example.com", "DUOLD1")
    sides.recorded("DUOLD1", account="a")
    assert only(sides.diff()).action == "adopt"


def test_an_account_with_a_duo_id_that_no_ledger_entry_knows_is_another_accounts(sides: Sides) -> None:
    sides.duo("DUNEW1", "jane@example.com")
    sides.account("a", "jane@example.com", "DUOTHER")
    found = sides.diff()
    assert found.changes == ()
    assert "carries a Duo id that neither this Duo nor the ledger knows (DUOTHER)" in found.problems[0].message


def test_nobody_is_rekeyed_from_the_ledger_either_while_a_duo_record_has_no_id(sides: Sides) -> None:
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


def test_what_another_tenant_owns_is_not_a_name_to_be_had_by_who_has_an_account(sides: Sides) -> None:
    sides.foreign_users = {"x": "other"}
    sides.duo("A", "x@example.com")
    sides.account("a", "a@example.com", "A")
    sides.account("x", "x@example.com")
    assert "the account x of the tenant other" in sides.diff().problems[0].message


def test_an_account_of_nobody_in_the_way_of_a_rename_is_named(sides: Sides) -> None:
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
def test_a_leaver_is_deleted_so_many_days_after_his_deactivation_was_recorded(
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


def test_a_name_that_is_taken_by_somebody_who_is_not_shown_is_not_tried_again_at_once(sides: Sides) -> None:
    sides.duo("A")
    sides.duo_group("G", "Staff")
    sides.hidden = frozenset({("user", "a@example.com"), ("group", "staff")})
    found = sides.diff()
    assert found.changes == ()
    assert problems(found) == {"A": "name-taken", "G": "duplicate-group-name"}


def test_where_only_look_ups_were_made_nobody_knows_how_many_are_unmanaged(sides: Sides) -> None:
    sides.settled("A")
    sides.complete = False
    found = sides.diff()
    assert (found.users.unmanaged, found.groups.unmanaged) == (None, None)


def test_a_protected_person_whose_membership_differs_is_counted_though_no_account_is_ours(sides: Sides) -> None:
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


# --- names -----------------------------------------------------------------------------------


def test_two_who_swapped_addresses_swap_by_way_of_a_temporary_name_at_their_own_domain(sides: Sides) -> None:
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


def test_all_who_share_one_address_are_held_and_each_is_told_of_the_others(sides: Sides) -> None:
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


def test_a_stranger_who_holds_the_new_address_of_a_managed_user_is_not_taken_over(sides: Sides) -> None:
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


# --- protected -------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["breakglass@example.com", "BREAKGLASS@EXAMPLE.COM", "break*", "*@example.com"])
@pytest.mark.parametrize("standing", [IN, OUT, HELD])
def test_a_protected_account_is_never_touched_and_reported_as_protected_not_held(
    sides: Sides, pattern: str, standing: Standing
) -> None:
    sides.protected = (pattern,)
    sides.duo("A", "breakglass@example.com", standing=standing)
    sides.account("a", "Breakglass@example.com", "A", values=("X", "Y", "1", "technician"))
    found = sides.diff()
    assert (found.changes, found.problems, found.leavers) == ((), (), frozenset())
    assert found.warnings == ("Protected, left as they are: Breakglass@example.com.",)
    assert found.users.unchanged == 1


def test_a_protected_hand_made_account_is_not_adopted_by_its_duo_user(sides: Sides) -> None:
    sides.protected = ("breakglass@example.com",)
    sides.duo("A", "breakglass@example.com")
    sides.account("a", "breakglass@example.com")
    found = sides.diff()
    assert (found.changes, found.problems) == ((), ())
    assert found.warnings == ("Protected, left as they are: breakglass@example.com.",)


def test_who_wants_the_name_of_a_protected_account_is_held(sides: Sides) -> None:
    sides.duo("A", "a@example.com")
    sides.account("a", "old@example.com", "A")
    sides.account("p", "a@example.com")
    sides.protected = ("a@example.com",)
    found = sides.diff()
    assert found.changes == ()
    assert problems(found) == {"A": "name-taken"}
    assert "the userName a@example.com is protected" in found.problems[0].message


def test_a_protected_leaver_without_an_account_is_not_worth_a_word(sides: Sides) -> None:
    sides.protected = ("a@example.com",)
    sides.duo("A", standing=OUT)
    assert sides.diff().warnings == ()


def test_a_protected_name_with_brackets_protects_itself(sides: Sides) -> None:
    sides.protected = ("[svc]@example.com",)
    sides.duo("A", "[svc]@example.com", standing=OUT)
    sides.account("a", "[svc]@example.com", "A")
    assert sides.diff().changes == ()


# --- groups and members ----------------------------------------------------------------------


def test_a_new_group_is_created_with_its_members_people_before_groups(sides: Sides) -> None:
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


def test_groups_that_would_get_one_name_are_held_and_each_is_told_of_the_other(sides: Sides) -> None:
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


def test_an_unreadable_group_is_counted_among_the_groups_not_the_people(sides: Sides) -> None:
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


def test_a_leaver_leaves_his_groups_with_his_account(sides: Sides) -> None:
    sides.leaver("A")
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff", "G", ("n-A",))
    group, person = sides.diff().changes
    assert group.removed == (Member("a@example.com", "A", "n-A"),)
    assert person.action == "deactivate"


def test_a_leaver_whose_account_is_kept_keeps_his_groups(sides: Sides) -> None:
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


def test_memberships_of_the_held_that_agree_are_not_worth_a_word(sides: Sides) -> None:
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


def test_a_group_whose_members_are_not_shown_loses_nobody(sides: Sides) -> None:
    sides.settled("A")
    sides.duo("A", groups=("G",))
    sides.duo_group("G", "Staff")
    sides.group("g", "Staff", "G", None)
    assert only(sides.diff()).removed == ()


# --- order -----------------------------------------------------------------------------------


def test_removals_come_last_and_people_before_groups_and_then_by_name(sides: Sides) -> None:
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
