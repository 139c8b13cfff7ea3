"""The SCIM protocol over a NinjaOne (RFC 7644): one request in, one response out.

Knows endpoints, paging, entity tags and bearer tokens. Must not know sockets, nor how filters,
patches and NinjaOne's rules work inside.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service, json_response
from ninjasync.sandbox.ninjaone.body import clean_resource, project
from ninjasync.sandbox.ninjaone.error import ScimError, invalid_syntax, invalid_value, not_found
from ninjasync.sandbox.ninjaone.filter import Both, Compare, Filter, parse_filter, resolve
from ninjasync.sandbox.ninjaone.match import find_values, matches
from ninjasync.sandbox.ninjaone.patch import apply_patch
from ninjasync.sandbox.ninjaone.schema import KINDS, RESOURCE_TYPES, SCHEMAS, Kind, describe_service
from ninjasync.sandbox.ninjaone.store import NinjaOne

BASE_PATH = "/scim/v2"
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_MEDIA_TYPE = "application/scim+json"
_ACCEPTED = (_MEDIA_TYPE, "application/json")
_DEFAULT_COUNT = 100
_NOT_IMPLEMENTED = ("Bulk", "Me", ".search")  # all three are optional (RFC 7644 §3)
_ENDPOINTS: Mapping[str, Kind] = {kind.endpoint: kind for kind in KINDS.values()}


@dataclass(frozen=True, slots=True)
class _Call:
    """A request on its way through: the store, what was asked for, and the service's own address."""

    store: NinjaOne
    request: HttpRequest
    params: Mapping[str, str]
    base: str


_Headers: TypeAlias = tuple[tuple[str, str], ...]
_Answer: TypeAlias = tuple[int, Json | None, _Headers]


def scim_api(store: NinjaOne, token: str) -> Service:
    """Return a SCIM service provider over that store, for clients that send that bearer token."""

    def answer(request: HttpRequest) -> HttpResponse:
        try:
            _require_token(request, token)
            call = _Call(store, request, request.params, f"http://{request.host}{request.mount}{BASE_PATH}")
            with store.lock:
                status, document, headers = _dispatch(call)
        except ScimError as error:
            return _error(error)
        if document is None:
            return HttpResponse(status, headers=headers)
        return json_response(status, document, media_type=_MEDIA_TYPE, headers=headers)

    return answer


def _error(error: ScimError) -> HttpResponse:
    headers = (("WWW-Authenticate", "Bearer"),) if error.status == 401 else ()
    return json_response(error.status, error.document(), media_type=_MEDIA_TYPE, headers=headers)


def _require_token(request: HttpRequest, token: str) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise ScimError(401, "the token is missing, wrong or expired")


def _dispatch(call: _Call) -> _Answer:
    path = call.request.path
    if not path.startswith(BASE_PATH + "/"):
        raise not_found(path)
    if call.params.get("attributes") and call.params.get("excludedAttributes"):
        raise invalid_value("attributes and excludedAttributes exclude one another")  # RFC 7644 §3.9
    name, *rest = [unquote(part) for part in path.removeprefix(BASE_PATH).strip("/").split("/")]
    if document := _discovery(call, name, rest):
        if call.request.method != "GET":
            raise _not_allowed(call)
        return 200, document, ()
    if name in _NOT_IMPLEMENTED:
        raise ScimError(501, f"{name} is not implemented")
    kind = _ENDPOINTS.get("/" + name)
    if kind is None or len(rest) > 1:
        raise not_found(path)
    if not rest:
        operation = _ON_COLLECTION.get(call.request.method)
        if operation is None:
            raise _not_allowed(call)
        return operation(call, kind)
    on_one = _ON_RESOURCE.get(call.request.method)
    if on_one is None:
        raise _not_allowed(call)
    return on_one(call, kind, rest[0])


def _not_allowed(call: _Call) -> ScimError:
    return ScimError(405, f"{call.request.method} is not possible here")


# Discovery (RFC 7644 §4)


def _discovery(call: _Call, name: str, rest: list[str]) -> Json | None:
    if name == "ServiceProviderConfig" and not rest:
        return _located(call, describe_service(call.store.page_cap), name)
    documents = {"Schemas": SCHEMAS, "ResourceTypes": RESOURCE_TYPES}.get(name)
    if documents is None:
        return None
    if "filter" in call.params:
        raise ScimError(403, "discovery cannot be filtered")  # RFC 7644 §4
    if not rest:
        found = [_located(call, document, f"{name}/{key}") for key, document in documents.items()]
        return _list_response(found, len(found), 1)
    for key, document in documents.items():
        if rest == [key]:
            return _located(call, document, f"{name}/{key}")
    raise not_found("/".join((name, *rest)))


def _located(call: _Call, document: Json, where: str) -> Json:
    return {**document, "meta": {**document["meta"], "location": f"{call.base}/{where}"}}


# Collections


def _list(call: _Call, kind: Kind) -> _Answer:
    params = call.params
    start = max(1, _number(params, "startIndex", 1))
    count = min(max(0, _number(params, "count", _DEFAULT_COUNT)), call.store.page_cap)
    table = call.store.table(kind)
    tree = parse_filter(kind, params["filter"]) if params.get("filter") else None
    if tree is None and not params.get("sortBy"):
        page = islice(table.values(), start - 1, start - 1 + count)
        found, total = [_render(call, kind, resource) for resource in page], len(table)
    else:
        chosen = _search(call, kind, tree)
        if by := params.get("sortBy"):
            chosen = _sorted(kind, chosen, by, params.get("sortOrder", "ascending"))
        found, total = chosen[start - 1 : start - 1 + count], len(chosen)
    return 200, _list_response([_projected(call, kind, each) for each in found], total, start), ()


