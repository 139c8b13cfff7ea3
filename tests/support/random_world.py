"""A Duo and a NinjaOne as two dicts, to which anything may happen, behind the protocols of the planner and the writer.

No HTTP: hundreds of these worlds are lived through. ``Office`` has the servers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Self

from ninjasync.config.context import RunContext
from ninjasync.config.schema import Config
from ninjasync.errors import RefusedRequestError
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Change, Delta
from ninjasync.model.directory import Directory, Group, Membership, Observation, Resource, User

ADDRESSES = [f"p{number}@example.com" for number in range(14)]
BOSS = "boss@example.com"
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Account:
    """An account as NinjaOne has it; ``duo`` is the truth about whose it is, which NinjaOne need not show."""

    name: str
    active: bool = True
    duo: str | None = None
    values: dict[str, str | None] = field(default_factory=dict)


@dataclass
class Team:
    name: str
    duo: str | None
    members: set[str] = field(default_factory=set)


class World:
    """A Duo, a NinjaOne, a ledger, and the time."""

    def __init__(self, rng: Random, folder: Path, *, keeps_external_id: bool, may_lose_ledger: bool) -> None:
        self.rng, self.folder = rng, folder
        self.keeps_external_id, self.may_lose_ledger = keeps_external_id, may_lose_ledger
        self.people: dict[str, dict[str, Any]] = {}
        self.duo_groups: dict[str, str] = {}
        self.accounts: dict[str, Account] = {}
        self.teams: dict[str, Team] = {}
        self.written: set[str] = set()
        self.number = 0
        self.now = START
        self.ledger_was_lost = False
        self.inactive_since: dict[str, datetime] = {}
        self.scoped = [self.add_group() for _ in range(rng.randint(1, 3))]
        self.elsewhere = self.add_group()
        self.mode = rng.choice(["deactivate", "deactivate", "delete", "keep"])
        for _ in range(rng.randint(4, 9)):
            self.hire()
        # A protected account is nobody's, or was somebody's before it was protected.
        owner = rng.choice([None, rng.choice(list(self.people))]) if keeps_external_id else None
        self.accounts["n-boss"] = Account(BOSS, duo=owner, values=native_values())
        self.accounts["n-stranger"] = Account("stranger@example.com", values=native_values())
        for address in rng.sample(ADDRESSES, rng.randint(0, 3)):
            self.accounts[self.new("n")] = Account(address.title(), rng.random() < 0.8, values=native_values())

    def new(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number:04}"

    def context(self) -> RunContext:
        return RunContext(self.config(), "", self.now, lambda: self.now)

    def config(self) -> Config:
        return Config.model_validate(
            {
                "duo": {"api_hostname": "http://127.0.0.1:1", "integration_key": "DI", "secret_key": "duo-secret"},
                "ninjaone": {"endpoint_url": "http://127.0.0.1:2/scim", "secret_token": "the-token"},
                "scope": {"groups": self.scoped},
                "deprovision": {"users": self.mode},
                "safety": {
                    # No guard is to stop what happens here; each has tests of its own.
                    "max_removals": 1000,
                    "max_held": 1000,
                    "max_privilege_changes": 1000,
                    "max_vanished": 1000,
                    "max_member_removals_percent": 100,
                    "min_source_percent": 0,
                    "protected_users": ["BOSS*"],
                },
                "run": {"parallelism": 1, "retries": 0},
                "state": {"path": str(self.folder / "ledger")},
            }
        )

    # Duo

    def add_group(self) -> str:
        id_ = self.new("DGGROUP")
        self.duo_groups[id_] = f"Group {id_}"
        return id_

    def hire(self) -> None:
        id_ = self.new("DUUSER")
        technician = self.rng.random() < 0.3
        self.people[id_] = {
            "user_id": id_,
            "username": id_.lower(),
            "email": BOSS if self.rng.random() < 0.05 else self.rng.choice(ADDRESSES),
            "firstname": "First",
            "lastname": id_.title(),
            "status": "active",
            "groups": set(self.rng.sample([*self.scoped, self.elsewhere], self.rng.randint(1, 2))),
            "custom_attributes": {
                "userType": "technician" if technician else "endUser",
                "organizationID": "7",
            },
        }

    def in_scope(self, id_: str) -> bool:
        row = self.people.get(id_)
        return row is not None and row["status"] == "active" and bool(row["groups"] & set(self.scoped))

    def valid(self, id_: str) -> bool:
        row = self.people[id_]
        return bool(row["email"]) and row["custom_attributes"]["userType"] in ("technician", "endUser")

    # What happens between two runs

    def something_happens(self) -> None:
        person = self.rng.choice(list(self.people) or [""])
        account = self.rng.choice(list(self.accounts))
        events: list[Callable[[], None]] = [
            self.hire,
            lambda: self.set(person, status="disabled"),
            lambda: self.set(person, status="pending deletion"),
            lambda: self.set(person, status="active"),
            lambda: self.set(person, status="active"),
            lambda: self.set(person, lastname=self.new("Name")),
            lambda: self.attribute(person, "chef"),
            lambda: self.attribute(person, "technician"),
            lambda: self.attribute(person, "endUser"),
            lambda: self.move(person),
            lambda: self.move(person),
            lambda: self.erase(person),
            lambda: self.replace(person),
            # In NinjaOne, by hand.
            lambda: self.by_hand(account, active=False),
            lambda: self.by_hand(account, active=True),
            lambda: self.tamper(account),
            lambda: self.drop_member(account),
            self.make_by_hand,
        ]
        if self.keeps_external_id or not self.may_lose_ledger:
            # Else nothing would be left by which to know a person or a group again.
            events += [self.rename_group]
            events += [lambda: self.set(person, email=self.rng.choice(ADDRESSES))] * 3
            events += [lambda: self.swap(person, self.rng.choice(list(self.people)))]
        self.rng.choice(events)()

    def set(self, id_: str, **fields: str) -> None:
        if id_ in self.people:
            self.people[id_].update(fields)

    def attribute(self, id_: str, value: str) -> None:
        if id_ in self.people:
            self.people[id_]["custom_attributes"] = {"userType": value, "organizationID": "7"}

    def swap(self, one: str, other: str) -> None:
        if one in self.people:
            mine, theirs = self.people[one]["email"], self.people[other]["email"]
            self.people[one]["email"], self.people[other]["email"] = theirs, mine

    def move(self, id_: str) -> None:
        if id_ in self.people:
            self.people[id_]["groups"] ^= {self.rng.choice(self.scoped)}

    def erase(self, id_: str) -> None:
        self.people.pop(id_, None)

    def replace(self, id_: str) -> None:
        """Delete a user and make them anew: another Duo id, the same address."""
        if old := self.people.pop(id_, None):
            new = self.new("DUUSER")
            self.people[new] = {**copy.deepcopy(old), "user_id": new}

    def rename_group(self) -> None:
        self.duo_groups[self.rng.choice(self.scoped)] = f"Group {self.new('x')}"

    def by_hand(self, id_: str, *, active: bool) -> None:
        self.accounts[id_].active = active

    def tamper(self, id_: str) -> None:
        self.accounts[id_].values["name.familyName"] = "Tampered"

    def drop_member(self, id_: str) -> None:
        for team in self.teams.values():
            team.members ^= {id_}

    def make_by_hand(self) -> None:
        name = self.rng.choice(ADDRESSES)
        if name not in {account.name.casefold() for account in self.accounts.values()}:
            self.accounts[self.new("n")] = Account(name, values=native_values())

    def lose_ledger(self) -> None:
        for path in self.folder.glob("ledger*"):
            path.unlink()
        self.ledger_was_lost = True


def native_values() -> dict[str, str | None]:
    return {"name.givenName": "Na", "name.familyName": "Tive", USER_TYPE: "endUser", ORGANIZATION_ID: "1"}


class MemoryDuo:
    """Duo's side of the planner."""

    def __init__(self, world: World) -> None:
        self.world, self.unlisted = world, 0
        self.nameless: tuple[str, ...] = ()

    def read_groups(self) -> dict[str, str]:
        return dict(self.world.duo_groups)

    def read_users(self, convert: Callable[[list[Any]], list[Any]]) -> list[Any]:
        names = self.world.duo_groups
        return convert(
            [
                {**row, "groups": [{"group_id": one, "name": names[one]} for one in sorted(row["groups"])]}
                for row in self.world.people.values()
            ]
        )

    def read_users_by_id(self, ids: list[str], convert: Callable[[list[Any]], list[Any]]) -> list[Any]:
        assert not set(ids) & self.world.people.keys(), "only of those who were not among the pages"
        return []

    def close(self) -> None:
        pass


