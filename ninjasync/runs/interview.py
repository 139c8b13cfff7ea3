"""A first configuration from a few questions. Knows what to ask and what an answer may be.

How a question is put on a terminal is for ``cli`` to know; a secret is held in memory
until it is written where the operator wants it, and never shown.
"""

import calendar
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr, ValidationError

from ninjasync.config import example, secrets
from ninjasync.config.duo import Duo
from ninjasync.config.mapping import DEFAULT_ATTRIBUTES
from ninjasync.config.ninjaone import NinjaOne
from ninjasync.errors import NinjasyncError
from ninjasync.model.attributes import ORGANIZATION_ID, USER_NAME, USER_TYPE
from ninjasync.model.message import Message, did_you_mean, group, reason_of
from ninjasync.names_alike import folded
from ninjasync.planning.causes import nearest_name, written
from ninjasync.runs.duo_survey import DuoSurvey, survey_duo

_SECRET_LENGTH = 40
_TOKEN_MONTHS = 6
_MANY = 60
_HEAD = """# The configuration of ninjasync, written by ninjasync init. What you answered is filled in; every other
# line holds the default and may be left out. A relative path starts at the folder of this file.
# Is all in place? ninjasync check. What would change? ninjasync plan."""


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


def interview(ask: Asker, folder: Path, now: datetime) -> Answers:
    """Ask for everything that has no default. ``folder`` is where the configuration will lie."""
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
    expires = _asked(ask, "The token expires on", _day, str(_months_on(now.date(), _TOKEN_MONTHS)))
    put["ninjaone", "token_expires"] = str(expires)
    ask.say("")
    seen, why = survey_duo(host, key, secret, now)
    put["scope", "groups"] = example.toml(_groups(ask, seen.groups, why))
    if seen.users:
        _map_attributes(ask, seen, answers)
    ask.say("")
    ask.say(
        "Which accounts in NinjaOne must never be touched, as emergency accounts and administrators? Give e-mail "
        "addresses or patterns (breakglass*@example.com), a line each; an empty line ends."
    )
    put["safety", "protected_users"] = example.toml(_lines_of(ask, "Protected account"))
    if tenant := ask.text("A name for this tenant, shown in every report (empty: Duo's host name)").strip():
        put["state", "tenant"] = example.toml(tenant)
    return answers


def _lines_of(ask: Asker, question: str) -> list[str]:
    """Ask for one after the other until an empty answer."""
    found: list[str] = []
    while answer := ask.text(question).strip():
        found.append(answer)
    return found


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
            raise ValueError(Message("It {}.", reason_of(context.get("error", ValueError("is not valid"))))) from None
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


def _map_attributes(ask: Asker, seen: DuoSurvey, answers: Answers) -> None:
    """Put down the lines of [attributes] and [organizations] that Duo's records ask for; offer only what was seen."""
    put, custom = answers.values, seen.custom
    for path, what in ((USER_TYPE, "User type"), (ORGANIZATION_ID, "Organization")):
        usual = DEFAULT_ATTRIBUTES[path].partition(".")[2]
        if usual in custom:
            continue
        if not custom:
            ask.say(
                f"No user in Duo has a custom attribute; make {usual} in the Duo Admin Panel, Users, User Attributes."
            )
            continue
        ask.say(f"No user in Duo has the custom attribute {usual}. There are: {', '.join(sorted(custom))}.")
        near = nearest_name(usual, custom)
        name = _asked(ask, f"{what} is kept in (empty: in none of these)", _one_of(custom), near)
        if name:
            put["attributes", path] = example.toml(written(name, custom=True))
    if seen.by_username:
        text = f"{DEFAULT_ATTRIBUTES[USER_NAME]} || username"
        put["attributes", USER_NAME] = example.toml(text)
        ask.say(f"{seen.by_username} users have no e-mail, but an address as username: userName is {text}.")
    names = seen.organizations(put.get(("attributes", ORGANIZATION_ID)))
    if names:
        ask.say(
            "Duo has names of organizations where NinjaOne wants numbers. Give the number of each, as the address of "
            "its page in the NinjaOne console shows it; empty: its users are held until you give it."
        )
    for name in names[:_MANY]:
        number = _asked(ask, f'Number of "{name}"', _number)
        if number:
            put["organizations", name] = number


def _one_of(names: Iterable[str]) -> Callable[[str], str]:
    known = list(names)

    def check(answer: str) -> str:
        if answer and answer not in known:
            raise ValueError(Message("No user in Duo has that{}.", did_you_mean(answer, known)))
        return answer

    return check


def _number(answer: str) -> str:
    if answer and not (answer.isascii() and answer.isdigit()):
        raise ValueError("Give its number.")
    return answer.lstrip("0") or "0" if answer else ""


def _groups(ask: Asker, names: list[str], why: str) -> list[str]:
    """Offer the groups that Duo has; where it cannot be asked, say why and take what is typed."""
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
    near = Message('; did you mean "{}"?', group(alike[0])) if alike else did_you_mean(answer, names)
    raise ValueError(Message("Duo has no such group{}.", near))
