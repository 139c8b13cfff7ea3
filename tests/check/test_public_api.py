"""``check`` with NinjaOne's public API: token, organizations, system administrators, the same tenant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ninjasync.sandbox.ninjaone.schema import USER
from tests.support.api_answers import refusing, with_rows
from tests.support.command import Json
from tests.support.company import tech, user
from tests.support.office import Office

LINES = ("public API", "organizations", "administrators", "agreement")


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT", 0.001)
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT_OF_429", 0.001)
    with Office(tmp_path) as made:
        made.settle()
        made.ninjaone.organizations.update({1: "Acme", 2: "Beta"})
        made.configure(
            "ninjaone.api",
            url=made.box.api_url,
            client_id=made.box.access.client_id,
            client_secret=made.box.access.client_secret,
        )
        yield made


def lines(office: Office) -> dict[str, Json]:
    return {line["name"]: line for line in office.run("check", "--format", "json").json["checks"]}


def test_where_it_is_not_set_up_its_lines_say_so_and_nothing_is_asked(office: Office) -> None:
    del office.config["ninjaone.api"]
    found = lines(office)
    assert {(found[name]["color"], found[name]["text"]) for name in LINES} == {
        ("green", "Not asked, as [ninjaone.api] is not set up.")
    }
    assert not [request for request in office.box.requests if request.service == "api"]


def test_with_a_good_api_the_three_lines_say_what_it_has(office: Office) -> None:
    office.ninjaone.administrators.update(office.ninjaone.users)
    found = lines(office)
    assert {found[name]["color"] for name in LINES} == {"green"}
    assert "gives a token that may read and nothing else" in found["public API"]["text"]
    assert f"shows {len(office.ninjaone.organizations)} organizations" in found["organizations"]["text"]
    assert "of whom 3 may do everything" in found["administrators"]["text"]
    assert "SCIM shows 15 accounts and the public API 15: 15 in both" in found["agreement"]["text"]


def test_a_refused_secret_is_red_and_the_others_wait_for_it(office: Office) -> None:
    office.configure("ninjaone.api", client_secret="wrong-by-one")
    done = office.run("check", "--format", "json")
    found = {line["name"]: line for line in done.json["checks"]}
    assert (done.code, found["public API"]["color"]) == (6, "red")
    assert all("Not checked" in found[name]["text"] for name in LINES[1:])
    assert found["Duo users"]["color"] == "green"
    assert "wrong-by-one" not in done.out + done.err


@pytest.mark.parametrize(
    ("quirk", "name", "says"),
    [
        ("api.wide-scope", "public API", "may do more than read"),
        ("api.no-organizations", "organizations", "shows no organization"),
    ],
)
def test_facts_that_the_api_lacks_are_yellow_with_what_they_cost(
    office: Office, quirk: str, name: str, says: str
) -> None:
    office.box.set_behavior(quirks=[quirk])
    line = lines(office)[name]
    assert (line["color"], says in line["text"]) == ("yellow", True)
    assert line["cure"]


def test_two_organizations_of_one_name_are_named(office: Office) -> None:
    office.ninjaone.organizations.update({8: "Twin Ltd", 9: "twin ltd"})
    line = lines(office)["organizations"]
    assert (line["color"], "several are called Twin Ltd, twin ltd" in line["text"]) == ("yellow", True)


def test_an_api_of_another_tenant_is_told(office: Office) -> None:
    folder = office.folder / "other"
    folder.mkdir()
    with Office(folder) as other:
        other.ninjaone.create(USER, {"userName": "stranger@other.example"})
        office.configure("ninjaone.api", url=other.box.api_url, client_secret=other.box.access.client_secret)
        line = lines(office)["agreement"]
    assert (line["color"], "0 in both" in line["text"]) == ("yellow", True)
    assert "of the same tenant" in line["cure"]


def test_accounts_that_one_side_lacks_are_counted_and_some_are_named(office: Office) -> None:
    office.configure("ninjaone.dialect", page_size=4)
    office.ninjaone.unlisted["kai.kiosk@example.com"] = {"userName": "Kai.Kiosk@example.com"}
    line = lines(office)["agreement"]
    assert (line["color"], "15 in both, 0 in SCIM alone, 1 in the public API alone" in line["text"]) == ("green", True)
    assert line["details"] == ["In the public API alone: kai.kiosk@example.com"]
    office.box.intercept("api", with_rows(lambda rows: [row for row in rows if row["email"] not in (tech(0), user(1))]))
    line = lines(office)["agreement"]
    assert (line["color"], "13 in both, 2 in SCIM alone, 1 in the public API alone" in line["text"]) == ("yellow", True)
    assert f"In SCIM alone: {tech(0)}, {user(1)}" in line["details"]


@pytest.mark.parametrize("quirks", [["too-many"], []])
def test_where_scim_does_not_list_its_accounts_that_is_said(office: Office, quirks: list[str]) -> None:
    office.box.set_behavior(quirks=quirks)
    if not quirks:
        office.configure("ninjaone.dialect", discovery="lookup")
    assert "does not list all of its accounts" in lines(office)["agreement"]["text"]


def test_one_list_that_may_not_be_read_is_named_and_the_others_are_told(office: Office) -> None:
    office.box.intercept("api", refusing("/v2/user/technicians"))
    found = lines(office)
    assert {name: found[name]["color"] for name in LINES} == {
        "public API": "green",
        "organizations": "green",
        "administrators": "yellow",
        "agreement": "yellow",
    }
    assert any("permission_denied" in each for each in found["administrators"]["details"])
