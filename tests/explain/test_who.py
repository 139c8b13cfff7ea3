"""Whom WHO names: every way to name a user or an account, tokens of ``--redact``, and what names none or several."""

from __future__ import annotations

import re

import pytest

from ninjasync.explain.search import nearest_names
from tests.support.command import Ran
from tests.support.company import END_USERS, user
from tests.support.explanations import step, told
from tests.support.office import Office


def test_a_user_is_found_by_address_username_alias_user_id_and_ninjaone_id(settled: Office) -> None:
    duo_id = settled.duo(user(0))
    settled.people.users[duo_id]["alias1"] = "zero"

    names = (user(0).title(), "user0.two", "zero", duo_id, settled.id_of(user(0)))

    assert [told(settled, name)["external_id"] for name in names] == [duo_id] * 5


def test_an_unknown_user_is_a_usage_error_that_says_where_it_looked_and_names_the_nearest(world: Office) -> None:
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


def test_every_token_of_a_redacted_plan_leads_to_its_user(settled: Office) -> None:
    settled.configure("safety", protected_users=["boss@example.com"])
    people = settled.people
    people.users[settled.duo(user(0))].update(lastname="Zyxwvut")
    people.set_email(settled.duo(user(1)), "boss@example.com")
    people.disable(settled.duo(user(2)))
    settled.native("boss@example.com")
    newcomer = people.hire("Nina", "Newman", groups=[END_USERS], user_type="endUser", organization="1")
    first, second = settled.duo(user(3)), settled.duo(user(4))
    people.users[first]["email"], people.users[second]["email"] = user(4), user(3)  # swap by a temporary name

    tokens = set(re.findall(r"person-[0-9a-f]{12}", settled.plan("--redact").out))
    stories = [told(settled, token) for token in sorted(tokens)]

    assert len(tokens) > 10
    assert {newcomer, first, second, settled.duo(user(0))} <= {story["external_id"] for story in stories}
    assert all("by its token" in step(story, "read")["text"] for story in stories)


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


def test_a_hostile_name_is_escaped(world: Office) -> None:
    duo_id = world.people.hire("Eve", "\x1b[31mRed\u202e", groups=[END_USERS], user_type="endUser", organization="1")
    world.people.users[duo_id]["username"] = "eve\r\nadmin [bold]"

    shown = world.run("explain", duo_id).out

    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert r"eve\r\nadmin [bold]" in shown
    assert r'"\x1b[31mRed\u202e"' in shown
    assert told(world, duo_id)["attributes"][2]["value"] == "\x1b[31mRed\u202e"


def test_nearest_goes_by_what_stands_before_the_at_sign() -> None:
    names = ["ann.smith@example.org", "ann.smits@example.org", "bob@example.com", "ann.smith@example.com"]

    assert nearest_names("Ann.Smth@exmaple.com", names) == [
        "ann.smith@example.com",
        "ann.smith@example.org",
        "ann.smits@example.org",
    ]
    assert nearest_names("zzz@example.com", names) == []
