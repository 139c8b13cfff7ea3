"""Which requests the Writer would send for a change, without sending any.

Knows the order of a change's requests and what stands in for what is not known yet; the
bodies are ``scim``'s, as they are the Writer's.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ninjasync.config.schema import Config, Dialect
from ninjasync.model.change import Change, Member
from ninjasync.model.explanation import Request
from ninjasync.ninjaone import scim_requests, scim_responses
from ninjasync.ninjaone.http import CONTENT_TYPES
from ninjasync.ninjaone.reader import PATHS, place

# An id that NinjaOne has yet to give.
_NEW_ACCOUNT, _NEW_GROUP = "<id of the new account>", "<id of the new group>"


def requests(changes: tuple[Change, ...], config: Config, rows: Mapping[str, Any]) -> tuple[Request, ...]:
    """Return what would be sent for ``changes``, in order, with the token masked.

    ``rows`` are accounts and groups as NinjaOne shows them, by id; needed where it
    replaces instead of patching.
    """
    dialect = config.ninjaone.dialect
    headers = {"Authorization": "Bearer ***", "Content-Type": CONTENT_TYPES[dialect.media_type]}
    sent = (one for change in changes for one in _sent(change, dialect, rows))
    return tuple(Request(method, config.ninjaone.endpoint_url + path, headers, body) for method, path, body in sent)


def _sent(change: Change, dialect: Dialect, rows: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    at = place(change.resource, change.id) if change.id else ""
    match change.action, change.resource:
        case "create", "user":
            assert change.external_id is not None
            yield "POST", PATHS["user"], scim_requests.new_user(change.external_id, change.diff, dialect)
        case "create", "group":
            assert change.external_id is not None
            members = list(map(_id, change.added))
            first = members[: dialect.members_per_call] if scim_requests.replaces("group", dialect) else []
            yield "POST", PATHS["group"], scim_requests.new_group(change.external_id, change.key, first, dialect)
            made = f"{PATHS['group']}/{_NEW_GROUP}"
            yield from _memberships(members[len(first) :], [], made, dialect, None)
        case "delete", _:
            yield "DELETE", at, None
        case _:
            yield from _patches(change, at, dialect, rows.get(change.id or ""))
            added, removed = list(map(_id, change.added)), list(map(_id, change.removed))
            yield from _memberships(added, removed, at, dialect, rows.get(change.id or ""))


def _patches(change: Change, at: str, dialect: Dialect, row: Any) -> Iterator[tuple[str, str, Any]]:
    *before, last = (change.freeing, *scim_requests.patch_rounds(change.diff)) if change.diff else ((),)
    for diff, whole in [*((some, ()) for some in before), (last, change.whole)]:
        if not diff:
            continue
        if scim_requests.replaces(change.resource, dialect) and isinstance(row, dict):
            row = scim_requests.replaced(row, diff, whole, dialect)
            yield "PUT", at, row
        else:
            yield "PATCH", at, scim_requests.patch(diff, dialect)


def _memberships(
    added: list[str], removed: list[str], at: str, dialect: Dialect, row: Any
) -> Iterator[tuple[str, str, Any]]:
    for some, others in scim_requests.member_batches(added, removed, dialect.members_per_call):
        if (
            scim_requests.replaces("group", dialect)
            and isinstance(row, dict)
            and scim_responses.read_group(row).members is not None
        ):
            row = scim_requests.with_members(row, some, others)
            yield "PUT", at, row
        else:
            yield "PATCH", at, scim_requests.member_patch(some, others, dialect)


def _id(member: Member) -> str:
    return member.id or _NEW_ACCOUNT
