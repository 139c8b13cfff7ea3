"""What changes about users' accounts: created, adopted, updated, reactivated, and what leavers lose.

Pure. Takes whose account is whose (``accounts``) as given; must not know groups.
"""

from collections import Counter
from dataclasses import dataclass, field

from ninjasync.model.attributes import ACTIVE, EXTERNAL_ID, ORGANIZATION_ID, USER_NAME, USER_TYPE
from ninjasync.model.change import Action, Change, Delta, count
from ninjasync.model.directory import User
from ninjasync.model.message import Message, counted, word
from ninjasync.model.ownership import Owned
from ninjasync.model.plan import Counts
from ninjasync.model.values import same_value
from ninjasync.names_alike import folded
from ninjasync.planning.accounts import Accounts
from ninjasync.planning.leavers import DeletionSchedule
from ninjasync.planning.names import order_renames
from ninjasync.planning.removals import remove_leavers
from ninjasync.planning.rights import changes_rights
from ninjasync.planning.sides import Sides, carries

_HIDDEN = "NinjaOne does not show {} of {}; what was last applied counts instead."
_KEPT = "NinjaOne keeps another {} than was sent for {}; it is not sent again."
_ADOPTED = Message("the userName is that of an account in NinjaOne that is not managed")


@dataclass(frozen=True, slots=True)
class UserChanges:
    """Each user's change, with its needs, in no particular order; and when leavers' accounts are deleted."""

    changes: list[Change]
    warnings: list[Message]
    schedule: DeletionSchedule


@dataclass(frozen=True, slots=True)
class _Kept:
    """Differences that stay, counted: of NinjaOne's making, by path and whether it hides the value; and spared ones."""

    settled: Counter[tuple[str, bool]] = field(default_factory=Counter)
    spared: Counter[str] = field(default_factory=Counter)


def change_users(sides: Sides, accounts: Accounts) -> UserChanges:
    """Return what changes about users, and what was noticed on the way."""
    kept, made = _Kept(), list[Change]()
    for duo_id in accounts.out_of_step:
        desired = accounts.wanted[duo_id]
        account, adopt = accounts.ours.get(duo_id), False
        if account is None:
            account, adopt = accounts.adopted.get(duo_id), True
        if account is None:
            made.append(_create(sides, duo_id, desired))
            continue
        rows = _compare(sides, duo_id, desired, account, kept)
        if rows or adopt:
            made.append(_patch(sides, desired, account, rows, adopt=adopt))
    removals = remove_leavers(sides, accounts)
    made += removals.changes
    names = {change.id: folded(sides.accounts[change.id].user_name) for change in made if change.id}
    return UserChanges(
        order_renames(made, USER_NAME, names, _temporary_name),
        [*removals.warnings, *_describe_kept(kept)],
        removals.schedule,
    )


def count_users(sides: Sides, accounts: Accounts, changes: list[Change]) -> Counts:
    """Count users by what happens to them."""
    mine = [problem for problem in accounts.problems if problem.resource == "user"]
    held = {problem.external_id for problem in mine if problem.external_id}
    nameless = sum(problem.external_id is None for problem in mine)
    actions = count(changes, "user")
    changed = sum(actions.values()) - actions["create"] - actions["adopt"]
    actual, ours = sides.actual, accounts.ours
    return Counts(
        actions,
        unchanged=len(ours) - changed - sum(duo_id in ours for duo_id in held),
        unmanaged=len(actual.users) - len(ours) - len(accounts.adopted) if actual.complete else None,
        held=len(held) + nameless,
    )


def _create(sides: Sides, duo_id: str, desired: User) -> Change:
    values = zip(sides.source.paths, desired.values, strict=True)
    rows = [Delta(USER_NAME, None, desired.user_name)]
    rows += [Delta(path, None, value) for path, value in values if value is not None]
    reason = sides.source.users[duo_id].reason
    return Change("user", "create", desired.user_name, None, duo_id, tuple(rows), reasons=(reason,))


