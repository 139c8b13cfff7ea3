"""The three steps to a plan: read both sides, lay one over the other, let the guards judge.

Handed a Duo reader and a NinjaOne reader, neither of which can write. ``plan`` stops
here; ``apply`` goes on with what comes out.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any, Protocol, TypeVar

from ninjasync import guards
from ninjasync.config import Config
from ninjasync.diff import Difference, Policy, diff
from ninjasync.directory import Directory, Problem, Source, SourceUser, Standing
from ninjasync.duo import clean, group_ids
from ninjasync.mapping import AttributeMapping, compile_mapping, label, map_user
from ninjasync.plan import GuardResult, Plan, count
from ninjasync.scope import Scope, judge, resolve

T = TypeVar("T")

_TOKEN_WARNING_DAYS = 30


class SourceReader(Protocol):
    """What a plan needs of Duo."""

    def groups(self) -> dict[str, str]:
        """Return every group's name by its id."""

    def users(self, convert: Callable[[Any], T]) -> list[T]:
        """Return ``convert`` of every user's record."""


class TargetReader(Protocol):
    """What a plan needs of NinjaOne."""

    def directory(self, paths: tuple[str, ...]) -> Directory:
        """Return all users and groups."""


def make_plan(
    config: Config, duo: SourceReader, ninjaone: TargetReader, approvals: guards.Approvals, today: date
) -> Plan:
    """Read both sides and return what would change, refused or not."""
    source = read_source(config, duo)
    actual = ninjaone.directory(source.paths)
    policy = Policy(
        config.deprovision,
        config.groups,
        config.safety.protected_users,
        external_id=config.ninjaone.dialect.external_id,
    )
    difference = diff(source, actual, policy)
    return _judged(config, source, actual, difference, approvals, today)


def read_source(config: Config, duo: SourceReader) -> Source:
    """Read Duo and decide on every user by himself: who is in scope, and what he is to be in NinjaOne."""
    groups = duo.groups()
    scope = resolve(config.scope, config.groups, groups)
    mapping = compile_mapping(config.attributes, config.safety)
    users: dict[str, SourceUser] = {}
    unreadable: list[Problem] = []
    for found in duo.users(lambda row: source_user(row, scope, mapping)):
        if isinstance(found, Problem):
            unreadable.append(found)
        else:
            users[found.id] = found
    return Source(
        paths=mapping.paths,
        users=users,
        groups=groups,
        pushed=scope.pushed,
        missing=scope.missing,
        unreadable=tuple(unreadable),
        warnings=scope.warnings,
    )


_UNREADABLE = "unreadable-record"


def source_user(row: Any, scope: Scope, mapping: AttributeMapping) -> SourceUser | Problem:
    """Turn one Duo record into what the diff needs of it; a Problem where not even its id can be read."""
    if not isinstance(row, dict) or not isinstance(row.get("user_id"), str) or not row["user_id"]:
        return Problem("user", "?", None, _UNREADABLE, "Duo sent a user's record without an id")
    record = clean(row)
    id_, name, groups = record["user_id"], label(record), group_ids(record)
    if groups is None:
        reason = "Duo sent his record without the groups that he is in"
        problem = Problem("user", name, id_, _UNREADABLE, reason)
        return SourceUser(id_, name, Standing.HELD, reason, problems=(problem,))
    verdict = judge(scope, record, groups)
    match verdict.standing:
        case Standing.HELD:
            problem = Problem("user", name, id_, verdict.code, verdict.reason)
            return SourceUser(id_, name, Standing.HELD, verdict.reason, groups, problems=(problem,))
        case Standing.IN:
            desired, problems = map_user(mapping, record)
            return SourceUser(id_, name, Standing.IN, verdict.reason, groups, desired, problems)
    return SourceUser(id_, name, verdict.standing, verdict.reason, groups)


def _judged(
    config: Config,
    source: Source,
    actual: Directory,
    difference: Difference,
    approvals: guards.Approvals,
    today: date,
) -> Plan:
    evidence = guards.Evidence(source, difference, difference.changes, config.safety, approvals)
    verdicts = guards.judge(evidence)
    tripped = {verdict.name for verdict in verdicts if verdict.tripped}
    unreadable = sum(problem.code == _UNREADABLE for problem in difference.problems)
    changes = difference.changes
    if unreadable or (tripped and config.safety.on_refusal == "withhold"):
        changes = guards.withhold(changes, privileges="privilege-changes" in tripped)
    kept = {change.name: change for change in changes}
    withheld = sum(kept.get(change.name) != change for change in difference.changes)
    refused = bool(tripped) and config.safety.on_refusal == "stop"
    return Plan(
        paths=source.paths,
        source={
            "users": len(source.users),
            "groups": len(source.groups),
            "in_scope": guards.in_scope(source),
        },
        target={"users": len(actual.users), "groups": len(actual.groups), "managed": difference.managed},
        users=replace(difference.users, actions=count(changes, "user")),
        groups=replace(difference.groups, actions=count(changes, "group")),
        changes=changes,
        problems=difference.problems,
        guards=(*verdicts, _withheld(unreadable, withheld)),
        warnings=(*source.warnings, *difference.warnings, *_token_warning(config, today)),
        refused=refused,
        withheld=withheld,
    )


def _withheld(unreadable: int, withheld: int) -> GuardResult:
    message = (
        f"{unreadable} records could not be read, {withheld} changes are withheld: "
        "who was not read is never taken for gone."
        if unreadable
        else "Every record could be read."
    )
    return GuardResult("unreadable-records", tripped=bool(unreadable and withheld), message=message)


def _token_warning(config: Config, today: date) -> tuple[str, ...]:
    expires = config.ninjaone.token_expires
    if expires is None or (days := (expires - today).days) > _TOKEN_WARNING_DAYS:
        return ()
    when = f"expires in {days} days, on {expires}" if days >= 0 else f"expired on {expires}"
    return (f"The SCIM token {when}; make a new one in the NinjaOne console and set [ninjaone] token_expires.",)