def _list_response(resources: list[Json], total: int, start: int) -> Json:
    return {
        "schemas": [LIST_RESPONSE],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(params.get(name, default))
    except ValueError:
        raise invalid_value(f"{name} must be a whole number") from None


def _search(call: _Call, kind: Kind, tree: Filter | None) -> list[Json]:
    table = call.store.table(kind)
    narrowed = None if tree is None else _narrowed(call.store, kind, tree)
    candidates: Iterable[str] = table if narrowed is None else narrowed
    rendered = (_render(call, kind, table[resource_id]) for resource_id in candidates)
    return [resource for resource in rendered if tree is None or matches(tree, resource)]


def _narrowed(store: NinjaOne, kind: Kind, tree: Filter) -> list[str] | None:
    """Return the only ids that can match, where an index tells; else None. Each is still compared."""
    match tree:
        case Compare(path, "eq", str(value)) if path.urn is None:
            return store.find(kind, path.attribute.name, value)
        case Both(left, right):
            narrowed = _narrowed(store, kind, left)
            return _narrowed(store, kind, right) if narrowed is None else narrowed
        case _:
            return None


def _sorted(kind: Kind, resources: list[Json], by: str, order: str) -> list[Json]:
    """By that attribute, those without it last; descending turns all of it round (RFC 7644 §3.4.2.3)."""
    path = resolve(kind, by)

    def key(resource: Json) -> tuple[bool, str]:
        values = [str(value) for value in find_values(resource, path)]
        return not values, (values or [""])[0] if path.leaf.case_exact else (values or [""])[0].lower()

    return sorted(resources, key=key, reverse=order.lower() == "descending")


def _create(call: _Call, kind: Kind) -> _Answer:
    stored = call.store.create(kind, clean_resource(kind, _body(call)))
    rendered = _render(call, kind, stored)
    location = ("Location", rendered["meta"]["location"])
    return 201, _projected(call, kind, rendered), (*_entity_tag(stored), location)


# One resource


def _get(call: _Call, kind: Kind, resource_id: str) -> _Answer:
    stored = call.store.get(kind, resource_id)
    if _names_version(call.request.headers.get("if-none-match"), stored):
        return 304, None, _entity_tag(stored)
    return 200, _projected(call, kind, _render(call, kind, stored)), _entity_tag(stored)


def _replace(call: _Call, kind: Kind, resource_id: str) -> _Answer:
    _require_version(call, call.store.get(kind, resource_id))
    stored = call.store.update(kind, resource_id, clean_resource(kind, _body(call)))
    return 200, _projected(call, kind, _render(call, kind, stored)), _entity_tag(stored)


def _patch(call: _Call, kind: Kind, resource_id: str) -> _Answer:
    before = call.store.get(kind, resource_id)
    _require_version(call, before)
    stored = call.store.update(kind, resource_id, apply_patch(kind, before, _body(call)))
    return 200, _projected(call, kind, _render(call, kind, stored)), _entity_tag(stored)


def _delete(call: _Call, kind: Kind, resource_id: str) -> _Answer:
    _require_version(call, call.store.get(kind, resource_id))
    call.store.delete(kind, resource_id)
    return 204, None, ()


_ON_COLLECTION: Mapping[str, Callable[[_Call, Kind], _Answer]] = {"GET": _list, "POST": _create}
_ON_RESOURCE: Mapping[str, Callable[[_Call, Kind, str], _Answer]] = {
    "GET": _get,
    "PUT": _replace,
    "PATCH": _patch,
    "DELETE": _delete,
}


def _entity_tag(stored: Json) -> _Headers:
    version = stored.get("meta", {}).get("version")
    return (("ETag", version),) if version else ()


def _require_version(call: _Call, stored: Json) -> None:
    wanted = call.request.headers.get("if-match")
    if wanted is not None and not _names_version(wanted, stored):
        raise ScimError(412, "the resource has changed since that version")


def _names_version(header: str | None, stored: Json) -> bool:
    if header is None:
        return False
    version = stored.get("meta", {}).get("version", "").removeprefix("W/")
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or version in tags


def _body(call: _Call) -> Any:
    media_type = call.request.headers.get("content-type", _MEDIA_TYPE).partition(";")[0].strip().lower()
    if media_type not in _ACCEPTED:
        raise ScimError(415, f"the body must be {_MEDIA_TYPE}")
    try:
        return json.loads(call.request.body)
    except (ValueError, RecursionError):
        raise invalid_syntax("the body is no JSON") from None


# What goes out


def _render(call: _Call, kind: Kind, stored: Json) -> Json:
    """Return the resource as a client sees it, with addresses and what is made up on the spot."""
    location = f"{call.base}{kind.endpoint}/{quote(stored['id'], safe='')}"
    rendered: Json = {**stored, "meta": {**stored.get("meta", {}), "location": location}}
    if kind.name == "User":
        if groups := [_group_value(call, group_id) for group_id in call.store.groups_of(stored["id"])]:
            rendered["groups"] = groups
    elif members := stored.get("members"):
        rendered["members"] = [_member(call, item) for item in members]
    else:
        rendered.pop("members", None)
    return rendered


def _group_value(call: _Call, group_id: str) -> Json:
    display = call.store.groups[group_id].get("displayName")
    return {"value": group_id, "$ref": f"{call.base}/Groups/{group_id}", "display": display, "type": "direct"}


def _member(call: _Call, item: Json) -> Json:
    return {**item, "$ref": f"{call.base}/Users/{item['value']}", "type": "User"}


def _projected(call: _Call, kind: Kind, resource: Json) -> Json:
    return project(kind, resource, call.params.get("attributes", ""), call.params.get("excludedAttributes", ""))
