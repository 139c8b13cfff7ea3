"""Quirks of SCIM servers in what a resource looks like, and in how they answer.

Knows documents and responses. Must not know how they came about.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service
from ninjasync.sandbox.rewrite import (
    DISCOVERY,
    RESOURCES,
    Quirk,
    Site,
    answering,
    document_of,
    documents,
    error,
    html,
    lists,
    place,
    refusing,
    rename,
    resources,
    walk,
    with_document,
    with_params,
)
from ninjasync.sandbox.scim_api import BASE_PATH
from ninjasync.sandbox.scim_schema import NINJAONE_USER

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ELSEWHERE = "https://elsewhere.example.net"
_MOVED = "/moved"


def _less(resource: Json, *names: str) -> Json:
    return {name: value for name, value in resource.items() if name not in names}


def _flat(resource: Json) -> Json:
    extension = resource.get(NINJAONE_USER, {})
    return _less(resource, NINJAONE_USER) | {f"{NINJAONE_USER}:{name}": value for name, value in extension.items()}


def _with_nulls(resource: Json) -> Json:
    if "userName" not in resource:
        return {"externalId": None, "members": [], **resource}
    nothing: Json = {"externalId": None, "title": None, "displayName": "", "emails": [], "groups": [], "name": None}
    extension = {"userType": None, "organizationId": None, **resource.get(NINJAONE_USER, {})}
    return {**nothing, **resource, NINJAONE_USER: extension}


def _with_ids(shown: Callable[[str], str | int]) -> Quirk:
    """Show other ids than the store has, and take them back in paths, filters and bodies."""

    def quirk(service: Service, site: Site) -> Service:
        def real() -> dict[str, str]:
            with site.store.lock:
                return {str(shown(key)): key for key in (*site.store.users, *site.store.groups)}

        def outward(name: str, value: Any, known: Iterable[str]) -> Any:
            if name in ("id", "value") and value in known:
                return shown(value)
            if name not in ("$ref", "location"):
                return value
            before, _, last = str(value).rpartition("/")
            return f"{before}/{quote(str(shown(unquote(last))), safe='')}" if unquote(last) in known else value

        def answer(request: HttpRequest) -> HttpResponse:
            response = service(_with_real_ids(request, real()))
            known = set(real().values())
            document = document_of(response)
            if document is not None:
                response = with_document(response, walk(document, lambda name, value: outward(name, value, known)))
            headers = tuple((name, outward(name.lower(), value, known)) for name, value in response.headers)
            return replace(response, headers=headers)

        return answer

    return quirk


def _with_real_ids(request: HttpRequest, real: Mapping[str, str]) -> HttpRequest:
    """Put the store's ids in place of the shown ones; an id that is not a shown one is nobody's."""

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


def _number_of(resource_id: str) -> int:
    """Return a number that a double can hold."""
    return int(hashlib.sha256(resource_id.encode()).hexdigest()[:12], 16)


def _odd(resource_id: str) -> str:
    return f"{resource_id[:6]}/{resource_id[6:9]} {resource_id[9:]}%"


def _word(name: str, value: Any) -> Any:
    return str(value) if isinstance(value, bool) else value


def _elsewhere(name: str, value: Any) -> Any:
    if name not in ("$ref", "location") or not isinstance(value, str):
        return value
    return _ELSEWHERE + value[value.find("/", len("http://")) :]


def _without_schemas(request: HttpRequest, document: Json) -> Json:
    shown = _less(document, "schemas")
    if "Resources" in shown:
        shown["Resources"] = [_less(each, "schemas") for each in shown["Resources"]]
    return shown


def _other_case(name: str) -> str:
    return name.lower() if name.startswith("urn:") else name[:1].swapcase() + name[1:]


def _in_other_case(request: HttpRequest, document: Json) -> Json:
    lowered = walk(document, lambda name, value: value.lower() if name == "schemas" else value)
    renamed: Json = rename(lowered, _other_case)
    return renamed


def _lie(request: HttpRequest, document: Json) -> Json:
    no: Json = {"supported": False}
    lies: Json = {name: no for name in ("patch", "filter", "etag") if name in document}
    if "schemaExtensions" in document:
        lies["schemaExtensions"] = []
    if "Resources" in document:
        told = [_lie(request, each) for each in document["Resources"] if each["id"] != NINJAONE_USER]
        lies |= {"Resources": told, "totalResults": len(told)}
    return {**document, **lies}


def _is_discovery(request: HttpRequest, site: Site | None = None) -> bool:
    return place(request)[0] in DISCOVERY


def _headers(response: HttpResponse, **changed: str | None) -> HttpResponse:
    """Return the response with other values for headers that it has; None takes one away."""
    by_name = {name.lower().replace("-", "_"): name for name, _ in response.headers}
    kept = {**dict(response.headers), **{by_name[name]: value for name, value in changed.items() if name in by_name}}
    return replace(response, headers=tuple((name, value) for name, value in kept.items() if value is not None))


def _no_tag(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return _headers(response, etag=None)


def _location_elsewhere(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return replace(response, headers=tuple((name, _elsewhere(name.lower(), value)) for name, value in response.headers))


def _both(first: Quirk, second: Quirk) -> Quirk:
    return lambda service, site: second(first(service, site), site)


def _empty_creation(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return HttpResponse(201) if response.status == 201 else response


def _silent_patch(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return HttpResponse(204) if request.method == "PATCH" and response.status == 200 else response


def _plain_json(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return _headers(response, content_type="application/json")


def _status_number(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    document = document_of(response) if response.status >= 400 else None
    return response if document is None else with_document(response, {**document, "status": response.status})


def _html_error(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return html(response.status) if response.status >= 400 else response


def _redirects(service: Service, site: Site) -> Service:
    """Serve a client that follows, so that the sandbox's record shows it."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(_MOVED):
            return service(replace(request, path=request.path.removeprefix(_MOVED)))
        query = f"?{request.query}" if request.query else ""
        return HttpResponse(301, headers=(("Location", f"http://{request.host}{_MOVED}{request.path}{query}"),))

    return answer


ANSWERING: dict[str, Quirk] = {
    "members-absent": lists(
        lambda page: {**page, "Resources": [_less(each, "members") for each in page.get("Resources", [])]}
    ),
    "members-hidden": resources(lambda resource: _less(resource, "members")),
    "no-extension": resources(lambda resource: _less(resource, NINJAONE_USER)),
    "flat-extension": resources(_flat),
    "nulls": resources(_with_nulls),
    "numeric-ids": _with_ids(_number_of),
    "odd-ids": _with_ids(_odd),
    "string-booleans": documents(
        lambda request, document: walk(document, _word), lambda request: place(request)[0] in RESOURCES
    ),
    "location-elsewhere": _both(
        documents(lambda request, document: walk(document, _elsewhere)), answering(_location_elsewhere)
    ),
    "no-schemas": documents(_without_schemas),
    "no-meta": _both(resources(lambda resource: _less(resource, "meta")), answering(_no_tag)),
    "wrong-case": documents(_in_other_case),
    "created-without-body": answering(_empty_creation),
    "patch-204": answering(_silent_patch),
    "json-media-type": answering(_plain_json),
    "error-status-number": answering(_status_number),
    "html-errors": answering(_html_error),
    "no-discovery": refusing(_is_discovery, error(404, "no such endpoint")),
    "discovery-401": refusing(_is_discovery, error(401, "not for you")),
    "discovery-lies": documents(_lie, _is_discovery),
    "login-page": refusing(lambda request, site: request.method == "GET", html(200)),
    "redirects": _redirects,
}
