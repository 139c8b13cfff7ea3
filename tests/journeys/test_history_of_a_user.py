"""``history --user``: all that was ever done to one user, under whatever name; and how long runs took."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Ran
from tests.support.company import END_USERS, TECHNICIANS, staff, user
from tests.support.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(4, 2)) as made:
        yield made


def lived(office: Office) -> str:
    """Let the first end user be created, promoted, renamed and leave; return the Duo id."""
    duo_id = office.duo(user(0))
    assert office.apply().code == 0
    row = office.people.users[duo_id]
    row["custom_attributes"] = {"userType": "technician"}
    row["groups"] = [office.people.scoped[0]]
    assert office.apply("--approve-privilege-changes", "9").code == 0
    row["email"] = "anew@example.com"
    assert office.apply().code == 0
    row["status"] = "disabled"
    assert office.apply().code == 0
    return duo_id


def told(done: Ran) -> list[tuple[str, str]]:
    assert done.code == 0, done.err
    return [(one["resource"], one["action"]) for one in done.json["operations"]]


def test_the_history_of_a_user_is_found_by_any_of_their_names(office: Office) -> None:
    duo_id = lived(office)
    ninja_id = office.account("anew@example.com")["id"]
    whole = office.run("history", "--user", duo_id, "--format", "json").json["operations"]
    users = [one["action"] for one in whole if one["resource"] == "user"]
    assert users == ["create", "update", "update", "deactivate"]
    groups = {one["key"] for one in whole if one["resource"] == "group"}
    assert groups == {TECHNICIANS, END_USERS}
    for one in whole:
        if one["resource"] == "group":
            (row,) = one["diff"]
            assert {*row["before"], *row["after"]} <= {user(0), "anew@example.com"}, "of others nothing is told"
    for who in (user(0), user(0).upper(), " anew@example.com ", ninja_id):
        assert office.run("history", "--user", who, "--format", "json").json["operations"] == whole
    assert {one["run"] for one in whole} <= {
        run["id"] for run in office.run("history", "--format", "json").json["runs"]
    }


def test_the_history_of_a_user_as_text_has_times_with_their_zone(office: Office) -> None:
    duo_id = lived(office)
    done = office.run("history", "--user", user(0))
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", done.out)
    assert duo_id in done.out
    assert "userName" in done.out
    assert user(1) not in done.out


def test_an_unknown_user_and_a_run_beside_a_user_are_mistakes_on_the_command_line(office: Office) -> None:
    assert office.run("history", "--user", "nobody@example.com").code == 64
    lived(office)
    done = office.run("history", "--user", "nobody@example.com")
    assert done.code == 64
    assert "knows of no user" in done.err
    assert office.run("history", "2026", "--user", user(0)).code == 64


def test_a_user_whose_account_was_only_recognized_has_no_writes(office: Office) -> None:
    lived(office)
    office.ask_ledger("DELETE FROM operations")
    assert "Nothing was written" in office.run("history", "--user", user(1)).out


def test_a_run_says_how_long_it_took(office: Office) -> None:
    assert office.apply().code == 0
    assert re.search(r"Z  \d+ s  exit 0", office.run("history").out)
    assert office.run("history", "--format", "json").json["runs"][0]["seconds"] >= 0


def test_two_users_with_one_address_are_told_apart_by_their_usernames(office: Office) -> None:
    first, second = office.duo(user(0)), office.duo(user(1))
    office.people.users[second]["email"] = user(0)
    messages = {one["external_id"]: one["message"] for one in office.plan().json["problems"]}
    for mine, other in ((first, second), (second, first)):
        assert f'"{office.people.users[other]["username"]}"' in messages[mine]
        assert f'"{office.people.users[mine]["username"]}"' not in messages[mine]
