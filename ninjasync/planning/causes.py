"""Why attributes are empty and records are held: what most likely is wrong, and the line that puts it right.

Pure. Knows the operator's expressions and which names Duo's records have; knows nothing of
how they are read or shown. Values of records do not get into any sentence.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ninjasync.config.expression import fields_of, is_path
from ninjasync.model.attributes import FAMILY_NAME, GIVEN_NAME, ORGANIZATION_ID, USER_NAME, USER_TYPE, line_for
from ninjasync.model.directory import Problem
from ninjasync.model.message import NOTHING, Message, join, listed, number, text, word
from ninjasync.model.problems import PROBLEMS, Code
from ninjasync.model.source import Empty, Source, SourceUser
from ninjasync.names_alike import nearest
from ninjasync.planning.mapping import AttributeMapping, has_value, name_remedy

_CUSTOM = "custom_attributes"
# The fields of a user that Duo documents (Admin API, "Retrieve Users") and that may serve as an attribute.
_FIELDS = frozenset(
    {
        *("alias1", "alias2", "alias3", "alias4", "aliases", "created", "custom_attributes", "email", "external_id"),
        *("firstname", "groups", "is_enrolled", "last_directory_sync", "last_login", "lastname", "lockout_reason"),
        *("notes", "phones", "realname", "status", "tokens", "user_id", "username"),
    }
)
# How many names are listed where none is near.
_MANY = 5


@dataclass(slots=True)
class Noted:
    """What is noted of records while they pass: names, and of held ones which attributes have a value.

    ``custom`` and ``fields`` are names in Duo's records, ``valued`` attribute paths;
    ``full_names`` counts who is held for an empty name beside a full ``realname``.
    """

    custom: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    valued: set[str] = field(default_factory=set)
    full_names: int = 0

    def note_held(self, record: Mapping[str, Any], problems: Iterable[Problem], mapping: AttributeMapping) -> None:
        """Take a record into account whose user is held for these problems."""
        self.fields.update(record)
        for path in mapping.expressions:
            if path not in self.valued and has_value(mapping, path, record):
                self.valued.add(path)
        if record.get("realname") and any(problem.code == "missing-name" for problem in problems):
            self.full_names += 1


def empty_attributes(
    mapping: AttributeMapping, users: Mapping[str, SourceUser], noted: Noted, attributes: Mapping[str, str]
) -> dict[str, Empty]:
    """Return the mapped attributes for which no user in scope has a value, held ones included."""
    left = [(at, path) for at, path in enumerate(mapping.paths) if path not in noted.valued]
    any_user, valid = False, False
    for user in users.values():
        if user.desired is not None:
            values, any_user, valid = user.desired.values, True, True
            if not (left := [(at, path) for at, path in left if not values[at]]):
                break
        elif user.problems:
            any_user = True
    empty = [path for _, path in left] if any_user else []
    if any_user and not valid and USER_NAME not in noted.valued and noted.fields:
        empty.append(USER_NAME)
    return {path: _empty(attributes[path], noted, attributes) for path in empty}


def _empty(expression: str, noted: Noted, attributes: Mapping[str, str]) -> Empty:
    for place in sorted(fields_of(expression)):
        custom = place[0] == _CUSTOM and len(place) > 1
        name, what = (place[1], "custom attribute") if custom else (place[0], "field")
        lacks = Message(f'Duo has no {what} "{{}}"', word(name))
        names = noted.custom if custom else noted.fields | _FIELDS
        if name in names:
            continue
        if near := nearest_name(name, names):
            return Empty(Message('{}, but "{}"', lacks, word(near)), written(near, custom=custom))
        if custom and (unused := sorted(names - _custom_names(attributes))):
            return Empty(Message("{}; what it has and nothing uses: {}", lacks, listed(map(word, unused), _MANY)))
        return Empty(lacks)
    return Empty()


def _custom_names(attributes: Mapping[str, str]) -> set[str]:
    return {place[1] for text in attributes.values() for place in fields_of(text) if place[:-1] == (_CUSTOM,)}


def nearest_name(wrong: str, names: Iterable[str]) -> str:
    """Return which of ``names`` is most likely meant by ``wrong``; empty where none is near."""
    near = nearest(wrong, (name for name in sorted(names, reverse=True) if name != wrong), cutoff=0.75)
    return near[0] if near else ""


def written(name: str, *, custom: bool) -> str:
    """Return a field's or a custom attribute's name as it is written in an expression."""
    quoted = name if name.isascii() and name.isidentifier() else f'"{name}"'
    return f"{_CUSTOM}.{quoted}" if custom else quoted


def empty_warnings(source: Source, attributes: Mapping[str, str]) -> list[Message]:
    """Say which attributes no user in scope has a value for, and which of Duo's may be meant."""
    needed = {problem.code for user in source.users.values() for problem in user.problems}
    said = []
    for path, empty in source.empty.items():
        # Technicians need no organization, so that this one may well be empty.
        if path == ORGANIZATION_ID and not empty.meant and "missing-organization" not in needed:
            continue
        fix = Message(": {}.", _fix(path, attributes[path], empty)) if empty.why else Message("; is the name right?")
        said.append(
            Message(
                "{} = {}: no user in scope has a value for it, so that it is cleared nowhere{}",
                word(f"[attributes] {path.rpartition(':')[2]}"),
                text(attributes[path]),
                fix,
            )
        )
    return said


