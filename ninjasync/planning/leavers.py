"""The leaver ladder: deactivated, kept for a while, then deleted; whose turn it is when.

Pure. Knows dates and the limit of removals; which accounts are leavers' is ``diff``'s affair.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Inactive:
    """A leaver's inactive account. ``since`` is when ninjasync deactivated it, None if that is not known."""

    external_id: str
    key: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Turn:
    """An inactive account and the day when it is deleted."""

    account: Inactive
    due: datetime


@dataclass(frozen=True, slots=True)
class Ladder:
    """``due`` are deleted now, ``deferred`` are due but beyond the limit, ``waiting`` are not yet due.

    ``unclocked`` have no known start; their time starts at the next apply.
    """

    due: tuple[Turn, ...] = ()
    deferred: tuple[Turn, ...] = ()
    waiting: tuple[Turn, ...] = ()
    unclocked: tuple[Inactive, ...] = ()


def climb(accounts: Iterable[Inactive], days: int, now: datetime, room: int) -> Ladder:
    """Sort inactive accounts by whose turn it is; at most ``room`` are deleted now, the oldest first.

    ``days`` of -1 means never.
    """
    every = sorted(accounts, key=lambda account: (account.key.casefold(), account.external_id))
    unclocked = tuple(account for account in every if account.since is None)
    if days < 0:
        return Ladder(unclocked=unclocked)
    turns = sorted(
        (Turn(account, account.since + timedelta(days=days)) for account in every if account.since is not None),
        key=lambda turn: turn.due,
    )
    ripe = [turn for turn in turns if turn.due <= now]
    return Ladder(
        due=tuple(ripe[: max(room, 0)]),
        deferred=tuple(ripe[max(room, 0) :]),
        waiting=tuple(turn for turn in turns if turn.due > now),
        unclocked=unclocked,
    )
