"""Quirks of SCIM servers in how they page, filter and count, and in what a list is made of.

Knows list requests and list documents. Must not know what is stored.
"""

from __future__ import annotations

import json
import re

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service
from ninjasync.sandbox.faults.messages import (
    Context,
    Quirk,
    is_list,
    locate,
    make_error,
    read_document,
    read_window,
    set_document,
    set_params,
)
from ninjasync.sandbox.faults.rewrite import (
    change_documents,
    change_lists,
    change_requests,
    change_responses,
    refuse_if,
)

_EQ = re.compile(r'[\w:.$]+\s+eq\s+("(\\.|[^"\\])*"|true|false)', re.IGNORECASE)
_EXACTLY = re.compile(r'\b(userName|displayName)\s+eq\s+("(?:\\.|[^"\\])*")', re.IGNORECASE)


def _asks_for_everything(request: HttpRequest, context: Context) -> bool:
    return is_list(request) and not request.params.get("filter")


def _asks_more_than_eq(request: HttpRequest, context: Context) -> bool:
    wanted = request.params.get("filter", "") if is_list(request) else ""
    return bool(wanted) and _EQ.fullmatch(wanted.strip()) is None


def _asks_by_external_id(request: HttpRequest, context: Context) -> bool:
    return is_list(request) and "externalid" in request.params.get("filter", "").lower()


def _capped(request: HttpRequest, context: Context) -> HttpRequest:
    if not is_list(request):
        return request
    asked = request.params.get("count", "")
    return set_params(request, count=str(min(int(asked) if asked.isdecimal() else context.number, context.number)))


def _one_back(request: HttpRequest, context: Context) -> HttpRequest:
    start = request.params.get("startIndex", "")
    if not is_list(request) or not start.isdecimal() or int(start) < 2:
        return request
    return set_params(request, startIndex=str(int(start) - 1))


def _lists_without(*params: str) -> Quirk:
    gone = dict.fromkeys(params)
    return change_requests(lambda request, context: set_params(request, **gone) if is_list(request) else request)


def _cursor_paging(service: Service, context: Context) -> Service:
    """Take the next startIndex for a cursor, which a client need not know (RFC 9865 §2)."""

    def answer(request: HttpRequest) -> HttpResponse:
        if not is_list(request):
            return service(request)
        cursor = request.params.get("cursor", "").removeprefix("c")
        start = int(cursor) if cursor.isdecimal() else 1
        response = service(set_params(request, startIndex=str(start), cursor=None))
        document = read_document(response)
        if response.status != 200 or document is None:
            return response
        shown = {name: value for name, value in document.items() if name not in ("startIndex", "totalResults")}
        following = start + len(document["Resources"])
        if following <= document["totalResults"]:
            shown["nextCursor"] = f"c{following}"
        return set_document(response, shown)

    return answer


