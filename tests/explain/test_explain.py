"""``explain WHO``: one person's story over real HTTP, and that it is the plan's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ninjasync.cli import clock
from ninjasync.config.load import load
from ninjasync.explain.run import explain
from ninjasync.explain.search import nearest
from ninjasync.report.explain import document, render_text
from ninjasync.runs.inspection import inspect
from ninjasync.sandbox.company.staffing import existing_accounts, make_company
from ninjasync.sandbox.ninjaone.schema import USER
from tests.support.command import Json, Ran
from tests.support.company import END_USERS, TECHNICIANS, staff, user
from tests.support.contexts import context_of
from tests.support.office import Office, Saved
from tests.support.urns import EXTENSION

ACTIONS = {"create", "adopt", "update", "reactivate", "deactivate", "delete"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Saved, Saved]]:
    """Two technicians, six end users; once with an empty NinjaOne, once with all applied."""
    world = Office(tmp_path_factory.mktemp("stage"), staff(6, 2)).start()
    empty = world.save()
    world.settle()
    yield world, empty, world.save()
    world.stop()


def restored(stage: tuple[Office, Saved, Saved], saved: Saved, folder: Path) -> Office:
    stage[0].box.set_behavior()
    return stage[0].restore(saved, folder)


@pytest.fixture
def world(stage: tuple[Office, Saved, Saved], tmp_path: Path) -> Office:
    """Nothing is applied yet."""
    return restored(stage, stage[1], tmp_path)


@pytest.fixture
def settled(stage: tuple[Office, Saved, Saved], tmp_path: Path) -> Office:
    """All is applied."""
    return restored(stage, stage[2], tmp_path)


def told(world: Office, who: str) -> Json:
    """The story as JSON; see that it could be told, and that it was read alone."""
    world.box.forget()
    ran = world.run("explain", who, "--format", "json")
    assert ran.code == 0, ran.text
    assert {one.method for one in world.box.requests} == {"GET"}
    return ran.json


def text(world: Office, who: str) -> str:
    """The story as text, on one line, so that wrapping does not matter."""
    ran = world.run("explain", who)
    assert ran.code == 0, ran.text
    assert all(len(line) <= 80 for line in ran.out.splitlines() if "urn:ietf" not in line), ran.out
    return " ".join(ran.out.split())


def step(story: Json, name: str) -> Json:
    (found,) = (one for one in story["steps"] if one["step"] == name)
    return dict(found)


# --- people in scope -------------------------------------------------------------------------


def test_who_is_in_step_has_his_account_and_nothing_would_be_sent(settled: Office) -> None:
    story = told(settled, user(0))

    assert story["outcome"] == "unchanged"
    assert story["answer"] == f"{user(0)} has a NinjaOne account, and it is as it should be."
    assert [one["step"] for one in story["steps"]] == ["read", "scope", "map", "match", "diff", "decide"]
    assert step(story, "scope")["settings"] == [f'[scope] groups = [..., "{END_USERS}"]']
    assert step(story, "match")["facts"]["groups"] == [END_USERS]
    assert step(story, "match")["text"].endswith("proven by the ledger and its externalId, which is the Duo user id")
    assert (story["id"], story["external_id"]) == (settled.id_of(user(0)), settled.duo(user(0)))
    assert (story["changes"], story["requests"]) == ([], [])
    assert "Requests nothing would be sent" in text(settled, user(0))


def test_who_is_to_be_created_is_shown_with_each_attribute_s_expression_and_the_very_requests(world: Office) -> None:
    story = told(world, user(1))
    shown = text(world, user(1))
    done = world.apply("--only", user(1))

    assert story["outcome"] == "create"
    assert {"path": "userType", "expression": "custom_attributes.userType", "given": "endUser", "value": "endUser"} in (
        story["attributes"]
    )
    assert 'organizationId "2" <- custom_attributes.organizationID' in shown
    assert "There is no ledger for this tenant yet." in step(story, "match")["notes"]
    post, group, members = story["requests"]
    assert (post["method"], post["url"]) == ("POST", f"{world.box.scim_url}/Users")
    assert post["headers"]["Authorization"] == "Bearer ***"
    assert world.box.token not in json.dumps(story)
    assert "members" not in group["body"]
    assert members["url"] == f"{world.box.scim_url}/Groups/<id of the new group>"
    assert members["body"]["Operations"][0]["value"] == [{"value": "<id of the new account>"}]
    assert done.code == 0
    account = world.account(user(1))
    assert {name: value for name, value in account.items() if name in post["body"]} == post["body"]


def test_who_is_promoted_is_marked_and_both_his_groups_change(settled: Office) -> None:
    settled.configure("safety", max_privilege_changes=0, max_privilege_changes_percent=0)
    duo_id = settled.duo(user(2))
    settled.people.set_attribute(duo_id, "userType", "technician")
    settled.people.leave(duo_id, settled.people.group_named(END_USERS))
    settled.people.join(duo_id, settled.people.group_named(TECHNICIANS))

    story = told(settled, user(2))
    shown = text(settled, user(2))

    assert story["outcome"] == "update"
    assert story["answer"] == (
        f"{user(2)} has a NinjaOne account; the next apply changes userType and 2 group memberships. "
        "But the plan is refused as it stands; see the guards."
    )
    assert '~ userType: "endUser" -> "technician" ! a change of rights' in shown
    assert f'- remove from the group "{END_USERS}" + add to the group "{TECHNICIANS}"' in shown
    settings = step(story, "decide")["settings"]
    assert {"[safety] max_privilege_changes = 0", "[safety] max_privilege_changes_percent = 0.0"} <= set(settings)
    assert [one["name"] for one in story["guards"] if one["stops_this"]] == ["privilege-changes"]
    assert "Guards the plan is refused, nothing is written: x privilege-changes:" in shown
    assert "Requests without the guards, an apply would send these 3:" in shown
    assert "If that is meant: --approve-privilege-changes 1" in shown
    assert [one["method"] for one in story["requests"]] == ["PATCH"] * 3


def test_who_has_an_account_made_by_hand_is_shown_as_taken_over(world: Office) -> None:
    id_ = world.native(user(0).upper())

    story = told(world, user(0))

    assert (story["outcome"], story["id"]) == ("adopt", id_)
    assert "[deprovision] adopt = true" in step(story, "decide")["settings"]
    assert "the name alone is no proof" in step(story, "match")["text"]


def test_who_has_a_bad_value_is_held_and_the_problem_comes_with_its_cure(settled: Office) -> None:
    settled.people.set_attribute(settled.duo(user(0)), "userType", "Technican")
    newcomer = settled.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser")
    settled.people.set_email(newcomer, "new.comer@example.com")

    story, other = told(settled, user(0)), told(settled, newcomer)

    assert story["outcome"] == other["outcome"] == "held"
    assert story["answer"].startswith(f"The NinjaOne account of {user(0)} stays as it is: the user type 'Technican'")
    assert "(userType" not in story["answer"]
    assert [one["code"] for one in story["problems"]] == ["invalid-user-type"]
    assert story["problems"][0]["cure"].startswith('Write "technician" or "endUser" in Duo')
    assert other["answer"] == "new.comer@example.com gets no NinjaOne account: the user has no organization."
    assert step(other, "decide")["settings"] == ["[safety] allow_missing_organization = false"]
    assert {one["path"]: one["given"] for one in story["attributes"]}["userType"] == "Technican"


def test_who_wants_a_name_that_is_held_is_told_by_whom(settled: Office) -> None:
    settled.people.set_email(settled.duo(user(0)), "stranger@example.com")
    id_ = settled.native("stranger@example.com", externalId="DUQQQQQQQQQQQQQQQQQQ")

    story = told(settled, "stranger@example.com")

    assert (story["outcome"], story["problems"][0]["code"]) == ("held", "name-taken")
    assert id_ in story["answer"]
    assert any(note.startswith("name-taken: ") for note in step(story, "decide")["notes"])
    assert any(id_ in note and "not this user's" in note for note in step(story, "match")["notes"])


def test_a_chain_of_people_who_want_one_another_s_names_is_followed_to_its_end(settled: Office) -> None:
    first, second, third = (settled.duo(user(number)) for number in range(3))
    for duo_id, wanted in ((first, user(1)), (second, user(2)), (third, user(0))):
        settled.people.set_email(duo_id, wanted)
    planned = settled.plan()

    stories = [told(settled, duo_id) for duo_id in (first, second, third)]

    assert [story["outcome"] for story in stories] == ["update"] * 3
    assert [story["changes"] for story in stories] == [[planned.change(user(number))] for number in (1, 2, 0)]
    broken = next(story for story in stories if "via" in story["changes"][0]["diff"][0])
    values = [one["body"]["Operations"][0]["value"] for one in broken["requests"]]
    assert values == [f"ninjasync-{broken['external_id']}@example.com", broken["name"]]


# --- people out of scope, and leavers --------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "change", "answer", "line"),
    [
        (
            {},
            {"groups": ["Elsewhere"]},
            "in none of the scoped groups",
            f'[scope] groups = ["{TECHNICIANS}", "{END_USERS}"]',
        ),
        (
            {"exclude_users": ["x*", "ann.*@example.com"]},
            {},
            'excluded by exclude_users "ann.*@example.com"',
            '[scope] exclude_users = [..., "ann.*@example.com"]',
        ),
        (
            {"exclude_groups": ["Else*", "x*"]},
            {"groups": [END_USERS, "Elsewhere"]},
            'excluded as a member of "Elsewhere"',
            '[scope] exclude_groups = [..., "Else*"]',
        ),
        ({}, {"status": "disabled"}, "disabled in Duo", '[scope] statuses = ["active", "bypass", "locked out"]'),
        (
            {"where": "lastname == 'X'"},
            {},
            "[scope] where is not true: lastname == 'X'",
            "[scope] where = \"lastname == 'X'\"",
        ),
    ],
)
def test_who_is_out_of_scope_is_told_by_which_line(
    world: Office, settings: Json, change: Json, answer: str, line: str
) -> None:
    world.configure("scope", **settings)
    groups = change.get("groups", [END_USERS])
    ann = world.people.hire("Ann", "Smith", groups=groups, user_type="endUser", organization="1")
    world.people.users[ann] |= {"status": change.get("status", "active"), "username": "asmith"}
    world.people.set_email(ann, "ann.smith@example.com")

    story = told(world, "asmith")

    assert story["outcome"] == "out-of-scope"
    assert story["answer"] == f"ann.smith@example.com gets no NinjaOne account: {answer}."
    assert step(story, "scope")["settings"] == [line]
    assert step(story, "decide")["notes"][-1].startswith("To give an account, ")


def test_who_is_locked_out_stays_as_he_is_where_that_is_no_wanted_status(settled: Office) -> None:
    settled.configure("scope", statuses=["active"])
    settled.people.lock_out(settled.duo(user(0)))

    story = told(settled, user(0))

    assert story["outcome"] == "left-alone"
    assert story["answer"] == f"The NinjaOne account of {user(0)} stays as it is: locked out in Duo for now."


def test_a_leaver_is_followed_from_deactivation_to_deletion(settled: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    duo_id = settled.duo(user(0))
    settled.people.disable(duo_id)
    first = told(settled, user(0))
    assert settled.apply().code == 0
    settled.people.erase(duo_id)
    waiting = told(settled, user(0))
    due = datetime.now(UTC) + timedelta(days=30)
    monkeypatch.setattr(clock, "now", lambda: due + timedelta(days=1))
    last, by_id = told(settled, user(0)), told(settled, settled.id_of(user(0)))

    assert first["outcome"] == "deactivate"
    assert step(first, "decide")["settings"] == [
        '[deprovision] users = "deactivate"',
        "[deprovision] delete_after_days = 30",
    ]
    assert [one["method"] for one in first["requests"]] == ["PATCH", "PATCH"]
    assert waiting["outcome"] == "inactive"
    assert waiting["answer"].endswith(
        f"is inactive and will be deleted on {due:%Y-%m-%d} unless the user returns: no longer in Duo."
    )
    assert step(waiting, "read")["facts"]["deactivated"].startswith(f"{due - timedelta(days=30):%Y-%m-%d}")
    assert last["outcome"] == by_id["outcome"] == "delete"
    assert [one["method"] for one in last["requests"]] == ["DELETE"]


def test_a_leaver_whom_the_configuration_keeps_is_told_so(settled: Office) -> None:
    settled.configure("deprovision", users="keep")
    settled.people.disable(settled.duo(user(0)))

    story = told(settled, user(0))

    assert (story["outcome"], story["changes"]) == ("kept", [])
    assert step(story, "decide")["settings"] == ['[deprovision] users = "keep"']


def test_whom_only_the_ledger_remembers_is_told_so(settled: Office) -> None:
    duo_id = settled.duo(user(0))
    settled.ninjaone.delete(USER, settled.id_of(user(0)))
    settled.people.erase(duo_id)

    story = told(settled, user(0))

    assert (story["outcome"], story["external_id"], story["id"]) == ("gone", duo_id, None)


# --- accounts that are not ninjasync's -------------------------------------------------------


def test_a_protected_account_is_never_touched_and_the_line_that_says_so_is_shown(settled: Office) -> None:
    settled.configure("safety", protected_users=["root@example.com", "breakglass@*", user(0)])
    settled.native("breakglass@example.com")

    stranger, owned = told(settled, "BreakGlass@example.com"), told(settled, user(0))

    assert stranger["outcome"] == owned["outcome"] == "protected"
    assert step(stranger, "decide")["settings"] == ['[safety] protected_users = [..., "breakglass@*"]']
    assert step(owned, "decide")["settings"] == [f'[safety] protected_users = [..., "{user(0)}"]']


def test_a_stranger_s_account_is_left_alone(settled: Office) -> None:
    id_ = settled.native("stranger@example.com")

    by_name, by_id = told(settled, "stranger@example.com"), told(settled, id_)

    assert by_name["outcome"] == by_id["outcome"] == "unmanaged"
    assert by_name["id"] == by_id["id"] == id_
    assert by_name["external_id"] is None
    assert step(by_name, "read")["text"].endswith("Duo has no such user")


def test_an_account_with_the_old_address_leads_to_its_owner(settled: Office) -> None:
    duo_id, old = settled.duo(user(0)), settled.id_of(user(0))
    settled.people.set_email(duo_id, "renamed@example.com")

    story = told(settled, user(0))

    assert (story["external_id"], story["id"], story["outcome"]) == (duo_id, old, "update")
    assert story["changes"][0]["diff"] == [{"path": "userName", "before": user(0), "after": "renamed@example.com"}]


def test_who_was_deleted_and_made_anew_in_duo_gets_the_old_account(settled: Office) -> None:
    settled.people.erase(settled.duo(user(0)))
    anew = settled.people.hire("User0", "Two", groups=[END_USERS], user_type="endUser", organization="1")
    settled.people.set_email(anew, user(0))

    story, by_account = told(settled, user(0)), told(settled, settled.id_of(user(0)))

    assert (story["outcome"], story["external_id"]) == ("adopt", anew)
    assert (by_account["outcome"], by_account["external_id"]) == ("adopt", anew)


# --- who is meant ----------------------------------------------------------------------------


def test_a_user_is_found_by_address_username_alias_user_id_and_ninjaone_id(settled: Office) -> None:
    duo_id = settled.duo(user(0))
    settled.people.users[duo_id]["alias1"] = "zero"

    names = (user(0).title(), "user0.two", "zero", duo_id, settled.id_of(user(0)))

    assert [told(settled, name)["external_id"] for name in names] == [duo_id] * 5


def test_an_unknown_who_is_a_usage_error_that_says_where_it_looked_and_names_the_nearest(world: Office) -> None:
    def asked(who: str) -> Ran:
        return world.run("explain", who, "--format", "json")

    dana = world.people.hire("Dana", "Scully", groups=["Elsewhere"])
    near, far, blank = asked("dana.sculy"), asked("zzz@example.com"), asked(" ")
    near_id = asked(dana[:-1] + ("A" if dana[-1] != "A" else "B"))

    assert (near.code, far.code, blank.code, near_id.code) == (64, 64, 64, 64)
    assert near.json["error"]["hint"] == 'Did you mean "dana.scully", "dana.scully@example.com"?'
    assert near.json["error"]["message"] == (
        'No user or account is called "dana.sculy"; looked in Duo by user id, username and e-mail address, '
        "NinjaOne by userName and id, and the ledger."
    )
    assert far.json["error"]["hint"].startswith("Give an e-mail address")
    assert near_id.json["error"]["hint"].startswith(f'Did you mean "{dana}"')


def test_a_user_is_found_by_the_token_that_redact_shows(settled: Office) -> None:
    settled.people.set_attribute(settled.duo(user(0)), "organizationID", "77")
    (change,) = settled.plan("--redact").json["changes"]

    story = told(settled, change["key"])

    assert (story["external_id"], story["outcome"]) == (settled.duo(user(0)), "update")
    assert "by its token" in step(story, "read")["text"]


def test_a_token_is_made_with_the_key_of_the_environment_where_there_is_one(
    world: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NINJASYNC_REDACT_KEY", "one")
    keys = [row["key"] for row in world.plan("--redact").json["changes"] if row["external_id"] == world.duo(user(0))]
    found = told(world, keys[0])
    monkeypatch.setenv("NINJASYNC_REDACT_KEY", "another")
    lost = world.run("explain", keys[0])

    assert found["external_id"] == world.duo(user(0))
    assert lost.code == 64
    assert "A token fits the key that it was made with" in lost.err


def test_a_token_without_any_key_asks_for_the_key(world: Office) -> None:
    ran = world.run("explain", "person-0123456789ab")

    assert ran.code == 64
    assert "Set NINJASYNC_REDACT_KEY to the key that it was made with." in ran.err


def test_a_name_that_several_users_have_asks_for_an_id_unless_only_one_is_in_scope(settled: Office) -> None:
    duo_id, twin = settled.duo(user(0)), settled.duo(user(1))
    settled.people.set_email(twin, user(0))

    several = settled.run("explain", user(0))
    settled.people.trash(twin)
    one = told(settled, user(0))

    assert several.code == 64
    assert duo_id in several.err
    assert twin in several.err
    assert (one["external_id"], one["outcome"]) == (duo_id, "unchanged")
    assert twin in step(one, "read")["text"]


def test_a_hostile_name_obeys_nobody(world: Office) -> None:
    duo_id = world.people.hire("Eve", "\x1b[31mRed\u202e", groups=[END_USERS], user_type="endUser", organization="1")
    world.people.users[duo_id]["username"] = "eve\r\nadmin [bold]"

    shown = world.run("explain", duo_id).out

    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert r"eve\r\nadmin [bold]" in shown
    assert r'"\x1b[31mRed\u202e"' in shown
    assert told(world, duo_id)["attributes"][2]["value"] == "\x1b[31mRed\u202e"


# --- guards ----------------------------------------------------------------------------------


def test_guards_are_judged_now_whatever_was_planned_before(settled: Office) -> None:
    def tripped() -> tuple[bool, list[str]]:
        story = told(settled, user(0))
        return story["refused"], [one["name"] for one in story["guards"] if one["tripped"] and one["stops_this"]]

    before = tripped()
    for number in range(5):
        settled.people.disable(settled.duo(user(number)))
    now = tripped()
    assert settled.apply("--approve-removals", "5", "--approve-source", "1").code == 0
    applied = tripped()

    assert before == applied == (False, [])
    assert now == (True, ["source", "removals"])


def test_a_guard_that_withholds_removals_stops_a_leaver_and_nobody_else(settled: Office) -> None:
    settled.configure("safety", on_refusal="withhold", min_source_percent=1)
    for number in range(4):
        settled.people.disable(settled.duo(user(number)))
    settled.people.users[settled.duo(user(5))]["lastname"] = "Else"

    leaver, other = told(settled, user(0)), told(settled, user(5))

    def stops(story: Json) -> list[str]:
        return [one["name"] for one in story["guards"] if one["stops_this"]]

    assert (stops(leaver), stops(other)) == (["removals"], [])
    assert leaver["answer"].endswith("But a guard withholds this; see the guards.")
    assert leaver["changes"][0]["withheld"] is True
    assert "none stands in the way of this, though others tripped" in text(settled, user(5))
    assert "Guards this is withheld: x removals:" in text(settled, user(0))


def test_a_scoped_group_that_duo_lacks_is_told(world: Office) -> None:
    world.configure("scope", groups=[TECHNICIANS, END_USERS, "NinjaOne Technician"])

    story = told(world, user(0))

    assert story["answer"].endswith("But the plan is refused as it stands; see the guards.")
    assert [one["name"] for one in story["guards"] if one["stops_this"]] == ["scoped-groups"]


# --- it reads as a plan does -----------------------------------------------------------------


def test_it_reads_what_a_plan_reads_and_writes_nothing(settled: Office) -> None:
    def asked(*command: str) -> list[tuple[str, str, str]]:
        settled.box.forget()
        assert settled.run(*command).code == 0
        return sorted((one.service, one.method, one.path) for one in settled.box.requests)

    assert asked("explain", user(0)) == asked("plan")


def test_the_ledger_is_not_written_and_need_not_be_there(settled: Office) -> None:
    before = settled.save().ledger["ledger.sqlite3"]
    told(settled, user(0))
    assert settled.save().ledger["ledger.sqlite3"] == before
    for path in settled.folder.glob("ledger*"):
        path.unlink()

    story = told(settled, user(0))

    assert story["outcome"] == "unchanged"
    assert not list(settled.folder.glob("ledger*"))


def test_the_document_is_the_same_for_the_same_world_but_for_the_time(settled: Office) -> None:
    settled.people.set_attribute(settled.duo(user(0)), "organizationID", "77")

    first, second = told(settled, user(0)), told(settled, user(0))

    assert first.pop("created_at")
    assert second.pop("created_at")
    assert json.dumps(first) == json.dumps(second)


@pytest.mark.parametrize("dialect", [{"patch": "put"}, {"patch_op_case": "title", "member_removal": "list"}])
def test_the_requests_are_those_that_apply_then_sends(settled: Office, dialect: Json) -> None:
    settled.configure("ninjaone.dialect", **dialect)
    settled.people.set_attribute(settled.duo(user(0)), "organizationID", "77")
    settled.people.leave(settled.duo(user(0)), settled.people.group_named(END_USERS))
    settled.people.join(settled.duo(user(0)), settled.people.group_named(TECHNICIANS))
    meddler = settled.proxy_scim()
    settled.configure("ninjaone", endpoint_url=meddler.url)
    requests = told(settled, user(0))["requests"]
    meddler.hits.clear()
    done = settled.apply()

    sent = [(hit.method, hit.path, hit.document) for hit in meddler.hits if hit.method != "GET"]
    expected = [(one["method"], "/" + one["url"].split("/", 3)[3], one["body"]) for one in requests]
    assert done.code == 0
    assert sorted(map(repr, sent)) == sorted(map(repr, expected))


# --- agreement with the plan -----------------------------------------------------------------


def disagreements(world: Office, ids: list[str]) -> list[object]:
    """Compare the story of each with what a plan of the whole world says; return where they differ."""
    planned = world.plan().json
    config = load(Path(world.write_config()))
    mine = {one["external_id"]: one for one in planned["changes"] if one["resource"] == "user"}
    held: dict[str, list[Json]] = {}
    for problem in planned["problems"]:
        if problem["resource"] == "user":
            held.setdefault(problem["external_id"], []).append(problem)
    found: list[object] = []
    with inspect(context_of(config)) as inspection:
        for duo_id in ids:
            story = explain(config, duo_id, inspection)
            said = document(story)
            changes = [one for one in said["changes"] if one["resource"] == "user"]
            codes = [(one["code"], one["message"]) for one in said["problems"]]
            if codes != [(one["code"], one["message"]) for one in held.get(duo_id, [])]:
                found.append((duo_id, codes, held.get(duo_id)))
            if changes != [one for one in (mine.get(duo_id),) if one]:
                found.append((duo_id, changes, mine.get(duo_id)))
            if (story.conclusion in ACTIONS, story.conclusion == "held") != (duo_id in mine, duo_id in held):
                found.append((duo_id, story.conclusion))
            key = changes[0]["key"] if changes else story.name
            # A plan names members by their userNames; who is held may have another's.
            expected = set() if duo_id in held else memberships(planned, key)
            if memberships(said, key) != expected:
                found.append((duo_id, memberships(said, key), expected))
            assert render_text(story, color=True)
    return found


def memberships(body: Json, key: str) -> set[tuple[str, str]]:
    rows = [(one["key"], row) for one in body["changes"] if one["resource"] == "group" for row in one["diff"]]
    return {(group, how) for group, row in rows for how in ("added", "removed") if key in row.get(how, ())}


def test_every_story_of_a_company_is_what_its_plan_says(tmp_path: Path) -> None:
    people = make_company(26)
    world = Office(tmp_path, people, existing_accounts(people)).start()
    try:
        world.configure("scope", groups=[people.groups[id_]["name"] for id_ in people.scoped], exclude_users=["pat*"])
        world.configure("safety", max_removals=9)
        first = disagreements(world, list(people.users))
        assert world.apply().code == 0
        known = list(people.users)
        staffed = [
            id_
            for id_, one in people.users.items()
            if one["status"] == "active" and one["email"] in world.accounts() and one["firstname"] != "Pat"
        ]
        mails = [people.users[id_]["email"] for id_ in staffed]
        people.disable(staffed[0])
        people.trash(staffed[1])
        people.erase(staffed[2])
        people.set_email(staffed[3], mails[4])
        people.set_email(staffed[4], mails[3])
        people.set_email(staffed[5], mails[6])  # two of one name
        people.set_email(staffed[7], mails[0])  # that of a leaver
        people.set_email(staffed[8], mails[2])  # that of somebody who is gone
        people.set_attribute(staffed[9], "organizationID", "999")
        people.join(staffed[10], people.scoped[0])
        world.ninjaone.edit(USER, world.id_of(mails[11]), active=False)
        second = disagreements(world, known)
        outcomes = {row["action"] for row in world.plan().json["changes"] if row["resource"] == "user"}
        for path in world.folder.glob("ledger*"):
            path.unlink()
        third = disagreements(world, staffed)
    finally:
        world.stop()

    assert (first, second, third) == ([], [], [])
    assert outcomes == {"update", "deactivate", "reactivate"}


@pytest.mark.parametrize(
    "quirks",
    [
        ("no-external-id",),
        ("no-external-id-filter", "filter-404"),
        ("no-filter", "page-cap=3"),
        ("too-many", "members-absent"),
        ("members-hidden", "no-extension"),
        ("odd-ids", "wrong-case", "string-booleans"),
        ("duo.list-values", "inactive-unlisted"),
    ],
    ids=lambda quirks: "+".join(quirks),
)
def test_every_story_is_the_plan_s_also_before_servers_of_other_ways(settled: Office, quirks: tuple[str, ...]) -> None:
    people = settled.people
    settled.box.set_behavior(quirks=quirks)
    if "no-external-id" in quirks:
        for id_ in settled.ninjaone.users:
            settled.ninjaone.edit(USER, id_, externalId=None)
    if "odd-ids" in quirks:
        for path in settled.folder.glob("ledger*"):
            path.unlink()  # it has the plain ones
        settled.apply()
    people.disable(people.user_with_email(user(0)))
    people.set_attribute(people.user_with_email(user(1)), "organizationID", "77")
    people.set_email(people.user_with_email(user(2)), "other@example.com")
    people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")

    assert disagreements(settled, list(people.users)) == []


def test_a_name_that_an_account_holds_whom_ninjaone_shows_to_nobody_is_told_as_taken(world: Office) -> None:
    world.native("hidden@example.com")
    newcomer = world.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
    world.people.set_email(newcomer, "hidden@example.com")
    world.box.set_behavior(quirks=["hidden-holder"])
    assert world.apply().code == 4

    assert disagreements(world, [newcomer]) == []
    assert told(world, newcomer)["problems"][0]["code"] == "name-taken"


def test_members_that_only_a_group_itself_shows_are_seen_without_a_ledger_too(settled: Office) -> None:
    for path in settled.folder.glob("ledger*"):
        path.unlink()
    settled.box.set_behavior(quirks=["members-absent"])

    assert told(settled, user(0))["outcome"] == "unchanged"
    assert told(settled, user(0))["changes"] == []


def test_every_story_is_the_plan_s_also_where_accounts_are_looked_up(settled: Office) -> None:
    settled.configure("ninjaone.dialect", discovery="lookup", external_id=False)
    settled.people.disable(settled.duo(user(0)))
    settled.people.set_email(settled.duo(user(1)), "other@example.com")

    assert disagreements(settled, list(settled.people.users)) == []


def test_a_value_that_somebody_took_away_is_told_from_one_that_ninjaone_never_shows(settled: Office) -> None:
    settled.ninjaone.edit(USER, settled.id_of(user(0)), **{EXTENSION: {"userType": "endUser"}})
    taken = told(settled, user(0))
    for id_, account in settled.ninjaone.users.items():
        settled.ninjaone.edit(USER, id_, **{EXTENSION: {"userType": account[EXTENSION]["userType"]}})
    hidden = told(settled, user(0))

    assert [row["path"] for row in taken["changes"][0]["diff"]] == ["organizationId"]
    assert (hidden["outcome"], hidden["changes"]) == ("unchanged", [])
    assert step(hidden, "diff")["notes"] == [
        "NinjaOne does not show organizationId; what was last applied counts instead."
    ]


# --- smaller things --------------------------------------------------------------------------


def test_nearest_goes_by_what_stands_before_the_at_sign() -> None:
    names = ["ann.smith@example.org", "ann.smits@example.org", "bob@example.com", "ann.smith@example.com"]

    assert nearest("Ann.Smth@exmaple.com", names) == [
        "ann.smith@example.com",
        "ann.smith@example.org",
        "ann.smits@example.org",
    ]
    assert nearest("zzz@example.com", names) == []


def test_the_text_is_coloured_only_when_asked(settled: Office) -> None:
    config = load(Path(settled.write_config()))
    with inspect(context_of(config)) as inspection:
        story = explain(config, user(0), inspection)

    assert "\x1b[" not in render_text(story, color=False)
    assert render_text(story, color=True).startswith("\x1b[1;32m")
    assert render_text(replace(story, conclusion="delete"), color=True).startswith("\x1b[1;31m")
    assert render_text(replace(story, stopped_by=story.guards), color=True).startswith("\x1b[1;33m")
