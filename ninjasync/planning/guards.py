"""Named rules that read a plan as a sceptic. A tripped one refuses the plan.

Pure. Each guard is a function in ``GUARDS``; it says what, how many of how many, the
limit, the key that sets it and the exact flag that approves it. There is no ``--force``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ninjasync.config import schema
from ninjasync.model.attributes import DISPLAY_NAME, USER_NAME
from ninjasync.model.change import REMOVALS, Change, Member
from ninjasync.model.plan import Approvals, Evidence, GuardResult, Vanished
from ninjasync.names_alike import folded


@dataclass(frozen=True, slots=True)
class _Case:
    seen: Evidence
    safety: schema.Safety
    approvals: Approvals


def judge(evidence: Evidence, safety: schema.Safety, approvals: Approvals) -> tuple[GuardResult, ...]:
    """Return every guard's verdict, in the order of the table."""
    case = _Case(evidence, safety, approvals)
    return tuple(guard(case) for guard in GUARDS)


def permitted(
    changes: tuple[Change, ...], seen: Evidence, verdicts: tuple[GuardResult, ...], safety: schema.Safety
) -> tuple[tuple[Change, ...], frozenset[str]]:
    """Return what of ``changes`` may be written, and the names of those that are withheld, wholly or in part.

    An unreadable record withholds removals whatever ``on_refusal`` says (CONTRACT §6.4).
    """
    tripped = {verdict.name for verdict in verdicts if verdict.tripped}
    if not seen.unreadable and not (tripped and safety.on_refusal == "withhold"):
        return changes, frozenset()
    left = without_vanished(changes, seen.vanished) if "vanished" in tripped else changes
    writes = withhold(left, privileges="privilege-changes" in tripped)
    kept = {change.name: change for change in writes}
    return writes, frozenset(change.name for change in changes if kept.get(change.name) != change)


def unreadable(seen: Evidence, withheld: int) -> GuardResult:
    """Return the verdict on records that could not be read; it trips where something was withheld for them."""
    message = "Every record could be read."
    if seen.unreadable:
        message = (
            f"{seen.unreadable} records could not be read, {withheld} changes are withheld: "
            "who was not read is never taken for gone."
        )
    return GuardResult("unreadable-records", bool(seen.unreadable and withheld), message)


def withhold(changes: tuple[Change, ...], *, privileges: bool) -> tuple[Change, ...]:
    """Return ``changes`` without removals of users, groups and members.

    With ``privileges`` also without changes of rights. What needs
    a name that a withheld change would have freed goes with it.
    """
    kept = [change for change in changes if change.action not in REMOVALS and not (privileges and change.privilege)]
    return with_their_needs([replace(change, removed=()) if change.removed else change for change in kept])


def without_vanished(changes: tuple[Change, ...], vanished: tuple[Vanished, ...]) -> tuple[Change, ...]:
    """Return ``changes`` without those that are right only if the ``vanished`` are in fact gone.

    These are changes for their owners, who would get a second account or group, and changes
    that take one of their names.
    """
    owners = {(one.resource, one.external_id) for one in vanished}
    names = {(one.resource, folded(one.name)) for one in vanished}

    def presumes(change: Change) -> bool:
        taken = {row.after for row in change.diff if row.path in (USER_NAME, DISPLAY_NAME)}
        wants = {(change.resource, folded(name)) for name in taken if isinstance(name, str)}
        return (change.resource, change.external_id) in owners or not names.isdisjoint(wants)

    return tuple(change for change in changes if not presumes(change))


def with_their_needs(changes: list[Change]) -> tuple[Change, ...]:
    """Return those of ``changes`` whose needs are among them too, without members whom nobody creates then."""
    names = {change.name for change in changes}
    while len(kept := [change for change in changes if names.issuperset(change.needs)]) < len(changes):
        changes, names = kept, {change.name for change in kept}

    def there(members: tuple[Member, ...]) -> tuple[Member, ...]:
        return tuple(member for member in members if member.id or f"user:{member.external_id}" in names)

    changes = [replace(change, added=there(change.added)) if change.added else change for change in changes]
    return tuple(
        change for change in changes if change.action != "update" or change.diff or change.added or change.removed
    )


def _scoped_groups(case: _Case) -> GuardResult:
    missing = case.seen.missing
    message = " ".join(missing) if missing else "Duo has every group that [scope] names."
    return GuardResult("scoped-groups", bool(missing), message)


