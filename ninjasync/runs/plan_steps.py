"""The steps of a plan, which an apply takes too: what the ledger says, reading, judging, what is kept of it.

Puts the parts together; decides nothing about people.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime

from pydantic import SecretStr

from ninjasync.config.schema import Config
from ninjasync.duo.reader import DuoReader
from ninjasync.model.events import Tell
from ninjasync.model.plan import Approvals
from ninjasync.ninjaone.reader import Reader
from ninjasync.planning.planner import Moment, Planning, fields_read, make_plan
from ninjasync.runs import tenancy
from ninjasync.state.ledger import Ledger


def moment_of(
    ledger: Ledger | None, at: datetime, approvals: Approvals, only: tuple[str, ...], warnings: tuple[str, ...]
) -> Moment:
    """Return all that a plan depends on beside both sides, as far as there is a ledger that knows it."""
    if ledger is None:
        return Moment(at, approvals=approvals, only=only, warnings=warnings)
    with _no_collection():
        owned = ledger.ownership(at)
    if not (owned.users or owned.groups) and (hint := tenancy.former(ledger)):
        warnings = (*warnings, " ".join(hint))
    return Moment(at, owned, ledger.baseline(), approvals, only, warnings, ledger.repeated())


def read_and_plan(
    config: Config, secret: SecretStr, reader: Reader, moment: Moment, stop: threading.Event, tell: Tell
) -> Planning:
    """Read both sides, the target by ``reader``, and plan."""
    with _no_collection(), closing(DuoReader(config, secret, stop, tell, fields_read(config))) as duo:
        return make_plan(config, duo, reader, moment)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let Python look for no garbage cycles: what is read stays until the end, and has none.

    Else it looks through a growing world again and again: 0.6 of 5.3 seconds for 100,000
    users, who need no more memory so.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if on:
            gc.enable()
