"""The journal: each write is put down before it is sent and after, so that a kill at any instant is recoverable.

Knows what a change means for what is ours. Sends nothing.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from ninjasync.config.schema import Config
from ninjasync.config.tenant import write_command
from ninjasync.errors import InterruptedRunError, NotKeptError, RefusedRequestError
from ninjasync.model.attributes import ACTIVE, MEMBERS
from ninjasync.model.change import Change, Member, journal_diff
from ninjasync.model.directory import Observation
from ninjasync.model.message import Message, text, word
from ninjasync.model.outcome import Outcome, Result
from ninjasync.net.pacing import TransientError
from ninjasync.runs.executor import Attempt, Step
from ninjasync.state.run_log import UNCERTAIN, Conclusion, Intent, OwnershipChange, RunLog

# What some servers answer, again and again, to what they will never do.
LASTING = "HTTP 500"


class LedgerJournal:
    """Puts every write into the ledger, before it is sent and after."""

    def __init__(self, log: RunLog, run: str, now: Callable[[], datetime]) -> None:
        self._log, self._run, self._now = log, run, now
        # Number and NinjaOne id of each write that was done, by the change's name.
        self._done: dict[str, tuple[int, str]] = {}

    def intend(self, change: Change, step: Step) -> int:
        """Put down a write that is about to be sent."""
        action, diff = change.action if step == "whole" else "rename", _before_and_after(change, step)
        of = (change.resource, action, change.key, change.external_id, change.id)
        return self._log.intend(Intent(self._run, *of, diff, self._now()))

    def conclude(self, attempt: Attempt) -> None:
        """Put down what became of it, and what is ours by it."""
        change, error, id_ = attempt.change, attempt.error, attempt.id
        undone: frozenset[str] | None = frozenset()
        if error is not None:
            undone = error.undone if isinstance(error, NotKeptError) else None
        owned = None
        if id_ is not None and attempt.step == "whole":
            owned = _owned(change, id_, attempt.observed, undone)
            if error is None:
                self._done[change.name] = attempt.number, id_
        is_taken = isinstance(error, RefusedRequestError | NotKeptError) and error.status == 409
        taken = (change.resource, change.key) if is_taken else None
        said = str(error) if error else ""
        self._log.conclude(Conclusion(attempt.number, _status_of(error), said, self._now(), owned, taken))

    def deny(self, outcome: Outcome) -> None:
        """Put down that a write that was done came to nothing: ``outcome`` says why, and what is there instead."""
        change = outcome.change
        number, id_ = self._done[change.name]
        there = {one.path: one.shown for one in outcome.observed if one.shown is not None}
        owned = None
        if change.external_id is not None:
            owned = OwnershipChange(change.resource, change.external_id, id_, change.key, applied=there)
        self._log.conclude(Conclusion(number, "failed", str(outcome.error), self._now(), owned))


def _status_of(error: BaseException | None) -> str:
    if error is None:
        return "applied"
    if isinstance(error, InterruptedRunError):
        return UNCERTAIN  # perhaps between two requests, of which the first was carried out
    return UNCERTAIN if isinstance(error, TransientError) and error.maybe_done else "failed"


def _before_and_after(change: Change, step: Step) -> str:
    if step == "free":
        return json.dumps({delta.path: [delta.before, delta.via] for delta in change.diff if delta.via})
    return journal_diff(change)


def _owned(
    change: Change, id_: str, observed: tuple[Observation, ...], undone: frozenset[str] | None
) -> OwnershipChange | None:
    """Return what a change that was made means for what is ours.

    ``undone`` are the attributes and the Duo ids of the members that did not arrive. None says that it is not known
    which members did, so that the next run changes them again: with a server that does not show members only the
    ledger tells.
    """
    if change.external_id is None:
        return None
    if change.action == "delete":
        return OwnershipChange(change.resource, change.external_id, gone=True)
    lost = undone or frozenset()
    sent: dict[str, Any] = {one.path: one.sent for one in observed if one.path != MEMBERS}
    sent |= {delta.path: delta.after for delta in change.diff if delta.path != ACTIVE}

    def arrived(members: tuple[Member, ...]) -> tuple[str, ...]:
        ids = (member.external_id for member in members if undone is not None)
        return tuple(duo_id for duo_id in ids if duo_id and duo_id not in lost)

    return OwnershipChange(
        change.resource,
        change.external_id,
        id_,
        change.key,
        applied={path: value for path, value in sent.items() if path not in lost},
        shown={one.path: one.shown for one in observed},
        added=arrived(change.added),
        removed=arrived(change.removed),
        deactivated=change.action == "deactivate" and ACTIVE not in lost,
    )


def explain_lasting_failures(config: Config, result: Result, log: RunLog, run: str) -> Result:
    """Say of each write that ended with HTTP 500, as it did in the last two runs that tried it, that this lasts."""
    return replace(result, outcomes=tuple(_explained(config, outcome, log, run) for outcome in result.outcomes))


def _explained(config: Config, outcome: Outcome, log: RunLog, run: str) -> Outcome:
    change = outcome.change
    if outcome.status != "failed" or LASTING not in outcome.error:
        return outcome
    before = log.last_errors(run, change.resource, change.external_id, change.key)
    if len(before) < 2 or not all(LASTING in error for error in before):
        return outcome
    return replace(
        outcome,
        error=Message(
            "NinjaOne answered with {}, as in the last two runs that tried it, so it is not going to pass. Change or "
            "leave out what NinjaOne may not take ({}), or ask NinjaOne's support. What is sent is told by: {}",
            word(LASTING),
            word("[attributes]"),
            text(write_command(config, "explain WHO")),
        ),
    )
