"""Holds the one record that NinjaOne shows and cannot be understood, or that it does not answer (CONTRACT 5.9)."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ninjasync.errors import UnreachableError
from ninjasync.model.attributes import DISPLAY_NAME, EXTERNAL_ID, USER_NAME
from ninjasync.model.directory import Problem, Resource
from ninjasync.model.message import Message, as_message, number, text
from ninjasync.net.pacing import TransientError
from ninjasync.ninjaone import scim_responses

T = TypeVar("T")

NAMING: dict[Resource, str] = {"user": USER_NAME, "group": DISPLAY_NAME}

_LEFT = Message("; it is left as it is and no removal is made in this run")


def convert_rows(
    resource: Resource, rows: Iterable[Any], convert: Callable[[Any], T], problems: list[Problem] | None
) -> list[T]:
    """Convert the rows that can be read; each of the others is added to ``problems``."""
    try:
        return list(map(convert, rows))  # nearly always
    except scim_responses.UnreadableResourceError:
        converted = []
    for row in rows:
        try:
            converted.append(convert(row))
        except scim_responses.UnreadableResourceError as error:
            if problems is not None:
                problems.append(unreadable_record(resource, row, error))
    return converted


def unreadable_record(resource: Resource, row: Any, error: scim_responses.UnreadableResourceError) -> Problem:
    """Return the problem of a record that lacks what tells it from others."""
    record = row if isinstance(row, dict) else {}
    key = scim_responses.get(record, NAMING[resource]) or scim_responses.get(record, "id") or "?"
    external_id = scim_responses.get(record, EXTERNAL_ID)
    return Problem(
        resource,
        str(key),
        external_id if isinstance(external_id, str) else None,
        "unreadable-record",
        Message("NinjaOne's record {}{}", text(error), _LEFT),
    )


def unanswered_record(resource: Resource, key: str, external_id: str | None, error: UnreachableError) -> Problem:
    """Return the problem of a look-up that failed; ``key`` is the id or the name that was looked for."""
    message = Message("{}{}", as_message(error.message).without_stop(), _LEFT)
    return Problem(resource, key, external_id, "unreadable-record", message)


def is_down(error: UnreachableError) -> bool:
    """Whether a failure is the service's. A 500 may well be that of the one resource that was asked for."""
    return isinstance(error, TransientError) and error.status != 500


def require_some(resource: Resource, failures: list[UnreachableError], asked: int) -> None:
    """Raise UnreachableError where every single look-up failed: that is more than one unreadable resource."""
    if len(failures) == asked > 1:
        first = failures[0]
        raise UnreachableError(
            Message(
                f"NinjaOne could not read a single one of {{}} {resource}s that it was asked for: {{}}",
                number(asked),
                as_message(first.message),
            ),
            first.hint,
        )
