"""What past runs left in the ledger, by run and by user."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.errors import CommandLineError
from ninjasync.model.attributes import MEMBERS, USER_NAME
from ninjasync.model.history import Operation, Run
from ninjasync.model.message import Message, number, person, text
from ninjasync.names_alike import alike, folded
from ninjasync.state.ledger import Ledger
from ninjasync.state.store import store_of


def read_runs(config: Config) -> list[Run]:
    """Return this tenant's runs, the latest first."""
    with _ledger(config) as ledger:
        return ledger.run_log.runs() if ledger else []


def read_run(config: Config, id_: str) -> tuple[Run, list[Operation]]:
    """Return the one run whose id begins with ``id_``, and its writes. Raises CommandLineError."""
    with _ledger(config) as ledger:
        found = [run for run in ledger.run_log.runs(limit=10_000) if run.id.startswith(id_)] if ledger else []
        if ledger and len(found) == 1:
            return found[0], ledger.run_log.operations(found[0].id)
    what = Message("No run has an id that begins")
    if found:
        what = Message("{} runs have an id that begins", number(len(found)))
    raise CommandLineError(Message('{} with "{}".', what, text(id_)), "See ninjasync history for the runs.")


def read_history_of_user(config: Config, who: str) -> list[Operation]:
    """Return all that was ever done to the users that ``who`` names, now or then: userName, Duo id or NinjaOne id.

    Of a write to a group it is what became of their membership. Raises CommandLineError
    where the ledger knows of no such user.
    """
    who = who.strip()
    with _ledger(config) as ledger:
        of_users = ledger.run_log.operations_on("user") if ledger else []
        of_groups = ledger.run_log.operations_on("group") if ledger else []
        owned = ledger.owned("user") if ledger else {}
    named: list[tuple[str | None, str | None]] = [
        (duo_id, entry.id) for duo_id, entry in owned.items() if who in (duo_id, entry.id) or alike(entry.name, who)
    ]
    named += [
        (one.external_id, one.id)
        for one in of_users
        if who in (one.external_id, one.id) or folded(who) in map(folded, _names(one))
    ]
    if not named:
        raise CommandLineError(
            Message('The ledger knows of no user "{}".', person(who)),
            "Give a userName, a Duo user id or a NinjaOne id, as of any time.",
        )
    duo_ids, ids = ({id_ for id_ in column if id_} for column in zip(*named, strict=True))
    theirs = [one for one in of_users if one.external_id in duo_ids or one.id in ids]
    names = {folded(name) for one in theirs for name in _names(one)}
    names |= {folded(entry.name) for duo_id, entry in owned.items() if duo_id in duo_ids}
    memberships = filter(None, (_of_members(one, names) for one in of_groups))
    return sorted((*theirs, *memberships), key=lambda one: one.number)


@contextmanager
def _ledger(config: Config) -> Iterator[Ledger | None]:
    ledger = Ledger.open_to_read(store_of(config), tenant_of(config))
    if ledger is None:
        yield None
        return
    with closing(ledger):
        yield ledger


def _names(one: Operation) -> set[str]:
    """Return what a user was called by a write, before and after it."""
    return {one.key} | {name for name in one.diff.get(USER_NAME, ()) if isinstance(name, str)}


def _of_members(one: Operation, names: set[str]) -> Operation | None:
    """Return a write to a group as far as it is about members of these names."""
    before, after = ([name for name in side if folded(name) in names] for side in one.diff.get(MEMBERS, ((), ())))
    return replace(one, diff={MEMBERS: (before, after)}) if before or after else None
