"""The fast way to read users agrees with the plain one, on whatever a server may send."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ninjasync.model.attributes import CORE_USER, EXTERNAL_ID, FAMILY_NAME, GIVEN_NAME, NINJAONE, ORGANIZATION_ID
from ninjasync.ninjaone.scim_responses import UnreadableResourceError, read_user
from ninjasync.ninjaone.user_rows import user_reader

PATHS = (GIVEN_NAME, FAMILY_NAME, "title", ORGANIZATION_ID, f"{NINJAONE}:userType", "a.b.c", EXTERNAL_ID)
VALUES: tuple[Any, ...] = (
    *("x", " x ", "", "  ", "False", "inactive"),
    *(None, 7, 7.0, 1.5, True, False),
    *([], ["x"], {}, {"value": "x"}),
)
NAMES = (
    *("id", "userName", "externalId", "active", "title", "name", "schemas", "a"),
    *(NINJAONE, CORE_USER, f"{NINJAONE}:userType"),
)
INNER = ("givenName", "familyName", "organizationId", "userType", "b", "c")


def row_of(chance: random.Random) -> Any:
    """Return a row that is mostly as it should be, and odd in every way now and then."""
    row: dict[str, Any] = {"id": "1", "userName": "jane@example.com", "active": True}
    for name in chance.sample(NAMES, chance.randrange(len(NAMES))):
        row[spelled(chance, name)] = object_of(chance) if chance.random() < 0.5 else chance.choice(VALUES)
    for name in chance.sample(list(row), chance.randrange(2)):
        del row[name]
    return row if chance.random() < 0.97 else chance.choice(VALUES)


def object_of(chance: random.Random) -> dict[str, Any]:
    names = chance.sample(INNER, chance.randrange(len(INNER)))
    return {spelled(chance, name): chance.choice((*VALUES, {"c": "deep"})) for name in names}


def spelled(chance: random.Random, name: str) -> str:
    return chance.choice((name, name, name, name.lower(), name.upper()))


def outcome(read: Any, row: Any) -> Any:
    try:
        return read(row)
    except UnreadableResourceError as error:
        return str(error)


@pytest.mark.parametrize("seed", range(20))
def test_both_ways_read_the_same_of_every_row(seed: int) -> None:
    chance, fast = random.Random(seed), user_reader(PATHS)
    read = 0
    for _ in range(500):
        row = row_of(chance)
        plain = outcome(lambda each: read_user(each, PATHS), row)
        assert outcome(fast, row) == plain, row
        read += not isinstance(plain, str)
    assert read > 100, "rows that can be read must be among them"
