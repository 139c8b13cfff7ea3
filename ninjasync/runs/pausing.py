"""Pauses a tenant and lets it go on: one command in an incident, and no machine begins an apply (CONTRACT 6.15).

Knows the ledger alone; a run that is under way is not ended.
"""

from contextlib import closing
from datetime import datetime

from ninjasync.config.schema import Config
from ninjasync.config.tenant import in_a_command, tenant_of, write_command
from ninjasync.errors import LedgerError, RefusedForSafetyError
from ninjasync.model.message import Message, join, text
from ninjasync.model.pause import Pause
from ninjasync.state import lock
from ninjasync.state.ledger import Ledger
from ninjasync.state.store import store_of


def pause(config: Config, reason: str, until: datetime | None, now: datetime) -> tuple[Pause, Pause | None]:
    """Pause the tenant; return the pause, and the one that held before, if one did. Raises LedgerError."""
    made = Pause(now, until, lock.actor(), reason)
    with closing(Ledger.open(store_of(config), tenant_of(config), now)) as ledger:
        before = find_pause(ledger, now)
        ledger.memory.set_pause(made)
        ending = f" --until {until.isoformat(timespec='minutes')}" if until is not None else ""
        ledger.run_log.note(made.actor, f"pause{ending} --reason {in_a_command(reason)}", now)
    return made, before


def resume(config: Config, now: datetime) -> Pause | None:
    """Let the tenant go on; return the pause that held, None if none did. Raises LedgerError."""
    with closing(Ledger.open(store_of(config), tenant_of(config), now)) as ledger:
        before = find_pause(ledger, now)
        ledger.memory.end_pause()
        if before is not None:
            ledger.run_log.note(lock.actor(), "resume", now)
    return before


def find_pause(ledger: Ledger, now: datetime) -> Pause | None:
    """Return the pause that holds; None where none does. Raises LedgerError."""
    made = ledger.memory.pause()
    return made if made is not None and made.holds_at(now) else None


def refuse_while_paused(config: Config, ledger: Ledger, now: datetime) -> None:
    """Raise RefusedForSafetyError where the tenant is paused: nothing is asked of either side then."""
    if (made := find_pause(ledger, now)) is not None:
        raise RefusedForSafetyError(
            made.told, Message("To let it go on, run: {}", text(write_command(config, "resume")))
        )


def warn_of_pause(ledger: Ledger, now: datetime) -> list[Message]:
    """Say of a plan that it cannot be applied now."""
    try:
        made = find_pause(ledger, now)
    except LedgerError:  # what is wrong with the ledger is told where it is read for the plan itself
        return []
    return [join(" ", (made.told, Message("No apply begins before that ends.")))] if made is not None else []
