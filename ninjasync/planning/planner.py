"""The three steps to a plan: read both sides, lay one over the other, let the guards judge.

Handed a Duo reader and a NinjaOne reader, neither of which can write. ``plan`` stops
here; ``apply`` goes on with what comes out.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Protocol

from msgspec.structs import replace as replace_row

from ninjasync.config.schema import Config
from ninjasync.config.tenant import in_a_command, tenant_of
from ninjasync.model.api_evidence import ApiEvidence
from ninjasync.model.attributes import ORGANIZATION_ID
from ninjasync.model.change import REMOVALS, Change, count, journal_diff
from ninjasync.model.directory import Directory, Problem, Resource, Wanted
from ninjasync.model.message import Message, counted, join, listed, number, text, word
from ninjasync.model.ownership import Baseline, Ownership
from ninjasync.model.plan import Approvals, Evidence, Leaver, Plan, Vanished
from ninjasync.model.source import Source, Standing
from ninjasync.model.token_expiry import days_left, is_to_be_renewed
from ninjasync.names_alike import fitting_none, is_glob
from ninjasync.planning import guards, rights
from ninjasync.planning.api_evidence import (
    apply_evidence,
    find_administrators,
    names_that_may_hit_administrators,
)
from ninjasync.planning.baseline import lost_groups, scope_digest
from ninjasync.planning.causes import commonest, empty_warnings
from ninjasync.planning.diff import Difference, Policy, diff
from ninjasync.planning.only import narrow
from ninjasync.planning.source import UNREADABLE, SourceReader, read_source, suggest_name


class TargetReader(Protocol):
    """What a plan needs of NinjaOne."""

    def directory(self, paths: tuple[str, ...], wanted: Wanted) -> Directory:
        """Return all users and groups, or at least those in ``wanted``."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a plan depends on beside both sides: what the ledger knows, what was approved, whom it is about.

    ``repeated`` is what each of the last two runs did: resource, Duo id and diff. ``api`` is what
    NinjaOne's public API says, None where it is not set up.
    """

    now: datetime
    owned: Ownership = field(default_factory=Ownership)
    baseline: Baseline | None = None
    approvals: Approvals = field(default_factory=Approvals)
    only: tuple[str, ...] = ()
    warnings: tuple[Message, ...] = ()
    repeated: frozenset[tuple[str, str | None, str]] = frozenset()
    api: ApiEvidence | None = None


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

    Raises CommandLineError where ``moment.only`` names nobody.
    """
    source = read_source(config, duo, moment.owned, moment.api.organizations if moment.api else None)
    unmet = fitting_none(config.safety.protected_users, _protectable(source))
    actual = shown = _named(ninjaone.directory(source.paths, _wanted(source, moment.owned, unmet)), moment.owned)
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
    source = _awaiting_its_entries(source, moment.owned)
    difference = diff(source, actual, policy, moment.owned)
    warnings = (*source.warnings, *_unmet_protection(unmet, source, actual))
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


def _awaiting_its_entries(source: Source, owned: Ownership) -> Source:
    """Leave everything as it is where most in scope belong to a tenant whose name alone differs: it was renamed.

    Else all of them would be held for their own accounts. Nothing is created either: a
    tenant that has entries of its own cannot take over those of its former name.
    """
    wanted = {duo_id: user for duo_id, user in source.users.items() if user.desired} if owned.namesakes else {}
    owners = Counter(owned.namesakes[duo_id] for duo_id in wanted.keys() & owned.namesakes.keys())
    name, theirs = max(owners.items(), key=lambda pair: (pair[1], pair[0]), default=("", 0))
    if theirs * 2 <= len(wanted):
        return source
    command = f"ninjasync ledger rename-tenant {in_a_command(name)}"
    whose = Message('the tenant "{}"', word(name)) if name else Message("the tenant without a name")
    missing = Message(
        "{} of {} users in scope belong in the ledger to {}, and none to the one of {}, with the same endpoint and "
        "Duo. If both are meant to be, take these users out of the scope of one; if it was renamed, run: {}",
        number(theirs),
        number(len(wanted)),
        whose,
        word("[state] tenant"),
        word(command),
    )
    why = Message("belongs to {} in the ledger", whose)
    left = {
        duo_id: replace_row(user, standing=Standing.LEFT_ALONE, desired=None, reason=why)
        for duo_id, user in wanted.items()
    }
    return replace(source, users={**source.users, **left}, pushed={}, missing=(*source.missing, missing))


