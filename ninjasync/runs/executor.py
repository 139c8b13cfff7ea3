"""Carries a plan out against a writer and says what became of each change.

Knows the order that the plan gives and how many requests may be under way; decides
nothing of its own, and prints nothing.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from queue import Empty, SimpleQueue
from typing import Literal, Protocol, TypeVar

from ninjasync.errors import (
    CredentialsError,
    InterruptedRunError,
    LedgerError,
    NinjasyncError,
    NotKeptError,
    RefusedRequestError,
    RefusedRowError,
    UnreachableError,
)
from ninjasync.model.change import REMOVALS, Change, Delta
from ninjasync.model.directory import Membership, Observation, Resource
from ninjasync.model.message import NOTHING, Message, as_message, join, listed, person, text
from ninjasync.model.outcome import Outcome, Result
from ninjasync.model.plan import Plan
from ninjasync.runs.system_refusals import refusal_of_system
from ninjasync.threads import HEEDS_SIGNALS_AFTER, Stop

log = logging.getLogger(__name__)

# So many failures in a row to reach NinjaOne, over all workers, mean that going on is of no use.
_MOST_FAILURES_IN_A_ROW = 10

T = TypeVar("T")
Step = Literal["free", "whole"]
_Node = tuple[str, Step]


class TargetWriter(Protocol):
    """What a run needs of NinjaOne. Each method raises a NinjasyncError that says what failed."""

    def create_user(self, change: Change) -> tuple[str, tuple[Observation, ...]]:
        """Create a user; return NinjaOne's id and what it shows otherwise than sent."""

    def create_group(self, change: Change, members: list[str]) -> tuple[str, tuple[Observation, ...]]:
        """Create a group, perhaps with members (NinjaOne ids) already; return as ``create_user`` does."""

    def patch(
        self, resource: Resource, id_: str, diff: tuple[Delta, ...], whole: tuple[tuple[str, str], ...]
    ) -> tuple[Observation, ...]:
        """Change attributes; return what NinjaOne shows otherwise than sent."""

    def change_members(self, id_: str, added: list[str], removed: list[str]) -> Membership:
        """Add and remove members (NinjaOne ids) and say which of that is not done."""

    def delete(self, resource: Resource, id_: str) -> None:
        """Delete a resource."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A write that was tried, under its ``number`` in the journal, and what became of it.

    ``id`` is NinjaOne's id of what is there now, None where nothing is known of that.
    """

    number: int
    change: Change
    step: Step
    id: str | None
    observed: tuple[Observation, ...] = ()
    error: BaseException | None = None


class Journal(Protocol):
    """Where each write is put down before it is sent, and its outcome after. Called from the workers."""

    def intend(self, change: Change, step: Step) -> int:
        """Put down a write that is about to be sent; it is safe when this returns."""

    def conclude(self, attempt: Attempt) -> None:
        """Put down what became of it."""


def apply_plan(
    plan: Plan,
    writer: TargetWriter,
    journal: Journal,
    *,
    parallelism: int,
    stop: Stop,
    tell: Callable[[Outcome], None] = lambda _: None,
) -> Result:
    """Write what may be written of ``plan``, journaled on both sides.

    ``tell`` is called with each outcome as it comes, from this thread.

    A change whose need failed is skipped. Setting ``stop`` lets the calls under way
    finish and skips the rest; so do refused credentials and an endpoint that is gone. Where the
    journal fails, the run is aborted from here: not even the rest of a change may be sent then.
    """
    return _Run(plan, writer, journal, parallelism, stop, tell).result()


class _HinderedError(Exception):
    """A change must not be tried any more, for the reason given."""

    def __init__(self, reason: Message) -> None:
        super().__init__(reason)
        self.reason = reason


