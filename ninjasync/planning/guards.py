"""Named rules that read a plan as a sceptic. A tripped one refuses the plan.

Pure. Each guard is a function in ``GUARDS``; it says what, how many of how many, the
limit, the key that sets it and the exact flag that approves it. There is no ``--force``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ninjasync.config.safety import Safety, share
from ninjasync.model.attributes import DISPLAY_NAME, USER_NAME
from ninjasync.model.change import REMOVALS, Change, Member
from ninjasync.model.message import NOTHING, Argument, Message, counted, join, number, word
from ninjasync.model.plan import Approvals, Evidence, GuardResult, Vanished
from ninjasync.names_alike import folded


@dataclass(frozen=True, slots=True)
class _Case:
    seen: Evidence
    safety: Safety
    approvals: Approvals


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdicts on some changes: whether nothing may be written, else what may, and what is withheld (names)."""

    verdicts: tuple[GuardResult, ...]
    refused: bool
    writes: tuple[Change, ...]
    withheld: frozenset[str]


def judge_changes(changes: tuple[Change, ...], evidence: Evidence, safety: Safety, approvals: Approvals) -> Judgement:
    """Judge ``changes`` by the figures of the whole world; a plan, and a saved one again, is judged here alone."""
    verdicts = judge(evidence, safety, approvals)
    writes, withheld = permitted(changes, evidence, verdicts, safety)
    return Judgement(
        verdicts=(*verdicts, unreadable(evidence, len(withheld)), *administrators(evidence, changes)),
        refused=safety.on_refusal == "stop" and any(verdict.tripped for verdict in verdicts),
        writes=writes,
        withheld=withheld,
    )


def judge(evidence: Evidence, safety: Safety, approvals: Approvals) -> tuple[GuardResult, ...]:
    """Return every guard's verdict, in the order of the table."""
    case = _Case(evidence, safety, approvals)
    return tuple(guard(case) for guard in GUARDS)


def permitted(
    changes: tuple[Change, ...], seen: Evidence, verdicts: tuple[GuardResult, ...], safety: Safety
) -> tuple[tuple[Change, ...], frozenset[str]]:
    """Return what of ``changes`` may be written, and the names of those that are withheld, wholly or in part.

    An unreadable record withholds removals whatever ``on_refusal`` says (CONTRACT §6.4).
    """
    tripped = {verdict.name for verdict in verdicts if verdict.tripped}
    writes = changes
    if seen.administrators:
        writes = with_their_needs([change for change in changes if change.name not in seen.administrators])
    if seen.unreadable or (tripped and safety.on_refusal == "withhold"):
        left = without_vanished(writes, seen.vanished) if "vanished" in tripped else writes
        writes = withhold(left, privileges="privilege-changes" in tripped)
    if writes is changes:
        return changes, frozenset()
    kept = {change.name: change for change in writes}
    return writes, frozenset(change.name for change in changes if kept.get(change.name) != change)


def unreadable(seen: Evidence, withheld: int) -> GuardResult:
    """Return the verdict on records that could not be read; it trips where something was withheld for them."""
    message = Message("Every record could be read.")
    if seen.unreadable:
        message = Message(
            "{} could not be read, {} withheld: what was not read is never taken for gone.",
            counted(seen.unreadable, "record"),
            counted(withheld, "change is", "changes are"),
        )
    return GuardResult("unreadable-records", bool(seen.unreadable and withheld), message)


def administrators(seen: Evidence, changes: tuple[Change, ...]) -> tuple[GuardResult, ...]:
    """Return the verdict on changes that wait until it is known who is a system administrator; none without the API.

    Of ``changes``, which may be narrowed, alone: where nothing is withheld it does not trip.
    """
    if seen.administrators is None:
        return ()
    waiting = sum(change.name in seen.administrators for change in changes)
    message = Message("No change hits an account that may be a system administrator's.")
    if waiting:
        message = Message(
            "It is not known who is a system administrator of NinjaOne, so {} withheld: no technician is deactivated, "
            "deleted or given another type ([safety] protect_administrators).",
            counted(waiting, "change is", "changes are"),
        )
    return (GuardResult("administrators", bool(waiting), message),)


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
    """Return those of ``changes`` whose needs are among them too, without members that are then not created."""
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
    message = join(" ", missing) if missing else Message("Duo has every group that {} names.", word("[scope]"))
    return GuardResult("scoped-groups", bool(missing), message)


def _source(case: _Case) -> GuardResult:
    now, least = case.seen.in_scope, case.safety.min_source_percent
    approved = case.approvals.source is not None and now >= case.approvals.source
    if case.seen.last_good is None:
        before, since = case.seen.active, "accounts are managed and active"
    else:
        before, since = case.seen.last_good, "were at the last good run"
    shrunk = now < share(least, before)
    message = Message(
        f"{{}} are in scope, {{}} {since}; the least is {{}} % of them ({{}}).",
        number(now),
        number(before),
        _figure(least),
        _key("min_source_percent"),
    )
    if now == 0:
        message = Message(
            f"No user is in scope, {{}} {since}. An empty source is never taken for an empty company.", number(before)
        )
    return GuardResult("source", (shrunk or now == 0) and not approved, message, f"--approve-source {now}")


