"""The contract's fine print (CONTRACT §6): a test or more for each point, named by its number and its sentence.

Point 9 (looking accounts up instead of listing them) has its tests with that feature.
"""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ninjasync.config.load import load
from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.errors import LockedError
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne
from ninjasync.state import lock
from tests.support.command import Ran
from tests.support.company import END_USERS, TECHNICIANS, account_of, staff, user
from tests.support.office import Office
from tests.support.urns import CORE_GROUP


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(5, 0)) as made:
        yield made


@pytest.fixture
def with_technicians(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(4, 2)) as made:
        yield made


def warnings(ran: Ran) -> str:
    return " ".join(ran.json["warnings"])


def config_of(office: Office) -> Config:
    return load(Path(office.write_config()))


class Terminal:
    """Standard input as an operator at a terminal who answers so."""

    def __init__(self, answer: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._answer, self._meanwhile = answer, meanwhile

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        self._meanwhile()
        return self._answer


# --- 1 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda office: office.configure("ninjaone", endpoint_url=office.box.scim_url + "/"), True),
        (lambda office: office.configure("ninjaone", endpoint_url=office.box.scim_url.replace("http:", "HTTP:")), True),
        (lambda office: office.configure("duo", integration_key="DIOTHER0000000000000"), True),
        (lambda office: office.configure("state", tenant="north"), False),
        (lambda office: office.configure("duo", api_hostname="https://api-2.duosecurity.com"), False),
        (lambda office: office.configure("ninjaone", endpoint_url=office.box.scim_url.replace("v2", "v3")), False),
        (lambda office: office.configure("ninjaone", endpoint_url="http://127.0.0.1:1/scim/v2"), False),
    ],
    ids=["slash", "case", "key", "name", "duo", "path", "port"],
)
def test_01_a_tenant_is_the_normalised_endpoint_the_duo_hostname_and_the_name(
    office: Office, change: Callable[[Office], None], same: bool
) -> None:
    before = tenant_of(config_of(office)).id

    change(office)

    assert (tenant_of(config_of(office)).id == before) is same


def test_01_entries_lock_plans_and_baselines_belong_to_one_tenant(office: Office, tmp_path: Path) -> None:
    office.settle()
    assert office.plan("--out", tmp_path / "plan").code == 0
    office.configure("state", tenant="north")
    office.box.forget()

    # Entries: to the other tenant these accounts are another's, though their ids are in this Duo read.
    other = office.plan()
    assert other.actions() == {}
    assert "ledger rename-tenant" in " ".join(other.json["warnings"])
    # Saved plans.
    refused = office.run("apply", tmp_path / "plan")
    assert (refused.code, office.writes()) == (3, [])
    assert "another tenant" in refused.printed
    # Lock: that of the first tenant is none for the second.
    office.configure("state", tenant=None)
    config = config_of(office)
    with lock.held(office.ledger, tenant_of(config), 0, office_now()):
        assert office.apply().code == 5
        office.configure("state", tenant="north")
        assert office.apply().code == 3, "refused, as all accounts are the first tenant's, and not locked out"
    # Baselines: that of the first tenant is none for the second, and a refused run makes none.
    assert set(dict(office.ask_ledger("select tenant, in_scope from baselines"))) == {tenant_of(config).id}


def office_now() -> Any:
    from ninjasync.cli import clock

    return clock.now()


def test_01_every_apply_also_one_without_changes_records_all_that_is_ours(office: Office) -> None:
    office.settle()
    office.lose_ledger()

    done = office.apply()

    assert done.json["changes"] == []
    recorded = office.ask_ledger("select resource, external_id, id from resources")
    accounts = {("user", one["externalId"], one["id"]) for one in office.ninjaone.users.values()}
    groups = {("group", one["externalId"], one["id"]) for one in office.ninjaone.groups.values()}
    assert set(recorded) == accounts | groups
    assert len(accounts | groups) == 7


def test_01_the_apply_of_a_saved_plan_records_all_that_is_ours_too(office: Office, tmp_path: Path) -> None:
    office.settle()
    office.lose_ledger()
    assert office.plan("--out", tmp_path / "plan").code == 0

    assert office.run("apply", tmp_path / "plan").code == 0

    assert office.ask_ledger("select count(*) from resources") == [(7,)]


# --- 2 ---------------------------------------------------------------------------------------


def test_02_without_a_ledger_leavers_seen_by_external_id_are_planned_and_the_rest_is_adopted_or_left(
    office: Office,
) -> None:
    office.settle()
    office.people.disable(office.duo(user(0)))
    erased = office.duo(user(1))
    office.people.erase(erased)
    office.native("stranger@example.com")
    newcomer = office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
    office.native(office.people.users[newcomer]["email"])
    office.lose_ledger()
    office.configure("safety", min_source_percent=0)

    planned = office.plan()

    assert planned.actions() == {user(0): "deactivate", "new.comer@example.com": "adopt"}
    # Who was erased is in no Duo read: his account and the stranger's cannot be judged.
    assert re.search(r"\b2 accounts\b.*cannot be judged", warnings(planned))
    assert planned.json["summary"]["users"]["unmanaged"] == 2


