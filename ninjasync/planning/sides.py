"""What a diff lays one over the other: both sides, what the ledger knows, and the operator's rules. Pure."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ninjasync.model.attributes import EXTERNAL_ID
from ninjasync.model.directory import Directory, Group, User
from ninjasync.model.message import Message
from ninjasync.model.ownership import Owned, Ownership
from ninjasync.model.source import Source, SourceUser, Standing
from ninjasync.names_alike import folded, matcher
from ninjasync.planning.policy import Policy

_NO_LONGER_IN_DUO = Message("no longer in Duo")


# Without slots, for the indexes: each is made when first asked for, and a day without changes asks for few.
@dataclass(frozen=True)
class Sides:
    """Both sides, what the ledger knows of them, and the operator's rules."""

    source: Source
    actual: Directory
    policy: Policy
    owned: Ownership

    @cached_property
    def accounts(self) -> Mapping[str, User]:
        """The accounts by NinjaOne's id."""
        return {account.id: account for account in self.actual.users if account.id}

    @cached_property
    def groups(self) -> Mapping[str, Group]:
        """NinjaOne's groups by its id."""
        return {group.id: group for group in self.actual.groups if group.id}

    @cached_property
    def entries(self) -> Mapping[str, Owned]:
        """The ledger's entries of users by NinjaOne's id."""
        return {entry.id: entry for entry in self.owned.users.values()}

    @cached_property
    def spelling(self) -> Mapping[str, str]:
        """The accounts' ids by their lower-case form, but for those that differ in letter case alone."""
        ids = [account.id for account in self.actual.users if account.id]
        often = Counter(id_.lower() for id_ in ids)
        return {id_.lower(): id_ for id_ in ids if often[id_.lower()] == 1}

    @cached_property
    def unshown(self) -> frozenset[str]:
        """The attributes that no account shows over SCIM: NinjaOne hides them, or has none."""
        columns = zip(*(account.values for account in self.actual.users), strict=True) if self.actual.users else ()
        return self.actual.unshown | {
            path for path, column in zip(self.source.paths, columns, strict=False) if not any(column)
        }

    @cached_property
    def protects(self) -> Callable[[str], bool]:
        """Whether a userName is protected, by [safety] protected_users or as an administrator's."""
        return protection(self.policy.protected, self.policy.administrators)

    def user(self, duo_id: str, account: User | None) -> SourceUser:
        """Return the Duo user with this id, also one who is in the ledger alone; ``account`` is the user's."""
        found = self.source.users.get(duo_id)
        if found is None:
            found = SourceUser(duo_id, account.user_name if account else duo_id, Standing.OUT, _NO_LONGER_IN_DUO)
        return found


def protection(patterns: Iterable[str], administrators: Collection[str] = ()) -> Callable[[str], bool]:
    """Return what says whether a userName is one of [safety] protected_users, or of ``administrators`` (folded)."""
    patterns = tuple(patterns)
    if not patterns:
        return lambda name: folded(name) in administrators
    match = matcher(patterns)
    return lambda name: match(name) is not None or folded(name) in administrators


def carries(duo_id: str, external_id: str | None, entry: Owned | None) -> bool:
    """Whether ``duo_id`` need not be sent: it is there in any letter case, or the server hides it or keeps another.

    ``entry`` is the ledger's of this very resource.
    """
    if external_id is None:
        return entry is not None
    if external_id.lower() == duo_id.lower():
        return True
    return entry is not None and entry.settled(EXTERNAL_ID, duo_id, external_id)
