"""Each guard for a company of 5 and of 5,000: passes just below, trips just above, and then nothing is written."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.command import Json, Ran
from tests.support.company import END_USERS, TECHNICIANS, populate, staff, user
from tests.support.office import Office
from tests.support.urns import EXTENSION

SIZES = [5, 400]
# Duo's pages hold 300 users: these are one page and three.
FEW_AND_MANY = [5, 700]


@pytest.fixture(scope="module")
def frozen() -> dict[int, bytes]:
    """Companies in step with their NinjaOne, ready to be thawed."""
    made = {}
    for size in {*SIZES, *FEW_AND_MANY}:
        people, ninjaone = staff(size, 0), NinjaOne(seed=3)
        populate(ninjaone, people)
        state = (people.users, people.groups, people.scoped, dict(ninjaone.users), dict(ninjaone.groups))
        made[size] = pickle.dumps(state)
    return made


@pytest.fixture
def size() -> int:
    return 5


@pytest.fixture
def office(size: int, frozen: dict[int, bytes], tmp_path: Path) -> Iterator[Office]:
    users, groups, scoped, accounts, ninja_groups = pickle.loads(frozen[size])
    people, ninjaone = Company(seed=size + 1), NinjaOne(seed=4)
    people.users, people.groups, people.scoped = users, groups, scoped
    for kind, rows in ((USER, accounts), (GROUP, ninja_groups)):
        for row in rows.values():
            ninjaone.overwrite(kind, dict(row))
    with Office(tmp_path, people, ninjaone) as made:
        yield made


def everybody(office: Office) -> list[str]:
    return list(office.people.users)


# Each brings about exactly ``number`` of what its guard counts.


def disable(office: Office, number: int) -> None:
    for id_ in everybody(office)[:number]:
        office.people.disable(id_)


def shrink(office: Office, number: int) -> None:
    disable(office, number)


def move(office: Office, number: int) -> None:
    """Let so many people change from one group to the other."""
    here, there = office.people.find_group_id(END_USERS), office.people.find_group_id(TECHNICIANS)
    for id_ in everybody(office)[:number]:
        office.people.leave(id_, here)
        office.people.join(id_, there)


def promote(office: Office, number: int) -> None:
    for id_ in everybody(office)[:number]:
        office.people.set_attribute(id_, "userType", "technician")


def spoil(office: Office, number: int) -> None:
    for id_ in everybody(office)[:number]:
        office.people.set_attribute(id_, "userType", "chef")


Case = tuple[str, Callable[[Office, int], None], dict[int, int], dict[str, Any], str, str]

# Guard, what trips it, the most that passes for each size, the settings, the key named, the flag that lifts it.
REMOVALS: Case = (
    "removals",
    disable,
    {5: 3, 400: 40},
    {"min_source_percent": 0},
    "max_removals",
    "--approve-removals",
)
MEMBERS: Case = (
    "member-removals",
    move,
    {5: 5, 400: 100},
    {},
    "max_member_removals_percent",
    "--approve-member-removals",
)
SOURCE: Case = (
    "source",
    shrink,
    {5: 1, 400: 80},
    {"max_removals": 5000},
    "min_source_percent",
    "--approve-source",
)
PRIVILEGES: Case = (
    "privilege-changes",
    promote,
    {5: 3, 400: 40},
    {},
    "max_privilege_changes",
    "--approve-privilege-changes",
)
HELD: Case = (
    "held",
    spoil,
    {5: 1, 400: 80},
    {"max_held": 0},
    "max_held",
    "--approve-held",
)
CASES = [REMOVALS, MEMBERS, SOURCE, PRIVILEGES, HELD]
NAMES = [case[0] for case in CASES]


def prepare(office: Office, case: Case, size: int, beyond: int) -> int:
    """Bring the case about, ``beyond`` its limit; return the number that its flag approves."""
    name, bring_about, limits, settings, _, _ = case
    number = limits[size] + beyond
    office.configure("safety", **settings)
    if name == "member-removals" and size == 5:
        # Five people: four groups each make twenty memberships, of which six are too many.
        for group_name in ("A", "B", "C"):
            group = office.people.add_group(group_name)
            for id_ in everybody(office):
                office.people.join(id_, group)
        office.configure("scope", groups=[TECHNICIANS, END_USERS, "A", "B", "C"])
        office.settle()
        pairs = [(id_, group) for group in ("A", "B") for id_ in everybody(office)]
        for id_, group_name in pairs[:number]:
            office.people.leave(id_, office.people.find_group_id(group_name))
    else:
        bring_about(office, number)
    office.box.forget()
    return size - number if name == "source" else number


def add_harmless_changes(office: Office) -> None:
    """Beside what the guard objects to: one to create, one to update."""
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
    office.people.users[office.duo(user(4))]["lastname"] = "Changed"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_just_at_the_limit_a_guard_lets_everything_pass(office: Office, size: int, case: Case) -> None:
    prepare(office, case, size, 0)

    planned = office.plan()

    assert (planned.code, planned.tripped()) == (0, {})
    assert case[0] in {guard["name"] for guard in planned.json["guards"]}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_just_above_the_limit_nothing_at_all_is_written(office: Office, size: int, case: Case) -> None:
    name, _, _, _, key, flag = case
    number = prepare(office, case, size, 1)

    done = office.apply()

    assert (done.code, list(done.tripped())) == (3, [name])
    assert office.only_read()
    assert {change["outcome"] for change in done.json["changes"]} == (set() if case is HELD else {"skipped"})
    # The refusal says how many, by which key, and the flag that would approve it.
    guard = done.tripped()[name]
    assert guard["approve"] == f"{flag} {number}"
    assert str(number) in guard["message"]
    assert key in guard["message"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_each_approval_lifts_its_own_guard_up_to_its_number_and_no_other(office: Office, size: int, case: Case) -> None:
    name, _, _, _, _, flag = case
    number = prepare(office, case, size, 1)
    # N people may be removed; of N people that are left, no more may be gone.
    too_little = number + 1 if name == "source" else number - 1
    others = [
        part for other in CASES if other[0] != name for part in (other[5], "0" if other[0] == "source" else "100000")
    ]
    assert list(office.plan(flag, str(too_little), *others).tripped()) == [name]

    planned = office.plan(flag, str(number))

    assert (planned.code, planned.tripped()) == (0, {})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_with_withhold_everything_but_the_removals_is_written(office: Office, size: int, case: Case) -> None:
    office.configure("safety", on_refusal="withhold")
    prepare(office, case, size, 2 if case is SOURCE else 1)  # the newcomer makes up for one
    add_harmless_changes(office)
    memberships = {one["id"]: {m["value"] for m in one["members"]} for one in office.ninjaone.groups.values()}
    active = {one["id"] for one in office.ninjaone.users.values() if one["active"]}
    technicians = {one["id"] for one in office.ninjaone.users.values() if "technician" in one[EXTENSION]["userType"]}

    done = office.apply()

    assert done.code == 3
    assert next(iter(done.tripped())) == case[0]
    assert "new.comer@example.com" in office.accounts()
    if case is MEMBERS:  # elsewhere the user is among those concerned
        assert office.account(user(4))["name"]["familyName"] == "Changed"
    assert {one["id"] for one in office.ninjaone.users.values() if one["active"]} >= active
    for id_, members in memberships.items():
        assert {one["value"] for one in office.ninjaone.groups[id_]["members"]} >= members
    assert not [write for write in office.writes() if write[0] == "DELETE"]
    if case is PRIVILEGES:
        now = {one["id"] for one in office.ninjaone.users.values() if "technician" in one[EXTENSION]["userType"]}
        assert now == technicians


def test_nineteen_memberships_are_too_few_for_a_percentage(office: Office) -> None:
    for group_name in ("A", "B", "C"):
        group = office.people.add_group(group_name)
        for id_ in everybody(office)[: 4 if group_name == "C" else 5]:
            office.people.join(id_, group)
    office.configure("scope", groups=[TECHNICIANS, END_USERS, "A", "B", "C"])
    office.settle()
    for id_ in everybody(office):
        for group_name in ("A", "B", "C"):
            office.people.leave(id_, office.people.find_group_id(group_name))

    assert office.plan().tripped() == {}


@pytest.mark.parametrize("number", [0, 1])
def test_a_held_record_is_a_refusal_under_strict_alone(office: Office, number: int) -> None:
    spoil(office, number)

    assert office.plan().code == 0
    strict = office.apply("--strict")

    assert strict.code == (3 if number else 0)
    assert list(strict.tripped()) == (["held"] if number else [])
    assert office.only_read()


def test_a_scoped_group_given_by_name_that_duo_does_not_have_is_a_refusal_that_names_it(office: Office) -> None:
    office.configure("scope", groups=[END_USERS, TECHNICIANS, "NinjaOne Tecnicians", "Nowhere*"])

    done = office.apply()

    assert (done.code, list(done.tripped())) == (3, ["scoped-groups"])
    assert "NinjaOne Tecnicians" in done.tripped()["scoped-groups"]["message"]
    assert not done.tripped()["scoped-groups"]["approve"]
    assert office.only_read()
    assert "Nowhere*" in " ".join(done.json["warnings"])  # a glob is a warning only


def test_an_empty_source_is_refused_however_low_the_limit(office: Office, size: int) -> None:
    office.configure("safety", min_source_percent=0, max_removals=size)
    disable(office, size)

    done = office.apply()

    assert (done.code, list(done.tripped())) == (3, ["source"])
    assert office.only_read()
    assert office.apply("--approve-source", "0").code == 0
    assert not any(one["active"] for one in office.ninjaone.users.values())


def test_the_refusal_stands_after_the_whole_plan_with_limit_key_and_flag(office: Office, size: int) -> None:
    limit = REMOVALS[2][size]
    prepare(office, REMOVALS, size, 1)

    for command in (["plan"], ["apply", "--yes"]):
        ran = office.run(command[0], *command[1:])

        assert ran.code == 3
        lines = ran.out.splitlines()
        last_change = max(number for number, line in enumerate(lines) if "- deactivate" in line)
        refusal = next(number for number, line in enumerate(lines) if line.startswith("Guards"))
        assert refusal > last_change
        assert sum("- deactivate" in line for line in lines) == limit + 1
        text = " ".join(" ".join(lines[refusal:]).split())
        assert "nothing is written" in text
        assert "[safety] max_removals)" in text
        assert "10 % ([safety] max_removals_percent)" in text
        assert f"--approve-removals {limit + 1}" in text
        assert next(line for line in lines[refusal:] if line.startswith("Plan: ")) == (
            f"Plan: users: {limit + 1} to deactivate; groups: 1 to update."
        )


def test_protected_accounts_are_never_touched_nor_counted(office: Office, size: int) -> None:
    office.configure("safety", protected_users=["user*@EXAMPLE.com"], min_source_percent=0)
    disable(office, size - 1)
    promote(office, size)
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")

    done = office.apply()

    assert (done.code, done.actions()) == (0, {"new.comer@example.com": "create"})
    assert [write[0] for write in office.writes()] == ["POST", "PATCH"]


# --- what Duo may send -----------------------------------------------------------------------


def edit_users(change: Callable[[Json, int], None], path: str = "/admin/v1/users") -> Callable[..., HttpResponse]:
    """Change every page of Duo's users; ``change`` gets the document and the page's offset."""

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        answer = serve(request)
        if request.path != path or answer.status != 200:
            return answer
        document = json.loads(answer.body)
        change(document, int(request.params.get("offset", "0")))
        return HttpResponse(200, json.dumps(document).encode(), answer.headers)

    return meddle


def empty(document: Json, offset: int) -> None:
    document.update(response=[], metadata={"total_objects": 0})


def empty_but_the_total(document: Json, offset: int) -> None:
    document["response"] = []


def shrinking_total(document: Json, offset: int) -> None:
    """The total of later pages, or of the only one, is smaller than what was sent."""
    document["metadata"]["total_objects"] -= 1 + offset // 300


def standing_offset(document: Json, offset: int) -> None:
    document["metadata"]["next_offset"] = offset


def no_total(document: Json, offset: int) -> None:
    document["metadata"].pop("total_objects")


def repeated_page(document: Json, offset: int) -> None:
    document["response"] = [document["response"][0]] * len(document["response"])


INCOMPLETE = {
    "empty but the total": (empty_but_the_total, "partial read"),
    "shrinking total": (shrinking_total, "partial read|while they were read"),
    "standing offset": (standing_offset, "stands still"),
    "without a total": (no_total, "cannot be proven complete"),
    "the same row again": (repeated_page, "partial read"),
}


def assert_nobody_was_removed(office: Office, before: str) -> None:
    assert office.only_read()
    assert office.snapshot() == before


@pytest.mark.parametrize("size", FEW_AND_MANY)
@pytest.mark.parametrize("on_refusal", ["stop", "withhold"])
@pytest.mark.parametrize("what", INCOMPLETE)
def test_a_read_of_duo_that_is_not_complete_is_exit_1_and_writes_nothing(
    office: Office, size: int, what: str, on_refusal: str
) -> None:
    change, sentence = INCOMPLETE[what]
    office.configure("safety", on_refusal=on_refusal, min_source_percent=0, max_removals=5000)
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
    office.box.intercept("duo", edit_users(change))
    before = office.snapshot()

    done = office.run("apply", "--yes")

    assert done.code == 1
    assert re.search(sentence, done.printed)
    assert "Traceback" not in done.err
    assert_nobody_was_removed(office, before)


@pytest.mark.parametrize("size", FEW_AND_MANY)
def test_an_empty_answer_of_duo_is_refused_as_an_empty_source(office: Office, size: int) -> None:
    office.configure("safety", min_source_percent=0, max_removals=5000)
    office.box.intercept("duo", edit_users(empty))
    before = office.snapshot()

    done = office.apply()

    assert (done.code, list(done.tripped())) == (3, ["source"])
    assert "No user is in scope" in done.tripped()["source"]["message"]
    assert_nobody_was_removed(office, before)


@pytest.mark.parametrize("size", FEW_AND_MANY)
@pytest.mark.parametrize("column", ["user_id", "groups", "row"])
def test_a_malformed_row_is_held_and_withholds_every_removal(office: Office, column: str) -> None:
    first = everybody(office)[0]

    def break_one(document: Json, offset: int) -> None:
        for number, row in enumerate(document["response"]):
            if row["user_id"] == first:
                if column == "row":
                    document["response"][number] = "not a record"
                else:
                    del row[column]

    office.people.disable(office.duo(user(1)))
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
    office.box.intercept("duo", edit_users(break_one))
    members, account = office.members(END_USERS), office.account(user(0))

    done = office.apply()

    assert done.code == 3
    assert done.applied() == {"new.comer@example.com": "create"}
    assert "unreadable-record" in {one["code"] for one in done.json["problems"]}
    assert "never taken for gone" in done.tripped()["unreadable-records"]["message"]
    assert office.account(user(0)) == account
    assert office.account(user(1))["active"] is True
    assert office.members(END_USERS) == members | {"new.comer@example.com"}


@pytest.mark.parametrize("size", FEW_AND_MANY)
def test_a_duo_without_a_scoped_group_is_refused(office: Office, size: int) -> None:
    office.configure("safety", min_source_percent=0, max_removals=5000)
    gone = office.people.find_group_id(END_USERS)

    def without(document: Json, offset: int) -> None:
        document["response"] = [row for row in document["response"] if row["group_id"] != gone]
        document["metadata"]["total_objects"] -= 1

    office.box.intercept("duo", edit_users(without, "/admin/v1/groups"))
    before = office.snapshot()

    done = office.apply()

    assert done.code == 3
    assert "scoped-groups" in done.tripped()
    assert END_USERS in done.tripped()["scoped-groups"]["message"]
    assert_nobody_was_removed(office, before)


@pytest.mark.parametrize("answer", [(401, 40103, 6), (403, 40301, 6), (503, 0, 1), (500, 0, 1), (429, 42901, 1)])
def test_a_duo_that_refuses_or_fails_removes_no_account(office: Office, answer: tuple[int, int, int]) -> None:
    status, code, exit_code = answer
    body = json.dumps({"stat": "FAIL", "code": code, "message": "No"}).encode()
    office.box.intercept("duo", lambda request, serve: HttpResponse(status, body))
    before = office.snapshot()

    done: Ran = office.run("apply", "--yes")

    assert done.code == exit_code
    assert "Duo" in done.err
    assert_nobody_was_removed(office, before)
