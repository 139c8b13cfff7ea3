"""What differs between desired and actual, as changes in an order that can be applied.

Pure. Decides whom each account belongs to, who gets which name, and what follows;
knows nothing of guards, of JSON or of time.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ninjasync import config
from ninjasync.attribute import (
    ACTIVE,
    DISPLAY_NAME,
    EXTERNAL_ID,
    ORGANIZATION_ID,
    USER_NAME,
    USER_TYPE,
)
from ninjasync.directory import Directory, Group, Problem, Source, SourceUser, Standing, User
from ninjasync.names import order_renames, settle_names
from ninjasync.plan import REMOVALS, Action, Change, Counts, Delta, Member, count

# What NinjaOne makes of an attribute that it was not given: no value is desired, this one is there.
_SERVER_DEFAULTS = {USER_TYPE: "enduser", ORGANIZATION_ID: "all"}


@dataclass(frozen=True, slots=True)
class Policy:
    """The parts of the configuration that a diff depends on."""

    deprovision: config.Deprovision
    groups: config.Groups
    protected: tuple[str, ...]
    external_id: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """The changes and everything that was noticed on the way to them.

    ``managed`` counts the accounts that are ours, ``active`` those of them that are
    active, ``memberships`` the members of the groups that are ours.
    """

    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    users: Counts
    groups: Counts
    managed: int
    active: int
    memberships: int
    leavers: frozenset[str]


def diff(source: Source, actual: Directory, policy: Policy) -> Difference:
    """Lay ``source`` over ``actual``.

    Ours is an account whose ``externalId`` is the id of a user in this very Duo read;
    everything else is unmanaged: adopted where somebody in scope has its userName, else
    left alone. The result's order is the order in which it can be applied.
    """
    people = _People(source, actual, policy)
    user_changes = people.changes()
    groups = _Groups(source, actual, policy, people)
    group_changes = groups.changes()
    changes = _in_order([*user_changes, *group_changes])
    return Difference(
        changes=changes,
        problems=tuple(sorted(people.problems, key=_problem_order))
        + tuple(sorted(groups.problems, key=_problem_order)),
        warnings=(*people.warnings(), *groups.warnings),
        users=people.counts(user_changes),
        groups=groups.counts(group_changes),
        managed=len(people.account),
        active=sum(account.active for account in people.account.values()),
        memberships=groups.memberships,
        leavers=frozenset(people.leavers),
    )


class _People:
    """The users' half of a diff: whose account is whose, who is held, what changes."""

    def __init__(self, source: Source, actual: Directory, policy: Policy) -> None:
        self.source, self.actual, self.policy = source, actual, policy
        self.problems: list[Problem] = [*source.unreadable, *actual.unreadable]
        self._warnings: list[str] = []
        self._protects = _protection(policy.protected)
        self.protected: dict[str, str] = {}  # Duo id -> name shown
        self.account = self._match()  # Duo id -> the account that is his
        self.owner = {account.id: duo_id for duo_id, account in self.account.items()}
        self.wanted = self._candidates()  # Duo id -> desired, for all who are neither out nor held
        self.adopted = self._settle()  # Duo id -> the account that is taken over
        self.adopter = {account.id: duo_id for duo_id, account in self.adopted.items()}
        self.leavers = {
            duo_id
            for duo_id in self.account
            if source.users[duo_id].standing is Standing.OUT and duo_id not in self.protected
        }

    def _match(self) -> dict[str, User]:
        """Join accounts to Duo users by externalId."""
        found: dict[str, User] = {}
        for account in self.actual.users:
            duo_id = account.external_id
            if duo_id is None or duo_id not in self.source.users:
                continue
            other = found.setdefault(duo_id, account)
            if other is not account:
                first, second = sorted((other, account), key=lambda one: (not one.active, one.id or ""))
                found[duo_id] = first
                self._warnings.append(
                    f"Two accounts carry the externalId {duo_id}: {first.user_name} is taken as his, "
                    f"{second.user_name} is left alone."
                )
        return found

    def _candidates(self) -> dict[str, User]:
        wanted: dict[str, User] = {}
        unread = {problem.external_id for problem in self.actual.unreadable}
        for user in self.source.users.values():
            account = self.account.get(user.id)
            shown = self._protected_name(user, account)
            if shown is not None and (account is not None or user.standing is not Standing.OUT):
                self.protected[user.id] = shown
                continue
            self.problems += user.problems
            if user.standing is Standing.IN and user.desired is not None:
                if user.id in unread:
                    self._hold(user, "unreadable-record", "his account in NinjaOne could not be read")
                else:
                    wanted[user.id] = user.desired
        return wanted

    def _protected_name(self, user: SourceUser, account: User | None) -> str | None:
        names = [account.user_name] if account else [user.label]
        if account is None and user.desired is not None:
            names.append(user.desired.user_name)
        return next((name for name in names if self._protects(name)), None)

    def _settle(self) -> dict[str, User]:
        """Decide who gets the userName that he wants; hold those who cannot have it."""
        by_id = {account.id: account for account in self.actual.users if account.id}

        def adoptable(account_id: str) -> bool:
            return self.policy.deprovision.adopt and not self._protects(by_id[account_id].user_name)

        wishes = {duo_id: desired.user_name.casefold() for duo_id, desired in self.wanted.items()}
        settled = settle_names(
            wishes,
            own={duo_id: account.id or "" for duo_id, account in self.account.items()},
            names={account_id: account.user_name.casefold() for account_id, account in by_id.items()},
            adoptable=adoptable,
            unreadable={problem.key.casefold() for problem in self.actual.unreadable},
        )
        for duo_id, others in settled.duplicates.items():
            who = ", ".join(sorted(self.source.users[other].label for other in others if other != duo_id))
            self._hold(
                self.source.users[duo_id],
                "duplicate-user-name",
                f"wants the same userName as {who}; give each his own in Duo",
            )
        for duo_id, holders in settled.taken.items():
            who = " and ".join(self._holder(by_id[holder]) for holder in holders if holder in by_id)
            self._hold(
                self.source.users[duo_id],
                "name-taken",
                f"the userName {self.wanted[duo_id].user_name} is held by {who or 'an account that could not be read'}",
            )
        for duo_id in (*settled.duplicates, *settled.taken):
            del self.wanted[duo_id]
        return {duo_id: by_id[account_id] for duo_id, account_id in settled.adopted.items()}

    def _holder(self, account: User) -> str:
        owner = self.owner.get(account.id)
        if owner is not None:
            user = self.source.users[owner]
            why = user.reason if user.standing is Standing.OUT else "left as it is"
            return f"the account of Duo user {owner} ({why})"
        if self._protects(account.user_name):
            return f"the protected account {account.id}"
        return f"the account {account.id}, which ninjasync does not manage"

    def _hold(self, user: SourceUser, code: str, message: str) -> None:
        name = user.desired.user_name if user.desired else user.label
        self.problems.append(Problem("user", name, user.id, code, message))

    def changes(self) -> list[Change]:
        """Return each user's change, with its needs, in no particular order."""
        made: list[Change] = []
        for duo_id, desired in self.wanted.items():
            account, adopt = self.account.get(duo_id), False
            if account is None:
                account, adopt = self.adopted.get(duo_id), True
            if account is None:
                made.append(self._create(duo_id, desired))
            elif patch := self._patch(duo_id, desired, account, adopt=adopt):
                made.append(patch)
        made += [change for duo_id in self.leavers if (change := self._removal(duo_id))]
        names = {account.id: account.user_name.casefold() for account in self.actual.users if account.id}
        return order_renames(made, USER_NAME, names, _temporary_user_name)

    def _create(self, duo_id: str, desired: User) -> Change:
        values = zip(self.source.paths, desired.values, strict=True)
        rows = [Delta(USER_NAME, None, desired.user_name)]
        rows += [Delta(path, None, value) for path, value in values if value is not None]
        reason = self.source.users[duo_id].reason
        return Change("user", "create", desired.user_name, None, duo_id, tuple(rows), reasons=(reason,))

    def _patch(self, duo_id: str, desired: User, account: User, *, adopt: bool) -> Change | None:
        rows: list[Delta] = []
        if not account.active:
            rows.append(Delta(ACTIVE, before=False, after=True))
        if self.policy.external_id and account.external_id != duo_id:
            rows.append(Delta(EXTERNAL_ID, account.external_id, duo_id))
        if account.user_name.casefold() != desired.user_name.casefold():
            rows.append(Delta(USER_NAME, account.user_name, desired.user_name))
        if account.values != desired.values:
            columns = zip(self.source.paths, account.values, desired.values, strict=True)
            rows += [Delta(path, old, new) for path, old, new in columns if not same_value(path, old, new)]
        if not rows and not adopt:
            return None
        reasons = [self.source.users[duo_id].reason]
        if adopt:
            reasons.append("NinjaOne has an account with this userName that nobody manages")
        action: Action = "adopt" if adopt else "update" if account.active else "reactivate"
        return Change(
            "user",
            action,
            desired.user_name,
            account.id,
            duo_id,
            tuple(rows),
            reasons=tuple(reasons),
            privilege=any(row.path == USER_TYPE for row in rows),
        )

    def _removal(self, duo_id: str) -> Change | None:
        account, user = self.account[duo_id], self.source.users[duo_id]
        match self.policy.deprovision.users:
            case "delete":
                return Change("user", "delete", account.user_name, account.id, duo_id, reasons=(user.reason,))
            case "deactivate" if account.active:
                row = Delta(ACTIVE, before=True, after=False)
                return Change(
                    "user",
                    "deactivate",
                    account.user_name,
                    account.id,
                    duo_id,
                    (row,),
                    reasons=(user.reason,),
                )
        return None

    def counts(self, changes: list[Change]) -> Counts:
        held = {(problem.external_id or problem.key) for problem in self.problems}
        held_accounts = sum(duo_id in held for duo_id in self.account)
        actions = count(changes, "user")
        changed = sum(actions.values()) - actions["create"] - actions["adopt"]
        return Counts(
            actions,
            unchanged=len(self.account) - changed - held_accounts,
            unmanaged=len(self.actual.users) - len(self.account) - len(self.adopted),
            held=len(held),
        )

    def warnings(self) -> list[str]:
        found = list(self._warnings)
        if self.protected:
            found.append(f"Protected, left as they are: {', '.join(sorted(self.protected.values()))}.")
        return found


