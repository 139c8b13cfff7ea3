"""The whole way without a server: diff, apply, diff again; and what is left to a person."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ninjasync.config.provisioning import Deprovision, Groups
from ninjasync.errors import (
    NinjasyncError,
)
from ninjasync.model.attributes import USER_TYPE
from ninjasync.model.change import Change, Delta, Member
from ninjasync.model.directory import Group, Membership, Observation, Resource, User
from ninjasync.model.message import Message
from ninjasync.model.outcome import Outcome, Result
from ninjasync.report.outline import left_to_do
from ninjasync.threads import Stop

if TYPE_CHECKING:
    from tests.support.sides import Sides
from tests.support.memory import Memory, applied, create, plan_of

# --- the whole way: diff, apply, diff again ----------------------------------------------------


class Store(Memory):
    """A writer that starts from a sides's NinjaOne and can be read back."""

    def __init__(self, sides: Sides) -> None:
        super().__init__()
        self.users = {account.id or "": account for account in sides.accounts}
        self.groups = {group.id or "": group for group in sides.groups}
        self.paths = sides.actual.paths
        self.names = {account.user_name.casefold(): id_ for id_, account in self.users.items()}
        self.names |= {f"group {group.display_name}".casefold(): id_ for id_, group in self.groups.items()}

    def create_user(self, change: Change) -> tuple[str, tuple[Observation, ...]]:
        id_, observed = super().create_user(change)
        given = self.attributes[id_]
        self.users[id_] = User(change.key, change.external_id, True, tuple(map(given.get, self.paths)), id_)
        return id_, observed

    def create_group(self, change: Change, members: list[str]) -> tuple[str, tuple[Observation, ...]]:
        with self._lock:
            id_ = f"new-{change.external_id}"
            self._take_name(id_, f"group {change.key}")
            self.groups[id_] = Group(change.key, change.external_id, frozenset(members), id_)
            return id_, ()

    def patch(
        self, resource: Resource, id_: str, diff: tuple[Delta, ...], whole: tuple[tuple[str, str], ...]
    ) -> tuple[Observation, ...]:
        with self._lock:
            new: dict[str, Any] = {delta.path: delta.after for delta in diff}
            if resource == "group":
                group = self.groups[id_]
                name = new.get("displayName", group.display_name)
                self._take_name(id_, f"group {name}")
                self.groups[id_] = Group(name, new.get("externalId", group.external_id), group.members, id_)
                return ()
            user = self.users[id_]
            name = new.get("userName", user.user_name)
            self._take_name(id_, name)
            values = tuple(new.get(path, old) for path, old in zip(self.paths, user.values, strict=True))
            self.users[id_] = User(
                name, new.get("externalId", user.external_id), new.get("active", user.active), values, id_
            )
            return ()

    def change_members(self, id_: str, added: list[str], removed: list[str]) -> Membership:
        with self._lock:
            group = self.groups[id_]
            members = ((group.members or frozenset()) | set(added)) - set(removed)
            self.groups[id_] = Group(group.display_name, group.external_id, members, id_)
            return Membership()

    def delete(self, resource: Resource, id_: str) -> None:
        super().delete(resource, id_)
        (self.users if resource == "user" else self.groups).pop(id_, None)
        if resource == "user":
            for group in list(self.groups.values()):
                self.change_members(group.id or "", [], [id_])


def shuffled(sides: Sides) -> None:
    """A busy day: swaps, chains, newcomers, leavers, adoptions, renamed and swapped groups."""
    sides.settled("A", "B", "C", "D", "E")
    sides.leaver("L", "M")
    sides.duo("A", "b@example.com", groups=("G", "H"))
    sides.duo("B", "a@example.com", groups=("G",))
    sides.duo("C", "d@example.com", groups=("H",), values=("Doe", "Jane", "7", "technician"))
    sides.duo("D", "fresh@example.com")
    sides.duo("E", "e@example.com", groups=("I",))
    sides.duo("N", "c@example.com", groups=("G", "I"))
    sides.duo("ADOPT", "hand@example.com", groups=("H",))
    sides.account("hand", "Hand@Example.com", active=False)
    sides.account("stranger", "stranger@example.com")
    for id_, name in (("G", "Two"), ("H", "One"), ("I", "New"), ("J", "Native"), ("K", "Gone")):
        sides.duo_group(id_, name, pushed=None if id_ == "K" else "")
    sides.group("g", "One", "G", ("n-A", "n-D", "n-L"))
    sides.group("h", "Two", "H", ("n-B", "stranger"))
    sides.group("j", "Native")
    sides.group("k", "Gone", "K", ("n-E",))


