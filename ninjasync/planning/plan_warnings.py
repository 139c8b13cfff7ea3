"""What a plan warns of beside its changes, once it is judged. Pure."""

from collections.abc import Iterator
from datetime import date

from ninjasync.model.change import Change, journal_diff
from ninjasync.model.directory import Directory
from ninjasync.model.message import Message, counted, join, listed, number, text, word
from ninjasync.model.plan import Evidence
from ninjasync.model.source import Source
from ninjasync.model.token_expiry import days_left, is_to_be_renewed, tell_expiry
from ninjasync.names_alike import fitting_none, is_glob
from ninjasync.planning.source import suggest_name


def find_protectable(source: Source) -> Iterator[str]:
    """Yield the names of Duo's users by which an account may be protected."""
    for user in source.users.values():
        yield user.label
        if user.desired is not None and user.desired.user_name != user.label:
            yield user.desired.user_name


def warn_of_unmet_protection(unmet: tuple[str, ...], source: Source, actual: Directory) -> list[Message]:
    """Name entries of protected_users that fit neither a user in Duo nor an account in NinjaOne.

    Where accounts were looked up, only those entries were that are no pattern.
    """
    accounts = [account.user_name for account in actual.users] if unmet else []
    return [
        Message(
            '{}: "{}" fits neither a user in Duo nor an account in NinjaOne, so it protects nothing{}.',
            word("[safety] protected_users"),
            text(entry),
            suggest_name(entry, (*find_protectable(source), *accounts)),
        )
        for entry in fitting_none(unmet, accounts)
        if actual.complete or not is_glob(entry)
    ]


def warn_of_vanished(evidence: Evidence) -> list[Message]:
    """Say what of ours is no longer there, also where that is within the limit."""
    gone = (counted(evidence.gone("user"), "account"), counted(evidence.gone("group"), "group"))
    parts = [part for part in gone if not part.startswith("0 ")]
    if not parts:
        return []
    return [
        Message(
            "NinjaOne no longer has {} that ninjasync managed; apply makes anew what is still wanted and forgets the "
            "rest.",
            join(" and ", parts),
        )
    ]


def warn_of_unread(unreadable: int) -> list[Message]:
    """Say that no account is removed while records cannot be read."""
    if not unreadable:
        return []
    records = counted(unreadable, "record")
    return [Message("{} could not be read; as long as that is so, no account is removed.", records)]


def warn_of_repeated(changes: tuple[Change, ...], before: frozenset[tuple[str, str | None, str]]) -> list[Message]:
    """Say which changes the last two runs made already: NinjaOne does not keep them."""
    again = [
        change.subject
        for change in changes
        if before and (change.resource, change.external_id, journal_diff(change)) in before
    ]
    if not again:
        return []
    return [
        Message(
            "The last two runs made these very changes already, and NinjaOne does not keep them: {}.", listed(again)
        )
    ]


def warn_of_token(expires: date | None, today: date) -> tuple[Message, ...]:
    """Say that the SCIM token has expired, or is about to."""
    days = days_left(expires, today)
    if days is None or not is_to_be_renewed(days):
        return ()
    when = Message("expired on {}", number(expires))
    if days >= 0:
        when = Message("{}, on {}", tell_expiry(days), number(expires))
    return (
        Message(
            "The SCIM token {}; make a new one in the NinjaOne console and set {}.",
            when,
            word("[ninjaone] token_expires"),
        ),
    )
