"""Random worlds: whatever happens in Duo and in NinjaOne, after an apply nothing is left to do and nobody was wronged.

No HTTP: Duo and NinjaOne are two dicts behind the planner's and the writer's protocols; ledger, lock and
journal are the real ones. What is right is judged here by rules of its own, from the truth of both sides.
"""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ninjasync.config.context import RunContext
from ninjasync.config.schema import Config
from ninjasync.errors import RefusedRequestError
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Change, Delta
from ninjasync.model.directory import Directory, Group, Membership, Observation, Resource, User
from ninjasync.model.outcome import Result
from ninjasync.model.plan import Approvals, Plan
from ninjasync.runs import apply as apply_run
from ninjasync.runs import plan as product

ADDRESSES = [f"p{number}@example.com" for number in range(14)]
BOSS = "boss@example.com"
# Hundreds of ledgers: on a disk, most of the time would go into waiting for it.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
START = datetime(2026, 1, 1, tzinfo=UTC)


# --- the two sides ---------------------------------------------------------------------------


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
        self.scoped = [self.found_group() for _ in range(rng.randint(1, 3))]
        self.elsewhere = self.found_group()
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
                    "max_removals": 1000,
                    "max_member_removals_percent": 100,
                    "min_source_percent": 0,
                    "protected_users": ["BOSS*"],
                },
                "run": {"parallelism": 1, "retries": 0},
                "state": {"path": str(self.folder / "ledger")},
            }
        )

    # Duo

    def found_group(self) -> str:
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
        """Delete a person and make him anew: another Duo id, the same address."""
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

    def groups(self) -> dict[str, str]:
        return dict(self.world.duo_groups)

    def users(self, convert: Callable[[Any], Any]) -> list[Any]:
        names = self.world.duo_groups
        return [
            convert({**row, "groups": [{"group_id": one, "name": names[one]} for one in sorted(row["groups"])]})
            for row in self.world.people.values()
        ]

    def users_by_id(self, ids: list[str], convert: Callable[[Any], Any]) -> list[Any]:
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

    members_shown = True

    def know(self, owned: object) -> None:
        """It shows all that there is to know."""

    def begin(self, paths: tuple[str, ...], about: int = 0, *, first: bool = False) -> None:
        """There is nothing to begin with."""

    def directory(self, paths: tuple[str, ...], wanted: object) -> Directory:
        users = tuple(self._user(id_, paths) for id_ in self.world.accounts)
        return Directory(paths, users, tuple(map(self._group, self.world.teams)))

    def user(self, id_: str, paths: tuple[str, ...]) -> User | None:
        return self._user(id_, paths) if id_ in self.world.accounts else None

    def group(self, id_: str) -> Group | None:
        return self._group(id_) if id_ in self.world.teams else None

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


# --- the judge -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Before:
    """NinjaOne as it was before an apply."""

    accounts: dict[str, Account]
    teams: dict[str, Team]

    @classmethod
    def of(cls, world: World) -> Before:
        return cls(copy.deepcopy(world.accounts), copy.deepcopy(world.teams))

    def membership(self, id_: str) -> set[str]:
        return {team_id for team_id, team in self.teams.items() if id_ in team.members}


