"""Organizations by name (CONTRACT 7.3): the configuration's table, journeys, and what is wrong with a line of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.company import END_USERS
from tests.support.office import Office
from tests.support.urns import EXTENSION

CONTOSO = "Contoso Ltd"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path).start()
    yield made
    made.stop()


def named(world: Office, name: Any, who: str = "user1.two@example.com") -> None:
    world.people.users[world.duo(who)]["custom_attributes"]["organizationID"] = name


def organization(world: Office, who: str = "user1.two@example.com") -> Any:
    return world.account(who)[EXTENSION]["organizationId"]


@pytest.mark.parametrize("written", [CONTOSO, "contoso ltd", "  CONTOSO LTD\u00a0", "42", "0042"])
def test_a_name_is_as_good_as_the_number(world: Office, written: str) -> None:
    world.configure("organizations", **{CONTOSO: 42, "Every one": "all"})
    named(world, written)
    named(world, "EVERY ONE", "user2.two@example.com")
    world.settle()
    assert organization(world) == "42"
    assert organization(world, "user2.two@example.com") == "All"
    named(world, "42" if written == CONTOSO else CONTOSO)
    assert world.plan("--detailed-exitcode").code == 0


def test_a_name_goes_on_when_it_gets_another_number_and_a_leaver_and_returner_keep_it(world: Office) -> None:
    world.configure("organizations", **{CONTOSO: 42})
    named(world, CONTOSO)
    world.settle()
    world.configure("organizations", **{CONTOSO: 43})
    (change,) = world.plan("--approve-privilege-changes", "1").json["changes"]
    assert [(row["before"], row["after"]) for row in change["diff"]] == [("42", "43")]
    world.apply("--approve-privilege-changes", "1")
    assert organization(world) == "43"
    person = world.duo("user1.two@example.com")
    world.people.disable(person)
    world.settle()
    world.people.users[person]["status"] = "active"
    world.settle()
    assert (organization(world), world.account("user1.two@example.com")["active"]) == ("43", True)


def test_a_user_with_an_unknown_organization_is_held_with_the_nearest_name_and_blocks_no_other(world: Office) -> None:
    world.configure("organizations", **{CONTOSO: 42})
    named(world, "Contso Ltd")
    done = world.apply()
    (problem,) = done.json["problems"]
    assert (done.code, problem["code"]) == (0, "unknown-organization")
    assert f'did you mean "{CONTOSO}"?' in problem["message"]
    assert "user1.two@example.com" not in world.accounts()
    assert len(world.accounts()) == 14
    explained = world.run("explain", "user1.two@example.com")
    assert "unknown-organization" in explained.out


def test_an_exact_name_goes_before_one_that_is_alike_and_two_alike_hold_the_record(world: Office) -> None:
    world.configure("organizations", **{"ACME": 1, "acme": 2})
    named(world, "acme")
    named(world, "Acme", "user2.two@example.com")
    planned = world.plan().json
    (problem,) = planned["problems"]
    assert (problem["key"], problem["code"]) == ("user2.two@example.com", "unknown-organization")
    assert '"ACME" = 1 and "acme" = 2' in problem["message"]
    (created,) = (one for one in planned["changes"] if one["key"] == "user1.two@example.com")
    assert {"path": "organizationId", "before": None, "after": "2"} in created["diff"]


def test_a_number_needs_no_table_and_no_name_is_looked_up_for_it(world: Office) -> None:
    world.configure("organizations", **{CONTOSO: 42})
    named(world, "7")
    world.settle()
    assert organization(world) == "7"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ({"Contoso": 1.5}, '[organizations] "Contoso": found 1.5; allowed: the organization\'s number, or "All"'),
        ({"Contoso": -1}, '[organizations] "Contoso": found -1'),
        ({"Contoso": "Fabrikam"}, "found 'Fabrikam'"),
        ({"Contoso": True}, "found True"),
        ({"Contoso": [1]}, "found [1]"),
        ({" ": 1}, '[organizations] " ": the name is empty'),
        ({"12": 1}, '[organizations] "12": stands for itself'),
        ({"aLL": 1}, '[organizations] "aLL": stands for itself'),
    ],
)
def test_a_mistake_in_the_table_is_told_by_its_line_and_ends_with_78(
    world: Office, lines: dict[str, Any], told: str
) -> None:
    world.configure("organizations", **lines)
    done = world.run("plan")
    assert done.code == 78
    assert told in done.err
    assert END_USERS not in done.err
