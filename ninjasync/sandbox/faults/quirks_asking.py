"""Quirks of SCIM servers in how they want to be asked.

Knows requests. Must not know what is stored.
"""

from __future__ import annotations

from collections.abc import Callable

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service
from ninjasync.sandbox.faults.messages import (
    Context,
    Quirk,
    leave_out,
    locate,
    make_error,
    read_body,
    read_operations,
    read_paths,
    touches_oldest,
)
from ninjasync.sandbox.faults.rewrite import change_documents, change_resources, refuse_first, refuse_if
from ninjasync.sandbox.ninjaone.schema import NINJAONE_USER

_TITLE_CASE = ("Add", "Replace", "Remove")


def _says_no_patch(request: HttpRequest, document: Json) -> Json:
    return {**document, "patch": {"supported": False}}


def _without_patch(response: HttpResponse) -> Quirk:
    def quirk(service: Service, context: Context) -> Service:
        described = change_documents(_says_no_patch, lambda request: locate(request)[0] == "ServiceProviderConfig")(
            service, context
        )
        return refuse_if(lambda request, context: request.method == "PATCH", response)(described, context)

    return quirk


def _has_plain_op(request: HttpRequest, context: Context) -> bool:
    return any(operation.get("op") not in _TITLE_CASE for operation in read_operations(request))


def _removes_member(operation: Json) -> bool:
    return str(operation.get("op")).lower() == "remove" and str(operation.get("path")).lower().startswith("members")


def _removes_by_filter(request: HttpRequest, context: Context) -> bool:
    return any(_removes_member(each) and "[" in each["path"] for each in read_operations(request))


def _removes_by_list(request: HttpRequest, context: Context) -> bool:
    return any(_removes_member(each) and "[" not in each["path"] for each in read_operations(request))


def _has_too_many_members(request: HttpRequest, context: Context) -> bool:
    sent = _count(read_body(request).get("members"))
    for operation in read_operations(request):
        path, value = str(operation.get("path") or "").lower(), operation.get("value")
        if path.startswith("members["):
            sent += 1
        elif path == "members":
            sent += _count(value)
        elif not path and isinstance(value, dict):
            sent += _count({name.lower(): each for name, each in value.items()}.get("members"))
    return sent > context.number


def _count(members: object) -> int:
    return len(members) if isinstance(members, list) else 0


def _is_patch_of(kind: str) -> Callable[[HttpRequest, Context], bool]:
    return lambda request, context: request.method == "PATCH" and locate(request)[0] == kind


def _patches_oldest(request: HttpRequest, context: Context) -> bool:
    return request.method == "PATCH" and touches_oldest(request, context)


def _renames_group(request: HttpRequest, context: Context) -> bool:
    return _is_patch_of("Groups")(request, context) and "displayname" in read_paths(request)


def _puts_group(request: HttpRequest, context: Context) -> bool:
    return request.method == "PUT" and locate(request)[0] == "Groups"


def _unknown(name: str, prefix: str) -> Quirk:
    """Refuse a request whole that writes to an attribute whose path begins so, in lower case."""

    def names_it(request: HttpRequest, context: Context) -> bool:
        return any(path.startswith(prefix) for path in read_paths(request))

    def quirk(service: Service, context: Context) -> Service:
        hidden = change_resources(lambda resource: leave_out(resource, name))(service, context)
        return refuse_if(names_it, make_error(400, f"{name} is no attribute", "invalidPath"))(hidden, context)

    return quirk


def _with_empty_email(resource: Json) -> Json:
    return {"emails": [{"value": "", "primary": True}], **resource} if "userName" in resource else resource


def _puts_empty_email(request: HttpRequest, context: Context) -> bool:
    emails = read_body(request).get("emails") if request.method == "PUT" else None
    return isinstance(emails, list) and any(isinstance(each, dict) and not each.get("value") for each in emails)


def _put_refuses_echo(service: Service, context: Context) -> Service:
    refused = refuse_if(_puts_empty_email, make_error(400, "emails: this field may not be blank", "invalidValue"))
    return refused(change_resources(_with_empty_email)(service, context), context)


def _is_not_json(request: HttpRequest, context: Context) -> bool:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return request.method in ("POST", "PUT", "PATCH") and given != "application/json"


ASKING: dict[str, Quirk] = {
    "patch-501": _without_patch(make_error(501, "PATCH is not implemented")),
    "patch-405": _without_patch(make_error(405, "PATCH is not allowed")),
    "patch-title-case-only": refuse_if(
        _has_plain_op, make_error(400, "op must be Add, Replace or Remove", "invalidSyntax")
    ),
    "member-removal-list-only": refuse_if(_removes_by_filter, make_error(400, "no filter in a path", "invalidPath")),
    "member-removal-filter-only": refuse_if(_removes_by_list, make_error(400, "remove takes no value", "invalidValue")),
    "member-cap": refuse_if(_has_too_many_members, make_error(400, "too many members in a request", "tooMany")),
    "user-patch-501": refuse_if(_is_patch_of("Users"), make_error(501, "PATCH of a user is not implemented")),
    "oldest-patch-405": refuse_if(_patches_oldest, make_error(405, "PATCH is not allowed here")),
    "first-patch-405": refuse_first(
        lambda request: request.method == "PATCH", lambda context: make_error(405, "not allowed")
    ),
    "group-rename-501": refuse_if(_renames_group, make_error(501, "renaming a group is not implemented")),
    "group-put-405": refuse_if(_puts_group, make_error(405, "PUT of a group is not allowed")),
    "put-refuses-echo": _put_refuses_echo,
    "json-only": refuse_if(_is_not_json, make_error(415, "the body must be application/json")),
    "external-id-unknown": _unknown("externalId", "externalid"),
    "extension-unknown": _unknown(NINJAONE_USER, NINJAONE_USER.lower()),
    "title-unknown": _unknown("title", "title"),
}
