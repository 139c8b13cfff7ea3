"""Why attributes are empty and records are held: what most likely is wrong, and the line that puts it right.

Pure. Knows the operator's expressions and which names Duo's records have; knows nothing of
how they are read or shown. Values of records do not get into any sentence.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ninjasync.config.expression import fields_of, is_path
from ninjasync.model.attributes import FAMILY_NAME, GIVEN_NAME, ORGANIZATION_ID, USER_NAME, USER_TYPE, line_for
from ninjasync.model.directory import Problem
from ninjasync.model.source import Empty, Source, SourceUser
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
    """Return the mapped attributes for which nobody in scope has a value, held ones included."""
    left = [(at, path) for at, path in enumerate(mapping.paths) if path not in noted.valued]
    anybody, valid = False, False
    for user in users.values():
        if user.desired is not None:
            values, anybody, valid = user.desired.values, True, True
            if not (left := [(at, path) for at, path in left if not values[at]]):
                break
        elif user.problems:
            anybody = True
    empty = [path for _, path in left] if anybody else []
    if anybody and not valid and USER_NAME not in noted.valued and noted.fields:
        empty.append(USER_NAME)
    return {path: _empty(attributes[path], noted, attributes) for path in empty}


def _empty(text: str, noted: Noted, attributes: Mapping[str, str]) -> Empty:
    for place in sorted(fields_of(text)):
        custom = place[0] == _CUSTOM and len(place) > 1
        name, what = (place[1], "custom attribute") if custom else (place[0], "field")
        names = noted.custom if custom else noted.fields | _FIELDS
        if name in names:
            continue
        if near := nearest_name(name, names):
            return Empty(f'Duo has no {what} "{name}", but "{near}"', written(near, custom=custom))
        if custom and (unused := sorted(names - _custom_names(attributes))):
            more = f" and {len(unused) - _MANY} more" if len(unused) > _MANY else ""
            return Empty(f'Duo has no {what} "{name}"; what it has and nothing uses: {", ".join(unused[:_MANY])}{more}')
        return Empty(f'Duo has no {what} "{name}"')
    return Empty()


def _custom_names(attributes: Mapping[str, str]) -> set[str]:
    return {place[1] for text in attributes.values() for place in fields_of(text) if place[:-1] == (_CUSTOM,)}


def nearest_name(wrong: str, names: Iterable[str]) -> str:
    """Return which of ``names`` is most likely meant by ``wrong``; empty where none is near."""
    others = {name.casefold(): name for name in sorted(names, reverse=True) if name != wrong}
    near = difflib.get_close_matches(wrong.casefold(), others, n=1, cutoff=0.75)
    return others[near[0]] if near else ""


def written(name: str, *, custom: bool) -> str:
    """Return a field's or a custom attribute's name as it is written in an expression."""
    quoted = name if name.isascii() and name.isidentifier() else f'"{name}"'
    return f"{_CUSTOM}.{quoted}" if custom else quoted


def empty_warnings(source: Source, attributes: Mapping[str, str]) -> list[str]:
    """Say which attributes nobody in scope has a value for, and which of Duo's may be meant."""
    needed = {problem.code for user in source.users.values() for problem in user.problems}
    said = []
    for path, empty in source.empty.items():
        # Technicians need no organization, so that this one may well be empty.
        if path == ORGANIZATION_ID and not empty.meant and "missing-organization" not in needed:
            continue
        why = f": {_fix(path, attributes[path], empty)}" if empty.why else "; is the name right?"
        said.append(
            f"[attributes] {path.rpartition(':')[2]} = {attributes[path]}: nobody in scope has a value for it, so that "
            f"it is cleared nowhere{why}{'.' if empty.why else ''}"
        )
    return said


def _fix(path: str, text: str, empty: Empty) -> str:
    if not empty.meant:
        return empty.why
    if is_path(text):
        return f"{empty.why}: write {line_for(path, empty.meant)}"
    return f"{empty.why}: write {empty.meant} there"


# --- the held --------------------------------------------------------------------------------

_PATHS = {
    "missing-user-name": (USER_NAME,),
    "missing-name": (GIVEN_NAME, FAMILY_NAME),
    "missing-user-type": (USER_TYPE,),
    "missing-organization": (ORGANIZATION_ID,),
}
_OTHERWISE = {
    "invalid-user-name": "what is mapped to userName is no e-mail address: map what holds one, or correct it in Duo",
    "duplicate-user-name": "several users of Duo share an address: give each an address of their own",
    "invalid-user-type": 'the value is not "technician" or "endUser", exactly: correct it in Duo',
    "invalid-organization": 'the value is neither a number nor "All": correct it in Duo',
    "unknown-organization": "NinjaOne has no such organization: correct the value in Duo or in [organizations]",
    "unknown-status": "Duo gives a status that ninjasync does not know: look at these users in Duo",
    "name-taken": "other accounts in NinjaOne hold their names: rename or delete those, or change the address in Duo",
    "expression-failed": "an expression of the configuration fails on the records: correct it",
    "unreadable-record": "records could not be read: look at them in their console, and run again",
    "duplicate-group-name": "several groups would get one name: rename them in Duo or with [groups] rename",
}


def commonest(problems: Iterable[Problem], source: Source, attributes: Mapping[str, str]) -> str:
    """Say in one sentence what most records are held for, the likely cause and its cure; empty where none is held."""
    held = {(problem.resource, problem.external_id or problem.key, problem.code) for problem in problems}
    if not held:
        return ""
    codes = Counter(code for _, _, code in held)
    code, number = min(codes.items(), key=lambda pair: (-pair[1], pair[0]))
    return f"The commonest problem is {code} ({number}): {_cause(code, source, attributes)}."


def name_remedies(attributes: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return path and line of [attributes] for those whose name is in ``realname`` alone."""
    found = ((path, name_remedy(path, attributes.get(path, ""))) for path in (GIVEN_NAME, FAMILY_NAME))
    return [(path, line) for path, line in found if line and path in attributes]


def _cause(code: str, source: Source, attributes: Mapping[str, str]) -> str:
    paths = [path for path in _PATHS.get(code, ()) if path in attributes]
    for path in paths:
        if (empty := source.empty.get(path)) and empty.why:
            return _fix(path, attributes[path], empty)
    if code == "missing-name" and source.full_names and (remedies := name_remedies(attributes)):
        whole = all("(realname)" in attributes[path] for path, _ in remedies)
        why = "a realname of one word" if whole else "their full name in realname"
        return f"{source.full_names} of them have {why}: write {' and '.join(line for _, line in remedies)}"
    if code in _PATHS and not paths:
        return f"{' and '.join(path.rpartition(':')[2] for path in _PATHS[code])} is not mapped in [attributes]"
    if paths:
        texts = " or ".join(dict.fromkeys(attributes[path] for path in paths))
        return f"they have no value for {texts}: give them one in Duo, or correct the line in [attributes]"
    return _OTHERWISE.get(code, "ninjasync plan says what each of them lacks")
