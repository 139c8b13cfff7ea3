"""``check --probe`` finds the dialect of an endpoint by one throw-away account, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Ran, run
from tests.support.office import Office, Saved
from tests.support.proxy import Forward, Meddling
from tests.support.server import HANG_UP, Hit, Reply, html_reply, json_reply
from tests.support.urns import EXTENSION

NO = json_reply({"detail": "not like this"}, 400)


@pytest.fixture
def world(at_rest: tuple[Office, Saved], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT", 0.001)
    return at_rest[0].restore(at_rest[1], tmp_path)


def probe(world: Office, meddle: Meddling | None = None) -> Ran:
    if meddle:
        world.proxy_scim(meddle)
    return world.run("check", "--probe", "--yes", "--format", "json")


def steps(done: Ran) -> dict[str, str]:
    return {step["name"]: step["color"] for step in done.json["probe"]["steps"]}


def document(hit: Hit) -> Any:
    return json.loads(hit.body) if hit.body else {}


def operations(hit: Hit) -> list[Any]:
    return list(document(hit).get("Operations", []))


def replaced(hit: Hit, body: Any) -> None:
    hit.body = json.dumps(body).encode()


# --- endpoints of their own mind -------------------------------------------------------------


def capitals_only(hit: Hit, forward: Forward) -> Reply:
    return NO if any(one["op"].islower() for one in operations(hit)) else forward()


def no_patch(hit: Hit, forward: Forward) -> Reply:
    return json_reply({"detail": "no PATCH"}, 501) if hit.method == "PATCH" else forward()


def patch_without_effect(hit: Hit, forward: Forward) -> Reply:
    """Answers PATCH with 204 and does nothing, as some do that only know PUT."""
    return Reply(204) if hit.method == "PATCH" else forward()


def booleans_as_words(hit: Hit, forward: Forward) -> Reply:
    body = document(hit)
    values = [body.get("active"), *(one.get("value") for one in operations(hit))]
    if any(isinstance(value, bool) for value in values):
        return NO
    if isinstance(body.get("active"), str):
        replaced(hit, body | {"active": body["active"] == "True"})
    for one in body.get("Operations", []):
        if one["path"] == "active":
            one["value"] = one["value"] == "True"
            replaced(hit, body)
    return forward()


def numbers_only(hit: Hit, forward: Forward) -> Reply:
    """Makes a global end user, silently, of an organization that is no number."""
    body = document(hit)
    extension = body.get(EXTENSION, {})
    if isinstance(extension.get("organizationId"), str):
        replaced(hit, body | {EXTENSION: {**extension, "organizationId": "All"}})
    return forward()


def no_external_id(hit: Hit, forward: Forward) -> Reply:
    return NO if "externalId" in document(hit) else forward()


def members_by_list(hit: Hit, forward: Forward) -> Reply:
    return NO if any("[" in one.get("path", "") for one in operations(hit)) else forward()


def members_stay(hit: Hit, forward: Forward) -> Reply:
    """Says yes to a filter and keeps the member."""
    return Reply(204) if any("[" in one.get("path", "") for one in operations(hit)) else forward()


def fussy(hit: Hit, forward: Forward) -> Reply:
    if any(one["op"].islower() for one in operations(hit)):
        return NO
    return members_by_list(hit, lambda: booleans_as_words(hit, forward))


DIALECTS: dict[str, tuple[Meddling, dict[str, Any]]] = {
    "operations with a capital letter": (capitals_only, {"patch_op_case": "title"}),
    "no PATCH": (no_patch, {"patch": "put"}),
    "a PATCH without effect": (patch_without_effect, {"patch": "put"}),
    "booleans as words": (booleans_as_words, {"booleans": "string"}),
    "organizations as numbers": (numbers_only, {"organization_id_type": "number"}),
    "no externalId": (no_external_id, {"external_id": False}),
    "members removed by a list": (members_by_list, {"member_removal": "list"}),
    "members that stay when removed by a filter": (members_stay, {"member_removal": "list"}),
    "much of this at once": (
        fussy,
        {"booleans": "string", "patch_op_case": "title", "member_removal": "list"},
    ),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_the_probe_finds_the_dialect_and_with_it_has_nothing_more_to_change(world: Office, name: str) -> None:
    meddle, expected = DIALECTS[name]
    before = world.snapshot()
    found = probe(world, meddle)
    assert found.code == 0, found.out
    assert found.json["probe"]["dialect"] == expected
    assert set(steps(found).values()) == {"green"}
    assert world.snapshot() == before
    world.configure("ninjaone.dialect", **expected)
    again = probe(world)
    assert (again.code, again.json["probe"]["dialect"]) == (0, {})
    assert world.snapshot() == before


def test_the_lines_to_paste_are_what_the_configuration_takes(world: Office) -> None:
    world.proxy_scim(fussy)
    shown = world.run("check", "--probe", "--yes").out
    _, _, lines = shown.partition("[ninjaone.dialect]\n")
    text = world.config_file.read_text("utf-8").replace("[ninjaone.dialect]\n", "")
    world.config_file.write_text(f"{text}\n[ninjaone.dialect]\n{lines}", "utf-8")
    again = run("check", "--probe", "--yes", "--config", str(world.config_file))
    assert again.code == 0
    assert "[ninjaone.dialect]: nothing to change." in again.out


def test_a_plain_endpoint_needs_no_setting_and_no_other_account_is_touched(world: Office) -> None:
    before = world.snapshot()
    meddler = world.proxy_scim()
    done = probe(world)
    assert done.code == 0
    assert done.json["probe"]["dialect"] == {}
    assert list(steps(done)) == [
        *(
            "create",
            "lists",
            "look-ups",
            "patch",
            "patch extension",
            "rename",
            "externalId",
            "deactivate",
            "reactivate",
        ),
        *("create a group", "rename a group", "group members", "remove a member", "members per call"),
        *("delete a group", "delete", "create again"),
    ]
    assert world.snapshot() == before
    created, again = [hit.document for hit in meddler.hits if hit.on == "POST Users"]
    assert again[EXTENSION]["userType"] == "endUser"
    assert re.fullmatch(r"ninjasync-probe-[0-9a-f]{8}@example\.com", created["userName"])
    assert created[EXTENSION] == {"userType": "endUser", "organizationId": "1"}


def test_the_account_is_an_end_user_of_all_organizations_only_where_no_user_has_just_one(world: Office) -> None:
    for user in world.people.users.values():
        user["custom_attributes"]["organizationID"] = "All"
    done = probe(world)
    assert done.code == 0
    assert "all organizations, as no user in scope has just one" in done.json["probe"]["steps"][0]["text"]


# --- cleaning up -----------------------------------------------------------------------------


def test_an_account_whose_creation_got_no_answer_is_removed(world: Office) -> None:
    before = world.snapshot()

    def lose(hit: Hit, forward: Forward) -> Reply:
        reply = forward()
        return HANG_UP if hit.on == "POST Users" else reply

    done = probe(world, lose)
    assert world.snapshot() == before
    assert done.json["probe"]["left"] == []


def test_an_error_in_the_middle_leaves_nothing_behind(world: Office) -> None:
    before = world.snapshot()
    done = probe(world, lambda hit, forward: html_reply(502) if hit.method in ("PATCH", "PUT") else forward())
    assert done.code == 1
    assert steps(done)["probe"] == "red"
    assert done.json["probe"]["left"] == []
    assert world.snapshot() == before


def test_where_nothing_may_be_created_the_probe_says_why_and_writes_nothing(world: Office) -> None:
    before = world.snapshot()
    done = probe(world, lambda hit, forward: NO if hit.on == "POST Users" else forward())
    assert done.code == 1
    (step,) = done.json["probe"]["steps"]
    assert step["text"] == "Refused, tried in 8 ways: HTTP 400: not like this."
    assert world.snapshot() == before


def test_an_account_that_cannot_be_deleted_is_named_with_its_id(world: Office) -> None:
    done = probe(world, lambda hit, forward: NO if hit.on == "DELETE Users" else forward())
    assert done.code == 1
    assert steps(done)["delete"] == "red"
    (left,) = done.json["probe"]["left"]
    (account,) = world.accounts().values()
    assert account["userName"] in left
    assert account["id"] in left
    text = world.run("check", "--probe", "--yes").out
    assert "Left in NinjaOne, to be removed by hand:" in text


def test_a_token_that_is_revoked_in_the_middle_is_told_with_the_cure_and_what_is_left(world: Office) -> None:
    def revoke(hit: Hit, forward: Forward) -> Reply:
        gone = gone_from[0] = gone_from[0] or hit.method == "PATCH"
        return json_reply({"detail": "revoked"}, 401) if gone else forward()

    gone_from = [False]
    done = probe(world, revoke)
    assert done.code == 6
    assert done.json["probe"]["left"]
    assert "Make a new token" in done.json["probe"]["steps"][-1]["cure"]
    assert world.box.token not in done.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 3])
def test_an_interrupted_probe_cleans_up_and_ends_with_130(world: Office, number: int, times: int) -> None:
    before = world.snapshot()

    def interrupt(hit: Hit, forward: Forward) -> Reply:
        reply = forward()
        if hit.method in ("POST", "DELETE"):
            for _ in range(times):
                os.kill(os.getpid(), number)
        return reply

    done = probe(world, interrupt)
    assert done.code == 130
    assert done.json["probe"]["interrupted"] is True
    assert done.json["probe"]["left"] == []
    assert world.snapshot() == before
    assert "what the probe made is removed first" in done.err


# --- asking ----------------------------------------------------------------------------------


def test_without_a_terminal_and_without_yes_nothing_is_asked(world: Office) -> None:
    done = world.run("check", "--probe")
    assert done.code == 64
    assert "--yes" in done.err
    assert world.box.requests == []


@pytest.mark.parametrize(("answer", "code"), [("n\n", 3), ("\n", 3), ("y\n", 0)])
def test_the_operator_is_asked_with_the_name_of_the_account(
    world: Office, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return answer

    monkeypatch.setattr("sys.stdin", Terminal())
    done = world.run("check", "--probe")
    assert done.code == code
    assert "Create, change and delete a throw-away account in NinjaOne?\n  ninjasync-probe-" in done.err
    assert bool(world.writes()) == (code == 0)


def test_what_fails_the_check_is_not_probed(world: Office) -> None:
    world.configure("ninjaone", secret_token="wrong-token")
    done = probe(world)
    assert done.code == 6
    assert "Not probed: the check of NinjaOne users failed." in done.err
    assert "probe" not in done.json
    assert world.writes() == []
