"""Quirks of SCIM servers in how they want to be asked.

Knows requests. Must not know what is stored.
"""

from __future__ import annotations

from collections.abc import Callable

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service
from ninjasync.sandbox.faults.rewrite import (
    Quirk,
    Site,
    body_of,
    documents,
    error,
    first_only,
    less,
    operations_of,
    paths_of,
    place,
    refusing,
    resources,
    touches_oldest,
)
from ninjasync.sandbox.ninjaone.schema import NINJAONE_USER

_TITLE_CASE = ("Add", "Replace", "Remove")


def _says_no_patch(request: HttpRequest, document: Json) -> Json:
    return {**document, "patch": {"supported": False}}


def _without_patch(response: HttpResponse) -> Quirk:
    def quirk(service: Service, site: Site) -> Service:
        told = documents(_says_no_patch, lambda request: place(request)[0] == "ServiceProviderConfig")(service, site)
        return refusing(lambda request, site: request.method == "PATCH", response)(told, site)

    return quirk


def _has_plain_op(request: HttpRequest, site: Site) -> bool:
    return any(operation.get("op") not in _TITLE_CASE for operation in operations_of(request))


def _removes_member(operation: Json) -> bool:
    return str(operation.get("op")).lower() == "remove" and str(operation.get("path")).lower().startswith("members")


def _removes_by_filter(request: HttpRequest, site: Site) -> bool:
    return any(_removes_member(each) and "[" in each["path"] for each in operations_of(request))


def _removes_by_list(request: HttpRequest, site: Site) -> bool:
    return any(_removes_member(each) and "[" not in each["path"] for each in operations_of(request))


def _has_too_many_members(request: HttpRequest, site: Site) -> bool:
    sent = _count(body_of(request).get("members"))
    for operation in operations_of(request):
        path, value = str(operation.get("path") or "").lower(), operation.get("value")
        if path.startswith("members["):
            sent += 1
        elif path == "members":
            sent += _count(value)
        elif not path and isinstance(value, dict):
            sent += _count({name.lower(): each for name, each in value.items()}.get("members"))
    return sent > site.number


def _count(members: object) -> int:
    return len(members) if isinstance(members, list) else 0


def _is_patch_of(kind: str) -> Callable[[HttpRequest, Site], bool]:
    return lambda request, site: request.method == "PATCH" and place(request)[0] == kind


def _patches_oldest(request: HttpRequest, site: Site) -> bool:
    return request.method == "PATCH" and touches_oldest(request, site)


def _renames_group(request: HttpRequest, site: Site) -> bool:
    return _is_patch_of("Groups")(request, site) and "displayname" in paths_of(request)


def _puts_group(request: HttpRequest, site: Site) -> bool:
    return request.method == "PUT" and place(request)[0] == "Groups"


def _unknown(name: str, prefix: str) -> Quirk:
    """Refuse a request whole that writes to an attribute whose path begins so, in lower case."""

    def names_it(request: HttpRequest, site: Site) -> bool:
        return any(path.startswith(prefix) for path in paths_of(request))

    def quirk(service: Service, site: Site) -> Service:
        hidden = resources(lambda resource: less(resource, name))(service, site)
        return refusing(names_it, error(400, f"{name} is no attribute", "invalidPath"))(hidden, site)

    return quirk


def _with_empty_email(resource: Json) -> Json:
    return {"emails": [{"value": "", "primary": True}], **resource} if "userName" in resource else resource


def _puts_empty_email(request: HttpRequest, site: Site) -> bool:
    emails = body_of(request).get("emails") if request.method == "PUT" else None
    return isinstance(emails, list) and any(isinstance(each, dict) and not each.get("value") for each in emails)


def _put_refuses_echo(service: Service, site: Site) -> Service:
    refused = refusing(_puts_empty_email, error(400, "emails: this field may not be blank", "invalidValue"))
    return refused(resources(_with_empty_email)(service, site), site)


def _is_not_json(request: HttpRequest, site: Site) -> bool:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return request.method in ("POST", "PUT", "PATCH") and given != "application/json"


ASKING: dict[str, Quirk] = {
    "patch-501": _without_patch(error(501, "PATCH is not implemented")),
    "patch-405": _without_patch(error(405, "PATCH is not allowed")),
    "patch-title-case-only": refusing(_has_plain_op, error(400, "op must be Add, Replace or Remove", "invalidSyntax")),
    "member-removal-list-only": refusing(_removes_by_filter, error(400, "no filter in a path", "invalidPath")),
    "member-removal-filter-only": refusing(_removes_by_list, error(400, "remove takes no value", "invalidValue")),
    "member-cap": refusing(_has_too_many_members, error(400, "too many members in a request", "tooMany")),
    "user-patch-501": refusing(_is_patch_of("Users"), error(501, "PATCH of a user is not implemented")),
    "oldest-patch-405": refusing(_patches_oldest, error(405, "PATCH is not allowed here")),
    "first-patch-405": first_only(lambda request: request.method == "PATCH", lambda site: error(405, "not allowed")),
    "group-rename-501": refusing(_renames_group, error(501, "renaming a group is not implemented")),
    "group-put-405": refusing(_puts_group, error(405, "PUT of a group is not allowed")),
    "put-refuses-echo": _put_refuses_echo,
    "json-only": refusing(_is_not_json, error(415, "the body must be application/json")),
    "external-id-unknown": _unknown("externalId", "externalid"),
    "extension-unknown": _unknown(NINJAONE_USER, NINJAONE_USER.lower()),
    "title-unknown": _unknown("title", "title"),
}
