"""What follows from the public API's evidence; all of it can make a plan stricter, none of it looser (CONTRACT 7.9).

Pure. Knows what SCIM showed and what the API says of the same addresses. Accounts are matched
by address under the one rule for names, never by id: the two have no id in common.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ninjasync.model.api_evidence import ApiAccount, ApiEvidence
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import REMOVALS, Change
from ninjasync.model.directory import Directory, Resource, User
from ninjasync.model.message import Message, listed, person
from ninjasync.model.values import TECHNICIAN, same_value
from ninjasync.names_alike import folded

_MOST_NAMES = 10
_STILL_ENABLED = (
    "NinjaOne's public API calls these accounts enabled, which SCIM shows as inactive: {}. "
    "Look at them in the NinjaOne console."
)
_DISABLED = (
    "NinjaOne's public API calls these accounts disabled, which SCIM shows as active: {}. "
    "They are not reactivated for that."
)
_KINDS = {"technician": "a technician", "endUser": "an end user"}


def apply_evidence(actual: Directory, evidence: ApiEvidence, desired: Iterable[str]) -> Directory:
    """Return the directory with the API's word where SCIM shows nothing or something else.

    ``desired`` are the userNames that users in scope want. Those that only the API shows
    become hidden names, so that nobody tries to create them.
    """
    users = tuple(_with_api_word(user, actual.paths, evidence.account(folded(user.user_name))) for user in actual.users)
    shown = {folded(user.user_name) for user in actual.users}
    wanted = {folded(name) for name in desired} - shown
    hidden = {name: account for name in wanted if (account := evidence.account(name)) is not None}
    names: set[tuple[Resource, str]] = {("user", name) for name in (*hidden, *(wanted & evidence.ambiguous))}
    return replace(
        actual,
        users=users,
        hidden=actual.hidden | names,
        kinds={**actual.kinds, **{name: _KINDS[account.kind] for name, account in hidden.items()}},
        warnings=(*actual.warnings, *evidence.failures, *evidence.warnings, *_disagreements(actual.users, evidence)),
    )


def _with_api_word(user: User, paths: tuple[str, ...], account: ApiAccount | None) -> User:
    if account is None:
        return user
    told: Mapping[str, str | None] = {USER_TYPE: account.kind, ORGANIZATION_ID: account.organization}
    values = tuple(
        word if (word := told.get(path)) is not None and not same_value(path, value, word) else value
        for path, value in zip(paths, user.values, strict=True)
    )
    return user if values == user.values else _replaced(user, values)


def _replaced(user: User, values: tuple[str | None, ...]) -> User:
    return User(user.user_name, user.external_id, user.active, values, user.id, user.shows_active)


def _disagreements(users: Iterable[User], evidence: ApiEvidence) -> list[Message]:
    """Tell the accounts that one side calls active and the other does not."""
    enabled: list[str] = []
    disabled: list[str] = []
    for user in users:
        account = evidence.account(folded(user.user_name))
        if account is None or account.enabled is None or account.enabled == user.active or not user.shows_active:
            continue
        (enabled if account.enabled else disabled).append(user.user_name)
    return [
        Message(template, listed(map(person, sorted(names)), _MOST_NAMES))
        for template, names in ((_STILL_ENABLED, enabled), (_DISABLED, disabled))
        if names
    ]


def find_administrators(actual: Directory, evidence: ApiEvidence) -> tuple[str, ...]:
    """Return the userNames of the accounts that are system administrators."""
    return tuple(
        sorted(
            user.user_name
            for user in actual.users
            if (account := evidence.account(folded(user.user_name))) is not None and account.administrator
        )
    )


def names_that_may_hit_administrators(
    changes: Iterable[Change], actual: Directory, evidence: ApiEvidence
) -> frozenset[str]:
    """Return the names of the changes that might hit a system administrator while it is not known who is one.

    These are deactivations, deletions and changes of type of accounts that may be technicians',
    and of which the API does not say whether they are an administrator's: it could not be read,
    its list lacks them, or two of its accounts have one address.
    """
    type_at = actual.paths.index(USER_TYPE) if USER_TYPE in actual.paths else None
    accounts = {user.id: user for user in actual.users}

    def may_hit(change: Change) -> bool:
        if change.resource != "user" or change.id is None:
            return False
        if change.action not in REMOVALS and not any(delta.path == USER_TYPE for delta in change.diff):
            return False
        user = accounts.get(change.id)
        account = evidence.account(folded(user.user_name)) if user else None
        if account is not None and account.administrator is not None:
            return False  # an account that is known to be one is protected, and is not among the changes
        kind = account.kind if account else user.values[type_at] if user and type_at is not None else None
        return kind is None or same_value(USER_TYPE, kind, TECHNICIAN)

    return frozenset(change.name for change in changes if may_hit(change))
