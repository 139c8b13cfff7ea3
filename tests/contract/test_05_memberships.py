"""What the contract says of memberships."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.company import END_USERS, TECHNICIANS, staff, user
from tests.support.office import Office


@pytest.mark.parametrize("kind", ["held", "protected", "unmanaged"])
def test_05_memberships_of_held_protected_and_unmanaged_accounts_are_neither_added_nor_removed(
    office: Office, kind: str
) -> None:
    if kind == "protected":
        office.configure("safety", protected_users=[user(0)])
        office.native(user(0))
        office.settle()
        ids = [office.account(user(0))["id"]]
    else:
        office.settle()
        ids = [office.account(user(0))["id"]]
    if kind == "unmanaged":
        ids = [office.native("stranger@example.com")]
    if kind == "held":
        office.people.set_attribute(office.duo(user(0)), "userType", "chef")
    office.edit_group(TECHNICIANS, members=[{"value": ids[0]}])  # not so in Duo
    ends = [one for one in office.group(END_USERS)["members"] if one["value"] != ids[0]]
    office.edit_group(END_USERS, members=ends)  # so in Duo, but for the stranger
    before = office.snapshot()

    done = office.apply()

    assert done.code == 0
    assert done.json["changes"] == []
    assert office.snapshot() == before
    number = 1 if kind == "unmanaged" else 2
    assert re.search(rf"\b{number} group membership", done.warnings), done.json["warnings"]


def test_05_a_duo_user_matched_to_a_protected_account_is_reported_as_protected_not_held(office: Office) -> None:
    office.configure("safety", protected_users=["USER0.*@example.com"])
    office.native(user(0))
    office.people.set_attribute(office.duo(user(0)), "userType", "chef")
    before = office.account(user(0))

    done = office.apply()

    assert done.code == 0
    assert user(0) not in done.problems()
    assert done.json["summary"]["users"]["held"] == 0
    assert re.search(rf"[Pp]rotected.*{re.escape(user(0))}", done.warnings)
    assert office.account(user(0)) == before


def test_05_a_leavers_memberships_go_with_the_removal_and_do_not_count_for_the_member_limit(tmp_path: Path) -> None:
    with Office(tmp_path, staff(24, 0)) as office:
        office.configure("safety", max_removals=24, min_source_percent=0, max_member_removals_percent=0)
        office.settle()
        for number in range(10):
            office.people.disable(office.duo(user(number)))

        done = office.apply()

        assert done.code == 0, done.printed
        assert office.members(END_USERS) == {user(number) for number in range(10, 24)}


def test_05_the_members_of_a_kept_group_are_frozen_and_named_in_every_plan(with_technicians: Office) -> None:
    office = with_technicians
    office.configure("safety", min_source_percent=0)
    office.settle()
    office.configure("scope", groups=[END_USERS], users=["tech*"])
    office.people.leave(office.duo("tech0.one@example.com"), office.people.find_group_id(TECHNICIANS))
    before = office.group(TECHNICIANS)

    for _ in range(2):
        done = office.apply()
        assert done.code == 0, done.printed
        assert TECHNICIANS in done.warnings
        assert "kept" in done.warnings
        assert office.group(TECHNICIANS) == before
    assert TECHNICIANS in office.plan().warnings
