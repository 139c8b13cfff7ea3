"""The bodies of writes: resources and PatchOp as JSON (RFC 7643, RFC 7644), as the dialect wants them.

Pure. Must not know HTTP, nor the order of a change's requests (``change_requests``).
"""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any

from ninjasync.config.ninjaone import Dialect
from ninjasync.model import attributes
from ninjasync.model.attributes import ACTIVE, DISPLAY_NAME, EXTERNAL_ID, MEMBERS, ORGANIZATION_ID, USER_NAME, USER_TYPE
from ninjasync.model.change import Delta, Value
from ninjasync.model.directory import Resource
from ninjasync.model.values import ALL_ORGANIZATIONS, TECHNICIAN
from ninjasync.ninjaone.scim_responses import Json, UnreadableResourceError, read_group

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def new_user(external_id: str, diff: Iterable[Delta], dialect: Dialect) -> Json:
    """Return the body of a POST to /Users (RFC 7644 §3.3). ``diff`` holds every attribute's value."""
    body: Json = {"schemas": [attributes.CORE_USER], ACTIVE: _value(ACTIVE, True, dialect)}
    if dialect.external_id:
        body[EXTERNAL_ID] = external_id
    for delta in diff:
        _put(body, delta, dialect)
    return body


def new_group(external_id: str, display_name: str, members: Iterable[str], dialect: Dialect) -> Json:
    """Return the body of a POST to /Groups; ``members`` are NinjaOne ids."""
    body: Json = {"schemas": [attributes.CORE_GROUP], DISPLAY_NAME: display_name}
    if dialect.external_id:
        body[EXTERNAL_ID] = external_id
    if listed := _member_values(members):
        body[MEMBERS] = listed
    return body


def patch(diff: Iterable[Delta], dialect: Dialect) -> Json:
    """Return a PatchOp with one operation for each attribute, by path (RFC 7644 §3.5.2)."""
    operations: list[Json] = []
    for delta in diff:
        if delta.after is None:
            operations.append({"op": _op("remove", dialect), "path": delta.path})
        else:
            value = _value(delta.path, delta.after, dialect)
            operations.append({"op": _op("replace", dialect), "path": delta.path, "value": value})
    return _patch_op(operations)


def patch_rounds(diff: tuple[Delta, ...]) -> tuple[tuple[Delta, ...], ...]:
    """Split a change of attributes into those that go into one request each.

    Some servers refuse every change of an inactive account but the one that makes it active.
    """
    awakening = tuple(delta for delta in diff if delta.path == ACTIVE and delta.after is True)
    rest = tuple(delta for delta in diff if delta not in awakening)
    return tuple(some for some in (awakening, rest) if some)


def parts(diff: Iterable[Delta]) -> list[tuple[Delta, ...]]:
    """Split a change of attributes into those that can be sent alone.

    The type and the organization stay together: an end user without an organization may
    see those of all others.
    """
    rights = tuple(delta for delta in diff if delta.path in (USER_TYPE, ORGANIZATION_ID))
    alone = [(delta,) for delta in diff if delta not in rights]
    return [*alone, *([rights] if rights else [])]


def omissions(paths: Iterable[str]) -> list[frozenset[str]]:
    """Return what to leave out of a refused creation, one after another, to find out what was refused.

    Never what a resource cannot be without, nor what its rights hang on.
    """
    optional = [path for path in paths if path not in (USER_NAME, DISPLAY_NAME, USER_TYPE, ORGANIZATION_ID)]
    extras = frozenset(path for path in optional if not path.startswith("name.") and path not in (EXTERNAL_ID, MEMBERS))
    single = [frozenset([path]) for path in sorted(optional, key=lambda path: path != EXTERNAL_ID)]
    found = [*single[:1], extras, *single[1:], extras | {EXTERNAL_ID}, frozenset(optional)]
    return [one & frozenset(optional) for one in dict.fromkeys(found) if one & frozenset(optional)]


