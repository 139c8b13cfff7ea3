"""Builders that several test files share: a configuration, and a world of two sides to lay over each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

from ninjasync.config.schema import Config, Deprovision, Groups
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.directory import Directory, Group, Problem, Resource, User
from ninjasync.model.ownership import Owned, Ownership
from ninjasync.model.source import Source, SourceUser, Standing
from ninjasync.planning.diff import Difference, Policy, diff

settings.register_profile("same-every-time", derandomize=True, deadline=None, database=None)
settings.load_profile("same-every-time")

PATHS = ("name.familyName", "name.givenName", ORGANIZATION_ID, USER_TYPE)


def _config(**sections: Mapping[str, Any]) -> Config:
    base: dict[str, dict[str, Any]] = {
        "duo": {
            "api_hostname": "http://127.0.0.1:1",
            "integration_key": "DIXXXXXXXXXXXXXXXXXX",
            "secret_key": "duo-secret",
            "rate_limit": 0,
        },
        "ninjaone": {"endpoint_url": "https://ninjaone.test/scim/v2", "secret_token": "scim-token"},
        "scope": {"all_users": True},
    }
    merged = {name: {**base.get(name, {}), **sections.get(name, {})} for name in (*base, *sections)}
    return Config.model_validate(merged)


@pytest.fixture
def make_config() -> Callable[..., Config]:
    """Make a valid configuration; keyword arguments are sections, their keys go over the defaults."""
    return _config


class World:
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
        """Duo has this user; HELD gives him an invalid user type."""
        name = email or f"{id_.lower()}@example.com"
        desired = User(name, id_, True, values) if standing is Standing.IN else None
        problems: tuple[Problem, ...] = ()
        if standing is Standing.HELD:
            problems = (Problem("user", name, id_, "invalid-user-type", "the user type 'x' is wrong"),)
        why = reason or {Standing.IN: 'member of "Staff"', Standing.OUT: "disabled in Duo"}.get(standing, "as it is")
        self.people[id_] = SourceUser(id_, name, standing, why, groups, desired, problems)

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
        """Each of these is in Duo, in scope, and has his account ``n-ID``, with nothing to change."""
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
            missing=self.missing,
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


@pytest.fixture
def world() -> World:
    """An empty Duo and an empty NinjaOne."""
    return World()


class Clock(threading.Event):
    """A time that passes only while somebody waits, so that no test does. It is a run's ``stop`` as well."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.waits: list[float] = []
        self.stop_after: int | None = None

    def wait(self, timeout: float | None = None) -> bool:
        """Let ``timeout`` seconds pass at once; set after ``stop_after`` waits."""
        assert timeout is not None
        if timeout:
            self.now += timeout
            self.waits.append(timeout)
        if self.stop_after is not None and len(self.waits) >= self.stop_after:
            self.set()
        return self.is_set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Put ``Clock`` in the place of the pacer's time."""
    made = Clock()
    monkeypatch.setattr("ninjasync.net.pacing.time", SimpleNamespace(monotonic=lambda: made.now))
    return made