def test_02_apply_without_a_writable_ledger_exits_1_before_its_first_write(office: Office) -> None:
    (office.folder / "file").write_text("no folder")
    office.configure("state", path="file/ledger.sqlite3")

    planned, done = office.plan(), office.apply()

    assert planned.code == 0
    assert "ledger" in warnings(planned)
    assert len(planned.actions()) == 5
    assert done.code == 1
    assert office.writes() == []


# --- 3 ---------------------------------------------------------------------------------------


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
    office.people.rename_group(office.people.group_named(TECHNICIANS), "Engineers")
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


# --- 4 ---------------------------------------------------------------------------------------


def with_an_unreadable_record(office: Office) -> None:
    """Let Duo send one record, that of a stranger to the scope, without groups."""
    made = office.people.hire("Broken", "Record")

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        answer = serve(request)
        if request.path != "/admin/v1/users":
            return answer
        document = json.loads(answer.body)
        for row in document["response"]:
            if row["user_id"] == made:
                del row["groups"]
        return HttpResponse(answer.status, json.dumps(document).encode(), answer.headers)

    office.box.intercept("duo", meddle)


def a_removal_of_every_kind(office: Office) -> tuple[dict[str, Any], dict[str, Any]]:
    """Plan deactivation, deletion of a user, of a group and of a member; and a creation and an update beside them."""
    office.configure("groups", removed="delete")
    office.configure("safety", min_source_percent=0, max_member_removals_percent=100, max_removals=10)
    doomed = office.people.found_group("Doomed")
    office.people.join(office.duo(user(4)), doomed)
    office.configure("scope", groups=[TECHNICIANS, END_USERS, "Doomed"])
    office.settle()
    office.configure("scope", groups=[TECHNICIANS, END_USERS])
    office.people.disable(office.duo(user(0)))
    assert office.apply().code == 0
    office.days_pass(31)
    office.people.disable(office.duo(user(1)))
    office.people.join(office.duo(user(2)), office.people.group_named(TECHNICIANS))
    office.people.leave(office.duo(user(2)), office.people.group_named(END_USERS))
    office.people.users[office.duo(user(3))]["lastname"] = "Changed"
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
    office.box.forget()
    return {user(0): "delete", user(1): "deactivate"}, {user(3): "update", "new.comer@example.com": "create"}


@pytest.mark.parametrize("why", ["limit", "unreadable", "unreadable, stop"])
def test_04_withheld_are_deactivations_deletions_of_users_and_groups_and_removals_of_members(
    office: Office, why: str
) -> None:
    removals, others = a_removal_of_every_kind(office)
    planned = office.plan()
    assert planned.actions() == removals | others
    # Without the guard the doomed group had gone with the second apply already; make another one.
    gone = office.people.found_group("Gone")
    office.ninjaone.create(GROUP, {"schemas": [CORE_GROUP], "displayName": "Gone", "externalId": gone})
    assert office.plan().actions("group")["Gone"] == "delete"
    if why == "limit":
        office.configure("safety", max_removals=0, max_removals_percent=0, on_refusal="withhold")
    else:
        with_an_unreadable_record(office)
        office.configure("safety", on_refusal="stop" if "stop" in why else "withhold")
    accounts, members = office.accounts().keys(), office.members(END_USERS)

    done = office.apply()

    assert done.code == 3
    # They are shown all the same; but what is merely due stays within the limit, which leaves room for nothing here.
    shown = removals if why != "limit" else {user(1): "deactivate"}
    assert done.actions() == shown | others
    assert done.applied() == others
    assert office.accounts().keys() == accounts | {"new.comer@example.com"}
    assert office.account(user(1))["active"] is True
    assert office.members(END_USERS) == members | {"new.comer@example.com"}
    assert user(2) in office.members(TECHNICIANS)
    assert office.group("Gone")
    assert not [write for write in office.writes() if write[0] == "DELETE"]


def test_04_an_unreadable_record_that_withholds_nothing_is_a_warning_and_exit_0(office: Office) -> None:
    office.settle()
    with_an_unreadable_record(office)
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")

    done = office.apply()

    assert done.code == 0
    assert done.actions() == {"new.comer@example.com": "create"}
    assert re.search("could not be read|unreadable|without the groups", warnings(done)), done.json["warnings"]


# --- 5 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["held", "protected", "unmanaged"])
def test_05_memberships_of_held_protected_and_unmanaged_accounts_are_neither_added_nor_removed(
    office: Office, kind: str
) -> None:
    if kind == "protected":
        office.configure("safety", protected_users=[user(0)])
        office.native(user(0))
        office.settle()
        ids = [office.account(user(0))["id"]]
    else:
        office.settle()
        ids = [office.account(user(0))["id"]]
    if kind == "unmanaged":
        ids = [office.native("stranger@example.com")]
    if kind == "held":
        office.people.set_attribute(office.duo(user(0)), "userType", "chef")
    office.edit_group(TECHNICIANS, members=[{"value": ids[0]}])  # not so in Duo
    ends = [one for one in office.group(END_USERS)["members"] if one["value"] != ids[0]]
    office.edit_group(END_USERS, members=ends)  # so in Duo, but for the stranger
    before = office.snapshot()

    done = office.apply()

    assert done.code == 0
    assert done.json["changes"] == []
    assert office.snapshot() == before
    number = 1 if kind == "unmanaged" else 2
    assert re.search(rf"\b{number} group membership", warnings(done)), done.json["warnings"]


