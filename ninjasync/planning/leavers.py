"""When leavers' accounts are deleted: deactivated first, kept for a while, then deleted, the oldest first.

Pure. Knows dates and the limit of removals; must not know which accounts are leavers'.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class InactiveAccount:
    """A leaver's inactive account. ``since`` is when ninjasync deactivated it, None if that is not known."""

    external_id: str
    key: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class DueDeletion:
    """An inactive account and the day when it is deleted."""

    account: InactiveAccount
    due: datetime


@dataclass(frozen=True, slots=True)
class DeletionSchedule:
    """``due`` are deleted now, ``deferred`` are due but beyond the limit, ``waiting`` are not yet due.

    ``undated`` have no known start; their time starts at the next apply.
    """

    due: tuple[DueDeletion, ...] = ()
    deferred: tuple[DueDeletion, ...] = ()
    waiting: tuple[DueDeletion, ...] = ()
    undated: tuple[InactiveAccount, ...] = ()


def schedule_deletions(
    accounts: Iterable[InactiveAccount], days: int, now: datetime, allowance: int
) -> DeletionSchedule:
    """Sort inactive accounts by the day of their deletion; at most ``allowance`` are deleted now, the oldest first.

    ``days`` of -1 means never.
    """
    every = sorted(accounts, key=lambda account: (account.key.casefold(), account.external_id))
    undated = tuple(account for account in every if account.since is None)
    if days < 0:
        return DeletionSchedule(undated=undated)
    turns = sorted(
        (DueDeletion(account, account.since + timedelta(days=days)) for account in every if account.since is not None),
        key=lambda turn: turn.due,
    )
    overdue = [turn for turn in turns if turn.due <= now]
    return DeletionSchedule(
        due=tuple(overdue[: max(allowance, 0)]),
        deferred=tuple(overdue[max(allowance, 0) :]),
        waiting=tuple(turn for turn in turns if turn.due > now),
        undated=undated,
    )
