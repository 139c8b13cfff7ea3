"""Which users get the userName that they want, whose account is adopted for it, and why the others are held. Pure."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from ninjasync.model.directory import Problem, User
from ninjasync.model.message import Message, join, listed, person, word
from ninjasync.model.problems import Code
from ninjasync.model.source import SourceUser, Standing
from ninjasync.names_alike import folded
from ninjasync.planning.adoption import UNMANAGED, refuse_account
from ninjasync.planning.names import assign_names
from ninjasync.planning.sides import Sides

_API_ALONE = "{} that SCIM does not show, and that NinjaOne's public API has"
_UNSEEN = Message("an account that NinjaOne does not show; it is tried again a day after NinjaOne said so")


@dataclass(frozen=True, slots=True)
class Candidates:
    """Users in scope and their accounts, before names are looked at. Keys are Duo ids.

    ``ours`` are our accounts; ``gone`` whose users Duo has deleted; ``wanted`` the desired
    users; ``protected`` the names for which a user is left alone.
    """

    ours: Mapping[str, User]
    gone: frozenset[str]
    wanted: Mapping[str, User]
    protected: Mapping[str, str]
    problems: tuple[Problem, ...]

    @property
    def gone_accounts(self) -> Set[str | None]:
        """NinjaOne's ids of the accounts whose users Duo has deleted."""
        return {self.ours[duo_id].id for duo_id in self.gone}


def assign_user_names(sides: Sides, candidates: Candidates) -> tuple[Mapping[str, User], list[Problem]]:
    """Decide who gets the userName that they want: the accounts adopted for it, by Duo id, and who is held."""
    ours, wanted, gone_accounts = candidates.ours, candidates.wanted, candidates.gone_accounts
    unreadable = {folded(problem.key) for problem in sides.actual.unreadable if problem.resource == "user"}
    # A user that Duo has deleted owns nothing any more: the account goes to the user with that address now.
    own = {duo_id: account.id or "" for duo_id, account in ours.items() if duo_id not in candidates.gone}
    assigned = assign_names(
        {duo_id: folded(desired.user_name) for duo_id, desired in wanted.items()},
        own=own,
        names={account_id: folded(account.user_name) for account_id, account in sides.accounts.items()},
        adoptable=lambda account_id: not refuse_account(sides, gone_accounts, sides.accounts[account_id]),
        unreadable=unreadable | {name for resource, name in sides.actual.hidden if resource == "user"},
    )
    users, owner = sides.source.users, {account_id: duo_id for duo_id, account_id in own.items()}
    held: list[Problem] = []
    for duo_id, others in assigned.duplicates.items():
        rivals = [users[other] for other in others if other != duo_id]
        held.append(hold(users[duo_id], "duplicate-user-name", _say_duplicate(rivals)))
    for duo_id, holders in assigned.taken.items():
        who = join(
            " and ",
            (_describe_holder(sides, gone_accounts, sides.accounts[holder], owner.get(holder)) for holder in holders),
        )
        name = wanted[duo_id].user_name
        if not holders:
            kind = sides.actual.kinds.get(folded(name))
            who = Message(_API_ALONE, word(kind)) if kind else _UNSEEN
        message = Message("the userName {} is held by {}", person(name), who)
        held.append(hold(users[duo_id], "name-taken", message))
    return {duo_id: sides.accounts[account_id] for duo_id, account_id in assigned.adopted.items()}, held


def hold(user: SourceUser, code: Code, message: Message) -> Problem:
    """Return why a user of Duo is held, under the name that is wanted."""
    return Problem("user", user.desired.user_name if user.desired else user.label, user.id, code, message)


def _say_duplicate(rivals: list[SourceUser]) -> Message:
    # They may well share their address, too; in Duo no two have one username.
    who = listed(
        Message('{} (Duo username "{}")', person(rival.label), person(rival.username))
        for rival in sorted(rivals, key=lambda rival: (rival.label, rival.username))
    )
    return Message("wants the same userName as {}; give each their own in Duo", who)


def _describe_holder(sides: Sides, gone_accounts: Set[str | None], account: User, owner: str | None) -> Message:
    """Say whose an account is that keeps its name; ``owner`` is the Duo id of its user, if it is ours."""
    if owner is not None:
        user = sides.user(owner, account)
        why = user.reason if user.standing is Standing.OUT else Message("who keeps it")
        return Message("the account {} of the Duo user {} ({})", person(account.id or ""), person(owner), why)
    return refuse_account(sides, gone_accounts, account) or Message(
        "the account {}, {}", person(account.id or ""), UNMANAGED
    )
