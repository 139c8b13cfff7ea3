"""Quirks of the Duo Admin API: what its documentation leaves open, and what real answers have had wrong.

Knows Duo's list documents. Must not know signatures, nor who reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service
from ninjasync.sandbox.faults.messages import leave_out, read_document, set_document

_USERS = "/admin/v1/users"
_GROUPS = "/admin/v1/groups"
_SMALL_PAGE = 10

_Change = Callable[[HttpRequest, Json, Company], Json]


def duo_quirks(service: Service, people: Company, names: list[str]) -> Service:
    """Return the Duo Admin API with these quirks, the first innermost."""
    for name in names:
        service = _changed(service, people, DUO[name])
    return service


def _changed(service: Service, people: Company, change: _Change) -> Service:
    def answer(request: HttpRequest) -> HttpResponse:
        response = service(request)
        document = read_document(response)
        if response.status != 200 or document is None or not isinstance(document.get("response"), list):
            return response
        return set_document(response, change(request, document, people))

    return answer


def _rows(change: Callable[[Json], Json | str], *, only: Callable[[Company], str | None] | None = None) -> _Change:
    """Change each user's record, or only that of one user id."""

    def changed(request: HttpRequest, document: Json, people: Company) -> Json:
        if request.path != _USERS:
            return document
        chosen = only(people) if only else None
        rows = document["response"]
        return {**document, "response": [change(row) if not only or row["user_id"] == chosen else row for row in rows]}

    return changed


def _metadata(change: Callable[[HttpRequest, Json, Company], Json]) -> _Change:
    def changed(request: HttpRequest, document: Json, people: Company) -> Json:
        return {**document, "metadata": change(request, dict(document.get("metadata", {})), people)}

    return changed


def _offset(request: HttpRequest) -> int:
    text = request.params.get("offset", "0")
    return int(text) if text.isdecimal() else 0


def _last_active(people: Company) -> str | None:
    active = [user_id for user_id, user in people.users.items() if user["status"] == "active"]
    return active[-1] if active else None


def _with_lists(user: Json) -> Json:
    return {**user, "custom_attributes": {name: [value] for name, value in user["custom_attributes"].items()}}


def _nameless_group(request: HttpRequest, document: Json, people: Company) -> Json:
    """In the list of groups and wherever the group is embedded."""
    last = next(reversed(people.groups), None)

    def shown(row: Json) -> Json:
        if "user_id" in row:
            return {**row, "groups": [shown(group) for group in row.get("groups", [])]}
        return {**row, "name": None} if row.get("group_id") == last else row

    return {**document, "response": [shown(row) for row in document["response"]]}


def _without_trashed(request: HttpRequest, document: Json, people: Company) -> Json:
    if request.path != _USERS:
        return document
    return {**document, "response": [row for row in document["response"] if row["status"] != "pending deletion"]}


def _malformed(user: Json) -> Json:
    return {**user, "groups": "n/a", "status": None, "email": 7}


def _short(request: HttpRequest, document: Json, people: Company) -> Json:
    return {**document, "response": document["response"][:-1]}


def _shrinking(request: HttpRequest, document: Json, people: Company) -> Json:
    """As if people were deleted while they are read."""
    if request.path != _USERS:
        return document
    offset, rows = _offset(request), document["response"]
    total = document["metadata"]["total_objects"]
    metadata = {"total_objects": total - 2 * (offset // _SMALL_PAGE)}
    if len(rows) > _SMALL_PAGE:
        metadata["next_offset"] = offset + _SMALL_PAGE
    return {**document, "response": rows[:_SMALL_PAGE], "metadata": metadata}


def _standing(request: HttpRequest, metadata: Json, people: Company) -> Json:
    return {**metadata, "next_offset": _offset(request)}


def _with_null_offsets(request: HttpRequest, metadata: Json, people: Company) -> Json:
    return {"next_offset": None, "prev_offset": None, **metadata}


def _without_trash(request: HttpRequest, metadata: Json, people: Company) -> Json:
    if request.path != _USERS or "total_objects" not in metadata:
        return metadata
    trashed = sum(user["status"] == "pending deletion" for user in people.users.values())
    return {**metadata, "total_objects": metadata["total_objects"] - trashed}


def _without_total(request: HttpRequest, metadata: Json, people: Company) -> Json:
    return {name: value for name, value in metadata.items() if name != "total_objects"}


DUO: Mapping[str, _Change] = {
    "duo.no-custom-attributes": _rows(lambda user: leave_out(user, "custom_attributes")),
    "duo.list-values": _rows(_with_lists),
    "duo.null-group-name": _nameless_group,
    "duo.malformed-row": _rows(_malformed, only=_last_active),
    "duo.unknown-status": _rows(lambda user: {**user, "status": "frozen"}, only=_last_active),
    "duo.short-page": _short,
    "duo.shrinking-total": _shrinking,
    "duo.standing-offset": _metadata(_standing),
    "duo.null-offsets": _metadata(_with_null_offsets),
    "duo.trash-uncounted": _metadata(_without_trash),
    "duo.trash-unlisted": _without_trashed,
    "duo.no-total": _metadata(_without_total),
}
