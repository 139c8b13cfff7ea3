"""What a Duo has that a first configuration can name: groups, how many users, and their custom attributes' values."""

from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from ninjasync.config import example
from ninjasync.config.context import RunContext
from ninjasync.config.mapping import DEFAULT_ATTRIBUTES
from ninjasync.config.schema import Config
from ninjasync.duo.reader import DuoReader
from ninjasync.duo.records import clean
from ninjasync.errors import NinjasyncError
from ninjasync.model.attributes import ORGANIZATION_ID
from ninjasync.planning.causes import written
from ninjasync.planning.email_address import find_fault
from ninjasync.planning.organizations import is_name

# Of one attribute; there may be as many values as users.
_MOST_VALUES = 1000


@dataclass(slots=True)
class DuoSurvey:
    """What Duo has: its groups' names, how many users, and of the users' custom attributes the values, by name."""

    groups: list[str] = field(default_factory=list)
    users: int = 0
    by_username: int = 0
    custom: dict[str, set[str]] = field(default_factory=dict)

    def note(self, rows: list[Any]) -> list[None]:
        """Take users' records into account, and keep none of them."""
        for row in rows:
            self._note(row)
        return [None] * len(rows)

    def _note(self, row: Any) -> None:
        if not isinstance(row, dict):
            return
        record = clean(row)
        self.users += 1
        username = record.get("username")
        self.by_username += not record.get("email") and isinstance(username, str) and not find_fault(username)
        custom = record.get("custom_attributes")
        for name, value in custom.items() if isinstance(custom, dict) else ():
            values = self.custom.setdefault(name, set())
            if isinstance(value, str) and len(values) < _MOST_VALUES:
                values.add(value.strip())

    def organizations(self, line: str | None) -> list[str]:
        """Return the names that stand in place of organizations' numbers; ``line`` is what was put down for them."""
        for name, values in self.custom.items():
            if (line or f'"{DEFAULT_ATTRIBUTES[ORGANIZATION_ID]}"') == example.toml(written(name, custom=True)):
                return sorted(filter(is_name, values), key=str.casefold)
        return []


def survey_duo(host: str, key: str, secret: SecretStr | None, now: datetime) -> tuple[DuoSurvey, str]:
    """Return what Duo has, or why that is not to be had."""
    seen = DuoSurvey()
    if secret is None:
        return seen, "the secret key is not to be had now."
    given = {
        "duo": {"api_hostname": host, "integration_key": key, "secret_key": secret},
        "ninjaone": {"endpoint_url": "https://not.asked.invalid", "secret_token": secret},
        "scope": {"all_users": True},
        "run": {"retries": 0},
    }
    context = RunContext(Config.model_validate(given), "", now, lambda: now)
    try:
        with closing(DuoReader(context, secret)) as duo:
            seen.groups = sorted(duo.read_groups().values(), key=str.casefold)
            duo.read_users(seen.note)
    except NinjasyncError as error:
        return seen, "" if seen.groups else f"{error.message} {error.hint}"
    return seen, "" if seen.groups else "Duo has none."
