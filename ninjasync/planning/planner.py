"""The three steps to a plan: read both sides, lay one over the other, let the guards judge.

Handed a Duo reader and a NinjaOne reader, neither of which can write. ``plan`` stops
here; ``apply`` goes on with what comes out.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace as replace_row

from ninjasync.config.expression import fields_of_bare, is_bare
from ninjasync.config.schema import Config
from ninjasync.config.tenant import in_a_command, tenant_of
from ninjasync.duo.records import clean, group_ids, label
from ninjasync.errors import CommandLineError
from ninjasync.log import timed
from ninjasync.model.change import REMOVALS, Change, count, journal_diff
from ninjasync.model.directory import Directory, Problem, Resource, User, Wanted
from ninjasync.model.message import Message, counted, did_you_mean, group, join, listed, number, person, text, word
from ninjasync.model.ownership import Baseline, Ownership
from ninjasync.model.plan import Approvals, Evidence, Leaver, Plan, Vanished
from ninjasync.model.problems import Code
from ninjasync.model.source import Source, SourceUser, Standing
from ninjasync.model.token_expiry import days_left, is_to_be_renewed
from ninjasync.names_alike import fitting_none, folded, is_glob
from ninjasync.planning import guards, rights
from ninjasync.planning.causes import Noted, commonest, empty_attributes, empty_warnings
from ninjasync.planning.diff import Difference, Policy, diff
from ninjasync.planning.mapping import AttributeMapping, compile_mapping, map_user
from ninjasync.planning.scope import Scope, Verdict, judge, resolve

log = logging.getLogger(__name__)

T = TypeVar("T")


class SourceReader(Protocol):
    """What a plan needs of Duo."""

    @property
    def unlisted(self) -> int:
        """How many users Duo counts and did not list, in the last ``users``."""

    @property
    def nameless(self) -> tuple[str, ...]:
        """The ids of the groups without a name, which the last ``groups`` passed over."""

    def groups(self) -> dict[str, str]:
        """Return every group's name by its id."""

    def users(self, convert: Callable[[Any], T]) -> list[T]:
        """Return ``convert`` of every user's record."""

    def users_by_id(self, ids: list[str], convert: Callable[[Any], T]) -> list[T]:
        """Return ``convert`` of those of these users whom Duo has."""


class TargetReader(Protocol):
    """What a plan needs of NinjaOne."""

    def directory(self, paths: tuple[str, ...], wanted: Wanted) -> Directory:
        """Return all users and groups, or at least those in ``wanted``."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a plan depends on beside both sides: what the ledger knows, what was approved, whom it is about.

    ``repeated`` is what each of the last two runs did: resource, Duo id and diff.
    """

    now: datetime
    owned: Ownership = field(default_factory=Ownership)
    baseline: Baseline | None = None
    approvals: Approvals = field(default_factory=Approvals)
    only: tuple[str, ...] = ()
    warnings: tuple[Message, ...] = ()
    repeated: frozenset[tuple[str, str | None, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Planning:
    """A plan with what it was made from."""

    plan: Plan
    source: Source
    actual: Directory
    difference: Difference


def make_plan(config: Config, duo: SourceReader, ninjaone: TargetReader, moment: Moment) -> Planning:
    """Read both sides and return what would change, refused or not.

    Raises CommandLineError where ``moment.only`` names nobody.
    """
    source = read_source(config, duo, moment.owned)
    with timed(log, "read NinjaOne"):
        unmet = fitting_none(config.safety.protected_users, _protectable(source))
        actual = _named(ninjaone.directory(source.paths, _wanted(source, moment.owned, unmet)), moment.owned)
    approved = moment.approvals.removals or 0
    policy = Policy(
        config.deprovision,
        config.groups,
        config.safety.protected_users,
        external_id=config.ninjaone.dialect.external_id,
        now=moment.now,
        removal_limit=lambda active: max(config.safety.removal_limit(active), approved),
    )
    source = _awaiting_its_entries(source, moment.owned)
    difference = diff(source, actual, policy, moment.owned)
    warnings = (*source.warnings, *_unmet_protection(unmet, source, actual))
    source = replace(source, warnings=warnings)
    return Planning(_judged(config, source, actual, difference, moment), source, actual, difference)


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
            '{}: "{}" fits neither a user in Duo nor an account in NinjaOne, so it protects nothing{}',
            word("[safety] protected_users"),
            text(entry),
            _meant(entry, (*_protectable(source), *accounts)) or Message("."),
        )
        for entry in fitting_none(unmet, accounts)
        if actual.complete or not is_glob(entry)
    ]