def _wanted(source: Source, owned: Ownership, protected: tuple[str, ...]) -> Wanted:
    return Wanted(
        user_ids=frozenset(entry.id for entry in owned.users.values() if not entry.deleted),
        group_ids=frozenset(entry.id for entry in owned.groups.values() if not entry.deleted),
        user_names={user.id: user.desired.user_name for user in source.users.values() if user.desired},
        group_names=source.pushed,
        contested=owned.contested,
        protected=tuple(name for name in protected if not is_glob(name)),
    )


def _protectable(source: Source) -> Iterator[str]:
    """Yield the names of Duo's users by which an account may be protected."""
    for user in source.users.values():
        yield user.label
        if user.desired is not None and user.desired.user_name != user.label:
            yield user.desired.user_name


def _unmet_protection(unmet: tuple[str, ...], source: Source, actual: Directory) -> list[Message]:
    """Name entries of protected_users that fit neither a user in Duo nor an account in NinjaOne.

    Where accounts were looked up, only those entries were that are no pattern.
    """
    accounts = [account.user_name for account in actual.users] if unmet else []
    return [
        Message(
            '{}: "{}" fits neither a user in Duo nor an account in NinjaOne, so it protects nothing{}.',
            word("[safety] protected_users"),
            text(entry),
            suggest_name(entry, (*_protectable(source), *accounts)),
        )
        for entry in fitting_none(unmet, accounts)
        if actual.complete or not is_glob(entry)
    ]


def _judged(
    config: Config,
    source: Source,
    actual: Directory,
    difference: Difference,
    moment: Moment,
    administrators: frozenset[str] | None,
) -> Plan:
    """Let the guards judge the whole world, then take out what they withhold and what ``only`` leaves out."""
    evidence = _evidence(config, source, actual, difference, moment, administrators)
    empty = empty_warnings(source, config.attributes)
    changes = narrow(moment.only, source, difference) if moment.only else difference.changes
    judgement = guards.judge_changes(changes, evidence, config.safety, moment.approvals)
    schedule = difference.schedule
    turns = [(turn, False) for turn in schedule.waiting] + [(turn, True) for turn in schedule.deferred]
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
            *_repeated(changes, moment.repeated),
            *difference.warnings,
            *_vanished_warning(evidence),
            *_unread_warning(evidence.unreadable - source.unlisted),
            *_token_warning(config, moment.now.date()),
        ),
        leavers=tuple(
            sorted(
                (
                    Leaver(turn.account.key, turn.account.external_id, turn.due.date(), deferred)
                    for turn, deferred in turns
                ),
                key=lambda leaver: (leaver.due, leaver.key.casefold(), leaver.external_id),
            )
        ),
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


def _evidence(
    config: Config,
    source: Source,
    actual: Directory,
    difference: Difference,
    moment: Moment,
    administrators: frozenset[str] | None,
) -> Evidence:
    changes, baseline = difference.changes, moment.baseline
    users, groups = moment.owned.users, moment.owned.groups
    # Users that Duo counts and does not list are as unread as a record that cannot be read.
    unreadable = sum(problem.code == UNREADABLE for problem in difference.problems) + source.unlisted
    # What is withheld whatever the limits say cannot refuse the rest as well (CONTRACT §6.4).
    written = [change for change in changes if change.name not in administrators] if administrators else changes
    removed = [] if unreadable else written
    return Evidence(
        missing=(*source.missing, *lost_groups(config, source, baseline)),
        # Users found by their ids alone do not count: a list that lacks many is to be noticed.
        in_scope=sum(
            user.standing is not Standing.OUT and user.id not in source.passed_over for user in source.users.values()
        ),
        last_good=baseline.in_scope if baseline else None,
        active=difference.active,
        memberships=difference.memberships,
        removals=sum(change.resource == "user" and change.action in REMOVALS for change in removed),
        member_removals=sum(
            member.external_id not in difference.leavers for change in removed for member in change.removed
        ),
        privilege_changes=sum(change.privilege for change in written),
        held=difference.users.held + difference.groups.held,
        unreadable=unreadable,
        vanished=_vanished(actual, difference, moment.owned),
        known=sum(not entry.deleted and entry.deactivated_at is None for entry in users.values()),
        known_groups=sum(not entry.deleted for entry in groups.values()),
        rights=rights.tally(written),
        commonest=commonest(difference.problems, source, config.attributes),
        administrators=administrators,
    )