def _no_hit_is_404(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if not is_list(request) or "filter" not in request.params or response.status != 200:
        return response
    document = read_document(response) or {}
    return response if document.get("Resources") else make_error(404, "nothing matches")


def _drop_empty(document: Json) -> Json:
    return {name: value for name, value in document.items() if name != "Resources" or value}


def _is_behind(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether a list was asked for from a row on that it does not have."""
    document = read_document(response) if is_list(request) and response.status == 200 else None
    start = request.params.get("startIndex", "1")
    return document is not None and start.isdecimal() and int(start) > max(1, document["totalResults"])


def _last_page_again(service: Service, context: Context) -> Service:
    def answer(request: HttpRequest) -> HttpResponse:
        response = service(request)
        if not _is_behind(request, response):
            return response
        total, (_, count) = (read_document(response) or {})["totalResults"], read_window(request, context)
        pages = max(0, total - 1) // max(1, count)
        return service(set_params(request, startIndex=str(pages * count + 1)))

    return answer


def _error_behind_last(service: Service, context: Context) -> Service:
    def answer(request: HttpRequest) -> HttpResponse:
        response = service(request)
        return make_error(context.number, "there is no such page") if _is_behind(request, response) else response

    return answer


def _has_count(request: HttpRequest, context: Context) -> bool:
    return is_list(request) and "count" in request.params


def _is_list(request: HttpRequest, context: Context) -> bool:
    return is_list(request)


def _total_capped(service: Service, context: Context) -> Service:
    shown = change_lists(lambda page: {**page, "totalResults": min(page["totalResults"], context.number)})
    return shown(change_requests(_capped)(service, context), context)


def _two_more(request: HttpRequest, page: Json) -> Json:
    return {**page, "totalResults": page["totalResults"] + 2}


def _is_whole_list_of_users(request: HttpRequest) -> bool:
    return is_list(request) and locate(request)[0] == "Users" and not request.params.get("filter")


def _case_exact(request: HttpRequest, page: Json) -> Json:
    wanted = {name.lower(): json.loads(text) for name, text in _EXACTLY.findall(request.params["filter"])}
    rows = page.get("Resources", [])
    kept = [row for row in rows if all(row.get(name, text) == text for name, text in _spelled(wanted).items())]
    missing = len(rows) - len(kept)
    return {**page, "Resources": kept, "itemsPerPage": len(kept), "totalResults": page["totalResults"] - missing}


def _spelled(wanted: Json) -> Json:
    names = {"username": "userName", "displayname": "displayName"}
    return {names[name]: text for name, text in wanted.items()}


def _numbered(page: Json) -> Json:
    return {**page, "Resources": {str(number): each for number, each in enumerate(page.get("Resources", []))}}


def _single(page: Json) -> Json:
    rows = page.get("Resources", [])
    return {**page, "Resources": rows[0]} if len(rows) == 1 else page


def _nothing_if_empty(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    document = read_document(response) if is_list(request) and response.status == 200 else None
    return HttpResponse(204) if document is not None and not document.get("Resources") else response


LISTS: dict[str, Quirk] = {
    "overlapping-pages": change_requests(_one_back),
    "page-cap": change_requests(_capped),
    "ignores-start-index": _lists_without("startIndex"),
    "cursor-paging": _cursor_paging,
    "too-many": refuse_if(_asks_for_everything, make_error(400, "too many results; use a filter", "tooMany")),
    "no-filter": _lists_without("filter"),
    "eq-only": refuse_if(_asks_more_than_eq, make_error(400, "only eq is supported", "invalidFilter")),
    "no-external-id-filter": refuse_if(_asks_by_external_id, make_error(400, "externalId: no filter", "invalidFilter")),
    "filter-404": change_responses(_no_hit_is_404),
    "no-projection": change_requests(
        lambda request, context: set_params(request, attributes=None, excludedAttributes=None)
    ),
    "total-of-page": change_lists(lambda page: {**page, "totalResults": len(page.get("Resources", []))}),
    "no-total-results": change_lists(
        lambda page: {name: value for name, value in page.items() if name != "totalResults"}
    ),
    "total-string": change_lists(
        lambda page: {name: str(value) if name == "totalResults" else value for name, value in page.items()}
    ),
    "resources-absent": change_lists(_drop_empty),
    "last-page-again": _last_page_again,
    "error-behind-last": _error_behind_last,
    "count-500": refuse_if(_has_count, make_error(500, "something went wrong")),
    "no-lists": refuse_if(_is_list, make_error(405, "there are no lists")),
    "filter-case-exact": change_documents(_case_exact, lambda request: is_list(request) and "filter" in request.params),
    "total-cap": _total_capped,
    "total-counts-hidden": change_documents(_two_more, _is_whole_list_of_users),
    "resources-object": change_lists(_numbered),
    "single-as-object": change_lists(_single),
    "empty-list-204": change_responses(_nothing_if_empty),
    "list-204": refuse_if(_is_list, HttpResponse(204)),
}