def _fix(path: str, expression: str, empty: Empty) -> Message:
    if not empty.meant:
        return empty.why
    if is_path(expression):
        return Message("{}: write {}", empty.why, word(line_for(path, empty.meant)))
    return Message("{}: write {} there", empty.why, word(empty.meant))


# --- the held --------------------------------------------------------------------------------

_PATHS: dict[Code, tuple[str, ...]] = {
    "missing-user-name": (USER_NAME,),
    "missing-name": (GIVEN_NAME, FAMILY_NAME),
    "missing-user-type": (USER_TYPE,),
    "missing-organization": (ORGANIZATION_ID,),
}


def commonest(problems: Iterable[Problem], source: Source, attributes: Mapping[str, str]) -> Message:
    """Say in one sentence what most records are held for, the likely cause and its cure; empty where none is held."""
    held = {(problem.resource, problem.external_id or problem.key, problem.code) for problem in problems}
    if not held:
        return NOTHING
    codes = Counter(code for _, _, code in held)
    code, count = min(codes.items(), key=lambda pair: (-pair[1], pair[0]))
    cause = _cause(code, source, attributes)
    return Message("The commonest problem is {} ({}): {}.", word(code), number(count), cause)


def name_remedies(attributes: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return path and line of [attributes] for those whose name is in ``realname`` alone."""
    found = ((path, name_remedy(path, attributes.get(path, ""))) for path in (GIVEN_NAME, FAMILY_NAME))
    return [(path, line) for path, line in found if line and path in attributes]


def _cause(code: Code, source: Source, attributes: Mapping[str, str]) -> Message:
    paths = [path for path in _PATHS.get(code, ()) if path in attributes]
    for path in paths:
        if (empty := source.empty.get(path)) and empty.why:
            return _fix(path, attributes[path], empty)
    if code == "missing-name" and source.full_names and (remedies := name_remedies(attributes)):
        whole = all("(realname)" in attributes[path] for path, _ in remedies)
        why = "a realname of one word" if whole else "their full name in realname"
        lines = join(" and ", (text(line) for _, line in remedies))
        return Message(f"{{}} of them have {why}: write {{}}", number(source.full_names), lines)
    if code in _PATHS and not paths:
        names = join(" and ", (word(path.rpartition(":")[2]) for path in _PATHS[code]))
        return Message("{} is not mapped in {}", names, _ATTRIBUTES)
    if paths:
        texts = join(" or ", map(text, dict.fromkeys(attributes[path] for path in paths)))
        return Message("they have no value for {}: give them one in Duo, or correct the line in {}", texts, _ATTRIBUTES)
    return Message(PROBLEMS[code].common_cause)


_ATTRIBUTES = word("[attributes]")
