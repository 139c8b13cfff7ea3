"""Quirks of SCIM servers in what they keep, and whom they let be written.

Knows the store behind the service. Must not know the tool that has to live with it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service
from ninjasync.sandbox.faults.rewrite import (
    WRITES,
    Quirk,
    Site,
    body_of,
    document_of,
    error,
    for_one,
    kind_of,
    oldest,
    operation_paths,
    operations_of,
    paths_of,
    place,
    refusing,
    relisting,
    storing,
    touches_oldest,
    with_document,
)
from ninjasync.sandbox.ninjaone.patch import PATCH_OP
from ninjasync.sandbox.ninjaone.schema import GROUP, NINJAONE_USER, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne


def _stale_reads(service: Service, site: Site) -> Service:
    """Make lists from a copy that was made before the last write."""
    older = [_copy(site.store)]

    def answer(request: HttpRequest) -> HttpResponse:
        with site.store.lock:
            if request.method in WRITES:
                older[0] = _copy(site.store)
            elif place(request)[1] is None:
                return site.over(older[0])(request)
            return service(request)

    return answer


def _copy(store: NinjaOne) -> NinjaOne:
    """Rows are shared: the service puts a new row in place of an old one and never writes into one."""
    copy = NinjaOne(page_cap=store.page_cap)
    for kind in (USER, GROUP):
        for resource in store.table(kind).values():
            copy.overwrite(kind, resource)
    return copy


def _no_uniqueness(service: Service, site: Site) -> Service:
    """Give the second a name of its own first, as the store itself knows no twins."""
    names = {"Users": "userName", "Groups": "displayName"}

    def answer(request: HttpRequest) -> HttpResponse:
        with site.store.lock:
            response = service(request)
            if response.status != 409 or request.method != "POST":
                return response
            name = names[place(request)[0]]
            body = body_of(request)
            wanted = body.pop(name.lower())
            own = hashlib.sha256(f"{len(site.store.users)}/{len(site.store.groups)}".encode()).hexdigest()[:8]
            made = service(replace(for_one(request, "POST", "", {**body, name: f"{own}.{wanted}"}), path=request.path))
            document = document_of(made)
            if made.status != 201 or document is None:
                return made
            site.store.edit(kind_of(request), document["id"], **{name: wanted})
            return replace(made, body=service(for_one(request, "GET", document["id"])).body)

    return answer


def _created_in_vain(service: Service, site: Site) -> Service:
    seen: set[bytes] = set()

    def answer(request: HttpRequest) -> HttpResponse:
        with site.store.lock:
            response = service(request)
            document = document_of(response)
            if request.method != "POST" or response.status != 201 or document is None or request.body in seen:
                return response
            seen.add(request.body)
            site.store.delete(kind_of(request), document["id"])
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
    return storing(lambda resource: resource.pop(name, None), "Users", "Groups")


def _delete_is_inactive(service: Service, site: Site) -> Service:
    operation = {"op": "replace", "path": "active", "value": False}
    patch = {"schemas": [PATCH_OP], "Operations": [operation]}

    def answer(request: HttpRequest) -> HttpResponse:
        name, resource_id = place(request)
        if request.method != "DELETE" or name != "Users" or resource_id is None:
            return service(request)
        response = service(for_one(request, "PATCH", resource_id, patch))
        return HttpResponse(204) if response.status == 200 else response

    return answer


def _touches_inactive(request: HttpRequest, site: Site) -> bool:
    """Whether it is a change of an inactive user in anything but ``active``."""
    name, resource_id = place(request)
    user = site.store.users.get(resource_id or "")
    if name != "Users" or user is None or user.get("active", True):
        return False
    if request.method == "PATCH":
        return any(operation_paths(operation) != {"active"} for operation in operations_of(request))
    if request.method == "PUT":
        sent, stored = body_of(request), {key.lower(): value for key, value in user.items()}
        return any(sent.get(key) != stored.get(key) for key in ("username", "externalid", "name"))
    return False


def _asks_for_oldest(request: HttpRequest, site: Site) -> bool:
    name, resource_id = place(request)
    return name == "Users" and resource_id is not None and resource_id == oldest(site)


def _all_but_oldest(rows: list[Json], site: Site) -> list[Json]:
    return [row for row in rows if row["id"] != oldest(site)]


def _hidden_holder(service: Service, site: Site) -> Service:
    found = refusing(_asks_for_oldest, error(404, "no such user"))(service, site)
    return relisting(_all_but_oldest)(found, site)


def _active_only(rows: list[Json], site: Site) -> list[Json]:
    """By the store: the rows may leave out ``active``."""
    return [row for row in rows if site.store.users.get(row["id"], {}).get("active", True)]


def _stored(request: HttpRequest, site: Site) -> Json:
    """Return what is stored of the resource that is asked for; empty where there is none."""
    return dict(site.store.table(kind_of(request)).get(place(request)[1] or "", {}))


def _external_id_stays(service: Service, site: Site) -> Service:
    def answer(request: HttpRequest) -> HttpResponse:
        with site.store.lock:
            before = _stored(request, site).get("externalId")
            response = service(request)
            after = _stored(request, site)
            if not before or not after or after.get("externalId") == before:
                return response
            site.store.edit(kind_of(request), after["id"], externalId=before)
            return replace(response, body=service(for_one(request, "GET", after["id"])).body)

    return answer


def _changes_external_id(request: HttpRequest, site: Site) -> bool:
    before = _stored(request, site).get("externalId")
    if not before or "externalid" not in paths_of(request):
        return False
    values = [body_of(request).get("externalid")] if request.method == "PUT" else []
    for operation in operations_of(request):
        if "externalid" in operation_paths(operation):
            value = operation.get("value")
            given = {name.lower(): each for name, each in value.items()} if isinstance(value, dict) else {}
            values.append(value if operation.get("path") else given["externalid"])
    return any(value != before for value in values)


def _lower_external_id(resource: Json) -> None:
    if "externalId" in resource:
        resource["externalId"] = resource["externalId"].lower()


def _patch_urn_astray(service: Service, site: Site) -> Service:
    """Keep what goes to an extension's path apart, and show it under that path as a name."""
    astray: dict[str, Json] = {}
    prefix = NINJAONE_USER.lower() + ":"

    def heard(request: HttpRequest, user_id: str) -> HttpRequest:
        kept: list[Json] = []
        for operation in operations_of(request):
            path = str(operation.get("path") or "")
            if not path.lower().startswith(prefix):
                kept.append(operation)
            elif str(operation.get("op")).lower() == "remove":
                astray.get(user_id, {}).pop(path, None)
            else:
                astray.setdefault(user_id, {})[path] = operation.get("value")
        if kept:
            return replace(request, body=json.dumps({"schemas": [PATCH_OP], "Operations": kept}).encode())
        return for_one(request, "GET", user_id)

    def answer(request: HttpRequest) -> HttpResponse:
        name, user_id = place(request)
        if name != "Users":
            return service(request)
        if request.method == "PATCH" and user_id is not None and user_id in site.store.users:
            request = heard(request, user_id)
        elif request.method in ("PUT", "DELETE"):
            astray.pop(user_id or "", None)  # a PUT replaces all there is
        response = service(request)
        document = document_of(response)
        if document is None or response.status >= 300:
            return response
        if "Resources" in document:
            shown = [each | astray.get(each["id"], {}) for each in document["Resources"]]
            return with_document(response, document | {"Resources": shown})
        return with_document(response, document | astray.get(document["id"], {}))

    return answer


KEEPING: dict[str, Quirk] = {
    "stale-reads": _stale_reads,
    "no-uniqueness": _no_uniqueness,
    "created-in-vain": _created_in_vain,
    "no-external-id": _without("externalId"),
    "drops-title": _without("title"),
    "trims-names": storing(_trim, "Users"),
    "lower-case-user-name": storing(_lower, "Users"),
    "upper-case-family-name": storing(_upper, "Users"),
    "type-becomes-end-user": storing(_demote, "Users"),
    "organization-becomes-all": storing(_everywhere, "Users"),
    "delete-is-inactive": _delete_is_inactive,
    "inactive-refuses-patch": refusing(_touches_inactive, error(400, "the user is inactive", "mutability")),
    "protected-403": refusing(touches_oldest, error(403, "this account is protected")),
    "external-id-stays": _external_id_stays,
    "external-id-lower-case": storing(_lower_external_id, "Users", "Groups"),
    "external-id-immutable": refusing(_changes_external_id, error(400, "externalId cannot be changed", "mutability")),
    "patch-urn-astray": _patch_urn_astray,
    "protected-500": refusing(touches_oldest, error(500, "something went wrong")),
    "inactive-unlisted": relisting(_active_only),
    "hidden-holder": _hidden_holder,
}
