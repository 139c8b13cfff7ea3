"""The groups' half of a diff: which group is whose, its name, its members.

Pure. Takes what ``accounts`` decided about people as given. Groups are renamed in
place and kept by default: in NinjaOne the role mapping hangs on the group.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ninjasync.model.attributes import DISPLAY_NAME, EXTERNAL_ID
from ninjasync.model.change import Action, Change, Delta, count
from ninjasync.model.directory import Group, Problem
from ninjasync.model.message import NOTHING, Message, counted, listed, word
from ninjasync.model.message import group as a_group
from ninjasync.model.plan import Counts
from ninjasync.names_alike import folded, spelled
from ninjasync.planning.accounts import Accounts
from ninjasync.planning.adoption import refuse_group
from ninjasync.planning.matching import match
from ninjasync.planning.members import MemberChanges, change_members, describe_hidden, read_members
from ninjasync.planning.names import Assigned, assign_names, order_renames
from ninjasync.planning.sides import Sides, carries
from ninjasync.planning.sync_suffix import is_let_go, origin

_ADOPTED = Message("its name is that of a group in NinjaOne that is not managed")


@dataclass(frozen=True, slots=True)
class Groups:
    """Which group is whose; keys are Duo ids.

    ``ours`` are our groups, ``gone`` those of them that Duo no longer has, ``unread`` groups
    whose name Duo did not send. ``wanted`` are the names that can be had, ``adopted`` the
    groups that are taken over for them.
    """

    ours: Mapping[str, Group]
    gone: frozenset[str]
    unread: frozenset[str | None]
    wanted: Mapping[str, str]
    adopted: Mapping[str, Group]
    problems: list[Problem]
    warnings: list[Message]


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """Each group's change, with its needs, in no particular order. ``memberships`` counts the members of our groups."""

    changes: list[Change]
    warnings: list[Message]
    memberships: int


def assign_groups(sides: Sides) -> Groups:
    """Give each group of Duo the group that is its own, and hold those that cannot have the name that they want."""
    source, actual, owned = sides.source, sides.actual, sides.owned
    unreadable = [problem for problem in actual.unreadable if problem.resource == "group"]
    matched = match(actual.groups, source.groups.keys(), owned.groups, owned.foreign_groups, source.pushed.get)
    ours = dict(matched.ours)
    unread = frozenset(one.external_id for one in source.unreadable if one.resource == "group")
    gone = matched.gone - unread
    gone_groups = {ours[duo_id].id for duo_id in gone}
    wanted = _find_wanted(sides, ours, unreadable)
    hidden = {name for resource, name in actual.hidden if resource == "group"}
    assigned = assign_names(
        {duo_id: folded(name) for duo_id, name in wanted.items()},
        own={duo_id: group.id or "" for duo_id, group in ours.items() if duo_id not in gone},
        names={group_id: folded(group.display_name) for group_id, group in sides.groups.items()},
        adoptable=lambda group_id: not refuse_group(sides, gone_groups, sides.groups[group_id]),
        unreadable=hidden | {folded(problem.key) for problem in unreadable},
    )
    kept = {group.id for duo_id, group in ours.items() if duo_id not in gone}

    def describe_holder(group_id: str) -> Message:
        why = NOTHING if group_id in kept else refuse_group(sides, gone_groups, sides.groups[group_id])
        return Message("{}, {}", a_group(group_id), why) if why else Message("{}", a_group(group_id))

    held = _hold(sides, assigned, wanted, {id_: describe_holder(id_) for ids in assigned.taken.values() for id_ in ids})
    adopted = {duo_id: sides.groups[group_id] for duo_id, group_id in assigned.adopted.items()}
    taken_over = {group.id for group in adopted.values()}
    return Groups(
        ours={id_: group for id_, group in ours.items() if not (id_ in gone and group.id in taken_over)},
        gone=gone,
        unread=unread,
        wanted={id_: name for id_, name in wanted.items() if id_ not in assigned.duplicates.keys() | assigned.taken},
        adopted=adopted,
        problems=[*unreadable, *held],
        warnings=list(matched.warnings),
    )


def change_groups(sides: Sides, accounts: Accounts, groups: Groups) -> GroupChanges:
    """Return what changes about groups, and what was noticed on the way."""
    members = read_members(sides, accounts, {**groups.ours, **groups.adopted})
    made: list[Change] = []
    frozen = 0
    for duo_id, name in groups.wanted.items():
        changed = change_members(sides, accounts, members, duo_id)
        frozen += changed.frozen
        if change := _change(sides, groups, duo_id, name, changed):
            made.append(change)
    removals, kept = _remove(sides, groups)
    made += removals
    names = {change.id: folded(sides.groups[change.id].display_name) for change in made if change.id}
    return GroupChanges(
        order_renames(made, DISPLAY_NAME, names, _temporary_name),
        [*members.warnings, *kept, *describe_hidden(members), *_describe_frozen(frozen)],
        sum(len(members.there[duo_id]) for duo_id in groups.ours),
    )


