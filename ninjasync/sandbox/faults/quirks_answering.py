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
from ninjasync.sandbox.faults.messages import (
    DISCOVERY,
    RESOURCES,
    Context,
    Quirk,
    find_oldest,
    leave_out,
    locate,
    make_error,
    make_page,
    map_leaves,
    read_document,
    rename_keys,
    restore_ids,
    set_document,
)
from ninjasync.sandbox.faults.rewrite import (
    change_documents,
    change_resources,
    change_responses,
    refuse_first,
    refuse_if,
)
from ninjasync.sandbox.ninjaone.schema import NINJAONE_USER

_ELSEWHERE = "https://elsewhere.example.net"
_MOVED = "/moved"


def _flat(resource: Json) -> Json:
    extension = resource.get(NINJAONE_USER, {})
    return leave_out(resource, NINJAONE_USER) | {f"{NINJAONE_USER}:{name}": value for name, value in extension.items()}


def _with_nulls(resource: Json) -> Json:
    if "userName" not in resource:
        return {"externalId": None, "members": [], **resource}
    nothing: Json = {"externalId": None, "title": None, "displayName": "", "emails": [], "groups": [], "name": None}
    extension = {"userType": None, "organizationId": None, **resource.get(NINJAONE_USER, {})}
    return {**nothing, **resource, NINJAONE_USER: extension}


def _with_ids(shown: Callable[[str], str | int]) -> Quirk:
    """Show other ids than the store has, and take them back in paths, filters and bodies."""

    def quirk(service: Service, context: Context) -> Service:
        def real() -> dict[str, str]:
            with context.store.lock:
                return {str(shown(key)): key for key in (*context.store.users, *context.store.groups)}

        def outward(name: str, value: Any, known: Iterable[str]) -> Any:
            if name in ("id", "value") and value in known:
                return shown(value)
            if name not in ("$ref", "location"):
                return value
            before, _, last = str(value).rpartition("/")
            return f"{before}/{quote(str(shown(unquote(last))), safe='')}" if unquote(last) in known else value

        def answer(request: HttpRequest) -> HttpResponse:
            response = service(restore_ids(request, real()))
            known = set(real().values())
            document = read_document(response)
            if document is not None:
                response = set_document(response, map_leaves(document, lambda name, value: outward(name, value, known)))
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
    shown = leave_out(document, "schemas")
    if "Resources" in shown:
        shown["Resources"] = [leave_out(each, "schemas") for each in shown["Resources"]]
    return shown


def _other_case(name: str) -> str:
    return name.lower() if name.startswith("urn:") else name[:1].swapcase() + name[1:]


def _in_other_case(request: HttpRequest, document: Json) -> Json:
    lowered = map_leaves(document, lambda name, value: value.lower() if name == "schemas" else value)
    renamed: Json = rename_keys(lowered, _other_case)
    return renamed


def _lie(request: HttpRequest, document: Json) -> Json:
    no: Json = {"supported": False}
    lies: Json = {name: no for name in ("patch", "filter", "etag") if name in document}
    if "schemaExtensions" in document:
        lies["schemaExtensions"] = []
    if "Resources" in document:
        listed = [_lie(request, each) for each in document["Resources"] if each["id"] != NINJAONE_USER]
        lies |= {"Resources": listed, "totalResults": len(listed)}
    return {**document, **lies}


def _is_discovery(request: HttpRequest, context: Context | None = None) -> bool:
    return locate(request)[0] in DISCOVERY


def _headers(response: HttpResponse, **changed: str | None) -> HttpResponse:
    """Return the response with other values for headers that it has; None takes one away."""
    by_name = {name.lower().replace("-", "_"): name for name, _ in response.headers}
    kept = {
        **dict(response.headers),
        **{by_name[name]: value for name, value in changed.items() if name in by_name},
    }
    return replace(response, headers=tuple((name, value) for name, value in kept.items() if value is not None))


