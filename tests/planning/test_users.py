"""One user's account: created, updated, adopted, left alone; protected accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ninjasync.config.provisioning import Deprovision
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Delta
from ninjasync.model.directory import Problem
from ninjasync.model.message import Message
from ninjasync.model.source import Standing

if TYPE_CHECKING:
    from tests.support.sides import Sides
from tests.support.differences import HELD, IN, LEFT_ALONE, OUT, only, problems, what

# --- users -------------------------------------------------------------------------------------


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
def test_the_account_of_a_held_or_locked_out_user_is_left_exactly_as_it_is(sides: Sides, standing: Standing) -> None:
    sides.duo("A", standing=standing)
    sides.account("a", "other@example.com", "A", active=False)
    found = sides.diff()
    assert found.changes == ()
    assert found.users.held == (standing is HELD)
    assert found.users.unchanged == (standing is LEFT_ALONE)


def test_an_account_without_a_user_in_duo_is_never_removed(sides: Sides) -> None:
    sides.account("a", "gone@example.com", "DU-NOT-IN-DUO")
    sides.account("b", "hand-made@example.com")
    found = sides.diff()
    assert found.changes == ()
    assert (found.users.unmanaged, found.ours) == (2, {})


def test_one_invalid_user_blocks_no_other(sides: Sides) -> None:
    sides.duo("A", standing=HELD)
    sides.duo("B")
    found = sides.diff()
    assert what(found) == [("create", "b@example.com")]
    assert problems(found) == {"A": "invalid-user-type"}


# --- adopting ----------------------------------------------------------------------------------


def test_a_hand_made_account_with_the_same_address_in_any_case_is_adopted(sides: Sides) -> None:
    sides.duo("A", "jane@example.com")
    sides.account("a", "JANE@example.com", values=("Doe", "Janet", "All", "endUser"))
    found = sides.diff()
    change = only(found)
    assert (change.action, change.id) == ("adopt", "a")
    assert change.diff == (Delta("externalId", None, "A"), Delta("name.givenName", "Janet", "Jane"))
    assert "that is not managed" in change.reasons[1]
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


def test_a_user_made_anew_in_duo_keeps_the_account(sides: Sides) -> None:
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


# --- protected ---------------------------------------------------------------------------------


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


def test_a_user_that_needs_the_name_of_a_protected_account_is_held(sides: Sides) -> None:
    sides.duo("A", "a@example.com")
    sides.account("a", "old@example.com", "A")
    sides.account("p", "a@example.com")
    sides.protected = ("a@example.com",)
    found = sides.diff()
    assert found.changes == ()
    assert problems(found) == {"A": "name-taken"}
    assert "the userName a@example.com is protected" in found.problems[0].message


def test_a_protected_leaver_without_an_account_is_not_reported(sides: Sides) -> None:
    sides.protected = ("a@example.com",)
    sides.duo("A", standing=OUT)
    assert sides.diff().warnings == ()


def test_a_protected_name_with_brackets_protects_itself(sides: Sides) -> None:
    sides.protected = ("[svc]@example.com",)
    sides.duo("A", "[svc]@example.com", standing=OUT)
    sides.account("a", "[svc]@example.com", "A")
    assert sides.diff().changes == ()
