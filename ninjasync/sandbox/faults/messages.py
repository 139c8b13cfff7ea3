"""SCIM requests and answers as quirks see them: where a resource, a list or a parameter is in them.

Knows the two kinds of message. Must not know any quirk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from urllib.parse import quote, unquote, urlencode

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service, json_response
from ninjasync.sandbox.ninjaone.api import BASE_PATH
from ninjasync.sandbox.ninjaone.error import ScimError
from ninjasync.sandbox.ninjaone.schema import GROUP, USER, Kind
from ninjasync.sandbox.ninjaone.store import NinjaOne

RESOURCES = ("Users", "Groups")
DISCOVERY = ("ServiceProviderConfig", "Schemas", "ResourceTypes")
WRITES = ("POST", "PUT", "PATCH", "DELETE")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Context:
    """Where a quirk is: the store behind the service, a service over any other store, the quirk's number."""

    store: NinjaOne
    over: Callable[[NinjaOne], Service]
    number: int = 0


Quirk: TypeAlias = Callable[[Service, Context], Service]


# Requests


def locate(request: HttpRequest) -> tuple[str, str | None]:
    """Return the endpoint's name ("Users") and the id that the request is for; None for all."""
    name, *rest = request.path.removeprefix(BASE_PATH).strip("/").split("/")
    return name, unquote(rest[0]) if rest else None


def find_kind(request: HttpRequest) -> Kind:
    """Return what it is about, for a request that is for users or groups."""
    return USER if locate(request)[0] == "Users" else GROUP


def is_list(request: HttpRequest) -> bool:
    """Whether it asks for a list of users or groups."""
    name, resource_id = locate(request)
    return request.method == "GET" and name in RESOURCES and resource_id is None


def set_params(request: HttpRequest, **params: str | None) -> HttpRequest:
    """Return the request with these parameters; None takes one away."""
    merged = {name: value for name, value in {**request.params, **params}.items() if value is not None}
    return replace(request, query=urlencode(merged, quote_via=quote))


def make_request(request: HttpRequest, method: str, resource_id: str, body: Json | None = None) -> HttpRequest:
    """Return a request of the same client for one resource of the same kind."""
    headers = {name: value for name, value in request.headers.items() if not name.startswith("if-")}
    path = f"{BASE_PATH}/{locate(request)[0]}/{quote(resource_id, safe='')}"
    content = b"" if body is None else json.dumps(body).encode()
    return replace(request, method=method, path=path, query="", headers=headers, body=content)


def read_body(request: HttpRequest) -> Json:
    """Return the body with its own names in lower case; empty where it is no object."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return {}
    return {name.lower(): value for name, value in body.items()} if isinstance(body, dict) else {}


def read_operations(request: HttpRequest) -> list[Json]:
    """Return the operations of a PATCH, their names in lower case."""
    given = read_body(request).get("operations") if request.method == "PATCH" else None
    operations = given if isinstance(given, list) else []
    return [{name.lower(): value for name, value in each.items()} for each in operations if isinstance(each, dict)]


def restore_ids(request: HttpRequest, real: Mapping[str, str]) -> HttpRequest:
    """Return the request with the store's ids in place of the shown ones; a path's id must be a shown one."""

    def inward(name: str, value: Any) -> Any:
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, str) and value not in real:
            return _QUOTED.sub(lambda found: f'"{real.get(found[1], found[1])}"', value)
        return real.get(str(value), value)

    name, resource_id = locate(request)
    if resource_id is not None and name in RESOURCES:
        path = f"{BASE_PATH}/{name}/{quote(real.get(resource_id, 'no-such-id'), safe='')}"
        request = replace(request, path=path)
    if wanted := request.params.get("filter"):
        request = set_params(request, filter=inward("", wanted))
    document = read_document(HttpResponse(0, request.body))
    return request if document is None else replace(request, body=json.dumps(map_leaves(document, inward)).encode())


def find_oldest(context: Context) -> str | None:
    """Return the id of the account that was made first."""
    return next(iter(context.store.users), None)


def read_paths(request: HttpRequest) -> set[str]:
    """Return the attributes that a request writes to, as names or paths in lower case."""
    if request.method != "PATCH":
        return set(read_body(request)) if request.method in ("POST", "PUT") else set()
    return {path for operation in read_operations(request) for path in read_operation_paths(operation)}


def read_operation_paths(operation: Json) -> set[str]:
    """Return what an operation writes to, in lower case."""
    path, value = operation.get("path"), operation.get("value")
    if path:
        return {str(path).lower()}
    return {key.lower() for key in value} if isinstance(value, dict) else set()


def touches_oldest(request: HttpRequest, context: Context) -> bool:
    """Whether it would change the account that was made first."""
    name, resource_id = locate(request)
    return (
        request.method in WRITES and name == "Users" and resource_id is not None and resource_id == find_oldest(context)
    )


# Answers


def read_document(response: HttpResponse) -> Json | None:
    """Return the JSON object in the body; None where there is none."""
    try:
        document = json.loads(response.body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def set_document(response: HttpResponse, document: Json) -> HttpResponse:
    """Return the response with that JSON object as its body."""
    return replace(response, body=json.dumps(document).encode())


def leave_out(resource: Json, *names: str) -> Json:
    """Return the resource without these attributes."""
    return {name: value for name, value in resource.items() if name not in names}


def make_error(status: int, detail: str, scim_type: str | None = None) -> HttpResponse:
    """Return a SCIM error."""
    document = ScimError(status, detail, scim_type).document()
    return json_response(status, document, media_type="application/scim+json")


def make_page(status: int) -> HttpResponse:
    """Return a page for people."""
    return HttpResponse(status, b"<html><body><h1>Sign in</h1></body></html>\n", (("Content-Type", "text/html"),))


# Values of JSON


def read_window(request: HttpRequest, context: Context) -> tuple[int, int]:
    """Return from which row on a list is asked for, and how many rows it gets at most."""

    def number(name: str, default: int) -> int:
        text = request.params.get(name, "")
        return int(text) if text.isdecimal() else default

    return max(1, number("startIndex", 1)), min(number("count", 100), context.store.page_cap)


def map_leaves(value: Any, leaf: Callable[[str, Any], Any], name: str = "") -> Any:
    """Return a JSON value with ``leaf`` of each simple value in it, which gets the nearest name above, too."""
    match value:
        case dict():
            return {key: map_leaves(each, leaf, key) for key, each in value.items()}
        case list():
            return [map_leaves(each, leaf, name) for each in value]
        case _:
            return leaf(name, value)


def rename_keys(value: Any, key: Callable[[str], str]) -> Any:
    """Return a JSON value with all names of attributes changed."""
    match value:
        case dict():
            return {key(name): rename_keys(each, key) for name, each in value.items()}
        case list():
            return [rename_keys(each, key) for each in value]
        case _:
            return value
