"""What becomes of leavers' accounts: kept, deactivated or deleted. Pure. When one is deleted says ``leavers``."""

from dataclasses import dataclass, field

from ninjasync.model.attributes import ACTIVE
from ninjasync.model.change import Change, Delta
from ninjasync.model.message import Message, counted, number
from ninjasync.planning.accounts import Accounts
from ninjasync.planning.leavers import DeletionSchedule, InactiveAccount, schedule_deletions
from ninjasync.planning.sides import Sides

_KEPT_INACTIVE = Message("kept inactive")


@dataclass(frozen=True, slots=True)
class Removals:
    """The accounts that are deactivated or deleted now, and those whose time has not come."""

    changes: list[Change]
    warnings: tuple[Message, ...] = ()
    schedule: DeletionSchedule = field(default_factory=DeletionSchedule)


def remove_leavers(sides: Sides, accounts: Accounts) -> Removals:
    """Return what becomes of the accounts of those who are no longer to have one."""
    match sides.policy.deprovision.users:
        case "keep":
            return Removals([])
        case "delete":
            there = (duo_id for duo_id in accounts.leavers if not _is_deleted(sides, accounts, duo_id))
            return Removals([_delete(accounts, duo_id, _say_why(sides, accounts, duo_id)) for duo_id in there])
    days = sides.policy.deprovision.delete_after_days
    then = Message("deleted {} days later, unless the user returns", number(days)) if days > 0 else _KEPT_INACTIVE
    stopped = [
        _deactivate(accounts, duo_id, (_say_why(sides, accounts, duo_id), then))
        for duo_id in accounts.leavers
        if accounts.ours[duo_id].active
    ]
    inactive = [
        InactiveAccount(duo_id, account.user_name, entry.deactivated_at if entry else None)
        for duo_id in accounts.leavers
        if not (account := accounts.ours[duo_id]).active and not _is_deleted(sides, accounts, duo_id)
        for entry in (sides.owned.users.get(duo_id),)
    ]
    room = int(sides.policy.removal_limit(accounts.active)) - len(stopped)
    schedule = schedule_deletions(inactive, days, sides.policy.now, room)
    due = [
        _delete(
            accounts,
            turn.account.external_id,
            Message(
                "inactive since {}, due {}", number(f"{turn.account.since:%Y-%m-%d}"), number(f"{turn.due:%Y-%m-%d}")
            ),
        )
        for turn in schedule.due
    ]
    return Removals(stopped + due, _warn_of_deferred(schedule), schedule)


def _warn_of_deferred(schedule: DeletionSchedule) -> tuple[Message, ...]:
    if not schedule.deferred:
        return ()
    return (
        Message(
            "{} due but beyond the removal limit; the rest follows in later runs, the oldest first.",
            counted(len(schedule.deferred), "deletion is", "deletions are"),
        ),
    )


def _say_why(sides: Sides, accounts: Accounts, duo_id: str) -> Message:
    return sides.user(duo_id, accounts.ours[duo_id]).reason


def _is_deleted(sides: Sides, accounts: Accounts, duo_id: str) -> bool:
    """Whether NinjaOne accepted the deletion of an account and keeps it, inactive, all the same."""
    account, entry = accounts.ours[duo_id], sides.owned.users.get(duo_id)
    return not account.active and entry is not None and entry.deleted and entry.id == account.id


def _delete(accounts: Accounts, duo_id: str, reason: Message) -> Change:
    account = accounts.ours[duo_id]
    return Change("user", "delete", account.user_name, account.id, duo_id, reasons=(reason,))


def _deactivate(accounts: Accounts, duo_id: str, reasons: tuple[Message, ...]) -> Change:
    account = accounts.ours[duo_id]
    row = Delta(ACTIVE, before=True, after=False)
    return Change("user", "deactivate", account.user_name, account.id, duo_id, (row,), reasons=reasons)
