"""The groups' half of a diff: which group is whose, its name, its members.

Pure. Takes what ``user_diff`` decided about people as given. Groups are renamed in
place and kept by default: in NinjaOne the role mapping hangs on the group.
"""

from collections import Counter
from collections.abc import Mapping
from functools import cached_property

from ninjasync.model.attributes import DISPLAY_NAME, EXTERNAL_ID, MEMBERS
from ninjasync.model.change import Action, Change, Delta, Member, count
from ninjasync.model.directory import Directory, Group, Problem
from ninjasync.model.message import NOTHING, Message, counted, listed, number, word
from ninjasync.model.message import group as a_group
from ninjasync.model.ownership import Ownership
from ninjasync.model.plan import Counts
from ninjasync.model.source import Source, Standing, is_duo_id
from ninjasync.names_alike import folded, spelled
from ninjasync.planning.matching import match
from ninjasync.planning.names import order_renames, settle_names
from ninjasync.planning.policy import Policy
from ninjasync.planning.sync_suffix import is_let_go, origin
from ninjasync.planning.users import ANOTHERS, UNKNOWN_MARK, UNMANAGED, UserDiff, carries

_ADOPTED = Message("its name is that of a group in NinjaOne that is nobody's")
_MEMBERS_HIDDEN = Message(
    "NinjaOne does not show the members of its groups; those last applied count instead, so what is changed in its "
    "console is not seen."
)


