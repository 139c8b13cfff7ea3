"""Quirks of SCIM servers in what they keep, and which accounts may be written.

Knows the store behind the service. Must not know the tool that has to live with it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service
from ninjasync.sandbox.faults.messages import (
    WRITES,
    Context,
    Quirk,
    find_kind,
    find_oldest,
    locate,
    make_error,
    make_request,
    read_body,
    read_document,
    read_operation_paths,
    read_operations,
    read_paths,
    set_document,
    touches_oldest,
)
from ninjasync.sandbox.faults.rewrite import change_stored, choose_rows, refuse_if
from ninjasync.sandbox.ninjaone.patch import PATCH_OP
from ninjasync.sandbox.ninjaone.schema import GROUP, NINJAONE_USER, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne


def _stale_reads(service: Service, context: Context) -> Service:
    """Make lists from a copy that was made before the last write."""
    older = [_copy(context.store)]

    def answer(request: HttpRequest) -> HttpResponse:
        with context.store.lock:
            if request.method in WRITES:
                older[0] = _copy(context.store)
            elif locate(request)[1] is None:
                return context.over(older[0])(request)
            return service(request)

    return answer


def _copy(store: NinjaOne) -> NinjaOne:
    """Rows are shared: the service puts a new row in place of an old one and never writes into one."""
    copy = NinjaOne(page_cap=store.page_cap)
    for kind in (USER, GROUP):
        for resource in store.table(kind).values():
            copy.overwrite(kind, resource)
    return copy


def _no_uniqueness(service: Service, context: Context) -> Service:
    """Give the second a name of its own first, as the store itself knows no twins."""
    names = {"Users": "userName", "Groups": "displayName"}

    def answer(request: HttpRequest) -> HttpResponse:
        with context.store.lock:
            response = service(request)
            if response.status != 409 or request.method != "POST":
                return response
            name = names[locate(request)[0]]
            body = read_body(request)
            wanted = body.pop(name.lower())
            own = hashlib.sha256(f"{len(context.store.users)}/{len(context.store.groups)}".encode()).hexdigest()[:8]
            made = service(
                replace(make_request(request, "POST", "", {**body, name: f"{own}.{wanted}"}), path=request.path)
            )
            document = read_document(made)
            if made.status != 201 or document is None:
                return made
            context.store.edit(find_kind(request), document["id"], **{name: wanted})
            return replace(made, body=service(make_request(request, "GET", document["id"])).body)

    return answer


def _created_in_vain(service: Service, context: Context) -> Service:
    seen: set[bytes] = set()

    def answer(request: HttpRequest) -> HttpResponse:
        with context.store.lock:
            response = service(request)
            document = read_document(response)
            if request.method != "POST" or response.status != 201 or document is None or request.body in seen:
                return response
            seen.add(request.body)
            context.store.delete(find_kind(request), document["id"])
            return response

    return answer


def _trim(user: Json) -> None:
    if name := user.get("name"):
        user["name"] = {part: " ".join(value.split()) for part, value in name.items()}


def _lower(user: Json) -> None:
    user["userName"] = user["userName"].lower()


def _upper(user: Json) -> None:
    if name := user.get("name"):
        user["name"] = {**name, "familyName": name.get("familyName", "").upper()}


def _demote(user: Json) -> None:
    user[NINJAONE_USER] = {"organizationId": "All", **user[NINJAONE_USER], "userType": "endUser"}


def _everywhere(user: Json) -> None:
    user[NINJAONE_USER] = {**user[NINJAONE_USER], "organizationId": "All"}


def _without(name: str) -> Quirk:
    return change_stored(lambda resource: resource.pop(name, None), "Users", "Groups")


def _delete_is_inactive(service: Service, context: Context) -> Service:
    operation = {"op": "replace", "path": "active", "value": False}
    patch = {"schemas": [PATCH_OP], "Operations": [operation]}

    def answer(request: HttpRequest) -> HttpResponse:
        name, resource_id = locate(request)
        if request.method != "DELETE" or name != "Users" or resource_id is None:
            return service(request)
        response = service(make_request(request, "PATCH", resource_id, patch))
        return HttpResponse(204) if response.status == 200 else response

    return answer


def _touches_inactive(request: HttpRequest, context: Context) -> bool:
    """Whether it is a change of an inactive user in anything but ``active``."""
    name, resource_id = locate(request)
    user = context.store.users.get(resource_id or "")
    if name != "Users" or user is None or user.get("active", True):
        return False
    if request.method == "PATCH":
        return any(read_operation_paths(operation) != {"active"} for operation in read_operations(request))
    if request.method == "PUT":
        sent, stored = read_body(request), {key.lower(): value for key, value in user.items()}
        return any(sent.get(key) != stored.get(key) for key in ("username", "externalid", "name"))
    return False


def _asks_for_oldest(request: HttpRequest, context: Context) -> bool:
    name, resource_id = locate(request)
    return name == "Users" and resource_id is not None and resource_id == find_oldest(context)


def _all_but_oldest(rows: list[Json], context: Context) -> list[Json]:
    return [row for row in rows if row["id"] != find_oldest(context)]


def _hidden_holder(service: Service, context: Context) -> Service:
    hidden = refuse_if(_asks_for_oldest, make_error(404, "no such user"))(service, context)
    return choose_rows(_all_but_oldest)(hidden, context)


def _active_only(rows: list[Json], context: Context) -> list[Json]:
    """By the store: the rows may leave out ``active``."""
    return [row for row in rows if context.store.users.get(row["id"], {}).get("active", True)]


def _stored(request: HttpRequest, context: Context) -> Json:
    """Return what is stored of the resource that is asked for; empty where there is none."""
    return dict(context.store.table(find_kind(request)).get(locate(request)[1] or "", {}))


def _external_id_stays(service: Service, context: Context) -> Service:
    def answer(request: HttpRequest) -> HttpResponse:
        with context.store.lock:
            before = _stored(request, context).get("externalId")
            response = service(request)
            after = _stored(request, context)
            if not before or not after or after.get("externalId") == before:
                return response
            context.store.edit(find_kind(request), after["id"], externalId=before)
            return replace(response, body=service(make_request(request, "GET", after["id"])).body)

    return answer


def _changes_external_id(request: HttpRequest, context: Context) -> bool:
    before = _stored(request, context).get("externalId")
    if not before or "externalid" not in read_paths(request):
        return False
    values = [read_body(request).get("externalid")] if request.method == "PUT" else []
    for operation in read_operations(request):
        if "externalid" in read_operation_paths(operation):
            value = operation.get("value")
            given = {name.lower(): each for name, each in value.items()} if isinstance(value, dict) else {}
            values.append(value if operation.get("path") else given["externalid"])
    return any(value != before for value in values)


def _lower_external_id(resource: Json) -> None:
    if "externalId" in resource:
        resource["externalId"] = resource["externalId"].lower()


def _patch_urn_astray(service: Service, context: Context) -> Service:
    """Keep what goes to an extension's path apart, and show it under that path as a name."""
    astray: dict[str, Json] = {}
    prefix = NINJAONE_USER.lower() + ":"

    def set_aside(request: HttpRequest, user_id: str) -> HttpRequest:
        kept: list[Json] = []
        for operation in read_operations(request):
            path = str(operation.get("path") or "")
            if not path.lower().startswith(prefix):
                kept.append(operation)
            elif str(operation.get("op")).lower() == "remove":
                astray.get(user_id, {}).pop(path, None)
            else:
                astray.setdefault(user_id, {})[path] = operation.get("value")
        if kept:
            return replace(request, body=json.dumps({"schemas": [PATCH_OP], "Operations": kept}).encode())
        return make_request(request, "GET", user_id)

    def answer(request: HttpRequest) -> HttpResponse:
        name, user_id = locate(request)
        if name != "Users":
            return service(request)
        if request.method == "PATCH" and user_id is not None and user_id in context.store.users:
            request = set_aside(request, user_id)
        elif request.method in ("PUT", "DELETE"):
            astray.pop(user_id or "", None)  # a PUT replaces all there is
        response = service(request)
        document = read_document(response)
        if document is None or response.status >= 300:
            return response
        if "Resources" in document:
            shown = [each | astray.get(each["id"], {}) for each in document["Resources"]]
            return set_document(response, document | {"Resources": shown})
        return set_document(response, document | astray.get(document["id"], {}))

    return answer