def _no_tag(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return _headers(response, etag=None)


def _location_elsewhere(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return replace(response, headers=tuple((name, _elsewhere(name.lower(), value)) for name, value in response.headers))


def _both(first: Quirk, second: Quirk) -> Quirk:
    return lambda service, context: second(first(service, context), context)


def _empty_creation(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return HttpResponse(201) if response.status == 201 else response


def _silent_patch(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return HttpResponse(204) if request.method == "PATCH" and response.status == 200 else response


def _plain_json(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return _headers(response, content_type="application/json")


def _status_number(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    document = read_document(response) if response.status >= 400 else None
    return response if document is None else set_document(response, {**document, "status": response.status})


def _html_error(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return make_page(response.status) if response.status >= 400 else response


def _redirects(service: Service, context: Context) -> Service:
    """Serve a client that follows, so that the sandbox's record shows it."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(_MOVED):
            return service(replace(request, path=request.path.removeprefix(_MOVED)))
        query = f"?{request.query}" if request.query else ""
        return HttpResponse(
            301, headers=(("Location", f"http://{request.host}{request.mount}{_MOVED}{request.path}{query}"),)
        )

    return answer


def _active_shown(change: Callable[[Json], Json]) -> Quirk:
    return change_resources(lambda resource: change(resource) if isinstance(resource.get("active"), bool) else resource)


def _without_false(user: Json) -> Json:
    return user if user["active"] else leave_out(user, "active")


def _in_latin_1(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Encode what the charset has, and leave the rest escaped."""
    document = read_document(response)
    if document is None:
        return response
    text = json.dumps(document, ensure_ascii=False)
    body = "".join(letter if letter <= "\xff" else json.dumps(letter)[1:-1] for letter in text)
    described = dict(response.headers)["Content-Type"] + ";charset=ISO-8859-1"
    return replace(_headers(response, content_type=described), body=body.encode("latin-1"))


def _gone(service: Service, context: Context) -> Service:
    def answer(request: HttpRequest) -> HttpResponse:
        response = service(request)
        name, resource_id = locate(request)
        if response.status != 404 or resource_id is None or name not in RESOURCES:
            return response
        return make_error(context.number, "there is no such resource")

    return answer


def _unreadable(service: Service, context: Context) -> Service:
    def is_oldest(request: HttpRequest, context: Context) -> bool:
        return request.method == "GET" and locate(request) == ("Users", find_oldest(context))

    return refuse_if(is_oldest, make_error(context.number, "this one cannot be shown"))(service, context)


def _sees_nothing(service: Service, context: Context) -> Service:
    def answer(request: HttpRequest) -> HttpResponse:
        name, resource_id = locate(request)
        if name not in RESOURCES or request.method == "POST":
            return service(request)
        if resource_id is not None:
            return make_error(404, "there is no such resource")
        response = service(request)
        document = read_document(response)
        if response.status != 200 or document is None:
            return response
        return set_document(response, document | {"totalResults": 0, "itemsPerPage": 0, "Resources": []})

    return answer


ANSWERING: dict[str, Quirk] = {
    "no-extension": change_resources(lambda resource: leave_out(resource, NINJAONE_USER)),
    "flat-extension": change_resources(_flat),
    "nulls": change_resources(_with_nulls),
    "numeric-ids": _with_ids(_number_of),
    "odd-ids": _with_ids(_odd),
    "string-booleans": change_documents(
        lambda request, document: map_leaves(document, _word), lambda request: locate(request)[0] in RESOURCES
    ),
    "location-elsewhere": _both(
        change_documents(lambda request, document: map_leaves(document, _elsewhere)),
        change_responses(_location_elsewhere),
    ),
    "no-schemas": change_documents(_without_schemas),
    "no-meta": _both(change_resources(lambda resource: leave_out(resource, "meta")), change_responses(_no_tag)),
    "wrong-case": change_documents(_in_other_case),
    "created-without-body": change_responses(_empty_creation),
    "patch-204": change_responses(_silent_patch),
    "json-media-type": change_responses(_plain_json),
    "error-status-number": change_responses(_status_number),
    "html-errors": change_responses(_html_error),
    "active-left-out": _active_shown(_without_false),
    "active-number": _active_shown(lambda user: {**user, "active": int(user["active"])}),
    "gone": _gone,
    "unreadable": _unreadable,
    "no-discovery": refuse_if(_is_discovery, make_error(404, "no such endpoint")),
    "discovery-401": refuse_if(_is_discovery, make_error(401, "not for you")),
    "discovery-lies": change_documents(_lie, _is_discovery),
    "sees-nothing": _sees_nothing,
    "switched-off": refuse_if(lambda request, context: True, make_error(404, "no such endpoint")),
    "latin-1": change_responses(_in_latin_1),
    "edge": refuse_first(lambda request: True, lambda context: make_page(context.number)),
    "login-page": refuse_if(lambda request, context: request.method == "GET", make_page(200)),
    "redirects": _redirects,
}
