"""A Duo group whose name is null: it is told, and everything else goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.company import END_USERS, TECHNICIANS, staff, user
from tests.support.office import Office


@pytest.mark.parametrize("name", [None, "", "  "])
def test_a_group_without_a_name_is_told_and_the_others_go_on(tmp_path: Path, name: str | None) -> None:
    with Office(tmp_path, staff(4, 1)) as office:
        stray = office.people.add_group("Stray")
        office.people.join(office.duo(user(1)), stray)
        office.people.groups[stray]["name"] = name
        done = office.apply()
        assert done.code == 0, done.printed
        assert any(stray in warning for warning in done.json["warnings"])
        office.settle()
        office.people.disable(office.duo(user(0)))
        office.settle()
        assert office.account(user(0))["active"] is False
        assert user(1) in office.members(END_USERS)


@pytest.mark.parametrize("removed", ["keep", "delete"])
def test_a_group_of_ours_that_lost_its_name_keeps_its_members_and_no_account_is_removed(
    tmp_path: Path, removed: str
) -> None:
    with Office(tmp_path, staff(4, 1)) as office:
        office.configure("groups", removed=removed)
        office.settle()
        before = office.members(END_USERS)
        office.people.groups[office.people.find_group_id(END_USERS)]["name"] = None
        office.configure("scope", groups=[TECHNICIANS])
        office.apply()
        assert office.members(END_USERS) == before
        assert all(one.get("active", True) for one in office.ninjaone.users.values())
