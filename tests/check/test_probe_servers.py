"""``check --probe`` against servers of many ways: what it says is right, and with its lines the next apply is, too."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ninjasync.sandbox.ninjaone.schema import USER
from tests.support.command import Ran
from tests.support.company import END_USERS, TECHNICIANS
from tests.support.office import Office, Saved
from tests.support.proxy import Forward, Meddling, untouched
from tests.support.server import HANG_UP, Hit, Reply, json_reply
from tests.support.urns import EXTENSION

LEAVER, RENAMED, MOVER = (f"user{number}.two@example.com" for number in (1, 2, 3))


@pytest.fixture
def world(at_rest: tuple[Office, Saved], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT", 0.001)
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT_OF_429", 0.001)
    yield at_rest[0].restore(at_rest[1], tmp_path)
    at_rest[0].box.set_behavior(quirks=[])


def probed(world: Office) -> Ran:
    return world.run("check", "--probe", "--yes", "--format", "json")


def steps(done: Ran) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in done.json["probe"]["steps"]}


# What each server wants otherwise; a word of two servers or habits at once has a plus sign.
WANTED: dict[str, dict[str, Any]] = {
    "aws": {},
    "polis": {"patch": "put", "group_patch": "patch"},
    "django-scim2": {"member_removal": "list"},
    "scimmy": {},
    "canaille": {"discovery": "lookup", "external_id": False},
    "patch-501": {"patch": "put"},
    "patch-405": {"patch": "put"},
    "first-patch-405": {},
    "user-patch-501": {"patch": "put"},
    "user-patch-501+put-refuses-echo": {"patch": "put"},
    "user-patch-501+members-always-empty": {"patch": "put", "group_patch": "patch"},
    "group-rename-501": {},
    "patch-urn-astray": {"patch": "put"},
    "patch-title-case-only": {"patch_op_case": "title"},
    "patch-title-case-only+group-put-405": {"patch_op_case": "title"},
    "member-removal-list-only": {"member_removal": "list"},
    "member-removal-list-only+members-always-empty": {"member_removal": "list"},
    "member-removal-filter-only": {},
    "member-cap=7": {"members_per_call": 7},
    "members-in-post-dropped": {},
    "members-hidden": {},
    "members-hidden+no-user-groups+no-member-filter": {},
    "members-hidden+no-user-groups+member-filter-ignored": {},
    "members-by-ref": {},
    "members-upper-case": {},
    "json-only": {"media_type": "json"},
    "json-only+patch-501": {"patch": "put", "media_type": "json"},
    "external-id-unknown": {"external_id": False},
    "external-id-stays": {},
    "external-id-immutable": {},
    "external-id-lower-case": {},
    "active-left-out": {},
    "active-number": {},
    "count-500": {"discovery": "lookup"},
    "too-many": {"discovery": "lookup"},
    "last-page-again": {},
    "error-behind-last=404": {},
    "gone=410": {},
    "stale-reads": {},
    "latin-1": {},
    "discovery-401": {},
}


@pytest.mark.parametrize("words", WANTED)
def test_the_probe_says_what_the_server_wants_and_leaves_nothing_behind(world: Office, words: str) -> None:
    world.box.set_behavior(quirks=words.split("+"))
    before = world.snapshot()
    done = probed(world)
    assert (done.code, done.json["probe"]["dialect"]) == (0, WANTED[words]), done.text
    assert not {name for name, step in steps(done).items() if step["color"] == "red"}
    assert (world.snapshot(), done.json["probe"]["left"]) == (before, [])
    world.configure("ninjaone.dialect", **WANTED[words])
    again = probed(world)
    assert (again.code, again.json["probe"]["dialect"]) == (0, {}), again.text
    assert world.snapshot() == before


LIVES = [
    *("aws", "polis", "django-scim2", "scimmy", "canaille", "members-hidden", "user-patch-501+members-always-empty"),
    *("members-hidden+no-user-groups+no-member-filter", "json-only", "count-500", "user-patch-501", "too-many"),
    *("patch-urn-astray", "member-removal-list-only", "member-cap=7", "external-id-unknown"),
    "json-only+patch-title-case-only",
]


@pytest.mark.no_cover  # a life goes through the lines of other tests, and to measure it takes as long again
@pytest.mark.parametrize("words", LIVES)
def test_with_the_probes_lines_a_whole_life_is_right_at_once(world: Office, words: str) -> None:
    world.box.set_behavior(quirks=words.split("+"))
    world.configure("ninjaone.dialect", **probed(world).json["probe"]["dialect"])
    assert [world.apply().code, world.apply().code, world.plan("--detailed-exitcode").code] == [0, 0, 0]
    world.people.users[world.duo(LEAVER)]["status"] = "disabled"
    world.people.users[world.duo(RENAMED)]["lastname"] = "Renamed"
    world.people.users[world.duo(MOVER)]["custom_attributes"]["organizationID"] = "9"
    assert [world.apply().code, world.apply().code, world.plan("--detailed-exitcode").code] == [0, 0, 0]
    assert not world.account(LEAVER)["active"]
    assert world.account(RENAMED)["name"]["familyName"] == "Renamed"
    assert world.account(MOVER)[EXTENSION]["organizationId"] == "9"
    world.people.users[world.duo(LEAVER)]["status"] = "active"
    hired = world.people.hire("New", "Comer", groups=[END_USERS, TECHNICIANS], user_type="endUser", organization="1")
    assert [world.apply().code, world.plan("--detailed-exitcode").code] == [0, 0]
    name = world.people.users[hired]["email"]
    assert world.account(LEAVER)["active"]
    assert all({name} <= members for members in world.groups().values())
    (technicians,) = [id_ for id_, group in world.people.groups.items() if group["name"] == TECHNICIANS]
    world.people.leave(hired, technicians)
    world.people.groups[technicians]["name"] = "Engineers"
    world.configure("scope", groups=[END_USERS, "Engineers"])
    assert [world.apply().code, world.plan("--detailed-exitcode").code] == [0, 0]
    assert (name in world.groups()[END_USERS], name in world.groups()["Engineers"]) == (True, False)


SAID = {
    "members-in-post-dropped": ("create a group", "shows no member that was sent with it"),
    "members-always-empty": ("group members", "as the account shows"),
    "aws": ("group members", "as a filter shows"),
    "polis": ("group members", "as far as can be seen"),
    "members-hidden+no-user-groups+member-filter-ignored": ("group members", "as far as can be seen"),
    "group-rename-501": ("rename a group", "replaced as a whole (PUT)"),
    "last-page-again": ("lists", "A page behind the last one is"),
    "error-behind-last=404": ("lists", "HTTP 404"),
    "active-left-out": ("deactivate", "leaves active out"),
    "external-id-stays": ("externalId", "stays what it was"),
    "external-id-lower-case": ("externalId", "externalId"),
    "drops-title": ("create", "It does not show title"),
    "title-unknown": ("create", "Leave title out of [attributes]"),
    "extension-unknown": ("create", "Leave userType and organizationId out of [attributes]"),
    "refused-member": ("create a group", "no member from the beginning"),
    "delete-is-inactive": ("delete", "still shows it"),
    "no-extension": ("patch extension", "does not show it"),
}


@pytest.mark.parametrize("words", SAID)
def test_what_the_probe_finds_is_reported(world: Office, words: str) -> None:
    world.configure("attributes", title="title || 'Clerk'")
    world.box.set_behavior(quirks=words.split("+"))
    name, text = SAID[words]
    step = steps(probed(world))[name]
    assert text in f"{step['text']} {step['cure']}"


def test_only_what_is_mapped_is_sent_and_no_rights_are_given(world: Office) -> None:
    between = world.proxy_scim()
    assert probed(world).code == 0
    bodies = [hit.document for hit in between.hits if hit.body]
    created = [
        body
        for hit, body in zip((hit for hit in between.hits if hit.body), bodies, strict=True)
        if hit.on == "POST Users"
    ]
    assert created
    for body in created:
        assert set(body) <= {"schemas", "userName", "name", "active", "externalId", EXTENSION}
        assert body[EXTENSION]["userType"] == "endUser"
    sent = str(bodies)
    assert "technician" not in sent
    assert "'All'" not in sent
    assert {TECHNICIANS} & set(sent.split("'")) == set()


def test_the_value_that_is_written_is_another_than_the_one_that_is_there(world: Office) -> None:
    between = world.proxy_scim()
    probed(world)
    (first,) = [hit.document[EXTENSION]["organizationId"] for hit in between.hits if hit.on == "POST Users"][:1]
    moved = [
        one["value"]
        for hit in between.hits
        if hit.on == "PATCH Users"
        for one in hit.document["Operations"]
        if one["path"].endswith(":organizationId")
    ]
    assert moved
    assert first not in moved


def test_where_all_users_have_one_organization_the_probe_sees_where_the_value_lands(world: Office) -> None:
    for user in world.people.users.values():
        user["custom_attributes"]["organizationID"] = "1"
    world.box.set_behavior(quirks=["patch-urn-astray"])
    done = probed(world)
    assert done.json["probe"]["dialect"] == {"patch": "put"}
    assert "landed in" in steps(done)["patch extension"]["text"]


@pytest.mark.parametrize("settled", [False, True], ids=["without a ledger", "with one"])
def test_where_accounts_are_looked_up_nothing_is_listed_and_all_is_probed(world: Office, settled: bool) -> None:
    if settled:
        world.settle()
    world.configure("ninjaone.dialect", discovery="lookup")
    between = world.proxy_scim()
    done = probed(world)
    assert (done.code, done.json["probe"]["dialect"]) == (0, {}), done.text
    listed = [hit.target for hit in between.hits if hit.on in ("GET Users", "GET Groups") and "filter" not in hit.query]
    assert [target for target in listed if target.endswith(("/Users", "/Groups")) or "count" in target] == []
    assert "remove a member" in steps(done)


def test_a_page_that_is_too_large_is_asked_for_smaller(world: Office) -> None:
    def no_more_than_20(hit: Hit, forward: Forward) -> Reply:
        return json_reply({"detail": "count"}, 400) if int(hit.query.get("count", "0")) > 20 else forward()

    world.proxy_scim(no_more_than_20)
    assert probed(world).json["probe"]["dialect"] == {"page_size": 20}


def test_the_spelling_that_is_shown_is_the_one_to_send(world: Office) -> None:
    world.settle()
    for user in list(world.ninjaone.users.values()):
        if user[EXTENSION].get("userType") == "technician":
            world.ninjaone.edit(USER, user["id"], **{EXTENSION: {**user[EXTENSION], "userType": "Technician"}})

    def undescribed(hit: Hit, forward: Forward) -> Reply:
        return json_reply({}, 404) if "Schemas" in hit.path else forward()

    world.proxy_scim(undescribed)
    done = probed(world)
    assert (done.code, done.json["probe"]["dialect"]) == (0, {"technician_value": "Technician"})


# --- cleaning up -----------------------------------------------------------------------------


def nth_write(number: int, tries: int, answer: Meddling) -> Meddling:
    """Let ``answer`` deal with so many tries of the nth write, and with nothing else."""
    writes: list[tuple[str, str, bytes]] = []

    def meddle(hit: Hit, forward: Forward) -> Reply:
        if hit.method == "GET":
            return forward()
        key = (hit.method, hit.path, hit.body)
        again = bool(writes) and writes[-1] == key
        writes.append(key)
        first = len(writes) - tries + 1 if again else len(writes)
        return answer(hit, forward) if first == number else forward()

    return meddle


def lost(hit: Hit, forward: Forward) -> Reply:
    forward()
    return HANG_UP


def refused(hit: Hit, forward: Forward) -> Reply:
    return json_reply({"detail": "no"}, 400)


def interrupting(hit: Hit, forward: Forward) -> Reply:
    reply = forward()
    os.kill(os.getpid(), signal.SIGINT)
    return reply


@pytest.mark.parametrize(("answer", "tries"), [(lost, 1), (lost, 2), (refused, 1), (interrupting, 1)])
def test_whichever_write_goes_wrong_nothing_is_left_behind(world: Office, answer: Meddling, tries: int) -> None:
    before = world.snapshot()
    meddler = world.proxy_scim()
    probed(world)
    writes = len([hit for hit in meddler.hits if hit.method != "GET"])
    assert writes > 15
    for number in range(1, writes + 1, 2):
        world.proxy_scim(nth_write(number, tries, answer))
        done = probed(world)
        assert (world.snapshot(), done.json["probe"]["left"]) == (before, []), (number, done.text)
        assert done.code == 130 if answer is interrupting else done.code in (0, 1)


def test_a_500_to_one_way_is_a_refusal_of_that_way(world: Office) -> None:
    def small_letters_are_a_fault(hit: Hit, forward: Forward) -> Reply:
        small = hit.method == "PATCH" and any(one["op"].islower() for one in hit.document["Operations"])
        return json_reply({}, 500) if small else forward()

    before = world.snapshot()
    world.proxy_scim(small_letters_are_a_fault)
    done = probed(world)
    assert (done.code, done.json["probe"]["dialect"]) == (0, {"patch_op_case": "title"}), done.text
    assert world.snapshot() == before


def test_what_was_made_by_a_request_that_was_answered_with_500_is_found_and_removed(world: Office) -> None:
    def made_all_the_same(hit: Hit, forward: Forward) -> Reply:
        forward()
        return json_reply({}, 500)

    before = world.snapshot()
    world.proxy_scim(lambda hit, forward: (made_all_the_same if hit.method == "POST" else untouched)(hit, forward))
    done = probed(world)
    assert (world.snapshot(), done.json["probe"]["left"]) == (before, []), done.text


def test_what_was_made_is_found_on_a_later_page_of_a_server_that_ignores_filters(world: Office) -> None:
    world.settle()
    world.box.set_behavior(quirks=["no-filter", "page-cap=5"])
    before = world.snapshot()
    world.proxy_scim(lambda hit, forward: lost(hit, forward) if hit.on == "POST Users" else forward())
    done = probed(world)
    assert (world.snapshot(), done.json["probe"]["left"]) == (before, []), done.text
