"""What differs between the two sides: whose each account is, who gets which name, and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ninjasync.config.schema import Deprovision, Groups
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Change, Delta, Member
from ninjasync.model.directory import Problem
from ninjasync.model.ownership import Owned
from ninjasync.model.source import Standing
from ninjasync.model.values import same_value
from ninjasync.planning.diff import Difference

if TYPE_CHECKING:
    from tests.conftest import World

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


def test_nothing_is_done_where_nothing_differs(world: World) -> None:
    world.settled("A", "B")
    world.duo_group("G", "Staff")
    world.group("g", "Staff", "G")
    found = world.diff()
    assert (found.changes, found.problems, found.warnings) == ((), (), ())
    assert (len(found.ours), found.active) == (2, 2)
    assert (found.users.unchanged, found.groups.unchanged) == (2, 1)


def test_two_empty_sides_differ_in_nothing(world: World) -> None:
    assert what(world.diff()) == []


def test_a_user_without_an_account_is_created_with_every_value_and_the_reason(world: World) -> None:
    world.duo("A", "jane@example.com", values=("Doe", "Jane", None, "technician"))
    change = only(world.diff())
    assert (change.action, change.key, change.id, change.external_id) == ("create", "jane@example.com", None, "A")
    assert change.diff == (
        Delta("userName", None, "jane@example.com"),
        Delta("name.familyName", None, "Doe"),
        Delta("name.givenName", None, "Jane"),
        Delta(USER_TYPE, None, "technician"),
    )
    assert change.reasons == ('member of "Staff"',)
    assert not change.privilege


def test_only_what_differs_is_changed(world: World) -> None:
    world.duo("A", values=("Roe", "Jane", "7", "endUser"))
    world.account("a", "a@example.com", "A")
    change = only(world.diff())
    assert change.action == "update"
    assert change.diff == (Delta("name.familyName", "Doe", "Roe"), Delta(ORGANIZATION_ID, "All", "7"))
    assert not change.privilege


def test_a_change_between_technician_and_end_user_is_marked(world: World) -> None:
    world.duo("A", values=("Doe", "Jane", "All", "technician"))
    world.account("a", "a@example.com", "A")
    assert only(world.diff()).privilege


def test_a_change_of_email_is_a_rename_of_the_same_account(world: World) -> None:
    world.duo("A", "new@example.com")
    world.account("a", "old@example.com", "A")
    change = only(world.diff())
    assert (change.action, change.id) == ("update", "a")
    assert change.diff == (Delta("userName", "old@example.com", "new@example.com"),)


def test_letter_case_of_an_address_is_no_change(world: World) -> None:
    world.duo("A", "Jane@Example.com")
    world.account("a", "jane@example.COM", "A")
    assert world.diff().changes == ()


def test_an_inactive_account_whose_user_is_in_scope_is_reactivated(world: World) -> None:
    world.settled("B")
    world.duo("A", values=("Roe", "Jane", "All", "endUser"))
    world.account("a", "a@example.com", "A", active=False)
    found = world.diff()
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
    world: World, policy: Any, active: bool, actions: list[str]
) -> None:
    world.deprovision = Deprovision(users=policy)
    world.leaver("A", active=active)
    found = world.diff()
    assert [change.action for change in found.changes] == actions
    assert all(change.reasons[0] == "disabled in Duo" for change in found.changes)
    assert found.leavers == {"A"}
    assert found.users.unchanged == 1 - len(actions)


@pytest.mark.parametrize("standing", [HELD, LEFT_ALONE])
def test_who_is_held_or_locked_out_is_left_exactly_as_he_is(world: World, standing: Standing) -> None:
    world.duo("A", standing=standing)
    world.account("a", "other@example.com", "A", active=False)
    found = world.diff()
    assert found.changes == ()
    assert found.users.held == (standing is HELD)
    assert found.users.unchanged == (standing is LEFT_ALONE)


def test_an_account_that_nobody_in_duo_owns_is_never_removed(world: World) -> None:
    world.account("a", "gone@example.com", "DU-NOT-IN-DUO")
    world.account("b", "hand-made@example.com")
    found = world.diff()
    assert found.changes == ()
    assert (found.users.unmanaged, found.ours) == (2, {})


def test_one_invalid_user_holds_up_nobody_else(world: World) -> None:
    world.duo("A", standing=HELD)
    world.duo("B")
    found = world.diff()
    assert what(found) == [("create", "b@example.com")]
    assert problems(found) == {"A": "invalid-user-type"}


# --- adopting --------------------------------------------------------------------------------


def test_a_hand_made_account_with_the_same_address_in_any_case_is_adopted(world: World) -> None:
    world.duo("A", "jane@example.com")
    world.account("a", "JANE@example.com", values=("Doe", "Janet", "All", "endUser"))
    found = world.diff()
    change = only(found)
    assert (change.action, change.id) == ("adopt", "a")
    assert change.diff == (Delta("externalId", None, "A"), Delta("name.givenName", "Janet", "Jane"))
    assert "that is nobody's" in change.reasons[1]
    assert found.users.unmanaged == 0


def test_an_inactive_hand_made_account_is_adopted_and_reactivated_in_one_change(world: World) -> None:
    world.duo("A")
    world.account("a", "a@example.com", active=False)
    change = only(world.diff())
    assert change.action == "adopt"
    assert Delta("active", False, True) in change.diff


def test_an_adoption_that_makes_a_technician_of_an_end_user_is_marked(world: World) -> None:
    world.duo("A", values=("Doe", "Jane", "All", "technician"))
    world.account("a", "a@example.com")
    assert only(world.diff()).privilege


def test_with_adopt_off_the_user_is_held_and_the_holder_is_named(world: World) -> None:
    world.deprovision = Deprovision(adopt=False)
    world.duo("A")
    world.account("a", "a@example.com")
    found = world.diff()
    assert found.changes == ()
    assert problems(found) == {"A": "name-taken"}
    assert "the account a, which ninjasync does not manage" in found.problems[0].message
    assert (found.users.unmanaged, found.users.held) == (1, 1)


def test_an_adoption_is_shown_even_where_nothing_can_be_written(world: World) -> None:
    world.external_id = False
    world.duo("A")
    world.account("a", "a@example.com")
    change = only(world.diff())
    assert (change.action, change.diff) == ("adopt", ())


def test_a_person_made_anew_in_duo_keeps_the_account(world: World) -> None:
    world.duo("NEW", "jane@example.com")
    world.account("a", "jane@example.com", "OLD", active=False)
    change = only(world.diff())
    assert (change.action, change.id) == ("adopt", "a")
    assert change.diff == (Delta("active", False, True), Delta("externalId", "OLD", "NEW"))


@pytest.mark.parametrize("standing", [OUT, HELD, LEFT_ALONE])
def test_where_the_old_user_is_still_in_duo_the_new_one_is_held_and_the_old_one_is_named(
    world: World, standing: Standing
) -> None:
    world.deprovision = Deprovision(users="keep")
    world.duo("OLD", "jane@example.com", standing=standing)
    world.duo("NEW", "jane@example.com")
    world.account("a", "jane@example.com", "OLD")
    found = world.diff()
    assert found.changes == ()
    assert problems(found)["NEW"] == "name-taken"
    (problem,) = (problem for problem in found.problems if problem.external_id == "NEW")
    assert "the account a of the Duo user OLD" in problem.message


def test_an_address_that_only_a_removal_would_free_is_taken_until_then(world: World) -> None:
    world.deprovision = Deprovision(users="delete")
    world.leaver("OLD")
    world.duo("NEW", "old@example.com")
    found = world.diff()
    assert what(found) == [("delete", "old@example.com")]
    assert problems(found) == {"NEW": "name-taken"}
    assert "disabled in Duo" in found.problems[0].message


def test_the_second_account_with_a_users_externalid_is_left_alone_and_said(world: World) -> None:
    world.duo("A")
    world.account("b", "a2@example.com", "A", active=False)
    world.account("a", "a@example.com", "A")
    found = world.diff()
    assert found.changes == ()
    assert found.warnings == (
        "a@example.com (a) and a2@example.com (b) both claim the Duo id A; the second is left alone.",
    )
    assert found.users.unmanaged == 1


def test_the_second_account_with_a_users_externalid_is_not_given_to_another_user(world: World) -> None:
    # The Duo id that it carries is in this very read, so it is no account of a person made anew.
    world.settled("A")
    world.account("z", "b@example.com", "A")
    world.duo("B")
    found = world.diff()
    assert found.changes == ()
    assert problems(found) == {"B": "name-taken"}


def test_no_account_is_rekeyed_while_a_duo_record_without_an_id_may_be_its_owner(world: World) -> None:
    world.unreadable_in_duo.append(Problem("user", "?", None, "unreadable-record", "without an id"))
    world.duo("NEW", "jane@example.com")
    world.account("a", "jane@example.com", "OLD")
    found = world.diff()
    assert found.changes == ()
    assert problems(found)["NEW"] == "name-taken"


@pytest.mark.parametrize("known", [True, False])
def test_without_a_ledger_too_an_account_of_another_duo_user_is_not_taken_over(world: World, known: bool) -> None:
    world.known = known
    world.settled("A")
    world.account("z", "b@example.com", "A")
    world.duo("B")
    found = world.diff()
    assert found.changes == ()
    assert "carries the Duo id of another user (A)" in found.problems[0].message


# --- the ledger ------------------------------------------------------------------------------


def test_an_account_that_does_not_show_its_externalid_is_ours_by_the_ledger_and_is_not_told_again(
    world: World,
) -> None:
    world.duo("A")
    world.account("n-A", "a@example.com")
    world.recorded("A")
    found = world.diff()
    assert found.changes == ()
    assert set(found.ours) == {"A"}


def test_an_account_of_the_ledger_that_carries_another_externalid_is_told_ours(world: World) -> None:
    world.duo("A")
    world.account("n-A", "a@example.com", "something-else")
    world.recorded("A")
    assert only(world.diff()).diff == (Delta("externalId", "something-else", "A"),)


def test_who_was_deleted_in_duo_is_a_leaver_if_the_ledger_knows_his_account(world: World) -> None:
    world.settled("B")
    world.account("n-A", "a@example.com", "A")
    world.recorded("A", "B")
    found = world.diff()
    change = only(found)
    assert (change.action, change.id, change.reasons[0]) == ("deactivate", "n-A", "no longer in Duo")
    assert found.leavers == {"A"}


def test_a_person_made_anew_takes_the_account_that_the_ledger_knows(world: World) -> None:
    world.duo("DUNEW1", "jane@example.com")
    world.account("a", "jane@example.com", "DUOLD1", active=False)
    world.recorded("DUOLD1", account="a")
    found = world.diff()
    change = only(found)
    assert (change.action, change.id) == ("adopt", "a")
    assert change.diff == (Delta("active", False, True), Delta("externalId", "DUOLD1", "DUNEW1"))
    assert (found.users.unmanaged, found.ours, found.leavers) == (0, {}, frozenset())


def test_a_person_made_anew_keeps_the_account_though_adopting_is_off(world: World) -> None:
    world.deprovision = Deprovision(adopt=False)
    world.duo("DUNEW1", "jane@example.com")
    world.account("a", "jane@example.com", "DUOLD1")
    world.recorded("DUOLD1", account="a")
    assert only(world.diff()).action == "adopt"


def test_an_account_with_a_duo_id_that_no_ledger_entry_knows_is_another_accounts(world: World) -> None:
    world.duo("DUNEW1", "jane@example.com")
    world.account("a", "jane@example.com", "DUOTHER")
    found = world.diff()
    assert found.changes == ()
    assert "carries a Duo id that neither this Duo nor the ledger knows (DUOTHER)" in found.problems[0].message


def test_nobody_is_rekeyed_from_the_ledger_either_while_a_duo_record_has_no_id(world: World) -> None:
    world.unreadable_in_duo.append(Problem("user", "?", None, "unreadable-record", "without an id"))
    world.duo("DUNEW1", "jane@example.com")
    world.account("a", "jane@example.com")
    world.recorded("DUOLD1", account="a")
    found = world.diff()
    assert problems(found)["DUNEW1"] == "name-taken"
    assert "record in Duo could not be read" in found.problems[1].message


@pytest.mark.parametrize("external_id", [None, "A"])
def test_what_another_tenant_owns_is_never_touched(world: World, external_id: str | None) -> None:
    world.foreign_users = {"x": "other"}
    world.foreign_groups = {"g": "other"}
    world.duo("A")
    world.duo_group("G", "Staff")
    world.account("x", "a@example.com", external_id)
    world.group("g", "Staff")
    found = world.diff()
    assert found.changes == ()
    assert problems(found) == {"A": "name-taken", "G": "duplicate-group-name"}
    assert "of the tenant other" in found.problems[0].message


def test_what_another_tenant_owns_is_not_a_name_to_be_had_by_who_has_an_account(world: World) -> None:
    world.foreign_users = {"x": "other"}
    world.duo("A", "x@example.com")
    world.account("a", "a@example.com", "A")
    world.account("x", "x@example.com")
    assert "the account x of the tenant other" in world.diff().problems[0].message


def test_an_account_of_nobody_in_the_way_of_a_rename_is_named(world: World) -> None:
    world.duo("A", "x@example.com")
    world.account("a", "a@example.com", "A")
    world.account("x", "x@example.com")
    assert "the account x, which ninjasync does not manage" in world.diff().problems[0].message


def test_without_a_ledger_it_is_said_how_many_accounts_cannot_be_judged(world: World) -> None:
    world.known = False
    world.settled("A")
    world.account("x", "x@example.com", "DUGONE1")
    found = world.diff()
    assert found.changes == ()
    (warning,) = found.warnings
    assert "There is no ledger for this tenant yet: 1 account in NinjaOne cannot be judged" in warning


@pytest.mark.parametrize(
    ("days_ago", "after", "actions"),
    [(30.0, 30, ["delete"]), (29.9, 30, []), (31.0, 30, ["delete"]), (999.0, -1, []), (None, 30, [])],
)
def test_a_leaver_is_deleted_so_many_days_after_his_deactivation_was_recorded(
    world: World, days_ago: float | None, after: int, actions: list[str]
) -> None:
    world.deprovision = Deprovision(delete_after_days=after)
    world.leaver("A", active=False)
    world.recorded("A", deactivated_days_ago=days_ago)
    found = world.diff()
    assert [change.action for change in found.changes] == actions
    assert len(found.ladder.unclocked) == (days_ago is None)
    assert len(found.ladder.waiting) == (days_ago == 29.9)


def test_due_deletions_beyond_the_limit_are_deferred_the_oldest_go_first(world: World) -> None:
    world.removal_limit = 3
    world.leaver("NOW")
    world.leaver("A", "B", "C", "D", active=False)
    for days, id_ in ((40, "A"), (70, "B"), (50, "C"), (60, "D")):
        world.recorded(id_, deactivated_days_ago=days)
    found = world.diff()
    assert sorted(what(found)) == [
        ("deactivate", "now@example.com"),
        ("delete", "b@example.com"),
        ("delete", "d@example.com"),
    ]
    assert [turn.account.external_id for turn in found.ladder.deferred] == ["C", "A"]
    assert "2 deletions are due but beyond the removal limit" in found.warnings[0]


def test_deletions_that_are_due_wait_while_deactivations_take_the_whole_limit(world: World) -> None:
    world.leaver("L", "M", "N", "O")
    world.leaver("A", active=False)
    world.recorded("A", deactivated_days_ago=99)
    found = world.diff()
    assert {change.action for change in found.changes} == {"deactivate"}
    assert len(found.ladder.deferred) == 1


def test_a_group_deleted_in_duo_is_kept_or_deleted_if_the_ledger_knows_it(world: World) -> None:
    world.group("g", "Staff", "DGGONE")
    world.owned_groups = {"DGGONE": Owned("g", "Staff")}
    assert world.diff().changes == ()
    world.pushing = Groups(removed="delete")
    change = only(world.diff())
    assert (change.action, change.key, change.reasons) == ("delete", "Staff", ("deleted in Duo",))


def test_a_group_made_anew_in_duo_keeps_the_group_and_its_role_mapping(world: World) -> None:
    world.pushing = Groups(removed="delete")
    world.duo_group("DGNEW1", "Staff")
    world.group("g", "Staff", "DGOLD1")
    world.owned_groups = {"DGOLD1": Owned("g", "Staff")}
    change = only(world.diff())
    assert (change.action, change.id, change.diff) == ("adopt", "g", (Delta("externalId", "DGOLD1", "DGNEW1"),))


def test_a_group_that_does_not_show_its_externalid_is_ours_by_the_ledger(world: World) -> None:
    world.duo_group("G", "Staff")
    world.group("g", "Staff")
    world.owned_groups = {"G": Owned("g", "Staff")}
    assert world.diff().changes == ()


def test_members_that_ninjaone_does_not_show_are_those_that_the_ledger_says_we_put_there(world: World) -> None:
    world.settled("A", "B", "C")
    world.duo("A", groups=("G",))
    world.duo("B", groups=("G",))
    world.duo_group("G", "Staff")
    world.group("g", "Staff", "G", None)
    world.owned_groups = {"G": Owned("g", "Staff", members=frozenset({"A", "C", "long-gone"}))}
    found = world.diff()
    change = only(found)
    assert change.added == (Member("b@example.com", "B", "n-B"),)
    assert change.removed == (Member("c@example.com", "C", "n-C"),)
    assert "does not show the members of its groups" in found.warnings[0]


def test_an_account_of_the_ledger_that_could_not_be_read_is_held_by_its_id(world: World) -> None:
    world.duo("A")
    world.recorded("A")
    world.duo_group("G", "Staff")
    world.owned_groups = {"G": Owned("g", "Staff")}
    world.unreadable_in_ninjaone += [
        Problem("user", "n-A", None, "unreadable-record", "has no userName"),
        Problem("group", "g", None, "unreadable-record", "has no displayName"),
    ]
    assert world.diff().changes == ()


SHOWN = Owned("n-A", "a@example.com", applied={"name.givenName": "Jane"}, shown={"name.givenName": "JANE"})


@pytest.mark.parametrize(
    ("shows", "wants", "sent"),
    [("JANE", "Jane", False), ("Joan", "Jane", True), ("JANE", "Janet", True)],
)
def test_a_value_that_ninjaone_made_into_another_is_not_sent_again_unchanged(
    world: World, shows: str, wants: str, sent: bool
) -> None:
    world.duo("A", values=("Doe", wants, "All", "endUser"))
    world.account("n-A", "a@example.com", "A", values=("Doe", shows, "All", "endUser"))
    world.owned_users = {"A": SHOWN}
    found = world.diff()
    assert bool(found.changes) is sent
    assert any("keeps another givenName" in warning or "name.givenName" in warning for warning in found.warnings) is (
        not sent
    )


def test_a_value_that_no_account_shows_is_compared_with_what_was_last_applied(world: World) -> None:
    world.duo("A", values=("Doe", "Jane", "All", "technician"))
    world.account("n-A", "a@example.com", "A", values=("Doe", "Jane", "All", None))
    world.owned_users = {"A": Owned("n-A", "a@example.com", applied={USER_TYPE: "technician"})}
    found = world.diff()
    assert found.changes == ()
    assert "does not show userType of 1 account" in found.warnings[0]
    world.owned_users = {"A": Owned("n-A", "a@example.com", applied={USER_TYPE: "endUser"})}
    assert only(world.diff()).diff == (Delta(USER_TYPE, None, "technician"),)


def test_a_privilege_that_comes_back_different_is_never_accepted(world: World) -> None:
    world.duo("A", values=("Doe", "Jane", "All", "technician"))
    world.account("n-A", "a@example.com", "A")
    world.owned_users = {
        "A": Owned("n-A", "a@example.com", applied={USER_TYPE: "technician"}, shown={USER_TYPE: "endUser"})
    }
    assert only(world.diff()).diff == (Delta(USER_TYPE, "endUser", "technician"),)


def test_names_that_ninjaone_keeps_otherwise_are_not_sent_again_unchanged(world: World) -> None:
    world.duo("A", "jane+x@example.com")
    world.account("n-A", "jane@example.com", "A")
    world.owned_users = {
        "A": Owned("n-A", "x", applied={"userName": "jane+x@example.com"}, shown={"userName": "jane@example.com"})
    }
    world.duo_group("G", "Staff ")
    world.group("g", "Staff", "G")
    world.owned_groups = {"G": Owned("g", "Staff", applied={"displayName": "Staff "}, shown={"displayName": "Staff"})}
    assert world.diff().changes == ()


def test_a_name_that_is_taken_by_somebody_who_is_not_shown_is_not_tried_again_at_once(world: World) -> None:
    world.duo("A")
    world.duo_group("G", "Staff")
    world.hidden = frozenset({("user", "a@example.com"), ("group", "staff")})
    found = world.diff()
    assert found.changes == ()
    assert problems(found) == {"A": "name-taken", "G": "duplicate-group-name"}


def test_where_only_look_ups_were_made_nobody_knows_how_many_are_unmanaged(world: World) -> None:
    world.settled("A")
    world.complete = False
    found = world.diff()
    assert (found.users.unmanaged, found.groups.unmanaged) == (None, None)


def test_a_protected_person_whose_membership_differs_is_counted_though_no_account_is_ours(world: World) -> None:
    world.protected = ("root@example.com",)
    world.duo("R", "root@example.com", groups=("G",))
    world.account("r", "root@example.com")
    world.duo_group("G", "Staff")
    world.group("g", "Staff", "G")
    assert any(warning.startswith("1 group membership of") for warning in world.diff().warnings)


def test_a_group_with_a_duo_id_that_no_ledger_entry_knows_is_not_taken_over(world: World) -> None:
    world.duo_group("G", "Staff")
    world.group("g", "Staff", "DGOTHER")
    assert problems(world.diff()) == {"G": "duplicate-group-name"}


# --- names -----------------------------------------------------------------------------------


def test_two_who_swapped_addresses_swap_by_way_of_a_temporary_name_at_their_own_domain(world: World) -> None:
    world.duo("A", "b@example.org")
    world.duo("B", "a@example.com")
    world.account("a", "a@example.com", "A")
    world.account("b", "b@example.org", "B")
    found = world.diff()
    assert what(found) == [("update", "a@example.com"), ("update", "b@example.org")]
    assert [change.via for change in found.changes] == ["ninjasync-B@example.com", None]


def test_a_chain_of_addresses_comes_in_the_order_in_which_names_become_free(world: World) -> None:
    for who, wants, has in (("A", "b", "a"), ("B", "c", "b"), ("C", "d", "c")):
        world.duo(who, f"{wants}@x.yz")
        world.account(who.lower(), f"{has}@x.yz", who)
    world.duo("Z", "a@x.yz")
    found = world.diff()
    assert what(found) == [
        ("update", "d@x.yz"),
        ("update", "c@x.yz"),
        ("update", "b@x.yz"),
        ("create", "a@x.yz"),
    ]
    assert [change.needs for change in found.changes] == [(), ("user:c",), ("user:b",), ("user:a",)]


def test_all_who_share_one_address_are_held_and_each_is_told_of_the_others(world: World) -> None:
    world.duo("A", "Same@example.com")
    world.duo("B", "same@example.com")
    world.account("b", "old@example.com", "B")
    found = world.diff()
    assert found.changes == ()
    assert problems(found) == {"A": "duplicate-user-name", "B": "duplicate-user-name"}
    assert "wants the same userName as same@example.com" in found.problems[0].message
    assert (found.users.held, found.users.unchanged) == (2, 0)


def test_a_disabled_twin_is_no_duplicate(world: World) -> None:
    world.duo("A", "same@example.com")
    world.duo("B", "same@example.com", standing=OUT)
    assert what(world.diff()) == [("create", "same@example.com")]


def test_a_stranger_who_holds_the_new_address_of_a_managed_user_is_not_taken_over(world: World) -> None:
    world.duo("A", "new@example.com")
    world.account("a", "old@example.com", "A")
    world.account("s", "new@example.com")
    found = world.diff()
    assert found.changes == ()
    assert problems(found) == {"A": "name-taken"}


def test_an_account_that_could_not_be_read_is_held_with_its_user_and_its_name(world: World) -> None:
    world.duo("A")
    world.duo("B", "b@example.com")
    world.unreadable_in_ninjaone += [
        Problem("user", "x", "A", "unreadable-record", "has no userName"),
        Problem("user", "B@example.com", None, "unreadable-record", "has no id"),
    ]
    found = world.diff()
    assert found.changes == ()
    assert {(problem.external_id, problem.code) for problem in found.problems} == {
        ("A", "unreadable-record"),
        (None, "unreadable-record"),
        ("B", "name-taken"),
    }
    assert any("an account that NinjaOne does not show" in problem.message for problem in found.problems)


def test_every_record_without_an_id_counts_as_held(world: World) -> None:
    lost = Problem("user", "?", None, "unreadable-record", "without an id")
    world.unreadable_in_duo += [lost, lost]
    world.duo("A", standing=HELD)
    assert world.diff().users.held == 3


# --- protected -------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["breakglass@example.com", "BREAKGLASS@EXAMPLE.COM", "break*", "*@example.com"])
@pytest.mark.parametrize("standing", [IN, OUT, HELD])
def test_a_protected_account_is_never_touched_and_reported_as_protected_not_held(
    world: World, pattern: str, standing: Standing
) -> None:
    world.protected = (pattern,)
    world.duo("A", "breakglass@example.com", standing=standing)
    world.account("a", "Breakglass@example.com", "A", values=("X", "Y", "1", "technician"))
    found = world.diff()
    assert (found.changes, found.problems, found.leavers) == ((), (), frozenset())
    assert found.warnings == ("Protected, left as they are: Breakglass@example.com.",)
    assert found.users.unchanged == 1


def test_a_protected_hand_made_account_is_not_adopted_by_its_duo_user(world: World) -> None:
    world.protected = ("breakglass@example.com",)
    world.duo("A", "breakglass@example.com")
    world.account("a", "breakglass@example.com")
    found = world.diff()
    assert (found.changes, found.problems) == ((), ())
    assert found.warnings == ("Protected, left as they are: breakglass@example.com.",)


def test_who_wants_the_name_of_a_protected_account_is_held(world: World) -> None:
    world.duo("A", "a@example.com")
    world.account("a", "old@example.com", "A")
    world.account("p", "a@example.com")
    world.protected = ("a@example.com",)
    found = world.diff()
    assert found.changes == ()
    assert problems(found) == {"A": "name-taken"}
    assert "the userName a@example.com is protected" in found.problems[0].message


def test_a_protected_leaver_without_an_account_is_not_worth_a_word(world: World) -> None:
    world.protected = ("a@example.com",)
    world.duo("A", standing=OUT)
    assert world.diff().warnings == ()


def test_a_protected_name_with_brackets_protects_itself(world: World) -> None:
    world.protected = ("[svc]@example.com",)
    world.duo("A", "[svc]@example.com", standing=OUT)
    world.account("a", "[svc]@example.com", "A")
    assert world.diff().changes == ()


# --- groups and members ----------------------------------------------------------------------


def test_a_new_group_is_created_with_its_members_people_before_groups(world: World) -> None:
    world.settled("A")
    world.duo("A", groups=("G",))
    world.duo("B", groups=("G",))
    world.duo("C", groups=("G",), standing=HELD)
    world.duo("D", groups=("G",), standing=OUT)
    world.duo_group("G", 'Staff (from AD sync "x")', pushed="Staff")
    person, group = world.diff().changes
    assert (person.action, person.key) == ("create", "b@example.com")
    assert (group.resource, group.action, group.key) == ("group", "create", "Staff")
    assert group.diff == (Delta("displayName", None, "Staff"),)
    assert group.added == (Member("a@example.com", "A", "n-A"), Member("b@example.com", "B", None))
    assert group.reasons == ('the Duo group "Staff (from AD sync "x")" is in scope',)


def test_a_renamed_group_is_renamed_in_place(world: World) -> None:
    world.duo_group("G", "New")
    world.group("g", "Old", "G")
    change = only(world.diff())
    assert (change.action, change.id, change.diff) == ("update", "g", (Delta("displayName", "Old", "New"),))


def test_a_group_name_changes_even_if_only_in_letter_case(world: World) -> None:
    world.duo_group("G", "STAFF")
    world.group("g", "Staff", "G")
    assert only(world.diff()).diff == (Delta("displayName", "Staff", "STAFF"),)


def test_two_groups_that_swapped_names_swap_by_way_of_a_temporary_one(world: World) -> None:
    world.duo_group("G", "H-name")
    world.duo_group("H", "G-name")
    world.group("g", "G-name", "G")
    world.group("h", "H-name", "H")
    assert sorted(str(change.via) for change in world.diff().changes) == ["None", "ninjasync-H"]


def test_a_hand_made_group_of_that_name_is_adopted_with_its_role_mapping(world: World) -> None:
    world.settled("A")
    world.duo("A", groups=("G",))
    world.duo_group("G", "Staff")
    world.group("g", "staff")
    found = world.diff()
    change = only(found)
    assert (change.action, change.id) == ("adopt", "g")
    assert change.diff == (Delta("externalId", None, "G"), Delta("displayName", "staff", "Staff"))
    assert change.added == (Member("a@example.com", "A", "n-A"),)
    assert found.groups.unmanaged == 0


def test_with_adopt_off_a_group_whose_name_is_taken_is_held(world: World) -> None:
    world.deprovision = Deprovision(adopt=False)
    world.duo_group("G", "Staff")
    world.group("g", "Staff")
    found = world.diff()
    assert found.changes == ()
    assert problems(found) == {"G": "duplicate-group-name"}
    assert (found.groups.held, found.groups.unmanaged) == (1, 1)


def test_groups_that_would_get_one_name_are_held_and_each_is_told_of_the_other(world: World) -> None:
    world.duo_group("G", 'Staff (from AD sync "a")', pushed="Staff")
    world.duo_group("H", "staff")
    world.group("g", "Staff", "G")
    found = world.diff()
    assert found.changes == ()
    assert problems(found) == {"G": "duplicate-group-name", "H": "duplicate-group-name"}
    assert '"staff" in Duo would get the same name' in found.problems[0].message
    assert (found.groups.held, found.groups.unchanged) == (2, 0)


def test_the_second_group_with_an_externalid_is_left_alone_and_said(world: World) -> None:
    world.duo_group("G", "Staff")
    world.group("g", "Staff", "G")
    world.group("g2", "Staff 2", "G")
    found = world.diff()
    assert found.changes == ()
    assert found.warnings == ("Staff (g) and Staff 2 (g2) both claim the Duo id G; the second is left alone.",)


def test_the_second_group_with_an_externalid_is_not_given_to_another_group(world: World) -> None:
    world.duo_group("G", "Staff")
    world.duo_group("H", "Other")
    world.group("g", "Staff", "G")
    world.group("g2", "Other", "G")
    assert problems(world.diff()) == {"H": "duplicate-group-name"}


def test_a_group_whose_record_in_ninjaone_is_unreadable_is_held_and_not_made_anew(world: World) -> None:
    world.duo_group("G", "Staff")
    world.duo_group("H", "Ops")
    world.unreadable_in_ninjaone += [
        Problem("group", "g", "G", "unreadable-record", "has no displayName"),
        Problem("group", "OPS", None, "unreadable-record", "has no id"),
    ]
    found = world.diff()
    assert found.changes == ()


def test_an_unreadable_group_is_counted_among_the_groups_not_the_people(world: World) -> None:
    world.unreadable_in_ninjaone.append(Problem("group", "g", None, "unreadable-record", "has no displayName"))
    found = world.diff()
    assert (found.users.held, found.groups.held) == (0, 1)


@pytest.mark.parametrize(("removed", "action"), [("keep", None), ("delete", "delete")])
def test_a_group_that_left_the_scope_is_kept_with_its_members_or_deleted(
    world: World, removed: Any, action: str | None
) -> None:
    world.pushing = Groups(removed=removed)
    world.settled("A")
    world.duo_group("G", "Staff", pushed=None)
    world.group("g", "Staff", "G", ("n-A",))
    found = world.diff()
    assert [change.action for change in found.changes] == ([action] if action else [])
    assert bool(found.warnings) == (removed == "keep")
    if removed == "keep":
        assert found.warnings == ('The group "Staff" is no longer in scope; it is kept, with its members as they are.',)


def test_a_group_that_duo_does_not_have_is_unmanaged_and_never_deleted(world: World) -> None:
    world.pushing = Groups(removed="delete")
    world.group("g", "Staff", "DG-GONE")
    world.group("h", "Native")
    found = world.diff()
    assert found.changes == ()
    assert found.groups.unmanaged == 2


def test_members_are_added_and_removed_one_by_one_and_sorted(world: World) -> None:
    world.settled("A", "B", "C", "D")
    world.duo("A", groups=("G",))
    world.duo("B", groups=("G",))
    world.duo("D", groups=("G",))
    world.duo_group("G", "Staff")
    world.group("g", "Staff", "G", ("n-C", "n-D"))
    found = world.diff()
    change = only(found)
    assert (change.action, change.diff) == ("update", ())
    assert change.added == (Member("a@example.com", "A", "n-A"), Member("b@example.com", "B", "n-B"))
    assert change.removed == (Member("c@example.com", "C", "n-C"),)
    assert found.memberships == 2


def test_a_leaver_leaves_his_groups_with_his_account(world: World) -> None:
    world.leaver("A")
    world.duo_group("G", "Staff")
    world.group("g", "Staff", "G", ("n-A",))
    group, person = world.diff().changes
    assert group.removed == (Member("a@example.com", "A", "n-A"),)
    assert person.action == "deactivate"


def test_a_leaver_whose_account_is_kept_keeps_his_groups(world: World) -> None:
    world.deprovision = Deprovision(users="keep")
    world.leaver("A")
    world.duo_group("G", "Staff")
    world.group("g", "Staff", "G", ("n-A",))
    found = world.diff()
    assert found.changes == ()
    assert "1 group membership of held" in found.warnings[0]


def test_memberships_of_held_locked_out_protected_and_unmanaged_accounts_stay_and_are_counted(world: World) -> None:
    world.protected = ("p@example.com",)
    world.duo("H", standing=HELD)
    world.duo("L", standing=LEFT_ALONE, groups=("G",))
    world.duo("P", "p@example.com", groups=("G",))
    for id_ in "HLP":
        world.account(f"n-{id_}", f"{id_.lower()}@example.com", id_)
    world.account("n-U", "unmanaged@example.com")
    world.duo_group("G", "Staff")
    world.group("g", "Staff", "G", ("n-H", "n-U", "n-unknown"))
    found = world.diff()
    assert found.changes == ()
    assert found.warnings[-1].startswith("5 group memberships of held, protected, kept or unmanaged accounts differ")


def test_memberships_of_the_held_that_agree_are_not_worth_a_word(world: World) -> None:
    world.duo("H", standing=HELD, groups=("G",))
    world.account("n-H", "h@example.com", "H")
    world.duo_group("G", "Staff")
    world.group("g", "Staff", "G", ("n-H",))
    assert world.diff().warnings == ()


def test_an_adopted_account_brings_its_memberships_along(world: World) -> None:
    world.duo("A", groups=("G",))
    world.account("n-A", "a@example.com")
    world.duo_group("G", "Staff")
    world.duo_group("H", "Other")
    world.group("g", "Staff", "G", ("n-A",))
    world.group("h", "Other", "H", ("n-A",))
    adopted, group = world.diff().changes
    assert adopted.action == "adopt"
    assert (group.key, group.removed) == ("Other", (Member("a@example.com", "A", "n-A"),))


def test_a_group_whose_members_are_not_shown_loses_nobody(world: World) -> None:
    world.settled("A")
    world.duo("A", groups=("G",))
    world.duo_group("G", "Staff")
    world.group("g", "Staff", "G", None)
    assert only(world.diff()).removed == ()


# --- order -----------------------------------------------------------------------------------


def test_removals_come_last_and_people_before_groups_and_then_by_name(world: World) -> None:
    world.pushing = Groups(removed="delete")
    world.leaver("L")
    world.duo("B", "B@example.com")
    world.duo("A", "a@example.com")
    world.duo_group("N", "New")
    world.duo_group("O", "Old", pushed=None)
    world.group("o", "Old", "O")
    assert what(world.diff()) == [
        ("create", "a@example.com"),
        ("create", "B@example.com"),
        ("create", "New"),
        ("deactivate", "l@example.com"),
        ("delete", "Old"),
    ]


def test_the_order_in_which_records_arrive_changes_nothing(world: World) -> None:
    world.settled("A", "B")
    world.leaver("L", "M")
    world.duo("A", "b@example.com", groups=("G",))
    world.duo("B", "a@example.com", groups=("G",))
    world.duo("C", groups=("G",))
    world.duo_group("G", "Staff")
    world.group("g", "Staff", "G", ("n-L", "n-M"))
    first = world.diff()
    world.people = dict(reversed(world.people.items()))
    world.accounts.reverse()
    second = world.diff()
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


def test_a_privilege_that_is_only_spelt_otherwise_is_no_change(world: World) -> None:
    world.duo("A", values=("Doe", "Jane", "All", "technician"))
    world.account("a", "a@example.com", "A", values=("Doe", "Jane", "ALL", "Technician"))
    assert world.diff().changes == ()


def test_a_value_that_is_no_longer_wanted_is_taken_away(world: World) -> None:
    world.duo("A", values=("Doe", "Jane", None, "technician"))
    world.account("a", "a@example.com", "A", values=("Doe", "Jane", "7", "technician"))
    assert only(world.diff()).diff == (Delta(ORGANIZATION_ID, "7", None),)
