"""Configuration from the environment, and secrets that are kept elsewhere and shown nowhere."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.command import Json, Ran, run
from tests.support.company import TECHNICIANS, tech, user
from tests.support.lifelike import lone_wolf
from tests.support.office import Office

OVERRIDES: dict[str, tuple[str, str, Callable[[Ran], bool]]] = {
    "a list": ("SCOPE__GROUPS", f'["{TECHNICIANS}"]', lambda result: len(result.actions()) == 3),
    "an empty list": ("GROUPS__PUSH", "[]", lambda result: result.actions("group") == {}),
    "a table": ("GROUPS__RENAME", f'{{"{TECHNICIANS}": "Engineers"}}', lambda result: "Engineers" in result.out),
    "a truth": ("SCOPE__ALL_USERS", "true", lambda result: len(result.actions()) == 16),
    "a number": ("SAFETY__MAX_REMOVALS", "77", lambda result: "77" in result.out),
    "a string": ("SCOPE__WHERE", "username == 'tech0.one'", lambda result: list(result.actions()) == [tech(0)]),
    "a choice": ("DEPROVISION__USERS", "delete", lambda result: result.code == 0),
    "a date": ("NINJAONE__TOKEN_EXPIRES", "2020-01-01", lambda result: "2020-01-01" in result.out),
    "a key two levels down": ("NINJAONE__DIALECT__PAGE_SIZE", "7", lambda result: result.code == 0),
    "an expression": (
        f"ATTRIBUTES__{'name.givenName'}",
        "'Same'",
        lambda result: {step["after"] for step in result.change(user(0))["diff"]} >= {"Same"},
    ),
    "in lower case": ("scope__where", "username == 'tech0.one'", lambda result: list(result.actions()) == [tech(0)]),
    "an empty string, which is as good as none": ("SCOPE__WHERE", "", lambda result: len(result.actions()) == 15),
}


@pytest.mark.parametrize("override", OVERRIDES.values(), ids=OVERRIDES)
def test_every_key_can_be_set_in_the_environment(
    office: Office, monkeypatch: pytest.MonkeyPatch, override: tuple[str, str, Callable[[Ran], bool]]
) -> None:
    name, value, took_effect = override
    lone_wolf(office)
    monkeypatch.setenv(f"NINJASYNC_{name}", value)
    result = office.plan()
    assert result.code == 0, result.text
    assert took_effect(result)


BAD_OVERRIDES = {
    "a list that is none": ("SCOPE__GROUPS", "Staff", "[scope] groups"),
    "a truth that is none": ("SCOPE__ALL_USERS", "perhaps", "[scope] all_users"),
    "a number that is none": ("RUN__PARALLELISM", "many", "[run] parallelism"),
    "a number out of range": ("RUN__PARALLELISM", "0", "[run] parallelism"),
    "a choice that is none": ("DEPROVISION__USERS", "remove", "[deprovision] users"),
    "an unknown key": ("DUO__SECRETKEY", "x", "[duo] secretkey"),
}


@pytest.mark.parametrize("override", BAD_OVERRIDES.values(), ids=BAD_OVERRIDES)
def test_a_mistake_in_the_environment_exits_78(
    office: Office, monkeypatch: pytest.MonkeyPatch, override: tuple[str, str, str]
) -> None:
    name, value, told = override
    monkeypatch.setenv(f"NINJASYNC_{name}", value)
    result = office.run("plan")
    assert result.code == 78
    assert told in result.err


def test_the_environment_alone_is_configuration_enough(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    box = office.box
    for name, value in {
        "DUO__API_HOSTNAME": box.duo_url,
        "DUO__INTEGRATION_KEY": box.integration_key,
        "DUO__SECRET_KEY": box.secret_key,
        "NINJAONE__ENDPOINT_URL": box.scim_url,
        "NINJAONE__SECRET_TOKEN": box.token,
        "SCOPE__GROUPS": '["NinjaOne*"]',
    }.items():
        monkeypatch.setenv(f"NINJASYNC_{name}", value)
    office.config_file.write_text("")
    result = run("plan", "--config", str(office.config_file), "--format", "json")
    assert result.code == 0, result.text
    assert len(result.actions()) == 15


@pytest.mark.parametrize("place", ["env", "file", "relative file", "command"])
def test_secrets_may_be_kept_elsewhere(office: Office, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    kept = office.folder / "kept"
    for section, key, secret in (
        ("duo", "secret_key", office.box.secret_key),
        ("ninjaone", "secret_token", office.box.token),
    ):
        file = kept.with_name(f"{section}.secret")
        file.write_text(secret + "\n")
        monkeypatch.setenv(f"SECRET_OF_{section}", secret)
        references: dict[str, Json] = {
            "env": {"env": f"SECRET_OF_{section}"},
            "file": {"file": str(file)},
            "relative file": {"file": file.name},
            "command": {"command": ["cat", str(file)]},
        }
        reference = references[place]
        office.configure(section, **{key: reference})
    assert office.plan().code == 0


def test_secrets_are_shown_nowhere(office: Office) -> None:
    into = office.folder / "log"
    loud = ("--log-level", "debug", "--log-file", str(into))
    texts = []
    for command in (("plan",), ("apply", "--yes")):
        result = office.run(*command, *loud)
        assert result.code == 0
        texts.append(result.text)
    for section, key in (("duo", "secret_key"), ("ninjaone", "secret_token")):
        office.configure(section, **{key: "WRONG" * 8})
        result = office.run("plan", *loud)
        assert result.code == 6
        texts.append(result.text)
    shown = "".join(texts) + into.read_text()
    assert not any(secret in shown for secret in ("WRONG", office.box.secret_key, office.box.token))
    kept = [file.read_bytes() for file in office.folder.glob("ledger*")]
    assert kept
    assert not any(secret.encode() in each for secret in (office.box.secret_key, office.box.token) for each in kept)


SECRETS_IN_MISTAKES: dict[str, tuple[str, str, Any]] = {
    "a password in the endpoint": ("ninjaone", "endpoint_url", "https://me:HUSH@ninja.example/scim"),
    "a token in the endpoint's query": ("ninjaone", "endpoint_url", "https://ninja.example/scim?token=HUSH"),
    "a password of a proxy": ("ninjaone", "proxy", "nonsense://me:HUSH@proxy.example"),
    "a password in Duo's host": ("duo", "api_hostname", "https://me:HUSH@api.example"),
    "a notification address": ("monitor", "notify", "slack://HUSH"),
    "a secret in a list": ("duo", "secret_key", ["HUSH"]),
    "a secret at an unknown key": ("duo", "secretkey", "HUSH"),
}


@pytest.mark.parametrize("mistake", SECRETS_IN_MISTAKES.values(), ids=SECRETS_IN_MISTAKES)
def test_a_mistake_that_holds_a_secret_is_told_without_it(office: Office, mistake: tuple[str, str, Any]) -> None:
    section, key, value = mistake
    office.configure(section, **{key: value})
    for form in ("text", "json"):
        result = office.run("plan", "--format", form)
        assert result.code == 78
        assert "HUSH" not in result.text


def test_a_token_about_to_expire_is_a_warning_and_a_fresh_one_is_none(office: Office) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    for days, warned in ((-1, True), (29, True), (40, False)):
        office.configure("ninjaone", token_expires=today + datetime.timedelta(days=days))
        assert any("token" in warning for warning in office.plan().json["warnings"]) is warned
