"""``check`` with NinjaOne's public API: token, organizations, system administrators, the same tenant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ninjasync.sandbox.ninjaone.schema import USER
from tests.support.command import Json
from tests.support.office import Office

LINES = ("public API", "organizations", "administrators")


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


def test_where_it_is_not_set_up_three_lines_say_so_and_nothing_is_asked(office: Office) -> None:
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
        line = lines(office)["administrators"]
    assert (line["color"], "none of the" in line["text"]) == ("yellow", True)
    assert "of the same tenant" in line["cure"]
