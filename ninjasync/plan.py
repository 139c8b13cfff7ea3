"""A change and a plan as data: they can be printed, compared, digested and applied.

Pure. Holds what is to be done and why; how it was decided is ``diff``'s affair, how
it is written ``apply``'s. Time comes in as an argument.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal

from ninjasync.attribute import MEMBERS, short_names
from ninjasync.directory import Observation, Problem, Resource
from ninjasync.errors import NinjasyncError

FORMAT_VERSION = "1.0"

Action = Literal["create", "adopt", "update", "reactivate", "deactivate", "delete"]
USER_ACTIONS: tuple[Action, ...] = ("create", "adopt", "update", "reactivate", "deactivate", "delete")
GROUP_ACTIONS: tuple[Action, ...] = ("create", "adopt", "update", "delete")
REMOVALS: tuple[Action, ...] = ("deactivate", "delete")

Value = str | bool | None


@dataclass(frozen=True, slots=True)
class Delta:
    """One attribute's ``before`` and ``after``; None is no value.

    ``via`` is the temporary userName or displayName that breaks a cycle of names.
    """

    path: str
    before: Value
    after: Value
    via: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """A user as a group's member: ``key`` is his userName, ``external_id`` his Duo id.

    ``id`` is NinjaOne's, None where the account is yet to be created by this plan.
    """

    key: str
    external_id: str | None
    id: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource. A plan has at most one for each.

    ``diff`` holds all attributes for a create, those that change for a patch, none for a
    delete. ``needs`` names changes (``Change.name``) that must free a name first.
    ``whole`` are all desired attributes of a user who is patched, for a server that
    replaces instead.
    """

    resource: Resource
    action: Action
    key: str
    id: str | None
    external_id: str | None
    diff: tuple[Delta, ...] = ()
    added: tuple[Member, ...] = ()
    removed: tuple[Member, ...] = ()
    reasons: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    privilege: bool = False
    whole: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Tell this change from every other of the plan."""
        return f"{self.resource}:{self.id or self.external_id}"

    @property
    def via(self) -> str | None:
        """The temporary name that this change goes by way of, if any."""
        return next((delta.via for delta in self.diff if delta.via), None)

    @property
    def freeing(self) -> tuple[Delta, ...]:
        """What is patched first where the change goes by way of a temporary name: that name."""
        return tuple(replace(delta, after=delta.via) for delta in self.diff if delta.via)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many resources of one kind come under which action, and how many under none.

    ``unmanaged`` is None where NinjaOne was not listed, so that nobody knows.
    """

    actions: Mapping[str, int]
    unchanged: int
    unmanaged: int | None
    held: int = 0


@dataclass(frozen=True, slots=True)
class GuardResult:
    """What one guard says of the plan. ``approve`` is the flag that would lift it, or empty."""

    name: str
    tripped: bool
    message: str
    approve: str = ""


@dataclass(frozen=True, slots=True)
class LastPlan:
    """What the guards said of the last plan of the whole world, made at ``at``."""

    at: datetime
    refused: bool
    guards: tuple[GuardResult, ...]


@dataclass(frozen=True, slots=True)
class Leaver:
    """A leaver's inactive account that the ladder deletes on the day ``due``, or later where it is deferred."""

    key: str
    external_id: str
    due: date
    deferred: bool

    @property
    def turn(self) -> str:
        """When the account is deleted, in words."""
        return "due, and deferred by the removal limit" if self.deferred else f"deleted on {self.due}"


@dataclass(frozen=True, slots=True)
class Vanished:
    """A resource of ours, known from the ledger, that NinjaOne no longer shows under its ``id``."""

    resource: Resource
    external_id: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The figures that guards judge by, of the whole world even where a plan is narrowed.

    ``missing`` has a sentence for each scoped group that is gone; ``last_good`` is how many
    were in scope at the last good run, None where there was none. ``active`` counts active
    managed accounts, ``memberships`` the members of our groups; the others count changes.
    ``vanished`` are ours that this read no longer shows; ``known`` counts the active accounts,
    ``known_groups`` the groups, that the ledger says are ours.
    ``rights`` tells changes of rights apart, ``commonest`` says what most of the held are held for.
    """

    missing: tuple[str, ...]
    in_scope: int
    last_good: int | None
    active: int
    memberships: int
    removals: int
    member_removals: int
    privilege_changes: int
    held: int
    unreadable: int
    vanished: tuple[Vanished, ...] = ()
    known: int = 0
    known_groups: int = 0
    rights: tuple[tuple[str, int], ...] = ()
    commonest: str = ""

    def gone(self, resource: Resource) -> int:
        """Return how many users or groups of ours this read no longer shows."""
        return sum(one.resource == resource for one in self.vanished)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that would change, why, and what stands in the way.

    ``refused`` says that nothing may be written. ``withheld`` names the changes that are
    not written, or not in full, because a guard lets only the rest pass; ``writes`` are
    the changes that may be written. ``tenant`` is what people call it.
    """

    paths: tuple[str, ...]
    source: Mapping[str, int]
    target: Mapping[str, int]
    users: Counts
    groups: Counts
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    guards: tuple[GuardResult, ...]
    warnings: tuple[str, ...]
    leavers: tuple[Leaver, ...]
    evidence: Evidence
    refused: bool
    withheld: frozenset[str] = frozenset()
    writes: tuple[Change, ...] = ()
    tenant: str = ""

    @property
    def safe(self) -> bool:
        """Whether no guard tripped; if one did, the exit code is 3, whatever was written."""
        return not any(guard.tripped for guard in self.guards)

    @property
    def shown(self) -> Mapping[str, str]:
        """The name that people read for each attribute path of this plan."""
        return short_names(self.paths)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change, and how many ``seconds`` its requests took.

    ``there`` says of one that failed that the resource exists all the same.
    """

    change: Change
    status: Literal["applied", "failed", "skipped"]
    error: str = ""
    observed: tuple[Observation, ...] = ()
    there: bool = False
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a whole plan, in the plan's order.

    ``interrupted`` says that a signal stopped it, ``fatal`` the error that did.
    """

    outcomes: tuple[Outcome, ...]
    interrupted: bool = False
    fatal: NinjasyncError | None = None

    @classmethod
    def skipped(cls, plan: Plan, why: str) -> "Result":
        """Return the result of a plan of which nothing was tried."""
        return cls(tuple(Outcome(change, "skipped", f"not tried: {why}") for change in plan.changes))

    def with_withheld(self, plan: Plan) -> "Result":
        """Return the outcomes of all changes of ``plan``, of which only some were to be written."""
        if not plan.withheld:
            return self
        done = {outcome.change.name: outcome for outcome in self.outcomes}
        whole: list[Outcome] = []
        for change in plan.changes:
            outcome = done.get(change.name)
            if outcome is None:
                whole.append(Outcome(change, "skipped", "withheld by a guard"))
            elif change.name in plan.withheld and outcome.status == "applied":
                told = f"{len(change.removed)} member removals withheld by a guard"
                whole.append(replace(outcome, change=change, error=told))
            else:
                whole.append(replace(outcome, change=change))
        return replace(self, outcomes=tuple(whole))

    def count(self, status: str) -> int:
        """Return how many changes ended as ``status``."""
        return sum(outcome.status == status for outcome in self.outcomes)


