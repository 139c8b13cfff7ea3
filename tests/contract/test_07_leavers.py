"""What the contract says of the leavers' clock."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.company import staff, user
from tests.support.office import Office


def test_07_the_leavers_clock_starts_when_the_ledger_recorded_our_deactivation(office: Office) -> None:
    office.settle()
    office.disable(0)
    office.days_pass(3)
    assert office.apply().actions() == {user(0): "deactivate"}
    (before,) = office.ask_ledger("select deactivated_at from resources where name = ?", user(0))

    office.days_pass(20)
    assert office.apply().actions() == {}  # being seen again does not start it anew
    assert office.ask_ledger("select deactivated_at from resources where name = ?", user(0)) == [before]
    assert re.search(rf"{re.escape(user(0))}: deleted on \d{{4}}-\d\d-\d\d", office.run("plan").out)

    office.days_pass(11)
    assert office.apply().actions() == {user(0): "delete"}
    assert user(0) not in office.accounts()
    assert office.apply().actions() == {}


def test_07_with_no_deactivation_recorded_it_starts_at_the_first_apply_that_finds_the_leaver(office: Office) -> None:
    office.settle()
    office.disable(0)
    office.edit(user(0), active=False)
    office.plan()
    office.days_pass(40)
    assert office.apply().actions() == {}  # the plan before did not start it
    office.days_pass(29)
    assert office.apply().actions() == {}

    office.days_pass(2)

    assert office.apply().actions() == {user(0): "delete"}


def test_07_the_apply_of_a_saved_plan_starts_the_clock_too(office: Office, tmp_path: Path) -> None:
    office.settle()
    office.disable(0)
    office.edit(user(0), active=False)
    for number in range(3):
        assert office.plan("--out", tmp_path / f"plan{number}").code == 0
        assert office.run("apply", tmp_path / f"plan{number}").code == 0
        office.days_pass(31)

    assert user(0) not in office.accounts()


def test_07_a_clock_of_an_earlier_absence_does_not_count_for_the_next(office: Office) -> None:
    office.settle()
    office.disable(0)
    office.apply()
    # The user is back, and an administrator was quicker: nothing is left to reactivate.
    office.people.enable(office.duo(user(0)))
    office.edit(user(0), active=True)
    office.apply()
    office.days_pass(300)
    # The user leaves again, and again an administrator was quicker.
    office.disable(0)
    office.edit(user(0), active=False)

    assert office.apply().actions() == {}
    assert user(0) in office.accounts()


def test_07_a_returner_is_reactivated_with_the_same_id_and_the_clock_is_stopped(office: Office) -> None:
    office.settle()
    id_ = office.account(user(0))["id"]
    office.disable(0)
    office.apply()
    office.days_pass(29)
    office.people.enable(office.duo(user(0)))

    assert office.apply().actions() == {user(0): "reactivate"}

    assert office.account(user(0))["id"] == id_
    office.disable(0)
    office.apply()
    office.days_pass(29)
    assert office.apply().actions() == {}


def test_07_due_deletions_beyond_the_removal_limit_are_deferred_oldest_first_and_never_trip_the_guard(
    tmp_path: Path,
) -> None:
    with Office(tmp_path, staff(8, 0)) as office:
        office.configure("safety", max_removals=2, max_removals_percent=0, min_source_percent=0)
        office.settle()
        for number in (3, 1, 4):
            office.disable(number)
            assert office.apply().code == 0
            office.days_pass(1)
        office.days_pass(30)
        office.disable(6)

        done = office.apply()

        # One deactivation leaves room for one deletion, that of who left first.
        assert (done.code, done.actions()) == (0, {user(6): "deactivate", user(3): "delete"})
        assert "2 deletions are due" in done.warnings
        assert office.apply().actions() == {user(1): "delete", user(4): "delete"}


def test_07_deferred_deletions_are_none_of_the_removals_that_trip_the_guard(tmp_path: Path) -> None:
    with Office(tmp_path, staff(8, 0)) as office:
        office.configure("safety", max_removals=2, max_removals_percent=0, min_source_percent=0)
        office.settle()
        for number in (0, 1):
            office.disable(number)
        office.apply()
        office.days_pass(31)
        office.disable(2, 3)
        assert office.plan().actions() == {user(2): "deactivate", user(3): "deactivate"}
        assert office.plan().code == 0

        office.disable(4)  # the third deactivation is what trips it

        (guard,) = office.plan().tripped().values()
        assert guard["approve"] == "--approve-removals 3"


@pytest.mark.parametrize(("days", "left"), [(-1, True), (1, False)])
def test_07_minus_one_is_never(office: Office, days: int, left: bool) -> None:
    office.configure("deprovision", delete_after_days=days)
    office.settle()
    office.disable(0)
    office.apply()
    office.days_pass(4000)

    assert office.apply().code == 0

    assert (user(0) in office.accounts()) is left


def test_07_zero_days_with_deactivate_is_refused_in_favour_of_delete(office: Office) -> None:
    office.configure("deprovision", users="deactivate", delete_after_days=0)

    planned = office.plan()

    assert planned.code == 78
    assert 'users = "delete"' in planned.printed.replace('\\"', '"')
    office.configure("deprovision", users="delete")
    assert office.plan().code == 0
