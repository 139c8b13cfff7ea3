"""What the contract says of the tokens that stand for names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.command import Ran
from tests.support.company import END_USERS, user
from tests.support.office import Office


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


def test_14_no_name_and_no_address_is_left_and_one_user_has_one_token(with_technicians: Office) -> None:
    office = with_technicians
    office.settle()
    made = [
        office.people.hire(first, last, groups=[END_USERS], user_type="endUser", organization="1")
        for first, last in (("Sinéad", "O'Brien"), ("Zoë", "Fernández"), ("Casey", "Quux"))
    ]
    office.people.set_email(made[0], "sinead.o'brien@example.com")
    office.people.set_attribute(made[2], "userType", "chef")
    office.people.users[office.duo(user(0))] |= {"lastname": "Newname", "email": "new.name@example.com"}
    office.disable(1)
    office.configure("safety", protected_users=["breakglass@example.com"])
    office.native("breakglass@example.com")
    duplicate = office.duo(user(2))
    office.native("twin.o'neil@example.com", externalId=duplicate)
    office.configure("scope", exclude_users=["tech0.one@example.com"], where="email != 'not.them@example.com'")

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