def test_05_a_duo_user_matched_to_a_protected_account_is_reported_as_protected_not_held(office: Office) -> None:
    office.configure("safety", protected_users=["USER0.*@example.com"])
    office.native(user(0))
    office.people.set_attribute(office.duo(user(0)), "userType", "chef")
    before = office.account(user(0))

    done = office.apply()

    assert done.code == 0
    assert user(0) not in done.problems()
    assert done.json["summary"]["users"]["held"] == 0
    assert re.search(rf"[Pp]rotected.*{re.escape(user(0))}", warnings(done))
    assert office.account(user(0)) == before


def test_05_a_leavers_memberships_go_with_his_removal_and_do_not_count_for_the_member_limit(tmp_path: Path) -> None:
    with Office(tmp_path, staff(24, 0)) as office:
        office.configure("safety", max_removals=24, min_source_percent=0, max_member_removals_percent=0)
        office.settle()
        for number in range(10):
            office.people.disable(office.duo(user(number)))

        done = office.apply()

        assert done.code == 0, done.printed
        assert office.members(END_USERS) == {user(number) for number in range(10, 24)}


def test_05_the_members_of_a_kept_group_are_frozen_and_named_in_every_plan(with_technicians: Office) -> None:
    office = with_technicians
    office.configure("safety", min_source_percent=0)
    office.settle()
    office.configure("scope", groups=[END_USERS], users=["tech*"])
    office.people.leave(office.duo("tech0.one@example.com"), office.people.group_named(TECHNICIANS))
    before = office.group(TECHNICIANS)

    for _ in range(2):
        done = office.apply()
        assert done.code == 0, done.printed
        assert TECHNICIANS in warnings(done)
        assert "kept" in warnings(done)
        assert office.group(TECHNICIANS) == before
    assert TECHNICIANS in warnings(office.plan())


# --- 6 ---------------------------------------------------------------------------------------


def empty_out(office: Office, *numbers: int) -> None:
    """Take people out of Duo's groups, so that the source shrinks without anything else."""
    for number in numbers:
        office.people.leave(office.duo(user(number)), office.people.group_named(END_USERS))


def test_06_the_last_good_run_is_the_last_complete_read_of_the_whole_scope_that_was_not_refused(
    tmp_path: Path,
) -> None:
    with Office(tmp_path, staff(10, 0)) as office:
        office.configure("safety", max_removals=10)
        office.settle()
        empty_out(office, 0, 1, 2)
        # Neither a refused run nor one narrowed by --only makes seven the new normal.
        for _ in range(2):
            assert list(office.plan().tripped()) == ["source"]
            assert office.apply().code == 3
            assert office.plan("--only", user(5)).code == 3
        office.people.join(office.duo(user(0)), office.people.group_named(END_USERS))
        assert office.apply("--only", user(5)).code == 0
        empty_out(office, 0)
        assert list(office.plan().tripped()) == ["source"]
        # One that was not refused does.
        office.people.join(office.duo(user(0)), office.people.group_named(END_USERS))
        assert office.apply().code == 0
        empty_out(office, 0)
        assert office.plan().tripped() == {}


def test_06_what_the_operator_said_no_to_is_not_the_new_normal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Office(tmp_path, staff(10, 0)) as office:
        office.configure("safety", max_removals=10)
        office.settle()
        empty_out(office, 0, 1, 2)
        monkeypatch.setattr("sys.stdin", Terminal("n\n"))

        assert office.run("apply", "--approve-source", "7").code == 3

        assert office.writes() == []
        assert list(office.plan().tripped()) == ["source"]


def test_06_without_a_last_good_run_the_number_of_active_managed_accounts_stands_in(tmp_path: Path) -> None:
    people = staff(10, 0)
    with Office(tmp_path, people) as office:
        office.configure("safety", max_removals=10)
        office.settle()
        office.edit(user(9), active=False)
        office.lose_ledger()
        empty_out(office, 0, 1)
        office.people.disable(office.duo(user(9)))

        source = next(one for one in office.plan().json["guards"] if one["name"] == "source")

        assert "7 are in scope" in source["message"]  # of nine active ones: below 80 %
        assert "9 " in source["message"]
        assert source["tripped"] is True


