"""Finds the user or account that WHO names, among all that a plan read.

Pure. Knows by what a user may be called; must not know what becomes of them.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from ninjasync.errors import CommandLineError
from ninjasync.model.directory import User
from ninjasync.model.message import Message, number, person, text
from ninjasync.model.source import Standing, is_duo_id
from ninjasync.names_alike import folded, nearest
from ninjasync.runs.inspection import Inspection

# What --redact writes in place of a name.
_TOKEN = re.compile(r"person-[0-9a-f]{12}")
_HINT = "Give an e-mail address, a Duo username, a Duo user id, a NinjaOne id, or a token of --redact."


@dataclass(frozen=True, slots=True)
class Subject:
    """The user or account that an explanation is about, and ``how`` it was recognised.

    ``duo_id`` is None for an account that belongs to no Duo user; ``account_id`` is set
    where WHO led to an account.
    """

    duo_id: str | None
    account_id: str | None
    how: str


def find_subject(inspection: Inspection, who: str) -> Subject:
    """Return the user or account that ``who`` names. Raises CommandLineError where there is none, or several."""
    if who and (subject := _search(inspection, who)):
        return subject
    if not _TOKEN.fullmatch(who):
        raise _unknown(inspection, who)
    return _behind_token(inspection, who)


def _search(inspection: Inspection, who: str) -> Subject | None:
    return _in_duo(inspection, who) or _in_ledger(inspection, who) or _in_ninjaone(inspection, who)


def _in_duo(inspection: Inspection, who: str) -> Subject | None:
    users, records = inspection.planning.source.users, inspection.records
    if who in users:
        return Subject(who, None, "Duo user id")
    form = folded(who)
    wanting = (id_ for id_, user in users.items() if user.desired and folded(user.desired.user_name) == form)
    ways: tuple[tuple[str, Callable[[], Iterable[str]]], ...] = (
        ("e-mail address", lambda: records.called("email", who)),
        ("username or an alias", lambda: records.called("username", who)),
        ("the userName that [attributes] gives", lambda: wanting),
    )
    for how, find in ways:
        ids = sorted(id_ for id_ in find() if id_ in users)
        if not ids:
            continue
        # A user who was deleted and made anew is there twice for some days.
        likely = [id_ for id_ in ids if users[id_].standing is not Standing.OUT]
        if len(ids) > 1 and len(likely) != 1:
            raise CommandLineError(
                Message(
                    '"{}" is what several users in Duo are called: {}.', person(who), text(_listed(inspection, ids))
                ),
                "Give one of these ids.",
            )
        chosen = (likely or ids)[0]
        others = [id_ for id_ in ids if id_ != chosen]
        return Subject(chosen, None, how + (f", which {_listed(inspection, others)} has too" if others else ""))
    return None


def _listed(inspection: Inspection, ids: Iterable[str]) -> str:
    records = ((id_, inspection.records.record(id_) or {}) for id_ in ids)
    return ", ".join(f"{id_} (username {row.get('username')}, {row.get('status')})" for id_, row in records)


def _in_ledger(inspection: Inspection, who: str) -> Subject | None:
    form = folded(who)
    hits = {
        duo_id: entry
        for duo_id, entry in inspection.moment.owned.users.items()
        if who in (duo_id, entry.id) or folded(entry.name) == form
    }
    there = {duo_id: entry for duo_id, entry in hits.items() if not entry.deleted} or hits
    if len(there) > 1:
        each = "; ".join(f"{entry.id} (Duo id {duo_id})" for duo_id, entry in sorted(there.items()))
        raise CommandLineError(
            Message('"{}" is what the ledger calls several accounts: {}.', person(who), text(each)),
            "Give one of the ids.",
        )
    for duo_id, entry in there.items():
        return _new_owner(inspection, entry.id, duo_id) or Subject(duo_id, entry.id, "the ledger")
    return None


def _in_ninjaone(inspection: Inspection, who: str) -> Subject | None:
    accounts, form = inspection.planning.actual.users, folded(who)
    ways: tuple[tuple[str, Callable[[User], bool]], ...] = (
        ("the userName of an account in NinjaOne", lambda account: folded(account.user_name) == form),
        ("the externalId of an account in NinjaOne", lambda account: is_duo_id(who) and account.external_id == who),
        ("the id of an account in NinjaOne", lambda account: account.id == who),
    )
    for how, fits in ways:
        for account in filter(fits, accounts):
            owner = _owner(inspection, account)
            return _new_owner(inspection, account.id, owner) or Subject(owner, account.id, how)
    return None


def _owner(inspection: Inspection, account: User) -> str | None:
    """Return the Duo id of the user whose account this is, as far as anything says so."""
    planning, entries = inspection.planning, inspection.moment.owned.users
    for duo_id, mine in planning.difference.ours.items():
        if mine.id == account.id:
            return duo_id
    by_ledger = (duo_id for duo_id, entry in entries.items() if entry.id == account.id)
    carried = account.external_id if account.external_id in planning.source.users else None
    return next(by_ledger, None) or carried


def _new_owner(inspection: Inspection, account_id: str | None, owner: str | None) -> Subject | None:
    """Return the user who takes this account over, if there is one: the account belongs to that user from now on."""
    for change in inspection.planning.plan.changes:
        if change.action == "adopt" and change.resource == "user" and change.id == account_id:
            taken = change.external_id != owner
            return Subject(change.external_id, account_id, "the account that is taken over") if taken else None
    return None


def _behind_token(inspection: Inspection, token: str) -> Subject:
    if inspection.token is None:
        raise CommandLineError(
            Message("{} may be a token of --redact, but the ledger has no key of tokens.", text(token)),
            "Set NINJASYNC_REDACT_KEY to the key that it was made with.",
        )
    for name in chain(_names(inspection), _ids(inspection)):
        if inspection.token(name) == token and (subject := _search(inspection, name)):
            return Subject(subject.duo_id, subject.account_id, f"{subject.how}, by its token")
    if subject := _by_value(inspection, token):
        return subject
    raise CommandLineError(
        Message("No user or account has the token {}.", text(token)),
        "A token fits the key that it was made with: that of this ledger, or NINJASYNC_REDACT_KEY.",
    )


def _by_value(inspection: Inspection, token: str) -> Subject | None:
    """Return the user of whose planned change this is a value, as a new surname or a temporary userName.

    Raises CommandLineError where several users have it.
    """
    assert inspection.token is not None
    found = {
        change.external_id or change.id: change
        for change in inspection.planning.plan.changes
        if change.resource == "user"
        for row in change.diff
        for value in (row.before, row.after, row.via)
        if isinstance(value, str) and value and inspection.token(value) == token
    }
    if len(found) > 1:
        raise CommandLineError(
            Message("{} is a value of the changes of {} users.", text(token), number(len(found))),
            "Give the token at the beginning of a change: that is the user.",
        )
    for change in found.values():
        return Subject(change.external_id, change.id, "a value of the planned change, by its token")
    return None


def _unknown(inspection: Inspection, who: str) -> CommandLineError:
    meant = (
        nearest_ids(who, inspection.planning.source.users) if is_duo_id(who) else nearest_names(who, _names(inspection))
    )
    quoted = ", ".join(f'"{name}"' for name in meant)
    looked = "Duo by user id, username and e-mail address, NinjaOne by userName and id, and the ledger"
    hint = f"Did you mean {quoted}?" if quoted else _HINT
    if not inspection.planning.actual.complete:
        hint += " NinjaOne's accounts were looked up one by one, so that those of no user in scope were not read."
    return CommandLineError(
        Message('No user or account is called "{}"; looked in {}.', person(who), text(looked)), hint
    )


def _names(inspection: Inspection) -> Iterator[str]:
    """Yield what users and accounts are called, as each place writes it."""
    planning = inspection.planning
    for user in planning.source.users.values():
        yield user.label
        yield user.username
        if user.desired is not None:
            yield user.desired.user_name
    yield from (entry.name for entry in inspection.moment.owned.users.values())
    yield from (account.user_name for account in planning.actual.users)
    yield from inspection.records.names()


def _ids(inspection: Inspection) -> Iterator[str]:
    """Yield the ids by which sentences name users and accounts."""
    yield from inspection.planning.source.users
    for account in inspection.planning.actual.users:
        yield from filter(None, (account.id, account.external_id))
    for duo_id, entry in inspection.moment.owned.users.items():
        yield from (duo_id, entry.id)


def nearest_names(who: str, names: Iterable[str]) -> list[str]:
    """Return up to three of ``names`` that ``who`` may be a misspelling of, the likeliest first.

    Compared is what stands before the @: else all of one domain would be alike.
    """
    by_local: dict[str, dict[str, str]] = {}
    for name in filter(None, names):
        form = folded(name)
        by_local.setdefault(form.partition("@")[0], {}).setdefault(form, name)
    hits = nearest(folded(who).partition("@")[0], by_local.keys(), most=3, cutoff=0.7)
    return [by_local[hit][form] for hit in hits for form in sorted(by_local[hit])][:3]


def nearest_ids(who: str, ids: Iterable[str]) -> list[str]:
    """Return up to three of ``ids`` that ``who`` may be a misspelling of, the likeliest first."""
    return nearest(who, list(ids), most=3, cutoff=0.8)
