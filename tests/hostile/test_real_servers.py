"""The life of a small company on servers that others wrote: what is shown, dropped, refused, and settles all the same.

The servers are the sandbox with the habits that were seen on real ones. What counts is what is stored at the end.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.company import END_USERS, TECHNICIANS, staff, user
from tests.support.office import Office

SETTLED = (0, 4)


def settles(office: Office, *, first: tuple[int, ...] = SETTLED) -> None:
    """Apply until all is in step: at once, or after one apply that failed in part."""
    done = office.apply()
    assert done.code in first, done.printed
    again = office.apply()
    assert again.code == 0, again.printed
    office.box.forget()
    left = office.plan("--detailed-exitcode")
    assert (left.code, left.json["changes"]) == (0, []), left.printed
    assert all(one.method == "GET" for one in office.box.requests)


def in_step(office: Office) -> None:
    """See in what NinjaOne stores that it is as Duo has it."""
    people = office.people
    inside = {one for group in people.scoped for one in people.members(group)}
    wanted = {people.users[one]["email"].lower() for one in inside if people.users[one]["status"] == "active"}
    active = {one["userName"].lower() for one in office.ninjaone.users.values() if one.get("active", True)}
    assert active == wanted
    for group in people.scoped:
        names = {people.users[one]["email"].lower() for one in people.members(group)}
        assert {one.lower() for one in office.members(people.groups[group]["name"])} == names & wanted


SERVERS: dict[str, tuple[tuple[str, ...], dict[str, Any], tuple[int, ...]]] = {
    "plain": ((), {}, (0,)),
    "aws": (("aws",), {}, (0,)),
    "polis": (("polis",), {"patch": "put", "group_patch": "patch"}, SETTLED),
    "polis-half-told": (("polis",), {"patch": "put"}, SETTLED),
    "no-patch-untold": (("patch-405",), {}, (0,)),
    "ids-in-numbers": (("numeric-ids", "aws"), {}, (0,)),
    "ledger-alone": (("no-external-id", "members-hidden", "no-user-groups", "no-member-filter"), {}, (0,)),
    "django-scim2": (("django-scim2",), {"member_removal": "list"}, SETTLED),
    "scimmy": (("scimmy",), {}, (0,)),
    "canaille": (("canaille",), {"external_id": False, "discovery": "lookup"}, SETTLED),
    "canaille-unasked": (("canaille",), {"discovery": "lookup"}, SETTLED),
    "hidden-without-witness": (("members-hidden", "no-user-groups", "no-member-filter"), {}, (0,)),
    "hidden-and-filter-ignored": (("members-hidden", "no-user-groups", "no-filter"), {}, (0,)),
    "hidden-by-put": (("members-hidden", "no-user-groups", "no-member-filter"), {"patch": "put"}, (0,)),
    "empty-with-user-groups": (("members-always-empty",), {}, (0,)),
    "empty-and-filter-ignored": (("members-always-empty", "no-user-groups", "member-filter-ignored"), {}, (0,)),
    "first-members-alone": (("members-shown=3",), {}, (0,)),
    "by-reference": (("members-by-ref",), {}, (0,)),
    "upper-case-members": (("members-upper-case",), {}, (0,)),
    "absent-from-lists": (("members-absent",), {}, (0,)),
    "active-left-out": (("active-left-out",), {}, (0,)),
    "active-number": (("active-number",), {}, (0,)),
    "external-id-lower-case": (("external-id-lower-case",), {}, (0,)),
    "external-id-unknown": (("external-id-unknown",), {}, SETTLED),
    "put-of-users": (("user-patch-501",), {}, (0,)),
    "first-patch-405": (("first-patch-405", "group-put-405"), {}, SETTLED),
    "all-by-put": (("patch-501",), {"patch": "put"}, (0,)),
}


@pytest.fixture(params=["list", "lookup"])
def discovery(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", SERVERS)
def test_hires_moves_leavers_returners_and_renames_arrive_and_the_plan_is_empty_again(
    tmp_path: Path, name: str, discovery: str
) -> None:
    quirks, dialect, first = SERVERS[name]
    if "discovery" in dialect and discovery == "list":
        pytest.skip("it has no lists")
    with Office(tmp_path, staff(6, 3)) as office:
        office.box.set_behavior(quirks=quirks)
        office.configure("ninjaone.dialect", **({"discovery": "auto" if discovery == "list" else discovery} | dialect))
        office.configure("safety", max_removals=5, max_member_removals_percent=100)
        settles(office, first=first)
        in_step(office)

        people = office.people
        hired = people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="4")
        mover, leaver, renamed = (office.duo(user(number)) for number in (1, 2, 3))
        people.leave(mover, people.find_group_id(END_USERS))
        people.join(mover, people.find_group_id(TECHNICIANS))
        people.disable(leaver)
        people.set_email(renamed, "renamed.three@example.com")
        settles(office)
        in_step(office)

        people.enable(leaver)
        people.leave(hired, people.find_group_id(END_USERS))
        people.join(hired, people.find_group_id(TECHNICIANS))
        settles(office)
        in_step(office)

        people.rename_group(people.find_group_id(END_USERS), "All People")
        office.configure("scope", groups=[TECHNICIANS, "All People"])
        settles(office)
        in_step(office)
