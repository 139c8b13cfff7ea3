"""How a question is put until its answer is valid, and where a secret is kept.

How it looks on a terminal is for ``cli`` to know; a secret is held in memory until it is
written where the operator wants it, and never shown.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr, ValidationError

from ninjasync.config import example, secrets
from ninjasync.errors import NinjasyncError
from ninjasync.model.message import Message, reason_of

_HEAD = """# The configuration of ninjasync, written by ninjasync init. What you answered is filled in; every other
# line holds the default and may be left out. A relative path starts at the folder of this file.
# Is all in place? ninjasync check. What would change? ninjasync plan."""


# Where a secret is kept in a file, unless told otherwise: by the variable that it may be in instead.
_FILES = {
    "DUO_SECRET_KEY": "duo.secret",
    "NINJAONE_SCIM_TOKEN": "ninjaone.secret",
    "NINJAONE_API_SECRET": "ninjaone-api.secret",
}


class Asker(Protocol):
    """Puts questions to the operator at a terminal."""

    def say(self, text: str) -> None:
        """Tell something."""

    def text(self, question: str, default: str = "") -> str:
        """Ask for a line; an empty answer gives ``default``."""

    def secret(self, question: str) -> str:
        """Ask for a line that is not shown while it is typed."""


@dataclass(slots=True)
class Answers:
    """What was answered: values as TOML by table and key, and files of secrets to be written."""

    values: dict[tuple[str, str], str] = field(default_factory=dict)
    files: dict[Path, SecretStr] = field(default_factory=dict)

    def config_toml(self) -> str:
        """Return the configuration as a commented file."""
        return example.fill_in(self.values, _HEAD)


def ask_until_valid(ask: Asker, question: str, check: Callable[[str], str], default: str = "") -> str:
    """Ask until the answer is one that ``check`` lets pass; it raises ValueError with what is wrong."""
    while True:
        try:
            return check(ask.text(question, default).strip())
        except ValueError as error:
            ask.say(f"  {error}")


def check_key(model: Any, key: str) -> Callable[[str], str]:
    """Return a check that lets pass what the configuration would."""

    def check(answer: str) -> str:
        if not answer:
            raise ValueError("It is needed.")
        try:
            model.__pydantic_validator__.validate_assignment(model.model_construct(), key, answer)
        except ValidationError as error:
            context = error.errors()[0].get("ctx", {})
            raise ValueError(Message("It {}.", reason_of(context.get("error", ValueError("is not valid"))))) from None
        return answer

    return check


def ask_where_kept(
    ask: Asker, what: str, variable: str, folder: Path, answers: Answers
) -> tuple[str, SecretStr | None]:
    """Ask where a secret is kept; return that as TOML, and the secret if it is to be had now."""
    place = ask_until_valid(ask, f"{what} is kept in: env, file or literal", _place, "env")
    if place == "env":
        name = ask_until_valid(ask, "Name of the environment variable", _variable, variable)
        found = os.environ.get(name, "").strip()
        if not found:
            ask.say(f"  {name} is not set now; set it before ninjasync starts.")
        return example.toml({"env": name}), SecretStr(found) if found else None
    if place == "literal":
        secret = _typed(ask, what)
        return example.toml(secret.get_secret_value()), secret
    file = ask_until_valid(ask, "File", _file, _FILES[variable])
    path = folder / Path(file).expanduser()
    if path.exists():
        try:
            return example.toml({"file": file}), secrets.expect_sendable(
                what, secrets.decode(path.read_bytes()).strip()
            )
        except (OSError, UnicodeDecodeError, NinjasyncError) as error:
            ask.say(f"  {path} cannot be used now ({type(error).__name__}); put the secret there, alone.")
            return example.toml({"file": file}), None
    ask.say(f"  {path} is not there yet; it will be written, for your eyes only.")
    secret = answers.files[path] = _typed(ask, what)
    return example.toml({"file": file}), secret


def _place(answer: str) -> str:
    for place in ("env", "file", "literal"):
        if answer and place.startswith(answer.casefold()):
            return place
    raise ValueError("Answer env, file or literal.")


def _variable(answer: str) -> str:
    if not answer.isidentifier():
        raise ValueError("Give the variable's name, not the secret.")
    return answer


def _file(answer: str) -> str:
    if not answer:
        raise ValueError("It is needed.")
    return answer


def _typed(ask: Asker, what: str) -> SecretStr:
    while True:
        answer = ask.secret(what).strip()
        try:
            return secrets.expect_sendable(what, answer)
        except NinjasyncError as error:
            ask.say(f"  {error.message} {error.hint}")
