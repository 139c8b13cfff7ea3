"""One attribute that a server refuses, keeps, or shows otherwise: the rest arrives, it is told, and all settles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.company import staff, user
from tests.support.office import Office
from tests.support.urns import EXTENSION


def office_with(folder: Path, *quirks: str) -> Office:
    office = Office(folder, staff(4, 1))
    office.box.set_behavior(quirks=quirks)
    return office


def settled_after(office: Office, *first: int) -> str:
    done = office.apply()
    assert done.code in first, done.printed
    said = done.printed
    again = office.apply()
    assert again.code == 0, again.printed
    office.settle()
    return said


@pytest.mark.parametrize("quirk", ["external-id-stays", "external-id-immutable", "external-id-lower-case"])
@pytest.mark.parametrize("discovery", ["auto", "lookup"])
def test_an_account_that_another_identity_provider_made_is_taken_over_with_all_but_its_external_id(
    tmp_path: Path, quirk: str, discovery: str
) -> None:
    with office_with(tmp_path, quirk) as office:
        office.configure("ninjaone.dialect", discovery=discovery)
        old = {"givenName": "User0", "familyName": "Old"}
        office.native(user(0), externalId="00u-of-before", name=old)
        said = settled_after(office, 0)
        account = office.account(user(0))
        assert account["name"]["familyName"] == "Two"
        assert account[EXTENSION]["organizationId"] == "1"
        if quirk != "external-id-lower-case":
            assert account["externalId"] == "00u-of-before"
            assert "externalId" in said
            assert "externalId" not in "".join(office.apply().json["changes"])
        office.people.disable(office.duo(user(0)))
        office.settle()
        assert office.account(user(0))["active"] is False


@pytest.mark.parametrize("discovery", ["auto", "lookup"])
def test_an_attribute_that_the_server_does_not_know_is_named_and_the_rest_arrives(
    tmp_path: Path, discovery: str
) -> None:
    with office_with(tmp_path, "title-unknown") as office:
        office.configure("ninjaone.dialect", discovery=discovery)
        office.configure("attributes", title="'Staff'")
        said = settled_after(office, 0)
        assert "title" in said
        assert len(office.ninjaone.users) == 5
        person = office.duo(user(1))
        office.people.set_attribute(person, "organizationID", "7")
        office.configure("attributes", title="'Boss'")
        settled_after(office, 0)
        assert office.account(user(1))[EXTENSION]["organizationId"] == "7"


def test_no_user_is_created_without_type_and_organization_where_these_are_refused(tmp_path: Path) -> None:
    with office_with(tmp_path, "extension-unknown") as office:
        done = office.apply()
        assert done.code == 4
        assert not office.ninjaone.users
        assert "userType" in done.printed or "extension" in done.printed or "attribute" in done.printed


@pytest.mark.parametrize("quirk", ["active-left-out", "active-number", "string-booleans"])
@pytest.mark.parametrize("discovery", ["auto", "lookup"])
def test_a_leaver_is_deactivated_once_and_reactivated_on_return(tmp_path: Path, quirk: str, discovery: str) -> None:
    with office_with(tmp_path, quirk) as office:
        office.configure("ninjaone.dialect", discovery=discovery)
        office.settle()
        office.people.disable(office.duo(user(1)))
        office.settle()
        assert office.account(user(1))["active"] is False
        office.people.enable(office.duo(user(1)))
        back = office.plan()
        assert back.actions() == {user(1): "reactivate"}
        office.settle()
        assert office.account(user(1))["active"] is True


def test_a_leaver_reactivated_by_hand_is_deactivated_again_where_inactive_accounts_do_not_say_so(
    tmp_path: Path,
) -> None:
    with office_with(tmp_path, "active-left-out") as office:
        office.settle()
        office.people.disable(office.duo(user(1)))
        office.settle()
        office.edit(user(1), active=True)
        assert office.plan().actions() == {user(1): "deactivate"}


def test_a_group_keeps_its_members_up_to_date_though_its_rename_is_refused(tmp_path: Path) -> None:
    with office_with(tmp_path, "group-rename-501", "group-put-405") as office:
        office.settle()
        people = office.people
        group = people.find_group_id("NinjaOne End Users")
        people.rename_group(group, "Everyone")
        office.configure("scope", groups=["NinjaOne Technicians", "Everyone"])
        people.hire("New", "Comer", groups=["Everyone"], user_type="endUser", organization="4")
        office.apply()
        assert "new.comer@example.com" in office.members("NinjaOne End Users")


@pytest.mark.parametrize("change", [{"patch": "patch"}, {"patch": "put"}])
def test_a_put_sends_back_what_the_server_refuses_only_if_it_must(tmp_path: Path, change: dict[str, Any]) -> None:
    with office_with(tmp_path, "put-refuses-echo", "oldest-patch-405") as office:
        office.configure("ninjaone.dialect", **change)
        office.settle()
        oldest = next(iter(office.ninjaone.users.values()))["userName"]
        with office.ninjaone.lock:
            office.edit(oldest, nickName="By Hand")
        office.people.set_email(office.duo(oldest), "oldest@example.com")
        office.settle()
        assert office.account("oldest@example.com")["nickName"] == "By Hand"