def _compare(sides: Sides, duo_id: str, desired: User, account: User, kept: _Kept) -> list[Delta]:
    """Return what is to be sent for an account; what differs and is not sent is counted in ``kept``."""
    rows: list[Delta] = []
    if not account.active:
        rows.append(Delta(ACTIVE, before=False, after=True))
    entry = sides.owned.users.get(duo_id)
    if entry is not None and entry.id != account.id:
        entry = None
    if sides.policy.external_id and not carries(duo_id, account.external_id, entry):
        rows.append(Delta(EXTERNAL_ID, account.external_id, duo_id))
    elif entry and account.external_id and entry.settled(EXTERNAL_ID, duo_id, account.external_id):
        kept.settled[EXTERNAL_ID, False] += 1
    if folded(account.user_name) != folded(desired.user_name) and not (
        entry and entry.settled(USER_NAME, desired.user_name, account.user_name)
    ):
        rows.append(Delta(USER_NAME, account.user_name, desired.user_name))
    if account.values != desired.values:
        for path, old, new in zip(sides.source.paths, account.values, desired.values, strict=True):
            if same_value(path, old, new):
                continue
            if path in sides.source.empty:  # no user in scope has a value: the account keeps its own (CONTRACT 5.10)
                kept.spared[path] += 1
            elif _is_settled(sides, entry, path, old, new):
                kept.settled[path, old is None] += 1
            else:
                rows.append(Delta(path, old, new))
    return rows


def _is_settled(sides: Sides, entry: Owned | None, path: str, old: str | None, new: str | None) -> bool:
    """Whether a difference is of NinjaOne's making and known, so that sending it again is of no use."""
    if entry is None or (path in (USER_TYPE, ORGANIZATION_ID) and old is not None):
        return False
    hidden = old is None and path in sides.unshown and entry.applied.get(path) == new
    return hidden or entry.settled(path, new, old)


def _patch(sides: Sides, desired: User, account: User, rows: list[Delta], *, adopt: bool) -> Change:
    duo_id = desired.external_id or ""
    reasons = [sides.source.users[duo_id].reason]
    if adopt:
        reasons.append(_ADOPTED)
    action: Action = "adopt" if adopt else "update" if account.active else "reactivate"
    return Change(
        "user",
        action,
        desired.user_name,
        account.id,
        duo_id,
        tuple(rows),
        reasons=tuple(reasons),
        privilege=changes_rights(rows, lambda path: _know(sides, path, account)),
        whole=_whole(sides, desired, account),
    )


def _know(sides: Sides, path: str, account: User) -> tuple[str | None, ...]:
    """Return what an attribute of an account may be: what NinjaOne shows, else what was last applied.

    Where other accounts show it, it may also be none, as is shown.
    """
    at = sides.source.paths.index(path) if path in sides.source.paths else None
    shown = account.values[at] if at is not None else None
    entry = sides.entries.get(account.id or "")
    if shown is not None or entry is None or (applied := entry.applied.get(path)) is None:
        return (shown,)
    return (applied,) if path in sides.unshown else (applied, None)


def _whole(sides: Sides, desired: User, account: User) -> tuple[tuple[str, str], ...]:
    """Return all attributes for a server that replaces the whole; those that are never cleared as they are."""
    values = dict(zip(sides.source.paths, desired.values, strict=True))
    values |= {path: _know(sides, path, account)[0] for path in sides.source.empty if path in values}
    return ((USER_NAME, desired.user_name), *((path, value) for path, value in values.items() if value is not None))


def _describe_kept(kept: _Kept) -> list[Message]:
    warnings = [
        Message(
            "No user in scope has a value for {} in Duo, so that {}.",
            word(path.rpartition(":")[2]),
            counted(accounts, "account keeps its own", "accounts keep theirs"),
        )
        for path, accounts in sorted(kept.spared.items())
    ]
    warnings += [
        Message(_HIDDEN if hidden else _KEPT, word(path.rpartition(":")[2]), counted(accounts, "account"))
        for (path, hidden), accounts in sorted(kept.settled.items())
    ]
    return warnings


def _temporary_name(change: Change, wanted: str) -> str:
    return f"ninjasync-{change.external_id}@{wanted.rpartition('@')[2]}"