class Judge:
    """Compares what was with what is, by the contract's promises, without a word of the product's."""

    def __init__(self, world: World, before: Before) -> None:
        self.world, self.before, self.after = world, before, Before.of(world)
        # Whose account is protected has no wish: whatever Duo says of him, nothing changes.
        settled = {account.duo for account in before.accounts.values() if account.name.casefold().startswith("boss")}
        wishes = [
            row["email"].casefold()
            for id_, row in world.people.items()
            if id_ not in settled and world.in_scope(id_) and world.valid(id_)
        ]
        self.wishes = Counter(wishes)

    def same(self, id_: str) -> bool:
        """Whether the account and its memberships are as they were."""
        both = self.before.accounts[id_] == self.after.accounts.get(id_)
        return both and self.before.membership(id_) == self.after.membership(id_)

    def judge(self) -> None:
        self.no_duplicates()
        for id_, account in self.before.accounts.items():
            if account.name.casefold().startswith("boss"):
                assert self.same(id_), f"a protected account was touched: {account}"
            elif account.duo is None:
                self.of_nobody(id_, account)
            elif self.world.in_scope(account.duo):
                self.of_one_who_has_not_left(id_, account, account.duo)
            else:
                self.of_a_leaver(id_, account, account.duo)
        for duo_id in self.world.people:
            if self.world.in_scope(duo_id) and self.world.valid(duo_id):
                self.of_one_who_is_in(duo_id)

    def no_duplicates(self) -> None:
        owners = [account.duo for account in self.after.accounts.values() if account.duo]
        names = [account.name.casefold() for account in self.after.accounts.values()]
        assert len(owners) == len(set(owners)), "somebody has two accounts"
        assert len(names) == len(set(names))
        groups = [team.duo for team in self.after.teams.values()]
        assert len(groups) == len(set(groups)), "a group was made twice"

    def of_nobody(self, id_: str, account: Account) -> None:
        now = self.after.accounts.get(id_)
        assert now is not None, f"an unmanaged account is gone: {account}"
        if now.duo is None:
            assert self.same(id_), f"an unmanaged account was touched: {account} {now}"
            return
        row = self.world.people[now.duo]
        assert self.world.in_scope(now.duo)
        assert row["email"].casefold() == account.name.casefold()
        assert self.wishes[account.name.casefold()] == 1

    def of_one_who_has_not_left(self, id_: str, account: Account, duo_id: str) -> None:
        now = self.after.accounts.get(id_)
        assert now is not None, f"{duo_id} has not left, but his account is gone"
        assert now.active >= account.active, f"{duo_id} has not left, but his account was deactivated"
        assert now.duo == duo_id, f"{duo_id} has not left, but his account went to {now.duo}"
        if not self.world.valid(duo_id):
            assert self.same(id_), f"{duo_id} is held, but his account was touched"

    def of_a_leaver(self, id_: str, account: Account, duo_id: str) -> None:
        now = self.after.accounts.get(id_)
        lost, shown = self.world.ledger_was_lost, self.world.keeps_external_id
        if now is not None and now.duo != duo_id:
            # He was made anew, or nothing is left by which to know that the account was his.
            assert duo_id not in self.world.people or (lost and not shown)
            assert now.duo is not None
            assert self.world.people[now.duo]["email"].casefold() == account.name.casefold()
            return
        if lost and (duo_id not in self.world.people or not shown):
            return  # nobody can know whose account this is; that it is no other's was seen to above
        match self.world.mode:
            case "keep":
                assert self.same(id_), f"leavers are kept, but the account of {duo_id} was touched"
            case "delete":
                assert now is None, f"{duo_id} has left, but his account is there"
            case _:
                assert now is None or not now.active, f"{duo_id} has left, but his account is active"
                if now is None:
                    since = self.world.inactive_since.get(id_)
                    assert not account.active
                    assert since is not None
                    assert self.world.now - since >= timedelta(days=30)
                else:
                    pushed = {team_id for team_id, team in self.after.teams.items() if team.duo in self.world.scoped}
                    assert not self.after.membership(id_) & pushed

    def of_one_who_is_in(self, duo_id: str) -> None:
        """Whose wish nobody disputes has got everything."""
        row = self.world.people[duo_id]
        wish = row["email"].casefold()
        own = [id_ for id_, account in self.before.accounts.items() if account.duo == duo_id]
        holders = [id_ for id_, account in self.before.accounts.items() if account.name.casefold() == wish]
        free = holders in ([], own) or (not own and all(self.before.accounts[id_].duo is None for id_ in holders))
        if wish.startswith("boss") or self.wishes[wish] > 1 or not free:
            return
        if own and self.before.accounts[own[0]].name.casefold().startswith("boss"):
            return
        mine = [(id_, account) for id_, account in self.after.accounts.items() if account.duo == duo_id]
        assert len(mine) == 1, f"{duo_id} is in scope, valid and undisputed, but has no account"
        ((id_, account),) = mine
        assert (account.name.casefold(), account.active) == (wish, True)
        assert account.values["name.familyName"] == row["lastname"]
        assert account.values["name.givenName"] == row["firstname"]
        assert account.values[USER_TYPE] == row["custom_attributes"]["userType"]
        assert account.values[ORGANIZATION_ID] == row["custom_attributes"]["organizationID"]
        teams = {team.duo: team for team in self.after.teams.values()}
        for group in self.world.scoped:
            assert teams[group].name == self.world.duo_groups[group]
            assert (id_ in teams[group].members) == (group in row["groups"])

    def remember(self) -> None:
        for id_, account in self.after.accounts.items():
            if account.active:
                self.world.inactive_since.pop(id_, None)
            else:
                self.world.inactive_since.setdefault(id_, self.world.now)