@pytest.mark.parametrize("gone", [False, True], ids=["renamed", "erased"])
def test_06_a_group_that_was_in_scope_and_that_no_entry_matches_now_is_a_refusal_that_names_it(
    with_technicians: Office, gone: bool
) -> None:
    office = with_technicians
    office.configure("scope", groups=["NinjaOne *"])
    office.configure("safety", min_source_percent=0)
    office.settle()
    group = office.people.group_named(TECHNICIANS)
    if gone:
        office.people.erase_group(group)
    else:
        office.people.rename_group(group, "Engineers [x]")

    done = office.apply()

    assert (done.code, office.writes()) == (3, [])
    message = done.tripped()["scoped-groups"]["message"]
    assert f'"{TECHNICIANS}"' in message
    assert ("Engineers [x]" in message) is not gone
    if not gone:
        assert re.search(r'groups = \[.*"Engineers \[x\]".*\]', message)
        written = office.config["scope"]["groups"]
        office.configure("scope", groups=[*written, "Engineers [x]"])
        assert office.apply().code == 0  # the line to write is the cure


def test_06_a_group_that_a_changed_scope_no_longer_names_is_no_refusal(with_technicians: Office) -> None:
    office = with_technicians
    office.configure("safety", min_source_percent=0)
    office.settle()
    office.configure("scope", groups=[END_USERS])

    assert office.plan().code == 0


# --- 7 ---------------------------------------------------------------------------------------


def leave(office: Office, *numbers: int) -> None:
    for number in numbers:
        office.people.disable(office.duo(user(number)))


def test_07_the_leavers_clock_starts_when_the_ledger_recorded_our_deactivation(office: Office) -> None:
    office.settle()
    leave(office, 0)
    office.days_pass(3)
    assert office.apply().actions() == {user(0): "deactivate"}
    (before,) = office.ask_ledger("select deactivated_at from resources where name = ?", user(0))

    office.days_pass(20)
    assert office.apply().actions() == {}  # being seen again does not start it anew
    assert office.ask_ledger("select deactivated_at from resources where name = ?", user(0)) == [before]
    assert re.search(rf"{re.escape(user(0))}: deleted on \d{{4}}-\d\d-\d\d", office.run("plan").out)

    office.days_pass(11)
    assert office.apply().actions() == {user(0): "delete"}
    assert user(0) not in office.accounts()
    assert office.apply().actions() == {}


def test_07_with_no_deactivation_recorded_it_starts_at_the_first_apply_that_finds_him(office: Office) -> None:
    office.settle()
    leave(office, 0)
    office.edit(user(0), active=False)
    office.plan()
    office.days_pass(40)
    assert office.apply().actions() == {}  # the plan before did not start it
    office.days_pass(29)
    assert office.apply().actions() == {}

    office.days_pass(2)

    assert office.apply().actions() == {user(0): "delete"}


def test_07_the_apply_of_a_saved_plan_starts_the_clock_too(office: Office, tmp_path: Path) -> None:
    office.settle()
    leave(office, 0)
    office.edit(user(0), active=False)
    for number in range(3):
        assert office.plan("--out", tmp_path / f"plan{number}").code == 0
        assert office.run("apply", tmp_path / f"plan{number}").code == 0
        office.days_pass(31)

    assert user(0) not in office.accounts()


def test_07_a_clock_of_an_earlier_absence_does_not_count_for_the_next(office: Office) -> None:
    office.settle()
    leave(office, 0)
    office.apply()
    # He is back, and somebody was quicker than we: nothing is left to reactivate.
    office.people.enable(office.duo(user(0)))
    office.edit(user(0), active=True)
    office.apply()
    office.days_pass(300)
    # He leaves again, and again somebody was quicker.
    leave(office, 0)
    office.edit(user(0), active=False)

    assert office.apply().actions() == {}
    assert user(0) in office.accounts()


def test_07_a_returner_is_reactivated_with_the_same_id_and_his_clock_is_stopped(office: Office) -> None:
    office.settle()
    id_ = office.account(user(0))["id"]
    leave(office, 0)
    office.apply()
    office.days_pass(29)
    office.people.enable(office.duo(user(0)))

    assert office.apply().actions() == {user(0): "reactivate"}

    assert office.account(user(0))["id"] == id_
    leave(office, 0)
    office.apply()
    office.days_pass(29)
    assert office.apply().actions() == {}


def test_07_due_deletions_beyond_the_removal_limit_are_deferred_oldest_first_and_never_trip_the_guard(
    tmp_path: Path,
) -> None:
    with Office(tmp_path, staff(8, 0)) as office:
        office.configure("safety", max_removals=2, max_removals_percent=0, min_source_percent=0)
        office.settle()
        for number in (3, 1, 4):
            leave(office, number)
            assert office.apply().code == 0
            office.days_pass(1)
        office.days_pass(30)
        leave(office, 6)

        done = office.apply()

        # One deactivation leaves room for one deletion, that of who left first.
        assert (done.code, done.actions()) == (0, {user(6): "deactivate", user(3): "delete"})
        assert "2 deletions are due" in warnings(done)
        assert office.apply().actions() == {user(1): "delete", user(4): "delete"}


