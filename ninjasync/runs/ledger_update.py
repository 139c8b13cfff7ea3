"""What a planning found that the ledger is to keep or to forget, by an apply or by way of a saved plan.

Knows what was read and decided, and writes to the ledger alone, when ``plan`` and ``apply`` say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from ninjasync.config.schema import Config
from ninjasync.model.directory import Resource
from ninjasync.model.outcome import Result
from ninjasync.model.ownership import Baseline, Owned
from ninjasync.model.plan import Plan, Vanished
from ninjasync.planning.api_evidence import names_of_technicians
from ninjasync.planning.moment import Moment
from ninjasync.planning.planner import Planning, baseline_of
from ninjasync.runs.freshness import by_name
from ninjasync.state.ledger import Ledger
from ninjasync.state.saved_plan import Exact, fingerprint

Rows = list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Found:
    """What the ledger keeps of a plan that was accepted: neither refused nor declined.

    ``ours`` and ``our_groups`` as ``Exact`` has them, whose clocks begin and end, the names
    whose holders were seen, and the NinjaOne ids of what was deleted and is no longer there.
    ``baseline`` is what later reads are compared with, None where the last one stays.
    """

    ours: Rows
    our_groups: Rows
    undated: list[str]
    clocks_to_stop: list[str]
    seen_names: list[tuple[Resource, str]]
    deleted: list[str]
    baseline: Baseline | None = None


def found(planning: Planning, moment: Moment) -> Found:
    """Return what an accepted apply keeps."""
    there = {user.id for user in planning.actual.users} | {group.id for group in planning.actual.groups}
    entries = [*moment.owned.users.values(), *moment.owned.groups.values()]
    return Found(
        *ours(planning),
        undated(planning),
        clocks_to_stop(planning, moment),
        seen_names(planning, moment),
        [entry.id for entry in entries if entry.deleted and entry.id not in there],
    )


def found_before(exact: Exact) -> Found:
    """Return what the apply of a saved plan keeps."""
    return Found(exact.ours, exact.our_groups, exact.undated, exact.clocks_to_stop, [], [])


def undisputed(rows: Rows, entries: Mapping[str, Owned]) -> tuple[Rows, Rows]:
    """Split rows into those that contradict nothing in the ledger, which any apply records, and the others."""
    plain: Rows = []
    disputed: Rows = []
    for row in rows:
        entry = entries.get(row[0])
        (plain if entry is None or entry.id == row[1] else disputed).append(row)
    return plain, disputed


def may_forget(plan: Plan, result: Result) -> bool:
    """Whether an apply came to its end and what NinjaOne no longer has is within the limit."""
    beyond = any(guard.tripped for guard in plan.guards if guard.name == "vanished")
    return not (beyond or result.interrupted or result.fatal)


def to_forget(plan: Plan, result: Result) -> tuple[Vanished, ...]:
    """List what of ours is no longer there, but for what may be all the same.

    Where an account could not be made anew, the old one may well have been in the way.
    """
    undone = {(one.change.resource, one.change.external_id) for one in result.outcomes if one.status != "applied"}
    return tuple(one for one in plan.evidence.vanished if (one.resource, one.external_id) not in undone)


def undated(planning: Planning) -> list[str]:
    """List the leavers whose accounts are inactive without a known date."""
    return [account.external_id for account in planning.difference.schedule.undated]


def clocks_to_stop(planning: Planning, moment: Moment) -> list[str]:
    """List those whose account is active although it was deactivated once: that time does not count any more."""
    ours = planning.difference.ours
    return [
        duo_id
        for duo_id, entry in sorted(moment.owned.users.items())
        if entry.deactivated_at is not None and duo_id in ours and ours[duo_id].active
    ]


def ours(planning: Planning) -> tuple[Rows, Rows]:
    """List what was found to be ours, users and groups: Duo id, NinjaOne id, name."""
    users, groups = planning.difference.ours, planning.difference.our_groups
    return (
        [(duo_id, user.id or "", user.user_name) for duo_id, user in sorted(users.items())],
        [(duo_id, group.id or "", group.display_name) for duo_id, group in sorted(groups.items())],
    )


def exact(config: Config, planning: Planning, moment: Moment, now: datetime) -> Exact:
    """Return what a saved plan needs beside its document, to be applied later."""
    there = by_name(planning.shown)  # the public API's word is not read again for each account
    seen = {change.name: fingerprint(there[change.name]) for change in planning.plan.changes if change.id is not None}
    baseline = baseline_of(config, planning, now)
    our_users, our_groups = ours(planning)
    # What may be written is judged again when the file is applied.
    plan = replace(planning.plan, writes=())
    return Exact(
        plan,
        seen,
        our_users,
        our_groups,
        undated(planning),
        clocks_to_stop(planning, moment),
        baseline.scope_digest,
        dict(baseline.groups),
        whole_scope=not moment.only,
        of_technicians=sorted(names_of_technicians(plan.changes, planning.actual)),
    )


def accepted_baseline(plan: Plan, found: Baseline, *, whole: bool) -> Baseline | None:
    """Return what was ``found`` in scope, if the read was of the ``whole`` scope, complete, and no guard objected."""
    complete = whole and plan.evidence.unreadable == 0
    return found if complete and plan.safe else None


def keep(ledger: Ledger, config: Config, planning: Planning, moment: Moment, *, baseline: bool) -> None:
    """Put down what a plan found; with ``baseline`` also how large the source was, if no guard objected."""
    if planning.plan.safe:
        ledger.memory.uncontest(seen_names(planning, moment))
    remember(ledger, planning, moment)
    found = baseline_of(config, planning, moment.now)
    if baseline and (accepted := accepted_baseline(planning.plan, found, whole=not moment.only)) is not None:
        ledger.memory.set_baseline(accepted)


def remember(ledger: Ledger, planning: Planning, moment: Moment) -> None:
    """Keep what a plan learnt of NinjaOne's ways."""
    if any(group.members for group in planning.actual.groups):
        ledger.memory.learn_that_members_are_shown()
    elif planning.actual.hides_members and _put_members_in(planning, moment):
        ledger.memory.learn_that_members_are_hidden()


def _put_members_in(planning: Planning, moment: Moment) -> bool:
    """Whether a group that NinjaOne shows has members that we added: then showing none means hiding them."""
    there = {group.id for group in planning.actual.groups}
    return any(entry.members and entry.id in there for entry in moment.owned.groups.values())


def seen_names(planning: Planning, moment: Moment) -> list[tuple[Resource, str]]:
    """List the names that were refused as taken and whose holders this plan has seen."""
    return sorted(moment.owned.contested - planning.actual.hidden)
