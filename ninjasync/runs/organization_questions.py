"""Asks which organizations of NinjaOne the names in Duo mean, and looks them up where it can.

Knows the public API's part of a configuration, and how a name becomes a line of [organizations].
How a question is put on a terminal is for ``cli`` to know.
"""

from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from ninjasync.config import example
from ninjasync.config.context import RunContext
from ninjasync.config.schema import Config
from ninjasync.config.urls import check_optional_url
from ninjasync.errors import NinjasyncError
from ninjasync.ninjaone.oauth import OAuthClient
from ninjasync.ninjaone.public_api import PublicApi
from ninjasync.planning.organizations import UnknownOrganizationError, finder
from ninjasync.runs.questions import Answers, Asker, ask_until_valid, ask_where_kept

_MANY = 60

Organizations = tuple[tuple[str, str], ...]


def ask_for_organizations(ask: Asker, names: Iterable[str], folder: Path, answers: Answers, now: datetime) -> None:
    """Put down [ninjaone.api], or a line of [organizations] for each of ``names`` whose number is given."""
    names = list(names)[:_MANY]
    ask.say(
        "Duo has names of organizations where NinjaOne wants numbers. NinjaOne's public API knows both; its client app "
        "is made as `ninjasync manual public-api` says. Without it, give the number of each."
    )
    known = _known_organizations(ask, folder, answers, now)
    find = finder({}, known or ())
    left = []
    for name in names:
        try:
            ask.say(f'  "{name}" is {find(name)}.')
        except UnknownOrganizationError as error:
            left.append(name)
            if known:
                ask.say(f"  {error.message}.")
    if left:
        _ask_for_numbers(ask, left, known, answers)


def _ask_for_numbers(ask: Asker, names: Iterable[str], known: Organizations, answers: Answers) -> None:
    if known:
        ask.say("Organizations in NinjaOne:")
        for number, name in known[:_MANY]:
            ask.say(f"  {number:>5}  {name}")
        if len(known) > _MANY:
            ask.say(f"  and {len(known) - _MANY} more")
    ask.say(
        "Give the number of each, as the address of its page in the NinjaOne console shows it; empty: its users are "
        "held until you give it."
    )
    for name in names:
        if number := ask_until_valid(ask, f'Number of "{name}"', _check_number(known)):
            answers.values["organizations", name] = number


def _check_number(known: Organizations) -> Callable[[str], str]:
    there = {number for number, _ in known}

    def check(answer: str) -> str:
        if answer and not (answer.isascii() and answer.isdigit()):
            raise ValueError("Give its number.")
        number = answer.lstrip("0") or "0" if answer else ""
        if number and there and number not in there:
            raise ValueError("NinjaOne has no organization of that number.")
        return number

    return check


def _check_given(answer: str) -> str:
    if not answer:
        raise ValueError("It is needed.")
    return answer


def _known_organizations(ask: Asker, folder: Path, answers: Answers, now: datetime) -> Organizations:
    """Ask for the public API, put it down, and return NinjaOne's organizations; none where it is not to be used now."""
    question = "The console's address, as https://app.ninjarmm.com (empty: without the public API)"
    url = ask_until_valid(ask, question, check_optional_url)
    if not url:
        return ()
    values = answers.values
    client_id = ask_until_valid(ask, "Client ID", _check_given)
    values["ninjaone.api", "url"], values["ninjaone.api", "client_id"] = example.toml(url), example.toml(client_id)
    shown, secret = ask_where_kept(ask, "Client secret", "NINJAONE_API_SECRET", folder, answers)
    values["ninjaone.api", "client_secret"] = shown
    if secret is None:
        ask.say("  NinjaOne's organizations cannot be shown: the client secret is not to be had now.")
        return ()
    try:
        return _read_organizations(url, client_id, secret, now)
    except NinjasyncError as error:
        ask.say(f"  NinjaOne's organizations cannot be shown: {error.message} {error.hint}")
        return ()


def _read_organizations(url: str, client_id: str, secret: SecretStr, now: datetime) -> Organizations:
    unused = SecretStr("not-asked-for-now")
    given = {
        "duo": {"api_hostname": "not-asked.invalid", "integration_key": "DI", "secret_key": unused},
        "ninjaone": {
            "endpoint_url": "https://not-asked.invalid",
            "secret_token": unused,
            "api": {"url": url, "client_id": client_id, "client_secret": secret},
        },
        "scope": {"all_users": True},
        "run": {"retries": 0},
    }
    context = RunContext(Config.model_validate(given), "", now, lambda: now)
    with closing(OAuthClient(context, secret)) as client:
        return tuple((one.id, one.name) for one in PublicApi(client).read_organizations())