class _Run:
    def __init__(
        self,
        plan: Plan,
        writer: TargetWriter,
        journal: Journal,
        parallelism: int,
        stop: Stop,
        tell: Callable[[Outcome], None],
    ) -> None:
        self._plan, self._writer, self._journal, self._parallelism = plan, writer, journal, parallelism
        self._stop, self._tell = stop, tell
        self._outcomes: dict[str, Outcome] = {}
        # Duo id -> NinjaOne id, of accounts that this run created.
        self._created: dict[str, str] = {}
        # Changes that have given up their name, for a temporary one.
        self._freed: set[str] = set()
        # Kept by the workers.
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._fatal: NinjasyncError | None = None
        # How long each change's requests took, over both steps where it has two.
        self._seconds: dict[str, float] = {}

    def result(self) -> Result:
        with ThreadPoolExecutor(self._parallelism, "apply") as pool:
            for phase in _phases(self._plan.writes):
                self._run_phase(pool, phase)
        outcomes = tuple(self._outcomes[change.name] for change in self._plan.writes)
        interrupted = self._stop.is_set() and self._stop.cause is None
        return Result(outcomes, interrupted=interrupted, fatal=self._ended_by()).with_withheld(self._plan)

    def _run_phase(self, pool: ThreadPoolExecutor, changes: list[Change]) -> None:
        by_name = {change.name: change for change in changes}
        steps = _steps(by_name)
        awaited = {need for needs in steps.values() for need in needs}
        sorter = TopologicalSorter(steps)
        sorter.prepare()
        # What others wait for goes first, else a large group would still be at work when all the rest is done.
        ready = deque(sorted(sorter.get_ready(), key=lambda node: node not in awaited))
        running: dict[Future[tuple[Observation, ...]], _Node] = {}
        # A queue costs a tenth of concurrent.futures.wait, which looks at every future each time.
        done: SimpleQueue[Future[tuple[Observation, ...]]] = SimpleQueue()
        while ready or running:
            # As many again wait for a worker, so that none has to wait for this thread.
            while ready and len(running) < 2 * self._parallelism:
                node = ready.popleft()
                change = by_name[node[0]]
                if why := self._hindrance(change):
                    self._skip(change, why)
                    sorter.done(node)
                    ready.extendleft(reversed(sorter.get_ready()))
                else:
                    future = pool.submit(self._write, change, node[1])
                    running[future] = node
                    future.add_done_callback(done.put)
            if not running:
                continue
            future = _next(done)
            node = running.pop(future)
            error = future.exception()
            self._take(by_name[node[0]], node[1], error, () if error else future.result())
            sorter.done(node)
            ready.extendleft(reversed(sorter.get_ready()))  # what had to wait goes first: more may wait for it

    def _ended_by(self) -> NinjasyncError | None:
        """Return the one failure after which nothing else is tried."""
        return self._stop.cause or self._fatal

    def _hindrance(self, change: Change) -> Message:
        """Say why a change must not be tried; empty where it may."""
        if (fatal := self._ended_by()) is not None:
            return Message("not tried, as the run stopped: {}", as_message(fatal.message))
        if self._stop.is_set():
            return Message("not tried, as the run was interrupted")
        for need in change.needs:
            before = self._outcomes.get(need)
            if before is not None and before.status != "applied":
                return Message("not tried, as it waits for a name that {} did not give up", before.change.subject)
        return NOTHING

    def _take(self, change: Change, step: Step, error: BaseException | None, observed: tuple[Observation, ...]) -> None:
        """Turn what a worker raised, or did not, into an outcome."""
        if error is None:
            if step == "whole":
                self._settle(Outcome(change, "applied", observed=observed))
            else:
                self._freed.add(change.name)
            return
        if isinstance(error, _HinderedError):
            self._skip(change, error.reason)
            return
        if isinstance(error, InterruptedRunError):
            why = Message("interrupted while it waited to try again")
            if (fatal := self._ended_by()) is not None:
                why = Message("cut off and not tried again, as the run stopped: {}", as_message(fatal.message))
            self._settle(Outcome(change, "skipped", why))
            return
        told = error if isinstance(error, NinjasyncError) else refusal_of_system(error)
        if told is not None:
            message = join(" ", (as_message(part) for part in (told.message, told.hint) if part))
        else:
            message = Message("unexpected error: {}. Please report it; run plan again to go on.", text(repr(error)))
            log.debug("unexpected error on %s", change.name, exc_info=error)
        seen = error.observed if isinstance(error, NotKeptError) else ()
        there = isinstance(error, NinjasyncError) and error.id is not None
        self._settle(Outcome(change, "failed", message, observed=seen, there=there))

    def _heed(self, error: BaseException) -> None:
        """See from a failure whether anything else is worth trying; in the worker, before it takes the next change."""
        with self._lock:
            if isinstance(error, UnreachableError):
                self._in_a_row += 1
                if self._in_a_row >= _MOST_FAILURES_IN_A_ROW:
                    self._fatal = error
            elif isinstance(error, CredentialsError):
                self._fatal = error
            elif isinstance(error, LedgerError):
                # Without a journal, and perhaps without the lock, not even a request under retry may be sent again.
                self._stop.abort(error)

    def _skip(self, change: Change, why: Message) -> None:
        if change.name in self._freed:
            why = Message("{}; until the next run it has the temporary name {}", why, person(change.via or ""))
        self._settle(Outcome(change, "skipped", why))

    def _settle(self, outcome: Outcome) -> None:
        if outcome.change.name not in self._outcomes:
            outcome = replace(outcome, seconds=self._seconds.get(outcome.change.name, 0.0))
            self._outcomes[outcome.change.name] = outcome
            self._tell(outcome)

    def _write(self, change: Change, step: Step) -> tuple[Observation, ...]:
        """Make the requests of one change, between two lines of the journal; runs in a worker."""
        if change.name in self._outcomes:  # its first step failed already
            return ()
        if why := self._hindrance(change):
            raise _HinderedError(why)
        try:
            number = self._journal.intend(change, step)
        except RefusedRowError:
            raise  # this change alone cannot be put down, so it is not sent
        except LedgerError as error:
            self._heed(error)
            raise _HinderedError(self._hindrance(change)) from error
        begun = time.monotonic()
        try:
            id_, observed = self._send(change, step)
        except BaseException as error:
            there = error.id if isinstance(error, NinjasyncError) else None
            seen = error.observed if isinstance(error, NotKeptError) else ()
            # What was cut off stays pending: the next apply looks how far it came.
            if self._stop.cause is None or not isinstance(error, InterruptedRunError):
                self._conclude(Attempt(number, change, step, there, seen, error))
            self._heed(error)
            raise
        finally:
            before = self._seconds.get(change.name, 0.0)
            self._seconds[change.name] = before + time.monotonic() - begun
        self._in_a_row = 0
        self._conclude(Attempt(number, change, step, id_, observed))
        return observed

    def _conclude(self, attempt: Attempt) -> None:
        """Put down what became of a write. A journal that fails ends the run, but changes nothing of what was done."""
        try:
            self._journal.conclude(attempt)
        except RefusedRowError as error:
            told = "%s What became of %s is not recorded; the next run looks for it."
            log.warning(told, error, attempt.change.name)
        except LedgerError as lost:
            self._heed(lost)

    def _send(self, change: Change, step: Step) -> tuple[str, tuple[Observation, ...]]:
        """Make the requests of one change; return NinjaOne's id of the resource and what it shows otherwise."""
        observed: tuple[Observation, ...] = ()
        match (change.action, change.resource):
            case ("create", "user"):
                assert change.external_id is not None
                try:
                    id_, observed = self._writer.create_user(change)
                except NotKeptError as error:
                    self._created[change.external_id] = error.id or ""
                    raise
                self._created[change.external_id] = id_
            case ("create", "group"):
                id_, observed = self._writer.create_group(change, self._ids(change)[0])
                observed = self._send_members(change, id_, observed, None)
            case ("delete", _):
                id_ = _id(change)
                self._writer.delete(change.resource, id_)
            case (_, "group"):
                id_, refusal = _id(change), None
                try:
                    observed = self._writer.patch("group", id_, _step_diff(change, step), ())
                except (RefusedRequestError, NotKeptError) as error:
                    if step == "free" or not (change.added or change.removed):
                        raise
                    refusal = error
                if step == "whole":
                    observed = self._send_members(change, id_, observed, refusal)
            case _:
                id_ = _id(change)
                whole = change.whole if step == "whole" else ()
                observed = self._writer.patch("user", id_, _step_diff(change, step), whole)
        return id_, observed

    def _send_members(
        self,
        change: Change,
        id_: str,
        observed: tuple[Observation, ...],
        refusal: RefusedRequestError | NotKeptError | None,
    ) -> tuple[Observation, ...]:
        """Change a group's members; raise NotKeptError where not all arrived, or its attributes were refused before."""
        added, missing = self._ids(change)
        removed = [member.id for member in change.removed if member.id]
        done = Membership()
        try:
            if added or removed:
                done = self._writer.change_members(id_, added, removed)
        except NinjasyncError as error:
            error.id = error.id or id_
            raise
        members = {member.id or self._created.get(member.external_id or ""): member for member in change.added}
        members |= {member.id: member for member in change.removed}
        told = [as_message(refusal.message)] if refusal else []
        told += _complaints(done, missing, {id_: member.key for id_, member in members.items() if id_})
        if isinstance(refusal, NotKeptError):
            observed = (*observed, *refusal.observed)
        observed = (*observed, *done.observed)
        if not told:
            return observed
        undone = {member.external_id or "" for id_, member in members.items() if id_ in done.undone or not id_}
        undone |= {member.external_id or "" for member in change.added if member.key in missing}
        if refusal is not None:
            paths = refusal.undone if isinstance(refusal, NotKeptError) else None
            undone |= paths if paths is not None else {delta.path for delta in change.diff}
        hint = refusal.hint if refusal else "The next run adds them." if missing else "The next run tries it again."
        partly = NotKeptError(
            join(" ", told), hint, id_=id_, undone=frozenset(undone), status=refusal.status if refusal else 0
        )
        partly.observed = observed
        raise partly

    def _ids(self, change: Change) -> tuple[list[str], list[str]]:
        """Return the NinjaOne ids of the members to add, and the names of those who have none yet."""
        found = {member.key: member.id or self._created.get(member.external_id or "") for member in change.added}
        return [id_ for id_ in found.values() if id_], [key for key, id_ in found.items() if not id_]