def count(changes: Iterable[Change], resource: Resource) -> dict[str, int]:
    """Count the changes of one kind by action, with a zero for each that does not occur."""
    actions = USER_ACTIONS if resource == "user" else GROUP_ACTIONS
    found = dict.fromkeys(map(str, actions), 0)
    for change in changes:
        if change.resource == resource:
            found[change.action] += 1
    return found


def journal_diff(change: Change) -> str:
    """Return before and after of every attribute, members included, as JSON that equals for equal changes."""
    rows: dict[str, Any] = {delta.path: [delta.before, delta.after] for delta in change.diff}
    if change.added or change.removed:
        rows[MEMBERS] = [[member.key for member in change.removed], [member.key for member in change.added]]
    return json.dumps(rows)


def exit_code(plan: Plan, result: Result | None = None, *, detailed: bool = False) -> int:
    """Return the exit code of a plan, or of the run that applied it (CONTRACT §2, precedence §6.3)."""
    if result is not None:
        if result.interrupted:
            return 130
        if result.fatal is not None:
            return result.fatal.exit_code
        if any(outcome.status == "failed" for outcome in result.outcomes):
            return 4
    if not plan.safe:
        return 3
    return 2 if detailed and plan.changes else 0


def document(plan: Plan) -> dict[str, Any]:
    """Return the part of the JSON document that the digest covers (CONTRACT §4)."""
    shown = plan.shown
    return {
        "tenant": plan.tenant,
        "source": dict(plan.source),
        "target": dict(plan.target),
        "summary": {
            "users": {
                **plan.users.actions,
                "unchanged": plan.users.unchanged,
                "held": plan.users.held,
                "unmanaged": plan.users.unmanaged,
            },
            "groups": {
                **plan.groups.actions,
                "unchanged": plan.groups.unchanged,
                "unmanaged": plan.groups.unmanaged,
            },
        },
        "changes": [change_document(change, shown, withheld=change.name in plan.withheld) for change in plan.changes],
        "problems": [
            {
                "resource": problem.resource,
                "key": problem.key,
                "external_id": problem.external_id,
                "code": problem.code,
                "message": problem.message,
            }
            for problem in plan.problems
        ],
        "guards": [
            {
                "name": guard.name,
                "tripped": guard.tripped,
                "message": guard.message,
                "approve": guard.approve,
            }
            for guard in plan.guards
        ],
        "warnings": [*plan.warnings, *(f"{leaver.key} is inactive: {leaver.turn}." for leaver in plan.leavers)],
    }


def digest(body: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a document's canonical JSON."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def change_document(change: Change, shown: Mapping[str, str], *, withheld: bool) -> dict[str, Any]:
    """Return one change as it stands in a document; ``shown`` gives attributes' names for people."""
    rows: list[dict[str, Any]] = []
    for delta in change.diff:
        row = {"path": shown.get(delta.path, delta.path), "before": delta.before, "after": delta.after}
        rows.append(row | {"via": delta.via} if delta.via else row)
    if change.added or change.removed:
        rows.append(
            {
                "path": MEMBERS,
                "added": [member.key for member in change.added],
                "removed": [member.key for member in change.removed],
            }
        )
    return {
        "resource": change.resource,
        "action": change.action,
        "key": change.key,
        "id": change.id,
        "external_id": change.external_id,
        **({"privilege": change.privilege} if change.resource == "user" else {}),
        "diff": rows,
        "reasons": list(change.reasons),
        **({"withheld": True} if withheld else {}),
    }
