"""A Duo in which everybody has a full name alone: plan, check, explain and init agree on what becomes of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ninjasync.runs.interview import interview
from tests.cli.test_init import person
from tests.support.command import run
from tests.support.company import END_USERS
from tests.support.office import Office

SINGLE = ("user3.two@example.com", "user4.two@example.com")


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Office]:
    """Fifteen people, nobody with a name but realname; of two it is one word."""
    made = Office(tmp_path).start()
    for number, record in enumerate(made.people.users.values()):
        nothing: Any = ("", None, " ")[number % 3]
        record["realname"] = f"{record['firstname']} van der {record['lastname']}"
        record["firstname"] = record["lastname"] = nothing
        if record["email"] in SINGLE:
            record["realname"] = "Madonna"
    yield made
    made.stop()


def checks(world: Office) -> dict[str, Any]:
    found = world.run("check", "--format", "json").json["checks"]
    return {line["name"]: line for line in found}


def test_plan_creates_all_but_single_word_names_which_are_held_with_the_line_to_write(world: Office) -> None:
    planned = world.plan().json
    created = [one for one in planned["changes"] if one["resource"] == "user"]
    assert (len(created), {one["action"] for one in created}) == (13, {"create"})
    assert {problem["key"] for problem in planned["problems"]} == set(SINGLE)
    assert {problem["code"] for problem in planned["problems"]} == {"missing-name"}
    told = " ".join(problem["message"] for problem in planned["problems"])
    for path, part in (("name.givenName", "firstname || given_name"), ("name.familyName", "lastname || family_name")):
        assert f'write "{path}" = "{part}(realname) || realname" in [attributes]' in told


def test_the_line_to_write_lets_them_in(world: Office) -> None:
    world.configure(
        "attributes",
        **{
            "name.givenName": "firstname || given_name(realname) || realname",
            "name.familyName": "lastname || family_name(realname) || realname",
        },
    )
    world.settle()
    assert world.account(SINGLE[0])["name"] == {"givenName": "Madonna", "familyName": "Madonna"}
    assert world.account("user1.two@example.com")["name"] == {"givenName": "User1", "familyName": "van der Two"}


def test_a_leaver_and_a_returner_keep_their_names_and_the_plan_after_is_empty(world: Office) -> None:
    world.apply()
    who = world.duo("user1.two@example.com")
    world.people.disable(who)
    world.apply()
    assert not world.account("user1.two@example.com")["active"]
    world.people.users[who]["status"] = "active"
    world.apply()
    assert world.account("user1.two@example.com")["name"] == {"givenName": "User1", "familyName": "van der Two"}
    assert world.plan("--detailed-exitcode").json["changes"] == []
    # A name of one's own goes before what is made of realname.
    world.people.users[who]["firstname"] = "Una"
    (change,) = world.plan().json["changes"]
    assert [(row["path"], row["after"]) for row in change["diff"]] == [("name.givenName", "Una")]


def test_check_says_the_same_numbers_as_the_plan(world: Office) -> None:
    found = checks(world)
    text = found["names"]["text"]
    assert found["names"]["color"] == "yellow"
    assert "15 of 15 in scope have a realname, but no first or last name" in text
    assert "2 of these have a realname of one word" in text
    assert "2 are without a first or a last name, and held" in text
    assert any(line.endswith('(realname) || realname"') for line in found["names"]["details"])
    assert found["attributes"]["color"] == "green"
    assert "missing-name (2)" in found["people in scope"]["text"]
    world.configure("attributes", **{"name.givenName": "firstname", "name.familyName": "lastname"})
    found = checks(world)
    assert "15 are without" in found["names"]["text"]
    assert '"name.givenName" = "firstname || given_name(realname)"' in found["names"]["details"]


def test_check_counts_addresses_that_stand_in_the_username(world: Office) -> None:
    for email in ("user1.two@example.com", "user2.two@example.com"):
        record = world.people.users[world.duo(email)]
        record["username"], record["email"] = email, ""
    found = checks(world)["addresses"]
    assert "2 of 15 in scope have no e-mail, but an address as username; they are held" in found["text"]
    assert found["details"] == ['userName = "email || username"']
    world.configure("attributes", userName="email || username")
    assert checks(world)["addresses"]["color"] == "green"
    assert len([one for one in world.plan().json["changes"] if one["resource"] == "user"]) == 13


def test_check_names_the_custom_attributes_of_duo_and_the_line_that_would_read_one(world: Office) -> None:
    for record in world.people.users.values():
        custom = record["custom_attributes"]
        custom["Kind of User"] = custom.pop("userType")
    found = checks(world)["custom attributes"]
    assert found["color"] == "yellow"
    assert "Kind of User (15, not used)" in found["text"]
    assert any(line.endswith('= "custom_attributes.\\"Kind of User\\""') for line in found["details"])


def test_explain_says_which_part_of_an_expression_gave_the_value(world: Office) -> None:
    told = " ".join(world.run("explain", "user1.two@example.com").out.split())
    assert "name.givenName: from given_name(realname), as firstname is empty" in told
    assert "name.familyName: from family_name(realname), as lastname is empty" in told
    as_json = world.run("explain", "user1.two@example.com", "--format", "json").json
    sources = {one["path"]: one.get("source") for one in as_json["attributes"]}
    assert sources["name.givenName"] == "from given_name(realname), as firstname is empty"
    assert sources["userName"] is None
    held = " ".join(world.run("explain", SINGLE[0]).out.split())
    assert "name.givenName: firstname and given_name(realname) are empty" in held


def test_init_writes_a_configuration_that_works_at_once(world: Office, tmp_path: Path) -> None:
    record = world.people.users[world.duo("user1.two@example.com")]
    record["username"], record["email"] = "user1.two@example.com", ""
    for number, one in enumerate(world.people.users.values()):
        custom = one["custom_attributes"]
        custom["Kind"] = custom.pop("userType")
        if custom.get("organizationID"):
            custom["organizationID"] = ("Contoso", "Fabrikam")[number % 2]
    who = person(
        world,
        User_type_is_kept_in=["Kin", "Kind"],
        Number_of="7",
        Protected_account=["breakglass@example.com", ""],
        A_name_for_this_tenant="north",
    )
    who._answers['Number of "Contoso"'] = ["7"]
    who._answers['Number of "Fabrikam"'] = ["eight", "8"]
    del who._answers["Number of"]
    text = interview(who, tmp_path, datetime(2026, 8, 31, 12, tzinfo=UTC)).config_toml()
    path = tmp_path / "made.toml"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    found = tomllib.loads(text)
    assert found["organizations"] == {"Contoso": 7, "Fabrikam": 8}
    assert found["state"]["tenant"] == "north"
    assert found["safety"]["protected_users"] == ["breakglass@example.com"]
    assert found["attributes"]["userName"] == "email || username"
    assert 'No user in Duo has that; did you mean "Kind"?' in who.told
    done = run("apply", "--yes", "--format", "json", "--config", str(path))
    assert done.code == 0, done.text
    assert {problem["key"] for problem in done.json["problems"]} == set(SINGLE)
    assert len(world.accounts()) == 13
    assert len(world.groups()[END_USERS]) == 10
    assert run("plan", "--detailed-exitcode", "--config", str(path)).code == 0


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("duo", "api_hostname", "api-XXXXXXXX.duosecurity.com"),
        ("duo", "integration_key", "DIXXXXXXXXXXXXXXXXXX"),
        ("duo", "secret_key", "FILL-IN-FILL-IN"),
        ("ninjaone", "endpoint_url", "https://FILL-IN.example/scim"),
        ("ninjaone", "secret_token", "XXXXXXXXXXXXXXXX"),
    ],
)
def test_a_value_left_from_the_example_is_reported_before_any_request(
    world: Office, section: str, key: str, value: str
) -> None:
    world.configure(section, **{key: value})
    for command in ("plan", "check"):
        done = world.run(command)
        assert done.code == 78
        assert f"[{section}] {key}: still holds the example's value" in " ".join(done.text.split())
    assert world.box.requests == []


def test_all_values_left_from_the_example_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUO_SECRET_KEY", "DIXXXXXXXXXXXXXXXXXXXXXXXX")
    monkeypatch.setenv("NINJAONE_SCIM_TOKEN", "a-token-of-some-length")
    path = tmp_path / "example.toml"
    assert run("init", "--example", "--output", str(path)).code == 0
    done = run("plan", "--config", str(path))
    assert done.code == 78
    for key in ("[duo] api_hostname", "[duo] integration_key", "[ninjaone] endpoint_url"):
        assert key in done.err
