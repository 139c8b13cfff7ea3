"""Rights: which changes of an account count as changes of rights, and what they come to (CONTRACT 5.10).

Pure. Counted are: another user type, in either direction; and, for an end user, the way to all
organizations or from one organization to another. From all organizations, or from none, to a
single one is a narrowing and does not count. An end user whose organization is cleared gets all
of them: that is what NinjaOne makes of none.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Change, Delta, Value
from ninjasync.model.values import ALL_ORGANIZATIONS, END_USER, TECHNICIAN

Known = Callable[[str], tuple[str | None, ...]]


def changes_rights(rows: Iterable[Delta], known: Known) -> bool:
    """Whether these rows change an existing account's rights.

    ``known`` gives every value that an attribute may have before: what NinjaOne shows, and where it
    shows none, what was last applied. Where two are possible, the stricter counts.
    """
    for row in rows:
        if row.path == USER_TYPE and any(_kind(before) != _kind(row.after) for before in known(USER_TYPE)):
            return True
        if row.path == ORGANIZATION_ID and any(_kind(before) != TECHNICIAN for before in known(USER_TYPE)):
            return any(_widens(before, row.after) for before in known(ORGANIZATION_ID))
    return False


def tally(changes: Iterable[Change]) -> tuple[tuple[str, int], ...]:
    """Count changes of rights by what they come to, in words that follow a number."""
    found = Counter(_effect(change) for change in changes if change.privilege)
    return tuple(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def _kind(value: Value) -> str:
    """Return the user type; NinjaOne makes an end user of an account without one."""
    form = str(value or END_USER).casefold()
    return next((kind for kind in (TECHNICIAN, END_USER) if kind.casefold() == form), form)


def _widens(before: str | None, after: Value) -> bool:
    if _is_all(before):
        return False
    return after is None or _is_all(after) or before is not None


def _is_all(value: Value) -> bool:
    return isinstance(value, str) and value.casefold() == ALL_ORGANIZATIONS.casefold()


def _effect(change: Change) -> str:
    rows = {row.path: row for row in change.diff}
    kind, place = rows.get(USER_TYPE), rows.get(ORGANIZATION_ID)
    if kind is not None and _kind(kind.after) == TECHNICIAN:
        return "to technician"
    if place is None or (kind is not None and kind.before is not None):
        return "to end user"
    return "to All organizations" if place.after is None or _is_all(place.after) else "to another organization"
