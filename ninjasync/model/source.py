"""One read of Duo, after scope and mapping: users, groups, and what is wrong with a record."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ninjasync.model.directory import Problem, Row, User
from ninjasync.model.message import NOTHING, Message


class Standing(Enum):
    """What the scope says of a Duo user."""

    IN = "in"  # to be provisioned
    OUT = "out"  # not to be; the account, where there is one, is a leaver's
    LEFT_ALONE = "left alone"  # neither: locked out for a while, nothing changes
    HELD = "held"  # cannot be judged, nothing changes


class SourceUser(Row, frozen=True):
    """A Duo user after scope and mapping: all that the diff needs.

    ``desired`` is set where the user is in scope and every attribute is valid; ``problems``
    where the user is held. ``groups`` are the Duo ids of the user's groups.
    """

    id: str
    label: str
    standing: Standing
    reason: Message
    groups: tuple[str, ...] = ()
    desired: User | None = None
    problems: tuple[Problem, ...] = ()
    username: str = ""


@dataclass(frozen=True, slots=True)
class Empty:
    """A mapped attribute for which no user in scope has a value: ``why``, and which of Duo's may be ``meant``."""

    why: Message = NOTHING
    meant: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One complete read of Duo. ``users`` and ``groups`` are keyed by Duo id; ``groups`` gives names.

    ``pushed`` maps the ids of the groups that NinjaOne is to have to their displayNames.
    ``passed_over`` are users whom the pages lacked and who were found by their ids.
    ``scoped`` are the groups that [scope] names, by id; ``missing`` says which of them
    Duo does not have; ``unreadable`` holds records without even an id. ``empty`` has the
    mapped attributes for which no user in scope has a value, by path: they are never cleared.
    ``full_names`` counts who is held for an empty name beside a full ``realname``.
    ``unlisted`` is how many users Duo counts without listing them.
    """

    paths: tuple[str, ...]
    users: Mapping[str, SourceUser]
    groups: Mapping[str, str]
    pushed: Mapping[str, str]
    scoped: Mapping[str, str] = field(default_factory=dict)
    passed_over: frozenset[str] = frozenset()
    missing: tuple[Message, ...] = ()
    unreadable: tuple[Problem, ...] = ()
    warnings: tuple[Message, ...] = ()
    empty: Mapping[str, Empty] = field(default_factory=dict)
    full_names: int = 0
    unlisted: int = 0


# Some servers keep an externalId in another letter case; one of full length is a Duo id all the same.
_DUO_ID = re.compile(r"D[UG][A-Z0-9]{4,}|[Dd][UuGg][A-Za-z0-9]{18}")


def is_duo_id(text: str | None) -> bool:
    """Whether an externalId has the form of a Duo user's or group's id."""
    return text is not None and _DUO_ID.fullmatch(text) is not None
