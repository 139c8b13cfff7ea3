"""Quirks of SCIM servers in how they want to be asked, and in how they page, filter and count.

Knows requests and list documents. Must not know what is stored.
"""

from __future__ import annotations

import re

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service
from ninjasync.sandbox.rewrite import (
    Quirk,
    Site,
    answering,
    asking,
    body_of,
    document_of,
    documents,
    error,
    is_list,
    lists,
    operations_of,
    place,
    refusing,
    with_document,
    with_params,
)

_EQ = re.compile(r'[\w:.$]+\s+eq\s+("(\\.|[^"\\])*"|true|false)', re.IGNORECASE)
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


def _asks_for_everything(request: HttpRequest, site: Site) -> bool:
    return is_list(request) and not request.params.get("filter")


def _asks_more_than_eq(request: HttpRequest, site: Site) -> bool:
    wanted = request.params.get("filter", "") if is_list(request) else ""
    return bool(wanted) and _EQ.fullmatch(wanted.strip()) is None


def _asks_by_external_id(request: HttpRequest, site: Site) -> bool:
    return is_list(request) and "externalid" in request.params.get("filter", "").lower()


def _capped(request: HttpRequest, site: Site) -> HttpRequest:
    if not is_list(request):
        return request
    asked = request.params.get("count", "")
    return with_params(request, count=str(min(int(asked) if asked.isdecimal() else site.number, site.number)))


def _one_back(request: HttpRequest, site: Site) -> HttpRequest:
    start = request.params.get("startIndex", "")
    if not is_list(request) or not start.isdecimal() or int(start) < 2:
        return request
    return with_params(request, startIndex=str(int(start) - 1))


def _lists_without(*params: str) -> Quirk:
    gone = dict.fromkeys(params)
    return asking(lambda request, site: with_params(request, **gone) if is_list(request) else request)


def _cursor_paging(service: Service, site: Site) -> Service:
    """Take the next startIndex for a cursor, which a client need not know (RFC 9865 §2)."""

    def answer(request: HttpRequest) -> HttpResponse:
        if not is_list(request):
            return service(request)
        cursor = request.params.get("cursor", "").removeprefix("c")
        start = int(cursor) if cursor.isdecimal() else 1
        response = service(with_params(request, startIndex=str(start), cursor=None))
        document = document_of(response)
        if response.status != 200 or document is None:
            return response
        shown = {name: value for name, value in document.items() if name not in ("startIndex", "totalResults")}
        following = start + len(document["Resources"])
        if following <= document["totalResults"]:
            shown["nextCursor"] = f"c{following}"
        return with_document(response, shown)

    return answer


def _no_hit_is_404(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if not is_list(request) or "filter" not in request.params or response.status != 200:
        return response
    document = document_of(response) or {}
    return response if document.get("Resources") else error(404, "nothing matches")


def _drop_empty(document: Json) -> Json:
    return {name: value for name, value in document.items() if name != "Resources" or value}


ASKING: dict[str, Quirk] = {
    "patch-501": _without_patch(error(501, "PATCH is not implemented")),
    "patch-405": _without_patch(error(405, "PATCH is not allowed")),
    "patch-title-case-only": refusing(_has_plain_op, error(400, "op must be Add, Replace or Remove", "invalidSyntax")),
    "member-removal-list-only": refusing(_removes_by_filter, error(400, "no filter in a path", "invalidPath")),
    "member-removal-filter-only": refusing(_removes_by_list, error(400, "remove takes no value", "invalidValue")),
    "member-cap": refusing(_has_too_many_members, error(400, "too many members in a request", "tooMany")),
    "overlapping-pages": asking(_one_back),
    "page-cap": asking(_capped),
    "ignores-start-index": _lists_without("startIndex"),
    "cursor-paging": _cursor_paging,
    "too-many": refusing(_asks_for_everything, error(400, "too many results; use a filter", "tooMany")),
    "no-filter": _lists_without("filter"),
    "eq-only": refusing(_asks_more_than_eq, error(400, "only eq is supported", "invalidFilter")),
    "no-external-id-filter": refusing(_asks_by_external_id, error(400, "externalId: no filter", "invalidFilter")),
    "filter-404": answering(_no_hit_is_404),
    "no-projection": asking(lambda request, site: with_params(request, attributes=None, excludedAttributes=None)),
    "total-of-page": lists(lambda page: {**page, "totalResults": len(page.get("Resources", []))}),
    "no-total-results": lists(lambda page: {name: value for name, value in page.items() if name != "totalResults"}),
    "total-string": lists(
        lambda page: {name: str(value) if name == "totalResults" else value for name, value in page.items()}
    ),
    "resources-absent": lists(_drop_empty),
}