class _Groups:
    """The groups' half of a diff: which group is whose, its name, its members."""

    def __init__(self, source: Source, actual: Directory, policy: Policy, people: _People) -> None:
        self.source, self.actual, self.policy, self.people = source, actual, policy, people
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.frozen = 0
        self.group = self._match()  # Duo id -> the group that is his
        self.wanted = dict(source.pushed)
        self.adopted = self._settle()
        self.memberships = sum(len(group.members or ()) for group in self.group.values())
        self._members = _members_by_group(source)

    def _match(self) -> dict[str, Group]:
        found: dict[str, Group] = {}
        for group in self.actual.groups:
            if group.external_id is not None and group.external_id in self.source.groups:
                other = found.setdefault(group.external_id, group)
                if other is not group:
                    self.warnings.append(
                        f"Two groups carry the externalId {group.external_id}: {other.id} is taken as ours, "
                        f"{group.id} is left alone."
                    )
        return found

    def _settle(self) -> dict[str, Group]:
        by_id = {group.id: group for group in self.actual.groups if group.id}
        settled = settle_names(
            {duo_id: name.casefold() for duo_id, name in self.wanted.items()},
            own={duo_id: group.id or "" for duo_id, group in self.group.items()},
            names={group_id: group.display_name.casefold() for group_id, group in by_id.items()},
            adoptable=lambda _: self.policy.deprovision.adopt,
            unreadable=set(),
        )
        for duo_id, others in settled.duplicates.items():
            who = ", ".join(sorted(f'"{self.source.groups[other]}"' for other in others if other != duo_id))
            self._hold(duo_id, f"{who} in Duo would get the same name; give one another with [groups] rename")
        for duo_id in settled.taken:
            self._hold(duo_id, "another group in NinjaOne has that name already; rename one of them")
        for duo_id in (*settled.duplicates, *settled.taken):
            del self.wanted[duo_id]
        return {duo_id: by_id[group_id] for duo_id, group_id in settled.adopted.items()}

    def _hold(self, duo_id: str, message: str) -> None:
        self.problems.append(Problem("group", self.wanted[duo_id], duo_id, "duplicate-group-name", message))

    def changes(self) -> list[Change]:
        made: list[Change] = []
        for duo_id, name in self.wanted.items():
            group, adopt = self.group.get(duo_id), False
            if group is None:
                group, adopt = self.adopted.get(duo_id), True
            if change := self._change(duo_id, name, group, adopt=adopt):
                made.append(change)
        for duo_id, group in self.group.items():
            if duo_id in self.source.pushed:
                continue
            if self.policy.groups.removed == "delete":
                reason = "no longer among the groups to push"
                made.append(Change("group", "delete", group.display_name, group.id, duo_id, reasons=(reason,)))
            else:
                self.warnings.append(
                    f'The group "{group.display_name}" is no longer in scope; it is kept, with its members as they are.'
                )
        if self.frozen:
            self.warnings.append(
                f"{self.frozen} group membership{'s' * (self.frozen > 1)} of held, protected or unmanaged accounts "
                f"differ{'s' * (self.frozen == 1)} from Duo and stay{'s' * (self.frozen == 1)} as in NinjaOne."
            )
        names = {group.id: group.display_name.casefold() for group in self.actual.groups if group.id}
        return order_renames(made, DISPLAY_NAME, names, _temporary_display_name)

    def _change(self, duo_id: str, name: str, group: Group | None, *, adopt: bool) -> Change | None:
        added, removed = self._member_changes(duo_id, group)
        reason = f'the Duo group "{self.source.groups[duo_id]}" is in scope'
        if group is None:
            row = Delta(DISPLAY_NAME, None, name)
            return Change("group", "create", name, None, duo_id, (row,), added, reasons=(reason,))
        rows = []
        if self.policy.external_id and group.external_id != duo_id:
            rows.append(Delta(EXTERNAL_ID, group.external_id, duo_id))
        if group.display_name != name:
            rows.append(Delta(DISPLAY_NAME, group.display_name, name))
        if not (rows or added or removed or adopt):
            return None
        action: Action = "adopt" if adopt else "update"
        return Change("group", action, name, group.id, duo_id, tuple(rows), added, removed, reasons=(reason,))

    def _member_changes(self, duo_id: str, group: Group | None) -> tuple[tuple[Member, ...], tuple[Member, ...]]:
        people, there = self.people, set[str]()
        removed: list[Member] = []
        in_duo = self._members.get(duo_id, set())
        for account_id in (group.members or ()) if group else ():
            owner = people.owner.get(account_id) or people.adopter.get(account_id)
            if owner is not None:
                there.add(owner)
            if owner in people.wanted:
                if owner not in in_duo:
                    removed.append(Member(people.wanted[owner].user_name, owner, account_id))
            elif owner in people.leavers and self.policy.deprovision.users != "keep":
                removed.append(Member(people.account[owner].user_name, owner, account_id))
            elif owner is None or owner not in in_duo:
                self.frozen += 1
        added: list[Member] = []
        for user_id in in_duo - there:
            if user_id in people.wanted:
                account = people.account.get(user_id) or people.adopted.get(user_id)
                added.append(Member(people.wanted[user_id].user_name, user_id, account.id if account else None))
            elif user_id in people.account and user_id not in people.leavers:
                self.frozen += 1
        return tuple(sorted(added, key=_member_order)), tuple(sorted(removed, key=_member_order))

    def counts(self, changes: list[Change]) -> Counts:
        actions = count(changes, "group")
        held = {problem.external_id for problem in self.problems}
        changed = actions["update"] + actions["delete"]
        return Counts(
            actions,
            unchanged=len(self.group) - changed - sum(duo_id in held for duo_id in self.group),
            unmanaged=len(self.actual.groups) - len(self.group) - len(self.adopted),
            held=len(held),
        )


