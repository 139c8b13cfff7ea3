"""Named rules that read a plan as a sceptic. A tripped one refuses the plan.

Pure. Each guard is a function in ``GUARDS``; it says what, how many of how many, the
limit, the key that sets it and the exact flag that approves it. There is no ``--force``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ninjasync import config
from ninjasync.diff import Difference
from ninjasync.directory import Source, Standing
from ninjasync.plan import REMOVALS, Change, GuardResult


@dataclass(frozen=True, slots=True)
class Approvals:
    """What the operator approved by number; None where nothing was."""

    removals: int | None = None
    member_removals: int | None = None
    source: int | None = None
    privilege_changes: int | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the guards may look at. ``last_good`` is how many were in scope at the last good run."""

    source: Source
    difference: Difference
    changes: tuple[Change, ...]
    safety: config.Safety
    approvals: Approvals
    last_good: int | None = None


def judge(evidence: Evidence) -> tuple[GuardResult, ...]:
    """Return every guard's verdict, in the order of the table."""
    return tuple(guard(evidence) for guard in GUARDS)


def withhold(changes: tuple[Change, ...], *, privileges: bool) -> tuple[Change, ...]:
    """Return ``changes`` without removals of users, groups and members.

    With ``privileges`` also without changes between technician and end user. What needs
    a name that a withheld change would have freed goes with it.
    """
    kept = [change for change in changes if change.action not in REMOVALS and not (privileges and change.privilege)]
    kept = [replace(change, removed=()) if change.removed else change for change in kept]
    kept = [change for change in kept if change.action != "update" or change.diff or change.added]
    names = {change.name for change in kept}
    while any(missing := [change for change in kept if not names.issuperset(change.needs)]):
        kept = [change for change in kept if change not in missing]
        names = {change.name for change in kept}
    return tuple(kept)


def in_scope(source: Source) -> int:
    """Count the Duo users in scope, held and locked-out ones included."""
    return sum(user.standing is not Standing.OUT for user in source.users.values())


def _scoped_groups(seen: Evidence) -> GuardResult:
    missing = seen.source.missing
    if not missing:
        return GuardResult("scoped-groups", tripped=False, message="Duo has every group that [scope] names.")
    what = ". ".join(missing)
    return GuardResult(
        "scoped-groups",
        tripped=True,
        message=f"{what}. Mend the name, or take it out of the configuration if the group is meant to be gone.",
    )


def _source(seen: Evidence) -> GuardResult:
    now, safety = in_scope(seen.source), seen.safety
    before = seen.difference.active if seen.last_good is None else seen.last_good
    since = "there are active managed accounts" if seen.last_good is None else "there were at the last good run"
    approved = seen.approvals.source is not None and now >= seen.approvals.source
    shrunk = now * 100 < before * safety.min_source_percent
    empty = now == 0
    percent = f"{safety.min_source_percent:g} %"
    message = f"{now} in scope, {before} {since}; at least {percent} of them are needed ([safety] min_source_percent)."
    if empty:
        message = f"Nobody is in scope, {before} {since}. An empty source is never taken for an empty company."
    return GuardResult("source", (shrunk or empty) and not approved, message, f"--approve-source {now}")


def _removals(seen: Evidence) -> GuardResult:
    number = sum(change.resource == "user" and change.action in REMOVALS for change in seen.changes)
    safety, active = seen.safety, seen.difference.active
    approved = seen.approvals.removals is not None and number <= seen.approvals.removals
    over = number > safety.max_removals and number * 100 > safety.max_removals_percent * active
    message = (
        f"{number} of {active} active managed accounts would be deactivated or deleted; the limit is the larger of "
        f"{safety.max_removals} ([safety] max_removals) and {safety.max_removals_percent:g} % "
        "([safety] max_removals_percent)."
    )
    return GuardResult("removals", over and not approved, message, f"--approve-removals {number}")


def _member_removals(seen: Evidence) -> GuardResult:
    number = sum(
        member.external_id not in seen.difference.leavers for change in seen.changes for member in change.removed
    )
    every, percent = seen.difference.memberships, seen.safety.max_member_removals_percent
    approved = seen.approvals.member_removals is not None and number <= seen.approvals.member_removals
    over = every >= _FEWEST_MEMBERSHIPS and number * 100 > percent * every
    message = (
        f"{number} of {every} group memberships would be removed; the limit is {percent:g} % "
        f"([safety] max_member_removals_percent), from {_FEWEST_MEMBERSHIPS} memberships on."
    )
    return GuardResult("member-removals", over and not approved, message, f"--approve-member-removals {number}")


def _privilege_changes(seen: Evidence) -> GuardResult:
    number = sum(change.privilege for change in seen.changes)
    approved = seen.approvals.privilege_changes is not None and number <= seen.approvals.privilege_changes
    needed = seen.safety.privilege_changes == "confirm"
    message = (
        f"{number} accounts would change between technician and end user "
        f'([safety] privilege_changes = "{seen.safety.privilege_changes}").'
    )
    return GuardResult(
        "privilege-changes",
        needed and number > 0 and not approved,
        message,
        f"--approve-privilege-changes {number}",
    )


def _held(seen: Evidence) -> GuardResult:
    number = seen.difference.users.held + seen.difference.groups.held
    strict = seen.approvals.strict
    message = f"{number} records are held; " + (
        "with --strict that is a refusal. Mend them in Duo." if strict else "that is no refusal without --strict."
    )
    return GuardResult("held", strict and number > 0, message)


# Below this number of memberships a percentage says nothing.
_FEWEST_MEMBERSHIPS = 20

GUARDS: tuple[Callable[[Evidence], GuardResult], ...] = (
    _scoped_groups,
    _source,
    _removals,
    _member_removals,
    _privilege_changes,
    _held,
)
