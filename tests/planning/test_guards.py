"""The guards: where exactly each one trips, what it says, and what approves it.

How the figures that they judge by come about is in test_planner.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninjasync.config.safety import Safety
from ninjasync.model.attributes import USER_TYPE
from ninjasync.model.change import Change, Delta, Member
from ninjasync.model.message import Message
from ninjasync.model.plan import Approvals, Evidence, GuardResult
from ninjasync.planning.guards import GUARDS, judge, permitted, unreadable, with_their_needs, withhold

QUIET = Evidence(
    missing=(),
    in_scope=5,
    last_good=5,
    active=5,
    memberships=5,
    removals=0,
    member_removals=0,
    privilege_changes=0,
    held=0,
    unreadable=0,
)


def verdict(name: str, safety: Safety | None = None, approvals: Approvals | None = None, **figures: Any) -> GuardResult:
    """The verdict of the guard called ``name`` on a quiet plan with these figures."""
    results = judge(replace(QUIET, **figures), safety or Safety(), approvals or Approvals())
    (found,) = (result for result in results if result.name == name)
    return found


def test_a_quiet_plan_trips_nothing_and_every_guard_speaks() -> None:
    results = judge(QUIET, Safety(), Approvals())
    assert len(results) == len(GUARDS)
    assert not any(result.tripped for result in results)
    assert all(result.message.endswith(".") for result in results)


# --- removals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("active", "removals", "trips"),
    [
        (5, 3, False),
        (5, 4, True),
        (30, 3, False),
        (30, 4, True),
        (39, 4, True),
        (40, 4, False),
        (40, 5, True),
        (5000, 500, False),
        (5000, 501, True),
        (0, 3, False),
        (0, 4, True),
    ],
)
def test_removals_pass_at_the_larger_of_three_and_a_tenth_and_trip_just_above(
    active: int, removals: int, trips: bool
) -> None:
    result = verdict("removals", active=active, removals=removals)
    assert result.tripped is trips
    assert f"{removals} of {active} active managed accounts" in result.message
    assert "[safety] max_removals)" in result.message
    assert "10 % ([safety] max_removals_percent)" in result.message
    assert result.approve == f"--approve-removals {removals}"


@pytest.mark.parametrize(
    ("percent", "active", "limit"),
    [(2.3, 3000, 69), (0.57, 10_000, 57), (1.14, 5000, 57), (4.6, 1500, 69), (33.3, 1000, 333), (100, 10, 10)],
)
def test_a_percentage_with_a_fraction_is_not_rounded_either_way(percent: float, active: int, limit: int) -> None:
    safety = Safety(max_removals=0, max_removals_percent=percent)
    assert not verdict("removals", safety, active=active, removals=limit).tripped
    assert verdict("removals", safety, active=active, removals=limit + 1).tripped


@given(st.integers(0, 10_000), st.integers(0, 200_000), st.integers(0, 200_000))
def test_the_limit_in_hundredths_of_a_percent_is_kept_exactly(hundredths: int, active: int, removals: int) -> None:
    safety = Safety(max_removals=0, max_removals_percent=hundredths / 100)
    exact = removals * 10_000 > hundredths * active
    assert verdict("removals", safety, active=active, removals=removals).tripped is exact


def test_a_limit_of_zero_allows_no_removal() -> None:
    safety = Safety(max_removals=0, max_removals_percent=0)
    assert verdict("removals", safety, removals=1).tripped
    assert not verdict("removals", safety, removals=0).tripped


@pytest.mark.parametrize(("approved", "trips"), [(None, True), (0, True), (4, True), (5, False), (99, False)])
def test_removals_are_approved_up_to_the_number_given(approved: int | None, trips: bool) -> None:
    assert verdict("removals", None, Approvals(removals=approved), removals=5).tripped is trips


# --- the source ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "before", "trips"),
    [(4, 5, False), (3, 5, True), (4000, 5000, False), (3999, 5000, True), (6, 5, False), (1, 1, False), (1, 0, False)],
)
def test_a_source_may_shrink_to_four_fifths_and_not_below(now: int, before: int, trips: bool) -> None:
    result = verdict("source", in_scope=now, last_good=before)
    assert result.tripped is trips
    assert f"{now} are in scope, {before} were at the last good run" in result.message
    assert "([safety] min_source_percent)" in result.message
    assert result.approve == f"--approve-source {now}"


def test_without_a_last_good_run_the_active_managed_accounts_stand_in() -> None:
    result = verdict("source", in_scope=7, last_good=None, active=10)
    assert result.tripped
    assert "7 are in scope, 10 accounts are managed and active" in result.message
    assert not verdict("source", in_scope=8, last_good=None, active=10).tripped


def test_an_exact_share_with_a_fraction_is_enough() -> None:
    assert not verdict("source", Safety(min_source_percent=4.4), in_scope=33, last_good=750).tripped
    assert verdict("source", Safety(min_source_percent=4.4), in_scope=32, last_good=750).tripped


@pytest.mark.parametrize("last_good", [None, 0, 5])
def test_an_empty_source_always_trips_unless_zero_is_approved(last_good: int | None) -> None:
    result = verdict("source", Safety(min_source_percent=0), in_scope=0, last_good=last_good, active=0)
    assert result.tripped
    assert "never taken for an empty company" in result.message
    assert not verdict("source", None, Approvals(source=0), in_scope=0, last_good=last_good).tripped
    assert verdict("source", None, Approvals(source=1), in_scope=0, last_good=last_good).tripped


@pytest.mark.parametrize(("approved", "trips"), [(None, True), (4, True), (3, False), (0, False)])
def test_a_shrunken_source_is_accepted_down_to_the_number_approved(approved: int | None, trips: bool) -> None:
    assert verdict("source", None, Approvals(source=approved), in_scope=3, last_good=10).tripped is trips


def test_a_scoped_group_that_is_gone_is_refused_by_name_and_nothing_approves_it() -> None:
    missing = ('[scope] groups: Duo has no group "Stuff"; did you mean "Staff"?', "another")
    result = verdict("scoped-groups", None, Approvals(99, 99, 0, 99), missing=missing)
    assert result.tripped
    assert 'Duo has no group "Stuff"' in result.message
    assert "another" in result.message
    assert result.approve == ""


# --- members ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "removed", "trips"),
    [(19, 19, False), (20, 5, False), (20, 6, True), (5000, 1250, False), (5000, 1251, True), (0, 0, False)],
)
def test_members_may_be_removed_up_to_a_quarter_from_twenty_memberships_on(
    every: int, removed: int, trips: bool
) -> None:
    result = verdict("member-removals", memberships=every, member_removals=removed)
    assert result.tripped is trips
    assert f"{removed} of {every} group memberships" in result.message
    assert "([safety] max_member_removals_percent)" in result.message
    assert result.approve == f"--approve-member-removals {removed}"


@pytest.mark.parametrize(("approved", "trips"), [(None, True), (9, True), (10, False)])
def test_member_removals_are_approved_up_to_the_number_given(approved: int | None, trips: bool) -> None:
    approvals = Approvals(member_removals=approved)
    assert verdict("member-removals", None, approvals, memberships=20, member_removals=10).tripped is trips


# --- privileges and the held -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "active", "changes", "approved", "trips"),
    [
        ((3, 10), 5, 3, None, False),
        ((3, 10), 5, 4, None, True),
        ((3, 10), 40, 4, None, False),
        ((3, 10), 40, 5, None, True),
        ((3, 10), 40, 36, 35, True),
        ((3, 10), 40, 36, 36, False),
        ((0, 0), 40, 0, None, False),
        ((0, 0), 40, 1, None, True),
        ((0, 0), 40, 1, 0, True),
        ((0, 0), 40, 1, 1, False),
    ],
)
def test_rights_may_change_up_to_the_larger_of_a_number_and_a_share(
    limits: tuple[int, int], active: int, changes: int, approved: int | None, trips: bool
) -> None:
    safety = Safety(max_privilege_changes=limits[0], max_privilege_changes_percent=limits[1])
    figures = {"active": active, "privilege_changes": changes, "rights": (("to technician", changes),)}
    result = verdict("privilege-changes", safety, Approvals(privilege_changes=approved), **figures)
    assert result.tripped is trips
    assert f"{changes} accounts would get other rights ({changes} to technician)" in result.message
    assert f"{limits[0]} ([safety] max_privilege_changes)" in result.message
    assert (
        f"{limits[1]} % of {active} active managed accounts ([safety] max_privilege_changes_percent)" in result.message
    )
    assert result.approve == f"--approve-privilege-changes {changes}"


@pytest.mark.parametrize(
    ("in_scope", "held", "approvals", "trips"),
    [
        (53, 10, Approvals(), False),
        (53, 11, Approvals(), True),
        (53, 53, Approvals(held=52), True),
        (53, 53, Approvals(held=53), False),
        (4, 4, Approvals(), False),
        (5, 5, Approvals(), False),
        (6, 6, Approvals(), True),
        (53, 1, Approvals(strict=True), True),
        (53, 1, Approvals(strict=True, held=9), True),
        (53, 0, Approvals(strict=True), False),
    ],
)
def test_records_may_be_held_up_to_the_larger_of_five_and_a_fifth_and_none_under_strict(
    in_scope: int, held: int, approvals: Approvals, trips: bool
) -> None:
    result = verdict("held", None, approvals, in_scope=in_scope, held=held, commonest="The commonest problem is this.")
    assert result.tripped is trips
    assert result.message.startswith(f"{held} records are held; ")
    assert result.message.endswith(" The commonest problem is this.")
    assert result.approve == ("" if approvals.strict else f"--approve-held {held}")


def test_approvals_on_the_command_line_lie_over_those_in_the_file() -> None:
    in_file = Approvals(removals=5, source=7, strict=True)
    assert in_file.with_more(Approvals()) == in_file
    assert in_file.with_more(Approvals(removals=0, member_removals=2)) == Approvals(0, 2, 7, None, None, strict=True)
    assert Approvals().with_more(Approvals(strict=True)).strict


# --- withholding -----------------------------------------------------------------------------

MEMBER = Member("m", "M", "m")
CREATE = Change("user", "create", "a", None, "A")
LEAVE = Change("user", "deactivate", "d", "d", "D")
BOTH = Change("group", "update", "g", "g", "G", added=(MEMBER,), removed=(MEMBER,))


def test_withholding_keeps_everything_but_removals_of_users_groups_and_members() -> None:
    changes = (
        CREATE,
        BOTH,
        Change("group", "update", "h", "h", "H", removed=(MEMBER,)),
        Change("group", "adopt", "i", "i", "I", removed=(MEMBER,)),
        LEAVE,
        Change("user", "delete", "e", "e", "E"),
        Change("group", "delete", "f", "f", "F"),
    )
    assert withhold(changes, privileges=False) == (
        CREATE,
        replace(BOTH, removed=()),
        Change("group", "adopt", "i", "i", "I"),
    )


def test_with_withheld_privileges_the_changes_that_wait_for_their_names_are_withheld_too() -> None:
    moved = Delta("userName", "a", "x")
    privileged = Change("user", "update", "x", "a", "A", (moved, Delta(USER_TYPE, "x", "y")), privilege=True)
    waits = Change("user", "update", "a", "b", "B", needs=("user:a",), diff=(Delta("userName", "b", "a"),))
    waits_longer = Change("user", "create", "b", None, "C", needs=("user:b",))
    free = Change("user", "create", "z", None, "Z")
    changes = (privileged, waits, waits_longer, free)
    assert withhold(changes, privileges=True) == (free,)
    assert withhold(changes, privileges=False) == changes


def test_a_user_whose_creation_is_withheld_is_not_added_to_a_group() -> None:
    # Else the group's change could only fail.
    waits = Change("user", "create", "a", None, "C", needs=("user:gone",))
    waiting, new, there = Member("a", "C", None), Member("n", "N", None), Member("t", "T", "t")
    create = Change("user", "create", "n", None, "N")
    group = Change("group", "update", "g", "g", "G", added=(waiting, new, there))
    alone = Change("group", "update", "h", "h", "H", added=(waiting,))
    assert with_their_needs([waits, create, group, alone]) == (create, replace(group, added=(new, there)))


def test_changes_that_need_nothing_are_left_as_they_are() -> None:
    assert with_their_needs([CREATE, BOTH, LEAVE]) == (CREATE, BOTH, LEAVE)


TRIPPED = (GuardResult("removals", True, Message("too many.")),)


@pytest.mark.parametrize(
    ("on_refusal", "lost", "verdicts", "writes", "withheld"),
    [
        ("stop", 0, (), "all", set()),
        ("stop", 0, TRIPPED, "all", set()),
        ("withhold", 0, (), "all", set()),
        ("withhold", 0, TRIPPED, "safe", {LEAVE.name, BOTH.name}),
        ("stop", 1, (), "safe", {LEAVE.name, BOTH.name}),
        ("withhold", 1, (), "safe", {LEAVE.name, BOTH.name}),
    ],
)
def test_removals_are_withheld_where_configured_and_always_where_a_record_could_not_be_read(
    on_refusal: Any, lost: int, verdicts: Any, writes: str, withheld: set[str]
) -> None:
    changes = (CREATE, BOTH, LEAVE)
    evidence = replace(QUIET, unreadable=lost)
    expected: tuple[Change, ...] = changes if writes == "all" else (CREATE, replace(BOTH, removed=()))
    assert permitted(changes, evidence, verdicts, Safety(on_refusal=on_refusal)) == (expected, frozenset(withheld))


@pytest.mark.parametrize(("tripped", "kept"), [(False, True), (True, False)])
def test_changes_of_privilege_are_withheld_only_where_their_guard_tripped(tripped: bool, kept: bool) -> None:
    change = Change("user", "update", "a", "a", "A", (Delta(USER_TYPE, "x", "y"),), privilege=True)
    verdicts = (*TRIPPED, GuardResult("privilege-changes", tripped, Message(".")))
    writes, _ = permitted((change,), QUIET, verdicts, Safety(on_refusal="withhold"))
    assert writes == ((change,) if kept else ())


@pytest.mark.parametrize(("lost", "withheld", "trips"), [(0, 0, False), (1, 0, False), (1, 2, True)])
def test_unreadable_records_are_a_refusal_only_where_something_was_withheld_for_them(
    lost: int, withheld: int, trips: bool
) -> None:
    result = unreadable(replace(QUIET, unreadable=lost), withheld)
    assert (result.name, result.tripped) == ("unreadable-records", trips)
    assert f"{lost} record{'s' * (lost != 1)} could not be read" in result.message or lost == 0
