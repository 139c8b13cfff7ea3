"""A first configuration from a few questions. Knows what to ask, in which order, and what Duo has to offer."""

import calendar
from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path

from ninjasync.config import example
from ninjasync.config.duo import Duo
from ninjasync.config.mapping import DEFAULT_ATTRIBUTES
from ninjasync.config.ninjaone import NinjaOne
from ninjasync.model.attributes import ORGANIZATION_ID, USER_NAME, USER_TYPE
from ninjasync.model.message import Message, did_you_mean, group
from ninjasync.names_alike import folded
from ninjasync.planning.causes import nearest_name, written
from ninjasync.runs.duo_survey import DuoSurvey, survey_duo
from ninjasync.runs.organization_questions import ask_for_organizations
from ninjasync.runs.questions import Answers, Asker, ask_until_valid, ask_where_kept, check_key

_SECRET_LENGTH = 40
_TOKEN_MONTHS = 6
_MANY = 60


def interview(ask: Asker, folder: Path, now: datetime) -> Answers:
    """Ask for everything that has no default. ``folder`` is where the configuration will lie."""
    answers = Answers()
    put = answers.values
    ask.say("Duo: in the Duo Admin Panel, Applications, your Admin API application.")
    host = ask_until_valid(ask, "API hostname", check_key(Duo, "api_hostname"))
    put["duo", "api_hostname"] = example.toml(host)
    key = ask_until_valid(ask, "Integration key", _integration_key)
    put["duo", "integration_key"] = example.toml(key)
    shown, secret = ask_where_kept(ask, "Secret key", "DUO_SECRET_KEY", folder, answers)
    put["duo", "secret_key"] = shown
    ask.say("")
    ask.say("NinjaOne: Administration, Accounts, Identity Providers, your provider, SCIM.")
    endpoint = ask_until_valid(ask, "API endpoint URL", check_key(NinjaOne, "endpoint_url"))
    put["ninjaone", "endpoint_url"] = example.toml(endpoint)
    put["ninjaone", "secret_token"], _ = ask_where_kept(ask, "SCIM token", "NINJAONE_SCIM_TOKEN", folder, answers)
    expires = ask_until_valid(ask, "The token expires on", _day, str(_months_on(now.date(), _TOKEN_MONTHS)))
    put["ninjaone", "token_expires"] = str(expires)
    ask.say("")
    seen, why = survey_duo(host, key, secret, now)
    put["scope", "groups"] = example.toml(_groups(ask, seen.groups, why))
    if seen.users:
        _map_attributes(ask, seen, answers)
    if names := seen.organizations(put.get(("attributes", ORGANIZATION_ID))):
        ask_for_organizations(ask, names, folder, answers, now)
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


def _map_attributes(ask: Asker, seen: DuoSurvey, answers: Answers) -> None:
    """Put down the lines of [attributes] that Duo's records ask for; offer only what was seen."""
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
        name = ask_until_valid(ask, f"{what} is kept in (empty: in none of these)", _one_of(custom), near)
        if name:
            put["attributes", path] = example.toml(written(name, custom=True))
    if seen.by_username:
        text = f"{DEFAULT_ATTRIBUTES[USER_NAME]} || username"
        put["attributes", USER_NAME] = example.toml(text)
        ask.say(f"{seen.by_username} users have no e-mail, but an address as username: userName is {text}.")


def _one_of(names: Iterable[str]) -> Callable[[str], str]:
    known = list(names)

    def check(answer: str) -> str:
        if answer and answer not in known:
            raise ValueError(Message("No user in Duo has that{}.", did_you_mean(answer, known)))
        return answer

    return check


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