def test_07_deferred_deletions_are_none_of_the_removals_that_trip_the_guard(tmp_path: Path) -> None:
    with Office(tmp_path, staff(8, 0)) as office:
        office.configure("safety", max_removals=2, max_removals_percent=0, min_source_percent=0)
        office.settle()
        for number in (0, 1):
            leave(office, number)
        office.apply()
        office.days_pass(31)
        leave(office, 2, 3)
        assert office.plan().actions() == {user(2): "deactivate", user(3): "deactivate"}
        assert office.plan().code == 0

        leave(office, 4)  # the third deactivation is what trips it

        (guard,) = office.plan().tripped().values()
        assert guard["approve"] == "--approve-removals 3"


@pytest.mark.parametrize(("days", "left"), [(-1, True), (1, False)])
def test_07_minus_one_is_never(office: Office, days: int, left: bool) -> None:
    office.configure("deprovision", delete_after_days=days)
    office.settle()
    leave(office, 0)
    office.apply()
    office.days_pass(4000)

    assert office.apply().code == 0

    assert (user(0) in office.accounts()) is left


def test_07_zero_days_with_deactivate_is_refused_in_favour_of_delete(office: Office) -> None:
    office.configure("deprovision", users="deactivate", delete_after_days=0)

    planned = office.plan()

    assert planned.code == 78
    assert 'users = "delete"' in planned.printed.replace('\\"', '"')
    office.configure("deprovision", users="delete")
    assert office.plan().code == 0


# --- 8 ---------------------------------------------------------------------------------------


def test_08_a_name_that_only_a_deletion_frees_is_taken_in_the_next_run(office: Office) -> None:
    office.configure("deprovision", users="delete")
    office.settle()
    leave(office, 0)
    heir = office.people.hire("Heir", "Apparent", groups=[END_USERS], user_type="endUser", organization="1")
    office.people.set_email(heir, user(0))
    office.people.set_email(office.duo(user(0)), user(0))

    first = office.plan()

    assert first.actions() == {user(0): "delete"}
    assert first.problems() == {user(0): "name-taken"}
    assert office.account(user(0))["id"] in first.problem(user(0))  # the holder is named
    assert office.apply().code == 0
    assert office.apply().actions() == {user(0): "create"}
    assert office.plan().json["changes"] == []


def test_08_a_name_is_freed_before_it_is_taken(office: Office) -> None:
    office.settle()
    ids = [office.account(user(number))["id"] for number in range(3)]
    zero, one, two = (office.duo(user(number)) for number in range(3))
    office.people.set_email(zero, user(1))
    office.people.set_email(one, user(2))
    office.people.set_email(two, "free@example.com")

    done = office.apply()

    assert done.code == 0
    assert [office.ninjaone.users[id_]["userName"] for id_ in ids] == [user(1), user(2), "free@example.com"]
    assert "via" not in json.dumps(done.json["changes"])


def test_08_a_cycle_of_names_goes_by_way_of_a_temporary_one_at_his_own_domain_shown_as_via(office: Office) -> None:
    office.settle()
    ids = {number: office.account(user(number))["id"] for number in range(3)}
    duo_ids = [office.duo(user(number)) for number in range(3)]
    for number, duo_id in enumerate(duo_ids):
        office.people.set_email(duo_id, user((number + 1) % 3))

    planned = office.plan()
    done = office.apply()

    rows = {
        one["external_id"]: delta["via"] for one in planned.json["changes"] for delta in one["diff"] if "via" in delta
    }
    ((duo_id, via),) = rows.items()
    assert via == f"ninjasync-{duo_id}@example.com"
    assert done.code == 0
    assert {number: office.ninjaone.users[id_]["userName"] for number, id_ in ids.items()} == {
        number: user((number + 1) % 3) for number in range(3)
    }
    assert office.plan().json["changes"] == []


# --- 10 --------------------------------------------------------------------------------------


def test_10_only_guards_on_the_whole_world(office: Office) -> None:
    office.configure("safety", min_source_percent=0)
    office.settle()
    leave(office, 0, 1, 2, 3)
    office.people.users[office.duo(user(4))]["lastname"] = "Changed"

    done = office.apply("--only", user(4))

    assert (done.code, list(done.tripped())) == (3, ["removals"])
    assert office.writes() == []


@pytest.mark.parametrize("who", ["address", "ADDRESS", "username", "duo id", "ninjaone id"])
def test_10_only_writes_these_users_and_their_own_memberships(office: Office, who: str) -> None:
    office.settle()
    one, other = (office.duo(user(number)) for number in (0, 1))
    for id_ in (one, other):
        office.people.users[id_]["lastname"] = "Changed"
        office.people.join(id_, office.people.group_named(TECHNICIANS))
        office.people.leave(id_, office.people.group_named(END_USERS))
    office.people.rename_group(office.people.group_named(END_USERS), "End Users")
    office.people.rename_group(office.people.found_group("x"), "Brand New")
    office.configure("scope", groups=[*office.people.scoped, "Brand New"])
    leave(office, 2)
    name = {
        "address": user(0),
        "ADDRESS": user(0).upper(),
        "username": office.people.users[one]["username"],
        "duo id": one,
        "ninjaone id": office.account(user(0))["id"],
    }[who]

    done = office.apply("--only", name)

    assert done.code == 0, done.printed
    assert done.actions() == {user(0): "update"}
    assert office.account(user(1))["name"]["familyName"] == "Two"
    assert office.account(user(2))["active"] is True
    assert office.members(TECHNICIANS) == {user(0)}
    # No group is created, renamed or deleted.
    assert office.members(END_USERS) == {user(number) for number in range(1, 5)}
    assert {one["displayName"] for one in office.ninjaone.groups.values()} == {TECHNICIANS, END_USERS}


