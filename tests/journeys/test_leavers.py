"""Users who leave in every way that there is, and who come back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.company import END_USERS, user
from tests.support.office import Office
from tests.support.urns import EXTENSION


def leave(office: Office, email: str) -> None:
    for group in office.people.scoped:
        office.people.leave(office.duo(email), group)


GOING: dict[str, Callable[[Office, str], None]] = {
    "leaves the group": leave,
    "is disabled": lambda office, email: office.people.disable(office.duo(email)),
    "is trashed": lambda office, email: office.people.trash(office.duo(email)),
}


@pytest.mark.parametrize("how", GOING)
def test_a_leaver_is_deactivated_by_default(settled: Office, how: str) -> None:
    before = settled.account(user(0))
    GOING[how](settled, user(0))
    planned = settled.plan("--detailed-exitcode")
    assert planned.code == 2
    assert planned.actions() == {user(0): "deactivate"}
    settled.apply_and_list_writes()
    after = settled.account(user(0))
    assert (after["id"], after["active"]) == (before["id"], False)
    assert after[EXTENSION] == before[EXTENSION]
    assert user(0) not in settled.groups()[END_USERS]
    assert len(settled.groups()[END_USERS]) == 11
    assert settled.plan("--detailed-exitcode").code == 0


@pytest.mark.parametrize("how", GOING)
def test_a_leaver_is_deleted_where_the_configuration_says_so(settled: Office, how: str) -> None:
    settled.configure("deprovision", users="delete")
    gone = settled.id_of(user(0))
    GOING[how](settled, user(0))
    assert settled.plan().actions() == {user(0): "delete"}
    assert ("DELETE", f"/Users/{gone}") in settled.apply_and_list_writes()
    assert user(0) not in settled.accounts()
    assert len(settled.accounts()) == 14
    assert settled.plan("--detailed-exitcode").code == 0


@pytest.mark.parametrize("how", GOING)
def test_a_leaver_is_kept_where_the_configuration_says_so(settled: Office, how: str) -> None:
    settled.configure("deprovision", users="keep")
    GOING[how](settled, user(0))
    assert settled.plan().actions() == {}
    settled.apply_and_list_writes()
    assert settled.account(user(0))["active"] is True


def test_a_user_who_is_locked_out_is_left_untouched(settled: Office) -> None:
    settled.people.lock_out(settled.duo(user(0)))
    before = settled.snapshot()
    assert settled.plan("--detailed-exitcode").code == 0
    assert settled.apply_and_list_writes() == []
    assert settled.snapshot() == before


@pytest.mark.parametrize("how", GOING)
def test_a_user_who_comes_back_is_reactivated_under_the_same_id(settled: Office, how: str) -> None:
    before, members = settled.account(user(0)), settled.groups()
    GOING[how](settled, user(0))
    settled.settle()
    settled.people.enable(settled.duo(user(0)))
    settled.people.join(settled.duo(user(0)), settled.people.scoped[1])
    assert settled.plan().actions() == {user(0): "reactivate"}
    settled.settle()
    after = settled.account(user(0))
    assert {**after, "meta": None} == {**before, "meta": None}
    assert settled.groups() == members


def test_the_last_line_counts_a_reactivation_as_an_update(settled: Office) -> None:
    settled.people.disable(settled.duo(user(0)))
    settled.settle()
    settled.people.enable(settled.duo(user(0)))
    assert settled.run("plan").last_line == "Plan: users: 1 to update; groups: 1 to update."


def test_a_promotion_is_one_patch_that_is_marked_as_a_privilege_change(settled: Office) -> None:
    settled.people.set_attribute(settled.duo(user(0)), "userType", "technician")
    change = settled.plan().change(user(0))
    assert (change["action"], change["privilege"]) == ("update", True)
    assert change["diff"] == [{"path": "userType", "before": "endUser", "after": "technician"}]
    assert settled.apply_and_list_writes() == [("PATCH", f"/Users/{settled.id_of(user(0))}")]
    assert settled.account(user(0))[EXTENSION]["userType"] == "technician"
