"""Quirks of SCIM servers in what a resource looks like, and in how they answer.

Knows documents and responses. Must not know how they came about.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service
from ninjasync.sandbox.faults.rewrite import (
    DISCOVERY,
    RESOURCES,
    Quirk,
    Site,
    answering,
    document_of,
    documents,
    error,
    first_only,
    html,
    less,
    oldest,
    place,
    refusing,
    rename,
    resources,
    walk,
    with_document,
    with_real_ids,
)
from ninjasync.sandbox.ninjaone.schema import NINJAONE_USER

_ELSEWHERE = "https://elsewhere.example.net"
_MOVED = "/moved"


def _flat(resource: Json) -> Json:
    extension = resource.get(NINJAONE_USER, {})
    return less(resource, NINJAONE_USER) | {f"{NINJAONE_USER}:{name}": value for name, value in extension.items()}


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
            response = service(with_real_ids(request, real()))
            known = set(real().values())
            document = document_of(response)
            if document is not None:
                response = with_document(response, walk(document, lambda name, value: outward(name, value, known)))
            headers = tuple((name, outward(name.lower(), value, known)) for name, value in response.headers)
            return replace(response, headers=headers)

        return answer

    return quirk


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
    shown = less(document, "schemas")
    if "Resources" in shown:
        shown["Resources"] = [less(each, "schemas") for each in shown["Resources"]]
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


def _active_shown(change: Callable[[Json], Json]) -> Quirk:
    return resources(lambda resource: change(resource) if isinstance(resource.get("active"), bool) else resource)


def _without_false(user: Json) -> Json:
    return user if user["active"] else less(user, "active")


def _in_latin_1(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Encode what the charset has, and leave the rest escaped."""
    document = document_of(response)
    if document is None:
        return response
    text = json.dumps(document, ensure_ascii=False)
    body = "".join(letter if letter <= "\xff" else json.dumps(letter)[1:-1] for letter in text)
    described = dict(response.headers)["Content-Type"] + ";charset=ISO-8859-1"
    return replace(_headers(response, content_type=described), body=body.encode("latin-1"))


def _gone(service: Service, site: Site) -> Service:
    def answer(request: HttpRequest) -> HttpResponse:
        response = service(request)
        name, resource_id = place(request)
        if response.status != 404 or resource_id is None or name not in RESOURCES:
            return response
        return error(site.number, "there is no such resource")

    return answer


def _unreadable(service: Service, site: Site) -> Service:
    def is_oldest(request: HttpRequest, site: Site) -> bool:
        return request.method == "GET" and place(request) == ("Users", oldest(site))

    return refusing(is_oldest, error(site.number, "this one cannot be shown"))(service, site)


def _sees_nothing(service: Service, site: Site) -> Service:
    def answer(request: HttpRequest) -> HttpResponse:
        name, resource_id = place(request)
        if name not in RESOURCES or request.method == "POST":
            return service(request)
        if resource_id is not None:
            return error(404, "there is no such resource")
        response = service(request)
        document = document_of(response)
        if response.status != 200 or document is None:
            return response
        return with_document(response, document | {"totalResults": 0, "itemsPerPage": 0, "Resources": []})

    return answer


ANSWERING: dict[str, Quirk] = {
    "no-extension": resources(lambda resource: less(resource, NINJAONE_USER)),
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
    "no-meta": _both(resources(lambda resource: less(resource, "meta")), answering(_no_tag)),
    "wrong-case": documents(_in_other_case),
    "created-without-body": answering(_empty_creation),
    "patch-204": answering(_silent_patch),
    "json-media-type": answering(_plain_json),
    "error-status-number": answering(_status_number),
    "html-errors": answering(_html_error),
    "active-left-out": _active_shown(_without_false),
    "active-number": _active_shown(lambda user: {**user, "active": int(user["active"])}),
    "gone": _gone,
    "unreadable": _unreadable,
    "no-discovery": refusing(_is_discovery, error(404, "no such endpoint")),
    "discovery-401": refusing(_is_discovery, error(401, "not for you")),
    "discovery-lies": documents(_lie, _is_discovery),
    "sees-nothing": _sees_nothing,
    "switched-off": refusing(lambda request, site: True, error(404, "no such endpoint")),
    "latin-1": answering(_in_latin_1),
    "edge": first_only(lambda request: True, lambda site: html(site.number)),
    "login-page": refusing(lambda request, site: request.method == "GET", html(200)),
    "redirects": _redirects,
}
