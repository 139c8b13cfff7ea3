"""One user's case: what of a plan is about this user, and what was read of them.

Pure. Selects from a plan; must not decide anything that the plan did not, nor know how it
is worded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ninjasync.config.schema import Config
from ninjasync.explain.search import Subject
from ninjasync.model.change import REMOVALS, Change
from ninjasync.model.directory import Problem, User
from ninjasync.model.explanation import Conclusion
from ninjasync.model.message import Message, person
from ninjasync.model.ownership import Owned
from ninjasync.model.plan import GuardResult
from ninjasync.model.source import SourceUser, Standing
from ninjasync.names_alike import folded
from ninjasync.planning.leavers import DueDeletion
from ninjasync.planning.planner import Planning
from ninjasync.planning.scope import Verdict, judge, resolve
from ninjasync.planning.sides import protection
from ninjasync.runs.inspection import Inspection


@dataclass(frozen=True, slots=True)
class Case:
    """What a plan says of one user.

    ``record`` is Duo's, with empty values as None, and ``groups`` the Duo ids of the groups
    in it; None where Duo has no record, or they cannot be read. ``user`` is None where Duo
    has none, ``account`` where NinjaOne has none that is this user's or would be; ``entry``
    is the ledger's. ``namesake`` is an account of the wanted userName that is not this
    user's. ``change`` is the account's, ``memberships`` are the groups', narrowed to this
    user. ``turn`` says when the account is deleted, ``deferred`` that this is due already.
    """

    config: Config
    inspection: Inspection
    subject: Subject
    name: str
    record: Mapping[str, Any] | None
    groups: tuple[str, ...] | None
    user: SourceUser | None
    entry: Owned | None
    account: User | None
    namesake: User | None
    problems: tuple[Problem, ...]
    change: Change | None
    memberships: tuple[Change, ...]
    protected: str | None
    verdict: Verdict | None
    turn: DueDeletion | None
    deferred: bool
    conclusion: Conclusion

    @property
    def planning(self) -> Planning:
        """The plan, and what it was made from."""
        return self.inspection.planning

    @property
    def changes(self) -> tuple[Change, ...]:
        """The change of the account, then those of memberships."""
        return (*((self.change,) if self.change else ()), *self.memberships)

    @property
    def managed(self) -> bool:
        """Whether the user has an account that is ours."""
        return self.subject.duo_id in self.planning.difference.ours

    @property
    def reason(self) -> str:
        """Why the user is in or out, in words."""
        return self.user.reason if self.user else "no longer in Duo"

    @property
    def warnings(self) -> tuple[Message, ...]:
        """The plan's warnings about this very user."""
        mark = person(self.subject.duo_id or "")
        return tuple(warning for warning in self.planning.difference.warnings if mark in warning.arguments)

    @property
    def stopped_by(self) -> tuple[GuardResult, ...]:
        """The guards that keep this user's changes, or a part of them, from being written."""
        plan = self.planning.plan
        tripped = tuple(guard for guard in plan.guards if guard.tripped)
        if plan.refused:
            return tripped if self.changes else ()
        written = {change.name: change for change in plan.writes}
        stopped = [change for change in self.changes if not _is_within(change, written.get(change.name))]
        if any(change.action in REMOVALS or change.removed for change in stopped):
            return tripped  # any of them withholds removals
        return tuple(guard for guard in tripped if guard.name in _STOP_OTHER_CHANGES) if stopped else ()


# Guards that keep back changes other than removals, too.
_STOP_OTHER_CHANGES = ("privilege-changes", "vanished", "administrators")


def _is_within(change: Change, written: Change | None) -> bool:
    """Whether what is ``written`` has all of ``change``, which may be narrowed."""
    if written is None:
        return False
    return {*change.added, *change.removed} <= {*written.added, *written.removed}