def same_value(path: str, actual: str | None, desired: str | None) -> bool:
    """Whether ``actual`` is as good as ``desired``, though perhaps in another form.

    ``userType`` and ``organizationId`` are read back without regard to case and to
    leading zeros; where none is desired, what NinjaOne gives by default is as good.
    """
    if actual == desired:
        return True
    if path not in _SERVER_DEFAULTS:
        return False
    form = (actual or "").casefold()
    if form.isdigit():
        form = form.lstrip("0") or "0"
    return form in ("", _SERVER_DEFAULTS[path]) if desired is None else form == desired.casefold()


def _protection(patterns: Iterable[str]) -> Callable[[str], bool]:
    folded = [pattern.casefold() for pattern in patterns]
    return lambda name: any(fnmatchcase(name.casefold(), pattern) for pattern in folded)


def _members_by_group(source: Source) -> Mapping[str, set[str]]:
    """Group id -> ids of the users whom Duo has in it and who are in scope, for the pushed groups."""
    members: defaultdict[str, set[str]] = defaultdict(set)
    for user in source.users.values():
        if user.standing is not Standing.OUT:
            for group in user.groups:
                if group in source.pushed:
                    members[group].add(user.id)
    return members


def _temporary_user_name(change: Change, wanted: str) -> str:
    return f"ninjasync-{change.external_id}@{wanted.rpartition('@')[2]}"


def _temporary_display_name(change: Change, _wanted: str) -> str:
    return f"ninjasync-{change.external_id}"


def _in_order(changes: list[Change]) -> tuple[Change, ...]:
    """Sort: people before groups, removals last, a name freed before it is taken, then by name."""
    by_name = {change.name: change for change in changes}

    def depth(change: Change) -> int:
        steps = 0
        while change.needs and not change.via:
            change = by_name[change.needs[0]]
            steps += 1
        return steps

    def place(change: Change) -> tuple[bool, bool, int, str, str, str]:
        removal = change.action in REMOVALS
        return (
            removal,
            change.resource == "group",
            depth(change),
            change.key.casefold(),
            change.key,
            change.name,
        )

    return tuple(sorted(changes, key=place))


def _problem_order(problem: Problem) -> tuple[str, str, str, str]:
    return (problem.key.casefold(), problem.key, problem.external_id or "", problem.code)


def _member_order(member: Member) -> tuple[str, str, str]:
    return (member.key.casefold(), member.key, member.external_id or "")
