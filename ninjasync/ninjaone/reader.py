"""Reads NinjaOne, and decides which reading to trust: its lists, or a look-up of each account (CONTRACT 6.9).

Has an Endpoint, and uses no verb of it but GET. Knows what lists may lack; how pages are read
is in ``listing``, how single accounts are in ``look_ups``.
"""

import logging
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from ninjasync.config.context import RunContext
from ninjasync.errors import IncompleteReadError, UnreachableError
from ninjasync.log import timed
from ninjasync.model.directory import Directory, Group, Problem, Resource, Wanted
from ninjasync.model.message import Message, as_message, number, person
from ninjasync.names_alike import folded
from ninjasync.ninjaone import scim_responses, statuses
from ninjasync.ninjaone.endpoint import PATHS, Endpoint, name_of
from ninjasync.ninjaone.listing import Gap, ListProof, NoListError, PagePrefetch, prefetch_pages, read_list
from ninjasync.ninjaone.look_ups import LookUps
from ninjasync.ninjaone.user_pages import UserPages
from ninjasync.threads import in_background, result_of

log = logging.getLogger(__name__)

_INSTEAD = 'Run again; if it stays so, set [ninjaone.dialect] discovery = "lookup".'

_Need = Literal["anything", "not proven short", "proven whole"]


@dataclass(frozen=True, slots=True)
class _Lists:
    """Both lists, and what is wrong with them."""

    directory: Directory
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class _Begun:
    """The reading that goes on in the background: both lists where answers are slow, else None."""

    lists: Future[_Lists | None]
    users: PagePrefetch
    groups: PagePrefetch