class MemoryNinjaOne:
    """NinjaOne's side of the planner and of the writer; names are unique, as SCIM has it."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _user(self, id_: str, paths: tuple[str, ...]) -> User:
        one = self.world.accounts[id_]
        shown = one.duo if self.world.keeps_external_id else None
        return User(one.name, shown, one.active, tuple(one.values.get(path) for path in paths), id_)

    def _group(self, id_: str) -> Group:
        team = self.world.teams[id_]
        return Group(team.name, team.duo if self.world.keeps_external_id else None, frozenset(team.members), id_)

    members_shown, members_hidden = True, False

    @property
    def endpoint(self) -> MemoryNinjaOne:
        return self

    def know(self, owned: object) -> None:
        """It shows all that there is to know."""

    def begin(self, paths: tuple[str, ...], about: int = 0, **known: bool) -> None:
        """There is nothing to begin with."""

    def read_directory(self, paths: tuple[str, ...], wanted: object) -> Directory:
        users = tuple(self._user(id_, paths) for id_ in self.world.accounts)
        return Directory(paths, users, tuple(map(self._group, self.world.teams)))

    def read_user(self, id_: str, paths: tuple[str, ...]) -> User | None:
        return self._user(id_, paths) if id_ in self.world.accounts else None

    def read_group(self, id_: str) -> Group | None:
        return self._group(id_) if id_ in self.world.teams else None

    def get(self, resource: Resource, id_: str) -> User | Group | None:
        return self.read_user(id_, ()) if resource == "user" else self.read_group(id_)

    def _unique(self, resource: Resource, name: str, but: str | None = None) -> None:
        everybody = self.world.accounts if resource == "user" else self.world.teams
        for id_, one in everybody.items():
            if id_ != but and one.name.casefold() == name.casefold():
                raise RefusedRequestError(f"{name} is taken", status=409)

    def create_user(self, change: Change) -> tuple[str, tuple[Observation, ...]]:
        self._unique("user", change.key)
        id_ = self.world.new("a")
        values = {delta.path: delta.after for delta in change.diff if delta.path != "userName"}
        assert all(value is None or isinstance(value, str) for value in values.values())
        self.world.accounts[id_] = Account(change.key, True, change.external_id, values)  # type: ignore[arg-type]  # a create has no booleans
        self.world.written.add(id_)
        return id_, ()

    def create_group(self, change: Change, members: list[str]) -> tuple[str, tuple[Observation, ...]]:
        self._unique("group", change.key)
        id_ = self.world.new("g")
        self.world.teams[id_] = Team(change.key, change.external_id, set(members))
        self.world.written.add(id_)
        return id_, ()

    def patch(self, resource: Resource, id_: str, diff: tuple[Delta, ...], whole: object) -> tuple[Observation, ...]:
        if diff:
            self.world.written.add(id_)
        for delta in diff:
            one = self.world.accounts[id_] if resource == "user" else self.world.teams[id_]
            if delta.path in ("userName", "displayName"):
                self._unique(resource, str(delta.after), id_)
                one.name = str(delta.after)
            elif delta.path == "externalId":
                one.duo = str(delta.after)
            elif isinstance(one, Account) and delta.path == "active":
                one.active = bool(delta.after)
            elif isinstance(one, Account):
                assert not isinstance(delta.after, bool)
                one.values[delta.path] = delta.after
        return ()

    def change_members(self, id_: str, added: list[str], removed: list[str]) -> Membership:
        if added or removed:
            self.world.written.add(id_)
        assert set(added) <= self.world.accounts.keys()
        self.world.teams[id_].members |= set(added)
        self.world.teams[id_].members -= set(removed)
        return Membership()

    def delete(self, resource: Resource, id_: str) -> None:
        self.world.written.add(id_)
        if resource == "group":
            del self.world.teams[id_]
            return
        del self.world.accounts[id_]
        for team in self.world.teams.values():
            team.members.discard(id_)
