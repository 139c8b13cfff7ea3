"""What quirks are made of: ways to change a SCIM request before it is served, or its answer after.

Must not know any one quirk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import replace
from itertools import count

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service
from ninjasync.sandbox.faults.messages import (
    RESOURCES,
    WRITES,
    Context,
    Quirk,
    find_kind,
    is_list,
    locate,
    make_request,
    read_document,
    read_window,
    set_document,
    set_params,
)


def change_requests(change: Callable[[HttpRequest, Context], HttpRequest]) -> Quirk:
    """Change every request before it is served."""
    return lambda service, context: lambda request: service(change(request, context))


def refuse_if(condition: Callable[[HttpRequest, Context], bool], response: HttpResponse) -> Quirk:
    """Answer so where the condition holds, in place of the service."""
    return lambda service, context: lambda request: response if condition(request, context) else service(request)


def refuse_first(condition: Callable[[HttpRequest], bool], response: Callable[[Context], HttpResponse]) -> Quirk:
    """Answer so the first time that the condition holds, in place of the service."""

    def quirk(service: Service, context: Context) -> Service:
        times = count()
        return lambda request: response(context) if condition(request) and next(times) == 0 else service(request)

    return quirk


def change_responses(change: Callable[[HttpRequest, HttpResponse], HttpResponse]) -> Quirk:
    """Change every response."""
    return lambda service, context: lambda request: change(request, service(request))


def change_documents(
    change: Callable[[HttpRequest, Json], Json], when: Callable[[HttpRequest], bool] | None = None
) -> Quirk:
    """Change the JSON object of every success, or only where ``when`` holds."""

    def changed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        document = read_document(response) if response.status < 300 else None
        if document is None or (when is not None and not when(request)):
            return response
        return set_document(response, change(request, document))

    return change_responses(changed)


def change_lists(change: Callable[[Json], Json]) -> Quirk:
    """Change every list of users or groups."""
    return change_documents(lambda request, document: change(document), is_list)


def change_resources(change: Callable[[Json], Json]) -> Quirk:
    """Change every user and group in an answer."""

    def changed(request: HttpRequest, document: Json) -> Json:
        if not is_list(request):
            return change(document)
        return {**document, "Resources": [change(each) for each in document.get("Resources", [])]}

    return change_documents(changed, lambda request: locate(request)[0] in RESOURCES)


def change_stored(change: Callable[[Json], None], *kinds: str) -> Quirk:
    """Change what a write has stored (``kinds`` as in "Users"), and let the answer show it."""

    def quirk(service: Service, context: Context) -> Service:
        def answer(request: HttpRequest) -> HttpResponse:
            if request.method not in WRITES or locate(request)[0] not in kinds:
                return service(request)
            with context.store.lock:
                response = service(request)
                document = read_document(response) if response.status < 300 else None
                if document is None:
                    return response
                kind = find_kind(request)
                stored = deepcopy(context.store.get(kind, document["id"]))
                change(stored)
                context.store.overwrite(kind, stored)
                return replace(response, body=service(make_request(request, "GET", document["id"])).body)

        return answer

    return quirk


def choose_rows(select: Callable[[list[Json], Context], list[Json]]) -> Quirk:
    """Choose among all rows that a list would have over all its pages, then page again."""

    def quirk(service: Service, context: Context) -> Service:
        def answer(request: HttpRequest) -> HttpResponse:
            if not is_list(request):
                return service(request)
            rows: list[Json] = []
            while True:
                asked = set_params(request, startIndex=str(len(rows) + 1), count=str(context.store.page_cap))
                response = service(asked)
                document = read_document(response)
                if response.status != 200 or document is None:
                    return response
                rows += document["Resources"]
                if not document["Resources"] or len(rows) >= document["totalResults"]:
                    break
            chosen = select(rows, context)
            start, size = read_window(request, context)
            page = chosen[start - 1 : start - 1 + size]
            shown = {"totalResults": len(chosen), "startIndex": start, "itemsPerPage": len(page), "Resources": page}
            return set_document(response, {**document, **shown})

        return answer

    return quirk


def compose(service: Service, context: Context, quirks: Iterable[tuple[Quirk, int]]) -> Service:
    """Wrap the service in these quirks, the first innermost; each has its own number."""
    for quirk, number in quirks:
        service = quirk(service, replace(context, number=number))
    return service