def read_source(config: Config, duo: SourceReader, owned: Ownership) -> Source:
    """Read Duo and decide on every user by himself: who is in scope, and what he is to be in NinjaOne.

    Who is ours and was not among the pages is asked for by his id: while people come and
    go, paging may pass somebody over, and not read is not absent.
    """
    with timed(log, "read Duo groups"):
        groups = duo.groups()
    scope = resolve(config.scope, config.groups, groups)
    mapping = compile_mapping(config.attributes, config.safety, config.organizations)
    noted = Noted()
    convert = source_reader(scope, mapping, noted)
    with timed(log, "read Duo users"):
        listed = duo.users(convert)
    users = {found.id: found for found in listed if isinstance(found, SourceUser)}
    absent = sorted(duo_id for duo_id in owned.users.keys() - users.keys() if not owned.users[duo_id].deleted)
    asked_for = duo.users_by_id(absent, convert) if absent else []
    there = {found.id: found for found in asked_for if isinstance(found, SourceUser)}
    passed_over = frozenset(there).difference(users)
    users |= there
    unreadable = [found for found in (*listed, *asked_for) if isinstance(found, Problem)]
    # A group of ours is not read without its name: not read is never absent.
    unreadable += [Problem("group", id_, id_, _UNREADABLE, _NAMELESS) for id_ in duo.nameless if id_ in owned.groups]
    unlisted = max(duo.unlisted - len(passed_over), 0)
    return Source(
        paths=mapping.paths,
        users=users,
        groups=groups,
        pushed=scope.pushed,
        scoped=scope.included,
        passed_over=passed_over,
        missing=scope.missing,
        unreadable=tuple(unreadable),
        warnings=(
            *scope.warnings,
            *_passed_over(passed_over),
            *_unlisted(unlisted),
            *_nameless(duo.nameless),
            *_unknown_people("users", config.scope.users, users),
            *_unknown_people("exclude_users", config.scope.exclude_users, users),
        ),
        empty=empty_attributes(mapping, users, noted, config.attributes),
        full_names=noted.full_names,
        unlisted=unlisted,
    )


_NAMELESS = Message("Duo sent this group without a name; give it one in the Duo Admin Panel")


def _nameless(ids: tuple[str, ...]) -> list[Message]:
    """Name the groups that have no name; the others go on."""
    if not ids:
        return []
    return [
        Message(
            "Duo has groups without a name ({}); they are passed over. Give them names in the Duo Admin Panel.",
            listed(map(group, ids)),
        )
    ]


def _unlisted(users: int) -> list[Message]:
    if not users:
        return []
    return [
        Message(
            "Duo counts {} than it lists, twice the same: perhaps those in its trash. The plan goes on with those "
            "listed; nobody is removed until the numbers agree.",
            counted(users, "more user"),
        )
    ]


def _passed_over(ids: frozenset[str]) -> list[Message]:
    if not ids:
        return []
    lacking = number(len(ids))
    return [Message("Duo's list of users lacks {} that Duo still has when asked by id; they count as there.", lacking)]


def _unknown_people(key: str, named: tuple[str, ...], users: Mapping[str, SourceUser]) -> list[Message]:
    """Name entries of a list of [scope] that match nobody."""
    if not named:
        return []
    unknown = fitting_none(named, (name for user in users.values() for name in (user.label, user.username, user.id)))
    names = [name for user in users.values() for name in (user.label, user.username)] if unknown else []
    where = word(f"[scope] {key}")
    return [Message('{}: "{}" matches nobody in Duo{}', where, text(entry), _meant(entry, names)) for entry in unknown]


def _meant(entry: str, names: Iterable[str]) -> Message:
    """Say which name may be meant, by what stands before the @: else all of one domain would be alike.

    Only names that begin alike and are about as long are looked at: comparing 100,000 would take a second.
    """
    local = folded(entry).partition("@")[0]
    shown: dict[str, str] = {}
    for name in names:
        form = folded(name).partition("@")[0]
        if form[:1] == local[:1] and abs(len(form) - len(local)) <= 3:
            shown.setdefault(form, name)
    return did_you_mean(local, shown, person)


