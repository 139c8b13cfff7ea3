"""The steps of a plan, which an apply takes too: what the ledger says, reading, judging, what is kept of it.

Puts the parts together; decides nothing about people.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime

from pydantic import SecretStr

from ninjasync import tenancy
from ninjasync.config import Config
from ninjasync.directory import Baseline, Resource
from ninjasync.duo import DuoReader
from ninjasync.guards import Approvals
from ninjasync.ledger import Ledger
from ninjasync.ninjaone import Reader
from ninjasync.plan import LastPlan
from ninjasync.planner import Moment, Planning, baseline_of, fields_read, make_plan
from ninjasync.progress import Tell


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


def accepted_baseline(config: Config, planning: Planning, moment: Moment) -> Baseline | None:
    """Return what a complete read of the whole scope found, if no guard objected to it."""
    complete = not moment.only and planning.plan.evidence.unreadable == 0
    if complete and not any(guard.tripped for guard in planning.plan.guards):
        return baseline_of(config, planning, moment.now)
    return None


def keep(ledger: Ledger, config: Config, planning: Planning, moment: Moment, *, baseline: bool) -> None:
    """Put down what a plan found; with ``baseline`` also how large the source was, if no guard objected."""
    if planning.plan.safe:
        ledger.uncontest(seen_names(planning, moment))
    remember(ledger, planning, moment)
    if baseline and (accepted := accepted_baseline(config, planning, moment)) is not None:
        ledger.set_baseline(accepted)


def remember(ledger: Ledger, planning: Planning, moment: Moment) -> None:
    """Keep of a plan of the whole world what ``explain`` tells of it: the guards, and what people are called."""
    if any(group.members for group in planning.actual.groups):
        ledger.learn_that_members_are_shown()
    if moment.only:
        return
    users = planning.source.users.values()
    # A username that is part of the address is no help in finding it.
    names = [user.label for user in users] + [user.username for user in users if user.username not in user.label]
    ledger.set_last_plan(LastPlan(moment.now, planning.plan.refused, planning.plan.guards), names)


def seen_names(planning: Planning, moment: Moment) -> list[tuple[Resource, str]]:
    """List the names that were refused as taken and whose holders this plan has seen."""
    return sorted(moment.owned.contested - planning.actual.hidden)
