"""Random worlds: after an apply nothing is left to do, and no account was removed or duplicated wrongly.

No HTTP: Duo and NinjaOne are two dicts behind the planner's and the writer's protocols; ledger, lock and
journal are the real ones. What is right is judged here by rules of its own, from the truth of both sides.
"""

from __future__ import annotations

import copy
import os
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.outcome import Result
from ninjasync.model.plan import Approvals, Plan
from ninjasync.runs import apply as apply_run
from ninjasync.runs import plan as product
from tests.support.random_world import (
    Account,
    MemoryDuo,
    MemoryNinjaOne,
    Team,
    World,
)

# Hundreds of ledgers: on a disk, most of the time would go into waiting for it.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


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
        # A protected account wants no name: whatever Duo says, nothing changes.
        settled = {account.duo for account in before.accounts.values() if account.name.casefold().startswith("boss")}
        wanted = [
            row["email"].casefold()
            for id_, row in world.people.items()
            if id_ not in settled and world.in_scope(id_) and world.valid(id_)
        ]
        self.wanted = Counter(wanted)

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
        assert len(owners) == len(set(owners)), "a user has two accounts"
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
        assert self.wanted[account.name.casefold()] == 1

    def of_one_who_has_not_left(self, id_: str, account: Account, duo_id: str) -> None:
        now = self.after.accounts.get(id_)
        assert now is not None, f"{duo_id} has not left, but the account is gone"
        assert now.active >= account.active, f"{duo_id} has not left, but the account was deactivated"
        assert now.duo == duo_id, f"{duo_id} has not left, but the account went to {now.duo}"
        if not self.world.valid(duo_id):
            assert self.same(id_), f"{duo_id} is held, but the account was touched"

    def of_a_leaver(self, id_: str, account: Account, duo_id: str) -> None:
        now = self.after.accounts.get(id_)
        lost, shown = self.world.ledger_was_lost, self.world.keeps_external_id
        if now is not None and now.duo != duo_id:
            # The user was made anew, or nothing is left that says whose the account was.
            assert duo_id not in self.world.people or (lost and not shown)
            assert now.duo is not None
            assert self.world.people[now.duo]["email"].casefold() == account.name.casefold()
            return
        if lost and (duo_id not in self.world.people or not shown):
            return  # it cannot be known whose account this is; that it is no other's was seen to above
        match self.world.mode:
            case "keep":
                assert self.same(id_), f"leavers are kept, but the account of {duo_id} was touched"
            case "delete":
                assert now is None, f"{duo_id} has left, but the account is there"
            case _:
                assert now is None or not now.active, f"{duo_id} has left, but the account is active"
                if now is None:
                    since = self.world.inactive_since.get(id_)
                    assert not account.active
                    assert since is not None
                    assert self.world.now - since >= timedelta(days=30)
                else:
                    pushed = {team_id for team_id, team in self.after.teams.items() if team.duo in self.world.scoped}
                    assert not self.after.membership(id_) & pushed

    def of_one_who_is_in(self, duo_id: str) -> None:
        """A user whose name no other account has or wants has got everything."""
        row = self.world.people[duo_id]
        name = row["email"].casefold()
        own = [id_ for id_, account in self.before.accounts.items() if account.duo == duo_id]
        holders = [id_ for id_, account in self.before.accounts.items() if account.name.casefold() == name]
        free = holders in ([], own) or (not own and all(self.before.accounts[id_].duo is None for id_ in holders))
        if name.startswith("boss") or self.wanted[name] > 1 or not free:
            return
        if own and self.before.accounts[own[0]].name.casefold().startswith("boss"):
            return
        mine = [(id_, account) for id_, account in self.after.accounts.items() if account.duo == duo_id]
        assert len(mine) == 1, f"{duo_id} is in scope, valid and undisputed, but has no account"
        ((id_, account),) = mine
        assert (account.name.casefold(), account.active) == (name, True)
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

        patches.setattr(product, "DuoReader", lambda *_, **__: MemoryDuo(world))
        for module, name in ((product, "Reader"), (apply_run, "Reader"), (apply_run, "Writer")):
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
def test_after_an_apply_the_plan_is_empty_and_no_account_was_removed_or_duplicated_wrongly(seed: int) -> None:
    live(Random(seed), keeps_external_id=True, may_lose_ledger=False)


@worlds
@given(seed=SEEDS)
def test_the_same_holds_where_the_server_keeps_no_external_id(seed: int) -> None:
    live(Random(seed), keeps_external_id=False, may_lose_ledger=False)


@worlds
@given(seed=SEEDS)
def test_the_same_holds_where_the_ledger_is_deleted_in_between(seed: int) -> None:
    live(Random(seed), keeps_external_id=True, may_lose_ledger=True)


@worlds
@given(seed=SEEDS)
def test_the_same_holds_without_external_ids_and_with_a_deleted_ledger(seed: int) -> None:
    live(Random(seed), keeps_external_id=False, may_lose_ledger=True)