def test_10_only_deletes_no_group(office: Office) -> None:
    office.settle()
    office.configure("groups", removed="delete")
    office.configure("scope", groups=[END_USERS])
    assert office.plan().actions("group") == {TECHNICIANS: "delete"}

    assert office.apply("--only", user(0)).json["changes"] == []


def test_10_only_is_repeatable_and_an_unknown_who_is_64(office: Office) -> None:
    assert office.plan("--only", user(0), "--only", user(1)).actions() == {user(0): "create", user(1): "create"}

    planned = office.plan("--only", user(0), "--only", "user9.two@example.com")

    assert planned.code == 64
    assert "user9.two@example.com" in planned.printed


# --- 11 --------------------------------------------------------------------------------------


def on_the_first_post(office: Office, before: Callable[[], object], lost: bool = False) -> None:
    """When the first POST of a user arrives, ``before`` happens; with ``lost`` its answer is not sent."""
    done = threading.Event()

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        if request.method != "POST" or not request.path.endswith("/Users") or done.is_set():
            return serve(request)
        done.set()
        before()
        answer = serve(request)
        return HttpResponse(503) if lost else answer

    office.box.intercept("scim", meddle)


def only_newcomer(office: Office) -> tuple[str, str]:
    """Everybody is in step but for one newcomer; return his address and Duo id."""
    office.settle()
    id_ = office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
    return "new.comer@example.com", id_


@pytest.mark.parametrize("keeps_external_id", [True, False])
def test_11_an_account_proven_to_be_our_own_lost_post_is_taken_as_done(office: Office, keeps_external_id: bool) -> None:
    name, _ = only_newcomer(office)
    office.configure("run", retries=1)
    on_the_first_post(office, lambda: None, lost=True)
    if not keeps_external_id:
        hide_external_ids(office)

    done = office.apply()

    assert done.code == 0, done.printed
    assert done.change(name)["outcome"] == "applied"
    assert [one["userName"] for one in office.ninjaone.users.values()].count(name) == 1
    assert office.plan().json["changes"] == []


def hide_external_ids(office: Office) -> None:
    """Let NinjaOne never show an externalId, nor find anybody by it."""

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        if "externalId" in request.params.get("filter", ""):
            return HttpResponse(400)
        answer = serve(request)
        text = re.sub(rb'"externalId": "[^"]*", ', b"", answer.body)
        return HttpResponse(answer.status, text, answer.headers)

    office.box.intercept("scim", meddle)


def test_11_any_other_holder_is_a_failed_operation_and_the_next_plan_shows_adopt(office: Office) -> None:
    name, _ = only_newcomer(office)
    on_the_first_post(office, lambda: office.native(name))

    done = office.apply()

    assert (done.code, done.change(name)["outcome"]) == (4, "failed")
    assert "externalId" not in office.account(name)  # not touched
    assert office.plan().actions() == {name: "adopt"}


def test_11_a_holder_that_may_not_be_adopted_is_name_taken_in_the_next_plan(office: Office) -> None:
    name, _ = only_newcomer(office)
    on_the_first_post(office, lambda: office.native(name, externalId="DUSOMEBODYELSE000000"))

    done = office.apply()

    assert (done.code, done.change(name)["outcome"]) == (4, "failed")
    planned = office.plan()
    assert (planned.actions(), planned.problems()) == ({}, {name: "name-taken"})


def test_11_a_holder_that_the_list_does_not_show_is_remembered(office: Office) -> None:
    name, _ = only_newcomer(office)
    hidden = office.native(name)

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        answer = serve(request)
        if request.method != "GET" or "filter" in request.params or not request.path.endswith("/Users"):
            return answer
        document = json.loads(answer.body)
        kept = [one for one in document["Resources"] if one["id"] != hidden]
        document |= {"Resources": kept, "totalResults": len(kept), "itemsPerPage": len(kept)}
        return HttpResponse(200, json.dumps(document).encode(), answer.headers)

    office.box.intercept("scim", meddle)
    assert office.apply().code == 4

    planned = office.plan()

    assert planned.actions().get(name) == "adopt" or planned.problems().get(name) == "name-taken", planned.printed