class GroupDiff:
    """Everything decided about groups; keys are Duo ids."""

    def __init__(self, source: Source, actual: Directory, policy: Policy, owned: Ownership, people: UserDiff) -> None:
        self.source, self.actual, self.policy, self.owned, self.people = source, actual, policy, owned, people
        unreadable = [problem for problem in actual.unreadable if problem.resource == "group"]
        self.problems: list[Problem] = list(unreadable)
        self._unread_names = {folded(problem.key) for problem in unreadable}
        self._unread_names |= {name for resource, name in actual.hidden if resource == "group"}
        self._by_id = {group.id: group for group in actual.groups if group.id}
        matched = match(actual.groups, source.groups, owned.groups, owned.foreign_groups, source.pushed.get)
        self.warnings = list(matched.warnings)
        self.group = dict(matched.ours)
        self._unread_in_duo = {one.external_id for one in source.unreadable if one.resource == "group"}
        self._gone = matched.gone - self._unread_in_duo
        self._gone_groups = {self.group[duo_id].id for duo_id in self._gone}
        keys = {problem.key for problem in unreadable}
        unread = {problem.external_id for problem in unreadable}
        unread |= {duo_id for duo_id, entry in owned.groups.items() if entry.id in keys}
        self.wanted = {
            duo_id: self._as_it_was(duo_id, name) for duo_id, name in source.pushed.items() if duo_id not in unread
        }
        self.adopted = self._settle()
        taken = {group.id for group in self.adopted.values()}
        for duo_id in self._gone:
            if self.group[duo_id].id in taken:
                del self.group[duo_id]
        self._members_shown = owned.members_shown or any(group.members for group in actual.groups)
        self._hidden = False
        self._members = _members_by_group(source)
        self._there = {duo_id: self._members_there(duo_id, group) for duo_id, group in self.group.items()}
        self.memberships = sum(map(len, self._there.values()))
        self._frozen = 0

    def _as_it_was(self, duo_id: str, name: str) -> str:
        """Return the name to have; NinjaOne's where Duo's is another because a sync let go (CONTRACT 7.4)."""
        group = self.group.get(duo_id)
        if group is not None and is_let_go(name) and origin(name) == origin(group.display_name):
            return spelled(group.display_name)
        return name

    def _settle(self) -> dict[str, Group]:
        settled = settle_names(
            {duo_id: folded(name) for duo_id, name in self.wanted.items()},
            own={duo_id: group.id or "" for duo_id, group in self.group.items() if duo_id not in self._gone},
            names={group_id: folded(group.display_name) for group_id, group in self._by_id.items()},
            adoptable=lambda group_id: not self._not_adoptable(group_id),
            unreadable=self._unread_names,
        )
        for duo_id, others in settled.duplicates.items():
            names = sorted(self.source.groups[other] for other in others if other != duo_id)
            who = listed(Message('"{}"', a_group(name)) for name in names)
            self._hold(
                duo_id,
                Message("{} in Duo would get the same name; give one another with {}", who, word("[groups] rename")),
            )
        for duo_id, holders in settled.taken.items():
            who = listed(map(self._holder, holders)) if holders else Message("one that it does not show")
            taken = Message("another group in NinjaOne has that name already ({}); rename one of them", who)
            self._hold(duo_id, taken)
        for duo_id in (*settled.duplicates, *settled.taken):
            del self.wanted[duo_id]
        return {duo_id: self._by_id[group_id] for duo_id, group_id in settled.adopted.items()}

    def _not_adoptable(self, group_id: str) -> Message:
        """Say why a group that is nobody's may not be taken over; empty where it may."""
        if (tenant := self.owned.foreign_groups.get(group_id)) is not None:
            return Message("of the tenant {}", word(tenant))
        if group_id in self._gone_groups:
            return NOTHING
        carried = self._by_id[group_id].external_id
        mark = a_group(carried or "")
        if (carried or "").upper() in self.source.groups:
            return Message("which carries the Duo id of another group ({})", mark)
        if is_duo_id(carried) and not self.policy.deprovision.adopt_foreign:
            entry = self.owned.groups.get((carried or "").upper())
            if entry is None:
                return Message(UNKNOWN_MARK, mark, ANOTHERS)
            if entry.id in self._by_id:
                return Message("which carries the Duo id of another group ({})", mark)
        if self.policy.deprovision.adopt:
            return NOTHING
        return Message("{} ({} is off)", UNMANAGED, word("[deprovision] adopt"))

    def _holder(self, group_id: str) -> Message:
        ours = any(group.id == group_id for duo_id, group in self.group.items() if duo_id not in self._gone)
        why = NOTHING if ours else self._not_adoptable(group_id)
        return Message("{}, {}", a_group(group_id), why) if why else Message("{}", a_group(group_id))

    def _hold(self, duo_id: str, message: Message) -> None:
        self.problems.append(Problem("group", self.wanted[duo_id], duo_id, "duplicate-group-name", message))

    def changes(self) -> list[Change]:
        """Return each group's change, with its needs, in no particular order."""
        made: list[Change] = []
        for duo_id, name in self.wanted.items():
            group, adopt = self.group.get(duo_id), False
            if group is None:
                group, adopt = self.adopted.get(duo_id), True
            if change := self._change(duo_id, name, group, adopt=adopt):
                made.append(change)
        for duo_id, group in sorted(self.group.items(), key=lambda pair: pair[1].display_name):
            if duo_id in self.source.pushed or duo_id in self._unread_in_duo:
                continue
            gone = Message("deleted in Duo") if duo_id in self._gone else Message("no longer in scope")
            if self.policy.groups.removed == "delete":
                made.append(Change("group", "delete", group.display_name, group.id, duo_id, reasons=(gone,)))
            else:
                self.warnings.append(
                    Message(
                        'The group "{}" is {}; it is kept, with its members as they are.',
                        a_group(group.display_name),
                        gone,
                    )
                )
        if self._hidden:
            self.warnings.append(_MEMBERS_HIDDEN)
        if self._frozen:
            several = self._frozen > 1
            self.warnings.append(
                Message(
                    "{} of held, protected, kept or unmanaged accounts {}.",
                    counted(self._frozen, "group membership"),
                    word("differ from Duo and stay as they are" if several else "differs from Duo and stays as it is"),
                )
            )
        names = {change.id: folded(self._by_id[change.id].display_name) for change in made if change.id}
        return order_renames(made, DISPLAY_NAME, names, _temporary_name)

    def _change(self, duo_id: str, name: str, group: Group | None, *, adopt: bool) -> Change | None:
        added, removed = self._member_changes(duo_id, group)
        reasons = [Message('the Duo group "{}" is in scope', a_group(self.source.groups[duo_id]))]
        if group is None:
            row = Delta(DISPLAY_NAME, None, name)
            return Change("group", "create", name, None, duo_id, (row,), added, reasons=tuple(reasons))
        rows = []
        entry = self.owned.groups.get(duo_id)
        recorded = entry if entry is not None and entry.id == group.id else None
        if self.policy.external_id and not carries(duo_id, group.external_id, recorded):
            rows.append(Delta(EXTERNAL_ID, group.external_id, duo_id))
        if spelled(group.display_name) != name and not (
            recorded and recorded.settled(DISPLAY_NAME, name, group.display_name)
        ):
            rows.append(Delta(DISPLAY_NAME, group.display_name, name))
        if not (rows or added or removed or adopt):
            return None
        if adopt:
            reasons.append(_ADOPTED)
        action: Action = "adopt" if adopt else "update"
        return Change("group", action, name, group.id, duo_id, tuple(rows), added, removed, reasons=tuple(reasons))

    def _member_changes(self, duo_id: str, group: Group | None) -> tuple[tuple[Member, ...], tuple[Member, ...]]:
        people, there = self.people, set[str]()
        removed: list[Member] = []
        in_duo = self._members.get(duo_id, set())
        shown = self._members_of(duo_id, group) if group else frozenset[str]()
        if in_duo == set(map(people.owner.get, shown)) and in_duo <= people.wanted.keys():
            return (), ()  # as on most days: the same members, each of them somebody to be provisioned
        for account_id in shown:
            owner = people.owner.get(account_id) or people.adopter.get(account_id)
            if owner is not None:
                there.add(owner)
            if owner in people.wanted:
                if owner not in in_duo:
                    removed.append(Member(people.wanted[owner].user_name, owner, account_id))
            elif owner in people.leavers and self.policy.deprovision.users != "keep":
                removed.append(Member(people.account[owner].user_name, owner, account_id))
            elif owner is None or owner not in in_duo:
                self._frozen += 1
        added: list[Member] = []
        for user_id in in_duo - there:
            if user_id in people.wanted:
                account = people.account.get(user_id) or people.adopted.get(user_id)
                added.append(Member(people.wanted[user_id].user_name, user_id, account.id if account else None))
            elif user_id in people.account or people.protects_an_account_of(user_id):
                self._frozen += 1
        return tuple(sorted(added, key=_member_order)), tuple(sorted(removed, key=_member_order))

    def _members_of(self, duo_id: str, group: Group) -> frozenset[str]:
        there = self._there.get(duo_id)
        return self._members_there(duo_id, group) if there is None else there

    def _members_there(self, duo_id: str, group: Group) -> frozenset[str]:
        """Return the ids of a group's members: those shown, and where NinjaOne hides them those last applied.

        Where any group ever showed a member, one that shows none has none. Some servers
        show only the first members of a large group (``MEMBERS`` in the ledger's ``shown``
        says how many): then those last applied count too.
        """
        shown = self._by_known_ids(group.members or frozenset())
        entry = self.owned.groups.get(duo_id)
        if entry is None or entry.id != group.id or not entry.members:
            return shown
        if self._members_shown:
            if not shown or entry.shown.get(MEMBERS) != str(len(shown)):
                return shown
            self.warnings.append(
                Message(
                    'NinjaOne shows only {} members of "{}"; those last applied count as well.',
                    number(len(shown)),
                    a_group(group.display_name),
                )
            )
        else:
            self._hidden = True
        return shown.union(filter(None, map(self._account_of, entry.members)))

    def _account_of(self, duo_id: str) -> str | None:
        """Return the id of the account that a member of the ledger has, also where it passes to another user now."""
        if (account := self.people.account.get(duo_id)) is not None:
            return account.id
        entry = self.owned.users.get(duo_id)
        return entry.id if entry is not None and entry.id in self.people.adopter else None

    def _by_known_ids(self, shown: frozenset[str]) -> frozenset[str]:
        """Return members by the ids of the accounts: some servers write the ids of members in another letter case."""
        known = self.people.owner
        strange = [id_ for id_ in shown if id_ not in known]
        if not strange:
            return shown
        return shown.difference(strange).union(self._spelling.get(id_.lower(), id_) for id_ in strange)

    @cached_property
    def _spelling(self) -> Mapping[str, str]:
        """The accounts' ids by their lower-case form, but for those that differ in letter case alone."""
        ids = [account.id for account in self.actual.users if account.id]
        often = Counter(id_.lower() for id_ in ids)
        return {id_.lower(): id_ for id_ in ids if often[id_.lower()] == 1}

    def counts(self, changes: list[Change]) -> Counts:
        """Count groups by what happens to them."""
        actions = count(changes, "group")
        held = {problem.external_id for problem in self.problems}
        changed = actions["update"] + actions["delete"]
        return Counts(
            actions,
            unchanged=len(self.group) - changed - sum(duo_id in held for duo_id in self.group),
            unmanaged=len(self.actual.groups) - len(self.group) - len(self.adopted) if self.actual.complete else None,
            held=len(held),
        )


def _members_by_group(source: Source) -> Mapping[str, set[str]]:
    """Group id -> ids of the users whom Duo has in it and who are not out of scope, for the pushed groups."""
    members: dict[str, set[str]] = {group: set() for group in source.pushed}
    out = Standing.OUT
    for user in source.users.values():
        if user.standing is not out:
            for group in user.groups:
                if group in members:
                    members[group].add(user.id)
    return members


def _temporary_name(change: Change, _wanted: str) -> str:
    return f"ninjasync-{change.external_id}"


def _member_order(member: Member) -> tuple[str, str, str]:
    return (member.key.casefold(), member.key, member.external_id or "")
