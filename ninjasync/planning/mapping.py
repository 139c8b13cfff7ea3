"""From a Duo record to a desired SCIM user, or to the reasons why the user is held.

Pure. Knows the expressions of ``[attributes]`` and the rules that NinjaOne's guide
gives for their values; knows nothing of the wire or of who is in scope.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ninjasync.config.expression import Expression, ExpressionError, alternatives_of, compile_expression, is_bare
from ninjasync.config.functions import is_blank
from ninjasync.config.safety import Safety
from ninjasync.duo.records import label
from ninjasync.model.attributes import FAMILY_NAME, GIVEN_NAME, ORGANIZATION_ID, USER_NAME, USER_TYPE, line_for
from ninjasync.model.directory import Problem, User
from ninjasync.model.message import NOTHING, Message, text, word
from ninjasync.model.problems import PROBLEMS, Code
from ninjasync.model.values import END_USER, TECHNICIAN
from ninjasync.planning.attribute_rules import (
    InvalidValueError,
    Rule,
    check_user_name,
    keep_plain,
    read_value,
    rules_for,
)
from ninjasync.planning.email_address import is_usual

_NAME_PARTS = {GIVEN_NAME: "given_name", FAMILY_NAME: "family_name"}


@dataclass(frozen=True, slots=True)
class AttributeMapping:
    """``[attributes]``, compiled. ``paths`` are the attributes but userName, in sorted order."""

    paths: tuple[str, ...]
    expressions: Mapping[str, Expression]
    user_name: Expression
    texts: Mapping[str, str]
    rules: Mapping[str, Rule]
    allow_missing_user_type: bool
    allow_missing_organization: bool
    # Whether each expression is nothing but names, to which an empty string and null are the same.
    bare: bool
    # Whether each attribute that NinjaOne may need is mapped.
    complete: bool
    # For each of ``paths``: expression, and the valid form of what it gave.
    steps: tuple[tuple[Expression, "ValidForms"], ...]
    # Whether a user may lack these values: user type, and for each of ``paths`` whether there is no value.
    lacking: dict[tuple[str | None, tuple[bool, ...]], bool]
    # Where in ``paths`` the user type is, if it is mapped.
    type_at: int | None


# In place of a valid form.
INVALID: Any = object()


class ValidForms(dict[Any, str | None]):
    """The valid form of each text that came before.

    There are far fewer first names than people, so that a rule is mostly a look-up (0.1 µs instead of 0.6 µs).
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def __missing__(self, given: Any) -> str | None:
        """Find out the valid form; INVALID where there is none."""
        try:
            form = self._rule(read_value(given))
        except InvalidValueError:
            form = INVALID
        if given is None or type(given) is str:  # else True would be found for 1
            self[given] = form
        return form


def compile_mapping(
    attributes: Mapping[str, str],
    safety: Safety,
    organizations: Mapping[str, str] | None = None,
    known: tuple[tuple[str, str], ...] | None = None,
) -> AttributeMapping:
    """Compile ``attributes`` (canonical path to JMESPath text, as ``Config`` holds them).

    ``organizations`` are names that may stand in place of an organization's number, ``known``
    the numbers and names of all that NinjaOne's public API tells; None where it tells none.
    """
    rules = rules_for(organizations, known)
    paths = tuple(sorted(path for path in attributes if path != USER_NAME))
    expressions = {path: compile_expression(text) for path, text in attributes.items()}
    return AttributeMapping(
        paths=paths,
        expressions=expressions,
        user_name=expressions[USER_NAME],
        texts=attributes,
        rules=rules,
        allow_missing_user_type=safety.allow_missing_user_type,
        allow_missing_organization=safety.allow_missing_organization,
        bare=all(map(is_bare, attributes.values())),
        complete=expressions.keys() >= {GIVEN_NAME, FAMILY_NAME, USER_TYPE, ORGANIZATION_ID},
        steps=tuple((expressions[path], ValidForms(rules.get(path, keep_plain))) for path in paths),
        lacking={},
        type_at=paths.index(USER_TYPE) if USER_TYPE in paths else None,
    )


def map_user(mapping: AttributeMapping, row: Mapping[str, Any]) -> tuple[User | None, tuple[Problem, ...]]:
    """Return the desired user for a Duo record, or None with every problem that holds the user.

    ``row`` is a Duo user with empty strings already turned into null, unless
    ``mapping.bare``.
    """
    try:
        values = [forms[expression(row)] for expression, forms in mapping.steps]
        user_name = mapping.user_name(row)
        if type(user_name) is not str or not is_usual(user_name):
            user_name = check_user_name(read_value(user_name))
    except (InvalidValueError, ExpressionError, TypeError):  # TypeError: an expression gave a list or an object
        return _judged_user(mapping, row)
    if (
        user_name is None
        or INVALID in values
        or ((None in values or not mapping.complete) and not may_lack(mapping, values))
    ):
        return _judged_user(mapping, row)
    return User(user_name, row["user_id"], True, tuple(values)), ()


