"""What quirks are made of: ways to change a SCIM request before it is served, or its answer after.

Knows where in a request or an answer a resource, a list or a parameter is. Must not know any one quirk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeAlias
from urllib.parse import quote, unquote, urlencode

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service, json_response
from ninjasync.sandbox.ninjaone.api import BASE_PATH
from ninjasync.sandbox.ninjaone.error import ScimError
from ninjasync.sandbox.ninjaone.schema import GROUP, USER, Kind
from ninjasync.sandbox.ninjaone.store import NinjaOne

RESOURCES = ("Users", "Groups")
DISCOVERY = ("ServiceProviderConfig", "Schemas", "ResourceTypes")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Site:
    """Where a quirk is: the store behind the service, a service over any other store, the quirk's number."""

    store: NinjaOne
    over: Callable[[NinjaOne], Service]
    number: int = 0


Quirk: TypeAlias = Callable[[Service, Site], Service]


# Requests


def place(request: HttpRequest) -> tuple[str, str | None]:
    """Return the endpoint's name ("Users") and the id that the request is for; None for all."""
    name, *rest = request.path.removeprefix(BASE_PATH).strip("/").split("/")
    return name, unquote(rest[0]) if rest else None


def kind_of(request: HttpRequest) -> Kind:
    """Return what it is about, for a request that is for users or groups."""
    return USER if place(request)[0] == "Users" else GROUP


def is_list(request: HttpRequest) -> bool:
    """Whether it asks for a list of users or groups."""
    name, resource_id = place(request)
    return request.method == "GET" and name in RESOURCES and resource_id is None


def with_params(request: HttpRequest, **params: str | None) -> HttpRequest:
    """Return the request with these parameters; None takes one away."""
    merged = {name: value for name, value in {**request.params, **params}.items() if value is not None}
    return replace(request, query=urlencode(merged, quote_via=quote))


def for_one(request: HttpRequest, method: str, resource_id: str, body: Json | None = None) -> HttpRequest:
    """Return a request of the same client for one resource of the same kind."""
    headers = {name: value for name, value in request.headers.items() if not name.startswith("if-")}
    path = f"{BASE_PATH}/{place(request)[0]}/{quote(resource_id, safe='')}"
    content = b"" if body is None else json.dumps(body).encode()
    return HttpRequest(method, path, "", headers, content, request.connection)


