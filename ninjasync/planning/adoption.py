"""Why an unmanaged account or group may not be taken over.

Pure. A resource may be another tenant's, protected, or carry the mark of a user or group that is not at hand.
"""

from collections.abc import Container, Set

from ninjasync.model.directory import Group, User
from ninjasync.model.message import NOTHING, Argument, Message, person, word
from ninjasync.model.message import group as a_group
from ninjasync.model.ownership import Owned
from ninjasync.model.source import is_duo_id
from ninjasync.planning.sides import Sides

UNMANAGED = Message("which ninjasync does not manage")
# What to do about the mark of another Duo, behind the words that name it.
_ANOTHERS = Message(
    "another Duo's, or of a time before this ledger; only {} takes such over",
    word("[deprovision] adopt_foreign = true"),
)
_UNKNOWN_MARK = "which carries a Duo id that neither this Duo nor the ledger knows ({}): {}"
_ANOTHER_ACCOUNTS = "which carries the Duo id of another account ({})"
_ANOTHER_GROUPS = "which carries the Duo id of another group ({})"


def refuse_account(sides: Sides, gone: Set[str | None], account: User) -> Message:
    """Say why an account may not be taken over; empty where it may.

    ``gone`` are the ids of the accounts whose users Duo has deleted.
    """
    source, owned, deprovision = sides.source, sides.owned, sides.policy.deprovision
    whose = person(account.id or "")
    if (tenant := owned.foreign_users.get(account.id or "")) is not None:
        return Message("the account {} of the tenant {}", whose, word(tenant))
    if sides.protects(account.user_name):
        return Message("the protected account {}", whose)
    marked = account.external_id is not None or account.id in gone
    if marked and (source.unlisted or not all(problem.external_id for problem in source.unreadable)):
        return Message("the account {}, whose user may be one whose record in Duo could not be read", whose)
    if account.id in gone:
        return NOTHING
    carried = account.external_id or ""
    if carried.upper() in source.users:
        return Message("the account {}, which carries the Duo id of another user ({})", whose, person(carried))
    entry = owned.users.get(carried.upper())
    if (another := _mark_of_another(person(carried), entry, sides.accounts)) and not deprovision.adopt_foreign:
        return Message("the account {}, {}", whose, another)
    if not deprovision.adopt:
        return Message("the account {}, {} ({} is off)", whose, UNMANAGED, word("[deprovision] adopt"))
    return NOTHING


def refuse_group(sides: Sides, gone: Set[str | None], group: Group) -> Message:
    """Say why a group may not be taken over; empty where it may.

    ``gone`` are the ids of those whose Duo group was deleted.
    """
    owned, deprovision = sides.owned, sides.policy.deprovision
    if (tenant := owned.foreign_groups.get(group.id or "")) is not None:
        return Message("of the tenant {}", word(tenant))
    if group.id in gone:
        return NOTHING
    mark, duo_id = a_group(group.external_id or ""), (group.external_id or "").upper()
    if duo_id in sides.source.groups:
        return Message(_ANOTHER_GROUPS, mark)
    if (another := _mark_of_another(mark, owned.groups.get(duo_id), sides.groups)) and not deprovision.adopt_foreign:
        return another
    if not deprovision.adopt:
        return Message("{} ({} is off)", UNMANAGED, word("[deprovision] adopt"))
    return NOTHING


def _mark_of_another(mark: Argument, entry: Owned | None, there: Container[str]) -> Message:
    """Say whose a resource is that carries a Duo id which this Duo does not have; empty where that shows nothing.

    ``entry`` is what the ledger has for that Duo id, ``there`` are the ids that NinjaOne shows.
    """
    if not is_duo_id(mark.value):
        return NOTHING
    if entry is None:
        return Message(_UNKNOWN_MARK, mark, _ANOTHERS)
    if entry.id not in there:
        return NOTHING
    return Message(_ANOTHER_ACCOUNTS if mark.kind == "person" else _ANOTHER_GROUPS, mark)