def count_groups(sides: Sides, groups: Groups, changes: list[Change]) -> Counts:
    """Count groups by what happens to them."""
    actions = count(changes, "group")
    held = {problem.external_id for problem in groups.problems}
    changed = actions["update"] + actions["delete"]
    actual, ours = sides.actual, groups.ours
    return Counts(
        actions,
        unchanged=len(ours) - changed - sum(duo_id in held for duo_id in ours),
        unmanaged=len(actual.groups) - len(ours) - len(groups.adopted) if actual.complete else None,
        held=len(held),
    )


def _find_wanted(sides: Sides, ours: Mapping[str, Group], unreadable: list[Problem]) -> dict[str, str]:
    """Return the name that each group is to have, but for groups that could not be read."""
    keys = {problem.key for problem in unreadable}
    unread = {problem.external_id for problem in unreadable}
    unread |= {duo_id for duo_id, entry in sides.owned.groups.items() if entry.id in keys}
    return {
        duo_id: _as_it_was(ours.get(duo_id), name)
        for duo_id, name in sides.source.pushed.items()
        if duo_id not in unread
    }


def _as_it_was(group: Group | None, name: str) -> str:
    """Return the name to have; NinjaOne's where Duo's is another because a sync let go (CONTRACT 7.4)."""
    if group is not None and is_let_go(name) and origin(name) == origin(group.display_name):
        return spelled(group.display_name)
    return name


def _hold(sides: Sides, assigned: Assigned, wanted: Mapping[str, str], holders: Mapping[str, Message]) -> list[Problem]:
    """Say of the groups that cannot have their name why; ``holders`` describes those that keep it, by NinjaOne's id."""
    held: dict[str, Message] = {}
    for duo_id, others in assigned.duplicates.items():
        rivals = sorted(sides.source.groups[other] for other in others if other != duo_id)
        who = listed(Message('"{}"', a_group(name)) for name in rivals)
        rename = word("[groups] rename")
        held[duo_id] = Message("{} in Duo would get the same name; give one another with {}", who, rename)
    for duo_id, ids in assigned.taken.items():
        who = listed(holders[group_id] for group_id in ids) if ids else Message("one that it does not show")
        held[duo_id] = Message("another group in NinjaOne has that name already ({}); rename one of them", who)
    return [
        Problem("group", wanted[duo_id], duo_id, "duplicate-group-name", message) for duo_id, message in held.items()
    ]


def _change(sides: Sides, groups: Groups, duo_id: str, name: str, members: MemberChanges) -> Change | None:
    """Return what changes about one group; None where nothing does."""
    reasons = [Message('the Duo group "{}" is in scope', a_group(sides.source.groups[duo_id]))]
    group, adopt = groups.ours.get(duo_id), False
    if group is None:
        group, adopt = groups.adopted.get(duo_id), True
    if group is None:
        row = Delta(DISPLAY_NAME, None, name)
        return Change("group", "create", name, None, duo_id, (row,), members.added, reasons=tuple(reasons))
    rows = []
    entry = sides.owned.groups.get(duo_id)
    recorded = entry if entry is not None and entry.id == group.id else None
    if sides.policy.external_id and not carries(duo_id, group.external_id, recorded):
        rows.append(Delta(EXTERNAL_ID, group.external_id, duo_id))
    if spelled(group.display_name) != name and not (
        recorded and recorded.settled(DISPLAY_NAME, name, group.display_name)
    ):
        rows.append(Delta(DISPLAY_NAME, group.display_name, name))
    added, removed = members.added, members.removed
    if not (rows or added or removed or adopt):
        return None
    if adopt:
        reasons.append(_ADOPTED)
    action: Action = "adopt" if adopt else "update"
    return Change("group", action, name, group.id, duo_id, tuple(rows), added, removed, reasons=tuple(reasons))


def _remove(sides: Sides, groups: Groups) -> tuple[list[Change], list[Message]]:
    """Return what becomes of our groups that are no longer to be there: deleted, or kept and said so."""
    deleted: list[Change] = []
    kept: list[Message] = []
    for duo_id, group in sorted(groups.ours.items(), key=lambda pair: pair[1].display_name):
        if duo_id in sides.source.pushed or duo_id in groups.unread:
            continue
        gone = Message("deleted in Duo") if duo_id in groups.gone else Message("no longer in scope")
        if sides.policy.groups.removed == "delete":
            deleted.append(Change("group", "delete", group.display_name, group.id, duo_id, reasons=(gone,)))
        else:
            stays = 'The group "{}" is {}; it is kept, with its members as they are.'
            kept.append(Message(stays, a_group(group.display_name), gone))
    return deleted, kept


def _describe_frozen(frozen: int) -> list[Message]:
    if not frozen:
        return []
    return [
        Message(
            "{} of held, protected, kept or unmanaged accounts {}.",
            counted(frozen, "group membership"),
            word("differ from Duo and stay as they are" if frozen > 1 else "differs from Duo and stays as it is"),
        )
    ]


def _temporary_name(change: Change, _wanted: str) -> str:
    return f"ninjasync-{change.external_id}"
