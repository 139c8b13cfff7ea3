"""Recovers what a killed run left: looks at the server for each write whose outcome is unknown. Sends no write."""

import logging
from datetime import datetime

from ninjasync.config.context import RunContext
from ninjasync.errors import InterruptedRunError, UnreachableError
from ninjasync.model.attributes import ACTIVE, MEMBERS, USER_NAME
from ninjasync.model.directory import Group, User
from ninjasync.model.events import Unsettled
from ninjasync.model.history import Operation
from ninjasync.model.message import NOTHING, Message, number, person, word
from ninjasync.names_alike import alike
from ninjasync.ninjaone.endpoint import Endpoint
from ninjasync.ninjaone.unreadable import is_down
from ninjasync.runs.journal import LASTING
from ninjasync.state.ledger import Ledger
from ninjasync.state.run_log import Conclusion, OwnershipChange

log = logging.getLogger(__name__)


def recover_lost_writes(ledger: Ledger, run: str, endpoint: Endpoint, at: datetime) -> list[Message]:
    """Look at the server for each write whose outcome is unknown, and record what it shows; say so in a line.

    ``run`` is the present one. Returns that line, or nothing where there is nothing to settle.
    """
    runs, operations = ledger.run_log.unfinished()
    runs = [one for one in runs if one.id != run]
    made = unseen = 0
    for operation in operations:
        try:
            made += _recover(ledger, endpoint, operation)
        except UnreachableError as error:
            if is_down(error):
                raise
            unseen += 1  # it stays open, and holds up nothing else
    for one in runs:
        ledger.run_log.finish(one.id, None, _counts(ledger.run_log.operations(one.id)), at)
    if not runs and not operations:
        return []
    who = Message("An earlier run lost some answers")
    if runs:
        who = Message("The run {} of {} was cut short", word(runs[-1].id), person(runs[-1].actor))
    later = (
        Message("; {} could not be looked at, which the next run tries again", number(unseen)) if unseen else NOTHING
    )
    line = Message(
        "{}: of {} writes whose outcome was not known, {} had been made{}.",
        who,
        number(len(operations)),
        number(made),
        later,
    )
    log.info(line)
    return [line]


def await_lost_runs(context: RunContext, ledger: Ledger, run: str) -> None:
    """Wait until nothing can still arrive that a run sent which was cut short; ``run`` is the present one.

    Where the lock can be free before its former holder has noticed, that run may be in the middle of a request. The
    age of what it left does not tell: it may have been under retry for minutes. Raises InterruptedRunError.
    """
    if not ledger.database.survives:
        return
    unsettled = {operation.run for operation in ledger.run_log.unfinished()[1]}
    seen = {id_: at for id_, at in ledger.run_log.last_seen().items() if id_ in unsettled and id_ != run}
    if not seen:
        return
    last, most = max(seen, key=lambda id_: seen[id_]), ledger.database.survives + context.config.ninjaone.timeout
    # Never longer than that: a ledger that was copied has times of another server's clock.
    left = min(most - (ledger.database.clock() - seen[last]).total_seconds(), most)
    if left > 0:
        context.listener(Unsettled(last, left))
        if context.stop.wait(left):
            raise InterruptedRunError("The run was interrupted while it waited to settle what the last one left.")


def _recover(ledger: Ledger, endpoint: Endpoint, operation: Operation) -> bool:
    """Find out whether a write was made, and record what is ours by it."""
    owned: OwnershipChange | None = None
    refused = LASTING in operation.error and operation.action != "delete"  # an answer, though no good one
    if operation.action == "create":
        found = _created(endpoint, operation)
        made = found is not None
        if found is not None:
            owned = _recovered_owner(operation, found.id or "")
    elif operation.resource == "group":
        group = endpoint.read_group(operation.id or "")
        made = (group is None) == (operation.action == "delete") and not refused
    else:
        user = endpoint.read_user(operation.id or "", ())
        match operation.action:
            case "delete":
                made = user is None
                owned = OwnershipChange("user", operation.external_id or "", gone=True) if made else None
            case "deactivate":
                made = user is not None and not user.active
                owned = _recovered_owner(operation, operation.id or "", deactivated=True) if made else None
            case "adopt":
                made = user is not None and user.external_id == operation.external_id
                owned = _recovered_owner(operation, operation.id or "") if made else None
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
    ledger.run_log.conclude(Conclusion(operation.number, status, error, operation.intended_at, owned))
    return made


def _created(endpoint: Endpoint, operation: Operation) -> User | Group | None:
    """Return the resource of a create whose answer was lost: same externalId, or same name and made since."""
    duo_id = operation.external_id or ""
    found: User | Group | None
    if operation.resource == "user":
        found = endpoint.find_own_user(duo_id, operation.key)
    else:
        found = endpoint.find_own_group(duo_id, operation.key)
    if found is None or found.external_id == duo_id:
        return found
    return found if endpoint.was_created_since(operation.resource, found.id or "", operation.intended_at) else None


def _recovered_owner(operation: Operation, id_: str, *, deactivated: bool = False) -> OwnershipChange | None:
    if operation.external_id is None:
        return None
    applied = {path: after for path, (_, after) in operation.diff.items() if path not in (ACTIVE, MEMBERS)}
    of = (operation.resource, operation.external_id, id_, operation.key)
    return OwnershipChange(*of, applied=applied, deactivated=deactivated)


def _counts(operations: list[Operation]) -> dict[str, int]:
    statuses = [operation.status for operation in operations]
    return {status: statuses.count(status) for status in ("applied", "failed", "skipped")}
