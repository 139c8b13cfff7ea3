"""The main job: plan, apply, plan again, and what is left for a person."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from ninjasync.sandbox.company.staffing import make_company
from tests.support.company import TECHNICIANS, tech, user
from tests.support.lifelike import lifelike
from tests.support.office import Office
from tests.support.oracle import implied, stored


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_apply_brings_ninjaone_to_exactly_what_duo_implies(make: Callable[..., Office], seed: int) -> None:
    office = lifelike(make, seed=seed)
    accounts, groups = implied(office.people)
    before = {key: copy.deepcopy(each) for key, each in office.ninjaone.users.items()}
    done = office.apply()
    assert done.code == 0, done.text
    assert stored(office.ninjaone) == (accounts, groups)
    others = {k: v for k, v in office.ninjaone.users.items() if "externalId" not in v}
    assert len(others) >= 2, "breakglass and the stranger are to stay"
    assert all(before[key] == each for key, each in others.items())


def test_the_world_of_the_main_journey_has_what_the_issue_asks_for() -> None:
    people = make_company(60, 1)
    accounts, groups = implied(people)
    assert sum(each["userType"] == "technician" for each in accounts.values()) == 11
    assert len(groups) == 3
    names = " ".join(each["givenName"] + each["familyName"] for each in accounts.values())
    assert all(odd in names for odd in ('"', "'", "🎉", "[/x]", "<script>", "|", "ليلى"))


def test_a_plan_exits_two_before_and_zero_after_the_apply(make: Callable[..., Office]) -> None:
    office = lifelike(make)
    before = office.run("plan", "--detailed-exitcode")
    assert before.code == 2
    assert ", 2 held" in before.last_line
    assert office.run("plan").code == 0, "without --detailed-exitcode changes are no failure"
    office.settle()
    after = office.run("plan", "--detailed-exitcode")
    assert after.code == 0
    assert after.last_line == "Plan: nothing to do; 2 held."


def test_a_second_apply_sends_nothing_but_gets(make: Callable[..., Office]) -> None:
    office = lifelike(make)
    office.settle()
    assert office.apply_and_list_writes() == []


def test_plan_sends_nothing_but_gets(make: Callable[..., Office]) -> None:
    office = lifelike(make)
    before = office.snapshot()
    assert office.plan().code == 0
    assert {request.method for request in office.box.requests} == {"GET"}
    assert office.snapshot() == before


@pytest.mark.parametrize(("users", "duo_pages", "page_size"), [(60, 1, 50), (601, 3, 100)])
def test_a_plan_costs_the_least_possible_number_of_requests(
    make: Callable[..., Office], users: int, duo_pages: int, page_size: int
) -> None:
    office = lifelike(make, users)
    office.configure("ninjaone.dialect", page_size=page_size)
    assert office.apply().code == 0
    office.box.forget()
    assert office.plan("--detailed-exitcode").code == 0
    paths = [request.path for request in office.box.requests]
    scim_pages = -(-len(office.ninjaone.users) // page_size) + 1
    assert paths.count("/admin/v1/users") == duo_pages
    assert paths.count("/admin/v1/groups") == 1
    assert len(paths) <= duo_pages + 1 + scim_pages + 3


def test_what_is_left_for_a_person_is_said_after_the_apply(office: Office) -> None:
    done = office.run("apply", "--yes")
    assert done.code == 0
    told = " ".join(done.out.split())
    assert TECHNICIANS in told
    assert "Group mapping" in told
    assert tech(0) in told
    assert user(0) not in told.partition("Left for a person")[2]
