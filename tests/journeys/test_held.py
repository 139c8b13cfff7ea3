"""Held is heard: by number, with the likely cause and cure; an attribute that nobody has is cleared nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.company import staff
from tests.support.office import Office
from tests.support.server import Hit, Reply
from tests.support.urns import EXTENSION

OWN = "custom_attributes"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path, staff(technicians=8, end_users=45)).start()
    made.configure("state", tenant="acme")
    yield made
    made.stop()


def refusal(world: Office) -> str:
    """The one line on standard error of a refused run under --quiet."""
    done = world.run("plan", "--quiet")
    assert done.code == 3, done.text
    (line,) = done.err.splitlines()
    return line


# That it is misspelt is known before NinjaOne is read: each way of reading meets some of the attributes.
@pytest.mark.parametrize(
    ("attribute", "wrong_and_meant", "held", "discovery", "ledger"),
    [
        (f"{EXTENSION}:userType", (f"{OWN}.usertype", f"{OWN}.userType"), 53, "list", True),
        (f"{EXTENSION}:userType", (f"{OWN}.userTypes", f"{OWN}.userType"), 53, "lookup", True),
        (f"{EXTENSION}:organizationId", (f"{OWN}.organizationId", f"{OWN}.organizationID"), 45, "list", False),
        (f"{EXTENSION}:organizationId", (f"{OWN}.organizationId", f"{OWN}.organizationID"), 45, "lookup", True),
        ("name.familyName", ("lastName", "lastname"), 53, "lookup", False),
        ("userName", ("emial", "email"), 53, "list", False),
        ("userName", ("emial", "email"), 53, "lookup", True),
    ],
)
def test_a_misspelt_attribute_holds_every_user_and_the_refusal_names_the_attribute_that_duo_has(
    world: Office, attribute: str, wrong_and_meant: tuple[str, str], held: int, discovery: str, ledger: bool
) -> None:
    wrong, meant = wrong_and_meant
    world.configure("ninjaone.dialect", discovery=discovery)
    world.settle()
    if not ledger:
        (world.folder / "ledger.sqlite3").unlink()
    before = world.snapshot()
    world.configure("attributes", **{attribute: wrong})

    line = refusal(world)
    done = world.apply()

    assert (done.code, set(done.tripped()), world.writes(), world.snapshot()) == (3, {"held"}, [], before)
    assert line.startswith(f"Refused: held: {held} records are held; the limit is the larger of 5 ([safety] max_held)")
    assert "20 % of 53 users in scope ([safety] max_held_percent)" in line
    assert f'{attribute} = "{meant}"' in line.replace(f'"{attribute}"', attribute)
    assert line.endswith(f"If that is meant: --approve-held {held} [tenant acme]")
    assert any("no user in scope has a value for it" in one and meant in one for one in done.json["warnings"])

    world.configure("attributes", **{attribute: meant})
    world.settle()


@pytest.mark.parametrize("patch", ["patch", "put"])
@pytest.mark.parametrize("hidden", [True, False])
def test_a_misspelt_organization_attribute_clears_no_technicians_organization(
    world: Office, patch: str, hidden: bool
) -> None:
    technicians = [id_ for id_, one in world.people.users.items() if one["email"].startswith("tech")]
    for id_ in technicians:
        world.people.set_attribute(id_, "organizationID", "7")
    world.configure("ninjaone.dialect", patch=patch)
    if hidden:  # what NinjaOne does not show is in the ledger
        world.proxy_scim(without_organization)
    world.settle()
    world.configure("attributes", **{f"{EXTENSION}:organizationId": "custom_attributes.organisationID"})
    world.people.users[technicians[0]]["lastname"] = "Renamed"

    done = world.apply("--approve-held", "45")

    assert done.code == 0, done.text
    assert {world.account(f"tech{number}.one@example.com")[EXTENSION].get("organizationId") for number in range(8)} == {
        "7"
    }
    assert world.account("tech0.one@example.com")["name"]["familyName"] == "Renamed"
    assert any("organizationId" in one and "custom_attributes.organizationID" in one for one in done.json["warnings"])
    again = world.plan("--approve-held", "45")
    assert (again.code, again.json["changes"]) == (0, [])


def without_organization(hit: Hit, forward: Callable[[], Reply]) -> Reply:
    """Answer as the server does, but show nobody's organization."""
    reply = forward()
    bare = re.sub(rb',\s*"organizationId":\s*"[^"]*"|"organizationId":\s*"[^"]*"\s*,?', b"", reply.body)
    return replace(reply, body=bare)


def test_technicians_without_an_organization_cause_no_warning(world: Office) -> None:
    world.configure("scope", groups=["NinjaOne Technicians"])
    planned = world.plan()
    assert not [one for one in planned.json["warnings"] if "no user in scope" in one]


def test_empty_names_beside_a_full_realname_get_the_lines_to_write(world: Office) -> None:
    world.configure("attributes", **{"name.givenName": "firstname", "name.familyName": "lastname"})
    for one in world.people.users.values():
        one["realname"], one["firstname"], one["lastname"] = f"{one['firstname']} {one['lastname']}", "", ""
    line = refusal(world)
    assert "The commonest problem is missing-name (53): 53 of them have their full name in realname: write " in line
    assert 'name.givenName" = "firstname || given_name(realname)"' in line
    assert '"name.familyName" = "lastname || family_name(realname)"' in line


def test_values_that_are_missing_are_said_to_be_so(world: Office) -> None:
    for id_, one in list(world.people.users.items())[8:]:
        del one
        world.people.set_attribute(id_, "organizationID", "")
    world.people.set_attribute(next(iter(world.people.users)), "organizationID", "3")
    line = refusal(world)
    assert "The commonest problem is missing-organization (45): they have no value for " in line
    assert "custom_attributes.organizationID: give them one in Duo" in line


def test_a_name_that_nothing_is_near_to_gets_the_names_that_duo_has_and_nothing_uses(world: Office) -> None:
    for id_ in world.people.users:
        world.people.set_attribute(id_, "kind", "endUser")
    world.configure("attributes", **{f"{EXTENSION}:userType": "custom_attributes.zzz"})
    assert 'Duo has no custom attribute "zzz"; what it has and nothing uses: kind, userType' in refusal(world)


def test_strict_is_a_refusal_that_no_number_lifts(world: Office) -> None:
    world.people.set_attribute(next(iter(world.people.users)), "userType", "chef")
    assert world.plan().code == 0
    done = world.plan("--strict", "--approve-held", "9")
    assert (done.code, set(done.tripped())) == (3, {"held"})
    assert "Refused: held: 1 records are held; with --strict none may be." in done.err
    assert "--approve-held" not in done.err