KEEPING: dict[str, Quirk] = {
    "stale-reads": _stale_reads,
    "no-uniqueness": _no_uniqueness,
    "created-in-vain": _created_in_vain,
    "no-external-id": _without("externalId"),
    "drops-title": _without("title"),
    "trims-names": change_stored(_trim, "Users"),
    "lower-case-user-name": change_stored(_lower, "Users"),
    "upper-case-family-name": change_stored(_upper, "Users"),
    "type-becomes-end-user": change_stored(_demote, "Users"),
    "organization-becomes-all": change_stored(_everywhere, "Users"),
    "delete-is-inactive": _delete_is_inactive,
    "inactive-refuses-patch": refuse_if(_touches_inactive, make_error(400, "the user is inactive", "mutability")),
    "protected-403": refuse_if(touches_oldest, make_error(403, "this account is protected")),
    "external-id-stays": _external_id_stays,
    "external-id-lower-case": change_stored(_lower_external_id, "Users", "Groups"),
    "external-id-immutable": refuse_if(
        _changes_external_id, make_error(400, "externalId cannot be changed", "mutability")
    ),
    "patch-urn-astray": _patch_urn_astray,
    "protected-500": refuse_if(touches_oldest, make_error(500, "something went wrong")),
    "inactive-unlisted": choose_rows(_active_only),
    "hidden-holder": _hidden_holder,
}