_UNREADABLE: Code = "unreadable-record"
_WITHOUT_GROUPS = Verdict(
    Standing.HELD, Message("Duo sent the user's record without the user's groups"), code=_UNREADABLE
)
_WITHOUT_ID = Message("Duo sent a user's record without an id")


# What ``source_reader`` reads of a record whatever [attributes] says.
_FIELDS = frozenset({"user_id", "username", "email", "realname", "status", "groups", "custom_attributes"})


def fields_read(config: Config) -> frozenset[str] | None:
    """Return the fields of a Duo record that a plan reads; None where only an expression could tell."""
    texts = config.attributes.values()
    if config.scope.where or not all(map(is_bare, texts)):
        return None
    return _FIELDS.union(*map(fields_of_bare, texts))


def source_reader(
    scope: Scope, mapping: AttributeMapping, noted: Noted | None = None
) -> Callable[[Any], SourceUser | Problem]:
    """Return what turns one Duo record into what the diff needs of it; a Problem where not even its id can be read.

    ``noted`` is told of each record what may explain an empty attribute or a held user.
    """
    note_names = noted.custom.update if noted is not None else None
    # To bare expressions an empty string is null anyhow, so most records need no cleaned copy (2 µs).
    bare = mapping.bare and scope.where is None
    same_groups: dict[tuple[str, ...], tuple[str, ...]] = {}
    # Looked up here too, for a call costs more than the look-up, and there is one for everybody.
    inside, held, judged = Standing.IN, Standing.HELD, scope.known

    def groups_of(record: Mapping[str, Any]) -> tuple[str, ...] | None:
        given = record.get("groups")
        try:
            known = same_groups.get(tuple([group["group_id"] for group in given])) if type(given) is list else None
        except (KeyError, TypeError):
            return None
        if known is None and (known := group_ids(record)) is not None:
            same_groups[known] = known
        return known

    def read(row: Any) -> SourceUser | Problem:
        id_ = row.get("user_id") if isinstance(row, dict) else None
        if not isinstance(id_, str) or not id_:
            return Problem("user", "?", None, _UNREADABLE, _WITHOUT_ID)
        record = row if bare and type(row.get("custom_attributes")) is dict else clean(row)
        if note_names is not None and (custom := record.get("custom_attributes")):
            note_names(custom)
        name, groups, status = label(record), groups_of(record), record.get("status")
        verdict: Verdict | None = None
        if groups is None:
            verdict = _WITHOUT_GROUPS
        elif judged and type(status) is str:
            verdict = judged.get((groups, status))
        if verdict is None:
            verdict = judge(scope, record, groups or ())
        desired: User | None = None
        problems: tuple[Problem, ...] = ()
        standing = verdict.standing
        if standing is inside:
            desired, problems = map_user(mapping, record)
            if problems and noted is not None:
                noted.note_held(record, problems, mapping)
        elif standing is held:
            problems = (Problem("user", name, id_, verdict.code or _UNREADABLE, verdict.reason),)
        username = record.get("username")
        username = username if isinstance(username, str) else ""
        return SourceUser(id_, name, standing, verdict.reason, groups or (), desired, problems, username)

    return read


def _judged(config: Config, source: Source, actual: Directory, difference: Difference, moment: Moment) -> Plan:
    """Let the guards judge the whole world, then take out what they withhold and whom ``only`` leaves out."""
    evidence = _evidence(config, source, actual, difference, moment)
    empty = empty_warnings(source, config.attributes)
    verdicts = guards.judge(evidence, config.safety, moment.approvals)
    tripped = any(verdict.tripped for verdict in verdicts)
    changes = _only(moment.only, source, difference) if moment.only else difference.changes
    writes, withheld = guards.permitted(changes, evidence, verdicts, config.safety)
    ladder = difference.ladder
    turns = [(turn, False) for turn in ladder.waiting] + [(turn, True) for turn in ladder.deferred]
    return Plan(
        paths=source.paths,
        source={"users": len(source.users), "groups": len(source.groups), "in_scope": evidence.in_scope},
        target={"users": len(actual.users), "groups": len(actual.groups), "managed": len(difference.ours)},
        users=replace(difference.users, actions=count(changes, "user")),
        groups=replace(difference.groups, actions=count(changes, "group")),
        changes=changes,
        problems=difference.problems,
        guards=(*verdicts, guards.unreadable(evidence, len(withheld))),
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
        refused=tripped and config.safety.on_refusal == "stop",
        withheld=withheld,
        writes=writes,
        tenant=tenant_of(config).shown,
    )