def may_lack(mapping: AttributeMapping, values: Sequence[str | None]) -> bool:
    """Whether a user who has a userName may lack what these ``values`` lack."""
    type_at = mapping.type_at
    lack = (None if type_at is None else values[type_at], tuple([value is None for value in values]))
    if lack not in mapping.lacking:
        by_path = dict(zip(mapping.paths, values, strict=True))
        mapping.lacking[lack] = not _missing(mapping, {USER_NAME: "", **by_path}, set())
    return mapping.lacking[lack]


def _judged_user(mapping: AttributeMapping, row: Mapping[str, Any]) -> tuple[User | None, tuple[Problem, ...]]:
    """Return what ``map_user`` does, slowly, with every rule and every problem in turn."""
    problems: list[Problem] = []
    values: dict[str, str | None] = {}
    key = label(row)

    def hold(path: str, code: Code, what: Message, remedy: Message = NOTHING) -> None:
        whole = Message("{}{} ({})", what, remedy, _origin(mapping, path))
        problems.append(Problem("user", key, row["user_id"], code, whole, what))

    for path, expression in mapping.expressions.items():
        try:
            values[path] = mapping.rules.get(path, keep_plain)(read_value(expression(row)))
        except InvalidValueError as invalid:
            hold(path, invalid.code, invalid.message)
        except ExpressionError as error:
            hold(path, "expression-failed", Message("the expression failed: {}", text(error)))
    failed = {path for path in mapping.expressions if path not in values}
    for path, code, what, remedy in _missing(mapping, values, failed):
        hold(path, code, what, Message("{}{}", remedy, _name_remedy(mapping, path, row)))
    if problems:
        return None, tuple(problems)
    user_name = values[USER_NAME]
    assert user_name is not None
    return User(user_name, row["user_id"], active=True, values=tuple(map(values.get, mapping.paths))), ()


def has_value(mapping: AttributeMapping, path: str, record: Mapping[str, Any]) -> bool:
    """Whether a cleaned record has something for an attribute, be it valid or not."""
    try:
        value = mapping.expressions[path](record)
    except ExpressionError:
        return True
    return value is not None and not is_blank(value)


def _origin(mapping: AttributeMapping, path: str) -> Message:
    """Say by which line of ``[attributes]`` a value came about, the attribute by its short name."""
    name, expression = word(path.rpartition(":")[2]), mapping.texts.get(path)
    return Message("{} = {}", name, text(expression)) if expression else Message("{} is not mapped", name)


def _name_remedy(mapping: AttributeMapping, path: str, row: Mapping[str, Any]) -> Message:
    """Say what to write where a name is missing beside a full one."""
    full, expression = row.get("realname"), mapping.texts.get(path, "")
    if not isinstance(full, str) or not full.strip() or not (line := name_remedy(path, expression)):
        return NOTHING
    why = "realname {} is one word" if "(realname)" in expression else "realname is {}"
    return Message(
        f"; {why}: set the name in Duo, or write {{}} in {{}}", text(repr(full)), text(line), word("[attributes]")
    )


def name_remedy(path: str, expression: str) -> str:
    """Return the line of [attributes] that takes a name from ``realname`` where ``expression`` gives none.

    Empty where no line does.
    """
    if path not in _NAME_PARTS:
        return ""
    part = f"{_NAME_PARTS[path]}(realname)"
    more = "realname" if part in expression else part
    if more in alternatives_of(expression):
        return ""
    return line_for(path, f"{expression} || {more}" if expression else more)


def _missing(
    mapping: AttributeMapping, values: Mapping[str, str | None], failed: set[str]
) -> list[tuple[str, Code, Message, Message]]:
    """List what NinjaOne needs and the record lacks: path, code, what it is, and what to do.

    An attribute that ``failed`` is told of already.
    """
    found: list[tuple[str, Code, Message, Message]] = []

    def need(path: str, code: Code, what: Message, remedy: Message = NOTHING) -> None:
        if values.get(path) is None and path not in failed:
            found.append((path, code, what, remedy))

    need(USER_NAME, "missing-user-name", Message(PROBLEMS["missing-user-name"].meaning))
    need(GIVEN_NAME, "missing-name", Message("has no first name"))
    need(FAMILY_NAME, "missing-name", Message("has no last name"))
    if not mapping.allow_missing_user_type:
        need(USER_TYPE, "missing-user-type", Message(PROBLEMS["missing-user-type"].meaning), _SET_A_TYPE)
    # Without a type NinjaOne makes an end user, so that one needs an organization just the same.
    end_user = values.get(USER_TYPE) != TECHNICIAN and USER_TYPE not in failed
    if end_user and not mapping.allow_missing_organization:
        what = Message(PROBLEMS["missing-organization"].meaning)
        need(ORGANIZATION_ID, "missing-organization", what, _SET_AN_ORGANIZATION)
    return found


_SET_A_TYPE = Message('; set "{}" or "{}" (NinjaOne would silently make an end user)', word(TECHNICIAN), word(END_USER))
_SET_AN_ORGANIZATION = Message(
    '; set its number, its name or "All" (NinjaOne would silently make a global end user, who may see all '
    "organizations)"
)