class Reader:
    """Reads one endpoint. Methods raise CredentialsError, UnreachableError or IncompleteReadError."""

    def __init__(self, endpoint: Endpoint, context: RunContext) -> None:
        self.endpoint = endpoint
        self._listener = context.listener
        self._dialect = context.config.ninjaone.dialect
        self._parallelism = context.config.run.parallelism
        self._look_ups = LookUps(endpoint, context)
        self._begun: _Begun | None = None
        self._first = False
        self._members_hidden = False

    def begin(self, paths: tuple[str, ...], *, first: bool = False, members_hidden: bool = False) -> None:
        """Start to list in the background; ``directory`` goes on from there, and raises what went wrong.

        Where answers are quick, that is the first page of users and of groups alone. In the
        ``first`` run no ledger shows what a list lacks, so that its total is doubted more. Where
        groups are known to hide their members (``members_hidden``), none is asked for them by its id.
        """
        self._first, self._members_hidden = first, members_hidden
        if self._dialect.discovery == "lookup":
            return
        users, groups = self._prefetched(paths)
        first_users = users.start(0)
        if self._parallelism > 1:  # a single worker asks for one thing at a time
            groups.start(0)

        def work() -> _Lists | None:
            result_of(first_users)
            return self._read_lists(paths, users, groups, self._need(None)) if users.is_worth_threads() else None

        self._begun = _Begun(in_background(work), users, groups)

    @timed(log, "read NinjaOne")
    def read_directory(self, paths: tuple[str, ...], wanted: Wanted) -> Directory:
        """Read users and groups as the dialect says: by lists, one by one, or as proves right.

        A list is distrusted, and each account in ``wanted`` looked up instead, where it lacks
        an account that can still be read by its id (CONTRACT 6.9).
        """
        if self._dialect.discovery == "lookup":
            return self._look_up(paths, wanted, ())
        begun, self._begun = self._begun, None
        try:
            if begun is None:
                lists = self._read_lists(paths, *self._prefetched(paths), self._need(wanted))
            else:
                lists = result_of(begun.lists) or self._read_lists(paths, begun.users, begun.groups, self._need(wanted))
        except NoListError as error:
            if self._dialect.discovery == "list":
                raise UnreachableError(error.message, 'Set [ninjaone.dialect] discovery = "lookup".') from error
            if not _wants_any(wanted):
                raise IncompleteReadError(error.message, _INSTEAD) from error
            return self._look_up(paths, wanted, (Message("{} Each account is looked up instead.", error.message),))
        if lists.gaps:
            return self._fill(lists, paths, wanted)
        return self._trust(self._add_contested(lists.directory, paths, wanted), paths, wanted)

    # --- by lists ----------------------------------------------------------------------------

    def _need(self, wanted: Wanted | None) -> _Need:
        """Say how whole a list must be: with nothing wanted there are no look-ups, nor where lists are asked for."""
        if wanted is not None and not _wants_any(wanted):
            return "proven whole"
        return "not proven short" if self._dialect.discovery == "list" else "anything"

    def _prefetched(self, paths: tuple[str, ...]) -> tuple[PagePrefetch, PagePrefetch]:
        """Return what fetches the pages of users, and those of groups."""
        how = (self._dialect, self._parallelism)
        return (
            prefetch_pages(self.endpoint, "user", *how, UserPages(paths)),
            prefetch_pages(self.endpoint, "group", *how),
        )

    def _read_lists(
        self, paths: tuple[str, ...], user_pages: PagePrefetch, group_pages: PagePrefetch, need: _Need
    ) -> _Lists:
        """Read both lists. Raises IncompleteReadError where one is less than is needed."""
        proofs = [ListProof(self._dialect.page_size, doubts_caps=self._first) for _ in range(2)]
        users = read_list("user", user_pages, partial(scim_responses.read_user, paths=paths), proofs[0], self._listener)
        _require(need, users.gap)
        groups = read_list("group", group_pages, scim_responses.read_group, proofs[1], self._listener)
        _require(need, groups.gap)
        problems = [*users.problems, *groups.problems]
        # Where one group of a list has members, one without has none: null and empty are the same
        # (RFC 7643 §2.5). Where no group has any, lists may leave them out, or show none.
        shown = any(group.members for group in groups.resources)
        whole, hides = self._with_members(groups.resources, () if shown else groups.resources, problems)
        directory = Directory(paths, tuple(users.resources), tuple(whole), tuple(problems), hides_members=hides)
        return _Lists(directory, tuple(gap for gap in (users.gap, groups.gap) if gap))

    def _with_members(
        self, groups: list[Group], unasked: Iterable[Group], problems: list[Problem]
    ) -> tuple[list[Group], bool]:
        """Read again by id those of ``unasked``; return all groups, and whether all of them hide their members."""
        again, answered = self._look_ups.read_groups_again(() if self._members_hidden else unasked, problems)
        groups = [again.get(group.id or "", group) for group in groups]
        return groups, bool(groups) and answered and not any(group.members for group in groups)

    def _add_contested(self, directory: Directory, paths: tuple[str, ...], wanted: Wanted) -> Directory:
        """Look for the holders of names that were refused as taken although no list shows such a name."""
        if not wanted.contested:
            return directory
        users, groups, hidden = directory.users, directory.groups, set[tuple[Resource, str]]()
        shown = {("user", folded(user.user_name)) for user in users}
        shown |= {("group", folded(group.display_name)) for group in groups}
        spelled = {folded(name): name for name in (*wanted.user_names.values(), *wanted.group_names.values())}
        read_user = partial(scim_responses.read_user, paths=paths)
        for resource, form in sorted(wanted.contested):
            if (resource, form) in shown:
                continue
            before, name = len(users) + len(groups), spelled.get(form, form)
            if resource == "user":
                users += self.endpoint.find_named("user", name, read_user)
            else:
                groups += self.endpoint.find_named("group", name, scim_responses.read_group)
            if len(users) + len(groups) == before:
                hidden.add((resource, form))
        return replace(directory, users=users, groups=groups, hidden=frozenset(hidden))

    def _trust(self, directory: Directory, paths: tuple[str, ...], wanted: Wanted) -> Directory:
        """Look for what the ledger knows and the list lacks, which may be gone or merely not listed."""
        problems = list(directory.unreadable)
        auto = self._dialect.discovery == "auto"
        read_user = partial(scim_responses.read_user, paths=paths)
        users, gone = self._look_ups.look_for_late(
            "user", wanted.user_ids, directory.users, read_user, problems, one_is_enough=auto
        )
        groups, gone_groups = self._look_ups.look_for_late(
            "group", wanted.group_ids, directory.groups, scim_responses.read_group, problems, one_is_enough=auto
        )
        late = [user.id for user in users] + [group.id for group in groups]
        if late and auto:
            what = "account" if users else "group"
            why = Message(
                f"NinjaOne's list lacks the {what} {{}}, which can still be read: the list is not trusted, each "
                "account is looked up instead.",
                person(late[0] or ""),
            )
            return self._look_up(paths, wanted, (why,))
        warnings = directory.warnings
        if late:
            lacking = "NinjaOne's list lacks {} of ours that can still be read; they count as there."
            warnings += (Message(lacking, number(len(late))),)
        return replace(
            directory,
            users=(*directory.users, *users),
            groups=(*directory.groups, *groups),
            vanished=frozenset((gone | gone_groups) - {problem.key for problem in problems}),
            unreadable=tuple(problems),
            warnings=warnings,
        )

    def _fill(self, lists: _Lists, paths: tuple[str, ...], wanted: Wanted) -> Directory:
        """Look up what is wanted and is missing in lists that may not be whole."""
        proven = any(gap.proven for gap in lists.gaps)
        why = " ".join(gap.why for gap in lists.gaps)
        if not _wants_any(wanted):
            raise IncompleteReadError(why, _INSTEAD)
        if not proven and _has_all(lists.directory, wanted):
            return lists.directory
        warning = Message("{} Each account that it lacks is looked up instead.", as_message(why))
        return self._look_up(paths, wanted, (warning,), lists.directory)

    # --- one by one --------------------------------------------------------------------------

    def _look_up(
        self, paths: tuple[str, ...], wanted: Wanted, warnings: tuple[Message, ...], listed: Directory | None = None
    ) -> Directory:
        """Look up everything in ``wanted`` that ``listed`` does not have already."""
        listed = listed or Directory(paths, (), ())
        problems = list(listed.unreadable)
        read_user, look_for = partial(scim_responses.read_user, paths=paths), self._look_ups.look_for
        users = look_for("user", wanted.user_ids, wanted.user_names, read_user, problems, listed.users)
        names = {folded(user.user_name) for user in users}
        for name in wanted.protected:
            if folded(name) not in names:
                with suppress(UnreachableError):  # one more name that is found or not; the run does not hang on it
                    users += self.endpoint.find_named("user", name, read_user)
        read_group = scim_responses.read_group
        groups = look_for("group", wanted.group_ids, wanted.group_names, read_group, problems, listed.groups)
        asked = wanted.group_ids.union(group.id for group in listed.groups if group.id)
        unasked = [group for group in groups if not group.members and group.id not in asked]
        groups, hides = self._with_members(groups, unasked, problems)
        if not (users or problems or wanted.user_ids):
            self._require_list()
        seen = {user.id for user in users} | {group.id for group in groups} | {problem.key for problem in problems}
        return Directory(
            paths,
            tuple(users),
            tuple(groups),
            tuple(problems),
            complete=False,
            vanished=frozenset(id_ for id_ in (*wanted.user_ids, *wanted.group_ids) if id_ not in seen),
            hides_members=hides,
            warnings=warnings,
        )

    def _require_list(self) -> None:
        """Raise where every filter was answered "not found", and so is a list: the address is wrong then."""
        answered = self.endpoint.filter_statuses
        if not answered or any(statuses.of_filter(status) != "gone" for status in answered):
            return
        transport = self.endpoint.transport
        answer = transport.call("GET", PATHS["user"], {"startIndex": "1", "count": "1"})
        if statuses.of_one(answer.status) == "gone":
            raise transport.unexpected("list", answer)


def _require(need: _Need, gap: Gap | None) -> None:
    if gap and (need == "proven whole" or (need == "not proven short" and gap.proven)):
        raise IncompleteReadError(gap.why, _INSTEAD)


def _wants_any(wanted: Wanted) -> bool:
    return bool(wanted.user_ids or wanted.group_ids or wanted.user_names or wanted.group_names)


def _has_all(directory: Directory, wanted: Wanted) -> bool:
    """Whether a list has everything that is wanted."""
    ids = {user.id for user in directory.users} | {group.id for group in directory.groups}
    names = {folded(name_of(user)) for user in directory.users}
    group_names = {folded(name_of(group)) for group in directory.groups}
    return (
        ids >= wanted.user_ids | wanted.group_ids
        and names.issuperset(map(folded, wanted.user_names.values()))
        and group_names.issuperset(map(folded, wanted.group_names.values()))
    )