def _next(done: SimpleQueue[T]) -> T:
    """Wait for the next; else a signal that comes just before would be noticed only when that result is here."""
    while True:
        with suppress(Empty):
            return done.get(timeout=HEEDS_SIGNALS_AFTER)


# So many members are named in one sentence.
_MOST_NAMED = 20


def _complaints(done: Membership, missing: list[str], names: Mapping[str, str]) -> list[Message]:
    """Say of which members the change is not there, by their userNames (``names``, by NinjaOne's ids)."""

    def members(ids: Iterable[str]) -> Message:
        return _listed(names.get(id_, id_) for id_ in ids)

    told = []
    by_reason: dict[Message, list[str]] = {}
    for id_, reason in done.refused.items():
        by_reason.setdefault(reason, []).append(id_)
    told += [Message("the rest is done, but {}: {}.", members(ids), reason) for reason, ids in by_reason.items()]
    for ids, what in ((done.lacking, "did not get into the group"), (done.left, "stayed in the group")):
        if ids:
            told.append(Message(f"NinjaOne took the change of members, but {{}} {what}.", members(ids)))
    if missing:
        told.append(Message("the rest is done, but {} could not be added, having no account yet.", _listed(missing)))
    return told


def _listed(names: Iterable[str]) -> Message:
    return listed(map(person, sorted(names)), _MOST_NAMED)


