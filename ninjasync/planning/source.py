"""From Duo's records to one Source: scope and mapping of every user, and what was noticed on the way.

Pure but for the reader that it is handed. Knows Duo's fields and [scope]; must not know NinjaOne.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from ninjasync.config.functions import is_blank
from ninjasync.config.schema import Config
from ninjasync.duo.records import clean, group_reader, label
from ninjasync.model.directory import Problem, User
from ninjasync.model.message import Message, counted, did_you_mean, group, listed, number, person, text, word
from ninjasync.model.ownership import Ownership
from ninjasync.model.problems import Code
from ninjasync.model.source import Source, SourceUser, Standing
from ninjasync.names_alike import fitting_none, folded
from ninjasync.planning.causes import Noted, empty_attributes
from ninjasync.planning.mapping import AttributeMapping, compile_mapping, map_user
from ninjasync.planning.scope import Scope, Verdict, judge, resolve
from ninjasync.planning.source_pages import page_reader

T = TypeVar("T")


class SourceReader(Protocol):
    """What a plan needs of Duo."""

    @property
    def unlisted(self) -> int:
        """How many users Duo counts and did not list, in the last ``users``."""

    @property
    def nameless(self) -> tuple[str, ...]:
        """The ids of the groups without a name, which the last ``groups`` passed over."""

    def read_groups(self) -> dict[str, str]:
        """Return every group's name by its id."""

    def read_users(self, convert: Callable[[list[Any]], list[T]]) -> list[T]:
        """Return ``convert`` of all users' records, given to it page by page."""

    def read_users_by_id(self, ids: list[str], convert: Callable[[list[Any]], list[T]]) -> list[T]:
        """Return ``convert`` of the records of those of these users that Duo has."""


def read_source(
    config: Config, duo: SourceReader, owned: Ownership, known: tuple[tuple[str, str], ...] | None = None
) -> Source:
    """Read Duo and decide on every user alone: who is in scope, and what the account is to be in NinjaOne.

    ``known`` are NinjaOne's organizations, number and name, where its public API told them.

    A user of ours that was not among the pages is asked for by id: while users come and go, paging may
    pass one over, and not read is not absent.
    """
    groups = duo.read_groups()
    scope = resolve(config.scope, config.groups, groups)
    mapping = compile_mapping(config.attributes, config.safety, config.organizations, known)
    noted = Noted()
    convert = page_reader(scope, mapping, source_reader(scope, mapping, noted), noted.custom.update)
    listed = duo.read_users(convert)
    users = {found.id: found for found in listed if isinstance(found, SourceUser)}
    absent = sorted(duo_id for duo_id in owned.users.keys() - users.keys() if not owned.users[duo_id].deleted)
    asked_for = duo.read_users_by_id(absent, convert) if absent else []
    there = {found.id: found for found in asked_for if isinstance(found, SourceUser)}
    passed_over = frozenset(there).difference(users)
    users |= there
    unreadable = [found for found in (*listed, *asked_for) if isinstance(found, Problem)]
    # A group of ours is not read without its name: not read is never absent.
    unreadable += [Problem("group", id_, id_, UNREADABLE, _NAMELESS) for id_ in duo.nameless if id_ in owned.groups]
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
            "listed; no account is removed until the numbers agree.",
            counted(users, "more user"),
        )
    ]


def _passed_over(ids: frozenset[str]) -> list[Message]:
    if not ids:
        return []
    lacking = number(len(ids))
    return [Message("Duo's list of users lacks {} that Duo still has when asked by id; they count as there.", lacking)]


def _unknown_people(key: str, named: tuple[str, ...], users: Mapping[str, SourceUser]) -> list[Message]:
    """Name entries of a list of [scope] that match no user."""
    if not named:
        return []
    unknown = fitting_none(named, (name for user in users.values() for name in (user.label, user.username, user.id)))
    names = [name for user in users.values() for name in (user.label, user.username)] if unknown else []
    where = word(f"[scope] {key}")
    return [
        Message('{}: "{}" matches no user in Duo{}.', where, text(entry), suggest_name(entry, names))
        for entry in unknown
    ]


def suggest_name(entry: str, names: Iterable[str]) -> Message:
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


UNREADABLE: Code = "unreadable-record"


_WITHOUT_GROUPS = Verdict(
    Standing.HELD, Message("Duo sent the user's record without the user's groups"), code=UNREADABLE
)


_WITHOUT_ID = Message("Duo sent a user's record without an id")


def source_reader(
    scope: Scope, mapping: AttributeMapping, noted: Noted | None = None
) -> Callable[[Any], SourceUser | Problem]:
    """Return what turns one Duo record into what the diff needs of it; a Problem where not even its id can be read.

    ``noted`` is told of each record what may explain an empty attribute or a held user.
    """
    groups_of = group_reader()

    def read(row: Any) -> SourceUser | Problem:
        id_ = row.get("user_id") if isinstance(row, dict) else None
        if not isinstance(id_, str) or is_blank(id_):
            return Problem("user", "?", None, UNREADABLE, _WITHOUT_ID)
        record = clean(row)
        if noted is not None and isinstance(custom := record.get("custom_attributes"), dict):
            noted.custom.update(custom)
        name, groups = label(record), groups_of(record)
        verdict = _WITHOUT_GROUPS if groups is None else judge(scope, record, groups)
        desired: User | None = None
        problems: tuple[Problem, ...] = ()
        if verdict.standing is Standing.IN:
            desired, problems = map_user(mapping, record)
            if problems and noted is not None:
                noted.note_held(record, problems, mapping)
        elif verdict.standing is Standing.HELD:
            problems = (Problem("user", name, id_, verdict.code or UNREADABLE, verdict.reason),)
        username = record.get("username")
        username = username if isinstance(username, str) else ""
        return SourceUser(id_, name, verdict.standing, verdict.reason, groups or (), desired, problems, username)

    return read
