"""PatchOp (RFC 7644 §3.5.2): a resource and a list of operations make a new resource.

Knows add, replace and remove with every form of path. Must not know the store, NinjaOne's own rules
or HTTP. What it is given stays as it is: only what changes is copied, since a group may have
ten thousand members.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ninjasync.sandbox.exchange import Json
from ninjasync.sandbox.ninjaone.body import clean_fields, clean_value, require_schema
from ninjasync.sandbox.ninjaone.error import ScimError, invalid_syntax, invalid_value, no_target
from ninjasync.sandbox.ninjaone.filter import Compare, Filter, Path, parse_path, resolve
from ninjasync.sandbox.ninjaone.match import matches
from ninjasync.sandbox.ninjaone.schema import Attribute, Kind

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def apply_patch(kind: Kind, resource: Json, body: Any) -> Json:
    """Return the resource after all operations of a PatchOp message, in order.

    Raises ScimError: invalidSyntax for a malformed message, invalidPath, noTarget, mutability for
    what clients cannot write, invalidValue.
    """
    fields = {key.lower(): value for key, value in body.items()} if isinstance(body, dict) else {}
    require_schema(fields.get("schemas"), PATCH_OP)
    operations = fields.get("operations")
    if not isinstance(operations, list) or not operations:
        raise invalid_syntax("Operations must be a list of at least one operation")
    for operation in operations:
        if not isinstance(operation, dict):
            raise invalid_syntax("an operation must be an object")
        resource = _apply(kind, resource, {key.lower(): value for key, value in operation.items()})
    return resource


def _apply(kind: Kind, resource: Json, operation: Mapping[str, Any]) -> Json:
    op = str(operation.get("op", "")).lower()
    path = operation.get("path")
    if path is not None and not isinstance(path, str):
        raise ScimError(400, "path must be a string", "invalidPath")
    match op:
        case "remove":
            if not path:
                raise no_target("remove needs a path")
            return _remove(kind, resource, path, operation.get("value"))
        case "add" | "replace":
            if "value" not in operation:
                raise invalid_value(f"{op} needs a value")
            if not path:
                return _assign_all(kind, resource, op, operation["value"])
            return _assign(kind, resource, op, path, operation["value"])
        case _:
            raise invalid_syntax(f"unknown op {operation.get('op')!r}")


def _assign_all(kind: Kind, resource: Json, op: str, value: Any) -> Json:
    """Without a path, the value holds attributes by name (RFC 7644 §3.5.2.1); dotted names are taken too."""
    if not isinstance(value, dict):
        raise invalid_value(f"{op} without a path needs an object of attributes")
    for name, given in value.items():
        if kind.extension(name) is None:
            try:
                path = resolve(kind, name)
            except ScimError:
                continue  # as in POST, what the schema does not have is passed over
            if path.attribute.read_only or path.attribute.name == "schemas":
                continue  # Okta repeats the id here
        resource = _assign(kind, resource, op, name, given)
    return resource


def _assign(kind: Kind, resource: Json, op: str, text: str, value: Any) -> Json:
    if urn := kind.extension(text):
        if not isinstance(value, dict):
            raise invalid_value(f"{urn} must be an object")
        extension = clean_fields(kind.extensions[urn], value)
        gone = {attribute.name for name, attribute in kind.extensions[urn].items() if _is_null(value, name)}
        kept = {name: old for name, old in resource.get(urn, {}).items() if name not in gone}
        return _with(resource, urn, {**kept, **extension} or None)
    path, inner = parse_path(kind, text)
    _require_writable(path, inner)
    attribute = path.attribute
    if inner is not None:
        return _at(resource, path, lambda have: _assign_selected(path, inner, op, have, value))
    if attribute.multi:
        if path.sub is not None:
            return _at(resource, path, lambda have: _assign_to_each(path, have, value))
        return _at(resource, path, lambda have: _assign_list(attribute, op, have, value))
    if attribute.type == "complex":
        given = value if path.sub is None else {path.sub.name: value}
        return _at(resource, path, lambda have: _merge(attribute, have, given))
    return _at(resource, path, lambda have: clean_value(attribute, value))


def _is_null(value: Mapping[str, Any], name: str) -> bool:
    return any(key.lower() == name and given is None for key, given in value.items())


def _require_writable(path: Path, inner: Filter | None) -> None:
    parts = [path.attribute] if path.sub is None else [path.attribute, path.sub]
    for part in parts:
        if part.read_only or part.mutability == "immutable" or part.name == "schemas":
            raise ScimError(400, f"{part.name} cannot be changed", "mutability")
    if inner is not None and not path.attribute.multi:
        raise ScimError(400, f"{path.attribute.name} has one value only, a filter cannot choose", "invalidPath")


def _at(resource: Json, path: Path, change: Callable[[Any], Any]) -> Json:
    """Return the resource with the changed value of that attribute; None takes the attribute away."""
    name = path.attribute.name
    if path.urn is None:
        return _with(resource, name, change(resource.get(name)))
    extension = resource.get(path.urn, {})
    return _with(resource, path.urn, _with(extension, name, change(extension.get(name))) or None)


def _with(holder: Json, name: str, value: Any) -> Json:
    changed = dict(holder)
    if value is None:
        changed.pop(name, None)
    else:
        changed[name] = value
    return changed


def _merge(attribute: Attribute, have: Json | None, value: Any) -> Json | None:
    """Sub-attributes that are not named stay as they are (RFC 7644 §3.5.2.3)."""
    if value is None:
        return None
    new = clean_value(attribute, value) or {}
    gone = {sub.name for name, sub in attribute.children.items() if _is_null(value, name)}
    return {**{name: old for name, old in (have or {}).items() if name not in gone}, **new} or None


def _assign_list(attribute: Attribute, op: str, have: list[Any] | None, value: Any) -> list[Any] | None:
    new = clean_value(attribute, value) or []
    kept = list(have or []) if op == "add" else []
    if attribute.name == "members":
        seen = {item["value"] for item in kept}
        added = list({item["value"]: item for item in new if item["value"] not in seen}.values())
    else:
        added = [item for index, item in enumerate(new) if item not in kept and item not in new[:index]]
    if any(item.get("primary") is True for item in added):
        kept = [{**item, "primary": False} if item.get("primary") else item for item in kept]
    return (kept + added) or None


def _assign_to_each(path: Path, have: list[Any] | None, value: Any) -> list[Any]:
    if not have:
        raise no_target(f"{path.attribute.name} has no value to change")
    return [_changed(path, item, "replace", value) for item in have]


def _assign_selected(path: Path, inner: Filter, op: str, have: list[Any] | None, value: Any) -> list[Any]:
    chosen = _selection(inner, have or [])
    if not any(chosen):
        raise no_target(f"no value of {path.attribute.name} matches the filter")
    items = [_changed(path, item, op, value) if hit else item for item, hit in zip(have or [], chosen, strict=True)]
    primary = [item.get("primary") is True for item in items]
    if sum(primary) > 1:  # the one just set takes over from the one before (RFC 7644 §3.5.2)
        items = [
            {**item, "primary": False} if first and not hit else item
            for item, first, hit in zip(items, primary, chosen, strict=True)
        ]
    return items


def _changed(path: Path, item: Json, op: str, value: Any) -> Json:
    given = value if path.sub is None else {path.sub.name: value}
    if not isinstance(given, dict):
        raise invalid_value(f"{path.attribute.name} must be an object")
    whole = op == "replace" and path.sub is None
    if path.attribute.name == "members" and given.get("value", item["value"]) != item["value"]:
        raise ScimError(400, "value cannot be changed", "mutability")
    base = {} if whole else {name: old for name, old in item.items() if not _is_null(given, name.lower())}
    return {**base, **clean_fields(path.attribute.children, given)}


def _selection(inner: Filter, items: list[Json]) -> list[bool]:
    if isinstance(inner, Compare) and inner.op == "eq" and inner.path.attribute.case_exact:
        name, wanted = inner.path.attribute.name, inner.value
        return [item.get(name) == wanted for item in items]
    return [matches(inner, item) for item in items]


def _remove(kind: Kind, resource: Json, text: str, value: Any) -> Json:
    if urn := kind.extension(text):
        return _with(resource, urn, None)
    path, inner = parse_path(kind, text)
    _require_writable(path, inner)
    attribute, sub = path.attribute, path.sub
    if attribute.multi:
        if inner is None and sub is None and value is not None:
            return _at(resource, path, lambda have: _remove_listed(attribute, have, value))
        return _at(resource, path, lambda have: _remove_selected(path, inner, have))
    if sub is not None:
        return _at(resource, path, lambda have: _with(have or {}, sub.name, None) or None)
    return _at(resource, path, lambda have: None)


def _remove_listed(attribute: Attribute, have: list[Any] | None, value: Any) -> list[Any] | None:
    """Entra ID names the values to take away in ``value``; the RFC has only the filter for it."""
    gone = {item.get("value") for item in clean_value(attribute, value) or []}
    return [item for item in have or [] if item.get("value") not in gone] or None


def _remove_selected(path: Path, inner: Filter | None, have: list[Any] | None) -> list[Any] | None:
    items = have or []
    chosen = [True] * len(items) if inner is None else _selection(inner, items)
    if path.sub is None:
        return [item for item, hit in zip(items, chosen, strict=True) if not hit] or None
    name = path.sub.name
    stripped = [_with(item, name, None) if hit else item for item, hit in zip(items, chosen, strict=True)]
    return [item for item in stripped if item] or None
