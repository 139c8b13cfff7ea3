"""Quirks of SCIM servers in who is in a group: what they take, what they show, and whom they ask.

Knows groups, members and the groups of a user. Must not know how any other attribute fares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service
from ninjasync.sandbox.faults.rewrite import (
    Quirk,
    Site,
    asking,
    body_of,
    error,
    is_list,
    less,
    lists,
    oldest,
    operations_of,
    place,
    refusing,
    resources,
    with_params,
    with_real_ids,
)

_ON_MEMBERS = re.compile(r'members(\.value)?\s+eq\s+"(\\.|[^"\\])*"', re.IGNORECASE)


def _groups(change: Callable[[Json], Json]) -> Quirk:
    """Change every group in an answer."""
    return resources(lambda resource: resource if "userName" in resource else change(resource))


def _members(change: Callable[[list[Json]], list[Json]]) -> Quirk:
    """Change the list of members where a group shows one."""
    return _groups(lambda group: {**group, "members": change(group["members"])} if "members" in group else group)


def _first(service: Service, site: Site) -> Service:
    return _members(lambda members: members[: site.number])(service, site)


def _by_ref(members: list[Json]) -> list[Json]:
    return [less(member, "value") for member in members]


def _shouted(service: Service, site: Site) -> Service:
    """Show ids of members in capitals, and know an id in any case."""
    shown = _members(lambda members: [{**member, "value": member["value"].upper()} for member in members])

    def answer(request: HttpRequest) -> HttpResponse:
        with site.store.lock:
            known = [*site.store.users, *site.store.groups]
        real = {spelled: key for key in known for spelled in (key, key.upper())}
        return service(with_real_ids(request, real))

    return shown(answer, site)


def _without_members(request: HttpRequest, site: Site) -> HttpRequest:
    if request.method != "POST" or place(request)[0] != "Groups":
        return request
    body = json.loads(request.body or b"{}")
    kept = {name: value for name, value in body.items() if name.lower() != "members"} if isinstance(body, dict) else {}
    return replace(request, body=json.dumps(kept).encode())


def _adds_oldest(request: HttpRequest, site: Site) -> bool:
    """Whether it would make the oldest account a member of a group."""
    first = oldest(site)
    if first is None or place(request)[0] != "Groups":
        return False
    given = [operation for operation in operations_of(request) if str(operation.get("op")).lower() != "remove"]
    return json.dumps(first) in json.dumps([given, body_of(request).get("members")])


def _filters(word: str, kind: str) -> Callable[[HttpRequest, Site], bool]:
    def asks(request: HttpRequest, site: Site) -> bool:
        wanted = request.params.get("filter", "").lower()
        return is_list(request) and place(request)[0] == kind and re.search(rf"\b{word}\b", wanted) is not None

    return asks


def _with_any_member(request: HttpRequest, site: Site) -> HttpRequest:
    wanted = request.params.get("filter", "")
    if not is_list(request) or not _ON_MEMBERS.search(wanted):
        return request
    rest = re.split(r"\s+and\s+", wanted, flags=re.IGNORECASE)
    return with_params(request, filter=" and ".join(each for each in rest if not _ON_MEMBERS.search(each)) or None)


def _no_user_groups(service: Service, site: Site) -> Service:
    hidden = resources(lambda resource: less(resource, "groups"))(service, site)
    return refusing(_filters("groups", "Users"), error(400, "groups: no filter", "invalidFilter"))(hidden, site)


MEMBERS: dict[str, Quirk] = {
    "members-in-post-dropped": asking(_without_members),
    "refused-member": refusing(_adds_oldest, error(400, "one of these cannot be a member", "invalidValue")),
    "members-always-empty": _groups(lambda group: {**group, "members": []}),
    "members-hidden": _groups(lambda group: less(group, "members")),
    "members-absent": lists(
        lambda page: {**page, "Resources": [less(each, "members") for each in page.get("Resources", [])]}
    ),
    "members-shown": _first,
    "members-by-ref": _members(_by_ref),
    "members-upper-case": _shouted,
    "empty-members": _groups(lambda group: {"members": [], **group}),
    "no-user-groups": _no_user_groups,
    "no-member-filter": refusing(_filters("members", "Groups"), error(400, "members: no filter", "invalidFilter")),
    "member-filter-ignored": asking(_with_any_member),
}
