"""Protected accounts stay as they are; invalid records are held, alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ninjasync.sandbox.company.people import Company
from tests.support.command import Json
from tests.support.company import END_USERS, TECHNICIANS, tech, user
from tests.support.office import Office
from tests.support.urns import EXTENSION


@pytest.mark.parametrize("pattern", [user(0), "USER0*@Example.com", "*0.two@*"])
def test_a_protected_account_is_never_touched(settled: Office, pattern: str) -> None:
    settled.configure("safety", protected_users=[pattern])
    settled.configure("deprovision", users="delete")
    person = settled.duo(user(0))
    before = settled.snapshot()
    record = settled.people.users[person]
    changes: tuple[Json, ...] = (
        {"custom_attributes": {"userType": "technician"}},
        {"email": "renamed@example.com"},
        {"groups": []},
        {"status": "disabled"},
    )
    for change in changes:
        record.update(change)
        planned = settled.plan()
        assert (planned.actions(), planned.problems()) == ({}, {})
        assert settled.apply_and_list_writes() == []
        assert settled.snapshot() == before


def test_no_account_is_made_for_a_protected_address(settled: Office) -> None:
    settled.configure("safety", protected_users=["breakglass@*"])
    newcomer = settled.people.hire("Break", "Glass", groups=[END_USERS], user_type="endUser", organization="1")
    settled.people.set_email(newcomer, "breakglass@example.com")
    planned = settled.plan()
    assert (planned.actions(), planned.problems()) == ({}, {})
    assert any("breakglass@example.com" in warning for warning in planned.json["warnings"])


def test_a_user_that_needs_the_address_of_a_protected_account_is_held_or_reported(settled: Office) -> None:
    settled.native("breakglass@example.com")
    settled.configure("safety", protected_users=["breakglass@*"])
    settled.people.set_email(settled.duo(user(0)), "breakglass@example.com")
    before = settled.snapshot()
    planned = settled.plan()
    assert planned.actions() == {}
    assert "breakglass@example.com" in planned.out
    assert settled.apply_and_list_writes() == []
    assert settled.snapshot() == before


INVALID: dict[str, tuple[str, Callable[[Company, str], None]]] = {
    "no e-mail": ("missing-user-name", lambda people, who: people.users[who].update(email="")),
    "an e-mail that is none": ("invalid-user-name", lambda people, who: people.users[who].update(email="nobody")),
    "no first name": ("missing-name", lambda people, who: people.users[who].update(firstname=None, realname="One")),
    "a blank last name": ("missing-name", lambda people, who: people.users[who].update(lastname="  ", realname=" ")),
    "no user type": ("missing-user-type", lambda people, who: people.set_attribute(who, "userType", None)),
    "a mistyped user type": (
        "invalid-user-type",
        lambda people, who: people.set_attribute(who, "userType", "EndUser"),
    ),
    "a status that is not documented": (
        "unknown-status",
        lambda people, who: people.users[who].update(status="hibernating"),
    ),
    "no organization": (
        "missing-organization",
        lambda people, who: people.set_attribute(who, "organizationID", None),
    ),
    "an organization that is no number": (
        "unknown-organization",
        lambda people, who: people.set_attribute(who, "organizationID", "Head Office"),
    ),
}


@pytest.mark.parametrize("invalid", INVALID.values(), ids=INVALID)
def test_a_held_user_is_left_exactly_as_is_and_holds_up_no_other(
    settled: Office, invalid: tuple[str, Callable[[Company, str], None]]
) -> None:
    code, spoil = invalid
    person = settled.duo(user(0))
    account, ours = settled.account(user(0)), settled.groups()
    settled.people.join(person, settled.people.scoped[0])
    spoil(settled.people, person)
    settled.people.users[settled.duo(user(1))]["firstname"] = "Other"
    settled.people.disable(settled.duo(user(2)))
    planned = settled.plan()
    assert [each["code"] for each in planned.json["problems"]] == [code]
    assert planned.json["problems"][0]["external_id"] == person
    assert planned.actions() == {user(1): "update", user(2): "deactivate"}
    assert planned.json["summary"]["users"]["held"] == 1
    assert settled.apply().code == 0
    assert settled.account(user(0)) == account
    assert user(0) in settled.groups()[END_USERS]
    assert settled.groups()[TECHNICIANS] == ours[TECHNICIANS]
    assert settled.account(user(1))["name"]["givenName"] == "Other"
    assert settled.account(user(2))["active"] is False


@pytest.mark.parametrize("invalid", [each for each in INVALID.values() if each[0] != "unknown-status"])
def test_scope_is_decided_before_validity(settled: Office, invalid: tuple[str, Callable[[Company, str], None]]) -> None:
    _, spoil = invalid
    person = settled.duo(user(0))
    spoil(settled.people, person)
    settled.people.leave(person, settled.people.scoped[1])
    planned = settled.plan()
    assert planned.problems() == {}
    assert [
        (each["external_id"], each["action"]) for each in planned.json["changes"] if each["resource"] == "user"
    ] == [(person, "deactivate")]


def test_a_technician_needs_no_organization_but_a_valid_one_if_any(office: Office) -> None:
    office.people.set_attribute(office.duo(tech(0)), "organizationID", "nowhere")
    planned = office.plan()
    assert planned.problems() == {tech(0): "unknown-organization"}
    assert planned.actions()[tech(1)] == "create"


@pytest.mark.parametrize("spelling", ["all", "ALL", "All"])
def test_all_organizations_may_be_spelt_in_any_case(office: Office, spelling: str) -> None:
    office.people.set_attribute(office.duo(user(0)), "organizationID", spelling)
    office.settle()
    assert office.account(user(0))[EXTENSION]["organizationId"] == "All"


def test_missing_attributes_may_be_allowed(office: Office) -> None:
    office.people.set_attribute(office.duo(user(0)), "organizationID", None)
    office.people.set_attribute(office.duo(user(1)), "userType", None)
    office.configure("safety", allow_missing_organization=True, allow_missing_user_type=True)
    planned = office.plan()
    assert planned.problems() == {}
    assert {user(0), user(1)} <= set(planned.actions())


def test_two_users_with_one_address_are_both_held(settled: Office) -> None:
    account = settled.account(user(0))
    double = settled.people.hire("Double", "Two", groups=[END_USERS], user_type="endUser", organization="1")
    settled.people.set_email(double, user(0).upper())
    planned = settled.plan()
    assert planned.problems() == {user(0): "duplicate-user-name", user(0).upper(): "duplicate-user-name"}
    assert planned.actions() == {}
    assert settled.apply_and_list_writes() == []
    assert settled.account(user(0)) == account
    settled.people.disable(double)
    assert settled.plan("--detailed-exitcode").code == 0, "a disabled double takes nothing from anybody"


def test_the_address_of_a_leaver_who_is_still_in_duo_is_not_given_away(settled: Office) -> None:
    leaver, same = settled.duo(user(0)), settled.id_of(user(0))
    settled.people.disable(leaver)
    newcomer = settled.people.hire("User0", "Again", groups=[END_USERS], user_type="endUser", organization="1")
    settled.people.set_email(newcomer, user(0))
    planned = settled.plan()
    (problem,) = planned.json["problems"]
    assert (problem["code"], problem["external_id"]) == ("name-taken", newcomer)
    assert leaver in problem["message"]
    assert settled.apply().code == 0
    assert settled.account(user(0))["id"] == same
    assert settled.account(user(0))["externalId"] == leaver
    assert settled.account(user(0))["active"] is False


def test_a_user_deleted_and_made_anew_in_duo_keeps_the_account(settled: Office) -> None:
    leaver, same = settled.duo(user(0)), settled.id_of(user(0))
    settled.people.erase(leaver)
    newcomer = settled.people.hire("User0", "Again", groups=[END_USERS], user_type="endUser", organization="1")
    settled.people.set_email(newcomer, user(0))
    assert settled.plan().actions() == {user(0): "adopt"}
    settled.settle()
    account = settled.account(user(0))
    assert (account["id"], account["externalId"], account["active"]) == (same, newcomer, True)
    assert account["name"]["familyName"] == "Again"
    assert user(0) in settled.groups()[END_USERS]
    assert len(settled.accounts()) == 15


def test_an_address_of_an_unmanaged_account_is_not_taken_from_it(settled: Office) -> None:
    same = settled.native("stranger@example.com")
    settled.people.set_email(settled.duo(user(0)), "stranger@example.com")
    before = settled.snapshot()
    planned = settled.plan()
    assert planned.actions() == {}
    (problem,) = planned.json["problems"]
    assert problem["code"] == "name-taken"
    assert same in problem["message"]
    assert settled.apply_and_list_writes() == []
    assert settled.snapshot() == before


def test_a_swap_with_a_held_user_waits_until_that_user_is_valid(settled: Office) -> None:
    people = [settled.duo(user(0)), settled.duo(user(1))]
    settled.people.set_email(people[0], user(1))
    settled.people.set_email(people[1], user(0))
    settled.people.set_attribute(people[1], "userType", "wrong")
    before = settled.snapshot()
    assert {each["external_id"]: each["code"] for each in settled.plan().json["problems"]} == {
        people[0]: "name-taken",
        people[1]: "invalid-user-type",
    }
    assert settled.apply_and_list_writes() == []
    assert settled.snapshot() == before


def test_two_groups_that_would_get_one_name_are_held(office: Office) -> None:
    for source in ("a", "b"):
        group = office.people.add_group(f'Helpdesk (from AD sync "{source}")')
        office.people.join(office.duo(user(0)), group)
    office.configure("scope", groups=[TECHNICIANS, END_USERS, "Helpdesk"])
    planned = office.plan()
    assert [each["code"] for each in planned.json["problems"]] == ["duplicate-group-name"] * 2
    assert {each["resource"] for each in planned.json["problems"]} == {"group"}
    assert planned.actions("group") == {TECHNICIANS: "create", END_USERS: "create"}
    office.configure("groups", rename={'Helpdesk (from AD sync "b")': "Other Helpdesk"})
    assert set(office.plan().actions("group")) == {TECHNICIANS, END_USERS, "Helpdesk", "Other Helpdesk"}
