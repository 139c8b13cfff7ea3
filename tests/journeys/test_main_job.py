"""The main job from the command line, against the sandbox: what issue 2 says that it must show.

What Duo implies is computed here by an oracle that shares no code with the product.
"""

from __future__ import annotations

import copy
import datetime
import json
import os
import pty
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ninjasync.sandbox.box import Access, Sandbox
from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.company.staffing import existing_accounts, make_company
from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.command import Json, Ran, run, run_process, spawn
from tests.support.company import END_USERS, TECHNICIANS, staff, tech, user
from tests.support.office import Office, Saved
from tests.support.proxy import Proxy
from tests.support.urns import EXTENSION

EMPTY_PLAN = "Plan: nothing to do."
HELPDESK = 'Helpdesk (from AD sync "Head Office")'


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    made: list[Office] = []

    def build(*arguments: Any) -> Office:
        folder = tmp_path / f"world{len(made)}"
        folder.mkdir()
        made.append(Office(folder, *arguments).start())
        return made[-1]

    yield build
    for each in made:
        each.stop()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Saved, Saved]]:
    """Three technicians, twelve end users; once with an empty NinjaOne, once with all applied."""
    world = Office(tmp_path_factory.mktemp("stage")).start()
    world.configure("run", retries=2)
    empty = world.save()
    world.settle()
    yield world, empty, world.save()
    world.stop()


@pytest.fixture
def world(stage: tuple[Office, Saved, Saved], tmp_path: Path) -> Office:
    """Nothing is applied yet."""
    return stage[0].restore(stage[1], tmp_path)


@pytest.fixture
def settled(stage: tuple[Office, Saved, Saved], tmp_path: Path) -> Office:
    """All is applied."""
    return stage[0].restore(stage[2], tmp_path)


# The oracle


def implied_user(record: Json, scoped: set[str]) -> Json | None:
    """What the contract says of this Duo record: the account, or None if out of scope or invalid."""
    if record["status"] not in ("active", "bypass", "locked out") or not scoped & set(record["groups"]):
        return None
    attributes = record["custom_attributes"]
    kind, organization = attributes.get("userType"), (attributes.get("organizationID") or "").strip()
    first, _, last = (record["realname"] or "").rpartition(" ")  # where it stands alone, it is of two words
    given, family = record["firstname"] or first, record["lastname"] or last
    if kind not in ("technician", "endUser") or not (record["email"] and given and family):
        return None
    if organization.lower() == "all":
        organization = "All"
    elif organization and not organization.isdecimal():
        return None
    if kind == "endUser" and not organization:
        return None
    return {
        "userName": record["email"].casefold(),
        "given": given.strip(),
        "family": family.strip(),
        "userType": kind,
        "organizationId": organization or None,
        "active": True,
        "externalId": record["user_id"],
    }


def implied(people: Company) -> tuple[dict[str, Json], dict[str, set[str]]]:
    """Accounts by Duo id, and members' Duo ids by group name."""
    scoped = set(people.scoped)
    accounts = {key: made for key, each in people.users.items() if (made := implied_user(each, scoped))}
    groups = {
        people.groups[group]["name"].split(" (from ")[0]: {
            key for key in accounts if group in people.users[key]["groups"]
        }
        for group in people.scoped
    }
    return accounts, groups


def found(ninjaone: NinjaOne) -> tuple[dict[str, Json], dict[str, set[str]]]:
    """The same of what NinjaOne has, for accounts and groups that carry a Duo id."""
    accounts: dict[str, Json] = {}
    for each in ninjaone.users.values():
        if str(each.get("externalId", "")).startswith("DU"):
            accounts[each["externalId"]] = {
                "userName": each["userName"].casefold(),
                "given": each["name"]["givenName"].strip(),
                "family": each["name"]["familyName"].strip(),
                "userType": each[EXTENSION]["userType"],
                "organizationId": each[EXTENSION].get("organizationId"),
                "active": each["active"],
                "externalId": each["externalId"],
            }
    by_id = {each["id"]: each.get("externalId", "?") for each in ninjaone.users.values()}
    groups = {
        each["displayName"]: {by_id[member["value"]] for member in each["members"]} for each in ninjaone.groups.values()
    }
    return accounts, groups


def lifelike(make: Callable[..., Office], users: int = 60, seed: int = 1) -> Office:
    """The sandbox's own company and the NinjaOne that was there before."""
    people = make_company(users, seed)
    world = make(people, existing_accounts(people, seed))
    world.configure("scope", groups=[TECHNICIANS, END_USERS, "Helpdesk"])
    world.configure("safety", protected_users=["breakglass@example.com"])
    return world


# The main job


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_apply_brings_ninjaone_to_exactly_what_duo_implies(make: Callable[..., Office], seed: int) -> None:
    world = lifelike(make, seed=seed)
    accounts, groups = implied(world.people)
    before = {key: copy.deepcopy(each) for key, each in world.ninjaone.users.items()}
    done = world.apply()
    assert done.code == 0, done.text
    assert found(world.ninjaone) == (accounts, groups)
    others = {k: v for k, v in world.ninjaone.users.items() if "externalId" not in v}
    assert len(others) >= 2, "breakglass and the stranger are to stay"
    assert all(before[key] == each for key, each in others.items())


def test_the_world_of_the_main_journey_has_what_the_issue_asks_for() -> None:
    people = make_company(60, 1)
    accounts, groups = implied(people)
    assert sum(each["userType"] == "technician" for each in accounts.values()) == 11
    assert len(groups) == 3
    names = " ".join(each["given"] + each["family"] for each in accounts.values())
    assert all(odd in names for odd in ('"', "'", "🎉", "[/x]", "<script>", "|", "ليلى"))


def test_a_plan_exits_two_before_and_zero_after_the_apply(make: Callable[..., Office]) -> None:
    world = lifelike(make)
    before = world.run("plan", "--detailed-exitcode")
    assert before.code == 2
    assert ", 2 held" in before.last_line
    assert world.run("plan").code == 0, "without --detailed-exitcode changes are no failure"
    world.settle()
    after = world.run("plan", "--detailed-exitcode")
    assert after.code == 0
    assert after.last_line == "Plan: nothing to do; 2 held."


def test_a_second_apply_sends_nothing_but_gets(make: Callable[..., Office]) -> None:
    world = lifelike(make)
    world.settle()
    assert world.apply_and_list_writes() == []


def test_plan_sends_nothing_but_gets(make: Callable[..., Office]) -> None:
    world = lifelike(make)
    before = world.snapshot()
    assert world.plan().code == 0
    assert {request.method for request in world.box.requests} == {"GET"}
    assert world.snapshot() == before


