"""Which account each user of Duo has, and which of them can have the account that they want.

Pure. Knows the standing of each Duo user and the accounts that are there. What changes about
an account is decided in ``users``, who gets which name in ``user_names``.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from msgspec.structs import replace

from ninjasync.model.directory import Problem, User
from ninjasync.model.message import Message, counted, listed, person, word
from ninjasync.model.source import SourceUser, Standing
from ninjasync.names_alike import folded, folded_each
from ninjasync.planning.matching import match
from ninjasync.planning.sides import Sides
from ninjasync.planning.user_names import Candidates, assign_user_names, hold

_UNREAD = Message("the account in NinjaOne could not be read")


@dataclass(frozen=True, slots=True)
class Accounts:
    """Whose account is whose. Keys are Duo ids but where said otherwise.

    ``ours`` are our accounts, ``wanted`` the desired users who can have what they want, and
    ``out_of_step`` those of them who do not have it yet; ``adopted`` are the accounts that are
    taken over for them, ``leavers`` the owners of accounts that are no longer wanted,
    ``protected`` the names for which a user is left alone. ``owner`` and ``adopter`` give the
    Duo id by NinjaOne's id; ``active`` counts the active ones of ours.
    """

    ours: Mapping[str, User]
    wanted: Mapping[str, User]
    out_of_step: list[str]
    adopted: Mapping[str, User]
    leavers: Set[str]
    protected: Mapping[str, str]
    owner: Mapping[str | None, str]
    adopter: Mapping[str | None, str]
    active: int
    problems: list[Problem]
    warnings: list[Message]


def assign_accounts(sides: Sides) -> Accounts:
    """Assign each user of Duo an account, and hold users whose userName another account keeps."""
    source, actual, owned = sides.source, sides.actual, sides.owned

    def desired_name(duo_id: str) -> str | None:
        user = source.users.get(duo_id)
        return user.desired.user_name if user and user.desired else None

    matched = match(actual.users, source.users.keys(), owned.users, owned.foreign_users, desired_name)
    ours = {
        duo_id: account if account.shows_active else _as_stopped(sides, duo_id, account)
        for duo_id, account in matched.ours.items()
    }
    candidates = _choose(sides, ours, matched.gone)
    wanted, protected = dict(candidates.wanted), candidates.protected
    out_of_step = _find_out_of_step(ours, wanted)
    adopted: Mapping[str, User] = {}
    held: list[Problem] = []
    if not _all_have_their_names(ours, wanted, out_of_step):
        adopted, held = assign_user_names(sides, candidates)
        for problem in held:
            wanted.pop(problem.external_id or "", None)
    taken_over = {account.id for account in adopted.values()}
    for duo_id in matched.gone:
        if ours[duo_id].id in taken_over:
            del ours[duo_id]
    return Accounts(
        ours=ours,
        wanted=wanted,
        out_of_step=[duo_id for duo_id in out_of_step if duo_id in wanted],
        adopted=adopted,
        leavers={
            duo_id
            for duo_id in ours.keys() - wanted.keys()
            if _is_out(source.users.get(duo_id)) and duo_id not in protected
        },
        protected=protected,
        owner={account.id: duo_id for duo_id, account in ours.items()},
        adopter={account.id: duo_id for duo_id, account in adopted.items()},
        active=sum(account.active for account in ours.values()),
        problems=[*candidates.problems, *held],
        warnings=[*matched.warnings, *_warn(sides, protected, len(actual.users) - len(ours) - len(adopted))],
    )


def _as_stopped(sides: Sides, duo_id: str, account: User) -> User:
    """Take an account that does not say whether it is active for what we made of it last."""
    entry = sides.owned.users.get(duo_id)
    stopped = entry is not None and entry.id == account.id and entry.deactivated_at is not None
    return replace(account, active=False) if stopped else account


def _choose(sides: Sides, ours: Mapping[str, User], gone: frozenset[str]) -> Candidates:
    """Leave out users that the scope, a protected name or an unreadable account excludes."""
    unreadable = [problem for problem in sides.actual.unreadable if problem.resource == "user"]
    unread = _find_unread(sides, unreadable)
    wanted: dict[str, User] = {}
    protected: dict[str, str] = {}
    problems = [*sides.source.unreadable, *unreadable]
    guarded = bool(sides.policy.protected or sides.policy.administrators)
    for user in (*sides.source.users.values(), *(sides.user(duo_id, ours[duo_id]) for duo_id in gone)):
        account = None
        if guarded:
            account = ours.get(user.id)
            shown = _protected_name(sides, user, account)
            if shown is not None and (account is not None or user.standing is not Standing.OUT):
                protected[user.id] = shown
                continue
        if user.problems:
            problems += user.problems
        if user.standing is not Standing.IN or user.desired is None:
            continue
        if account is not None and sides.protects(user.desired.user_name):
            problems.append(hold(user, "name-taken", _say_protected(sides, user.desired.user_name)))
        elif user.id in unread:
            problems.append(hold(user, "unreadable-record", _UNREAD))
        else:
            wanted[user.id] = user.desired
    return Candidates(ours, gone, wanted, protected, tuple(problems))


def _find_unread(sides: Sides, unreadable: list[Problem]) -> Set[str | None]:
    """Return the Duo ids of those whose account could not be read."""
    keys = {problem.key for problem in unreadable}
    unread: set[str | None] = {problem.external_id for problem in unreadable}
    if keys:
        unread.update(duo_id for duo_id, entry in sides.owned.users.items() if entry.id in keys)
    return unread


def _protected_name(sides: Sides, user: SourceUser, account: User | None) -> str | None:
    if account is not None:
        return account.user_name if sides.protects(account.user_name) else None
    if sides.protects(user.label):
        return user.label
    return user.desired.user_name if user.desired and sides.protects(user.desired.user_name) else None


def _say_protected(sides: Sides, name: str) -> Message:
    is_administrator = folded(name) in sides.policy.administrators
    key = "[safety] protect_administrators" if is_administrator else "[safety] protected_users"
    return Message("the userName {} is protected ({})", person(name), word(key))


def _find_out_of_step(ours: Mapping[str, User], wanted: Mapping[str, User]) -> list[str]:
    """Return which of the wanted differ from their account, if only in form: nothing becomes of the others."""
    return [
        duo_id
        for duo_id, desired in wanted.items()
        if (account := ours.get(duo_id)) is None
        or account.values != desired.values
        or account.user_name != desired.user_name
        or account.external_id != duo_id
        or not account.active
    ]


def _all_have_their_names(ours: Mapping[str, User], wanted: Mapping[str, User], out_of_step: list[str]) -> bool:
    """Whether every user already has the name that they want, and no two want the same: so it is on most days."""
    for duo_id in out_of_step:
        account = ours.get(duo_id)
        if account is None or folded(account.user_name) != folded(wanted[duo_id].user_name):
            return False
    return len(set(folded_each([desired.user_name for desired in wanted.values()]))) == len(wanted)


def _is_out(user: SourceUser | None) -> bool:
    return user is None or user.standing is Standing.OUT


def _warn(sides: Sides, protected: Mapping[str, str], unmanaged: int) -> list[Message]:
    warnings = []
    if protected:
        warnings.append(Message("Protected, left as they are: {}.", listed(map(person, sorted(protected.values())))))
    if not sides.owned.known and unmanaged > 0:
        warnings.append(
            Message(
                "{} {} in NinjaOne cannot be judged and {} as {}.",
                word(
                    "There is no ledger for this tenant yet:"
                    if sides.owned.readable
                    else "The ledger cannot be read now, so"
                ),
                counted(unmanaged, "account"),
                word("stay" if unmanaged > 1 else "stays"),
                word("they are" if unmanaged > 1 else "it is"),
            )
        )
    return warnings
