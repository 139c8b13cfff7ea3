"""One person's case: what was read of him, and what a diff of that small world says.

Pure. Lays the small world over itself with the very functions that make a plan of the
whole one. Who is in the small world is ``seek``'s affair, how it is told ``explain``'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ninjasync.config.schema import Config
from ninjasync.model.change import Change
from ninjasync.model.directory import Directory, User
from ninjasync.model.explanation import Outcome
from ninjasync.model.ownership import Ownership
from ninjasync.model.source import Source, Standing
from ninjasync.names_alike import folded
from ninjasync.planning.diff import Policy, diff
from ninjasync.planning.leavers import Turn
from ninjasync.planning.mapping import AttributeMapping
from ninjasync.planning.scope import Scope, Verdict, judge
from ninjasync.planning.users import protection

_NO_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read of one person, and of everybody on whom he depends.

    ``duo_id`` is None for an account that is nobody's; ``account_id`` is set where he was
    found by an account. ``record`` is Duo's, cleaned, and ``groups`` the ids of his groups
    in it; None where Duo has none, or they cannot be read. ``how`` is by what he was
    found, ``looked`` what was asked for in NinjaOne. ``listed`` says that it could not be
    asked for single accounts. ``unsure`` are sentences on what only a full plan can tell.
    """

    who: str
    at: datetime
    how: str
    duo_id: str | None
    account_id: str | None
    record: Mapping[str, Any] | None
    groups: tuple[str, ...] | None
    scope: Scope
    mapping: AttributeMapping
    source: Source
    actual: Directory
    owned: Ownership
    looked: tuple[str, ...]
    listed: bool
    unsure: tuple[str, ...]


class Case:
    """What a plan would say of one person.

    ``user`` is None where Duo has none, ``account`` where NinjaOne has none that is his or
    would be. ``stranger`` is an account of his name that is not his; ``heir`` is the Duo id
    of whoever takes his account over. ``memberships`` are the changes of groups, narrowed
    to him; ``turn`` says when his account is deleted.
    """

    def __init__(self, config: Config, seen: Seen) -> None:
        self.config, self.seen = config, seen
        policy = Policy(
            config.deprovision,
            config.groups,
            config.safety.protected_users,
            config.ninjaone.dialect.external_id,
            seen.at,
            # How many others are due is not known here; see ``unsure``.
            removal_limit=lambda _: _NO_LIMIT,
        )
        found = diff(seen.source, seen.actual, policy, seen.owned)
        duo_id = seen.duo_id
        self.user = seen.source.users.get(duo_id or "")
        self.entry = seen.owned.users.get(duo_id or "")
        self.problems = tuple(one for one in found.problems if one.resource == "user" and one.external_id == duo_id)
        self.problems = self.problems if duo_id else ()
        mine = (one for one in found.changes if one.resource == "user" and one.external_id == duo_id)
        self.change = next(mine, None) if duo_id else None
        taken = (one for one in found.changes if one.action == "adopt" and one.id == seen.account_id)
        self.heir = next((one.external_id for one in taken if one.external_id != duo_id), None)
        narrowed = (_narrowed(one, duo_id) for one in found.changes if one.resource == "group")
        self.memberships = tuple(one for one in narrowed if one is not None)
        self.warnings = tuple(warning for warning in found.warnings if duo_id and f"Duo id {duo_id};" in warning)
        by_id = {account.id: account for account in seen.actual.users if account.id}
        id_ = self.change.id if self.change else seen.account_id
        self.account = found.ours.get(duo_id or "") or by_id.get(id_ or "")
        self.name = self._name()
        self.protected = self._protected(found.protected.get(duo_id or ""))
        self.stranger = self._stranger(by_id)
        self.verdict = self._verdict()
        self.turn: Turn | None = next((one for one in found.ladder.waiting if one.account.external_id == duo_id), None)
        self.leaves = duo_id in found.leavers
        self.managed = duo_id in found.ours
        self.outcome: Outcome = self._outcome()

    @property
    def reason(self) -> str:
        """Why he is in or out, in words."""
        return self.user.reason if self.user else "no longer in Duo"

    def _name(self) -> str:
        if self.user is not None:
            return self.user.label
        if self.account is not None:
            return self.account.user_name
        return self.entry.name if self.entry else self.seen.who

    def _protected(self, shown: str | None) -> str | None:
        """Return the name for which he is left alone, if he is."""
        if shown is None and self.user is None and self.account is not None:
            protects = protection(self.config.safety.protected_users)
            return self.account.user_name if protects(self.account.user_name) else None
        return shown

    def _stranger(self, by_id: Mapping[str, User]) -> User | None:
        wish = self.user.desired.user_name if self.user and self.user.desired else self.name
        named = (one for one in by_id.values() if folded(one.user_name) == folded(wish))
        return next((one for one in named if self.account is None or one.id != self.account.id), None)

    def _verdict(self) -> Verdict | None:
        if self.user is None or self.seen.record is None:
            return None
        if self.seen.groups is None:
            return Verdict(self.user.standing, self.user.reason)
        return judge(self.seen.scope, self.seen.record, self.seen.groups)

    def _outcome(self) -> Outcome:
        if self.problems:
            return "held"
        if self.change is not None:
            return self.change.action
        if self.protected is not None:
            return "protected"
        if self.leaves:
            return "kept" if self.config.deprovision.users == "keep" else "inactive"
        if self.user is not None:
            match self.user.standing:
                case Standing.LEFT_ALONE:
                    return "left-alone"
                case Standing.OUT:
                    return "out-of-scope"
            return "unchanged"
        return "unmanaged" if self.account else "gone"


def _narrowed(change: Change, duo_id: str | None) -> Change | None:
    """Return a group's change as far as it is about this person's membership."""
    added = tuple(member for member in change.added if member.external_id == duo_id)
    removed = tuple(member for member in change.removed if member.external_id == duo_id)
    if duo_id is None or not (added or removed):
        return None
    rows = change.diff if change.action == "create" else ()
    return replace(change, diff=rows, needs=(), added=added, removed=removed)
