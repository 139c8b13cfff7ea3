"""The users' half of a diff: who is held, who gets which account and name, what changes.

Pure. Knows the standing of each Duo user and the accounts that are there; what becomes
of groups is ``group_diff``'s affair.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import cached_property

from msgspec.structs import replace

from ninjasync.model.attributes import ACTIVE, EXTERNAL_ID, ORGANIZATION_ID, USER_NAME, USER_TYPE
from ninjasync.model.change import Action, Change, Delta, count
from ninjasync.model.directory import Directory, Problem, User
from ninjasync.model.message import NOTHING, Message, counted, join, listed, number, person, word
from ninjasync.model.ownership import Owned, Ownership
from ninjasync.model.plan import Counts
from ninjasync.model.problems import Code
from ninjasync.model.source import Source, SourceUser, Standing, is_duo_id
from ninjasync.model.values import same_value
from ninjasync.names_alike import folded, matcher
from ninjasync.planning.leavers import DeletionSchedule, InactiveAccount, schedule_deletions
from ninjasync.planning.matching import match
from ninjasync.planning.names import order_renames, settle_names
from ninjasync.planning.policy import Policy
from ninjasync.planning.rights import changes_rights

# What to do about the mark of another Duo, behind the words that name it.
ANOTHERS = Message(
    "another Duo's, or of a time before this ledger; only {} takes such over",
    word("[deprovision] adopt_foreign = true"),
)
UNKNOWN_MARK = "which carries a Duo id that neither this Duo nor the ledger knows ({}): {}"
UNMANAGED = Message("which ninjasync does not manage")
_API_ALONE = "{} that SCIM does not show, and that NinjaOne's public API has"
_UNSEEN = Message("an account that NinjaOne does not show; it is tried again a day after NinjaOne said so")
_HIDDEN = "NinjaOne does not show {} of {}; what was last applied counts instead."
_KEPT = "NinjaOne keeps another {} than was sent for {}; it is not sent again."
_ADOPTED = Message("the userName is that of an account in NinjaOne that is nobody's")
_KEPT_INACTIVE = Message("kept inactive")
_UNREAD = Message("the account in NinjaOne could not be read")
_NO_LONGER_IN_DUO = Message("no longer in Duo")


class UserDiff:
    """Everything decided about users. Keys are Duo ids but where said otherwise.

    ``account`` are our accounts, ``wanted`` the desired users who can have what they
    want, ``adopted`` the accounts that are taken over for them, ``leavers`` the owners of
    accounts that are no longer wanted, ``protected`` the names for which a user is left alone.
    """

    def __init__(self, source: Source, actual: Directory, policy: Policy, owned: Ownership) -> None:
        self.source, self.actual, self.policy, self.owned = source, actual, policy, owned
        unreadable = [problem for problem in actual.unreadable if problem.resource == "user"]
        self.problems: list[Problem] = [*source.unreadable, *unreadable]
        keys = {problem.key for problem in unreadable}
        self._unread = {problem.external_id for problem in unreadable}
        if keys:
            self._unread |= {duo_id for duo_id, entry in owned.users.items() if entry.id in keys}
        self._unread_names = {folded(problem.key) for problem in unreadable}
        self._unread_names |= {name for resource, name in actual.hidden if resource == "user"}
        self._protects = protection(policy.protected, policy.administrators)
        matched = match(actual.users, source.users, owned.users, owned.foreign_users, self._wished_name)
        self.warnings = list(matched.warnings)
        self.account = {duo_id: self._as_stopped(duo_id, account) for duo_id, account in matched.ours.items()}
        self._gone = matched.gone
        self._gone_accounts = {self.account[duo_id].id for duo_id in self._gone}
        self.protected: dict[str, str] = {}
        self.wanted = self._candidates()
        self._strays = self._out_of_step()
        self.adopted = self._settle()
        for duo_id in self._rekeyed():
            del self.account[duo_id]
        self.owner = {account.id: duo_id for duo_id, account in self.account.items()}
        self.adopter = {account.id: duo_id for duo_id, account in self.adopted.items()}
        self.active = sum(account.active for account in self.account.values())
        people, out = source.users, Standing.OUT
        self.leavers = {
            duo_id
            for duo_id in self.account
            if ((found := people.get(duo_id)) is None or found.standing is out) and duo_id not in self.protected
        }
        self.schedule = DeletionSchedule()
        self._kept: Counter[tuple[str, bool]] = Counter()
        self._kept_for_want: Counter[str] = Counter()
        self._warn()

    @cached_property
    def _by_id(self) -> dict[str, User]:
        """The accounts by NinjaOne's id; not needed where nothing changes."""
        return {account.id: account for account in self.actual.users if account.id}

    @cached_property
    def _unshown(self) -> frozenset[str]:
        """The attributes that no account shows over SCIM: NinjaOne hides them, or has none."""
        columns = zip(*(account.values for account in self.actual.users), strict=True) if self.actual.users else ()
        return self.actual.unshown | {
            path for path, column in zip(self.source.paths, columns, strict=False) if not any(column)
        }

    def _as_stopped(self, duo_id: str, account: User) -> User:
        """Take an account that does not say whether it is active for what we made of it last."""
        if account.shows_active:
            return account
        entry = self.owned.users.get(duo_id)
        stopped = entry is not None and entry.id == account.id and entry.deactivated_at is not None
        return replace(account, active=False) if stopped else account

    def user(self, duo_id: str) -> SourceUser:
        """Return the Duo user with this id, also one who is in the ledger alone."""
        found = self.source.users.get(duo_id)
        if found is None:
            account = self.account.get(duo_id)
            found = SourceUser(duo_id, account.user_name if account else duo_id, Standing.OUT, _NO_LONGER_IN_DUO)
        return found

    def protects_an_account_of(self, duo_id: str) -> bool:
        """Whether this user is left alone for a protected name, and an account of that name is there."""
        shown = folded(self.protected.get(duo_id, ""))
        return bool(shown) and any(folded(account.user_name) == shown for account in self.actual.users)

    def _wished_name(self, duo_id: str) -> str | None:
        user = self.source.users.get(duo_id)
        return user.desired.user_name if user and user.desired else None

    def _candidates(self) -> dict[str, User]:
        wanted: dict[str, User] = {}
        guarded = bool(self.policy.protected or self.policy.administrators)
        accounts, inside = self.account, Standing.IN
        for user in (*self.source.users.values(), *map(self.user, self._gone)):
            if guarded:
                account = accounts.get(user.id)
                shown = self._protected_name(user, account)
                if shown is not None and (account is not None or user.standing is not Standing.OUT):
                    self.protected[user.id] = shown
                    continue
            if user.problems:
                self.problems += user.problems
            if user.standing is not inside or user.desired is None:
                continue
            if guarded and account is not None and self._protects(user.desired.user_name):
                self._hold(user, "name-taken", self._is_protected(user.desired.user_name))
            elif user.id in self._unread:
                self._hold(user, "unreadable-record", _UNREAD)
            else:
                wanted[user.id] = user.desired
        return wanted

    def _out_of_step(self) -> list[str]:
        """Return which of the wanted differ from their account, if only in form: nothing becomes of the others."""
        accounts = self.account
        return [
            duo_id
            for duo_id, desired in self.wanted.items()
            if (account := accounts.get(duo_id)) is None
            or account.values != desired.values
            or account.user_name != desired.user_name
            or account.external_id != duo_id
            or not account.active
        ]

    def _protected_name(self, user: SourceUser, account: User | None) -> str | None:
        protects = self._protects
        if account is not None:
            return account.user_name if protects(account.user_name) else None
        if protects(user.label):
            return user.label
        return user.desired.user_name if user.desired and protects(user.desired.user_name) else None

    def _is_protected(self, name: str) -> Message:
        is_administrator = folded(name) in self.policy.administrators
        key = "[safety] protect_administrators" if is_administrator else "[safety] protected_users"
        return Message("the userName {} is protected ({})", person(name), word(key))

    def _settle(self) -> dict[str, User]:
        """Decide which users get the userName that they want; hold those that cannot have it."""
        if self._all_have_their_names():
            return {}
        # A user that Duo has deleted owns nothing any more: the account goes to the user with that address now.
        own = {duo_id: account.id or "" for duo_id, account in self.account.items() if duo_id not in self._gone}
        settled = settle_names(
            {duo_id: folded(desired.user_name) for duo_id, desired in self.wanted.items()},
            own=own,
            names={account_id: folded(account.user_name) for account_id, account in self._by_id.items()},
            adoptable=lambda account_id: not self._not_adoptable(account_id),
            unreadable=self._unread_names,
        )
        owner = {account_id: duo_id for duo_id, account_id in own.items()}
        for duo_id, others in settled.duplicates.items():
            # They may well share their address, too; in Duo no two have one username.
            rivals = (self.source.users[other] for other in others if other != duo_id)
            who = listed(
                Message('{} (Duo username "{}")', person(rival.label), person(rival.username))
                for rival in sorted(rivals, key=lambda rival: (rival.label, rival.username))
            )
            message = Message("wants the same userName as {}; give each their own in Duo", who)
            self._hold(self.source.users[duo_id], "duplicate-user-name", message)
        for duo_id, holders in settled.taken.items():
            who = join(" and ", (self._holder(holder, owner.get(holder)) for holder in holders))
            if not holders:
                kind = self.actual.kinds.get(folded(self.wanted[duo_id].user_name))
                who = Message(_API_ALONE, word(kind)) if kind else _UNSEEN
            message = Message("the userName {} is held by {}", person(self.wanted[duo_id].user_name), who)
            self._hold(self.source.users[duo_id], "name-taken", message)
        for duo_id in (*settled.duplicates, *settled.taken):
            del self.wanted[duo_id]
        return {duo_id: self._by_id[account_id] for duo_id, account_id in settled.adopted.items()}

    def _all_have_their_names(self) -> bool:
        """Whether every user already has the name that they want, and no two want the same: so it is on most days."""
        for duo_id in self._strays:
            account = self.account.get(duo_id)
            if account is None or folded(account.user_name) != folded(self.wanted[duo_id].user_name):
                return False
        return len({folded(desired.user_name) for desired in self.wanted.values()}) == len(self.wanted)

    def _not_adoptable(self, account_id: str) -> Message:
        """Say why an account that is nobody's may not be taken over; empty where it may."""
        account = self._by_id[account_id]
        if (tenant := self.owned.foreign_users.get(account_id)) is not None:
            return Message("the account {} of the tenant {}", person(account_id), word(tenant))
        if self._protects(account.user_name):
            return Message("the protected account {}", person(account_id))
        owned = account.external_id is not None or account_id in self._gone_accounts
        unknown = self.source.unlisted or not all(problem.external_id for problem in self.source.unreadable)
        if owned and unknown:
            return Message(
                "the account {}, whose user may be one whose record in Duo could not be read", person(account_id)
            )
        if account_id in self._gone_accounts:
            return NOTHING
        if (account.external_id or "").upper() in self.source.users:
            mark = person(account.external_id or "")
            return Message("the account {}, which carries the Duo id of another user ({})", person(account_id), mark)
        if (another := self._mark_of_another(account.external_id)) and not self.policy.deprovision.adopt_foreign:
            return Message("the account {}, {}", person(account_id), another)
        if not self.policy.deprovision.adopt:
            return Message("the account {}, {} ({} is off)", person(account_id), UNMANAGED, word("[deprovision] adopt"))
        return NOTHING

    def _mark_of_another(self, carried: str | None) -> Message:
        """Say whose an account is that carries the Duo id of nobody in this Duo; empty where that shows nothing."""
        if not is_duo_id(carried):
            return NOTHING
        entry, mark = self.owned.users.get((carried or "").upper()), person(carried or "")
        if entry is None:
            return Message(UNKNOWN_MARK, mark, ANOTHERS)
        return Message("which carries the Duo id of another account ({})", mark) if entry.id in self._by_id else NOTHING

    def _holder(self, account_id: str, owner: str | None) -> Message:
        if owner is not None:
            user = self.user(owner)
            why = user.reason if user.standing is Standing.OUT else Message("who keeps it")
            return Message("the account {} of the Duo user {} ({})", person(account_id), person(owner), why)
        return self._not_adoptable(account_id) or Message("the account {}, {}", person(account_id), UNMANAGED)

    def _rekeyed(self) -> list[str]:
        taken = {account.id for account in self.adopted.values()}
        return [duo_id for duo_id in self._gone if self.account[duo_id].id in taken]

    def _hold(self, user: SourceUser, code: Code, message: Message) -> None:
        name = user.desired.user_name if user.desired else user.label
        self.problems.append(Problem("user", name, user.id, code, message))

    def _warn(self) -> None:
        if self.protected:
            names = listed(map(person, sorted(self.protected.values())))
            self.warnings.append(Message("Protected, left as they are: {}.", names))
        strangers = len(self.actual.users) - len(self.account) - len(self.adopted)
        if not self.owned.known and strangers > 0:
            self.warnings.append(
                Message(
                    "There is no ledger for this tenant yet: {} in NinjaOne cannot be judged and {} as {}.",
                    counted(strangers, "account"),
                    word("stay" if strangers > 1 else "stays"),
                    word("they are" if strangers > 1 else "it is"),
                )
            )

    def changes(self) -> list[Change]:
        """Return each user's change, with its needs, in no particular order."""
        made: list[Change] = []
        for duo_id in self._strays:
            if (desired := self.wanted.get(duo_id)) is None:
                continue
            account, adopt = self.account.get(duo_id), False
            if account is None:
                account, adopt = self.adopted.get(duo_id), True
            if account is None:
                made.append(self._create(duo_id, desired))
            elif patch := self._patch(duo_id, desired, account, adopt=adopt):
                made.append(patch)
        made += self._removals()
        for path, accounts in sorted(self._kept_for_want.items()):
            self.warnings.append(
                Message(
                    "No user in scope has a value for {} in Duo, so that {}.",
                    word(path.rpartition(":")[2]),
                    counted(accounts, "account keeps its own", "accounts keep theirs"),
                )
            )
        for (path, hidden), accounts in sorted(self._kept.items()):
            template = _HIDDEN if hidden else _KEPT
            self.warnings.append(Message(template, word(path.rpartition(":")[2]), counted(accounts, "account")))
        names = {change.id: folded(self._by_id[change.id].user_name) for change in made if change.id}
        return order_renames(made, USER_NAME, names, _temporary_name)

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
        entry = self.owned.users.get(duo_id)
        if entry is not None and entry.id != account.id:
            entry = None
        if self.policy.external_id and not carries(duo_id, account.external_id, entry):
            rows.append(Delta(EXTERNAL_ID, account.external_id, duo_id))
        elif entry and account.external_id and entry.settled(EXTERNAL_ID, duo_id, account.external_id):
            self._kept[EXTERNAL_ID, False] += 1
        if folded(account.user_name) != folded(desired.user_name) and not (
            entry and entry.settled(USER_NAME, desired.user_name, account.user_name)
        ):
            rows.append(Delta(USER_NAME, account.user_name, desired.user_name))
        if account.values != desired.values:
            columns = zip(self.source.paths, account.values, desired.values, strict=True)
            rows += [
                Delta(path, old, new)
                for path, old, new in columns
                if not (same_value(path, old, new) or self._spared(path) or self._settled(entry, path, old, new))
            ]
        if not rows and not adopt:
            return None
        reasons = [self.source.users[duo_id].reason]
        if adopt:
            reasons.append(_ADOPTED)
        action: Action = "adopt" if adopt else "update" if account.active else "reactivate"
        return Change(
            "user",
            action,
            desired.user_name,
            account.id,
            duo_id,
            tuple(rows),
            reasons=tuple(reasons),
            privilege=changes_rights(rows, lambda path: self._known(path, account)),
            whole=self._whole(desired, account),
        )

    def _known(self, path: str, account: User) -> tuple[str | None, ...]:
        """Return what an attribute of an account may be: what NinjaOne shows, else what was last applied.

        Where other accounts show it, it may also be none, as is shown.
        """
        at = self.source.paths.index(path) if path in self.source.paths else None
        shown = account.values[at] if at is not None else None
        entry = self._entries.get(account.id or "")
        if shown is not None or entry is None or (applied := entry.applied.get(path)) is None:
            return (shown,)
        return (applied,) if path in self._unshown else (applied, None)

    @cached_property
    def _entries(self) -> dict[str, Owned]:
        """The ledger's entries by NinjaOne's id; needed only where something changes."""
        return {entry.id: entry for entry in self.owned.users.values()}

    def _whole(self, desired: User, account: User) -> tuple[tuple[str, str], ...]:
        """Return all attributes for a server that replaces the whole; those that are never cleared as they are."""
        values = dict(zip(self.source.paths, desired.values, strict=True))
        values |= {path: self._known(path, account)[0] for path in self.source.empty if path in values}
        return ((USER_NAME, desired.user_name), *((path, value) for path, value in values.items() if value is not None))

    def _spared(self, path: str) -> bool:
        """Whether nobody in scope has a value, so that the account keeps its own (CONTRACT 5.10)."""
        if path not in self.source.empty:
            return False
        self._kept_for_want[path] += 1
        return True

    def _settled(self, entry: Owned | None, path: str, old: str | None, new: str | None) -> bool:
        """Whether a difference is of NinjaOne's making and known, so that sending it again is of no use."""
        if entry is None or (path in (USER_TYPE, ORGANIZATION_ID) and old is not None):
            return False
        hidden = old is None and path in self._unshown and entry.applied.get(path) == new
        if not hidden and not entry.settled(path, new, old):
            return False
        self._kept[path, old is None] += 1
        return True

    def _removals(self) -> list[Change]:
        match self.policy.deprovision.users:
            case "keep":
                return []
            case "delete":
                return [
                    self._delete(duo_id, self.user(duo_id).reason)
                    for duo_id in self.leavers
                    if not self._is_deleted(duo_id)
                ]
        days = self.policy.deprovision.delete_after_days
        then = Message("deleted {} days later, unless the user returns", number(days)) if days > 0 else _KEPT_INACTIVE
        stopped = [self._deactivate(duo_id, then) for duo_id in self.leavers if self.account[duo_id].active]
        inactive = [
            InactiveAccount(duo_id, account.user_name, entry.deactivated_at if entry else None)
            for duo_id in self.leavers
            if not (account := self.account[duo_id]).active and not self._is_deleted(duo_id)
            for entry in (self.owned.users.get(duo_id),)
        ]
        room = int(self.policy.removal_limit(self.active)) - len(stopped)
        self.schedule = schedule_deletions(inactive, days, self.policy.now, room)
        if self.schedule.deferred:
            self.warnings.append(
                Message(
                    "{} due but beyond the removal limit; the rest follows in later runs, the oldest first.",
                    counted(len(self.schedule.deferred), "deletion is", "deletions are"),
                )
            )
        due = [
            self._delete(
                turn.account.external_id,
                Message(
                    "inactive since {}, due {}",
                    number(f"{turn.account.since:%Y-%m-%d}"),
                    number(f"{turn.due:%Y-%m-%d}"),
                ),
            )
            for turn in self.schedule.due
        ]
        return stopped + due

    def _is_deleted(self, duo_id: str) -> bool:
        """Whether NinjaOne accepted the deletion of an account and keeps it, inactive, all the same."""
        account, entry = self.account[duo_id], self.owned.users.get(duo_id)
        return not account.active and entry is not None and entry.deleted and entry.id == account.id

    def _delete(self, duo_id: str, reason: Message) -> Change:
        account = self.account[duo_id]
        return Change("user", "delete", account.user_name, account.id, duo_id, reasons=(reason,))

    def _deactivate(self, duo_id: str, then: Message) -> Change:
        account = self.account[duo_id]
        row = Delta(ACTIVE, before=True, after=False)
        reasons = (self.user(duo_id).reason, then)
        return Change("user", "deactivate", account.user_name, account.id, duo_id, (row,), reasons=reasons)

    def counts(self, changes: list[Change]) -> Counts:
        """Count users by what happens to them."""
        mine = [problem for problem in self.problems if problem.resource == "user"]
        held = {problem.external_id for problem in mine if problem.external_id}
        nameless = sum(problem.external_id is None for problem in mine)
        held_accounts = sum(duo_id in self.account for duo_id in held)
        actions = count(changes, "user")
        changed = sum(actions.values()) - actions["create"] - actions["adopt"]
        return Counts(
            actions,
            unchanged=len(self.account) - changed - held_accounts,
            unmanaged=len(self.actual.users) - len(self.account) - len(self.adopted) if self.actual.complete else None,
            held=len(held) + nameless,
        )


def carries(duo_id: str, external_id: str | None, entry: Owned | None) -> bool:
    """Whether ``duo_id`` need not be sent: it is there in any letter case, or the server hides it or keeps another.

    ``entry`` is the ledger's of this very resource.
    """
    if external_id is None:
        return entry is not None
    if external_id.lower() == duo_id.lower():
        return True
    return entry is not None and entry.settled(EXTERNAL_ID, duo_id, external_id)


def protection(patterns: Iterable[str], administrators: Collection[str] = ()) -> Callable[[str], bool]:
    """Return what says whether a userName is one of [safety] protected_users, or of ``administrators`` (folded)."""
    match = matcher(patterns)
    return lambda name: match(name) is not None or (bool(administrators) and folded(name) in administrators)


def _temporary_name(change: Change, wanted: str) -> str:
    return f"ninjasync-{change.external_id}@{wanted.rpartition('@')[2]}"