@pytest.mark.parametrize(("users", "duo_pages", "page_size"), [(60, 1, 50), (601, 3, 100)])
def test_a_plan_costs_the_least_possible_number_of_requests(
    make: Callable[..., Office], users: int, duo_pages: int, page_size: int
) -> None:
    world = lifelike(make, users)
    world.configure("ninjaone.dialect", page_size=page_size)
    assert world.apply().code == 0
    world.box.forget()
    assert world.plan("--detailed-exitcode").code == 0
    paths = [request.path for request in world.box.requests]
    scim_pages = -(-len(world.ninjaone.users) // page_size) + 1
    assert paths.count("/admin/v1/users") == duo_pages
    assert paths.count("/admin/v1/groups") == 1
    assert len(paths) <= duo_pages + 1 + scim_pages + 3


def test_what_is_left_for_a_person_is_said_after_the_apply(world: Office) -> None:
    done = world.run("apply", "--yes")
    assert done.code == 0
    told = " ".join(done.out.split())
    assert TECHNICIANS in told
    assert "Group mapping" in told
    assert tech(0) in told
    assert user(0) not in told.partition("Left for a person")[2]


# Leavers and those who come back


def leave(world: Office, email: str) -> None:
    for group in world.people.scoped:
        world.people.leave(world.duo(email), group)


GOING: dict[str, Callable[[Office, str], None]] = {
    "leaves the group": leave,
    "is disabled": lambda world, email: world.people.disable(world.duo(email)),
    "is trashed": lambda world, email: world.people.trash(world.duo(email)),
}


@pytest.mark.parametrize("how", GOING)
def test_a_leaver_is_deactivated_by_default(settled: Office, how: str) -> None:
    before = settled.account(user(0))
    GOING[how](settled, user(0))
    planned = settled.plan("--detailed-exitcode")
    assert planned.code == 2
    assert planned.actions() == {user(0): "deactivate"}
    settled.apply_and_list_writes()
    after = settled.account(user(0))
    assert (after["id"], after["active"]) == (before["id"], False)
    assert after[EXTENSION] == before[EXTENSION]
    assert user(0) not in settled.groups()[END_USERS]
    assert len(settled.groups()[END_USERS]) == 11
    assert settled.plan("--detailed-exitcode").code == 0


@pytest.mark.parametrize("how", GOING)
def test_a_leaver_is_deleted_where_the_configuration_says_so(settled: Office, how: str) -> None:
    settled.configure("deprovision", users="delete")
    gone = settled.id_of(user(0))
    GOING[how](settled, user(0))
    assert settled.plan().actions() == {user(0): "delete"}
    assert ("DELETE", f"/Users/{gone}") in settled.apply_and_list_writes()
    assert user(0) not in settled.accounts()
    assert len(settled.accounts()) == 14
    assert settled.plan("--detailed-exitcode").code == 0


@pytest.mark.parametrize("how", GOING)
def test_a_leaver_is_kept_where_the_configuration_says_so(settled: Office, how: str) -> None:
    settled.configure("deprovision", users="keep")
    GOING[how](settled, user(0))
    assert settled.plan().actions() == {}
    settled.apply_and_list_writes()
    assert settled.account(user(0))["active"] is True


def test_a_user_who_is_locked_out_is_left_untouched(settled: Office) -> None:
    settled.people.lock_out(settled.duo(user(0)))
    before = settled.snapshot()
    assert settled.plan("--detailed-exitcode").code == 0
    assert settled.apply_and_list_writes() == []
    assert settled.snapshot() == before


@pytest.mark.parametrize("how", GOING)
def test_who_comes_back_is_reactivated_under_the_same_id(settled: Office, how: str) -> None:
    before, members = settled.account(user(0)), settled.groups()
    GOING[how](settled, user(0))
    settled.settle()
    settled.people.enable(settled.duo(user(0)))
    settled.people.join(settled.duo(user(0)), settled.people.scoped[1])
    assert settled.plan().actions() == {user(0): "reactivate"}
    settled.settle()
    after = settled.account(user(0))
    assert {**after, "meta": None} == {**before, "meta": None}
    assert settled.groups() == members


def test_the_last_line_counts_a_reactivation_as_an_update(settled: Office) -> None:
    settled.people.disable(settled.duo(user(0)))
    settled.settle()
    settled.people.enable(settled.duo(user(0)))
    assert settled.run("plan").last_line == "Plan: users: 1 to update; groups: 1 to update."


def test_a_promotion_is_one_patch_that_is_marked_as_a_privilege_change(settled: Office) -> None:
    settled.people.set_attribute(settled.duo(user(0)), "userType", "technician")
    change = settled.plan().change(user(0))
    assert (change["action"], change["privilege"]) == ("update", True)
    assert change["diff"] == [{"path": "userType", "before": "endUser", "after": "technician"}]
    assert settled.apply_and_list_writes() == [("PATCH", f"/Users/{settled.id_of(user(0))}")]
    assert settled.account(user(0))[EXTENSION]["userType"] == "technician"


# Names


def test_a_renamed_email_is_exactly_one_patch_on_the_same_id(make: Callable[..., Office]) -> None:
    world = make()
    between = world.proxy_scim()
    world.settle()
    between.hits.clear()
    same = world.id_of(user(0))
    world.people.set_email(world.duo(user(0)), "new@example.com")
    done = world.apply()
    assert done.code == 0, done.text
    (patch,) = [hit for hit in between.hits if hit.method != "GET"]
    assert (patch.method, patch.path.rpartition("/")[2]) == ("PATCH", same)
    assert [each["path"] for each in patch.document["Operations"]] == ["userName"]
    assert world.id_of("new@example.com") == same


def test_an_email_that_differs_in_letter_case_alone_is_no_change(settled: Office) -> None:
    settled.people.set_email(settled.duo(user(0)), user(0).upper())
    assert settled.plan("--detailed-exitcode").code == 0


RENAMES = {
    "two swap": {0: user(1), 1: user(0)},
    "three in a cycle": {0: user(1), 1: user(2), 2: user(0)},
    "a chain": {0: user(1), 1: user(2), 2: "free@example.com"},
    "a swap and a cycle at once": {0: user(1), 1: user(0), 2: user(3), 3: user(4), 4: user(2)},
    "a swap across letter case": {0: user(1).upper(), 1: user(0).upper()},
}


@pytest.mark.parametrize("renames", RENAMES.values(), ids=RENAMES)
def test_people_who_exchange_their_emails_end_up_right(settled: Office, renames: dict[int, str]) -> None:
    people = {number: settled.duo(user(number)) for number in renames}
    before = found(settled.ninjaone)[0]
    ids = {each["externalId"]: each["id"] for each in settled.ninjaone.users.values()}
    for number, email in renames.items():
        settled.people.set_email(people[number], email)
    planned = settled.plan()
    assert len(planned.actions()) == len(renames)
    assert set(planned.actions().values()) == {"update"}
    settled.settle()
    assert {each["externalId"]: each["id"] for each in settled.ninjaone.users.values()} == ids
    after = found(settled.ninjaone)[0]
    wanted = {people[number]: email.casefold() for number, email in renames.items()}
    assert {key: each["userName"] for key, each in after.items()} == {
        key: wanted.get(key, each["userName"]) for key, each in before.items()
    }


def test_a_cycle_goes_by_way_of_a_temporary_name_that_the_plan_shows(settled: Office) -> None:
    people = [settled.duo(user(0)), settled.duo(user(1))]
    settled.people.set_email(people[0], user(1))
    settled.people.set_email(people[1], user(0))
    shown = [
        (change["external_id"], step["via"])
        for change in settled.plan().json["changes"]
        for step in change["diff"]
        if "via" in step
    ]
    ((person, via),) = shown
    assert person in people
    assert via == f"ninjasync-{person}@example.com"
    assert len(settled.apply_and_list_writes()) == 3


def test_a_chain_needs_no_temporary_name(settled: Office) -> None:
    for number in (2, 1, 0):
        settled.people.set_email(settled.duo(user(number)), user(number + 1) if number < 2 else "free@example.com")
    assert "via" not in settled.plan().out
    assert len(settled.apply_and_list_writes()) == 3


def test_a_renamed_group_keeps_its_id_and_members(settled: Office) -> None:
    ids = {each["displayName"]: key for key, each in settled.ninjaone.groups.items()}
    members = settled.groups()
    settled.people.rename_group(settled.people.scoped[0], "Engineers")
    settled.configure("scope", groups=["Engineers", END_USERS])
    assert settled.plan().actions("group") == {"Engineers": "update"}
    assert settled.apply_and_list_writes() == [("PATCH", f"/Groups/{ids[TECHNICIANS]}")]
    assert settled.groups() == {"Engineers": members[TECHNICIANS], END_USERS: members[END_USERS]}
    assert settled.plan("--detailed-exitcode").code == 0


def test_two_groups_that_swap_names_keep_their_ids_and_members(settled: Office) -> None:
    members = settled.groups()
    ids = {each["externalId"]: key for key, each in settled.ninjaone.groups.items()}
    first, second = settled.people.scoped
    settled.people.rename_group(first, END_USERS)
    settled.people.rename_group(second, TECHNICIANS)
    settled.settle()
    assert settled.groups() == {TECHNICIANS: members[END_USERS], END_USERS: members[TECHNICIANS]}
    assert {each["externalId"]: key for key, each in settled.ninjaone.groups.items()} == ids


# What goes wrong before anything is read


def one_sentence(result: Ran) -> str:
    """The one error there is, in words for people."""
    assert "Traceback" not in result.text
    assert "unexpected error" not in result.text
    errors = [line for line in result.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, result.err
    return result.err


def test_a_wrong_duo_secret_exits_six_and_says_where_to_mend_it(world: Office) -> None:
    world.configure("duo", secret_key="0" * 40)
    result = world.run("apply", "--yes")
    assert result.code == 6
    assert "[duo] secret_key" in one_sentence(result)
    assert world.writes() == []


def test_a_wrong_duo_integration_key_exits_six_and_names_it(world: Office) -> None:
    world.configure("duo", integration_key="DIWRONG0000000000000")
    result = world.run("plan")
    assert result.code == 6
    assert "[duo] integration_key" in one_sentence(result)


def test_a_duo_application_without_the_permission_exits_six_and_names_it(world: Office) -> None:
    box = Sandbox(world.people, world.ninjaone, access=Access(permissions=()))
    with box:
        world.configure("duo", api_hostname=box.duo_url)
        result = world.run("plan")
    assert result.code == 6
    assert "Grant resource - Read" in one_sentence(result)


def test_a_wrong_scim_token_exits_six_and_says_where_to_renew_it(world: Office) -> None:
    world.configure("ninjaone", secret_token="wrong-token")
    result = world.run("apply", "--yes")
    assert result.code == 6
    told = one_sentence(result)
    assert "[ninjaone] secret_token" in told
    assert "NinjaOne console" in told
    assert world.writes() == []


@pytest.mark.parametrize(("section", "key"), [("duo", "api_hostname"), ("ninjaone", "endpoint_url")])
def test_a_service_that_cannot_be_reached_exits_one_and_names_the_key(world: Office, section: str, key: str) -> None:
    gone = Proxy(world.box.duo_url).start()
    world.configure(section, **{key: gone.url})
    world.configure("run", retries=0)
    gone.stop()
    result = world.run("apply", "--yes")
    assert result.code == 1
    assert f"[{section}] {key}" in one_sentence(result)
    assert world.writes() == []


def test_broken_toml_exits_78_and_says_where(world: Office) -> None:
    world.config_file.write_text("[duo]\napi_hostname = \n")
    result = run("plan", "--config", str(world.config_file))
    assert result.code == 78
    assert "line 2" in one_sentence(result)


def test_every_mistake_in_the_configuration_is_listed_at_once(world: Office) -> None:
    world.configure("duo", secretkey="x", timeout="soon")
    world.configure("ninjaone", endpoint_url="http://scim.example.com/v2")
    world.configure("scope", statuses=["active", "retired"], where="starts_with(")
    world.configure("run", parallelism=0)
    world.configure("safety", max_removals=-1, max_removals_percent=101, on_refusal="ask")
    world.configure("deprovision", users="remove", delete_after_days=-2)
    world.configure("attributes", userName="email[", title=5)
    world.configure("nonsense", key=1)
    result = world.run("plan")
    assert result.code == 78
    for key in (
        "secretkey",
        "timeout",
        "endpoint_url",
        "statuses",
        "where",
        "parallelism",
        "max_removals",
        "max_removals_percent",
        "on_refusal",
        "users",
        "delete_after_days",
        "userName",
        "title",
        "nonsense",
    ):
        assert any(key in line for line in result.err.splitlines() if line.startswith("  - ")), key
    one_sentence(result)


def test_an_unknown_key_is_an_error_that_names_the_nearest_known_one(world: Office) -> None:
    world.configure("duo", secrt_key="x")
    result = world.run("plan")
    assert result.code == 78
    assert 'secrt_key: unknown key; did you mean "secret_key"?' in result.err


def test_an_unknown_key_in_the_environment_names_the_nearest_known_one(
    world: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NINJASYNC_DOU__SECRET_KEY", "x")
    result = world.run("plan")
    assert result.code == 78
    assert "NINJASYNC_DUO" in result.err


MISTAKES: dict[str, tuple[str, str, Any, str]] = {
    "a bad type": ("duo", "timeout", "soon", "[duo] timeout: found 'soon'"),
    "a list that is a string": ("scope", "groups", "Staff", "[scope] groups: found 'Staff'"),
    "plain http to another host": (
        "ninjaone",
        "endpoint_url",
        "http://scim.example.com/v2",
        "[ninjaone] endpoint_url: found 'http://scim.example.com/v2'",
    ),
    "plain http to a host that looks local": (
        "ninjaone",
        "endpoint_url",
        "http://127.0.0.1.example.com/",
        "[ninjaone] endpoint_url",
    ),
    "plain http to a foreign Duo": ("duo", "api_hostname", "http://api-1.duosecurity.com", "[duo] api_hostname"),
    "a Duo host with a path": ("duo", "api_hostname", "api-1.duosecurity.com/admin", "[duo] api_hostname"),
    "a Duo host with a space": ("duo", "api_hostname", "api 1.duosecurity.com", "[duo] api_hostname"),
    "a URL whose host has an empty part": ("ninjaone", "endpoint_url", "https://a..b/", "[ninjaone] endpoint_url"),
    "a port out of range": ("ninjaone", "endpoint_url", "https://a.example:99999/", "[ninjaone] endpoint_url"),
    "an expression that does not parse": ("scope", "where", "email ==", "[scope] where"),
    "a function that JMESPath lacks": ("attributes", "title", "reversed(notes)", '[attributes] "title"'),
    "an attribute that SCIM lacks": ("attributes", "shoeSize", "notes", '[attributes] "shoeSize"'),
    "an attribute that is ninjasync's own": ("attributes", "active", "`true`", '[attributes] "active"'),
    "no userName": ("attributes", "userName", "", '[attributes] "userName"'),
    "a limit out of range": ("safety", "min_source_percent", 101, "[safety] min_source_percent: found 101"),
    "deletion at once": ("deprovision", "delete_after_days", 0, 'users = "delete"'),
    "an empty token": ("ninjaone", "secret_token", "", "[ninjaone] secret_token"),
    "a secret kept in two places": ("duo", "secret_key", {"env": "A", "file": "b"}, "[duo] secret_key"),
    "a secret kept in an unknown place": ("duo", "secret_key", {"vault": "A"}, "[duo] secret_key"),
    "an environment variable that is not set": ("duo", "secret_key", {"env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE"),
    "a secrets file that is not there": ("duo", "secret_key", {"file": "no-such-file"}, "no-such-file"),
    "a command that fails": ("duo", "secret_key", {"command": ["false"]}, "[duo] secret_key"),
    "a command that is not there": ("duo", "secret_key", {"command": ["no-such-command"]}, "no-such-command"),
    "a scope that names nobody": ("scope", "groups", [], "[scope]"),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_configuration_exits_78_and_is_named(
    world: Office, mistake: tuple[str, str, Any, str]
) -> None:
    section, key, value, told = mistake
    world.configure(section, **{key: value})
    world.configure("run", retries=0)
    result = world.run("plan")
    assert result.code == 78, result.text
    assert told in result.err
    one_sentence(result)


def test_no_configuration_at_all_exits_78_and_says_where_it_was_looked_for(tmp_path: Path) -> None:
    result = run_process("plan", cwd=tmp_path, env={"PYTHONPATH": str(Path(__file__).resolve().parents[2])})
    assert result.code == 78
    told = one_sentence(result)
    assert all(
        place in told
        for place in ("NINJASYNC_CONFIG", str(tmp_path / "config.toml"), str(tmp_path / "XDG_CONFIG_HOME"))
    )


def test_the_configuration_is_found_through_the_environment(world: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NINJASYNC_CONFIG", world.write_config())
    assert run("plan").code == 0


def test_the_configuration_is_found_in_the_working_folder(world: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write_config()
    monkeypatch.chdir(world.folder)
    assert run("plan").code == 0


def test_a_configuration_with_a_byte_order_mark_and_windows_line_ends_is_read(world: Office) -> None:
    text = Path(world.write_config()).read_bytes()
    world.config_file.write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    assert run("plan", "--config", str(world.config_file)).code == 0


USAGE = {
    "an unknown option": ["plan", "--no-such-option"],
    "an unknown command": ["plam"],
    "an unknown format": ["plan", "--format", "yaml"],
    "a number that is none": ["apply", "--approve-removals", "many"],
    "a negative approval": ["apply", "--approve-removals", "-1"],
    "parallelism of nothing": ["apply", "--parallelism", "0"],
    "an unknown log level": ["plan", "--log-level", "noisy"],
    "an option of another command": ["apply", "--detailed-exitcode"],
    "a missing value": ["plan", "--config"],
    "no command": [],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_a_wrong_command_line_exits_64(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.code == 64
    assert "Traceback" not in result.text


def test_apply_without_a_terminal_needs_yes(world: Office) -> None:
    result = world.run_process("apply")
    assert result.code == 64
    assert "--yes" in one_sentence(result)
    assert world.writes() == []


def on_a_terminal(world: Office, answer: bytes, *arguments: str) -> Ran:
    ours, theirs = pty.openpty()
    with spawn("apply", "--config", world.write_config(), *arguments, stdin=theirs) as process:
        os.close(theirs)
        os.write(ours, answer)
        out, err = process.communicate(timeout=60)
    os.close(ours)
    return Ran(process.returncode, out.decode(), err.decode())


@pytest.mark.parametrize("answer", [b"n\n", b"\n"])
def test_an_operator_who_says_no_is_a_refusal_and_nothing_is_written(world: Office, answer: bytes) -> None:
    result = on_a_terminal(world, answer, "--format", "json")
    assert result.code == 3
    assert result.json["result"] == {"applied": 0, "failed": 0, "skipped": 17, "exit_code": 3}
    assert "17 changes" in result.err
    assert world.writes() == []


def test_an_operator_who_says_yes_gets_what_was_shown(world: Office) -> None:
    result = on_a_terminal(world, b"y\n")
    assert result.code == 0, result.text
    assert len(world.accounts()) == 15


def test_nothing_is_asked_when_there_is_nothing_to_do(settled: Office) -> None:
    result = on_a_terminal(settled, b"")
    assert result.code == 0
    assert "?" not in result.err


# The output


def test_equal_inputs_give_the_same_bytes(make: Callable[..., Office]) -> None:
    world = lifelike(make)
    first, second = world.run("plan"), world.run("plan")
    assert first.out == second.out
    one, other = world.plan().json, world.plan().json
    assert one.pop("created_at") != ""
    other.pop("created_at")
    assert list(one) == list(other)
    assert json.dumps(one) == json.dumps(other)


def test_the_order_in_which_the_services_list_people_makes_no_difference(make: Callable[..., Office]) -> None:
    world = lifelike(make)
    world.people.disable(world.duo("joy.partridge@example.com"))
    text, digest = world.run("plan").out, world.plan().json["digest"]
    for table in (world.people.users, world.people.groups):
        items = list(table.items())
        random.Random(4).shuffle(items)
        table.clear()
        table.update(items)
    accounts, groups = list(world.ninjaone.table(USER).values()), list(world.ninjaone.table(GROUP).values())
    world.ninjaone.clear()
    for kind, resources in ((USER, reversed(accounts)), (GROUP, groups)):
        for resource in resources:
            world.ninjaone.overwrite(kind, resource)
    assert world.run("plan").out == text
    assert world.plan().json["digest"] == digest


def test_the_digest_tells_two_plans_apart(settled: Office) -> None:
    before = settled.plan().json["digest"]
    assert before.startswith("sha256:")
    assert len(before) == len("sha256:") + 64
    settled.people.disable(settled.duo(user(0)))
    assert settled.plan().json["digest"] != before


PLAN_KEYS = {
    "format_version",
    "ninjasync_version",
    "created_at",
    "digest",
    "source",
    "target",
    "tenant",
    "summary",
    "changes",
    "problems",
    "guards",
    "warnings",
}
USER_ACTIONS = {
    "create",
    "adopt",
    "update",
    "reactivate",
    "deactivate",
    "delete",
    "unchanged",
    "held",
    "unmanaged",
}
GROUP_ACTIONS = {"create", "adopt", "update", "delete", "unchanged", "unmanaged"}


def check_shape(document: Json) -> None:
    assert document["format_version"] == "1.0"
    assert datetime.datetime.strptime(document["created_at"], "%Y-%m-%dT%H:%M:%SZ")
    assert set(document["source"]) == {"users", "groups", "in_scope"}
    assert set(document["target"]) == {"users", "groups", "managed"}
    assert set(document["summary"]) == {"users", "groups"}
    assert set(document["summary"]["users"]) == USER_ACTIONS
    assert set(document["summary"]["groups"]) == GROUP_ACTIONS
    for problem in document["problems"]:
        assert set(problem) == {"resource", "key", "external_id", "code", "message"}
    for guard in document["guards"]:
        assert set(guard) == {"name", "tripped", "message", "approve"}
        assert isinstance(guard["tripped"], bool)
    assert all(isinstance(each, str) for each in document["warnings"])
    for change in document["changes"]:
        check_change(change)
    counted = {"user": "users", "group": "groups"}
    for resource, name in counted.items():
        actions = [each["action"] for each in document["changes"] if each["resource"] == resource]
        for action in {"create", "adopt", "update", "reactivate", "deactivate", "delete"}:
            assert document["summary"][name].get(action, 0) == actions.count(action)


def check_change(change: Json) -> None:
    common = {"resource", "action", "key", "id", "external_id", "diff", "reasons"}
    allowed = common | {"outcome", "error"}
    if change["resource"] == "user":
        common |= {"privilege"}
        allowed |= {"privilege"}
        assert isinstance(change["privilege"], bool)
    assert common <= set(change) <= allowed
    assert (change["id"] is None) == (change["action"] == "create")
    assert change["reasons"]
    for step in change["diff"]:
        if step["path"] == "members":
            assert set(step) == {"path", "added", "removed"}
            assert step["added"] == sorted(step["added"])
        else:
            assert {"path", "before", "after"} <= set(step) <= {"path", "before", "after", "via"}


def test_the_plan_as_json_has_exactly_the_shape_of_the_contract(make: Callable[..., Office]) -> None:
    world = lifelike(make)
    document = world.plan().json
    assert set(document) == PLAN_KEYS
    check_shape(document)
    assert (document["source"], document["target"]) == (
        {"users": 60, "groups": 5, "in_scope": 53},
        {"users": 7, "groups": 0, "managed": 0},
    )
    assert document["summary"]["users"]["held"] == 2
    assert document["summary"]["users"]["unmanaged"] == 2


def test_the_applied_plan_as_json_has_outcomes_and_a_result_besides(make: Callable[..., Office]) -> None:
    world = lifelike(make)
    document = world.apply().json
    assert set(document) == PLAN_KEYS | {"result"}
    check_shape(document)
    assert {each["outcome"] for each in document["changes"]} == {"applied"}
    assert document["result"] == {
        "applied": len(document["changes"]),
        "failed": 0,
        "skipped": 0,
        "exit_code": 0,
    }


def test_the_change_of_a_user_and_of_a_group_read_as_the_contract_shows_them(settled: Office) -> None:
    settled.people.set_attribute(settled.duo(user(0)), "userType", "technician")
    settled.people.join(settled.duo(user(0)), settled.people.scoped[0])
    settled.people.leave(settled.duo(user(0)), settled.people.scoped[1])
    planned = settled.plan()
    change = planned.change(user(0))
    assert change["id"] == settled.id_of(user(0))
    assert change["external_id"] == settled.duo(user(0))
    assert change["diff"] == [{"path": "userType", "before": "endUser", "after": "technician"}]
    assert planned.change(TECHNICIANS)["diff"] == [{"path": "members", "added": [user(0)], "removed": []}]
    assert planned.change(END_USERS)["diff"] == [{"path": "members", "added": [], "removed": [user(0)]}]
    assert planned.change(TECHNICIANS)["external_id"] == settled.people.scoped[0]


def test_standard_output_of_a_failure_as_json_is_one_document_too(world: Office) -> None:
    world.configure("ninjaone", secret_token="wrong-token")
    result = world.plan()
    assert result.code == 6
    assert isinstance(result.json, dict)


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_output_file_is_written_on_success_refusal_and_failure(settled: Office, form: str) -> None:
    into = settled.folder / "result"

    def written(code: int) -> str:
        result = settled.run("plan", "--format", form, "--output", str(into))
        assert result.code == code
        text = into.read_text()
        into.unlink()
        if form == "json":
            assert isinstance(json.loads(text), dict)
        return text

    assert "No changes" in written(0) or form == "json"
    for number in range(4):
        settled.people.disable(settled.duo(user(number)))
    assert user(3) in written(3)
    settled.configure("ninjaone", secret_token="wrong-token")
    assert "token" in written(6)
    settled.config_file.write_text("[[[")
    result = run("plan", "--config", str(settled.config_file), "--format", form, "--output", str(into))
    assert result.code == 78
    assert "TOML" in into.read_text()


def test_the_output_file_holds_what_standard_output_would(world: Office) -> None:
    into = world.folder / "result"
    printed = world.run("plan").out
    assert world.run("plan", "--output", str(into)).code == 0
    assert into.read_text() == printed


def test_an_output_file_that_cannot_be_written_is_found_out_before_the_first_write(world: Office) -> None:
    result = world.run("apply", "--yes", "--output", str(world.folder / "missing" / "result"))
    assert result.code != 0
    one_sentence(result)
    assert world.writes() == []


def test_a_log_file_that_cannot_be_written_is_found_out_before_the_first_write(world: Office) -> None:
    result = world.run("apply", "--yes", "--log-file", str(world.folder / "missing" / "log"))
    assert result.code != 0
    one_sentence(result)
    assert world.writes() == []


def test_global_options_may_stand_before_or_after_the_command(world: Office) -> None:
    config = world.write_config()
    assert run("--config", config, "--quiet", "plan").out == run("plan", "--config", config, "--quiet").out != ""


def test_logs_as_json_are_json_line_by_line(world: Office) -> None:
    into = world.folder / "log"
    result = world.run("apply", "--yes", "--log-level", "debug", "--log-format", "json", "--log-file", str(into))
    assert result.code == 0
    lines = into.read_text().splitlines()
    assert lines
    assert all({"time", "level", "message"} <= set(json.loads(line)) for line in lines)


def test_module_and_version_work_as_a_program() -> None:
    result = run_process("--version")
    assert (result.code, result.out.split()[0]) == (0, "ninjasync")


@pytest.mark.parametrize("command", ["plan", "apply", "sandbox", "demo"])
def test_every_command_has_help(command: str) -> None:
    result = run(command, "--help")
    assert result.code == 0
    assert "Usage: ninjasync" in result.out


# Adoption


@pytest.mark.parametrize("name", [user(0), "USER0.Two@Example.COM"])
@pytest.mark.parametrize("active", [True, False])
def test_a_native_account_with_that_user_name_is_adopted(world: Office, name: str, active: bool) -> None:
    same = world.native(name, active=active)
    planned = world.plan()
    assert planned.actions()[user(0)] == "adopt"
    assert planned.change(user(0))["id"] == same
    assert planned.json["summary"]["users"]["adopt"] == 1
    world.settle()
    assert len(world.accounts()) == 15
    account = world.ninjaone.users[same]
    assert account["active"] is True
    assert account["externalId"] == world.duo(user(0))
    assert account["name"] == {"givenName": "User0", "familyName": "Two"}
    assert account[EXTENSION] == {"userType": "endUser", "organizationId": "1"}
    assert world.ninjaone.users[same]["userName"].casefold() == user(0)


def test_without_adoption_a_native_account_is_left_and_the_user_held(world: Office) -> None:
    same = world.native(user(0))
    before = copy.deepcopy(world.ninjaone.users[same])
    world.configure("deprovision", adopt=False)
    planned = world.plan()
    assert user(0) not in planned.actions()
    assert planned.problems() == {user(0): "name-taken"}
    assert world.apply().code == 0
    assert world.ninjaone.users[same] == before


def test_a_native_group_of_that_name_is_adopted_and_brought_in_step(world: Office) -> None:
    stranger = world.native("stranger@example.com")
    body = {"displayName": TECHNICIANS, "members": [{"value": stranger}]}
    same = str(world.ninjaone.create(GROUP, body)["id"])
    assert world.plan().actions("group")[TECHNICIANS] == "adopt"
    world.settle()
    assert world.ninjaone.groups[same]["externalId"] == world.people.scoped[0]
    members = world.groups()[TECHNICIANS]
    assert members - {"stranger@example.com"} == {tech(0), tech(1), tech(2)}
    assert "stranger@example.com" in members, "a membership of an unmanaged account is not removed"


def test_accounts_that_nobody_manages_are_left_alone(settled: Office) -> None:
    same = settled.native("stranger@example.com", externalId="okta-4711")
    other = settled.native("former@example.com", externalId="DUOFANOTHERACCOUNT00")
    before = settled.snapshot()
    planned = settled.plan("--detailed-exitcode")
    assert planned.code == 0
    assert planned.json["summary"]["users"]["unmanaged"] == 2
    assert settled.apply_and_list_writes() == []
    assert settled.snapshot() == before
    assert {same, other} <= set(settled.ninjaone.users)


# Protected and held users


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


def test_a_user_who_wants_a_protected_accounts_address_is_held_or_reported(settled: Office) -> None:
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
def test_a_held_user_is_left_exactly_as_is_and_holds_up_nobody_else(
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


def test_a_technician_needs_no_organization_but_a_valid_one_if_any(world: Office) -> None:
    world.people.set_attribute(world.duo(tech(0)), "organizationID", "nowhere")
    planned = world.plan()
    assert planned.problems() == {tech(0): "unknown-organization"}
    assert planned.actions()[tech(1)] == "create"


@pytest.mark.parametrize("spelling", ["all", "ALL", "All"])
def test_all_organizations_may_be_spelt_in_any_case(world: Office, spelling: str) -> None:
    world.people.set_attribute(world.duo(user(0)), "organizationID", spelling)
    world.settle()
    assert world.account(user(0))[EXTENSION]["organizationId"] == "All"


def test_missing_attributes_may_be_allowed(world: Office) -> None:
    world.people.set_attribute(world.duo(user(0)), "organizationID", None)
    world.people.set_attribute(world.duo(user(1)), "userType", None)
    world.configure("safety", allow_missing_organization=True, allow_missing_user_type=True)
    planned = world.plan()
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


def test_a_person_deleted_and_made_anew_in_duo_keeps_the_account(settled: Office) -> None:
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


def test_an_address_that_a_stranger_holds_is_not_taken_from_him(settled: Office) -> None:
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


def test_a_swap_with_a_held_user_waits_for_him(settled: Office) -> None:
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


def test_two_groups_that_would_get_one_name_are_held(world: Office) -> None:
    for source in ("a", "b"):
        group = world.people.found_group(f'Helpdesk (from AD sync "{source}")')
        world.people.join(world.duo(user(0)), group)
    world.configure("scope", groups=[TECHNICIANS, END_USERS, "Helpdesk"])
    planned = world.plan()
    assert [each["code"] for each in planned.json["problems"]] == ["duplicate-group-name"] * 2
    assert {each["resource"] for each in planned.json["problems"]} == {"group"}
    assert planned.actions("group") == {TECHNICIANS: "create", END_USERS: "create"}
    world.configure("groups", rename={'Helpdesk (from AD sync "b")': "Other Helpdesk"})
    assert set(world.plan().actions("group")) == {TECHNICIANS, END_USERS, "Helpdesk", "Other Helpdesk"}


# Scope


def lone_wolf(world: Office) -> None:
    """Somebody valid who is in no group."""
    wolf = world.people.hire("Lone", "Wolf", user_type="endUser", organization="1")
    world.people.set_email(wolf, "lone.wolf@example.com")


def everybody() -> set[str]:
    return {tech(number) for number in range(3)} | {user(number) for number in range(12)}


SCOPES: dict[str, tuple[Json, set[str]]] = {
    "a glob": ({"groups": ["NinjaOne T*"]}, {tech(0), tech(1), tech(2)}),
    "an exact name": ({"groups": [TECHNICIANS]}, {tech(0), tech(1), tech(2)}),
    "one user by e-mail": ({"groups": [], "users": [user(0)]}, {user(0)}),
    "one user by username": ({"groups": [], "users": ["tech1.one"]}, {tech(1)}),
    "a group and a user": ({"groups": [TECHNICIANS], "users": [user(3)]}, {tech(0), tech(1), tech(2), user(3)}),
    "but for an excluded glob": ({"exclude_users": ["USER*@example.com"]}, {tech(0), tech(1), tech(2)}),
    "but for one both named and excluded": ({"users": [user(0)], "exclude_users": [user(0)]}, everybody() - {user(0)}),
    "but for an excluded group": ({"exclude_groups": [TECHNICIANS]}, {user(number) for number in range(12)}),
    "those for whom where is true": ({"where": "starts_with(username, 'user1')"}, {user(1), user(10), user(11)}),
    "everybody": ({"groups": [], "all_users": True}, everybody() | {"lone.wolf@example.com"}),
    "everybody but some": ({"groups": [], "all_users": True, "exclude_users": ["*.two@*"]}, {
        tech(0), tech(1), tech(2), "lone.wolf@example.com"
    }),
}  # fmt: skip


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
def test_the_scope_is(world: Office, scope: tuple[Json, set[str]]) -> None:
    keys, wanted = scope
    lone_wolf(world)
    world.configure("scope", **keys)
    planned = world.plan()
    assert planned.code == 0
    assert set(planned.actions()) == wanted
    assert planned.json["source"]["in_scope"] == len(wanted)


def test_groups_and_users_may_be_named_by_id(world: Office) -> None:
    world.configure("scope", groups=[world.people.scoped[0]], users=[world.duo(user(0))])
    assert set(world.plan().actions()) == {tech(0), tech(1), tech(2), user(0)}


def test_statuses_decide_who_is_in_scope(world: Office) -> None:
    world.people.disable(world.duo(user(0)))
    world.people.lock_out(world.duo(user(1)))
    world.configure("scope", statuses=["active", "disabled"])
    planned = world.plan()
    assert user(0) in planned.actions()
    assert user(1) not in planned.actions()


def test_a_where_that_fails_on_a_record_holds_that_user(settled: Office) -> None:
    for record in settled.people.users.values():
        record["notes"] = "a person"
    settled.people.users[settled.duo(user(0))]["notes"] = None
    settled.configure("scope", where="!contains(notes, 'robot')")
    before = settled.snapshot()
    planned = settled.plan()
    assert planned.problems() == {user(0): "expression-failed"}
    assert settled.apply_and_list_writes() == []
    assert settled.snapshot() == before


def test_a_scoped_group_that_duo_does_not_have_is_a_refusal_that_names_it(settled: Office) -> None:
    settled.configure("scope", groups=[TECHNICIANS, END_USERS, "No Such Group"])
    settled.people.users[settled.duo(user(1))]["firstname"] = "Other"
    before = settled.snapshot()
    result = settled.apply()
    assert result.code == 3
    assert result.tripped().keys() == {"scoped-groups"}
    assert any("No Such Group" in guard["message"] for guard in result.json["guards"] if guard["tripped"])
    assert settled.writes() == []
    assert settled.snapshot() == before
    assert settled.plan("--detailed-exitcode").code == 3, "3 goes before 2"


def test_a_glob_that_matches_nothing_is_a_warning(world: Office) -> None:
    world.configure("scope", groups=["NinjaOne*", "No Such*"])
    result = world.plan()
    assert result.code == 0
    assert any("No Such*" in warning for warning in result.json["warnings"])


# Groups


def test_synchronised_groups_lose_their_suffix_and_match_with_or_without_it(make: Callable[..., Office]) -> None:
    for name, stripped, shown in (
        ("Helpdesk", True, "Helpdesk"),
        (HELPDESK, True, "Helpdesk"),
        ("Helpdesk", False, HELPDESK),
        (HELPDESK, False, HELPDESK),
    ):
        world = make()
        group = world.people.found_group(HELPDESK)
        world.people.join(world.duo(user(0)), group)
        world.configure("scope", groups=[name])
        world.configure("groups", strip_sync_suffix=stripped)
        world.settle()
        assert world.groups() == {shown: {user(0)}}


def test_groups_are_pushed_by_glob_and_others_by_exact_name(world: Office) -> None:
    world.people.join(world.duo(user(0)), world.people.group_named("Elsewhere"))
    world.configure("groups", push=["*Tech*", "Elsewhere"])
    world.settle()
    assert world.groups() == {TECHNICIANS: {tech(0), tech(1), tech(2)}, "Elsewhere": {user(0)}}


def test_a_glob_pushes_no_group_that_is_out_of_scope(world: Office) -> None:
    assert set(world.plan().actions("group")) == {TECHNICIANS, END_USERS}


def test_no_group_is_pushed_where_none_is_wanted(world: Office) -> None:
    world.configure("groups", push=[])
    assert world.plan().actions("group") == {}


def test_a_group_is_renamed_by_configuration_in_place(settled: Office) -> None:
    ids = {each["externalId"]: key for key, each in settled.ninjaone.groups.items()}
    settled.configure("groups", rename={TECHNICIANS: "Engineers"})
    settled.settle()
    assert set(settled.groups()) == {"Engineers", END_USERS}
    assert {each["externalId"]: key for key, each in settled.ninjaone.groups.items()} == ids


def test_a_group_that_left_the_scope_is_kept_with_its_members_by_default(settled: Office) -> None:
    members = settled.groups()
    settled.configure("scope", groups=[END_USERS], users=[tech(0), tech(1), tech(2)])
    planned = settled.plan("--detailed-exitcode")
    assert planned.code == 0
    assert any(TECHNICIANS in warning for warning in planned.json["warnings"])
    assert settled.apply_and_list_writes() == []
    assert settled.groups() == members


def test_a_group_that_left_the_scope_is_deleted_where_the_configuration_says_so(settled: Office) -> None:
    settled.configure("scope", groups=[END_USERS], users=[tech(0), tech(1), tech(2)])
    settled.configure("groups", removed="delete")
    planned = settled.plan()
    assert planned.actions("group") == {TECHNICIANS: "delete"}
    assert planned.actions() == {}
    settled.settle()
    assert set(settled.groups()) == {END_USERS}
    assert len(settled.accounts()) == 15


def test_a_group_that_nobody_manages_is_left_alone(settled: Office) -> None:
    member = settled.id_of(user(0))
    settled.ninjaone.create(GROUP, {"displayName": "By hand", "members": [{"value": member}]})
    settled.configure("groups", removed="delete")
    planned = settled.plan("--detailed-exitcode")
    assert planned.code == 0
    assert planned.json["summary"]["groups"]["unmanaged"] == 1
    assert settled.groups()["By hand"] == {user(0)}


# Guards


def disable(world: Office, count: int) -> None:
    for number in range(count):
        world.people.disable(world.duo(user(number)))


def test_three_removals_pass_and_four_are_refused(settled: Office) -> None:
    disable(settled, 3)
    assert settled.plan("--detailed-exitcode").code == 2
    disable(settled, 4)
    before = settled.snapshot()
    result = settled.apply("--approve-source", "11")
    assert result.code == 3
    assert result.tripped().keys() == {"removals"}
    assert set(result.actions().values()) == {"deactivate"}
    assert len(result.actions()) == 4
    (guard,) = [each for each in result.json["guards"] if each["tripped"]]
    assert guard["approve"] == "--approve-removals 4"
    assert settled.writes() == []
    assert settled.snapshot() == before
    assert settled.plan("--detailed-exitcode").code == 3, "3 goes before 2"


def test_an_approval_lifts_the_removal_guard_for_at_most_that_many(settled: Office) -> None:
    disable(settled, 4)
    assert settled.apply("--approve-source", "11", "--approve-removals", "3").code == 3
    assert settled.writes() == []
    assert settled.apply("--approve-source", "11", "--approve-removals", "4").code == 0
    assert sum(not each["active"] for each in settled.accounts().values()) == 4


def test_a_source_that_shrank_is_refused_until_it_is_approved(settled: Office) -> None:
    disable(settled, 4)
    settled.configure("safety", max_removals=10)
    result = settled.apply()
    assert result.code == 3
    assert result.tripped().keys() == {"source"}
    assert settled.writes() == []
    assert settled.plan("--approve-source", "12").code == 3
    assert settled.plan("--approve-source", "11").code == 0


def test_a_share_of_the_managed_accounts_is_the_limit_where_it_is_larger(make: Callable[..., Office]) -> None:
    world = make(staff(40, 0))
    world.settle()
    disable(world, 4)
    assert world.plan().code == 0, "4 of 40 is exactly 10 %"
    disable(world, 5)
    assert world.plan().tripped().keys() == {"removals"}


def test_membership_removals_have_a_limit_of_their_own(settled: Office) -> None:
    first, second = settled.people.scoped
    for number in range(8):
        settled.people.join(settled.duo(user(number)), first)
    settled.settle()
    for number in range(6):
        settled.people.leave(settled.duo(user(number)), second)
    result = settled.apply()
    assert result.code == 3, "6 of 23 memberships are more than 25 %"
    assert result.tripped().keys() == {"member-removals"}
    assert settled.writes() == []
    assert settled.apply("--approve-member-removals", "5").code == 3
    assert settled.apply("--approve-member-removals", "6").code == 0
    assert len(settled.groups()[END_USERS]) == 6


def test_privilege_changes_can_need_a_confirmation(settled: Office) -> None:
    settled.people.set_attribute(settled.duo(user(0)), "userType", "technician")
    settled.configure("safety", max_privilege_changes=0, max_privilege_changes_percent=0)
    result = settled.apply()
    assert result.code == 3
    assert result.tripped().keys() == {"privilege-changes"}
    assert settled.writes() == []
    assert settled.apply("--approve-privilege-changes", "1").code == 0


def test_a_held_record_is_a_refusal_with_strict(settled: Office) -> None:
    settled.people.set_attribute(settled.duo(user(0)), "userType", "wrong")
    settled.people.users[settled.duo(user(1))]["firstname"] = "Other"
    assert settled.plan().code == 0
    result = settled.apply("--strict")
    assert result.code == 3
    assert result.tripped().keys() == {"held"}
    assert settled.writes() == []


def test_where_removals_are_withheld_all_else_is_written(settled: Office) -> None:
    disable(settled, 5)
    settled.people.set_email(settled.duo(user(6)), "new@example.com")
    settled.configure("safety", on_refusal="withhold")
    result = settled.apply("--approve-source", "10")
    assert result.code == 3
    assert settled.writes() == [("PATCH", f"/Users/{settled.id_of('new@example.com')}")]
    assert all(each["active"] for each in settled.accounts().values())


def test_a_plan_shows_the_removals_that_it_withholds(settled: Office) -> None:
    disable(settled, 5)
    settled.configure("safety", on_refusal="withhold")
    text = settled.run("plan", "--approve-source", "10")
    assert text.code == 3
    assert "No changes" not in text.out
    assert all(user(number) in text.out for number in range(5))
    assert all(user(number) in settled.plan("--approve-source", "10").out for number in range(5))


# Configuration from the environment, secrets


OVERRIDES: dict[str, tuple[str, str, Callable[[Ran], bool]]] = {
    "a list": ("SCOPE__GROUPS", f'["{TECHNICIANS}"]', lambda result: len(result.actions()) == 3),
    "an empty list": ("GROUPS__PUSH", "[]", lambda result: result.actions("group") == {}),
    "a table": ("GROUPS__RENAME", f'{{"{TECHNICIANS}": "Engineers"}}', lambda result: "Engineers" in result.out),
    "a truth": ("SCOPE__ALL_USERS", "true", lambda result: len(result.actions()) == 16),
    "a number": ("SAFETY__MAX_REMOVALS", "77", lambda result: "77" in result.out),
    "a string": ("SCOPE__WHERE", "username == 'tech0.one'", lambda result: list(result.actions()) == [tech(0)]),
    "a choice": ("DEPROVISION__USERS", "delete", lambda result: result.code == 0),
    "a date": ("NINJAONE__TOKEN_EXPIRES", "2020-01-01", lambda result: "2020-01-01" in result.out),
    "a key two levels down": ("NINJAONE__DIALECT__PAGE_SIZE", "7", lambda result: result.code == 0),
    "an expression": (
        f"ATTRIBUTES__{'name.givenName'}",
        "'Same'",
        lambda result: {step["after"] for step in result.change(user(0))["diff"]} >= {"Same"},
    ),
    "in lower case": ("scope__where", "username == 'tech0.one'", lambda result: list(result.actions()) == [tech(0)]),
    "an empty string, which is as good as none": ("SCOPE__WHERE", "", lambda result: len(result.actions()) == 15),
}


@pytest.mark.parametrize("override", OVERRIDES.values(), ids=OVERRIDES)
def test_every_key_can_be_set_in_the_environment(
    world: Office, monkeypatch: pytest.MonkeyPatch, override: tuple[str, str, Callable[[Ran], bool]]
) -> None:
    name, value, took_effect = override
    lone_wolf(world)
    monkeypatch.setenv(f"NINJASYNC_{name}", value)
    result = world.plan()
    assert result.code == 0, result.text
    assert took_effect(result)


BAD_OVERRIDES = {
    "a list that is none": ("SCOPE__GROUPS", "Staff", "[scope] groups"),
    "a truth that is none": ("SCOPE__ALL_USERS", "perhaps", "[scope] all_users"),
    "a number that is none": ("RUN__PARALLELISM", "many", "[run] parallelism"),
    "a number out of range": ("RUN__PARALLELISM", "0", "[run] parallelism"),
    "a choice that is none": ("DEPROVISION__USERS", "remove", "[deprovision] users"),
    "an unknown key": ("DUO__SECRETKEY", "x", "[duo] secretkey"),
}


@pytest.mark.parametrize("override", BAD_OVERRIDES.values(), ids=BAD_OVERRIDES)
def test_a_mistake_in_the_environment_exits_78(
    world: Office, monkeypatch: pytest.MonkeyPatch, override: tuple[str, str, str]
) -> None:
    name, value, told = override
    monkeypatch.setenv(f"NINJASYNC_{name}", value)
    result = world.run("plan")
    assert result.code == 78
    assert told in result.err


def test_the_environment_alone_is_configuration_enough(world: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    box = world.box
    for name, value in {
        "DUO__API_HOSTNAME": box.duo_url,
        "DUO__INTEGRATION_KEY": box.integration_key,
        "DUO__SECRET_KEY": box.secret_key,
        "NINJAONE__ENDPOINT_URL": box.scim_url,
        "NINJAONE__SECRET_TOKEN": box.token,
        "SCOPE__GROUPS": '["NinjaOne*"]',
    }.items():
        monkeypatch.setenv(f"NINJASYNC_{name}", value)
    world.config_file.write_text("")
    result = run("plan", "--config", str(world.config_file), "--format", "json")
    assert result.code == 0, result.text
    assert len(result.actions()) == 15


@pytest.mark.parametrize("place", ["env", "file", "relative file", "command"])
def test_secrets_may_be_kept_elsewhere(world: Office, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    kept = world.folder / "kept"
    for section, key, secret in (
        ("duo", "secret_key", world.box.secret_key),
        ("ninjaone", "secret_token", world.box.token),
    ):
        file = kept.with_name(f"{section}.secret")
        file.write_text(secret + "\n")
        monkeypatch.setenv(f"SECRET_OF_{section}", secret)
        references: dict[str, Json] = {
            "env": {"env": f"SECRET_OF_{section}"},
            "file": {"file": str(file)},
            "relative file": {"file": file.name},
            "command": {"command": ["cat", str(file)]},
        }
        reference = references[place]
        world.configure(section, **{key: reference})
    assert world.plan().code == 0


def test_secrets_are_shown_nowhere(world: Office) -> None:
    into = world.folder / "log"
    loud = ("--log-level", "debug", "--log-file", str(into))
    texts = []
    for command in (("plan",), ("apply", "--yes")):
        result = world.run(*command, *loud)
        assert result.code == 0
        texts.append(result.text)
    for section, key in (("duo", "secret_key"), ("ninjaone", "secret_token")):
        world.configure(section, **{key: "WRONG" * 8})
        result = world.run("plan", *loud)
        assert result.code == 6
        texts.append(result.text)
    shown = "".join(texts) + into.read_text()
    assert not any(secret in shown for secret in ("WRONG", world.box.secret_key, world.box.token))
    kept = [file.read_bytes() for file in world.folder.glob("ledger*")]
    assert kept
    assert not any(secret.encode() in each for secret in (world.box.secret_key, world.box.token) for each in kept)


SECRETS_IN_MISTAKES: dict[str, tuple[str, str, Any]] = {
    "a password in the endpoint": ("ninjaone", "endpoint_url", "https://me:HUSH@ninja.example/scim"),
    "a token in the endpoint's query": ("ninjaone", "endpoint_url", "https://ninja.example/scim?token=HUSH"),
    "a password of a proxy": ("ninjaone", "proxy", "nonsense://me:HUSH@proxy.example"),
    "a password in Duo's host": ("duo", "api_hostname", "https://me:HUSH@api.example"),
    "a notification address": ("monitor", "notify", "slack://HUSH"),
    "a secret in a list": ("duo", "secret_key", ["HUSH"]),
    "a secret at an unknown key": ("duo", "secretkey", "HUSH"),
}


@pytest.mark.parametrize("mistake", SECRETS_IN_MISTAKES.values(), ids=SECRETS_IN_MISTAKES)
def test_a_mistake_that_holds_a_secret_is_told_without_it(world: Office, mistake: tuple[str, str, Any]) -> None:
    section, key, value = mistake
    world.configure(section, **{key: value})
    for form in ("text", "json"):
        result = world.run("plan", "--format", form)
        assert result.code == 78
        assert "HUSH" not in result.text


def test_a_token_about_to_expire_is_a_warning_and_a_fresh_one_is_none(world: Office) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    for days, warned in ((-1, True), (29, True), (40, False)):
        world.configure("ninjaone", token_expires=today + datetime.timedelta(days=days))
        assert any("token" in warning for warning in world.plan().json["warnings"]) is warned


def test_attributes_are_expressions_over_the_duo_user(world: Office) -> None:
    person = world.duo(user(0))
    world.people.set_attribute(person, "Employee ID", "4711")
    world.people.set_attribute(person, "organizationID", None)
    world.configure(
        "attributes",
        **{
            "title": "custom_attributes.\"Employee ID\" || 'none'",
            f"{EXTENSION}:organizationId": "custom_attributes.organizationID || 'All'",
            f"{EXTENSION}:userType": f"groups[?name=='{TECHNICIANS}'] && 'technician' || 'endUser'",
        },
    )
    world.settle()
    assert world.account(user(0))["title"] == "4711"
    assert world.account(user(1))["title"] == "none"
    assert world.account(user(0))[EXTENSION] == {"userType": "endUser", "organizationId": "All"}
    assert world.account(tech(0))[EXTENSION]["userType"] == "technician"


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
def test_every_dialect_gets_the_job_done(world: Office, dialect: Json) -> None:
    world.configure("ninjaone.dialect", **dialect)
    world.settle()
    world.people.set_email(world.duo(user(0)), "new@example.com")
    world.people.set_attribute(world.duo(user(1)), "userType", "technician")
    for number in range(3):
        world.people.join(world.duo(user(number + 1)), world.people.scoped[0])
        world.people.leave(world.duo(user(number + 1)), world.people.scoped[1])
    world.people.disable(world.duo(user(5)))
    world.settle()
    accounts, groups = found(world.ninjaone)
    leaver = world.people.user_with_email(user(5))
    assert accounts.pop(leaver)["active"] is False
    assert (accounts, groups) == implied(world.people)


def test_the_dialect_decides_what_is_sent(make: Callable[..., Office]) -> None:
    world = make()
    between = world.proxy_scim()
    world.configure(
        "ninjaone.dialect",
        technician_value="Technician",
        organization_id_type="number",
        booleans="string",
        patch="put",
    )
    assert world.apply().code == 0
    bodies = [hit.document for hit in between.hits if hit.on == "POST Users"]
    assert {body[EXTENSION]["userType"] for body in bodies} == {"Technician", "endUser"}
    assert {body[EXTENSION].get("organizationId") for body in bodies} >= {1, 12}
    assert {body["active"] for body in bodies} <= {"true", "True"}
    between.hits.clear()
    world.people.set_email(world.duo(user(0)), "new@example.com")
    assert world.apply().code == 0
    assert {hit.method for hit in between.hits} == {"GET", "PUT"}


def test_a_year_of_company_life_ends_as_duo_implies(make: Callable[..., Office]) -> None:
    from ninjasync.sandbox.company.year import year_of_life

    world = lifelike(make, 40, 5)
    world.settle()
    ids = {each.get("externalId"): key for key, each in world.ninjaone.users.items()}
    year_of_life(world.people, 5)
    world.configure("scope", groups=[TECHNICIANS, END_USERS, "Service Desk"])
    world.settle()
    accounts, groups = found(world.ninjaone)
    active = {key: each for key, each in accounts.items() if each["active"]}
    assert (active, groups) == implied(world.people)
    assert all(ids[key] == each for key, each in _ids(world).items() if key in ids)
    leavers = set(accounts) - set(active)
    assert len(leavers) == 3


def _ids(world: Office) -> dict[str, str]:
    return {each.get("externalId", "?"): key for key, each in world.ninjaone.users.items()}
