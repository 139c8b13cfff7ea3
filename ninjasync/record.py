"""What a planning found that the ledger is to keep: at once by an apply, or by way of a saved plan.

Knows what was read and decided, and writes nothing; who does, and when, is ``apply_run``'s affair.
"""

from dataclasses import replace
from datetime import datetime

from ninjasync.config import Config
from ninjasync.planner import Moment, Planning, baseline_of
from ninjasync.saved import Exact, fingerprint
from ninjasync.stale import by_name


def unclocked(planning: Planning) -> list[str]:
    """List the leavers whose accounts are inactive without a known date."""
    return [account.external_id for account in planning.difference.ladder.unclocked]


def clocks_to_stop(planning: Planning, moment: Moment) -> list[str]:
    """List those whose account is active although it was deactivated once: that time does not count any more."""
    ours = planning.difference.ours
    return [
        duo_id
        for duo_id, entry in sorted(moment.owned.users.items())
        if entry.deactivated_at is not None and duo_id in ours and ours[duo_id].active
    ]


def ours(planning: Planning) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    """List what was found to be ours, users and groups: Duo id, NinjaOne id, name."""
    users, groups = planning.difference.ours, planning.difference.our_groups
    return (
        [(duo_id, user.id or "", user.user_name) for duo_id, user in sorted(users.items())],
        [(duo_id, group.id or "", group.display_name) for duo_id, group in sorted(groups.items())],
    )


def exact(config: Config, planning: Planning, moment: Moment, now: datetime) -> Exact:
    """Return what a saved plan needs beside its document, to be applied later."""
    there = by_name(planning.actual)
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
        unclocked(planning),
        clocks_to_stop(planning, moment),
        baseline.scope_digest,
        dict(baseline.groups),
        whole_scope=not moment.only,
    )
