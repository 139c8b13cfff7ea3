"""Who is in the groups, on both sides, and which of it changes.

Pure. Takes whose account and whose group is whose as given.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ninjasync.model.attributes import MEMBERS
from ninjasync.model.change import Member
from ninjasync.model.directory import Group
from ninjasync.model.message import Message, number
from ninjasync.model.message import group as a_group
from ninjasync.model.source import Source, Standing
from ninjasync.names_alike import folded
from ninjasync.planning.accounts import Accounts
from ninjasync.planning.sides import Sides

_MEMBERS_HIDDEN = Message(
    "NinjaOne does not show the members of its groups; those last applied count instead, so what is changed in its "
    "console is not seen."
)


@dataclass(frozen=True, slots=True)
class Memberships:
    """The members of the groups, by the group's Duo id: ``in_duo`` Duo ids, ``there`` NinjaOne's ids of accounts.

    ``hidden`` says that some of those are taken from the ledger, as NinjaOne shows none.
    """

    in_duo: Mapping[str, set[str]]
    there: Mapping[str, frozenset[str]]
    warnings: list[Message]
    hidden: bool


@dataclass(frozen=True, slots=True)
class MemberChanges:
    """Who is added to a group and taken out of it. ``frozen`` counts differences that stay as they are."""

    added: tuple[Member, ...] = ()
    removed: tuple[Member, ...] = ()
    frozen: int = 0


def read_members(sides: Sides, accounts: Accounts, groups: Mapping[str, Group]) -> Memberships:
    """Find the members of each of these groups: those shown, and where NinjaOne hides them those last applied.

    Where any group ever showed a member, one that shows none has none. Some servers show only
    the first members of a large group (``MEMBERS`` in the ledger's ``shown`` says how many):
    then those last applied count too.
    """
    any_shown = sides.owned.members_shown or any(group.members for group in sides.actual.groups)
    there: dict[str, frozenset[str]] = {}
    warnings: list[Message] = []
    hidden = False
    for duo_id, group in groups.items():
        there[duo_id] = shown = _by_known_ids(sides, accounts, group.members or frozenset())
        entry = sides.owned.groups.get(duo_id)
        if entry is None or entry.id != group.id or not entry.members:
            continue
        if any_shown:
            if not shown or entry.shown.get(MEMBERS) != str(len(shown)):
                continue
            lacking = 'NinjaOne shows only {} members of "{}"; those last applied count as well.'
            warnings.append(Message(lacking, number(len(shown)), a_group(group.display_name)))
        hidden = hidden or not any_shown
        applied = (_account_of(sides, accounts, user_id) for user_id in entry.members)
        there[duo_id] = shown.union(id_ for id_ in applied if id_)
    return Memberships(_members_in_duo(sides.source), there, warnings, hidden)


def describe_hidden(members: Memberships) -> list[Message]:
    """Say where members are taken from the ledger, as NinjaOne shows none."""
    return [_MEMBERS_HIDDEN] if members.hidden else []


def change_members(sides: Sides, accounts: Accounts, members: Memberships, duo_id: str) -> MemberChanges:
    """Return which members of a group change; of accounts that are not ours, or held, none do."""
    in_duo, shown = members.in_duo.get(duo_id, set()), members.there.get(duo_id, frozenset())
    owner, adopter, wanted = accounts.owner, accounts.adopter, accounts.wanted
    if in_duo == set(map(owner.get, shown)) and in_duo <= wanted.keys():
        return MemberChanges()  # as on most days: the same members, each of them to be provisioned
    there: set[str] = set()
    removed: list[Member] = []
    frozen = 0
    for account_id in shown:
        whose = owner.get(account_id) or adopter.get(account_id)
        if whose is None:
            frozen += 1
            continue
        there.add(whose)
        if whose in wanted:
            if whose not in in_duo:
                removed.append(Member(wanted[whose].user_name, whose, account_id))
        elif whose in accounts.leavers and sides.policy.deprovision.users != "keep":
            removed.append(Member(accounts.ours[whose].user_name, whose, account_id))
        elif whose not in in_duo:
            frozen += 1
    added: list[Member] = []
    for user_id in in_duo - there:
        if user_id in wanted:
            account = accounts.ours.get(user_id) or accounts.adopted.get(user_id)
            added.append(Member(wanted[user_id].user_name, user_id, account.id if account else None))
        elif user_id in accounts.ours or _protects_an_account(sides, accounts, user_id):
            frozen += 1
    return MemberChanges(tuple(sorted(added, key=_member_order)), tuple(sorted(removed, key=_member_order)), frozen)


def _protects_an_account(sides: Sides, accounts: Accounts, duo_id: str) -> bool:
    """Whether this user is left alone for a protected name, and an account of that name is there."""
    name = folded(accounts.protected.get(duo_id, ""))
    return bool(name) and any(folded(account.user_name) == name for account in sides.actual.users)


def _account_of(sides: Sides, accounts: Accounts, duo_id: str) -> str | None:
    """Return the id of the account that a member of the ledger has, also where it passes to another user now."""
    if (account := accounts.ours.get(duo_id)) is not None:
        return account.id
    entry = sides.owned.users.get(duo_id)
    return entry.id if entry is not None and entry.id in accounts.adopter else None


def _by_known_ids(sides: Sides, accounts: Accounts, shown: frozenset[str]) -> frozenset[str]:
    """Return members by the ids of the accounts: some servers write the ids of members in another letter case."""
    strange = shown - accounts.owner.keys()
    if not strange:
        return shown
    return shown.difference(strange).union(sides.spelling.get(id_.lower(), id_) for id_ in strange)


def _members_in_duo(source: Source) -> Mapping[str, set[str]]:
    """Group id -> ids of the users that Duo has in it and that are not out of scope, for the pushed groups."""
    members: dict[str, set[str]] = {group: set() for group in source.pushed}
    for user in source.users.values():
        if user.standing is not Standing.OUT:
            for group in user.groups:
                if group in members:
                    members[group].add(user.id)
    return members


def _member_order(member: Member) -> tuple[str, str, str]:
    return (member.key.casefold(), member.key, member.external_id or "")
