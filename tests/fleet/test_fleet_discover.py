"""``fleet discover``: child accounts of a Duo Accounts API application, and files for those that are named."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ninjasync.config.load import load
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse
from ninjasync.sandbox.fleet import SandboxFleet, make_fleet
from tests.support.command import Ran, one_sentence, run

NAMES = ("alder", "birch", "cedar")


class Parent:
    """A parent account with three child accounts; the last has no tenant file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.served = SandboxFleet(make_fleet(3, users=5), by_parent=True).start()
        for name, content in self.served.render_files().items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, "utf-8")
            path.chmod(0o600)

    def discover(self, *arguments: str) -> Ran:
        return run("fleet", "discover", *arguments, "--fleet", str(self.folder / "fleet.toml"))

    def rows(self, *arguments: str) -> dict[str, Any]:
        ran = self.discover(*arguments, "--format", "json")
        assert ran.code == 0, ran.err
        return {row["name"]: row for row in ran.json["accounts"]}

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "tenants").iterdir())

    def replace(self, old: str, new: str, file: str = "fleet.toml") -> None:
        path = self.folder / file
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    made = Parent(tmp_path)
    yield made
    made.served.stop()


def test_child_accounts_are_listed_with_the_tenant_files_that_read_them(parent: Parent) -> None:
    rows = parent.rows()
    assert {name: bool(row["file"]) for name, row in rows.items()} == {
        "Alder Ltd": True,
        "Birch Ltd": True,
        "Cedar Ltd": False,
    }
    assert parent.files() == ["alder.toml", "birch.toml"], "nothing is written that was not named"
    shown = parent.discover().out
    assert shown.index("Cedar Ltd") < shown.index("Alder Ltd"), "what lacks a file comes first"
    assert "3 child accounts, 1 without a tenant file." in shown


