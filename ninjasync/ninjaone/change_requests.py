"""Which requests a change takes: the one place that says so.

The Writer sends what is yielded here, and ``explain`` shows it. Knows a change's requests, their
order and their bodies, which are ``scim_requests``'s; must not know what became of any. What the
Writer does beside upon a refusal (PUT for PATCH, a batch in halves) is its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ninjasync.config.ninjaone import Dialect
from ninjasync.config.schema import Config
from ninjasync.model import attributes
from ninjasync.model.attributes import EXTERNAL_ID, MEMBERS
from ninjasync.model.change import Change, Delta, Member
from ninjasync.model.directory import Resource
from ninjasync.model.explanation import Request
from ninjasync.model.ownership import Ownership
from ninjasync.ninjaone import scim_requests, scim_responses
from ninjasync.ninjaone.endpoint import PATHS, place
from ninjasync.ninjaone.http import CONTENT_TYPES
from ninjasync.ninjaone.known_members import KnownMembers
from ninjasync.ninjaone.scim_responses import Json

Method = Literal["POST", "PATCH", "PUT", "DELETE"]
Whole = tuple[tuple[str, str], ...]

# Ids that NinjaOne has yet to give.
_NEW_ACCOUNT, _NEW_GROUP = "<id of the new account>", "<id of the new group>"


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """One request. ``method`` is the dialect's choice; what can be patched can also be replaced.

    ``body`` is that of a POST or a PATCH. ``replace`` makes that of a PUT out of the resource as
    NinjaOne shows it; it raises UnreadableResourceError where members would be lost. ``kind`` tells
    what is changed, as a server may patch the one and not the other. ``own`` are the top-level
    attributes or URNs that the change itself needs in a PUT.
    """

    method: Method
    path: str
    resource: Resource
    id: str | None = None
    body: Json | None = None
    replace: Callable[[Json], Json] | None = None
    kind: str = ""
    own: frozenset[str] = field(default=frozenset())


def creation(
    change: Change, members: Sequence[str], dialect: Dialect, without: frozenset[str] = frozenset()
) -> ChangeRequest:
    """Return the POST of a create, ``without`` attributes that are refused; ``members`` as ``members_at_once`` says."""
    assert change.external_id is not None
    if EXTERNAL_ID in without:
        dialect = dialect.model_copy(update={"external_id": False})
    if change.resource == "user":
        diff = [delta for delta in change.diff if delta.path not in without]
        body = scim_requests.new_user(change.external_id, diff, dialect)
    else:
        kept = () if MEMBERS in without else members
        body = scim_requests.new_group(change.external_id, change.key, kept, dialect)
    return ChangeRequest("POST", PATHS[change.resource], change.resource, body=body)


def members_at_once(members: Sequence[str], dialect: Dialect) -> Sequence[str]:
    """Return the members that go into the POST of their group: many servers drop them there, so none but for a PUT."""
    return members[: dialect.members_per_call] if scim_requests.replaces("group", dialect) else ()


def attribute_rounds(diff: tuple[Delta, ...], whole: Whole) -> Iterator[tuple[tuple[Delta, ...], Whole]]:
    """Yield what of a change of attributes goes into one request each; all desired values go along with the last."""
    *before, last = scim_requests.patch_rounds(diff) or ((),)
    for some in before:
        yield some, ()
    if last:
        yield last, whole


def attribute_request(
    resource: Resource,
    id_: str,
    diff: tuple[Delta, ...],
    whole: Whole,
    dialect: Dialect,
    known_members: frozenset[str] | None = None,
) -> ChangeRequest:
    """Return what changes attributes in one request; a PUT keeps ``known_members`` beside those shown.

    Of a group that shows no members, and of which none are known, there is no PUT: it would remove them.
    """
    unknown = resource == "group" and known_members is None

    def replace(row: Json) -> Json:
        body = scim_requests.put_resource(row, diff, whole, dialect)
        return scim_requests.put_members(body, (), (), known_members) if known_members or unknown else body

    return ChangeRequest(
        _method(resource, dialect),
        place(resource, id_),
        resource,
        id_,
        scim_requests.patch(diff, dialect),
        replace,
        resource,
        frozenset(_top_level(path) for path in (*(path for path, _ in whole), *(delta.path for delta in diff))),
    )


def member_request(
    id_: str, added: Sequence[str], removed: Sequence[str], dialect: Dialect, known: frozenset[str] | None = None
) -> ChangeRequest:
    """Return what adds or removes members in one request. ``known`` are those that a PUT keeps beside those shown."""
    return ChangeRequest(
        _method("group", dialect),
        place("group", id_),
        "group",
        id_,
        scim_requests.member_patch(added, removed, dialect),
        lambda row: scim_requests.put_members(row, added, removed, known),
        MEMBERS,
    )


def deletion(resource: Resource, id_: str) -> ChangeRequest:
    """Return what deletes a resource."""
    return ChangeRequest("DELETE", place(resource, id_), resource, id_)


def requests_of(change: Change, dialect: Dialect, known: KnownMembers) -> Iterator[ChangeRequest]:
    """Yield all requests of a change, in order; what is new has a placeholder for an id.

    ``known`` says which members a PUT keeps, and notes those that the requests change.
    """
    added, removed = list(map(_id, change.added)), list(map(_id, change.removed))
    if change.action == "delete":
        assert change.id is not None
        yield deletion(change.resource, change.id)
        return
    if change.action == "create":
        first = members_at_once(added, dialect)
        yield creation(change, first, dialect)
        id_, added = _NEW_GROUP, added[len(first) :]
        known.note_created(id_, first)
    else:
        assert change.id is not None
        id_ = change.id
        members = known.kept(id_) if change.resource == "group" else None
        if change.freeing:
            yield attribute_request(change.resource, id_, change.freeing, (), dialect, members)
        for diff, whole in attribute_rounds(change.diff, change.whole):
            yield attribute_request(change.resource, id_, diff, whole, dialect, members)
    for into, out_of in scim_requests.member_batches(added, removed, dialect.members_per_call):
        yield member_request(id_, into, out_of, dialect, known.kept(id_))
        known.note_changed(id_, into, out_of)


def requests(
    changes: Iterable[Change], config: Config, rows: Mapping[str, Any], owned: Ownership
) -> tuple[Request, ...]:
    """Return what would be sent for ``changes``, in order, with the token masked, without sending any.

    ``rows`` are accounts and groups as NinjaOne shows them, by id; needed where it
    replaces instead of patching. ``owned`` is what the ledger knows.
    """
    dialect, url = config.ninjaone.dialect, config.ninjaone.endpoint_url
    known = KnownMembers()
    known.know(owned)
    headers = {"Authorization": "Bearer ***", "Content-Type": CONTENT_TYPES[dialect.media_type]}
    shown = []
    for change in changes:
        row = rows.get(change.id or "")
        for request in requests_of(change, dialect, known):
            method, body = request.method, request.body
            if method == "POST":
                row = {**(body or {}), "id": _NEW_GROUP}
            note = ""
            if method == "PUT":
                body, note = _replaced(request, row)
                row = body or row
            path = request.path.replace(place("group", _NEW_GROUP), f"{PATHS['group']}/{_NEW_GROUP}")
            shown.append(Request(method, url + path, headers, body, note))
    return tuple(shown)


def _replaced(request: ChangeRequest, row: Any) -> tuple[Json | None, str]:
    """Return the body of a PUT, or None and why the Writer would send none."""
    assert request.replace is not None
    if not isinstance(row, dict):
        return None, f"not sent, as NinjaOne does not show the {request.resource} that it would replace"
    try:
        return request.replace(row), ""
    except scim_responses.UnreadableResourceError as error:
        return None, f"not sent, as the {request.resource} {error}"


def _method(resource: Resource, dialect: Dialect) -> Method:
    return "PUT" if scim_requests.replaces(resource, dialect) else "PATCH"


def _top_level(path: str) -> str:
    urn, names = attributes.split(path)
    return urn or names[0]


def _id(member: Member) -> str:
    return member.id or _NEW_ACCOUNT
