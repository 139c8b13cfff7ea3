"""The journal: each write is put down before it is sent and after, so that a kill at any instant can be settled.

Knows what a change means for what is ours, and how to find out from the server whether a
write was made of which nobody heard again.
"""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ninjasync.apply import Step
from ninjasync.attribute import ACTIVE, MEMBERS, USER_NAME
from ninjasync.directory import Group, Observation, User
from ninjasync.errors import InterruptedRunError, NotKeptError, RefusedRequestError, UnreachableError
from ninjasync.ledger import UNCERTAIN, Ledger, Operation
from ninjasync.names_alike import alike
from ninjasync.ninjaone import Reader, is_down
from ninjasync.pacing import TransientError
from ninjasync.plan import Change, Member, Outcome, Result, journal_diff

log = logging.getLogger(__name__)

# What some servers answer, again and again, to what they will never do.
_LASTS = "HTTP 500"


class LedgerJournal:
    """Puts every write into the ledger, before it is sent and after."""

    def __init__(self, ledger: Ledger, run: str) -> None:
        self._ledger, self._run = ledger, run

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
        return self._ledger.intend(self._run, operation, datetime.now(UTC))

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
        self._ledger.conclude(number, status, str(error) if error else "", datetime.now(UTC), owned=owned)
        if isinstance(error, RefusedRequestError | NotKeptError) and error.status == 409:
            self._ledger.contest(change.resource, change.key, datetime.now(UTC))


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


def settle(ledger: Ledger, run: str, reader: Reader, at: datetime) -> list[str]:
    """Look at the server for each write of which nobody knows whether it was made; say so in a line.

    ``run`` is the present one. Returns that line, or nothing where there is nothing to settle.
    """
    runs, operations = ledger.unfinished()
    runs = [one for one in runs if one.id != run]
    made = unseen = 0
    for operation in operations:
        try:
            made += _settle_one(ledger, reader, operation)
        except UnreachableError as error:
            if is_down(error):
                raise
            unseen += 1  # it stays open, and holds up nothing else
    for one in runs:
        ledger.finish(one.id, None, _counts(ledger.operations(one.id)), at)
    if not runs and not operations:
        return []
    who = f"The run {runs[-1].id} of {runs[-1].actor} was cut short" if runs else "An earlier run lost some answers"
    later = f"; {unseen} could not be looked at, which the next run tries again" if unseen else ""
    line = f"{who}: of {len(operations)} writes whose outcome was not known, {made} had been made{later}."
    log.info(line)
    return [line]


def _settle_one(ledger: Ledger, reader: Reader, operation: Operation) -> bool:
    """Find out whether a write was made, and record what is ours by it."""
    owned: dict[str, Any] | None = None
    refused = _LASTS in operation.error and operation.action != "delete"  # an answer, though no good one
    if operation.action == "create":
        found = _created(reader, operation)
        made = found is not None
        if found is not None:
            owned = _settled_owner(operation, found.id or "", deactivated=False)
    elif operation.resource == "group":
        group = reader.group(operation.id or "")
        made = (group is None) == (operation.action == "delete") and not refused
    else:
        user = reader.user(operation.id or "", ())
        match operation.action:
            case "delete":
                made = user is None
                owned = {"resource": "user", "external_id": operation.external_id, "gone": True} if made else None
            case "deactivate":
                made = user is not None and not user.active
                owned = _settled_owner(operation, operation.id or "", deactivated=True) if made else None
            case "adopt":
                made = user is not None and user.external_id == operation.external_id
                owned = _settled_owner(operation, operation.id or "", deactivated=False) if made else None
            case _:
                made = (
                    not refused
                    and user is not None
                    and all(
                        alike(user.user_name, str(after))
                        for path, (_, after) in operation.diff.items()
                        if path == USER_NAME
                    )
                )
    status = "applied" if made else "failed"
    error = "" if made else operation.error or "the run was cut short before NinjaOne had it"
    ledger.conclude(operation.number, status, error, operation.intended_at, owned=owned)
    return made


def _created(reader: Reader, operation: Operation) -> User | Group | None:
    """Return the resource of a create whose answer nobody saw: same externalId, or same name and made since."""
    duo_id = operation.external_id or ""
    found: User | Group | None
    if operation.resource == "user":
        found = reader.find_user(duo_id, operation.key)
    else:
        found = reader.find_group(duo_id, operation.key)
    if found is None or found.external_id == duo_id:
        return found
    return found if reader.made_since(operation.resource, found.id or "", operation.intended_at) else None


def _settled_owner(operation: Operation, id_: str, *, deactivated: bool) -> dict[str, Any]:
    applied = {path: after for path, (_, after) in operation.diff.items() if path not in (ACTIVE, "members")}
    return {
        "resource": operation.resource,
        "external_id": operation.external_id,
        "id": id_,
        "name": operation.key,
        "applied": applied,
        "shown": {},
        "added": [],
        "removed": [],
        "deactivated": deactivated,
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


def _counts(operations: list[Operation]) -> dict[str, int]:
    statuses = [operation.status for operation in operations]
    return {status: statuses.count(status) for status in ("applied", "failed", "skipped")}
