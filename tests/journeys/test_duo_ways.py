"""Duo's ways: suffixes of syncs, a total with a trash that is not listed, values that are lists (CONTRACT 7.4, 7.5)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ninjasync.config.provisioning import Groups
from ninjasync.planning.scope import display_name, entry_for
from ninjasync.planning.sync_suffix import is_let_go, origin, without_suffix
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from tests.support.command import Json
from tests.support.company import END_USERS, TECHNICIANS, staff, user
from tests.support.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(12, 3)) as made:
        yield made


# --- suffixes --------------------------------------------------------------------------------


@pytest.mark.parametrize("sync", ["corp", "ACME MAIN", 'Corp (EU) "main"', "a) b (c", "é ☃", ""])
@pytest.mark.parametrize(
    "form",
    [
        '(from AD sync "{}")',
        '(from Microsoft Entra ID sync "{}")',
        '(from Google Workspace sync "{}")',
        '(from OpenLDAP sync "{}")',
        '(formerly from "{}")',
    ],
)
def test_what_duo_puts_behind_a_name_is_taken_off(form: str, sync: str) -> None:
    full = f"Help desk (Berlin) {form.format(sync)}"
    assert without_suffix(full) == "Help desk (Berlin)"
    assert is_let_go(full) is form.startswith("(formerly")
    assert origin(full) == ("help desk (berlin)", sync.lower())
    assert entry_for(["Help desk (Berlin)"], "DG1", {"DG1": full})
    assert entry_for([full], "DG1", {"DG1": full})


@pytest.mark.parametrize(
    "name",
    [
        "Helpdesk",
        "Helpdesk (from Berlin)",
        'Helpdesk (from AD sync "corp") 2',
        "Helpdesk (from AD sync corp)",
        'Helpdesk (from AD "corp")',
        '(from AD sync "corp")',
        'Helpdesk(from AD sync "corp")',
        'Helpdesk (formerly "corp")',
    ],
)
def test_a_bracket_that_duo_did_not_write_stays_in_a_groups_name(name: str) -> None:
    assert without_suffix(name) == name
    assert origin(name) is None


def test_a_bracket_in_the_name_before_the_suffix_stays() -> None:
    assert without_suffix('Team (from Berlin) (from AD sync "x")') == "Team (from Berlin)"


SYNCED, LET_GO = 'Helpdesk (from AD sync "corp")', 'Helpdesk (formerly from "corp")'


def test_an_entry_fits_also_after_its_sync_let_go_of_the_group_but_not_the_group_of_another_sync() -> None:
    for written, now in ((SYNCED, LET_GO), (LET_GO, SYNCED)):
        assert entry_for([written], "DG1", {"DG1": now})
        assert entry_for([written], "DG1", {"DG1": now, "DG2": written}) is None, "the very name goes first"
        other = now.replace("corp", "emea")
        assert entry_for([written], "DG1", {"DG1": other}) is None
        assert entry_for([written], "DG1", {"DG1": "Helpdesk"}) is None


@pytest.mark.parametrize("key", [SYNCED, LET_GO, "Helpdesk"])
def test_a_rename_holds_on_after_the_sync_let_go(key: str) -> None:
    groups = Groups(rename={key: "Support"})
    assert display_name(groups, SYNCED) == display_name(groups, LET_GO) == "Support"


@pytest.mark.parametrize("written", [SYNCED, "Helpdesk", "Help*", "id"])
@pytest.mark.parametrize(("strip", "discovery"), [(True, "list"), (False, "lookup")])
def test_a_name_never_changes_in_ninjaone_because_duo_let_go_of_a_sync(
    office: Office, written: str, strip: bool, discovery: str
) -> None:
    helpdesk = office.people.add_group(SYNCED)
    hired = office.people.hire("Hana", "Help", groups=[SYNCED], user_type="technician")
    office.configure("scope", groups=[TECHNICIANS, END_USERS, helpdesk if written == "id" else written])
    office.configure("groups", strip_sync_suffix=strip)
    office.configure("ninjaone.dialect", discovery=discovery)
    assert office.apply().code == 0
    before = office.snapshot()

    office.people.groups[helpdesk]["name"] = LET_GO
    done = office.plan()
    assert (done.code, done.json["changes"]) == (0, [])
    assert office.apply().code == 0
    assert office.snapshot() == before

    office.people.groups[helpdesk]["name"] = SYNCED  # it comes back
    assert office.plan().json["changes"] == []
    office.people.users[hired]["status"] = "disabled"
    assert set(office.plan().actions().values()) == {"deactivate"}


def test_without_a_ledger_a_group_that_a_sync_let_go_of_keeps_its_name(office: Office) -> None:
    helpdesk = office.people.add_group(SYNCED)
    office.people.hire("Hana", "Help", groups=[SYNCED], user_type="technician")
    office.configure("scope", groups=[TECHNICIANS, END_USERS, SYNCED])
    office.configure("groups", strip_sync_suffix=False)
    assert office.apply().code == 0
    for file in office.folder.glob("ledger*"):
        file.unlink()
    office.people.groups[helpdesk]["name"] = LET_GO
    assert office.plan().json["changes"] == []


# --- the trash -------------------------------------------------------------------------------


def without_trash(request: HttpRequest, serve: Service) -> HttpResponse:
    """Duo counts its trash and does not list it."""
    answer = serve(request)
    if request.path != "/admin/v1/users" or answer.status != 200:
        return answer
    document = json.loads(answer.body)
    document["response"] = [row for row in document["response"] if row["status"] != "pending deletion"]
    return HttpResponse(200, json.dumps(document).encode(), answer.headers)


def row_of(office: Office, number: int) -> Json:
    (found,) = (row for row in office.people.users.values() if row["email"] == user(number))
    return dict(found) and found


@pytest.mark.parametrize("on_refusal", ["stop", "withhold"])
def test_a_total_with_a_trash_that_is_not_listed_is_taken_and_withholds_removals(
    office: Office, on_refusal: str
) -> None:
    office.configure("safety", on_refusal=on_refusal)
    assert office.apply().code == 0
    office.box.intercept("duo", without_trash)
    row_of(office, 0)["status"] = "pending deletion"
    row_of(office, 1)["status"] = "disabled"
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")

    done = office.plan()
    assert done.code == 3
    assert "Duo counts 1 more user than it lists" in " ".join(done.json["warnings"])

    done = office.apply()
    assert done.code == 3
    assert set(done.applied().values()) == {"create"}, "the rest is written"
    assert office.account(user(1))["active"] is True
    assert office.account(user(0))["active"] is True

    row_of(office, 0)["status"] = "active"  # out of the trash: the numbers agree
    done = office.apply()
    assert (done.code, done.applied()) == (0, {user(1): "deactivate"})
    assert office.plan().json["changes"] == []


def test_a_trash_that_is_not_listed_withholds_nothing_where_there_is_no_removal(office: Office) -> None:
    stranger = office.people.hire("Never", "InScope", groups=[], user_type="endUser")
    office.people.users[stranger]["status"] = "pending deletion"
    office.box.intercept("duo", without_trash)
    done = office.apply()
    assert done.code == 0
    assert "Duo counts 1 more" in " ".join(done.json["warnings"])
    assert office.plan().code == 0
    assert office.plan().json["changes"] == []


def test_an_account_is_not_given_to_another_while_its_user_may_be_among_those_not_listed(office: Office) -> None:
    assert office.apply().code == 0
    office.box.intercept("duo", without_trash)
    old = row_of(office, 0)
    old["status"] = "pending deletion"
    anew = office.people.hire("User0", "Two", groups=[END_USERS], user_type="endUser", organization="4")
    office.people.users[anew]["email"] = user(0)
    assert office.plan().problems() == {user(0): "name-taken"}


# --- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [["technician"], ["technician", "endUser"], "technician"])
def test_of_a_value_that_is_a_list_the_first_counts(office: Office, value: object) -> None:
    (tech,) = (row for row in office.people.users.values() if row["email"] == "tech0.one@example.com")
    tech["custom_attributes"]["userType"] = value
    done = office.plan()
    assert done.problems() == {}
    rows = {row["path"]: row["after"] for row in done.change("tech0.one@example.com")["diff"]}
    assert rows["userType"] == "technician"


@pytest.mark.parametrize("value", [[], [{"a": 1}], {"a": 1}])
def test_a_list_without_a_value_holds_that_one_user_and_says_so(office: Office, value: object) -> None:
    row_of(office, 0)["custom_attributes"]["organizationID"] = value
    done = office.plan()
    assert done.problems() == {user(0): "expression-failed"}
    assert "one value is needed" in done.problem(user(0))


@pytest.mark.parametrize(
    "change", [lambda row: row.pop("custom_attributes"), lambda row: row.update(custom_attributes=None)]
)
def test_a_user_without_custom_attributes_is_held_alone(office: Office, change: Callable[[Json], object]) -> None:
    change(row_of(office, 0))
    done = office.plan()
    assert done.code == 0
    assert done.problems() == {user(0): "missing-user-type"}