@pytest.mark.parametrize("how", ["Cedar Ltd", "cedar ltd", "DA000000000000000003"])
def test_a_file_is_written_for_an_account_that_is_named(parent: Parent, how: str) -> None:
    rows = parent.rows(how)
    path = parent.folder / "tenants" / "cedar-ltd.toml"
    assert (rows["Cedar Ltd"]["file"], rows["Cedar Ltd"]["written"]) == (str(path), True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text("utf-8")
    assert "sandbox-secret-key" not in text
    box = parent.served.boxes["cedar"]
    (parent.folder / "tenants" / "cedar-ltd.token").write_text(box.token, "utf-8")
    (parent.folder / "tenants" / "cedar-ltd.token").chmod(0o600)
    parent.replace("https://FILL-IN.example/scim", box.scim_url, "tenants/cedar-ltd.toml")
    assert load(path).duo.account_id == "DA000000000000000003"
    planned = run("plan", "--config", str(path), "--detailed-exitcode")
    assert planned.code == 2, planned.text
    assert parent.rows()["Cedar Ltd"]["file"] == str(path)


def test_a_file_that_is_not_filled_in_yet_is_told_by_the_fleet(parent: Parent) -> None:
    parent.rows("Cedar Ltd")
    ran = run("fleet", "plan", "--format", "json", "--fleet", str(parent.folder / "fleet.toml"))
    rows = {row["tenant"]: row for row in ran.json["tenants"]}
    assert rows["cedar-ltd"]["outcome"] == "configuration"
    assert "[ninjaone] endpoint_url" in rows["cedar-ltd"]["error"]
    assert rows["alder"]["outcome"] == "changes"


def test_nothing_is_ever_overwritten(parent: Parent) -> None:
    parent.rows("Cedar Ltd")
    before = (parent.folder / "tenants" / "cedar-ltd.toml").read_text("utf-8")
    again = parent.discover("Cedar Ltd")
    assert again.code == 64
    assert "has the tenant file" in one_sentence(again)
    assert (parent.folder / "tenants" / "cedar-ltd.toml").read_text("utf-8") == before
    # A file of that name that is of another account.
    (parent.folder / "tenants" / "cedar-ltd.toml").write_text("[duo]\n", "utf-8")
    written = parent.rows("Cedar Ltd")["Cedar Ltd"]["file"]
    assert written.endswith("cedar-ltd-da000000000000000003.toml")
    assert (parent.folder / "tenants" / "cedar-ltd.toml").read_text("utf-8") == "[duo]\n"


def test_where_one_of_those_named_is_unknown_nothing_is_written(parent: Parent) -> None:
    ran = parent.discover("Cedar Ltd", "Ceder Ltd")
    assert ran.code == 64
    assert 'did you mean "Cedar Ltd"' in one_sentence(ran)
    assert parent.files() == ["alder.toml", "birch.toml"]


def test_a_first_tenant_can_be_found_for_a_fleet_that_has_none(parent: Parent) -> None:
    for path in (parent.folder / "tenants").iterdir():
        path.unlink()
    (parent.folder / "tenants").rmdir()
    assert parent.rows("Alder Ltd")["Alder Ltd"]["written"]
    assert parent.files() == ["alder-ltd.toml"]


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ('{ file = "parent.secret" }', '"sandbox-secret-key-of-the-parent-account"', 78, "is the secret itself"),
        ('{ file = "parent.secret" }', '{ file = "nowhere" }', 78, "[fleet.accounts] secret_key"),
        ("DISANDBOXPARENT00000", "DISANDBOX00000000001", 6, "Accounts API application"),
        ('["tenants/*.toml"]', '["tenants/alder.toml"]', 78, "would not be in the fleet"),
        ("[fleet.accounts]", "[fleet.account]", 78, 'did you mean "accounts"?'),
    ],
)
def test_what_keeps_it_from_working_is_one_sentence_with_the_cure(
    parent: Parent, old: str, new: str, code: int, said: str
) -> None:
    parent.replace(old, new)
    ran = parent.discover("Cedar Ltd")
    assert ran.code == code
    one_sentence(ran)
    assert said in ran.err
    assert "sandbox-secret-key" not in ran.text
    assert parent.files() == ["alder.toml", "birch.toml"]


def test_without_keys_of_a_parent_the_table_is_named(parent: Parent) -> None:
    (parent.folder / "fleet.toml").write_text('[fleet]\ntenants = ["tenants/*.toml"]\n', "utf-8")
    ran = parent.discover()
    assert ran.code == 78
    assert "[fleet.accounts]" in one_sentence(ran)


def test_names_of_accounts_are_hostile_text_and_a_row_that_cannot_be_read_hides_no_other(
    parent: Parent, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = 'x"\n[safety]\nmax_removals = 999 \u202e\x1b[31m/../..'
    rows = [
        {"account_id": "DAEVIL00000000000001", "api_hostname": parent.served.url, "name": hostile},
        {"account_id": "../../etc", "api_hostname": "api-1.duosecurity.com", "name": "y"},
        {"account_id": "DA1", "api_hostname": "two hosts", "name": "z"},
        {"account_id": 7},
        "nonsense",
    ]

    def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, json.dumps({"stat": "OK", "response": rows}).encode())

    monkeypatch.setattr(parent.served, "_parent", answer)
    ran = parent.discover("DAEVIL00000000000001")
    assert ran.code == 0, ran.err
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out
    assert "4 more could not be read" in ran.out
    (made,) = set(parent.files()) - {"alder.toml", "birch.toml"}
    assert made == "x-safety-max-removals-999-31m.toml"
    config = load(parent.folder / "tenants" / made)
    assert config.safety.max_removals == 3


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"stat":"OK","response":{}}', b'{"stat":"OK"}', b"[1]"])
def test_an_answer_that_is_none_of_duos_is_told(parent: Parent, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent.served, "_parent", lambda request: HttpResponse(200, body))
    ran = parent.discover()
    assert ran.code == 1
    one_sentence(ran)
