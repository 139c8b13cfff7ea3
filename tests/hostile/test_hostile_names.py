"""Names that attack whoever reads them: they reach NinjaOne, and no terminal."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from tests.support.company import END_USERS, TECHNICIANS, staff
from tests.support.lies import on_write
from tests.support.office import Office
from tests.support.server import json_reply

NAMES = {
    "terminal escapes": "A\x1b[31mred\x1b]0;title\x07",
    "a new line that looks like a change": "Ann\n  + create     evil@example.com",
    "a carriage return": "Ann\rEve",
    "bidi overrides": "x\u202eevil\u2066x\u200bx",
    "markup": "[red]bold[/red] [/x] [link=http://x]y[/link]",
    "a lone surrogate": "lone\ud800x",
    "a null byte": "a\x00b",
    "C1 controls": "a\x9b31mb\x85c",
    "a line separator": "a\u2028b\u2029c",
    "invisible tags": "x\U000e0041\U000e007f",
    "delete": "a\x7fb",
    "format strings": "{0} %s ${HOME} `id`",
    "HTML": "<script>alert(1)</script>",
    "a table": "a|b|c",
    "emoji": "👩‍👩‍👧",
}


HARMLESS_FORMAT_CHARACTERS = "\u200d"  # the joiner inside of an emoji


def dangerous(text: str) -> set[str]:
    """What could move a cursor, hide or turn round text."""
    return {
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and character not in "\n" + HARMLESS_FORMAT_CHARACTERS
    }


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_hostile_names_reach_ninjaone_and_no_terminal(tmp_path: Path, name: str) -> None:
    office = Office(tmp_path, staff(3, 1)).start()
    try:
        office.configure("scope", groups=["*"])
        office.configure("safety", protected_users=["user2*"])
        person = office.duo("user0.two@example.com")
        group = office.people.find_group_id("Elsewhere")
        office.people.users[person].update(firstname=name, lastname=name, realname=name, notes=name, username=name)
        office.people.rename_group(group, name)
        office.people.join(person, group)
        office.people.users[office.duo("user1.two@example.com")]["email"] = name
        office.people.set_attribute(office.duo("user2.two@example.com"), "userType", name)
        for form, *command in (
            ("text", "plan"),
            ("json", "apply", "--yes"),
            ("text", "plan", "--strict"),
            ("json", "plan", "--strict"),
        ):
            shown = office.run(*command, "--format", form, "--log-level", "info")
            assert dangerous(shown.text) == set()
            assert "Traceback" not in shown.text
            assert "unexpected error" not in shown.text
            assert shown.text.encode(), "can be encoded"
            assert not any(line.startswith("  + create     evil") for line in shown.out.splitlines())
            if form == "json":
                assert isinstance(shown.json, dict)
        account = office.account("user0.two@example.com")
        assert account["name"] == {"givenName": name, "familyName": name}
        assert set(office.groups()) == {TECHNICIANS, END_USERS, name}
    finally:
        office.stop()


@pytest.mark.parametrize("form", ["text", "json"])
def test_hostile_names_come_through_a_pipe_in_an_old_locale(office: Office, form: str) -> None:
    for number, name in enumerate(("Žofie 🎉", "lone\ud800x")):
        office.people.users[office.duo(f"user{number}.two@example.com")]["firstname"] = name
    old = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    shown = office.run_process("plan", "--format", form, env=old)
    assert shown.code == 0
    assert shown.err == ""


def test_what_a_server_says_in_an_error_cannot_attack_the_terminal(settled: Office) -> None:
    evil = "\x1b[2J\u202e[red]no[/red]\nError: all is fine"
    settled.proxy_scim(on_write(lambda hit, forward: json_reply({"detail": evil, "scimType": evil}, 400)))
    for form in ("text", "json"):
        result = settled.run("apply", "--yes", "--format", form)
        assert result.code == 4
        assert dangerous(result.text) == set()
        assert "\nError: all is fine" not in result.text
    settled.proxy_duo(lambda hit, forward: json_reply({"stat": "FAIL", "code": 40002, "message": evil}, 400))
    result = settled.run("apply", "--yes")
    assert result.code == 1
    assert dangerous(result.text) == set()
    assert "\nError: all is fine" not in result.text
