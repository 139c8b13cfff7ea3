"""The three steps to a plan: read both sides, lay one over the other, let the guards judge.

Handed a Duo reader and a NinjaOne reader, neither of which can write. ``plan`` stops
here; ``apply`` goes on with what comes out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.model.api_evidence import ApiEvidence
from ninjasync.model.attributes import ORGANIZATION_ID
from ninjasync.model.change import Change, count
from ninjasync.model.directory import Directory, Problem, Resource, Wanted
from ninjasync.model.ownership import Baseline, Ownership
from ninjasync.model.plan import Leaver, Plan
from ninjasync.model.source import Source
from ninjasync.names_alike import fitting_none, is_glob
from ninjasync.planning import guards
from ninjasync.planning.api_evidence import (
    apply_evidence,
    find_administrators,
    names_that_may_hit_administrators,
)
from ninjasync.planning.baseline import scope_digest
from ninjasync.planning.causes import empty_warnings
from ninjasync.planning.diff import Difference, Policy, diff
from ninjasync.planning.evidence import collect_evidence
from ninjasync.planning.leavers import DeletionSchedule
from ninjasync.planning.moment import Moment
from ninjasync.planning.only import narrow
from ninjasync.planning.plan_warnings import (
    find_protectable,
    warn_of_repeated,
    warn_of_token,
    warn_of_unmet_protection,
    warn_of_unread,
    warn_of_vanished,
)
from ninjasync.planning.renamed_tenant import await_entries
from ninjasync.planning.source import SourceReader, read_source


class TargetReader(Protocol):
    """What a plan needs of NinjaOne."""

    def read_directory(self, paths: tuple[str, ...], wanted: Wanted) -> Directory:
        """Return all users and groups, or at least those in ``wanted``."""


@dataclass(frozen=True, slots=True)
class Planning:
    """A plan with what it was made from.

    ``shown`` is ``actual`` as SCIM alone shows it; ``administrators`` are the folded userNames of
    the accounts that are protected as system administrators.
    """

    plan: Plan
    source: Source
    actual: Directory
    difference: Difference
    shown: Directory
    administrators: frozenset[str] = frozenset()


def make_plan(config: Config, duo: SourceReader, ninjaone: TargetReader, moment: Moment) -> Planning:
    """Read both sides and return what would change, refused or not.

    Raises CommandLineError where ``moment.only`` names no user.
    """
    source = read_source(config, duo, moment.owned, moment.api.organizations if moment.api else None)
    unmet = fitting_none(config.safety.protected_users, find_protectable(source))
    actual = shown = _named(ninjaone.read_directory(source.paths, _wanted(source, moment.owned, unmet)), moment.owned)
    administrators: frozenset[str] = frozenset()
    if moment.api is not None:
        desired = (user.desired.user_name for user in source.users.values() if user.desired)
        actual = apply_evidence(shown, moment.api, desired, _deactivated(moment.owned))
        if config.safety.protect_administrators:
            administrators = find_administrators(shown, moment.api)
    approved = moment.approvals.removals or 0
    policy = Policy(
        config.deprovision,
        config.groups,
        config.safety.protected_users,
        external_id=config.ninjaone.dialect.external_id,
        now=moment.now,
        removal_limit=lambda active: max(config.safety.removal_limit(active), approved),
        administrators=administrators,
    )
    source = await_entries(config, source, moment.owned)
    difference = diff(source, actual, policy, moment.owned)
    warnings = (*source.warnings, *warn_of_unmet_protection(unmet, source, actual))
    source = replace(source, warnings=warnings)
    withheld = _administrators(config, shown, difference.changes, moment.api)
    plan = _judged(config, source, actual, difference, moment, withheld)
    return Planning(plan, source, actual, difference, shown, administrators)


def _deactivated(owned: Ownership) -> frozenset[str]:
    return frozenset(entry.id for entry in owned.users.values() if entry.deactivated_at is not None)


def _named(actual: Directory, owned: Ownership) -> Directory:
    """Give what could not be read by its id the name and the Duo id that the ledger has for it."""
    if not actual.unreadable:
        return actual
    entries: dict[tuple[Resource, str], tuple[str, str]] = {}
    for duo_id, entry in owned.users.items():
        entries["user", entry.id] = duo_id, entry.name
    for duo_id, entry in owned.groups.items():
        entries["group", entry.id] = duo_id, entry.name

    def named(problem: Problem) -> Problem:
        duo_id, name = entries.get((problem.resource, problem.key), (problem.external_id, problem.key))
        return replace(problem, key=name, external_id=duo_id)

    return replace(actual, unreadable=tuple(map(named, actual.unreadable)))


def _wanted(source: Source, owned: Ownership, protected: tuple[str, ...]) -> Wanted:
    return Wanted(
        user_ids=frozenset(entry.id for entry in owned.users.values() if not entry.deleted),
        group_ids=frozenset(entry.id for entry in owned.groups.values() if not entry.deleted),
        user_names={user.id: user.desired.user_name for user in source.users.values() if user.desired},
        group_names=source.pushed,
        contested=owned.contested,
        protected=tuple(name for name in protected if not is_glob(name)),
    )


def _judged(
    config: Config,
    source: Source,
    actual: Directory,
    difference: Difference,
    moment: Moment,
    administrators: frozenset[str] | None,
) -> Plan:
    """Let the guards judge the whole world, then take out what they withhold and what ``only`` leaves out."""
    evidence = collect_evidence(config, source, actual, difference, moment, administrators)
    empty = empty_warnings(source, config.attributes)
    changes = narrow(moment.only, source, difference) if moment.only else difference.changes
    judgement = guards.judge_changes(changes, evidence, config.safety, moment.approvals)
    return Plan(
        paths=source.paths,
        source={"users": len(source.users), "groups": len(source.groups), "in_scope": evidence.in_scope},
        target={"users": len(actual.users), "groups": len(actual.groups), "managed": len(difference.ours)},
        users=replace(difference.users, actions=count(changes, "user")),
        groups=replace(difference.groups, actions=count(changes, "group")),
        changes=changes,
        problems=difference.problems,
        guards=judgement.verdicts,
        warnings=(
            *moment.warnings,
            *source.warnings,
            *empty,
            *actual.warnings,
            *warn_of_repeated(changes, moment.repeated),
            *difference.warnings,
            *warn_of_vanished(evidence),
            *warn_of_unread(evidence.unreadable - source.unlisted),
            *warn_of_token(config.ninjaone.token_expires, moment.now.date()),
        ),
        leavers=_leavers(difference.schedule),
        evidence=evidence,
        refused=judgement.refused,
        withheld=judgement.withheld,
        writes=judgement.writes,
        tenant=tenant_of(config).shown,
        organizations=_organization_names(changes, moment.api),
    )


def _organization_names(changes: Sequence[Change], api: ApiEvidence | None) -> dict[str, str]:
    """Return the names of the organizations that occur in ``changes``, by number."""
    if api is None or api.organizations is None:
        return {}
    rows = [row for change in changes for row in change.diff if row.path == ORGANIZATION_ID]
    there = {side for row in rows for side in (row.before, row.after)}
    return {number_: name for number_, name in sorted(api.organizations) if number_ in there and name}


def _leavers(schedule: DeletionSchedule) -> tuple[Leaver, ...]:
    """List whose accounts are deleted later, the first to go first."""
    turns = [(turn, False) for turn in schedule.waiting] + [(turn, True) for turn in schedule.deferred]
    leavers = (Leaver(turn.account.key, turn.account.external_id, turn.due.date(), late) for turn, late in turns)
    return tuple(sorted(leavers, key=lambda leaver: (leaver.due, leaver.key.casefold(), leaver.external_id)))


def _administrators(
    config: Config, shown: Directory, changes: Sequence[Change], api: ApiEvidence | None
) -> frozenset[str] | None:
    """Name the changes that might hit a system administrator; None where they do not count as protected."""
    if api is None or not config.safety.protect_administrators:
        return None
    return names_that_may_hit_administrators(changes, shown, api)


def baseline_of(config: Config, planning: Planning, now: datetime) -> Baseline:
    """Return what a good run found, for the ledger."""
    return Baseline(now, planning.plan.evidence.in_scope, scope_digest(config), dict(planning.source.scoped))