def _id(change: Change) -> str:
    assert change.id is not None
    return change.id


def _step_diff(change: Change, step: Step) -> tuple[Delta, ...]:
    """Return what a step patches: all of it, or only the name, to the temporary one."""
    if step == "whole":
        return change.diff
    return change.freeing


def _phases(changes: Iterable[Change]) -> list[list[Change]]:
    """Split off the removals of people, then of groups: each waits for what goes before."""
    phases: list[list[Change]] = [[], [], []]
    for change in changes:
        phases[0 if change.action not in REMOVALS else 1 + (change.resource == "group")].append(change)
    return phases


def _steps(changes: Mapping[str, Change]) -> dict[_Node, list[_Node]]:
    """Return the steps of ``changes``, each with those that must go before it.

    A change that goes by way of a temporary name has two, of which the first frees the name.
    A group waits for what becomes of the people whose membership changes, and for nothing
    else: its members go in one request after the other, while others are at work.
    """
    graph: dict[_Node, list[_Node]] = {}
    for change in changes.values():
        before: list[_Node] = [(need, "free" if changes[need].via else "whole") for need in change.needs]
        if change.via:
            graph[change.name, "free"] = []
            before.append((change.name, "free"))
        members = [f"user:{member.external_id}" for member in (*change.added, *change.removed)]
        before += [(name, "whole") for name in members if name in changes]
        graph[change.name, "whole"] = before
    return graph
