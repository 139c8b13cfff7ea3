"""A secret's reference becomes the secret, or a sentence that names the key and shows nothing."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from ninjasync.config.schema import Config
from ninjasync.config.secrets import read_duo_secret_key, read_ninjaone_token
from ninjasync.config.section import SECRETS, section_of
from ninjasync.errors import ConfigurationError

MakeConfig = Callable[..., Config]
READ = "import sys; sys.stdout.write({!r})"


def token(make_config: MakeConfig, secret: Any, base: Path | None = None) -> str:
    config = make_config(ninjaone={"secret_token": secret})
    if base:
        config = config.with_place(base, None)
    return read_ninjaone_token(config).get_secret_value()


def refused(make_config: MakeConfig, secret: Any, base: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        token(make_config, secret, base)
    assert caught.value.message.startswith("[ninjaone] secret_token: ")
    assert caught.value.hint
    return caught.value.message


def test_a_plain_secret_is_itself_and_duos_is_duos(make_config: MakeConfig) -> None:
    assert token(make_config, " abc-abc-abc ") == "abc-abc-abc"
    assert read_duo_secret_key(make_config()).get_secret_value() == "duo-secret"


def test_a_secret_is_not_shown_when_printed(make_config: MakeConfig) -> None:
    assert "duo-secret" not in f"{read_duo_secret_key(make_config())!r} {read_duo_secret_key(make_config())}"


def test_a_secret_is_read_from_the_environment(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "abc-abc-abc\n")
    assert token(make_config, {"env": "TOKEN"}) == "abc-abc-abc"


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_variable_that_is_not_set_is_named(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("TOKEN", value)
    assert "the environment variable TOKEN is not set" in refused(make_config, {"env": "TOKEN"})


def test_a_secret_is_read_from_a_file_next_to_the_configuration(make_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc-abc-abc\n\n", "utf-8")
    (tmp_path / "token").chmod(0o600)
    assert token(make_config, {"file": "token"}, tmp_path) == "abc-abc-abc"
    assert token(make_config, {"file": str(tmp_path / "token")}) == "abc-abc-abc"


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_secrets_file_that_others_may_read_is_warned_of_without_showing_it(
    make_config: MakeConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
) -> None:
    (tmp_path / "token").write_text("abc-abc-abc", "utf-8")
    (tmp_path / "token").chmod(mode)
    logger = logging.getLogger("ninjasync")
    logger.addHandler(caplog.handler)  # the command line keeps these lines to itself
    try:
        assert token(make_config, {"file": "token"}, tmp_path) == "abc-abc-abc"
    finally:
        logger.removeHandler(caplog.handler)
    assert ("may be read by others" in caplog.text) is warned
    assert "abc-abc-abc" not in caplog.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff\xfe\x00", "cannot be read: it is not text"),
        (b"", "the secret is empty where it is kept"),
        (b" \n", "the secret is empty where it is kept"),
        (b"two words", "holds a character that no key or token has"),
        (b"line\nbreak", "holds a character that no key or token has"),
        ("„abc-abc-abc“".encode(), "holds a character that no key or token has"),
        (b"a\x00b", "holds a character that no key or token has"),
    ],
)
def test_a_file_without_a_proper_secret_is_told_without_showing_it(
    make_config: MakeConfig, tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    message = refused(make_config, {"file": "token"}, tmp_path)
    assert said in message
    assert "abc-abc-abc" not in message
    assert "two words" not in message


def test_a_folder_in_a_files_place_is_told(make_config: MakeConfig, tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in refused(make_config, {"file": "."}, tmp_path)


def test_a_secret_is_what_a_command_prints(make_config: MakeConfig) -> None:
    assert token(make_config, {"command": [sys.executable, "-c", READ.format("abc-abc-abc\n")]}) == "abc-abc-abc"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([sys.executable, "-c", "print('abc-abc-abc'); raise SystemExit(3)"], "ended with exit code 3"),
        (["/no/such/program", "abc-abc-abc"], "the command /no/such/program could not run"),
        ([sys.executable, "-c", "import sys; sys.stdout.buffer.write(b'\\xff')"], "printed something that is not text"),
        ([sys.executable, "-c", "pass"], "the secret is empty"),
    ],
)
def test_a_command_that_fails_is_named_without_its_arguments_and_output(
    make_config: MakeConfig, command: list[str], said: str
) -> None:
    message = refused(make_config, {"command": command})
    assert said in message
    assert "abc-abc-abc" not in message


def test_a_command_that_hangs_is_ended(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: tuple[str, ...], **options: Any) -> None:
        assert options["timeout"] == 60
        raise subprocess.TimeoutExpired(command, 60)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "took over a minute" in refused(make_config, {"command": ["op", "read", "abc-abc-abc"]})


class Keyring:
    """What ninjasync needs of the package keyring."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, entries: dict[tuple[str, str], str], *, locked: bool = False):
        module, errors = ModuleType("keyring"), ModuleType("keyring.errors")
        error: type[Exception] = type("KeyringError", (Exception,), {})

        def get_password(service: str, user: str) -> str | None:
            if locked:
                raise error("locked")
            return entries.get((service, user))

        vars(module).update(get_password=get_password, errors=errors)
        vars(errors).update(KeyringError=error)
        monkeypatch.setitem(sys.modules, "keyring", module)
        monkeypatch.setitem(sys.modules, "keyring.errors", errors)


def test_a_secret_is_read_from_the_keyring(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    Keyring(monkeypatch, {("ninjaone", "scim/token"): "abc-abc-abc"})
    assert token(make_config, {"keyring": "ninjaone/scim/token"}) == "abc-abc-abc"


def test_a_missing_entry_or_a_locked_keyring_is_told(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    Keyring(monkeypatch, {})
    assert "the keyring has no entry a/b" in refused(make_config, {"keyring": "a/b"})
    Keyring(monkeypatch, {}, locked=True)
    assert "the keyring could not be read: locked" in refused(make_config, {"keyring": "a/b"})


def test_without_the_package_keyring_it_is_said_how_to_install_it(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigurationError) as caught:
        token(make_config, {"keyring": "a/b"})
    assert "'.[keyring]'" in caught.value.hint


def secrets_of(model: type[BaseModel], *above: str) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        if (inner := section_of(field)) is not None:
            yield from secrets_of(inner, *above, name)
        elif "SecretReference" in str(field.annotation):
            yield (*above, name)


def test_the_list_of_secrets_is_that_of_the_schema() -> None:
    assert frozenset(secrets_of(Config)) == SECRETS
