"""Every output names the tenant, and every refusal is a line on standard error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.company import staff
from tests.support.office import Office

NAME = "Acme & <Söhne>\x1b[2J"
SHOWN = {
    "text": "Acme & <Söhne>\\x1b[2J",
    "markdown": "Acme & <Söhne>\\x1b[2J",
    "html": "Acme &amp; &lt;Söhne&gt;\\x1b[2J",
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path, staff()).start()
    made.configure("state", tenant="acme")
    yield made
    made.stop()


@pytest.mark.parametrize("format", ["text", "markdown", "html"])
def test_plan_show_and_apply_name_it_in_every_format_however_odd(world: Office, tmp_path: Path, format: str) -> None:
    world.config["state"]["tenant"] = "Acme & <Söhne>"
    name = SHOWN[format].removesuffix("\\x1b[2J")
    planned = world.run("plan", "--format", format, "--out", str(tmp_path / "saved"))
    shown = world.run("show", str(tmp_path / "saved"), "--format", format)
    done = world.run("apply", "--yes", "--format", format)
    for ran in (planned, shown, done):
        assert ran.code == 0, ran.text
        assert name in ran.out
    if format == "html":
        assert f"<title>ninjasync: {name}: Plan: " in planned.out


def test_json_has_it_below_the_digest_and_a_saved_plan_that_of_its_making(world: Office, tmp_path: Path) -> None:
    planned = world.plan("--out", str(tmp_path / "saved"))
    assert list(planned.json)[3:5] == ["digest", "tenant"]
    assert planned.json["tenant"] == "acme"
    world.configure("state", tenant="another")
    assert world.run("show", str(tmp_path / "saved"), "--format", "json").json["tenant"] == "acme"
    assert world.run("show", str(tmp_path / "saved")).out.startswith("Tenant   acme\n")


@pytest.mark.parametrize("command", [["history"], ["check"], ["explain", "user1.two@example.com"]])
def test_the_other_commands_name_it_too(world: Office, command: list[str]) -> None:
    assert "acme" in world.run(*command).out
    assert world.run(*command, "--format", "json").json["tenant"] == "acme"


def test_without_a_name_it_is_duos_host(world: Office) -> None:
    del world.config["state"]["tenant"]
    assert world.plan().json["tenant"] == "127.0.0.1"


def test_an_error_names_it_in_every_form(world: Office, tmp_path: Path) -> None:
    world.configure("duo", secret_key="wrong-secret-key")
    done = world.run("plan", "--quiet")
    assert done.code == 6
    assert done.err.splitlines()[0].endswith(" [tenant acme]")
    assert world.plan().json["tenant"] == "acme"
    for format in ("text", "markdown", "html"):
        report = tmp_path / format
        world.run("plan", "--format", format, "--output", str(report))
        assert "acme" in report.read_text("utf-8")
    (line,) = (json.loads(one) for one in world.run("plan", "--log-format", "json").err.splitlines())
    assert line["tenant"] == "acme"


@pytest.mark.parametrize("on_refusal", ["stop", "withhold"])
@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_a_refusal_is_a_line_a_guard_on_standard_error(
    world: Office, tmp_path: Path, on_refusal: str, quiet: list[str]
) -> None:
    world.settle()
    world.configure("safety", on_refusal=on_refusal, max_removals=0, max_removals_percent=0)
    world.people.disable(world.duo("user1.two@example.com"))
    word = "Refused" if on_refusal == "stop" else "Withheld"
    saved = str(tmp_path / "saved")
    for command in (["plan", "--out", saved], ["apply", "--yes"], ["apply", saved]):
        done = world.run(*command, *quiet)
        assert done.code == 3, done.text
        (line,) = done.err.splitlines()
        assert line.startswith(f"{word}: removals: 1 of 15 active managed accounts would be deactivated or deleted")
        assert line.endswith("If that is meant: --approve-removals 1 [tenant acme]")


def test_a_redacted_refusal_names_no_user(world: Office) -> None:
    world.settle()
    world.configure("safety", max_held=0, max_held_percent=0)
    world.people.users[world.duo("user1.two@example.com")]["email"] = "user2.two@example.com"
    done = world.run("plan", "--redact", "--quiet")
    assert done.code == 3
    assert "Refused: held: 2 records are held" in done.err
    assert "@example.com" not in done.text
