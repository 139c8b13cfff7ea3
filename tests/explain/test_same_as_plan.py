"""``explain`` tells the plan's own result: guards, what is read, the requests, and each case of whole companies."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ninjasync.config.load import load
from ninjasync.explain.run import explain
from ninjasync.report.explain import document, render_text
from ninjasync.runs.inspection import inspect
from ninjasync.sandbox.company.staffing import existing_accounts, make_company
from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from tests.support.command import Json
from tests.support.company import END_USERS, TECHNICIANS, staff, user
from tests.support.contexts import context_of
from tests.support.explanations import step, text, told
from tests.support.office import Office
from tests.support.urns import EXTENSION

ACTIONS = {"create", "adopt", "update", "reactivate", "deactivate", "delete"}


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


def test_a_guard_that_withholds_removals_stops_a_leaver_and_no_other_user(settled: Office) -> None:
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


def test_a_scoped_group_that_duo_lacks_stops_everything(world: Office) -> None:
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
    settled.people.leave(settled.duo(user(0)), settled.people.find_group_id(END_USERS))
    settled.people.join(settled.duo(user(0)), settled.people.find_group_id(TECHNICIANS))
    meddler = settled.proxy_scim()
    settled.configure("ninjaone", endpoint_url=meddler.url)
    requests = told(settled, user(0))["requests"]
    meddler.hits.clear()
    done = settled.apply()

    sent = [(hit.method, hit.path, hit.document) for hit in meddler.hits if hit.method != "GET"]
    expected = [(one["method"], "/" + one["url"].split("/", 3)[3], one["body"]) for one in requests]
    assert done.code == 0
    assert sorted(map(repr, sent)) == sorted(map(repr, expected))


_HIDDEN = ("members-hidden", "no-user-groups", "no-member-filter")


def test_a_put_of_a_group_that_hides_its_members_keeps_those_that_the_ledger_knows(tmp_path: Path) -> None:
    with Office(tmp_path, staff(3, 1)) as world:
        world.box.set_behavior(quirks=_HIDDEN)
        world.configure("ninjaone.dialect", group_patch="put")
        proxy = world.proxy_scim()
        world.settle()
        world.people.join(world.duo(user(0)), world.people.find_group_id(TECHNICIANS))
        (shown,) = told(world, user(0))["requests"]
        proxy.hits.clear()
        done = world.apply()

        (sent,) = (hit for hit in proxy.hits if hit.method not in ("GET", "POST"))
        assert done.code == 0
        assert (shown["method"], shown["body"]) == (sent.method, sent.document)
        assert len(shown["body"]["members"]) == 2


def test_a_put_that_would_lose_members_is_shown_as_not_sent(tmp_path: Path) -> None:
    with Office(tmp_path, staff(3, 1)) as world:
        world.box.set_behavior(quirks=_HIDDEN)
        world.configure("ninjaone.dialect", group_patch="put")
        world.ninjaone.create(
            GROUP, {"displayName": TECHNICIANS, "members": [{"value": world.native("old@example.com")}]}
        )
        technician = "tech0.one@example.com"
        put, shown = told(world, technician)["requests"][-1], text(world, technician)
        done = world.apply()

        assert (put["method"], put["body"]) == ("PUT", None)
        assert "does not show its members" in put["note"]
        assert put["note"] in shown
        assert "does not show its members" in done.printed
        again = world.apply()

        assert again.code == done.code == 4
        assert "does not show its members" in again.printed
        puts = [one.path for one in world.box.requests if one.method == "PUT"]
        assert not [path for path in puts if path.endswith(world.group(TECHNICIANS)["id"])]


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
            # A plan names members by their userNames; a held user may have another's.
            expected = set() if duo_id in held else memberships(planned, key)
            if memberships(said, key) != expected:
                found.append((duo_id, memberships(said, key), expected))
            assert not re.search(r"[.?!]\.(\s|$)", render_text(story, color=False)), "two end marks"
            assert render_text(story, color=True)
    return found


def memberships(body: Json, key: str) -> set[tuple[str, str]]:
    rows = [(one["key"], row) for one in body["changes"] if one["resource"] == "group" for row in one["diff"]]
    return {(group, how) for group, row in rows for how in ("added", "removed") if key in row.get(how, ())}


def test_each_explanation_of_a_company_is_what_its_plan_says(tmp_path: Path) -> None:
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
def test_each_explanation_is_the_plan_s_with_other_servers_too(settled: Office, quirks: tuple[str, ...]) -> None:
    people = settled.people
    settled.box.set_behavior(quirks=quirks)
    if "no-external-id" in quirks:
        for id_ in settled.ninjaone.users:
            settled.ninjaone.edit(USER, id_, externalId=None)
    if "odd-ids" in quirks:
        for path in settled.folder.glob("ledger*"):
            path.unlink()  # it has the plain ones
        settled.apply()
    people.disable(people.find_user_id(user(0)))
    people.set_attribute(people.find_user_id(user(1)), "organizationID", "77")
    people.set_email(people.find_user_id(user(2)), "other@example.com")
    people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")

    assert disagreements(settled, list(people.users)) == []


def test_a_name_held_by_an_account_that_ninjaone_does_not_show_is_taken(world: Office) -> None:
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


def test_each_explanation_is_the_plan_s_also_where_accounts_are_looked_up(settled: Office) -> None:
    settled.configure("ninjaone.dialect", discovery="lookup", external_id=False)
    settled.people.disable(settled.duo(user(0)))
    settled.people.set_email(settled.duo(user(1)), "other@example.com")

    assert disagreements(settled, list(settled.people.users)) == []


def test_a_value_that_was_taken_away_differs_from_one_that_ninjaone_never_shows(settled: Office) -> None:
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
