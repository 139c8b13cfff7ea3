"""Two sides to lay over each other without any server: what Duo has, what NinjaOne has, and the plan's differences.

Knows the nouns of ``model`` and the signature of ``diff``. Must not know the network, nor any file.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ninjasync.config.provisioning import Deprovision, Groups
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.directory import Directory, Group, Problem, Resource, User
from ninjasync.model.message import Message
from ninjasync.model.ownership import Owned, Ownership
from ninjasync.model.source import Source, SourceUser, Standing
from ninjasync.planning.diff import Difference, Policy, diff

PATHS = ("name.familyName", "name.givenName", ORGANIZATION_ID, USER_TYPE)


class Sides:
    """What Duo has and what NinjaOne has, a line of code for each record, and what follows from it."""

    def __init__(self) -> None:
        self.people: dict[str, SourceUser] = {}
        self.duo_groups: dict[str, str] = {}
        self.pushed: dict[str, str] = {}
        self.accounts: list[User] = []
        self.groups: list[Group] = []
        self.unreadable_in_duo: list[Problem] = []
        self.unreadable_in_ninjaone: list[Problem] = []
        self.missing: tuple[str, ...] = ()
        self.deprovision = Deprovision()
        self.pushing = Groups()
        self.protected: tuple[str, ...] = ()
        self.external_id = True
        self.now = datetime(2027, 6, 1, tzinfo=UTC)
        self.removal_limit = 3.0
        self.known = True
        self.complete = True
        self.hidden: frozenset[tuple[Resource, str]] = frozenset()
        self.owned_users: dict[str, Owned] = {}
        self.owned_groups: dict[str, Owned] = {}
        self.foreign_users: dict[str, str] = {}
        self.foreign_groups: dict[str, str] = {}

    def duo(
        self,
        id_: str,
        email: str | None = None,
        *,
        standing: Standing = Standing.IN,
        groups: tuple[str, ...] = (),
        values: tuple[str | None, ...] = ("Doe", "Jane", "All", "endUser"),
        reason: str | None = None,
    ) -> None:
        """Duo has this user; HELD gives it an invalid user type."""
        name = email or f"{id_.lower()}@example.com"
        desired = User(name, id_, True, values) if standing is Standing.IN else None
        problems: tuple[Problem, ...] = ()
        if standing is Standing.HELD:
            problems = (Problem("user", name, id_, "invalid-user-type", Message("the user type 'x' is wrong")),)
        why = reason or {Standing.IN: 'member of "Staff"', Standing.OUT: "disabled in Duo"}.get(standing, "as it is")
        self.people[id_] = SourceUser(id_, name, standing, Message(why), groups, desired, problems)

    def account(
        self,
        id_: str,
        user_name: str,
        external_id: str | None = None,
        *,
        active: bool = True,
        values: tuple[str | None, ...] = ("Doe", "Jane", "All", "endUser"),
    ) -> None:
        """NinjaOne has this account."""
        self.accounts.append(User(user_name, external_id, active, values, id_))

    def settled(self, *ids: str) -> None:
        """Each of these is in Duo, in scope, and has an account ``n-ID``, with nothing to change."""
        for id_ in ids:
            self.duo(id_)
            self.account(f"n-{id_}", f"{id_.lower()}@example.com", id_)

    def leaver(self, *ids: str, active: bool = True) -> None:
        """Each of these is disabled in Duo and has an account ``n-ID``."""
        for id_ in ids:
            self.duo(id_, standing=Standing.OUT)
            self.account(f"n-{id_}", f"{id_.lower()}@example.com", id_, active=active)

    def recorded(self, *ids: str, account: str = "", deactivated_days_ago: float | None = None) -> None:
        """The ledger says that these users' accounts ``n-ID``, or ``account``, are ours."""
        since = None if deactivated_days_ago is None else self.now - timedelta(days=deactivated_days_ago)
        for id_ in ids:
            self.owned_users[id_] = Owned(account or f"n-{id_}", f"{id_.lower()}@example.com", since)

    def duo_group(self, id_: str, name: str, *, pushed: str | None = "") -> None:
        """Duo has this group; ``pushed`` is its displayName, "" the same name, None not pushed."""
        self.duo_groups[id_] = name
        if pushed is not None:
            self.pushed[id_] = pushed or name

    def group(self, id_: str, name: str, external_id: str | None = None, members: tuple[str, ...] | None = ()) -> None:
        """NinjaOne has this group; ``members`` are account ids, None is not shown."""
        self.groups.append(Group(name, external_id, None if members is None else frozenset(members), id_))

    @property
    def source(self) -> Source:
        """Duo's side."""
        return Source(
            PATHS,
            self.people,
            self.duo_groups,
            self.pushed,
            missing=tuple(map(Message, self.missing)),
            unreadable=tuple(self.unreadable_in_duo),
        )

    @property
    def actual(self) -> Directory:
        """NinjaOne's side."""
        return Directory(
            PATHS,
            tuple(self.accounts),
            tuple(self.groups),
            tuple(self.unreadable_in_ninjaone),
            complete=self.complete,
            hidden=self.hidden,
        )

    def diff(self) -> Difference:
        """Lay one over the other."""
        policy = Policy(
            self.deprovision,
            self.pushing,
            self.protected,
            self.external_id,
            now=self.now,
            removal_limit=lambda _: self.removal_limit,
        )
        owned = Ownership(self.known, self.owned_users, self.owned_groups, self.foreign_users, self.foreign_groups)
        return diff(self.source, self.actual, policy, owned)