def _evidence(config: Config, source: Source, actual: Directory, difference: Difference, moment: Moment) -> Evidence:
    changes, baseline = difference.changes, moment.baseline
    users, groups = moment.owned.users, moment.owned.groups
    # Whom Duo counts and does not list is as unread as a record that cannot be read.
    unreadable = sum(problem.code == _UNREADABLE for problem in difference.problems) + source.unlisted
    # Removals that an unreadable record withholds cannot refuse the rest as well (CONTRACT §6.4).
    removed = [] if unreadable else changes
    return Evidence(
        missing=(*source.missing, *lost_groups(config, source, baseline)),
        # Who was found by his id alone does not count: a list that lacks many is to be noticed.
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
        privilege_changes=sum(change.privilege for change in changes),
        held=difference.users.held + difference.groups.held,
        unreadable=unreadable,
        vanished=_vanished(actual, difference, moment.owned),
        known=sum(not entry.deleted and entry.deactivated_at is None for entry in users.values()),
        known_groups=sum(not entry.deleted for entry in groups.values()),
        rights=rights.tally(changes),
        commonest=commonest(difference.problems, source, config.attributes),
    )


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


def lost_groups(config: Config, source: Source, baseline: Baseline | None) -> list[Message]:
    """Name the groups that were in scope at the last good run and that the unchanged [scope] no longer reaches."""
    if baseline is None or baseline.scope_digest != scope_digest(config):
        return []
    lost = []
    for id_, name in sorted(baseline.groups.items(), key=lambda pair: pair[1]):
        if id_ in source.scoped:
            continue
        if id_ in source.groups:
            now = group(source.groups[id_])
            lost.append(Message(_RENAMED, group(name), now, _SCOPED, now))
        else:
            lost.append(Message(_DELETED, group(name), _SCOPED))
    return lost


_SCOPED = word("[scope] groups")
_RENAMED = (
    'The group "{}" was in scope at the last good run and is now called "{}" in Duo, which no entry of {} matches. '
    'Write groups = [..., "{}"] to go on with it.'
)
_DELETED = (
    'The group "{}" was in scope at the last good run and is gone from Duo. If that is meant, change {} so that it no '
    "longer speaks of it."
)


def scope_digest(config: Config) -> str:
    """Tell one [scope] from another."""
    return hashlib.sha256(config.scope.model_dump_json().encode()).hexdigest()


def baseline_of(config: Config, planning: Planning, now: datetime) -> Baseline:
    """Return what a good run found, for the ledger."""
    return Baseline(now, planning.plan.evidence.in_scope, scope_digest(config), dict(planning.source.scoped))


def _only(only: tuple[str, ...], source: Source, difference: Difference) -> tuple[Change, ...]:
    """Narrow the changes to these users and their own memberships.

    WHO is an e-mail, a Duo username's label, a Duo user id or a NinjaOne id. No group is
    created, renamed or deleted.
    """
    chosen: set[str] = set()
    for who in only:
        form = folded(who)
        hits = {user.id for user in source.users.values() if who == user.id or form in _names(user)}
        hits |= {
            duo_id
            for duo_id, account in difference.ours.items()
            if who in (account.id, duo_id) or folded(account.user_name) == form
        }
        if not hits:
            near = did_you_mean(who, [user.label for user in source.users.values()], person)
            raise CommandLineError(
                Message('{}: neither Duo nor a managed account is called "{}"{}', word("--only"), person(who), near),
                _ONLY_HINT,
            )
        chosen |= hits
    kept = []
    for change in difference.changes:
        if change.resource == "user" and change.external_id in chosen:
            kept.append(change)
        elif change.resource == "group" and change.action == "update":
            added = tuple(member for member in change.added if member.external_id in chosen)
            removed = tuple(member for member in change.removed if member.external_id in chosen)
            if added or removed:
                kept.append(replace(change, diff=(), needs=(), added=added, removed=removed))
    return guards.with_their_needs(kept)


_ONLY_HINT = "Give an e-mail address, a Duo username, a Duo user id or a NinjaOne id."


def _names(user: SourceUser) -> set[str]:
    names = {folded(user.label), folded(user.username)}
    return names | {folded(user.desired.user_name)} if user.desired else names


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
