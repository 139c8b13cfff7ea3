"""From what a client sent to what is stored (RFC 7643 §2, RFC 7644 §3.3 and §3.5.1), and back out.

Knows types, spelling and which attributes are returned. Must not know PATCH, NinjaOne's own rules,
the store, or who asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ninjasync.sandbox.exchange import Json
from ninjasync.sandbox.ninjaone.error import ScimError, invalid_syntax, invalid_value
from ninjasync.sandbox.ninjaone.filter import Path, resolve
from ninjasync.sandbox.ninjaone.schema import Attribute, Kind

_ALWAYS = ("schemas", "id")


def clean_resource(kind: Kind, body: Any) -> Json:
    """Return a whole resource as stored, without ``id`` and ``meta``.

    What is read-only or unknown to the schema is dropped, as is null and the empty list, which mean
    "no value" (RFC 7643 §2.5). Raises ScimError invalidSyntax where the body is no resource of this
    kind, invalidValue for a value of the wrong type.
    """
    if not isinstance(body, dict):
        raise invalid_syntax("the body must be a JSON object")
    fields = {key.lower(): value for key, value in body.items()}
    require_schema(fields.get("schemas"), kind.schema)
    resource: Json = {"schemas": [kind.schema]}
    resource |= clean_fields(kind.attributes, body)
    for urn, attributes in kind.extensions.items():
        given = fields.get(urn.lower())
        if given is None:
            continue
        if not isinstance(given, dict):
            raise invalid_value(f"{urn} must be an object")
        if extension := clean_fields(attributes, given):
            resource[urn] = extension
    return resource


def require_schema(schemas: Any, wanted: str) -> None:
    """Raise ScimError invalidSyntax unless the message names that schema (RFC 7643 §3)."""
    if not isinstance(schemas, list) or wanted.lower() not in [str(urn).lower() for urn in schemas]:
        raise invalid_syntax(f"schemas must name {wanted}")


def clean_fields(attributes: Mapping[str, Attribute], given: Mapping[str, Any]) -> Json:
    """Return the known and writable ones of these attributes, spelled as in the schema."""
    cleaned: Json = {}
    for name, value in given.items():
        attribute = attributes.get(name.lower())
        if attribute is None or attribute.read_only or attribute.name == "schemas":
            continue
        stored = clean_value(attribute, value)
        if stored is not None:
            cleaned[attribute.name] = stored
    return cleaned


def clean_value(attribute: Attribute, value: Any) -> Any:
    """Return the value as stored; None for "no value". A single item is taken for a list of one."""
    if not attribute.multi:
        return _clean_item(attribute, value)
    items = [_clean_item(attribute, item) for item in (value if isinstance(value, list) else [value])]
    kept = [item for item in items if item is not None]
    if sum(isinstance(item, dict) and item.get("primary") is True for item in kept) > 1:
        raise invalid_value(f"{attribute.name}: only one value can be primary")
    return kept or None


def _clean_item(attribute: Attribute, value: Any) -> Any:
    if value is None:
        return None
    match attribute.type:
        case "complex":
            return _clean_complex(attribute, value)
        case "boolean":
            return _clean_boolean(attribute, value)
        case _:
            if attribute.number_ok and isinstance(value, int | float) and not isinstance(value, bool):
                return str(value)
            if not isinstance(value, str):
                raise invalid_value(f"{attribute.name} must be a string")
            return value


def _clean_complex(attribute: Attribute, value: Any) -> Json | None:
    if not isinstance(value, dict):
        raise invalid_value(f"{attribute.name} must be an object")
    cleaned = clean_fields(attribute.children, value)
    for sub in attribute.sub:
        if sub.required and sub.name not in cleaned:
            raise invalid_value(f"{attribute.name} must have a {sub.name}")
    return cleaned or None


def _clean_boolean(attribute: Attribute, value: Any) -> bool:
    # Entra ID sends "True" and "False"; NinjaOne is known to work with it.
    spelled = {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(spelled, bool):
        raise invalid_value(f"{attribute.name} must be true or false")
    return spelled


def project(kind: Kind, resource: Json, attributes: str, excluded: str) -> Json:
    """Return the resource with only, or without, the listed attributes (RFC 7644 §3.9).

    Both are comma-separated paths; ``schemas`` and ``id`` are always returned. A name that the
    schema does not have matches nothing.
    """
    if attributes:
        return _only(resource, _paths(kind, attributes))
    if excluded:
        return _without(resource, _paths(kind, excluded))
    return resource


def _paths(kind: Kind, names: str) -> list[Path | str]:
    paths: list[Path | str] = []
    for name in filter(None, map(str.strip, names.split(","))):
        if urn := kind.extension(name):
            paths.append(urn)
            continue
        try:
            paths.append(resolve(kind, name))
        except ScimError:
            continue
    return paths


def _only(resource: Json, paths: Iterable[Path | str]) -> Json:
    kept: Json = {key: resource[key] for key in _ALWAYS if key in resource}
    for path in paths:
        if isinstance(path, str):
            if path in resource:
                kept[path] = resource[path]
            continue
        source = resource if path.urn is None else resource.get(path.urn, {})
        name = path.attribute.name
        if name not in source:
            continue
        target = kept if path.urn is None else kept.setdefault(path.urn, {})
        target[name] = source[name] if path.sub is None else _parts(source[name], target.get(name), path.sub)
    return kept


def _parts(value: Any, so_far: Any, sub: Attribute) -> Any:
    if isinstance(value, list):
        earlier = so_far or [{} for _ in value]
        return [_parts(item, kept, sub) for item, kept in zip(value, earlier, strict=True)]
    return {**(so_far or {}), **({sub.name: value[sub.name]} if sub.name in value else {})}


def _without(resource: Json, paths: Iterable[Path | str]) -> Json:
    kept = dict(resource)
    for path in paths:
        if isinstance(path, str):
            kept.pop(path, None)
            continue
        holder = kept
        if path.urn is not None:
            holder = kept[path.urn] = dict(kept.get(path.urn, {}))
        name = path.attribute.name
        if name not in holder or path.attribute.returned == "always":
            continue
        if path.sub is None:
            del holder[name]
        else:
            holder[name] = _strip(holder[name], path.sub.name)
    return kept


def _strip(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [_strip(item, name) for item in value]
    return {key: part for key, part in value.items() if key != name}