@pytest.mark.parametrize("parallelism", [1, 8])
@pytest.mark.parametrize("leavers", ["deactivate", "delete"])
@pytest.mark.parametrize("removed", ["keep", "delete"])
def test_after_an_apply_nothing_is_left_to_do(sides: Sides, parallelism: int, leavers: Any, removed: Any) -> None:
    sides.deprovision, sides.pushing = Deprovision(users=leavers), Groups(removed=removed)
    shuffled(sides)
    store = Store(sides)
    result = applied(plan_of(*sides.diff().changes), store, parallelism=parallelism)
    assert {outcome.status for outcome in result.outcomes} == {"applied"}
    sides.accounts, sides.groups = list(store.users.values()), list(store.groups.values())
    again = sides.diff()
    assert again.changes == ()
    assert again.problems == ()
    assert store.users["stranger"].user_name == "stranger@example.com"
    assert {name.user_name for name in store.users.values() if name.active} == {
        *(f"{name}@example.com" for name in ("a", "b", "c", "d", "e", "fresh", "hand", "stranger")),
    } ^ {"hand@example.com", "Hand@Example.com"}
    assert ("n-L" in store.users) == (leavers == "deactivate")
    assert ("k" in store.groups) == (removed == "keep")


@pytest.mark.parametrize("kills", range(1, 12))
def test_a_run_that_was_stopped_anywhere_is_completed_by_the_next(sides: Sides, kills: int) -> None:
    shuffled(sides)
    stop, written = Stop(), 0

    def noting(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal written
            written += 1
            if written >= kills:
                stop.set()
            return method(*args)

        return call

    store = Store(sides)
    for name in ("create_user", "create_group", "patch", "change_members", "delete"):
        setattr(store, name, noting(getattr(store, name)))
    first = applied(plan_of(*sides.diff().changes), store, stop=stop)
    assert first.interrupted
    stop.clear()
    for _ in range(2):
        kills = 10**6
        sides.accounts, sides.groups = list(store.users.values()), list(store.groups.values())
        applied(plan_of(*sides.diff().changes), store, stop=stop)
    sides.accounts, sides.groups = list(store.users.values()), list(store.groups.values())
    assert sides.diff().changes == ()


# --- what is left to a person ------------------------------------------------------------------


def test_a_new_group_needs_a_role_from_a_person_and_its_new_technicians_are_named() -> None:
    tech = Change(
        "user", "create", "tech", None, "T", (Delta("userName", None, "tech"), Delta(USER_TYPE, None, "technician"))
    )
    group = Change("group", "create", "Staff", None, "G", added=(Member("tech", "T", None), Member("end", "E", "e")))
    steps = left_to_do(Result((Outcome(tech, "applied"), Outcome(create("end"), "applied"), Outcome(group, "applied"))))
    assert len(steps) == 2
    assert 'Give a role to "Staff"' in steps[0]
    assert "Group mapping" in steps[0]
    assert steps[1] == "Until then these new technicians can do nothing: tech."


def test_a_technician_who_could_not_be_created_is_not_named() -> None:
    tech = Change("user", "create", "tech", None, "T", (Delta(USER_TYPE, None, "technician"),))
    group = Change("group", "create", "Staff", None, "G", added=(Member("tech", "T", None),))
    steps = left_to_do(Result((Outcome(tech, "failed", Message("no")), Outcome(group, "applied"))))
    assert len(steps) == 1


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(Change("group", "create", "Staff", None, "G"), "skipped"),
        Outcome(Change("group", "update", "Staff", "g", "G"), "applied"),
        Outcome(create("jane"), "applied"),
    ],
)
def test_nothing_is_left_to_a_person_where_no_group_is_new(outcome: Outcome) -> None:
    assert left_to_do(Result((outcome,))) == ()


def test_a_group_that_was_created_without_one_of_its_members_still_needs_a_role() -> None:
    writer = Memory(create__jane=NinjasyncError("no"))
    group = Change(
        "group",
        "create",
        "Staff",
        None,
        "DG",
        (Delta("displayName", None, "Staff"),),
        added=(Member("jane", "DU-jane", None),),
    )
    result = applied(plan_of(create("jane"), group), writer)
    assert "staff" in writer.names
    assert left_to_do(result)


def test_a_stop_that_another_thread_received_is_noticed_before_the_next_change() -> None:
    stop = Stop()

    class Interrupted(Memory):
        def create_user(self, change: Change) -> tuple[str, tuple[Observation, ...]]:
            time.sleep(0.3)  # until the main thread waits, whom this does not wake:
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
            assert stop.wait(timeout=30)
            return super().create_user(change)

    writer = Interrupted()
    before = signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    try:
        result = applied(plan_of(create("a"), create("b")), writer, stop=stop)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert writer.calls == ["create a"]
    assert [outcome.status for outcome in result.outcomes] == ["applied", "skipped"]