def _source(case: _Case) -> GuardResult:
    now, least = case.seen.in_scope, case.safety.min_source_percent
    approved = case.approvals.source is not None and now >= case.approvals.source
    if case.seen.last_good is None:
        before, since = case.seen.active, "accounts are managed and active"
    else:
        before, since = case.seen.last_good, "were at the last good run"
    shrunk = now < schema.share(least, before)
    message = f"{now} are in scope, {before} {since}; the least is {least:g} % of them ([safety] min_source_percent)."
    if now == 0:
        message = f"Nobody is in scope, {before} {since}. An empty source is never taken for an empty company."
    return GuardResult("source", (shrunk or now == 0) and not approved, message, f"--approve-source {now}")


def _removals(case: _Case) -> GuardResult:
    number, safety, active = case.seen.removals, case.safety, case.seen.active
    approved = case.approvals.removals is not None and number <= case.approvals.removals
    over = number > safety.removal_limit(active)
    message = (
        f"{number} of {active} active managed accounts would be deactivated or deleted; the limit is the larger of "
        f"{safety.max_removals} ([safety] max_removals) and {safety.max_removals_percent:g} % "
        "([safety] max_removals_percent)."
    )
    return GuardResult("removals", over and not approved, message, f"--approve-removals {number}")


# Below this number of memberships a percentage says nothing.
_FEWEST_MEMBERSHIPS = 20


def _member_removals(case: _Case) -> GuardResult:
    number, every, percent = (
        case.seen.member_removals,
        case.seen.memberships,
        case.safety.max_member_removals_percent,
    )
    approved = case.approvals.member_removals is not None and number <= case.approvals.member_removals
    over = every >= _FEWEST_MEMBERSHIPS and number > schema.share(percent, every)
    message = (
        f"{number} of {every} group memberships would be removed; the limit is {percent:g} % "
        f"([safety] max_member_removals_percent), from {_FEWEST_MEMBERSHIPS} memberships on."
    )
    return GuardResult("member-removals", over and not approved, message, f"--approve-member-removals {number}")


def _privilege_changes(case: _Case) -> GuardResult:
    number, safety, active = case.seen.privilege_changes, case.safety, case.seen.active
    approved = case.approvals.privilege_changes is not None and number <= case.approvals.privilege_changes
    over = number > safety.privilege_limit(active)
    effects = f" ({', '.join(f'{count} {effect}' for effect, count in case.seen.rights)})" if case.seen.rights else ""
    message = (
        f"{number} accounts would get other rights{effects}; the limit is the larger of "
        f"{safety.max_privilege_changes} ([safety] max_privilege_changes) and {safety.max_privilege_changes_percent:g} "
        f"% of {active} active managed accounts ([safety] max_privilege_changes_percent)."
    )
    return GuardResult("privilege-changes", over and not approved, message, f"--approve-privilege-changes {number}")


def _vanished(case: _Case) -> GuardResult:
    """Judge how much of ours NinjaOne no longer shows. All of it is beyond any limit but 100 %."""
    seen, safety = case.seen, case.safety
    accounts, groups = seen.gone("user"), seen.gone("group")
    number = max(accounts, groups)  # an approval is for so many accounts, and for so many groups
    approved = case.approvals.vanished is not None and number <= case.approvals.vanished
    percent = safety.max_vanished_percent
    over, none_left = False, False
    for gone, of in ((accounts, seen.known), (groups, seen.known_groups)):
        over = over or gone > max(safety.max_vanished, schema.share(percent, of))
        none_left = none_left or bool(0 < of <= gone and percent < 100)
    also = f" and {groups} of {seen.known_groups} groups" if groups else ""
    message = (
        f"{accounts} of {seen.known} active managed accounts{also} are no longer in NinjaOne; the limit is the larger "
        f"of {safety.max_vanished} ([safety] max_vanished) and {percent:g} % ([safety] max_vanished_percent)."
    )
    if none_left:
        message += " An empty NinjaOne is never believed: see that [ninjaone] endpoint_url and the token are right."
    return GuardResult("vanished", (over or none_left) and not approved, message, f"--approve-vanished {number}")


def _held(case: _Case) -> GuardResult:
    number, safety, in_scope, strict = case.seen.held, case.safety, case.seen.in_scope, case.approvals.strict
    approved = case.approvals.held is not None and number <= case.approvals.held
    over = number > safety.held_limit(in_scope) and not approved
    limit = (
        f"the limit is the larger of {safety.max_held} ([safety] max_held) and {safety.max_held_percent:g} % of "
        f"{in_scope} users in scope ([safety] max_held_percent)"
    )
    if strict:
        limit = "with --strict none may be"
    message = " ".join(filter(None, (f"{number} records are held; {limit}.", case.seen.commonest)))
    approve = "" if strict else f"--approve-held {number}"
    return GuardResult("held", over or (strict and number > 0), message, approve)


GUARDS: tuple[Callable[[_Case], GuardResult], ...] = (
    _scoped_groups,
    _source,
    _removals,
    _member_removals,
    _privilege_changes,
    _vanished,
    _held,
)