def _administrators(
    config: Config, shown: Directory, changes: Sequence[Change], api: ApiEvidence | None
) -> frozenset[str] | None:
    """Name the changes that might hit a system administrator; None where they do not count as protected."""
    if api is None or not config.safety.protect_administrators:
        return None
    return names_that_may_hit_administrators(changes, shown, api)


def _vanished(actual: Directory, difference: Difference, owned: Ownership) -> tuple[Vanished, ...]:
    """List what the ledger says is ours and this read no longer shows, whatever way it read.

    Not those whose deletion NinjaOne accepted, those that could not be read, and those that
    are there under another id, by their externalId.
    """
    if not actual.vanished:
        return ()
    found: list[Vanished] = []
    for duo_id, entry in sorted(owned.users.items()):
        if entry.id in actual.vanished and not entry.deleted and duo_id not in difference.ours:
            found.append(Vanished("user", duo_id, entry.id, entry.name))
    for duo_id, entry in sorted(owned.groups.items()):
        if entry.id in actual.vanished and not entry.deleted and duo_id not in difference.our_groups:
            found.append(Vanished("group", duo_id, entry.id, entry.name))
    return tuple(found)


def baseline_of(config: Config, planning: Planning, now: datetime) -> Baseline:
    """Return what a good run found, for the ledger."""
    return Baseline(now, planning.plan.evidence.in_scope, scope_digest(config), dict(planning.source.scoped))


def _vanished_warning(evidence: Evidence) -> list[Message]:
    """Say what of ours is no longer there, also where that is within the limit."""
    gone = (counted(evidence.gone("user"), "account"), counted(evidence.gone("group"), "group"))
    parts = [part for part in gone if not part.startswith("0 ")]
    if not parts:
        return []
    return [
        Message(
            "NinjaOne no longer has {} that ninjasync managed; apply makes anew what is still wanted and forgets the "
            "rest.",
            join(" and ", parts),
        )
    ]


def _unread_warning(unreadable: int) -> list[Message]:
    if not unreadable:
        return []
    records = counted(unreadable, "record")
    return [Message("{} could not be read; as long as that is so, nobody is removed.", records)]


def _repeated(changes: tuple[Change, ...], before: frozenset[tuple[str, str | None, str]]) -> list[Message]:
    """Say which changes the last two runs made already: NinjaOne does not keep them."""
    again = [
        change.subject
        for change in changes
        if before and (change.resource, change.external_id, journal_diff(change)) in before
    ]
    if not again:
        return []
    return [
        Message(
            "The last two runs made these very changes already, and NinjaOne does not keep them: {}.", listed(again)
        )
    ]


def _token_warning(config: Config, today: date) -> tuple[Message, ...]:
    expires = config.ninjaone.token_expires
    days = days_left(expires, today)
    if days is None or not is_to_be_renewed(days):
        return ()
    when = Message("expired on {}", number(expires))
    if days >= 0:
        when = Message("expires in {}, on {}", counted(days, "day"), number(expires))
    return (
        Message(
            "The SCIM token {}; make a new one in the NinjaOne console and set {}.",
            when,
            word("[ninjaone] token_expires"),
        ),
    )
