"""A NinjaOne and a journal in memory, for the executor."""

from __future__ import annotations

import threading
from typing import Any

from ninjasync.errors import (
    RefusedRequestError,
)
from ninjasync.model.change import Change, Delta
from ninjasync.model.directory import Membership, Observation, Resource
from ninjasync.model.outcome import Outcome, Result
from ninjasync.model.plan import Plan
from ninjasync.runs.executor import Attempt, Step, apply_plan
from ninjasync.threads import Stop
from tests.support.plans import made


def plan_of(*changes: Change) -> Plan:
    return made(*changes, writes=changes)


class Memory:
    """NinjaOne in memory: names are unique, ids must exist. ``fails`` maps a call's first words to an error."""

    def __init__(self, **fails: Exception) -> None:
        self.names: dict[str, str] = {}
        self.attributes: dict[str, dict[str, Any]] = {}
        self.members: dict[str, set[str]] = {}
        self.calls: list[str] = []
        self.whole: list[tuple[tuple[str, str], ...]] = []
        self.observed: tuple[Observation, ...] = ()
        self.fails = {key.replace("__", " "): error for key, error in fails.items()}
        self._lock = threading.Lock()

    def _note(self, call: str) -> None:
        self.calls.append(call)
        for start, error in self.fails.items():
            if call.startswith(start):
                raise error

    def _take_name(self, id_: str, name: str) -> None:
        if self.names.get(name.casefold(), id_) != id_:
            raise RefusedRequestError(f"{name} is taken", status=409)
        self.names = {known: holder for known, holder in self.names.items() if holder != id_}
        self.names[name.casefold()] = id_

    def create_user(self, change: Change) -> tuple[str, tuple[Observation, ...]]:
        with self._lock:
            self._note(f"create {change.key}")
            id_ = f"new-{change.external_id}"
            self._take_name(id_, change.key)
            self.attributes[id_] = {delta.path: delta.after for delta in change.diff} | {"active": True}
            return id_, self.observed

    def create_group(self, change: Change, members: list[str]) -> tuple[str, tuple[Observation, ...]]:
        with self._lock:
            self._note(f"create {change.key}")
            id_ = f"new-{change.external_id}"
            self._take_name(id_, change.key)
            self.members[id_] = set(members)
            return id_, self.observed

    def patch(
        self, resource: Resource, id_: str, diff: tuple[Delta, ...], whole: tuple[tuple[str, str], ...]
    ) -> tuple[Observation, ...]:
        with self._lock:
            self._note(f"patch {id_} {' '.join(str(delta.after) for delta in diff)}".strip())
            for delta in diff:
                if delta.path in ("userName", "displayName"):
                    self._take_name(id_, str(delta.after))
                self.attributes.setdefault(id_, {})[delta.path] = delta.after
            self.whole.append(whole)
            return self.observed

    def change_members(self, id_: str, added: list[str], removed: list[str]) -> Membership:
        with self._lock:
            self._note(f"members {id_} +{','.join(added)} -{','.join(removed)}")
            self.members[id_] = (self.members.get(id_, set()) | set(added)) - set(removed)
            return Membership()

    def delete(self, resource: Resource, id_: str) -> None:
        with self._lock:
            self._note(f"delete {id_}")
            self.names = {name: holder for name, holder in self.names.items() if holder != id_}


class Notebook:
    """A journal in memory; ``fails`` is raised instead of putting down an intent."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.lines: list[tuple[str, str, str, str]] = []
        self.fails = fails
        self._lock = threading.Lock()

    def intend(self, change: Change, step: Step) -> int:
        if self.fails:
            raise self.fails
        with self._lock:
            self.lines.append(("intend", change.key, step, ""))
            return len(self.lines)

    def conclude(self, attempt: Attempt) -> None:
        key, error = attempt.change.key, attempt.error
        with self._lock:
            assert self.lines[attempt.number - 1] == ("intend", key, attempt.step, "")
            words = [attempt.id or "", type(error).__name__ if error else "", *(one.path for one in attempt.observed)]
            self.lines.append(("conclude", key, attempt.step, " ".join(filter(None, words))))


def applied(
    plan: Plan,
    writer: Memory,
    *,
    parallelism: int = 1,
    stop: Stop | None = None,
    journal: Notebook | None = None,
) -> Result:
    told: list[Outcome] = []
    notes = journal or Notebook()
    result = apply_plan(plan, writer, notes, parallelism=parallelism, stop=stop or Stop(), tell=told.append)
    assert len([line for line in notes.lines if line[0] == "intend"]) * 2 == len(notes.lines), "each is concluded"
    assert [outcome.change for outcome in result.outcomes] == list(plan.changes), "the plan's order"
    assert sorted(outcome.change.name for outcome in told) == sorted(change.name for change in plan.changes)
    assert {id(outcome) for outcome in told} == {id(outcome) for outcome in result.outcomes}
    return result


def create(who: str, *, needs: tuple[str, ...] = ()) -> Change:
    return Change("user", "create", who, None, f"DU-{who}", (Delta("userName", None, who),), needs=needs)