# --- the runs --------------------------------------------------------------------------------


def plan(world: World) -> Plan:
    before = Before.of(world)
    made = product.plan_run(world.context(), Approvals(source=0), ()).plan
    assert Before.of(world) == before, "a plan wrote"
    return made


def apply(world: World) -> Result:
    world.written.clear()
    before, number = Before.of(world), world.number
    with apply_run.applying(world.context(), Approvals(source=0), (), "apply", 0) as run:
        assert not run.plan.refused, run.plan.guards
        result = run.apply(parallelism=1, tell=lambda _: None)
        run.finish(result, 0)
    assert [outcome.error for outcome in result.outcomes if outcome.status != "applied"] == []
    made = {id_ for id_ in world.written if id_ not in before.accounts and id_ not in before.teams}
    shown = {change.id for change in run.plan.changes}
    assert world.written - made <= shown, "something was written that the plan did not show"
    assert len(made) == sum(change.action == "create" for change in run.plan.changes) <= world.number - number
    judge = Judge(world, before)
    judge.judge()
    judge.remember()
    return result


def converge(world: World) -> None:
    """Apply until nothing is left, which takes more than one run only where a deletion freed a name."""
    while True:
        freed = {
            outcome.change.key.casefold() for outcome in apply(world).outcomes if outcome.change.action == "delete"
        }
        left = plan(world)
        if not left.changes:
            return
        wanted = {change.key.casefold() for change in left.changes if change.resource == "user"}
        assert wanted & freed, f"after an apply there is something left to do: {left.changes}"


def live(rng: Random, *, keeps_external_id: bool, may_lose_ledger: bool) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder, pytest.MonkeyPatch.context() as patches:
        flags = {"keeps_external_id": keeps_external_id, "may_lose_ledger": may_lose_ledger}
        world = World(rng, Path(folder), **flags)

        patches.setattr(product, "DuoReader", lambda *_: MemoryDuo(world))
        for module, name in ((product, "Reader"), (apply_run, "Writer")):
            patches.setattr(module, name, lambda *_: MemoryNinjaOne(world))
        converge(world)
        for _ in range(rng.randint(1, 2)):
            for _ in range(rng.randint(2, 7)):
                world.something_happens()
            world.now += timedelta(days=rng.randint(1, 40))
            if may_lose_ledger and rng.random() < 0.5:
                world.lose_ledger()
            converge(world)


worlds = settings(
    max_examples=50,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
SEEDS = st.integers(0, 2**32 - 1)


@worlds
@given(seed=SEEDS)
def test_whatever_happens_after_an_apply_the_plan_is_empty_and_nobody_was_wronged(seed: int) -> None:
    live(Random(seed), keeps_external_id=True, may_lose_ledger=False)


@worlds
@given(seed=SEEDS)
def test_nor_where_the_server_keeps_no_external_id_so_that_the_ledger_decides(seed: int) -> None:
    live(Random(seed), keeps_external_id=False, may_lose_ledger=False)


@worlds
@given(seed=SEEDS)
def test_nor_where_the_ledger_is_deleted_in_between(seed: int) -> None:
    live(Random(seed), keeps_external_id=True, may_lose_ledger=True)


@worlds
@given(seed=SEEDS)
def test_nor_where_both_are_so(seed: int) -> None:
    live(Random(seed), keeps_external_id=False, may_lose_ledger=True)
