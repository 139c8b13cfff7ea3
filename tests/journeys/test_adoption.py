"""Accounts and groups that were in NinjaOne before ninjasync."""

from __future__ import annotations

import copy

import pytest

from ninjasync.sandbox.ninjaone.schema import GROUP
from tests.support.company import TECHNICIANS, tech, user
from tests.support.office import Office
from tests.support.urns import EXTENSION


@pytest.mark.parametrize("name", [user(0), "USER0.Two@Example.COM"])
@pytest.mark.parametrize("active", [True, False])
def test_a_native_account_with_that_user_name_is_adopted(office: Office, name: str, active: bool) -> None:
    same = office.native(name, active=active)
    planned = office.plan()
    assert planned.actions()[user(0)] == "adopt"
    assert planned.change(user(0))["id"] == same
    assert planned.json["summary"]["users"]["adopt"] == 1
    office.settle()
    assert len(office.accounts()) == 15
    account = office.ninjaone.users[same]
    assert account["active"] is True
    assert account["externalId"] == office.duo(user(0))
    assert account["name"] == {"givenName": "User0", "familyName": "Two"}
    assert account[EXTENSION] == {"userType": "endUser", "organizationId": "1"}
    assert office.ninjaone.users[same]["userName"].casefold() == user(0)


def test_without_adoption_a_native_account_is_left_and_the_user_held(office: Office) -> None:
    same = office.native(user(0))
    before = copy.deepcopy(office.ninjaone.users[same])
    office.configure("deprovision", adopt=False)
    planned = office.plan()
    assert user(0) not in planned.actions()
    assert planned.problems() == {user(0): "name-taken"}
    assert office.apply().code == 0
    assert office.ninjaone.users[same] == before


def test_a_native_group_of_that_name_is_adopted_and_brought_in_step(office: Office) -> None:
    stranger = office.native("stranger@example.com")
    body = {"displayName": TECHNICIANS, "members": [{"value": stranger}]}
    same = str(office.ninjaone.create(GROUP, body)["id"])
    assert office.plan().actions("group")[TECHNICIANS] == "adopt"
    office.settle()
    assert office.ninjaone.groups[same]["externalId"] == office.people.scoped[0]
    members = office.groups()[TECHNICIANS]
    assert members - {"stranger@example.com"} == {tech(0), tech(1), tech(2)}
    assert "stranger@example.com" in members, "a membership of an unmanaged account is not removed"


def test_unmanaged_accounts_are_left_alone(settled: Office) -> None:
    same = settled.native("stranger@example.com", externalId="okta-4711")
    other = settled.native("former@example.com", externalId="DUOFANOTHERACCOUNT00")
    before = settled.snapshot()
    planned = settled.plan("--detailed-exitcode")
    assert planned.code == 0
    assert planned.json["summary"]["users"]["unmanaged"] == 2
    assert settled.apply_and_list_writes() == []
    assert settled.snapshot() == before
    assert {same, other} <= set(settled.ninjaone.users)
