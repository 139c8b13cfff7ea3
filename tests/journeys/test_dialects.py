"""Attributes by expression, and each dialect of SCIM servers; a year of company life at last."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.command import Json
from tests.support.company import END_USERS, TECHNICIANS, tech, user
from tests.support.lifelike import lifelike
from tests.support.office import Office
from tests.support.oracle import implied, stored
from tests.support.urns import EXTENSION


def test_attributes_are_expressions_over_the_duo_user(office: Office) -> None:
    person = office.duo(user(0))
    office.people.set_attribute(person, "Employee ID", "4711")
    office.people.set_attribute(person, "organizationID", None)
    office.configure(
        "attributes",
        **{
            "title": "custom_attributes.\"Employee ID\" || 'none'",
            f"{EXTENSION}:organizationId": "custom_attributes.organizationID || 'All'",
            f"{EXTENSION}:userType": f"groups[?name=='{TECHNICIANS}'] && 'technician' || 'endUser'",
        },
    )
    office.settle()
    assert office.account(user(0))["title"] == "4711"
    assert office.account(user(1))["title"] == "none"
    assert office.account(user(0))[EXTENSION] == {"userType": "endUser", "organizationId": "All"}
    assert office.account(tech(0))[EXTENSION]["userType"] == "technician"


DIALECTS: dict[str, Json] = {
    "operations in title case": {"patch_op_case": "title"},
    "members removed by list": {"member_removal": "list"},
    "two members a call": {"members_per_call": 2},
    "small pages": {"page_size": 3},
    "another technician": {"technician_value": "Technician"},
    "another all": {"all_value": "all"},
    "booleans as strings": {"booleans": "string"},
    "organizations as numbers": {"organization_id_type": "number"},
    "put instead of patch": {"patch": "put"},
}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_every_dialect_gets_the_job_done(office: Office, dialect: Json) -> None:
    office.configure("ninjaone.dialect", **dialect)
    office.settle()
    office.people.set_email(office.duo(user(0)), "new@example.com")
    office.people.set_attribute(office.duo(user(1)), "userType", "technician")
    for number in range(3):
        office.people.join(office.duo(user(number + 1)), office.people.scoped[0])
        office.people.leave(office.duo(user(number + 1)), office.people.scoped[1])
    office.people.disable(office.duo(user(5)))
    office.settle()
    accounts, groups = stored(office.ninjaone)
    leaver = office.people.find_user_id(user(5))
    assert accounts.pop(leaver)["active"] is False
    assert (accounts, groups) == implied(office.people)


def test_the_dialect_decides_what_is_sent(make: Callable[..., Office]) -> None:
    office = make()
    between = office.proxy_scim()
    office.configure(
        "ninjaone.dialect",
        technician_value="Technician",
        organization_id_type="number",
        booleans="string",
        patch="put",
    )
    assert office.apply().code == 0
    bodies = [hit.document for hit in between.hits if hit.on == "POST Users"]
    assert {body[EXTENSION]["userType"] for body in bodies} == {"Technician", "endUser"}
    assert {body[EXTENSION].get("organizationId") for body in bodies} >= {1, 12}
    assert {body["active"] for body in bodies} <= {"true", "True"}
    between.hits.clear()
    office.people.set_email(office.duo(user(0)), "new@example.com")
    assert office.apply().code == 0
    assert {hit.method for hit in between.hits} == {"GET", "PUT"}


def test_a_year_of_company_life_ends_as_duo_implies(make: Callable[..., Office]) -> None:
    from ninjasync.sandbox.company.year import live_a_year

    office = lifelike(make, 40, 5)
    office.settle()
    ids = {each.get("externalId"): key for key, each in office.ninjaone.users.items()}
    live_a_year(office.people, 5)
    office.configure("scope", groups=[TECHNICIANS, END_USERS, "Service Desk"])
    office.settle()
    accounts, groups = stored(office.ninjaone)
    active = {key: each for key, each in accounts.items() if each["active"]}
    assert (active, groups) == implied(office.people)
    assert all(ids[key] == each for key, each in _ids(office).items() if key in ids)
    leavers = set(accounts) - set(active)
    assert len(leavers) == 3


def _ids(office: Office) -> dict[str, str]:
    return {each.get("externalId", "?"): key for key, each in office.ninjaone.users.items()}