def member_batches(
    added: Sequence[str], removed: Sequence[str], size: int
) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Split member changes (NinjaOne ids) into what goes into one request each: additions first."""
    for start in range(0, len(added), size):
        yield added[start : start + size], ()
    for start in range(0, len(removed), size):
        yield (), removed[start : start + size]


def member_patch(added: Sequence[str], removed: Sequence[str], dialect: Dialect) -> Json:
    """Return a PatchOp that adds and removes members.

    Never replaces the list and never removes members without naming them (RFC 7644 §3.5.2.2).
    """
    operations: list[Json] = []
    if added:
        operations.append({"op": _op("add", dialect), "path": MEMBERS, "value": _member_values(added)})
    remove = _op("remove", dialect)
    if removed and dialect.member_removal == "list":
        operations.append({"op": remove, "path": MEMBERS, "value": _member_values(removed)})
    elif removed:
        operations += [{"op": remove, "path": f"{MEMBERS}[value eq {quoted(one)}]"} for one in removed]
    return _patch_op(operations)


def replaces(resource: Resource, dialect: Dialect) -> bool:
    """Whether a resource of this kind is changed by PUT."""
    return ((dialect.group_patch if resource == "group" else "") or dialect.patch) == "put"


def put_resource(row: Json, diff: Iterable[Delta], whole: Iterable[tuple[str, str]], dialect: Dialect) -> Json:
    """Return the body of a PUT (RFC 7644 §3.5.1): ``row`` as it was read, changed by ``diff``.

    What the server does not show would be lost by a PUT, so ``whole`` is put in too.
    """
    body: Json = deepcopy({key: value for key, value in row.items() if key.casefold() not in ("meta", "groups")})
    rows = [Delta(path, None, value) for path, value in whole]
    for delta in (*rows, *diff):
        _put(body, delta, dialect)
    return body


def put_members(row: Json, added: Iterable[str], removed: Iterable[str], known: Iterable[str] | None = None) -> Json:
    """Return the body of a PUT that changes a group's members, or keeps them.

    ``known`` are members beside those that it shows; None where nothing is known of any.
    Then UnreadableResourceError is raised where the group shows none: they would be lost.
    """
    body: Json = {key: value for key, value in row.items() if key.casefold() not in ("meta", MEMBERS)}
    there = read_group(row).members
    if there is None and known is None:
        raise UnreadableResourceError("does not show its members, which a PUT would remove")
    spelling = {id_.lower(): id_ for id_ in (*(known or ()), *added, *(there or ()))}
    gone = {id_.lower() for id_ in removed}
    body[MEMBERS] = _member_values(sorted(id_ for folded, id_ in spelling.items() if folded not in gone))
    return body


def leaner(body: Json, own: Iterable[str]) -> Iterator[Json]:
    """Yield ``body`` with less of what the server itself showed, for one that refuses its own echo.

    First without what is empty, then with nothing but ``own`` attributes (top-level names or
    URNs) and what a resource cannot be without.
    """
    full: Json = _without_empties(body)
    yield full
    kept = {name.casefold() for name in (*own, *_OF_EVERY_BODY)}
    yield {key: value for key, value in full.items() if key.casefold() in kept}


_OF_EVERY_BODY = ("schemas", "id", EXTERNAL_ID, USER_NAME, DISPLAY_NAME, "name", ACTIVE, MEMBERS)


def _without_empties(value: Any) -> Any:
    match value:
        case dict():
            found = {key: _without_empties(each) for key, each in value.items()}
            return {key: each for key, each in found.items() if each not in (None, "", [], {}) or key == MEMBERS}
        case list():
            whole = [each for each in value if not isinstance(each, dict) or each.get("value", 0) not in (None, "")]
            return [each for each in map(_without_empties, whole) if each not in (None, "", [], {})]
        case _:
            return value


def _put(body: Json, delta: Delta, dialect: Dialect) -> None:
    urn, names = attributes.split(delta.path)
    place = body
    if urn:
        key = _key(body, urn)
        if not isinstance(body.get(key), dict):
            body[key] = {}
        place = body[key]
        schemas = body.setdefault("schemas", [])
        if isinstance(schemas, list) and urn not in schemas:
            schemas.append(urn)
    for name in names[:-1]:
        key = _key(place, name)
        if not isinstance(place.get(key), dict):
            place[key] = {}
        place = place[key]
    key = _key(place, names[-1])
    if delta.after is None:
        place.pop(key, None)
    else:
        place[key] = _value(delta.path, delta.after, dialect)


def _key(place: Json, name: str) -> str:
    """Return the key under which ``place`` has ``name``, which may be in other letter case."""
    return next((key for key in place if key.casefold() == name.casefold()), name)


def quoted(text: str) -> str:
    """Return ``text`` as a string of a SCIM filter (RFC 7644 §3.4.2.2: JSON's rules)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _patch_op(operations: list[Json]) -> Json:
    return {"schemas": [PATCH_OP], "Operations": operations}


def _op(name: str, dialect: Dialect) -> str:
    return name.title() if dialect.patch_op_case == "title" else name


def _member_values(ids: Iterable[str]) -> list[Json]:
    return [{"value": id_} for id_ in ids]


def _value(path: str, value: Value, dialect: Dialect) -> Any:
    """Return ``value`` in the spelling and JSON type that the endpoint wants."""
    if isinstance(value, bool):
        return str(value).title() if dialect.booleans == "string" else value
    if path == USER_TYPE and value == TECHNICIAN:
        return dialect.technician_value
    if path == ORGANIZATION_ID and value == ALL_ORGANIZATIONS:
        return dialect.all_value
    if path == ORGANIZATION_ID and value is not None and dialect.organization_id_type == "number":
        return int(value)
    return value
