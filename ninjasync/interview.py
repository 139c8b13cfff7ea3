"""A first configuration from a few questions. Knows what to ask and what an answer may be.

How a question is put on a terminal is for ``cli`` to know; a secret is held in memory
until it is written where the operator wants it, and never shown.
"""

import calendar
import os
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr, ValidationError

from ninjasync import example, secrets
from ninjasync.attribute import nearest
from ninjasync.config import Config, Duo, NinjaOne
from ninjasync.duo import DuoReader
from ninjasync.errors import NinjasyncError
from ninjasync.names_alike import folded

_SECRET_LENGTH = 40
_TOKEN_MONTHS = 6
_MANY = 60
_HEAD = """# The configuration of ninjasync, written by ninjasync init. What you answered is filled in; every other
# line holds the default and may be left out. A relative path starts at the folder of this file.
# Is all in place? ninjasync check. What would change? ninjasync plan."""


class Asker(Protocol):
    """Puts questions to somebody at a terminal."""

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
        return example.filled_in(self.values, _HEAD)


def interview(ask: Asker, folder: Path, today: date) -> Answers:
    """Ask for everything that nobody else can fill in. ``folder`` is where the configuration will lie."""
    answers = Answers()
    put = answers.values
    ask.say("Duo: in the Duo Admin Panel, Applications, your Admin API application.")
    host = _asked(ask, "API hostname", _key_of(Duo, "api_hostname"))
    put["duo", "api_hostname"] = example.toml(host)
    key = _asked(ask, "Integration key", _integration_key)
    put["duo", "integration_key"] = example.toml(key)
    shown, secret = _kept(ask, "Secret key", "DUO_SECRET_KEY", folder, answers)
    put["duo", "secret_key"] = shown
    ask.say("")
    ask.say("NinjaOne: Administration, Accounts, Identity Providers, your provider, SCIM.")
    put["ninjaone", "endpoint_url"] = example.toml(_asked(ask, "API endpoint URL", _key_of(NinjaOne, "endpoint_url")))
    put["ninjaone", "secret_token"], _ = _kept(ask, "SCIM token", "NINJAONE_SCIM_TOKEN", folder, answers)
    expires = _asked(ask, "The token expires on", _day, str(_months_on(today, _TOKEN_MONTHS)))
    put["ninjaone", "token_expires"] = str(expires)
    ask.say("")
    put["scope", "groups"] = example.toml(_groups(ask, host, key, secret))
    return answers


def _asked(ask: Asker, question: str, check: Callable[[str], str], default: str = "") -> str:
    """Ask until the answer is one that ``check`` lets pass; it raises ValueError with what is wrong."""
    while True:
        try:
            return check(ask.text(question, default).strip())
        except ValueError as error:
            ask.say(f"  {error}")


def _key_of(model: Any, key: str) -> Callable[[str], str]:
    """Return a check that lets pass what the configuration would."""

    def check(answer: str) -> str:
        if not answer:
            raise ValueError("It is needed.")
        try:
            model.__pydantic_validator__.validate_assignment(model.model_construct(), key, answer)
        except ValidationError as error:
            context = error.errors()[0].get("ctx", {})
            raise ValueError(f"It {context.get('error', 'is not valid')}.") from None
        return answer

    return check


def _integration_key(answer: str) -> str:
    if not answer:
        raise ValueError("It is needed.")
    if len(answer) == _SECRET_LENGTH:
        raise ValueError("That looks like the secret key; the integration key begins with DI and has 20 characters.")
    if not answer.isalnum():
        raise ValueError("It has letters and digits only.")
    return answer


def _day(answer: str) -> str:
    try:
        return date.fromisoformat(answer).isoformat()
    except ValueError:
        raise ValueError("Write the day as 2027-05-01.") from None


def _months_on(day: date, months: int) -> date:
    """Return the same day some months later, or the last one of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _kept(ask: Asker, what: str, variable: str, folder: Path, answers: Answers) -> tuple[str, SecretStr | None]:
    """Ask where a secret is kept; return that as TOML, and the secret if it is to be had now."""
    place = _asked(ask, f"{what} is kept in: env, file or literal", _place, "env")
    if place == "env":
        name = _asked(ask, "Name of the environment variable", _variable, variable)
        found = os.environ.get(name, "").strip()
        if not found:
            ask.say(f"  {name} is not set now; set it before ninjasync starts.")
        return example.toml({"env": name}), SecretStr(found) if found else None
    if place == "literal":
        secret = _typed(ask, what)
        return example.toml(secret.get_secret_value()), secret
    file = _asked(ask, "File", _file, f"{variable.partition('_')[0].lower()}.secret")
    path = folder / Path(file).expanduser()
    if path.exists():
        try:
            return example.toml({"file": file}), secrets.expect_sendable(
                what, secrets.decoded(path.read_bytes()).strip()
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


def _groups(ask: Asker, host: str, key: str, secret: SecretStr | None) -> list[str]:
    """Offer the groups that Duo has; where it cannot be asked, say why and take what is typed."""
    names, why = _groups_of_duo(host, key, secret)
    if why:
        ask.say(f"Duo's groups cannot be shown: {why}")
        ask.say("Write the names of the groups whose members get an account, a line each; an empty line ends.")
    else:
        ask.say("Groups in Duo:")
        for number, name in enumerate(names[:_MANY], 1):
            ask.say(f"  {number:>3}  {name}")
        if len(names) > _MANY:
            ask.say(f"  and {len(names) - _MANY} more, to be given by name")
        ask.say("Whose members get an account? Numbers (as 1, 3) or a name, a line each; an empty line ends.")
    chosen: list[str] = []
    while True:
        answer = ask.text("Group").strip()
        if not answer and chosen:
            return chosen
        try:
            chosen += [name for name in _meant(answer, names) if name not in chosen]
        except ValueError as error:
            ask.say(f"  {error}")


def _meant(answer: str, names: list[str]) -> list[str]:
    if not answer:
        raise ValueError("At least one group is needed.")
    if not names or answer in names or any(mark in answer for mark in "*?["):
        return [answer]
    numbers = answer.replace(",", " ").split()
    if all(number.isdecimal() and 1 <= int(number) <= len(names) for number in numbers):
        return [names[int(number) - 1] for number in numbers]
    alike = [name for name in names if folded(answer) in folded(name)]
    near = f'; did you mean "{alike[0]}"?' if alike else nearest(answer, names)
    raise ValueError(f"Duo has no such group{near or '.'}")


def _groups_of_duo(host: str, key: str, secret: SecretStr | None) -> tuple[list[str], str]:
    """Return the names of Duo's groups, or why they are not to be had."""
    if secret is None:
        return [], "the secret key is not to be had now."
    given = {
        "duo": {"api_hostname": host, "integration_key": key, "secret_key": secret},
        "ninjaone": {"endpoint_url": "https://not.asked.invalid", "secret_token": secret},
        "scope": {"all_users": True},
        "run": {"retries": 0},
    }
    try:
        with closing(DuoReader(Config.model_validate(given), secret, threading.Event())) as duo:
            names = sorted(duo.groups().values(), key=str.casefold)
    except NinjasyncError as error:
        return [], f"{error.message} {error.hint}"
    return (names, "") if names else ([], "Duo has none.")
