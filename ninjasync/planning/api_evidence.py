"""What follows from the public API's evidence; all of it can make a plan stricter, none of it looser (CONTRACT 7.9).

Pure. Knows what SCIM showed and what the API says of the same addresses. Accounts are matched
by address under the one rule for names, never by id: the two have no id in common.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from ninjasync.model.api_evidence import KINDS, ApiAccount, ApiEvidence
from ninjasync.model.attributes import ORGANIZATION_ID, USER_NAME, USER_TYPE
from ninjasync.model.change import REMOVALS, Change
from ninjasync.model.directory import Directory, Resource, User
from ninjasync.model.message import Message, counted, listed, person
from ninjasync.model.values import ALL_ORGANIZATIONS, TECHNICIAN, same_value
from ninjasync.names_alike import folded, folded_each

_MOST_NAMES = 10
_STILL_ENABLED = (
    "NinjaOne's public API calls these accounts enabled, which SCIM shows as inactive: {}. "
    "Look at them in the NinjaOne console."
)
_DISABLED = (
    "NinjaOne's public API calls these accounts disabled, which SCIM shows as active: {}. "
    "They are not reactivated for that."
)
_STILL_ENABLED_HIDDEN = (
    "NinjaOne's public API calls these accounts enabled, which were deactivated, and of which SCIM does not show "
    "whether they are active: {}. Look at them in the NinjaOne console."
)
_DISABLED_HIDDEN = (
    "NinjaOne's public API calls these accounts disabled, of which SCIM does not show whether they are active: {}. "
    "They are not reactivated for that."
)
_NOT_LISTED = (
    "NinjaOne's public API does not list {} that SCIM shows, so what it would say of them is not known: {}. If its "
    "lists are cut off, ask NinjaOne's support."
)
_KINDS = {"technician": "a technician", "endUser": "an end user"}
_SEVERAL = "several accounts"


def apply_evidence(
    shown: Directory, evidence: ApiEvidence, desired: Iterable[str], deactivated: Collection[str] = ()
) -> Directory:
    """Return what SCIM showed, with the API's word where that is nothing or something else.

    ``desired`` are the userNames that users in scope want. Those that only the API shows
    become hidden names, so that no user is created under them. ``deactivated`` are the ids of the
    accounts that ninjasync deactivated.
    """
    names = folded_each([user.user_name for user in shown.users])
    accounts = [evidence.account(name) for name in names]
    users = _with_api_words(shown, accounts)
    wanted = set(folded_each(list(desired))).difference(names)
    kinds = {name: _KINDS[account.kind] for name in wanted if (account := evidence.account(name)) is not None}
    kinds |= {name: _SEVERAL for name in wanted if name in evidence.ambiguous}
    taken: set[tuple[Resource, str]] = {("user", name) for name in kinds}
    return replace(
        shown,
        users=users,
        hidden=shown.hidden | taken,
        kinds={**shown.kinds, **kinds},
        unshown=_unshown(shown),
        warnings=(
            *shown.warnings,
            *evidence.failures,
            *evidence.warnings,
            *_disagreements(zip(shown.users, accounts, strict=True), deactivated),
            *_not_listed(_lacking(shown.users, names, accounts, evidence), evidence),
        ),
    )


def _with_api_words(shown: Directory, accounts: Sequence[ApiAccount | None]) -> tuple[User, ...]:
    """Return the users with the API's word; mostly the two agree, and nothing is made anew."""
    type_at = shown.paths.index(USER_TYPE) if USER_TYPE in shown.paths else None
    place_at = shown.paths.index(ORGANIZATION_ID) if ORGANIZATION_ID in shown.paths else None
    found = []
    for user, account in zip(shown.users, accounts, strict=True):
        agrees = account is None or (
            (type_at is None or user.values[type_at] == account.kind)
            and (place_at is None or user.values[place_at] == account.organization)
        )
        found.append(user if agrees or account is None else _with_api_word(user, shown.paths, account))
    return tuple(found)


def _with_api_word(user: User, paths: tuple[str, ...], account: ApiAccount) -> User:
    values = tuple(
        word if (word := _word(path, value, account)) is not None else value
        for path, value in zip(paths, user.values, strict=True)
    )
    return user if values == user.values else _replaced(user, values)


def _word(path: str, value: str | None, account: ApiAccount) -> str | None:
    """Return what the API says where SCIM shows nothing or something else; None where SCIM's ``value`` stands.

    No number is no more than a hint at All, so it does not go before a number that SCIM shows.
    """
    if path == USER_TYPE:
        told: str | None = account.kind
    elif path == ORGANIZATION_ID and (value is None or account.organization != ALL_ORGANIZATIONS):
        told = account.organization
    else:
        return None
    return None if told is None or same_value(path, value, told) else told