def body_of(request: HttpRequest) -> Json:
    """Return the body with its own names in lower case; empty where it is no object."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return {}
    return {name.lower(): value for name, value in body.items()} if isinstance(body, dict) else {}


def operations_of(request: HttpRequest) -> list[Json]:
    """Return the operations of a PATCH, their names in lower case."""
    given = body_of(request).get("operations") if request.method == "PATCH" else None
    operations = given if isinstance(given, list) else []
    return [{name.lower(): value for name, value in each.items()} for each in operations if isinstance(each, dict)]


def with_real_ids(request: HttpRequest, real: Mapping[str, str]) -> HttpRequest:
    """Return the request with the store's ids in place of the shown ones; a path's id must be a shown one."""

    def inward(name: str, value: Any) -> Any:
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, str) and value not in real:
            return _QUOTED.sub(lambda found: f'"{real.get(found[1], found[1])}"', value)
        return real.get(str(value), value)

    name, resource_id = place(request)
    if resource_id is not None and name in RESOURCES:
        path = f"{BASE_PATH}/{name}/{quote(real.get(resource_id, 'nobody'), safe='')}"
        request = replace(request, path=path)
    if wanted := request.params.get("filter"):
        request = with_params(request, filter=inward("", wanted))
    document = document_of(HttpResponse(0, request.body))
    return request if document is None else replace(request, body=json.dumps(walk(document, inward)).encode())


def oldest(site: Site) -> str | None:
    """Return the id of the account that was made first."""
    return next(iter(site.store.users), None)


def paths_of(request: HttpRequest) -> set[str]:
    """Return the attributes that a request writes to, as names or paths in lower case."""
    if request.method != "PATCH":
        return set(body_of(request)) if request.method in ("POST", "PUT") else set()
    return {path for operation in operations_of(request) for path in operation_paths(operation)}


def operation_paths(operation: Json) -> set[str]:
    """Return what an operation writes to, in lower case."""
    path, value = operation.get("path"), operation.get("value")
    if path:
        return {str(path).lower()}
    return {key.lower() for key in value} if isinstance(value, dict) else set()


def touches_oldest(request: HttpRequest, site: Site) -> bool:
    """Whether it would change the account that was made first."""
    name, resource_id = place(request)
    return request.method in WRITES and name == "Users" and resource_id is not None and resource_id == oldest(site)


# Answers


def document_of(response: HttpResponse) -> Json | None:
    """Return the JSON object in the body; None where there is none."""
    try:
        document = json.loads(response.body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def with_document(response: HttpResponse, document: Json) -> HttpResponse:
    """Return the response with that JSON object as its body."""
    return replace(response, body=json.dumps(document).encode())


def less(resource: Json, *names: str) -> Json:
    """Return the resource without these attributes."""
    return {name: value for name, value in resource.items() if name not in names}


def error(status: int, detail: str, scim_type: str | None = None) -> HttpResponse:
    """Return a SCIM error."""
    document = ScimError(status, detail, scim_type).document()
    return json_response(status, document, media_type="application/scim+json")


def html(status: int) -> HttpResponse:
    """Return a page for people."""
    return HttpResponse(status, b"<html><body><h1>Sign in</h1></body></html>\n", (("Content-Type", "text/html"),))


# Quirks in general


def asking(change: Callable[[HttpRequest, Site], HttpRequest]) -> Quirk:
    """Change every request before it is served."""
    return lambda service, site: lambda request: service(change(request, site))


def refusing(condition: Callable[[HttpRequest, Site], bool], response: HttpResponse) -> Quirk:
    """Answer so where the condition holds, in place of the service."""
    return lambda service, site: lambda request: response if condition(request, site) else service(request)


def first_only(condition: Callable[[HttpRequest], bool], response: Callable[[Site], HttpResponse]) -> Quirk:
    """Answer so the first time that the condition holds, in place of the service."""

    def quirk(service: Service, site: Site) -> Service:
        times = count()
        return lambda request: response(site) if condition(request) and next(times) == 0 else service(request)

    return quirk


def answering(change: Callable[[HttpRequest, HttpResponse], HttpResponse]) -> Quirk:
    """Change every response."""
    return lambda service, site: lambda request: change(request, service(request))


def documents(change: Callable[[HttpRequest, Json], Json], when: Callable[[HttpRequest], bool] | None = None) -> Quirk:
    """Change the JSON object of every success, or only where ``when`` holds."""

    def changed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        document = document_of(response) if response.status < 300 else None
        if document is None or (when is not None and not when(request)):
            return response
        return with_document(response, change(request, document))

    return answering(changed)


def lists(change: Callable[[Json], Json]) -> Quirk:
    """Change every list of users or groups."""
    return documents(lambda request, document: change(document), is_list)


def resources(change: Callable[[Json], Json]) -> Quirk:
    """Change every user and group in an answer."""

    def changed(request: HttpRequest, document: Json) -> Json:
        if not is_list(request):
            return change(document)
        return {**document, "Resources": [change(each) for each in document.get("Resources", [])]}

    return documents(changed, lambda request: place(request)[0] in RESOURCES)


def storing(change: Callable[[Json], None], *kinds: str) -> Quirk:
    """Change what a write has stored (``kinds`` as in "Users"), and let the answer show it."""

    def quirk(service: Service, site: Site) -> Service:
        def answer(request: HttpRequest) -> HttpResponse:
            if request.method not in WRITES or place(request)[0] not in kinds:
                return service(request)
            with site.store.lock:
                response = service(request)
                document = document_of(response) if response.status < 300 else None
                if document is None:
                    return response
                kind = kind_of(request)
                stored = deepcopy(site.store.get(kind, document["id"]))
                change(stored)
                site.store.overwrite(kind, stored)
                return replace(response, body=service(for_one(request, "GET", document["id"])).body)

        return answer

    return quirk


def relisting(select: Callable[[list[Json], Site], list[Json]]) -> Quirk:
    """Choose among all rows that a list would have over all its pages, then page again."""

    def quirk(service: Service, site: Site) -> Service:
        def answer(request: HttpRequest) -> HttpResponse:
            if not is_list(request):
                return service(request)
            rows: list[Json] = []
            while True:
                asked = with_params(request, startIndex=str(len(rows) + 1), count=str(site.store.page_cap))
                response = service(asked)
                document = document_of(response)
                if response.status != 200 or document is None:
                    return response
                rows += document["Resources"]
                if not document["Resources"] or len(rows) >= document["totalResults"]:
                    break
            chosen = select(rows, site)
            start, size = window(request, site)
            page = chosen[start - 1 : start - 1 + size]
            shown = {"totalResults": len(chosen), "startIndex": start, "itemsPerPage": len(page), "Resources": page}
            return with_document(response, {**document, **shown})

        return answer

    return quirk


def window(request: HttpRequest, site: Site) -> tuple[int, int]:
    """Return from which row on a list is asked for, and how many rows it gets at most."""

    def number(name: str, default: int) -> int:
        text = request.params.get(name, "")
        return int(text) if text.isdecimal() else default

    return max(1, number("startIndex", 1)), min(number("count", 100), site.store.page_cap)


def walk(value: Any, leaf: Callable[[str, Any], Any], name: str = "") -> Any:
    """Return a JSON value with ``leaf`` of each simple value in it, which gets the nearest name above, too."""
    match value:
        case dict():
            return {key: walk(each, leaf, key) for key, each in value.items()}
        case list():
            return [walk(each, leaf, name) for each in value]
        case _:
            return leaf(name, value)


def rename(value: Any, key: Callable[[str], str]) -> Any:
    """Return a JSON value with all names of attributes changed."""
    match value:
        case dict():
            return {key(name): rename(each, key) for name, each in value.items()}
        case list():
            return [rename(each, key) for each in value]
        case _:
            return value


def compose(service: Service, site: Site, quirks: Iterable[tuple[Quirk, int]]) -> Service:
    """Wrap the service in these quirks, the first innermost; each has its own number."""
    for quirk, number in quirks:
        service = quirk(service, replace(site, number=number))
    return service