def test_11_a_lost_post_without_external_id_is_not_confused_with_an_older_account(office: Office) -> None:
    name, _ = only_newcomer(office)
    office.configure("run", retries=1)
    office.ninjaone.now = lambda: "2024-11-05T08:30:00.000Z"

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        # Somebody's account has the name since long ago, and our POST never arrived.
        if request.method == "POST" and name not in office.accounts():
            office.native(name)
            return HttpResponse(503)
        return serve(request)

    office.box.intercept("scim", meddle)

    done = office.apply()

    assert (done.code, done.change(name)["outcome"]) == (4, "failed")
    assert office.plan().actions() == {name: "adopt"}


# --- 12 --------------------------------------------------------------------------------------


def test_12_the_lock_is_taken_before_the_first_read(office: Office) -> None:
    held: list[int] = []

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        if not held:
            held.append(0)
            with (
                pytest.raises(LockedError, match="Another run holds the lock"),
                lock.held(office.ledger, tenant_of(config_of(office)), 0, office_now()),
            ):
                pass
        return serve(request)

    office.box.intercept("duo", meddle)

    assert office.apply().code == 0
    assert held


def test_12_who_does_not_get_the_lock_has_read_nothing(office: Office) -> None:
    with lock.held(office.ledger, tenant_of(config_of(office)), 0, office_now()):
        done = office.apply()

    assert done.code == 5
    assert not office.asked_anything()


def test_12_the_lock_is_kept_through_the_question(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bool] = []

    def meanwhile() -> None:
        tried.append(lock.is_held(office.ledger, tenant_of(config_of(office))))

    monkeypatch.setattr("sys.stdin", Terminal("y\n", meanwhile))

    assert office.run("apply").code == 0
    assert tried == [True]
    assert not lock.is_held(office.ledger, tenant_of(config_of(office)))


def test_12_only_the_holder_of_the_lock_settles_a_journal_and_plan_says_unfinished(office: Office) -> None:
    name, duo_id = only_newcomer(office)
    made = office.ninjaone.create(USER, account_of(office.people.users[duo_id]))
    tenant = tenant_of(config_of(office)).id
    office.ask_ledger(
        "insert into runs (id, tenant, actor, command, started_at) values (?, ?, ?, ?, ?)",
        *("20260101-000000-abcdef", tenant, "ada@host (process 1)", "apply", "2026-01-01T00:00:00.000+00:00"),
    )
    office.ask_ledger(
        "insert into operations (run, resource, action, key, external_id, diff, intended_at, status) "
        "values ('20260101-000000-abcdef', 'user', 'create', ?, ?, '{}', '2026-01-01T00:00:00.000+00:00', 'pending')",
        *(name, duo_id),
    )

    planned = office.plan()

    assert "20260101-000000-abcdef" in warnings(planned)
    assert "ada@host" in warnings(planned)
    assert office.ask_ledger("select status from operations where key = ?", name)[-1] == ("pending",)

    with lock.held(office.ledger, tenant_of(config_of(office)), 0, office_now()):
        assert "under way" in warnings(office.plan())
        assert office.apply().code == 5
        assert office.ask_ledger("select status from operations where key = ?", name)[-1] == ("pending",)

    done = office.apply()

    assert "1 writes" in warnings(done) or "1 write" in warnings(done)
    assert office.ask_ledger("select status from operations where key = ?", name)[-1] == ("applied",)
    assert office.ask_ledger("select id from resources where external_id = ?", duo_id) == [(made["id"],)]
    assert "cut short" not in warnings(office.plan())


@pytest.mark.parametrize(("changed", "by_pages"), [(1, False), (5, True)])
def test_12_only_a_saved_plan_is_read_again_by_pages_where_that_costs_fewer_requests(
    office: Office, tmp_path: Path, changed: int, by_pages: bool
) -> None:
    office.settle()
    for number in range(changed):
        office.people.users[office.duo(user(number))]["lastname"] = "Changed"
    office.plan("--out", tmp_path / "plan")
    office.box.forget()

    assert office.run("apply", tmp_path / "plan").code == 0

    assert [one for one in office.box.requests if one.service == "duo"] == []
    gets = [one.path.removeprefix("/scim/v2") for one in office.box.requests if one.method == "GET"]
    assert sorted(gets) == (["/Groups", "/Users"] if by_pages else [f"/Users/{office.account(user(0))['id']}"])


# --- 13 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Helpdesk", 'Helpdesk (from AD sync "corp.example.com")', "id"])
@pytest.mark.parametrize("where", ["scope", "exclude", "push", "rename"])
def test_13_group_names_match_in_full_or_without_their_sync_suffix(office: Office, where: str, name: str) -> None:
    group = office.people.found_group('Helpdesk (from AD sync "corp.example.com")')
    office.people.join(office.duo(user(0)), group)
    wanted = group if name == "id" else name
    if where == "rename" and name == "id":
        wanted = "Helpdesk"  # [groups] rename speaks of names alone
    match where:
        case "scope":
            office.configure("scope", groups=[wanted])
        case "exclude":
            office.configure("scope", exclude_groups=[wanted])
        case "push":
            office.configure("groups", push=[wanted])
        case "rename":
            office.configure("scope", groups=[END_USERS, group])
            office.configure("groups", rename={wanted: "First Line"})

    planned = office.plan()

    everybody = {user(number): "create" for number in range(5)}
    match where:
        case "scope":
            assert (planned.actions(), planned.actions("group")) == ({user(0): "create"}, {"Helpdesk": "create"})
        case "exclude":
            del everybody[user(0)]
            assert planned.actions() == everybody
        case "push":
            assert planned.actions("group") == {"Helpdesk": "create"}
        case "rename":
            assert planned.actions("group") == {END_USERS: "create", "First Line": "create"}


