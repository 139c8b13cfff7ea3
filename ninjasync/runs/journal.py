"""The journal: each write is put down before it is sent and after, so that a kill at any instant can be settled.

Knows what a change means for what is ours, and how to find out from the server whether a
write was made of which nobody heard again.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from ninjasync.errors import InterruptedRunError, NotKeptError, RefusedRequestError
from ninjasync.model.attributes import ACTIVE, MEMBERS
from ninjasync.model.change import Change, Member, journal_diff
from ninjasync.model.directory import Observation
from ninjasync.model.outcome import Outcome, Result
from ninjasync.net.pacing import TransientError
from ninjasync.runs.executor import Step
from ninjasync.state.ledger import UNCERTAIN, Ledger

# What some servers answer, again and again, to what they will never do.
_LASTS = "HTTP 500"


class LedgerJournal:
    """Puts every write into the ledger, before it is sent and after."""

    def __init__(self, ledger: Ledger, run: str, now: Callable[[], datetime]) -> None:
        self._ledger, self._run, self._now = ledger, run, now

    def intend(self, change: Change, step: Step) -> int:
        """Put down a write that is about to be sent."""
        operation = {
            "resource": change.resource,
            "action": change.action if step == "whole" else "rename",
            "key": change.key,
            "external_id": change.external_id,
            "id": change.id,
            "diff": _before_and_after(change, step),
        }
        return self._ledger.intend(self._run, operation, self._now())

    def conclude(
        self,
        number: int,
        change: Change,
        step: Step,
        id_: str | None,
        observed: tuple[Observation, ...],
        error: BaseException | None,
    ) -> None:
        """Put down what became of it, and what is ours by it."""
        undone: frozenset[str] | None = frozenset()
        if error is not None:
            undone = error.undone if isinstance(error, NotKeptError) else None
        owned = _owned(change, id_, observed, undone) if id_ is not None and step == "whole" else None
        if error is None:
            status = "applied"
        else:
            # Who was interrupted while he waited to try again says by the cause what he tried.
            tried = error.__cause__ if isinstance(error, InterruptedRunError) else error
            status = UNCERTAIN if isinstance(tried, TransientError) and tried.maybe_done else "failed"
        self._ledger.conclude(number, status, str(error) if error else "", self._now(), owned=owned)
        if isinstance(error, RefusedRequestError | NotKeptError) and error.status == 409:
            self._ledger.contest(change.resource, change.key, self._now())


def _before_and_after(change: Change, step: Step) -> str:
    if step == "free":
        return json.dumps({delta.path: [delta.before, delta.via] for delta in change.diff if delta.via})
    return journal_diff(change)


def _owned(
    change: Change, id_: str, observed: tuple[Observation, ...], undone: frozenset[str] | None
) -> dict[str, Any]:
    """Return what a change that was made means for what is ours.

    ``undone`` are the attributes and the Duo ids of the members that did not arrive. None
    says that nobody knows of which members, so that the next run changes them again: with a
    server that does not show them only the ledger tells.
    """
    owned: dict[str, Any] = {"resource": change.resource, "external_id": change.external_id}
    if change.action == "delete":
        return owned | {"gone": True}
    lost = undone or frozenset()
    stopped = change.action == "deactivate" and ACTIVE not in lost
    sent: dict[str, Any] = {one.path: one.sent for one in observed if one.path != MEMBERS}
    sent |= {delta.path: delta.after for delta in change.diff if delta.path != ACTIVE}
    applied = {path: value for path, value in sent.items() if path not in lost}
    shown = {one.path: one.shown for one in observed}

    def arrived(members: tuple[Member, ...]) -> list[str]:
        return [
            one.external_id for one in members if one.external_id and undone is not None and one.external_id not in lost
        ]

    return owned | {
        "id": id_,
        "name": change.key,
        "applied": applied,
        "shown": shown,
        "deactivated": stopped,
        "added": arrived(change.added),
        "removed": arrived(change.removed),
    }


def tell_lasting(result: Result, ledger: Ledger, run: str) -> Result:
    """Say of each write that ended with HTTP 500, as it did in the last two runs that tried it, that this lasts."""
    return replace(result, outcomes=tuple(_told_lasting(outcome, ledger, run) for outcome in result.outcomes))


def _told_lasting(outcome: Outcome, ledger: Ledger, run: str) -> Outcome:
    change = outcome.change
    if outcome.status != "failed" or _LASTS not in outcome.error:
        return outcome
    before = ledger.last_errors(run, change.resource, change.external_id, change.key)
    if len(before) < 2 or not all(_LASTS in error for error in before):
        return outcome
    return replace(
        outcome,
        error=f"NinjaOne answered with {_LASTS}, as in the last two runs that tried it, so it is not going to pass. "
        "See by ninjasync explain what is sent, change or leave out what NinjaOne may not take ([attributes]), "
        "or ask NinjaOne's support with that.",
    )
