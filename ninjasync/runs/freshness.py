"""Whether a saved plan still stands: nothing that it touches may have moved since it was made.

Reads again just what the plan touches, by look-ups or by pages, whichever costs fewer
requests. Cannot write.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice

from ninjasync.errors import IncompleteReadError, RefusedForSafetyError, UnreachableError
from ninjasync.model.api_evidence import ApiEvidence
from ninjasync.model.change import Change
from ninjasync.model.directory import Directory, Group, Resource, User, Wanted
from ninjasync.model.message import Argument, Message, as_message, listed, number
from ninjasync.model.plan import Plan
from ninjasync.names_alike import folded
from ninjasync.net.pacing import TransientError
from ninjasync.ninjaone.reader import Reader
from ninjasync.planning.api_evidence import address_of
from ninjasync.state.saved_plan import SavedPlan, fingerprint

_Look = Callable[[Change], User | Group | None]


# So many accounts of ours are looked for where nothing else shows that NinjaOne still has any.
_SOME = 3


def expect_fresh(saved_plan: SavedPlan, reader: Reader, page_size: int, ours: Iterable[str]) -> None:
    """Raise RefusedForSafetyError, naming each object that has moved since the plan was made.

    Also where NinjaOne shows nothing that the plan changes, nor some of ``ours`` (its ids of
    our accounts): an endpoint that has none of them is not the one that was planned for.
    """
    plan, seen = saved_plan.plan, saved_plan.exact.seen
    pages = -(-plan.target["users"] // page_size) + -(-plan.target["groups"] // page_size)
    has_lists = plan.users.unmanaged is not None
    look = _by_looking_up(reader, plan)
    if has_lists and len(plan.changes) > pages:
        with suppress(IncompleteReadError):  # what a list may lack is looked up
            look = _in_lists(reader, plan)
    moved, shown = list[Argument | Message](), False
    for change in plan.changes:
        name = change.subject
        try:
            found = look(change)
        except UnreachableError as error:
            if isinstance(error, TransientError):
                raise
            moved.append(Message("{} (it cannot be read: {})", name, as_message(error.message).without_stop()))
            continue
        shown = shown or found is not None
        if change.id is None:
            # The holder of the name may be about to give it up, by this very plan.
            if found is not None and f"{change.resource}:{found.id}" not in change.needs:
                moved.append(Message("{} (it is there by now)", name))
        elif found is None:
            moved.append(Message("{} (it is gone)", name))
        elif fingerprint(found) != seen[change.name]:
            moved.append(name)
    if moved:
        raise RefusedForSafetyError(
            Message("The saved plan is stale: these have changed in NinjaOne since it was made: {}.", listed(moved)),
            "Make a new one with plan --out FILE.",
        )
    if plan.changes and not shown:
        _expect_some(reader, list(islice(ours, _SOME)))


def expect_no_administrators(plan: Plan, evidence: ApiEvidence) -> None:
    """Raise RefusedForSafetyError where a change is of an account that is a system administrator's by now."""
    told = [
        change.subject
        for change in plan.changes
        if change.resource == "user"
        and change.id is not None
        and (account := evidence.account(address_of(change))) is not None
        and account.administrator
    ]
    if told:
        raise RefusedForSafetyError(
            Message(
                "The saved plan is stale: these have become system administrators of NinjaOne since it was made: {}.",
                listed(told),
            ),
            "Make a new one with plan --out FILE.",
        )


def administrators_at_risk(saved: SavedPlan, evidence: ApiEvidence) -> frozenset[str]:
    """Return the names of the changes that may hit a system administrator, as it is not known by now who is one."""
    at_risk = set(saved.exact.of_technicians)
    for change in saved.plan.changes:
        account = evidence.account(address_of(change))
        if account is not None and account.administrator is not None:
            at_risk.discard(change.name)
    return frozenset(at_risk)


def _expect_some(reader: Reader, ours: list[str]) -> None:
    for id_ in ours:
        try:
            if reader.endpoint.read_user(id_, ()) is not None:
                return
        except UnreachableError as error:
            if isinstance(error, TransientError):
                raise
    if ours:
        raise RefusedForSafetyError(
            Message(
                "NinjaOne shows none of {} accounts that ninjasync manages, looked for before the saved plan is "
                "applied.",
                number(len(ours)),
            ),
            "See that [ninjaone] endpoint_url and the token are right, and make a new plan with plan --out FILE.",
        )


def by_name(actual: Directory) -> dict[str, User | Group]:
    """Return every resource under the name that a change of it has (``Change.name``)."""
    users: dict[str, User | Group] = {f"user:{user.id}": user for user in actual.users}
    return users | {f"group:{group.id}": group for group in actual.groups}


def _by_looking_up(reader: Reader, plan: Plan) -> _Look:
    def look(change: Change) -> User | Group | None:
        if change.id is None:
            return reader.endpoint.find_holder(change.resource, change.external_id or "", change.key)
        if change.resource == "user":
            return reader.endpoint.read_user(change.id, plan.paths)
        return reader.endpoint.read_group(change.id)

    return look


def _in_lists(reader: Reader, plan: Plan) -> _Look:
    actual = reader.read_directory(plan.paths, Wanted(frozenset(), frozenset(), {}, {}))
    there = by_name(actual)
    held: dict[tuple[Resource, str | None], User | Group] = {}
    for user in actual.users:
        held["user", folded(user.user_name)] = held["user", user.external_id] = user
    for group in actual.groups:
        held["group", folded(group.display_name)] = held["group", group.external_id] = group

    def look(change: Change) -> User | Group | None:
        if change.id is not None:
            return there.get(change.name)
        by_id = held.get((change.resource, change.external_id))
        return by_id or held.get((change.resource, folded(change.key)))

    return look