def test_13_two_groups_that_would_get_one_display_name_are_held(office: Office) -> None:
    for name in ("Helpdesk", 'Helpdesk (from AD sync "corp.example.com")'):
        office.people.join(office.duo(user(0)), office.people.found_group(name))
    office.configure("scope", groups=[END_USERS, "Helpdesk"])

    planned = office.plan()

    assert planned.actions("group") == {END_USERS: "create"}
    held = [one for one in planned.json["problems"] if one["resource"] == "group"]
    assert [one["code"] for one in held] == ["duplicate-group-name"] * 2
    assert planned.code == 0
    assert office.run("plan").out.rstrip().endswith("2 held.")
    office.configure("groups", strip_sync_suffix=False)
    assert office.plan().problems() == {}


# --- 14 --------------------------------------------------------------------------------------


def token(ran: Ran) -> set[str]:
    return set(re.findall(r"person-[0-9a-f]+", ran.out))


def test_14_redaction_tokens_are_keyed_by_a_random_key_in_the_ledger_or_by_ninjasync_redact_key(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = token(office.plan("--redact"))
    assert len(first) > 5
    assert token(office.run("plan", "--redact")) <= first
    assert token(office.plan("--redact")) == first

    office.lose_ledger()
    other = token(office.plan("--redact"))
    assert other.isdisjoint(first)

    monkeypatch.setenv("NINJASYNC_REDACT_KEY", "one key")
    keyed = token(office.plan("--redact"))
    office.lose_ledger()
    assert token(office.plan("--redact")) == keyed
    assert keyed.isdisjoint(other)
    monkeypatch.setenv("NINJASYNC_REDACT_KEY", "another key")
    assert token(office.plan("--redact")).isdisjoint(keyed)


def test_14_no_name_and_no_address_is_left_and_one_person_has_one_token(with_technicians: Office) -> None:
    office = with_technicians
    office.settle()
    made = [
        office.people.hire(first, last, groups=[END_USERS], user_type="endUser", organization="1")
        for first, last in (("Sinéad", "O'Brien"), ("Zoë", "Fernández"), ("Casey", "Quux"))
    ]
    office.people.set_email(made[0], "sinead.o'brien@example.com")
    office.people.set_attribute(made[2], "userType", "chef")
    office.people.users[office.duo(user(0))] |= {"lastname": "Newname", "email": "new.name@example.com"}
    leave(office, 1)
    office.configure("safety", protected_users=["breakglass@example.com"])
    office.native("breakglass@example.com")
    duplicate = office.duo(user(2))
    office.native("twin.o'neil@example.com", externalId=duplicate)
    office.configure("scope", exclude_users=["tech0.one@example.com"], where="email != 'not.him@example.com'")

    as_json, as_text = office.plan("--redact"), office.run("plan", "--redact")

    for ran in (as_json, as_text):
        shown = ran.out.encode().decode("unicode_escape") if ran is as_json else ran.out
        for secret in (
            "brien",
            "fern",
            "quux",
            "casey",
            "newname",
            "new.name",
            "user0",
            "user1",
            "user2",
            "tech",
            "neil",
        ):
            assert secret not in shown.casefold().replace("technician", ""), (secret, shown)
        assert "@" not in shown
    (member_rows,) = (
        row for one in as_json.json["changes"] for row in one["diff"] if one["key"] == END_USERS and "added" in row
    )
    creates = {one["key"] for one in as_json.json["changes"] if one["action"] == "create"}
    assert creates == set(member_rows["added"])


def test_14_a_plan_without_any_key_warns_that_its_tokens_will_differ(office: Office) -> None:
    (office.folder / "file").write_text("no folder")
    office.configure("state", path="file/ledger.sqlite3")

    ran = office.plan("--redact")

    assert "NINJASYNC_REDACT_KEY" in ran.err
    assert token(office.plan("--redact")).isdisjoint(token(ran))


def test_14_redact_never_affects_out(office: Office, tmp_path: Path) -> None:
    office.plan("--redact", "--out", tmp_path / "plan")

    shown = office.run("show", tmp_path / "plan", "--format", "json")
    again = office.run("show", tmp_path / "plan", "--redact")

    assert set(shown.actions()) == {user(number) for number in range(5)}
    assert "@" not in again.out
    assert office.run("apply", tmp_path / "plan").code == 0
    assert office.accounts().keys() == {user(number) for number in range(5)}
    assert office.only_read() is False
    assert isinstance(office.ninjaone, NinjaOne)