def _removals(case: _Case) -> GuardResult:
    removals, safety, active = case.seen.removals, case.safety, case.seen.active
    approved = case.approvals.removals is not None and removals <= case.approvals.removals
    over = removals > safety.removal_limit(active)
    message = Message(
        "{} of {} active managed accounts would be deactivated or deleted; the limit is the larger of {} ({}) and {} % "
        "({}).",
        number(removals),
        number(active),
        number(safety.max_removals),
        _key("max_removals"),
        _figure(safety.max_removals_percent),
        _key("max_removals_percent"),
    )
    return GuardResult("removals", over and not approved, message, f"--approve-removals {removals}")


# Below this number of memberships a percentage says nothing.
_FEWEST_MEMBERSHIPS = 20


def _member_removals(case: _Case) -> GuardResult:
    removals, every, percent = (
        case.seen.member_removals,
        case.seen.memberships,
        case.safety.max_member_removals_percent,
    )
    approved = case.approvals.member_removals is not None and removals <= case.approvals.member_removals
    over = every >= _FEWEST_MEMBERSHIPS and removals > share(percent, every)
    message = Message(
        "{} of {} group memberships would be removed; the limit is {} % ({}), from {} memberships on.",
        number(removals),
        number(every),
        _figure(percent),
        _key("max_member_removals_percent"),
        number(_FEWEST_MEMBERSHIPS),
    )
    return GuardResult("member-removals", over and not approved, message, f"--approve-member-removals {removals}")


def _privilege_changes(case: _Case) -> GuardResult:
    changes, safety, active = case.seen.privilege_changes, case.safety, case.seen.active
    approved = case.approvals.privilege_changes is not None and changes <= case.approvals.privilege_changes
    over = changes > safety.privilege_limit(active)
    effects = [Message("{} {}", number(count), word(effect)) for effect, count in case.seen.rights]
    message = Message(
        "{} accounts would get other rights{}; the limit is the larger of {} ({}) and {} % of {} active managed "
        "accounts ({}).",
        number(changes),
        Message(" ({})", join(", ", effects)) if effects else NOTHING,
        number(safety.max_privilege_changes),
        _key("max_privilege_changes"),
        _figure(safety.max_privilege_changes_percent),
        number(active),
        _key("max_privilege_changes_percent"),
    )
    return GuardResult("privilege-changes", over and not approved, message, f"--approve-privilege-changes {changes}")


def _vanished(case: _Case) -> GuardResult:
    """Judge how much of ours NinjaOne no longer shows. All of it is beyond any limit but 100 %."""
    seen, safety = case.seen, case.safety
    accounts, groups = seen.gone("user"), seen.gone("group")
    most = max(accounts, groups)  # an approval is for so many accounts, and for so many groups
    approved = case.approvals.vanished is not None and most <= case.approvals.vanished
    percent = safety.max_vanished_percent
    over, none_left = False, False
    for gone, of in ((accounts, seen.known), (groups, seen.known_groups)):
        over = over or gone > max(safety.max_vanished, share(percent, of))
        none_left = none_left or bool(0 < of <= gone and percent < 100)
    also = Message(" and {} of {} groups", number(groups), number(seen.known_groups)) if groups else NOTHING
    message = Message(
        "{} of {} active managed accounts{} are no longer in NinjaOne; the limit is the larger of {} ({}) and {} % "
        "({}).{}",
        number(accounts),
        number(seen.known),
        also,
        number(safety.max_vanished),
        _key("max_vanished"),
        _figure(percent),
        _key("max_vanished_percent"),
        _NONE_LEFT if none_left else NOTHING,
    )
    return GuardResult("vanished", (over or none_left) and not approved, message, f"--approve-vanished {most}")


_NONE_LEFT = Message(
    " An empty NinjaOne is never believed: see that {} and the token are right.", word("[ninjaone] endpoint_url")
)


def _held(case: _Case) -> GuardResult:
    held, safety, in_scope, strict = case.seen.held, case.safety, case.seen.in_scope, case.approvals.strict
    approved = case.approvals.held is not None and held <= case.approvals.held
    over = held > safety.held_limit(in_scope) and not approved
    limit = Message(
        "the limit is the larger of {} ({}) and {} % of {} users in scope ({})",
        number(safety.max_held),
        _key("max_held"),
        _figure(safety.max_held_percent),
        number(in_scope),
        _key("max_held_percent"),
    )
    if strict:
        limit = Message("with {} none may be", word("--strict"))
    message = Message("{} records are held; {}.", number(held), limit)
    if case.seen.commonest:
        message = join(" ", (message, case.seen.commonest))
    approve = "" if strict else f"--approve-held {held}"
    return GuardResult("held", over or (strict and held > 0), message, approve)


def _key(name: str) -> Argument:
    return word(f"[safety] {name}")


def _figure(percent: float) -> Argument:
    return number(f"{percent:g}")


GUARDS: tuple[Callable[[_Case], GuardResult], ...] = (
    _scoped_groups,
    _source,
    _removals,
    _member_removals,
    _privilege_changes,
    _vanished,
    _held,
)
