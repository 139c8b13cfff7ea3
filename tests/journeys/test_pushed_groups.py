"""Which groups are pushed, under which name, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable

from ninjasync.sandbox.ninjaone.schema import GROUP
from tests.support.company import END_USERS, TECHNICIANS, tech, user
from tests.support.office import Office

HELPDESK = 'Helpdesk (from AD sync "Head Office")'


def test_synchronised_groups_lose_their_suffix_and_match_with_or_without_it(make: Callable[..., Office]) -> None:
    for name, stripped, shown in (
        ("Helpdesk", True, "Helpdesk"),
        (HELPDESK, True, "Helpdesk"),
        ("Helpdesk", False, HELPDESK),
        (HELPDESK, False, HELPDESK),
    ):
        office = make()
        group = office.people.add_group(HELPDESK)
        office.people.join(office.duo(user(0)), group)
        office.configure("scope", groups=[name])
        office.configure("groups", strip_sync_suffix=stripped)
        office.settle()
        assert office.groups() == {shown: {user(0)}}


def test_groups_are_pushed_by_glob_and_others_by_exact_name(office: Office) -> None:
    office.people.join(office.duo(user(0)), office.people.find_group_id("Elsewhere"))
    office.configure("groups", push=["*Tech*", "Elsewhere"])
    office.settle()
    assert office.groups() == {TECHNICIANS: {tech(0), tech(1), tech(2)}, "Elsewhere": {user(0)}}


def test_a_glob_pushes_no_group_that_is_out_of_scope(office: Office) -> None:
    assert set(office.plan().actions("group")) == {TECHNICIANS, END_USERS}


def test_no_group_is_pushed_where_none_is_wanted(office: Office) -> None:
    office.configure("groups", push=[])
    assert office.plan().actions("group") == {}


def test_a_group_is_renamed_by_configuration_in_place(settled: Office) -> None:
    ids = {each["externalId"]: key for key, each in settled.ninjaone.groups.items()}
    settled.configure("groups", rename={TECHNICIANS: "Engineers"})
    settled.settle()
    assert set(settled.groups()) == {"Engineers", END_USERS}
    assert {each["externalId"]: key for key, each in settled.ninjaone.groups.items()} == ids


def test_a_group_that_left_the_scope_is_kept_with_its_members_by_default(settled: Office) -> None:
    members = settled.groups()
    settled.configure("scope", groups=[END_USERS], users=[tech(0), tech(1), tech(2)])
    planned = settled.plan("--detailed-exitcode")
    assert planned.code == 0
    assert any(TECHNICIANS in warning for warning in planned.json["warnings"])
    assert settled.apply_and_list_writes() == []
    assert settled.groups() == members


def test_a_group_that_left_the_scope_is_deleted_where_the_configuration_says_so(settled: Office) -> None:
    settled.configure("scope", groups=[END_USERS], users=[tech(0), tech(1), tech(2)])
    settled.configure("groups", removed="delete")
    planned = settled.plan()
    assert planned.actions("group") == {TECHNICIANS: "delete"}
    assert planned.actions() == {}
    settled.settle()
    assert set(settled.groups()) == {END_USERS}
    assert len(settled.accounts()) == 15


def test_an_unmanaged_group_is_left_alone(settled: Office) -> None:
    member = settled.id_of(user(0))
    settled.ninjaone.create(GROUP, {"displayName": "By hand", "members": [{"value": member}]})
    settled.configure("groups", removed="delete")
    planned = settled.plan("--detailed-exitcode")
    assert planned.code == 0
    assert planned.json["summary"]["groups"]["unmanaged"] == 1
    assert settled.groups()["By hand"] == {user(0)}
