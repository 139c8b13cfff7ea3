"""Narrows a plan to the users that ``--only`` names, with their own memberships.

Pure. The guards have judged the whole world by then.
"""

from dataclasses import replace

from ninjasync.errors import CommandLineError
from ninjasync.model.change import Change
from ninjasync.model.message import Message, did_you_mean, person, word
from ninjasync.model.source import Source, SourceUser
from ninjasync.names_alike import folded
from ninjasync.planning import guards
from ninjasync.planning.diff import Difference


def narrow(only: tuple[str, ...], source: Source, difference: Difference) -> tuple[Change, ...]:
    """Narrow the changes to these users and their own memberships.

    WHO is an e-mail, a Duo username's label, a Duo user id or a NinjaOne id. No group is
    created, renamed or deleted.
    """
    chosen: set[str] = set()
    for who in only:
        form = folded(who)
        hits = {user.id for user in source.users.values() if who == user.id or form in _fold_names(user)}
        hits |= {
            duo_id
            for duo_id, account in difference.ours.items()
            if who in (account.id, duo_id) or folded(account.user_name) == form
        }
        if not hits:
            near = did_you_mean(who, [user.label for user in source.users.values()], person)
            raise CommandLineError(
                Message('{}: neither Duo nor a managed account is called "{}"{}.', word("--only"), person(who), near),
                _ONLY_HINT,
            )
        chosen |= hits
    kept = []
    for change in difference.changes:
        if change.resource == "user" and change.external_id in chosen:
            kept.append(change)
        elif change.resource == "group" and change.action == "update":
            added = tuple(member for member in change.added if member.external_id in chosen)
            removed = tuple(member for member in change.removed if member.external_id in chosen)
            if added or removed:
                kept.append(replace(change, diff=(), needs=(), added=added, removed=removed))
    return guards.with_their_needs(kept)


_ONLY_HINT = "Give an e-mail address, a Duo username, a Duo user id or a NinjaOne id."


def _fold_names(user: SourceUser) -> set[str]:
    names = {folded(user.label), folded(user.username)}
    return names | {folded(user.desired.user_name)} if user.desired else names
