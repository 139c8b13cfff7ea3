"""What a Duo record says: its fields without empty strings, its names, its groups. Pure."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ninjasync.config.functions import is_blank
from ninjasync.names_alike import folded


def label(row: Mapping[str, Any]) -> str:
    """Return what people call this Duo user: e-mail, else username, else user id."""
    return str(row.get("email") or row.get("username") or row["user_id"])


def clean(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a user's record with empty and blank strings as null, as all mean "no value", and plain custom attributes.

    The shape of ``custom_attributes`` on a read is not documented: an object of names
    to values, or a list of ``{"name", "value"}``; both become the object.
    """
    record = {name: None if is_blank(value) else value for name, value in row.items()}
    custom = record.get("custom_attributes")
    if isinstance(custom, list):
        pairs = [(one.get("name"), one.get("value")) for one in custom if isinstance(one, dict)]
        custom = {name: value for name, value in pairs if isinstance(name, str)}
    if isinstance(custom, dict):
        record["custom_attributes"] = {name: None if is_blank(value) else value for name, value in custom.items()}
    return record


def names_of(row: Mapping[str, Any], parameter: str) -> set[str]:
    """Return by what a user is found by ``parameter``, folded: their e-mail address, or username and aliases."""
    if parameter == "email":
        found = [row.get("email")]
    else:
        aliases = row.get("aliases")
        found = [row.get(name) for name in ("username", "alias1", "alias2", "alias3", "alias4")]
        found += aliases.values() if isinstance(aliases, dict) else []
    return {folded(name) for name in found if isinstance(name, str) and name}


def group_reader() -> Callable[[Mapping[str, Any]], tuple[str, ...] | None]:
    """Return ``group_ids`` to read many: most users have the groups of many others."""
    same: dict[Any, tuple[str, ...]] = {}

    def read(record: Mapping[str, Any]) -> tuple[str, ...] | None:
        given: Any = record.get("groups")
        key: Any = None
        try:  # by the bytes that were sent, or by their ids
            if type(given) is msgspec.Raw:
                key = bytes(given)
            elif type(given) is list:
                key = tuple([group["group_id"] for group in given])
            known = same.get(key)
        except (KeyError, TypeError):
            return None
        if known is None and key is not None and (found := group_ids(record)) is not None:
            known = same[key] = same.setdefault(found, found)
        return known

    return read


def group_ids(row: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the ids of the groups embedded in a user's record; None where they cannot be read.

    They may be there as they were sent, not yet parsed (``user_pages``).
    """
    groups = row.get("groups")
    try:
        if type(groups) is msgspec.Raw:
            groups = json.loads(bytes(groups))
        if not isinstance(groups, list):
            return None
        ids = tuple([sys.intern(group["group_id"]) for group in groups])
    except (KeyError, TypeError, ValueError, RecursionError):  # ValueError: a number too long for Python, say
        return None
    return ids if all(ids) else None