def open_case(config: Config, inspection: Inspection, subject: Subject) -> Case:
    """Return the subject's case."""
    planning, entries, duo_id = inspection.planning, inspection.moment.owned.users, subject.duo_id or ""
    plan, difference = planning.plan, planning.difference
    user, entry = planning.source.users.get(duo_id), entries.get(duo_id)
    mine = (one for one in plan.changes if one.resource == "user" and one.external_id == duo_id)
    change = next(mine, None)
    account = _account(planning, subject, change)
    name = user.label if user else account.user_name if account else entry.name if entry else subject.how
    protected = _protected_name(config, planning, subject, user, account)
    problems = tuple(one for one in plan.problems if one.resource == "user" and one.external_id == duo_id)
    narrowed = (_narrowed(one, duo_id) for one in plan.changes if one.resource == "group")
    schedule = difference.schedule
    turn = next((one for one in (*schedule.waiting, *schedule.deferred) if one.account.external_id == duo_id), None)
    memberships = tuple(one for one in narrowed if one is not None)
    return Case(
        config=config,
        inspection=inspection,
        subject=subject,
        name=name,
        record=inspection.records.record(duo_id) if user else None,
        groups=inspection.records.groups_of(duo_id) if user else None,
        user=user,
        entry=entry,
        account=account,
        namesake=_namesake(planning, user.desired.user_name if user and user.desired else name, account),
        problems=problems,
        change=change,
        memberships=memberships,
        protected=protected,
        verdict=_verdict(config, inspection, user),
        turn=turn,
        deferred=turn in schedule.deferred,
        conclusion=_conclude(config, planning, user, account, (change, problems, protected), duo_id),
    )


def _account(planning: Planning, subject: Subject, change: Change | None) -> User | None:
    """Return the user's account, the one that is taken over, or the one that WHO led to."""
    if (mine := planning.difference.ours.get(subject.duo_id or "")) is not None:
        return mine
    id_ = change.id if change else subject.account_id
    return next((account for account in planning.actual.users if account.id and account.id == id_), None)


def _protected_name(
    config: Config, planning: Planning, subject: Subject, user: SourceUser | None, account: User | None
) -> str | None:
    """Return the name for which the user or the account is left alone; None where it is not protected."""
    shown = planning.difference.protected.get(subject.duo_id or "")
    if shown is None and user is None and account is not None:
        protects = protection(config.safety.protected_users, planning.administrators)
        return account.user_name if protects(account.user_name) else None
    return shown


def _namesake(planning: Planning, wanted: str, account: User | None) -> User | None:
    own, form = account.id if account else None, folded(wanted)
    return next((one for one in planning.actual.users if folded(one.user_name) == form and one.id != own), None)


def _verdict(config: Config, inspection: Inspection, user: SourceUser | None) -> Verdict | None:
    """Return what [scope] says of the user, with the entry that decided it; None where Duo has no such user."""
    if user is None:
        return None
    record, groups = inspection.records.record(user.id), inspection.records.groups_of(user.id)
    if record is not None and groups is not None:
        scope = resolve(config.scope, config.groups, inspection.planning.source.groups)
        verdict = judge(scope, record, groups)
        if verdict.standing is user.standing:
            return verdict
    return Verdict(user.standing, user.reason)  # something beside [scope] decided


def _conclude(
    config: Config,
    planning: Planning,
    user: SourceUser | None,
    account: User | None,
    found: tuple[Change | None, tuple[Problem, ...], str | None],
    duo_id: str,
) -> Conclusion:
    change, problems, protected = found
    if problems:
        return "held"
    if change is not None:
        return change.action
    if protected is not None:
        return "protected"
    if duo_id in planning.difference.leavers:
        return "kept" if config.deprovision.users == "keep" else "inactive"
    if user is not None:
        match user.standing:
            case Standing.LEFT_ALONE:
                return "left-alone"
            case Standing.OUT:
                return "out-of-scope"
        return "unchanged"
    return "unmanaged" if account else "gone"


def _narrowed(change: Change, duo_id: str) -> Change | None:
    """Return a group's change as far as it is about this user's membership; None where it is not."""
    added = tuple(member for member in change.added if member.external_id == duo_id)
    removed = tuple(member for member in change.removed if member.external_id == duo_id)
    if not duo_id or not (added or removed):
        return None
    rows = change.diff if change.action == "create" else ()
    return replace(change, diff=rows, needs=(), added=added, removed=removed)
