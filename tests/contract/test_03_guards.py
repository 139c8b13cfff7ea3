"""What the contract says of exit codes, limits, the last line, and one change a resource."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from tests.support.command import Terminal
from tests.support.company import END_USERS, TECHNICIANS, staff, user
from tests.support.office import Office


def test_03_no_terminal_and_no_yes_is_64(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Terminal("y\n")
    monkeypatch.setattr("sys.stdin", answer)
    monkeypatch.setattr(answer, "isatty", lambda: False)

    done = office.run("apply")

    assert done.code == 64
    assert "--yes" in done.printed
    assert not office.asked_anything()


@pytest.mark.parametrize(
    ("circumstances", "code"),
    [
        ({"signal", "token", "failure", "withheld"}, 130),
        ({"token", "failure", "withheld"}, 6),
        ({"failure", "withheld"}, 4),
        ({"withheld"}, 3),
        (set(), 0),
    ],
    ids=["130", "6", "4", "3", "0"],
)
def test_03_of_several_exit_codes_of_an_apply_the_gravest_counts(
    office: Office, circumstances: set[str], code: int
) -> None:
    office.configure("safety", max_removals=0, max_removals_percent=0, on_refusal="withhold")
    office.settle()
    if "withheld" in circumstances:
        office.people.disable(office.duo(user(0)))
    for number in range(3):
        office.people.hire("New", f"N{number}", groups=[END_USERS], user_type="endUser", organization="1")
    office.configure("run", parallelism=1)
    posts = 0

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        nonlocal posts
        if request.method != "POST":
            return serve(request)
        posts += 1
        if "failure" in circumstances and posts == 1:
            return HttpResponse(400)
        if "signal" in circumstances and posts == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        if "token" in circumstances and posts == 2:
            return HttpResponse(401)
        return serve(request)

    office.box.intercept("scim", meddle)

    assert office.apply().code == code


def test_03_unreachable_goes_before_failed_in_part(office: Office) -> None:
    office.settle()
    for number in range(12):
        office.people.hire("New", f"N{number}", groups=[END_USERS], user_type="endUser", organization="1")
    office.configure("run", parallelism=1)
    posts = 0

    def gone_after_one(request: HttpRequest, serve: Service) -> HttpResponse:
        nonlocal posts
        posts += request.method == "POST"
        if request.method == "GET" or posts == 1:
            return serve(request)
        return HttpResponse(503) if posts > 2 else HttpResponse(400)

    office.box.intercept("scim", gone_after_one)

    done = office.apply()

    assert done.json["result"] | {"skipped": None} == {"applied": 1, "failed": 11, "skipped": None, "exit_code": 1}
    assert done.code == 1


def test_03_a_refusal_goes_before_there_are_changes(office: Office) -> None:
    assert office.plan("--detailed-exitcode").code == 2
    assert office.plan("--detailed-exitcode", "--strict").code == 2
    office.people.set_attribute(office.duo(user(0)), "userType", "chef")
    assert office.plan("--detailed-exitcode", "--strict").code == 3


@pytest.mark.parametrize(("leavers", "code"), [(3, 0), (4, 3)])
def test_03_a_limit_trips_only_when_exceeded_without_rounding(tmp_path: Path, leavers: int, code: int) -> None:
    with Office(tmp_path, staff(39, 0)) as office:  # 10 % are 3.9
        office.settle()
        for number in range(leavers):
            office.people.disable(office.duo(user(number)))
        assert office.plan().code == code


def test_03_percentages_are_of_the_active_managed_accounts(tmp_path: Path) -> None:
    with Office(tmp_path, staff(40, 0)) as office:  # 10 % of 40 are 4, of 39 they are not
        office.settle()
        office.native("stranger@example.com")
        for number in range(4):
            office.people.disable(office.duo(user(number)))
        assert office.plan().code == 0
        office.people.enable(office.duo(user(0)))
        office.edit(user(5), active=False)
        office.people.disable(office.duo(user(0)))
        assert list(office.plan().tripped()) == ["removals"]


def test_03_the_last_line_counts_users_and_groups_together_and_reactivations_as_updates(
    with_technicians: Office,
) -> None:
    office = with_technicians
    office.settle()
    office.people.rename_group(office.people.find_group_id(TECHNICIANS), "Engineers")
    office.configure("scope", groups=office.people.scoped)
    office.people.users[office.duo(user(0))]["lastname"] = "Three"
    office.edit(user(1), active=False)

    planned = office.run("plan")

    last = planned.out.rstrip().rpartition("\n")[2]
    assert last == "Plan: users: 2 to update; groups: 1 to update."


def test_03_each_resource_has_one_change_the_first_that_applies(office: Office) -> None:
    office.settle()
    returner, renamed = office.duo(user(0)), user(1)
    office.edit(user(0), active=False, name={"givenName": "Other", "familyName": "Name"})
    office.people.users[returner]["firstname"] = "Third"
    office.edit(renamed, externalId=None, active=False)
    office.people.users[office.duo(user(2))]["lastname"] = "Changed"
    office.people.disable(office.duo(user(2)))
    office.ask_ledger("delete from resources where external_id = ?", office.duo(renamed))

    actions = [(one["key"], one["action"]) for one in office.plan().json["changes"] if one["resource"] == "user"]

    # Adopted and reactivated: adopt. Reactivated and updated: reactivate. Gone and changed: deactivate.
    assert sorted(actions) == [(user(0), "reactivate"), (user(1), "adopt"), (user(2), "deactivate")]