def _replaced(user: User, values: tuple[str | None, ...]) -> User:
    return User(user.user_name, user.external_id, user.active, values, user.id, user.shows_active)


def _unshown(shown: Directory) -> frozenset[str]:
    """Return the paths for which SCIM shows no value of any account: what was last applied still counts there."""
    columns = zip(*(user.values for user in shown.users), strict=True) if shown.users else ()
    return frozenset(path for path, column in zip(shown.paths, columns, strict=False) if not any(column))


def _disagreements(users: Iterable[tuple[User, ApiAccount | None]], deactivated: Collection[str]) -> list[Message]:
    """Tell the accounts that one side calls active and the other does not."""
    told: dict[str, list[str]] = {template: [] for template in _BY_STATE.values()}
    for user, account in users:
        if account is None or account.enabled is None:
            continue
        active = user.active if user.shows_active else user.id not in deactivated
        if account.enabled != active:
            told[_BY_STATE[account.enabled, user.shows_active]].append(user.user_name)
    return [
        Message(template, listed(map(person, sorted(names)), _MOST_NAMES)) for template, names in told.items() if names
    ]


_BY_STATE = {
    (True, True): _STILL_ENABLED,
    (True, False): _STILL_ENABLED_HIDDEN,
    (False, True): _DISABLED,
    (False, False): _DISABLED_HIDDEN,
}


def _lacking(
    users: Iterable[User], names: Iterable[str], accounts: Iterable[ApiAccount | None], evidence: ApiEvidence
) -> list[str]:
    """Return the active accounts that the API lacks."""
    return sorted(
        user.user_name
        for user, name, account in zip(users, names, accounts, strict=True)
        if account is None and user.active and name not in evidence.ambiguous
    )


def _not_listed(lacking: Sequence[str], evidence: ApiEvidence) -> list[Message]:
    """Tell the accounts that the API lacks, where its lists were read."""
    if evidence.unread or not lacking:
        return []
    names = listed(map(person, lacking), _MOST_NAMES)
    return [Message(_NOT_LISTED, counted(len(lacking), "account"), names)]


def find_administrators(shown: Directory, evidence: ApiEvidence) -> frozenset[str]:
    """Return the folded userNames of the accounts that are system administrators."""
    administrators = {name for name, account in evidence.accounts.items() if account.administrator}
    return frozenset(administrators.intersection(folded_each([user.user_name for user in shown.users])))


def names_of_technicians(changes: Iterable[Change], actual: Directory) -> frozenset[str]:
    """Return the names of the removals and changes of type of accounts that may be technicians'."""
    return names_that_may_hit_administrators(changes, actual, ApiEvidence(unread=frozenset(KINDS)))


def address_of(change: Change) -> str:
    """Return the folded userName that the account of a change has before it."""
    former = (delta.before for delta in change.diff if delta.path == USER_NAME)
    return folded(next((name for name in former if isinstance(name, str)), change.key))


def names_that_may_hit_administrators(
    changes: Iterable[Change], shown: Directory, evidence: ApiEvidence
) -> frozenset[str]:
    """Return the names of the changes that might hit a system administrator while it is not known who is one.

    These are deactivations, deletions and changes of type of accounts that may be technicians',
    and of which the API does not say whether they are an administrator's: it could not be read,
    its list lacks them, or two of its accounts have one address.
    """
    type_at = shown.paths.index(USER_TYPE) if USER_TYPE in shown.paths else None
    accounts = {user.id: user for user in shown.users}

    def may_hit(change: Change) -> bool:
        if change.resource != "user" or change.id is None:
            return False
        if change.action not in REMOVALS and not any(delta.path == USER_TYPE for delta in change.diff):
            return False
        user = accounts.get(change.id)
        name = folded(user.user_name) if user else ""
        account = evidence.account(name)
        if account is not None and account.administrator is not None:
            return False  # an account that is known to be one is protected, and is not among the changes
        kinds = {user.values[type_at] if user and type_at is not None else None}
        if account is not None and "technician" in evidence.unread:
            kinds.add(account.kind)
        elif account is not None:
            kinds = {account.kind}
        elif name in evidence.ambiguous:
            kinds = set(evidence.ambiguous[name])
        return any(same_value(USER_TYPE, kind, TECHNICIAN) for kind in kinds) or not any(kinds)

    return frozenset(change.name for change in changes if may_hit(change))
