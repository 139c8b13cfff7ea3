"""Whether a saved plan is as it was made: sealed with a key that only this tenant's ledger has.

The key never leaves the ledger, so that a plan cannot be altered between the job that made it and
the one that applies it. Decides by the seal alone; whether the plan still stands is another question.
"""

from contextlib import closing
from pathlib import Path

from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.errors import LedgerError, NinjasyncError, RefusedForSafetyError
from ninjasync.model.message import NOTHING, Message, as_message, text
from ninjasync.state.ledger import Ledger
from ninjasync.state.saved_plan import SavedPlan
from ninjasync.state.store import store_of

_NEW_ONE = "Make a new one with plan --out FILE, by a run that uses this ledger."


def find_seal_key(ledger: Ledger | None) -> bytes | None:
    """Return the key to seal a plan with, made if need be; None where the ledger has none and cannot be written."""
    if ledger is None:
        return None
    try:
        return ledger.memory.seal_key() if ledger.writable else ledger.memory.known_seal_key()
    except LedgerError:  # the plan goes on without it, and says elsewhere that the ledger cannot be written
        return None


def expect_seal(saved: SavedPlan, key: bytes | None, path: Path, *, required: bool) -> Message:
    """Raise RefusedForSafetyError where the seal is not this ledger's; say what is not proven, if anything is not.

    Where a seal is not ``required`` a plan without one is let through, and so is one whose seal nothing can check.
    """
    if key is not None and saved.is_sealed_by(key):
        return NOTHING
    if saved.seal and key is not None:
        raise RefusedForSafetyError(
            Message("The saved plan {} was altered, or sealed with the key of another ledger.", text(path)),
            _NEW_ONE,
        )
    if required:
        raise RefusedForSafetyError(
            Message("The saved plan {} has no seal of this ledger, so it may have been altered.", text(path)), _NEW_ONE
        )
    if saved.seal:
        return Message("The saved plan counts as unsealed, as this ledger has no key to check its seal with.")
    return Message("The saved plan is unsealed, so only its digest says that it is as it was made.")


def check_seal(saved: SavedPlan, config: Config, path: Path) -> Message:
    """Do as ``expect_seal`` does, with the ledger of ``config``; a seal that cannot be checked there is no refusal."""
    tenant = tenant_of(config)
    if saved.tenant_id != tenant.id:
        return Message("The seal of the saved plan was not checked: it is of another tenant than the configuration.")
    try:
        ledger = Ledger.open_to_read(store_of(config), tenant)
        if ledger is None:
            return expect_seal(saved, None, path, required=False)
        with closing(ledger):
            return expect_seal(saved, ledger.memory.known_seal_key(), path, required=False)
    except RefusedForSafetyError:
        raise
    except NinjasyncError as error:
        return Message("The seal of the saved plan was not checked: {}", as_message(error.message))
