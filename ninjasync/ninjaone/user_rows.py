"""The fast way to read many users: ``scim_responses.read_user`` for one set of paths, with what is usual inlined.

A tenth of a plan: 0.5 instead of 1.6 seconds for 100,000 users on a machine that is busy. It
must agree with ``read_user`` on every row; tests/ninjaone/test_user_rows.py sees to that.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ninjasync.model import attributes
from ninjasync.model.attributes import ACTIVE, EXTERNAL_ID, USER_NAME
from ninjasync.model.directory import User
from ninjasync.ninjaone.scim_responses import Json, UnreadableResourceError, as_text, get, read_active, value_at


def user_reader(paths: Sequence[str]) -> Callable[[Any], User]:
    """Return ``read_user`` for these paths, to read many: what they mean is found out once.

    Equal texts become one string: 100,000 people have few first names.
    """
    values = tuple(map(_value_reader, paths))

    def read(row: Any) -> User:
        if not isinstance(row, dict):
            raise UnreadableResourceError("is not a JSON object")
        # What ``as_text(get(…))`` gives, without the two calls where a text is there.
        given = row.get(USER_NAME)
        user_name = given.strip() if type(given) is str else as_text(get(row, USER_NAME))
        if not user_name:
            raise UnreadableResourceError("has no userName")
        given = row.get(EXTERNAL_ID)
        external_id = given.strip() or None if type(given) is str else as_text(get(row, EXTERNAL_ID))
        active = row.get(ACTIVE)
        if active is not True:
            active = read_active(row)
        given = row.get("id")
        id_ = given.strip() if type(given) is str else as_text(get(row, "id"))
        if not id_:
            raise UnreadableResourceError("has no id")
        columns = tuple([value(row) for value in values])
        if active is None:
            return User(user_name, external_id, True, columns, id_, False)
        return User(user_name, external_id, active, columns, id_)

    return read


def _value_reader(path: str) -> Callable[[Json], str | None]:
    """Return ``value_at`` for one path: by exact names while a text is there, else by all its rules.

    A text is looked up among those that came before (0.1 µs instead of 0.4 µs to
    normalise it).
    """
    urn, names = attributes.split(path)
    *places, name = (urn, *names) if urn else names
    if len(places) != 1:
        return lambda row: value_at(row, path)
    (outer,) = places
    known: dict[str, str] = {}
    folded = name.casefold()
    # The names that an object had where the one that is looked for was not among them in any letter case.
    without: set[tuple[str, ...]] = set()

    def read(row: Json) -> str | None:
        place = row.get(outer)
        if type(place) is not dict:
            return value_at(row, path)
        value = place.get(name)
        if value is None:
            there = tuple(place)
            if there in without:
                return None
            if all(key == name or key.casefold() != folded for key in there):
                without.add(there)
        if type(value) is not str:
            return value_at(row, path)
        text = known.get(value)
        if text is None and (text := as_text(value)) is not None:
            known[value] = text
        return text

    return read
