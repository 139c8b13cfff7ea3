"""Quirks of SCIM servers in the members of groups: which they take, show, and find.

Knows groups, members and the groups of a user. Must not know how any other attribute fares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service
from ninjasync.sandbox.faults.messages import (
    Context,
    Quirk,
    find_oldest,
    is_list,
    leave_out,
    locate,
    make_error,
    read_body,
    read_operations,
    restore_ids,
    set_params,
)
from ninjasync.sandbox.faults.rewrite import change_lists, change_requests, change_resources, refuse_if

_ON_MEMBERS = re.compile(r'members(\.value)?\s+eq\s+"(\\.|[^"\\])*"', re.IGNORECASE)


def _groups(change: Callable[[Json], Json]) -> Quirk:
    """Change every group in an answer."""
    return change_resources(lambda resource: resource if "userName" in resource else change(resource))


def _members(change: Callable[[list[Json]], list[Json]]) -> Quirk:
    """Change the list of members where a group shows one."""
    return _groups(lambda group: {**group, "members": change(group["members"])} if "members" in group else group)


def _first(service: Service, context: Context) -> Service:
    return _members(lambda members: members[: context.number])(service, context)


def _by_ref(members: list[Json]) -> list[Json]:
    return [leave_out(member, "value") for member in members]


def _shouted(service: Service, context: Context) -> Service:
    """Show ids of members in capitals, and know an id in any case."""
    shown = _members(lambda members: [{**member, "value": member["value"].upper()} for member in members])

    def answer(request: HttpRequest) -> HttpResponse:
        with context.store.lock:
            known = [*context.store.users, *context.store.groups]
        real = {spelled: key for key in known for spelled in (key, key.upper())}
        return service(restore_ids(request, real))

    return shown(answer, context)


def _without_members(request: HttpRequest, context: Context) -> HttpRequest:
    if request.method != "POST" or locate(request)[0] != "Groups":
        return request
    body = json.loads(request.body or b"{}")
    kept = {name: value for name, value in body.items() if name.lower() != "members"} if isinstance(body, dict) else {}
    return replace(request, body=json.dumps(kept).encode())


def _adds_oldest(request: HttpRequest, context: Context) -> bool:
    """Whether it would make the oldest account a member of a group."""
    first = find_oldest(context)
    if first is None or locate(request)[0] != "Groups":
        return False
    given = [operation for operation in read_operations(request) if str(operation.get("op")).lower() != "remove"]
    return json.dumps(first) in json.dumps([given, read_body(request).get("members")])


def _filters(word: str, kind: str) -> Callable[[HttpRequest, Context], bool]:
    def asks(request: HttpRequest, context: Context) -> bool:
        wanted = request.params.get("filter", "").lower()
        return is_list(request) and locate(request)[0] == kind and re.search(rf"\b{word}\b", wanted) is not None

    return asks


def _with_any_member(request: HttpRequest, context: Context) -> HttpRequest:
    wanted = request.params.get("filter", "")
    if not is_list(request) or not _ON_MEMBERS.search(wanted):
        return request
    rest = re.split(r"\s+and\s+", wanted, flags=re.IGNORECASE)
    return set_params(request, filter=" and ".join(each for each in rest if not _ON_MEMBERS.search(each)) or None)


def _no_user_groups(service: Service, context: Context) -> Service:
    hidden = change_resources(lambda resource: leave_out(resource, "groups"))(service, context)
    return refuse_if(_filters("groups", "Users"), make_error(400, "groups: no filter", "invalidFilter"))(
        hidden, context
    )


MEMBERS: dict[str, Quirk] = {
    "members-in-post-dropped": change_requests(_without_members),
    "refused-member": refuse_if(_adds_oldest, make_error(400, "one of these cannot be a member", "invalidValue")),
    "members-always-empty": _groups(lambda group: {**group, "members": []}),
    "members-hidden": _groups(lambda group: leave_out(group, "members")),
    "members-absent": change_lists(
        lambda page: {**page, "Resources": [leave_out(each, "members") for each in page.get("Resources", [])]}
    ),
    "members-shown": _first,
    "members-by-ref": _members(_by_ref),
    "members-upper-case": _shouted,
    "empty-members": _groups(lambda group: {"members": [], **group}),
    "no-user-groups": _no_user_groups,
    "no-member-filter": refuse_if(
        _filters("members", "Groups"), make_error(400, "members: no filter", "invalidFilter")
    ),
    "member-filter-ignored": change_requests(_with_any_member),
}
