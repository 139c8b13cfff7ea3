"""Reads which child accounts a Duo parent account has, by its Accounts API application.

Knows that one call and its rows (Duo Accounts API, "Retrieve Accounts"). It is a POST, as Duo
wants it, and changes nothing.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from ninjasync.config.duo import Duo
from ninjasync.config.operation import Run
from ninjasync.config.schema import Config
from ninjasync.config.urls import check_duo_host
from ninjasync.duo.client import DuoClient, not_an_answer, refusal
from ninjasync.errors import CredentialsError
from ninjasync.model.child_account import ChildAccount
from ninjasync.model.events import ignore
from ninjasync.net.pacing import Pacer
from ninjasync.threads import Stop

_PATH = "/accounts/v1/account/list"
_HINT = (
    "The keys in [fleet.accounts] must be those of an Accounts API application of the parent account, and api_hostname "
    "that application's; Duo's support grants such applications."
)


def read_child_accounts(accounts: Duo, secret: SecretStr, base: Path) -> tuple[tuple[ChildAccount, ...], int]:
    """Return the child accounts by name, and how many rows could not be read.

    ``base`` is where relative paths start. Raises CredentialsError and UnreachableError.
    """
    # Of a configuration, this is what a client looks at.
    config = Config.model_construct(duo=accounts, run=Run()).with_place(base, None)  # type: ignore[call-arg]  # by design
    rate = accounts.rate_limit
    pacer = Pacer(config.run.retries, rate=rate / 60, burst=rate, stop=Stop(), service="Duo", tell=ignore)
    client = DuoClient(config, secret, pacer)
    try:
        rows = client.json_api_call("POST", _PATH, {})
    except RuntimeError as error:
        told = refusal(client.host, error, child=False)
        if isinstance(told, CredentialsError):
            raise CredentialsError(told.message, _HINT) from error
        raise told from error
    finally:
        client.close()
    if not isinstance(rows, list):
        raise not_an_answer(client.host)
    found = tuple(sorted(_read(rows), key=lambda one: (one.name.lower(), one.account_id)))
    return found, len(rows) - len(found)


def _read(rows: list[Any]) -> Iterator[ChildAccount]:
    for row in rows:
        if not isinstance(row, dict):
            continue
        id_, host, name = row.get("account_id"), row.get("api_hostname"), row.get("name")
        if not (isinstance(id_, str) and isinstance(host, str) and re.fullmatch("DA[A-Za-z0-9]+", id_)):
            continue
        try:
            url = check_duo_host(host)
        except ValueError:
            continue
        yield ChildAccount(name if isinstance(name, str) and name.strip() else id_, id_, url)
