"""What an attribute's value may be, as NinjaOne's guide says: a rule gives the valid form of a text, or says why not.

Pure. Knows no Duo record and no expression.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ninjasync.model.attributes import FAMILY_NAME, GIVEN_NAME, ORGANIZATION_ID, USER_NAME, USER_TYPE
from ninjasync.model.message import Message, did_you_mean, number, text, word
from ninjasync.model.problems import Code
from ninjasync.model.values import ALL_ORGANIZATIONS, END_USER, TECHNICIAN
from ninjasync.names_alike import spelled
from ninjasync.planning.email_address import find_fault
from ninjasync.planning.organizations import UnknownOrganizationError, finder

# NinjaOne's console import and its public API take names of 1 to 150 characters.
_LONGEST_NAME = 150
Rule = Callable[[str | None], str | None]


class InvalidValueError(ValueError):
    """A value for which there is no valid form."""

    def __init__(self, code: Code, message: Message) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def rules_for(organizations: Mapping[str, str] | None, known: tuple[tuple[str, str], ...] | None) -> Mapping[str, Rule]:
    """Return the rule of each attribute that has one, by path.

    ``organizations`` are names that may stand in place of an organization's number, ``known``
    the numbers and names of all that NinjaOne's public API tells; None where it tells none.
    """
    find_organization = partial(_organization, finder(organizations or {}, known or ()), _numbers(known))
    return _RULES | {ORGANIZATION_ID: find_organization}


def read_value(value: Any) -> str | None:
    """Return an expression's result as text; empty, blank and null are the same. Raises InvalidValueError."""
    if type(value) is str:
        return value.strip() or None
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if math.isfinite(value):
            return str(int(value)) if value.is_integer() else str(value)
        case float():
            raise InvalidValueError(
                "expression-failed", Message("the expression gives {}, which is no value", number(value))
            )
        case [first, *_]:  # Duo may send several values of an attribute
            return read_value(first)
        case _:
            kind = word("an empty list" if isinstance(value, list) else "an object")
            raise InvalidValueError("expression-failed", Message("the expression gives {}; one value is needed", kind))


def keep_plain(value: str | None) -> str | None:
    """Return the value of an attribute that has no rule."""
    return value


def check_user_name(value: str | None) -> str | None:
    """Return an e-mail address as it is spelled. Raises InvalidValueError."""
    value = value and spelled(value)
    if value and (fault := find_fault(value)):
        raise InvalidValueError("invalid-user-name", Message("the userName {} {}", text(repr(value)), fault))
    return value


def _name(value: str | None) -> str | None:
    if value is not None and len(value) > _LONGEST_NAME:
        raise InvalidValueError(
            "missing-name",
            Message(
                "the name is {} characters long; NinjaOne takes 1 to {}", number(len(value)), number(_LONGEST_NAME)
            ),
        )
    return value


def _user_type(value: str | None) -> str | None:
    if value not in (None, TECHNICIAN, END_USER):
        message = Message(
            'the user type {} is not "{}" or "{}", exactly{}',
            text(repr(value)),
            word(TECHNICIAN),
            word(END_USER),
            did_you_mean(value, (TECHNICIAN, END_USER)),
        )
        raise InvalidValueError("invalid-user-type", message)
    return value


def _numbers(known: tuple[tuple[str, str], ...] | None) -> frozenset[str] | None:
    return None if known is None else frozenset(number for number, _ in known)


def _organization(find: Callable[[str], str], there: frozenset[str] | None, value: str | None) -> str | None:
    """Return an organization's number or "All". ``there`` are the numbers that exist, None where that is not known."""
    if value is None:
        return None
    if value.casefold() == ALL_ORGANIZATIONS.casefold():
        return ALL_ORGANIZATIONS
    if value.isascii() and value.isdigit():
        return _existing(value.lstrip("0") or "0", there)
    try:
        return _existing(find(value), there)
    except UnknownOrganizationError as error:
        if any(map(str.isalpha, value)):
            raise InvalidValueError("unknown-organization", error.message) from error
        message = Message('the organization {} is neither a whole number nor "All"', text(repr(value)))
        raise InvalidValueError("invalid-organization", message) from error


def _existing(organization: str, there: frozenset[str] | None) -> str:
    if there is None or organization in there or organization == ALL_ORGANIZATIONS:
        return organization
    message = Message("NinjaOne has no organization with the number {}", number(organization))
    raise InvalidValueError("unknown-organization", message)


# A validation rule for an attribute is a function from its text to the valid form, and a row here.
_RULES: dict[str, Rule] = {
    USER_NAME: check_user_name,
    GIVEN_NAME: _name,
    FAMILY_NAME: _name,
    USER_TYPE: _user_type,
}
