"""Reads NinjaOne over SCIM: all of it by pages, or one by one. Has no verb that writes.

Knows the endpoint's lists, look-ups and oddities; the JSON is ``scim``'s. The Writer is
in ``ninjaone_writer``, so that a plan cannot even import it by accident.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

from pydantic import SecretStr

from ninjasync.config.context import RunContext
from ninjasync.errors import IncompleteReadError, UnreachableError
from ninjasync.model.attributes import DISPLAY_NAME, EXTERNAL_ID, USER_NAME
from ninjasync.model.directory import Directory, Group, Problem, Resource, User, Wanted
from ninjasync.model.events import Read
from ninjasync.model.message import NOTHING, Message, as_message, number, person, text
from ninjasync.names_alike import alike, folded
from ninjasync.net.pacing import Pacer, TransientError
from ninjasync.net.prefetch import Ahead
from ninjasync.ninjaone import scim_requests, scim_responses, statuses
from ninjasync.ninjaone.http import CHECK_URL, Answer, ScimTransport
from ninjasync.threads import in_background, result_of

R = TypeVar("R", User, Group)
# HTTP's and many servers' clocks show whole seconds.
_CLOCK_GRAIN = timedelta(seconds=2)
S = TypeVar("S")
T = TypeVar("T")
_Ahead = Ahead[int, scim_responses.Page]

PATHS: dict[Resource, str] = {"user": "/Users", "group": "/Groups"}
_NAMING: dict[Resource, str] = {"user": USER_NAME, "group": DISPLAY_NAME}

# So many look-ups may end without an answer, all tries spent, before the service itself counts as down.
_MOST_UNANSWERED = 10
# Where a total that is a multiple of this has been reached, it may be no total but a cap.
_CAPS = 50
_INSTEAD = 'Run again; if it stays so, set [ninjaone.dialect] discovery = "lookup".'


class _NoListError(Exception):
    """The endpoint does not list; each account can still be looked up."""


_Need = Literal["anything", "not proven short", "proven whole"]


@dataclass(frozen=True, slots=True)
class _Gap:
    """Why a list may not be whole, in a sentence; ``proven`` where it is known not to be."""

    why: str
    proven: bool


@dataclass(frozen=True, slots=True)
class _Listed:
    """Both lists, and what is wrong with them."""

    found: Directory
    gaps: tuple[_Gap, ...]


class Reader:
    """Reads one endpoint. Methods raise CredentialsError, UnreachableError or IncompleteReadError."""

    def __init__(self, context: RunContext, token: SecretStr) -> None:
        config = context.config
        pacer = Pacer(config.run.retries, rate=config.ninjaone.rate_limit, stop=context.stop, tell=context.listener)
        self._stop, self._tell = context.stop, context.listener
        self._transport = ScimTransport(config, token, pacer)
        self._dialect = config.ninjaone.dialect
        self._parallelism = config.run.parallelism
        self._begun: tuple[Future[_Listed | None], _Ahead, _Ahead] | None = None
        self._first = False
        self._members_hidden = False
        self._unfilterable: set[str] = set()
        self._filters_answered: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def begin(
        self, paths: tuple[str, ...], about: int = 0, *, first: bool = False, members_hidden: bool = False
    ) -> None:
        """Start to list in the background; ``directory`` goes on from there, and raises what went wrong.

        Where there is nothing to wait for, that is the first page of users and of groups
        alone. Else ``about`` how many users there are lets a round of pages be asked for
        before the first has told how many there are. In the ``first`` run no ledger shows
        what a list lacks, so that its total is doubted more. Where it is known that groups
        hide their members (``members_hidden``), none is asked for them by its id.
        """
        self._first, self._members_hidden = first, members_hidden
        if self._dialect.discovery == "lookup":
            return
        users, groups = self._ahead("user"), self._ahead("group")
        # A single worker asks for one thing at a time.
        first_groups = in_background(lambda: groups.keep(0)) if self._parallelism > 1 else None

        def work() -> _Listed | None:
            size, free = self._dialect.page_size, max(self._parallelism - 2, 0)
            users.keep(0, range(size, about - size + 1, size)[:free])
            if first_groups:
                first_groups.result()
            return self._listed(paths, users, groups, self._needed(None)) if users.slow else None

        self._begun = in_background(work), users, groups

    def directory(self, paths: tuple[str, ...], wanted: Wanted) -> Directory:
        """Read users and groups as the dialect says: by lists, one by one, or as proves right.

        A list is distrusted, and everybody in ``wanted`` looked up instead, where it lacks
        an account that can still be read by its id (CONTRACT §6.9).
        """
        if self._dialect.discovery == "lookup":
            return self._looked_up(paths, wanted, ())
        begun, self._begun = self._begun, None
        try:
            listing, users, groups = begun or (None, self._ahead("user"), self._ahead("group"))
            listed = (result_of(listing) if listing else None) or self._listed(
                paths, users, groups, self._needed(wanted)
            )
        except _NoListError as error:
            if self._dialect.discovery == "list":
                raise UnreachableError(str(error), 'Set [ninjaone.dialect] discovery = "lookup".') from error
            if not _anybody(wanted):
                raise IncompleteReadError(str(error), _INSTEAD) from error
            return self._looked_up(paths, wanted, (Message("{} Each account is looked up instead.", text(error)),))
        if listed.gaps:
            return self._filled(listed, paths, wanted)
        return self._trusted(self._with_contested(listed.found, paths, wanted), paths, wanted)

    def user(self, id_: str, paths: tuple[str, ...]) -> User | None:
        """Return one user by NinjaOne's id; None where there is none."""
        return self._one("user", id_, lambda row: scim_responses.read_user(row, paths))

    def group(self, id_: str) -> Group | None:
        """Return one group by NinjaOne's id; None where there is none."""
        return self._one("group", id_, scim_responses.read_group)

    def made_since(self, resource: Resource, id_: str, since: datetime) -> bool:
        """Whether NinjaOne says that a resource was created at or after ``since``, which is by our clock."""
        created = scim_responses.read_created(self.raw(resource, id_))
        return created is not None and created >= since + self._transport.skew - _CLOCK_GRAIN

    def raw(self, resource: Resource, id_: str) -> Any:
        """Return a resource's JSON as it is; None where there is none."""
        answer = self._transport.call("GET", place(resource, id_))
        match statuses.of_one(answer.status):
            case "there":
                return answer.body
            case "gone":
                return None
        raise self._unanswered(f"look-up of the {resource} {id_}", answer)

    def find_user(self, external_id: str, user_name: str) -> User | None:
        """Look up the user with this externalId, or with this userName and no externalId."""
        return self._find_own("user", external_id, user_name, lambda row: scim_responses.read_user(row, ()))

    def find_group(self, external_id: str, display_name: str) -> Group | None:
        """Look up the group with this externalId, or with this displayName and no externalId."""
        return self._find_own("group", external_id, display_name, scim_responses.read_group)

    def holder(self, resource: Resource, external_id: str, name: str) -> User | Group | None:
        """Return whoever has this externalId or, letter case aside, this userName or displayName."""

        def read(row: Any) -> User | Group:
            return scim_responses.read_group(row) if resource == "group" else scim_responses.read_user(row, ())

        for attribute, value in ((EXTERNAL_ID, external_id), (_NAMING[resource], name)):
            for found in self._find(resource, attribute, value, read):
                if found.external_id == external_id or folded(_name(found)) == folded(name):
                    return found
        return None

    # --- by pages ----------------------------------------------------------------------------

    def _needed(self, wanted: Wanted | None) -> _Need:
        """Say how whole a list must be: nothing else is read where nobody is wanted, or lists are asked for."""
        if wanted is not None and not _anybody(wanted):
            return "proven whole"
        return "not proven short" if self._dialect.discovery == "list" else "anything"

    def _listed(self, paths: tuple[str, ...], users_ahead: _Ahead, groups_ahead: _Ahead, need: _Need) -> _Listed:
        """Read both lists. Raises IncompleteReadError where one is less than is needed."""
        problems: list[Problem] = []
        gaps: list[_Gap] = []
        users = self._list("user", users_ahead, scim_responses.user_reader(paths), problems, gaps)
        _expect(need, gaps)
        groups = self._list("group", groups_ahead, scim_responses.read_group, problems, gaps)
        _expect(need, gaps)
        # Where one group of a list has members, one without has none: null and empty are the same
        # (RFC 7643 §2.5). Where no group has any, lists may leave them out, or show none.
        unasked = [] if any(group.members for group in groups) else groups
        groups, hides = self._with_members(groups, unasked, problems)
        found = Directory(paths, tuple(users), tuple(groups), tuple(problems), hides_members=hides)
        return _Listed(found, tuple(gaps))

    def _ahead(self, resource: Resource) -> _Ahead:
        return Ahead(lambda seen: self._page(resource, seen), self._parallelism)

    def _list(
        self,
        resource: Resource,
        ahead: _Ahead,
        convert: Callable[[Any], R],
        problems: list[Problem],
        gaps: list[_Gap],
    ) -> list[R]:
        """Return what a list holds; what keeps it from being proven whole is added to ``gaps``."""
        found: dict[str, R] = {}
        held, seen, different, number = len(problems), 0, 0, 0
        last: tuple[Any, ...] = ()
        total: int | None = None
        ending: UnreachableError | None = None
        repeated = False
        with closing(self._pages(ahead)) as pages:
            while True:
                try:
                    page = next(pages)
                except UnreachableError as error:
                    whole = total is not None and different >= total
                    if not seen or (is_down(error) and not whole):
                        raise
                    ending = error
                    break
                before = different
                for item in _converted(resource, page.resources, convert, problems):
                    found.setdefault(item.id or "", item)
                seen += len(page.resources)
                self._tell(Read("NinjaOne", resource, seen, page.total))
                different = len(found) + len(problems) - held
                if not page.resources:
                    total = page.total or total
                    break
                repeated = different == before or page.resources == last
                if repeated:
                    break
                number, last, total = number + 1, page.resources, page.total
                if total is not None and seen > total:
                    total = None  # it counts each page alone: then only an empty page is the end
                if seen == total and not self._may_be_more(page, seen):
                    break
        short = total is not None and different < total
        if repeated and (short or number == 1):
            # Either there are no more, or it ignores startIndex.
            gaps.append(_Gap(f"NinjaOne sends the same {resource}s again for each page.", proven=short))
        elif short:
            gaps.append(_Gap(f"NinjaOne says that it has {total} {resource}s, but sent {different}.", proven=True))
        elif ending and total is None:
            gaps.append(_Gap(f"NinjaOne's list of {resource}s breaks off after {different}.", proven=False))
        return list(found.values())

    def _may_be_more(self, page: scim_responses.Page, seen: int) -> bool:
        """Whether there may be more although the total has come: it counts the page alone, or is a cap.

        The first is asked of a first page that is full; the second where no ledger tells
        what a list lacks. One page more tells.
        """
        alone = seen == len(page.resources) == self._dialect.page_size
        return alone or (self._first and seen % _CAPS == 0)

    def _pages(self, ahead: _Ahead) -> Generator[scim_responses.Page, None, None]:
        """Yield page after page; whoever reads them sees which is the last.

        Pages go by what came, not by what was asked for (RFC 7644 §3.4.2.4). Those after
        the first are fetched side by side if that one was full; where one is not, the next
        begin where it ended.
        """
        with ahead:
            page = ahead.take(0)
            size = len(page.resources)
            if size == self._dialect.page_size:
                ahead.expect(range(size, page.total or 0, size))
            seen = 0
            while True:
                seen += len(page.resources)
                yield page
                page = ahead.take(seen)

    def _page(self, resource: Resource, seen: int) -> scim_responses.Page:
        params = {"startIndex": str(seen + 1), "count": str(self._dialect.page_size)}
        try:
            answer = self._transport.call("GET", PATHS[resource], params)
        except TransientError as error:
            # Some servers stumble over a list, and answer each look-up. One that is down fails those, too.
            if seen or error.status != 500 or self._dialect.discovery == "list":
                raise
            raise _NoListError(f"NinjaOne fails to list its {resource}s (HTTP 500).") from error
        if seen and answer.status != 200:
            raise self._unanswered(f"list of {resource}s after {seen} of them", answer)
        if answer.status == 204:  # without content: it may say that there are none, and "not read" is not "absent"
            raise UnreachableError(
                f"NinjaOne answered the list of {resource}s with HTTP 204 and no content, which does not say that "
                "there are none.",
                f"If there are none, make one {resource} by hand in the NinjaOne console and run again. {CHECK_URL}",
            )
        match statuses.of_list(answer.status):
            case "no-list":
                detail, _ = scim_responses.read_error(answer.body)
                raise _NoListError(f"NinjaOne does not list its {resource}s (HTTP {answer.status} {detail}).")
            case "failed":
                raise self._transport.unexpected("list", answer)
        page = scim_responses.read_page(answer.body)
        if page is None:
            raise UnreachableError(f"{self._transport.url} answered with no SCIM list.", CHECK_URL)
        return page

    def _with_members(
        self, groups: list[Group], unasked: Iterable[Group], problems: list[Problem]
    ) -> tuple[list[Group], bool]:
        """Read again by id those of ``unasked``; return all groups, and whether all of them hide their members.

        A group that cannot be read is held, but where none can: then nobody knows the members of any.
        """
        bare = [] if self._members_hidden else list(unasked)
        failed: list[Problem] = []

        def read(group: Group) -> Group:
            try:
                return self.group(group.id or "") or group
            except UnreachableError as error:
                failed.append(_unread("group", group.id or "", group.external_id, error))
                return group

        read_again = {group.id: group for group in self._each(read, bare)}
        if len(failed) < len(bare):
            problems += failed
        groups = [read_again.get(group.id, group) for group in groups]
        return groups, bool(groups) and not failed and not any(group.members for group in groups)

    def _with_contested(self, found: Directory, paths: tuple[str, ...], wanted: Wanted) -> Directory:
        """Look for the holders of names that were refused as taken although the list shows nobody of that name."""
        if not wanted.contested:
            return found
        users, groups, hidden = found.users, found.groups, set[tuple[Resource, str]]()
        shown = {("user", folded(user.user_name)) for user in users}
        shown |= {("group", folded(group.display_name)) for group in groups}
        spelt = {folded(name): name for name in (*wanted.user_names.values(), *wanted.group_names.values())}
        for resource, form in sorted(wanted.contested):
            if (resource, form) in shown:
                continue
            before, name = len(users) + len(groups), spelt.get(form, form)
            if resource == "user":
                users += self._named("user", name, lambda row: scim_responses.read_user(row, paths))
            else:
                groups += self._named("group", name, scim_responses.read_group)
            if len(users) + len(groups) == before:
                hidden.add((resource, form))
        return replace(found, users=users, groups=groups, hidden=frozenset(hidden))

    def _named(self, resource: Resource, name: str, convert: Callable[[Any], R]) -> tuple[R, ...]:
        hits = self._find(resource, _NAMING[resource], name, convert)
        return tuple(one for one in hits if alike(_name(one), name))

    def _trusted(self, found: Directory, paths: tuple[str, ...], wanted: Wanted) -> Directory:
        """Look for what the ledger knows and the list lacks, which may be gone or merely not listed."""
        problems = list(found.unreadable)
        known = {problem.key for problem in problems}
        gone: set[str] = set()
        users, groups = found.users, found.groups
        for user in self._late("user", wanted.user_ids, found.users, scim_responses.user_reader(paths), problems, gone):
            users += (user,)
        for group in self._late("group", wanted.group_ids, found.groups, scim_responses.read_group, problems, gone):
            groups += (group,)
        late = [user.id for user in users[len(found.users) :]] + [group.id for group in groups[len(found.groups) :]]
        gone -= known | {problem.key for problem in problems}
        if late and self._dialect.discovery == "auto":
            what = "account" if len(users) > len(found.users) else "group"
            why = Message(
                f"NinjaOne's list lacks the {what} {{}}, which can still be read: the list is not trusted, each "
                "account is looked up instead.",
                person(late[0] or ""),
            )
            return self._looked_up(paths, wanted, (why,))
        warnings = found.warnings
        if late:
            lacking = number(len(late))
            warnings += (
                Message("NinjaOne's list lacks {} of ours that can still be read; they count as there.", lacking),
            )
        return replace(
            found,
            users=users,
            groups=groups,
            vanished=frozenset(gone),
            unreadable=tuple(problems),
            warnings=warnings,
        )

    def _late(
        self,
        resource: Resource,
        ids: Iterable[str],
        listed: Iterable[R],
        convert: Callable[[Any], R],
        problems: list[Problem],
        gone: set[str],
    ) -> list[R]:
        """Read by id what a list lacks; what cannot be read goes to ``problems``, the rest is ``gone``.

        One is enough for ``auto`` to look everything up, so that it stops there.
        """
        ours = frozenset(ids)
        missing = sorted(ours - {one.id for one in listed} - {problem.key for problem in problems})
        found: list[R] = []
        failed: list[UnreachableError] = []
        for start in range(0, len(missing), self._parallelism):
            some = missing[start : start + self._parallelism]
            found += self._read_ids(resource, some, convert, problems, failed)
            if found and self._dialect.discovery == "auto":
                break
        _expect_not_all(resource, failed, len(ours))
        gone |= set(missing) - {one.id for one in found}
        return found

    def _filled(self, listed: _Listed, paths: tuple[str, ...], wanted: Wanted) -> Directory:
        """Look up whom lists that may not be whole lack of those who are wanted."""
        found, proven = listed.found, any(gap.proven for gap in listed.gaps)
        why = " ".join(gap.why for gap in listed.gaps)
        if not _anybody(wanted):
            raise IncompleteReadError(why, _INSTEAD)
        if not proven and _holds(found, wanted):
            return found
        instead = Message("{} Each account that it lacks is looked up instead.", as_message(why))
        return self._looked_up(paths, wanted, (instead,), found)

    # --- one by one --------------------------------------------------------------------------

    def _looked_up(
        self, paths: tuple[str, ...], wanted: Wanted, warnings: tuple[Message, ...], listed: Directory | None = None
    ) -> Directory:
        """Look up everybody in ``wanted`` whom ``listed`` does not have already."""
        listed = listed or Directory(paths, (), ())
        problems = list(listed.unreadable)
        users = self._look_for(
            "user", wanted.user_ids, wanted.user_names, scim_responses.user_reader(paths), problems, listed.users
        )
        names = {folded(user.user_name) for user in users}
        for name in wanted.protected:
            if folded(name) not in names:
                with suppress(UnreachableError):  # one more name that is found or not; the run does not hang on it
                    users += self._named("user", name, scim_responses.user_reader(paths))
        groups = self._look_for(
            "group", wanted.group_ids, wanted.group_names, scim_responses.read_group, problems, listed.groups
        )
        asked = wanted.group_ids.union(group.id for group in listed.groups if group.id)
        groups, hides = self._with_members(
            groups, [one for one in groups if not one.members and one.id not in asked], problems
        )
        if not (users or problems or wanted.user_ids) and self._filters_answered and self._finds_nothing():
            self._expect_list()
        seen = {user.id for user in users} | {group.id for group in groups}
        seen |= {problem.key for problem in problems}
        vanished = frozenset(id_ for id_ in (*wanted.user_ids, *wanted.group_ids) if id_ not in seen)
        return Directory(
            paths,
            tuple(users),
            tuple(groups),
            tuple(problems),
            complete=False,
            vanished=vanished,
            hides_members=hides,
            warnings=warnings,
        )

    def _finds_nothing(self) -> bool:
        """Whether every filter was answered by a status that says that there is nothing."""
        return all(statuses.of_filter(status) == "gone" for status in self._filters_answered)

    def _expect_list(self) -> None:
        """Raise where there is not even a list: then it is the wrong address, and nobody is proven not to be there."""
        answer = self._transport.call("GET", PATHS["user"], {"startIndex": "1", "count": "1"})
        if statuses.of_one(answer.status) == "gone":
            raise self._transport.unexpected("list", answer)

    def _look_for(
        self,
        resource: Resource,
        ids: Iterable[str],
        names: Mapping[str, str],
        convert: Callable[[Any], R],
        problems: list[Problem],
        listed: Iterable[R] = (),
    ) -> list[R]:
        """Read every id, and look every name up; who is not found by name is looked for by externalId.

        What is ``listed`` already is not asked for again. What fails is held, each for itself.
        """
        found = {one.id or "": one for one in listed}
        shown = {folded(_name(one)) for one in found.values()}
        ours, unread = frozenset(ids), {problem.key for problem in problems}
        missing = sorted(ours - found.keys() - unread)
        unnamed = sorted((duo_id, name) for duo_id, name in names.items() if folded(name) not in shown)
        failed: list[UnreachableError] = []

        def told(done: int) -> None:
            self._tell(Read("NinjaOne", resource, done, len(missing) + len(unnamed)))

        for one in self._read_ids(resource, missing, convert, problems, failed, told):
            found[one.id or ""] = one
        _expect_not_all(resource, failed, len(ours))
        known = {one.external_id for one in found.values() if one.external_id}

        def look(wish: tuple[str, str]) -> list[R]:
            duo_id, name = wish
            form = folded(name)
            named = self._find(resource, _NAMING[resource], name, convert, problems)
            hits = [one for one in named if folded(_name(one)) == form]
            if not hits and duo_id not in known:
                hits = self._find(resource, EXTERNAL_ID, duo_id, convert, problems)
                hits = [one for one in hits if one.external_id == duo_id]
            return hits

        failed = []
        each = self._holding(look, lambda wish, error: _unread(resource, wish[1], wish[0], error), problems, failed)
        for hits in self._each(each, unnamed, lambda done: told(len(missing) + done)):
            for one in hits or ():
                found.setdefault(one.id or "", one)
        _expect_not_all(resource, failed, len(unnamed))
        return [found[id_] for id_ in sorted(found)]

    def _read_ids(
        self,
        resource: Resource,
        ids: Iterable[str],
        convert: Callable[[Any], R],
        problems: list[Problem],
        failed: list[UnreachableError],
        told: Callable[[int], None] = lambda done: None,
    ) -> list[R]:
        """Return those of ``ids`` that are there; what cannot be read or understood goes to ``problems``."""

        def read(id_: str) -> R | None:
            body = self.raw(resource, id_)
            try:
                return None if body is None else convert(body)
            except scim_responses.UnreadableResourceError as error:
                problems.append(_unreadable(resource, {"id": id_}, error))
                return None

        each = self._holding(read, lambda id_, error: _unread(resource, id_, None, error), problems, failed)
        return [one for one in self._each(each, ids, told) if one is not None]

    def _holding(
        self,
        work: Callable[[S], T | None],
        hold: Callable[[S, UnreachableError], Problem],
        problems: list[Problem],
        failed: list[UnreachableError],
    ) -> Callable[[S], T | None]:
        """Let a look-up that fails hold what it looked for, and nothing else, unless the service is down."""

        def tried(item: S) -> T | None:
            try:
                return work(item)
            except UnreachableError as error:
                failed.append(error)
                unheard = isinstance(error, TransientError) and error.status is None
                if unheard or sum(map(is_down, failed)) > _MOST_UNANSWERED:
                    raise
                problems.append(hold(item, error))
                return None

        return tried

    def _one(self, resource: Resource, id_: str, convert: Callable[[Any], R]) -> R | None:
        body = self.raw(resource, id_)
        if body is None:
            return None
        try:
            return convert(body)
        except scim_responses.UnreadableResourceError as error:
            raise UnreachableError(
                Message(f"NinjaOne's {resource} {{}} {{}}.", person(id_), text(error)), CHECK_URL
            ) from error

    def _find_own(self, resource: Resource, external_id: str, name: str, convert: Callable[[Any], R]) -> R | None:
        # A server may ignore a filter and return everything, so each hit is compared again.
        for found in self._find(resource, EXTERNAL_ID, external_id, convert):
            if found.external_id == external_id:
                return found
        for found in self._find(resource, _NAMING[resource], name, convert):
            if folded(_name(found)) == folded(name) and found.external_id is None:
                return found
        return None

    def _find(
        self,
        resource: Resource,
        name: str,
        value: str,
        convert: Callable[[Any], T],
        problems: list[Problem] | None = None,
    ) -> list[T]:
        rows = self._filtered(resource, name, value)
        if not rows and name != EXTERNAL_ID and value != value.lower():
            rows = self._filtered(resource, name, value.lower())  # a server may compare exactly and keep lower case
        return _converted(resource, rows, convert, problems)

    def _filtered(self, resource: Resource, name: str, value: str) -> tuple[Any, ...]:
        """Return the records that NinjaOne finds for this value of an attribute; none where it cannot be asked."""
        answer = self._transport.call("GET", PATHS[resource], {"filter": f"{name} eq {scim_requests.quoted(value)}"})
        if answer.status in (400, 501) and name == EXTERNAL_ID:  # such a filter need not be supported
            self._unfilterable.add(name)
            return ()
        self._filters_answered.add(answer.status)
        meaning = statuses.of_filter(answer.status)
        if meaning == "gone":
            return ()
        page = scim_responses.read_page(answer.body) if meaning == "there" else None
        if page is None:
            raise self._unanswered(f"look-up of the {resource} {value}", answer)
        return page.resources

    def _unanswered(self, what: str, answer: Answer) -> UnreachableError:
        """Return the error for an answer that says nothing of what was asked for; of others it says nothing either."""
        detail, _ = scim_responses.read_error(answer.body)
        said = Message(": {}", text(detail.rstrip("."))) if detail else NOTHING
        return UnreachableError(
            Message("NinjaOne did not answer the {} (HTTP {}{}).", text(what), number(answer.status), said),
            f"See what the token may read. {CHECK_URL}",
        )

    def _each(
        self, work: Callable[[S], T], items: Iterable[S], told: Callable[[int], None] = lambda done: None
    ) -> list[T]:
        """Do ``work`` for every item, several at once, and return the results in order; tell how many there are."""
        results: list[T] = []
        with ThreadPoolExecutor(self._parallelism, "read") as pool:
            try:
                for result in pool.map(work, items):
                    results.append(result)
                    told(len(results))
            except KeyboardInterrupt:
                self._stop.set()  # the pool awaits its threads, and they may be waiting to try again
                raise
        return results


def place(resource: Resource, id_: str) -> str:
    """Return the path of one resource behind the endpoint's URL."""
    return f"{PATHS[resource]}/{quote(id_, safe='')}"


def _converted(
    resource: Resource, rows: Iterable[Any], convert: Callable[[Any], T], problems: list[Problem] | None
) -> list[T]:
    """Convert what can be read; of the rest tell ``problems``."""
    try:
        return list(map(convert, rows))
    except scim_responses.UnreadableResourceError:
        found = []
    for row in rows:
        try:
            found.append(convert(row))
        except scim_responses.UnreadableResourceError as error:
            if problems is not None:
                problems.append(_unreadable(resource, row, error))
    return found


def is_down(error: UnreachableError) -> bool:
    """Whether a failure is the service's, not that of what was asked for (a 500 may well be that)."""
    return isinstance(error, TransientError) and error.status != 500


def _expect_not_all(resource: Resource, failed: list[UnreachableError], asked: int) -> None:
    """Raise where every single look-up failed: that is no matter of one account."""
    if len(failed) == asked > 1:
        first = failed[0]
        raise UnreachableError(
            Message(
                f"NinjaOne could not read a single one of {{}} {resource}s that it was asked for: {{}}",
                number(asked),
                as_message(first.message),
            ),
            first.hint,
        )


def _expect(need: _Need, gaps: list[_Gap]) -> None:
    for gap in gaps:
        if need == "proven whole" or (need == "not proven short" and gap.proven):
            raise IncompleteReadError(gap.why, _INSTEAD)


def _anybody(wanted: Wanted) -> bool:
    return bool(wanted.user_ids or wanted.group_ids or wanted.user_names or wanted.group_names)


def _holds(found: Directory, wanted: Wanted) -> bool:
    """Whether a list has all who are wanted."""
    ids = {user.id for user in found.users} | {group.id for group in found.groups}
    names = {folded(user.user_name) for user in found.users}
    group_names = {folded(group.display_name) for group in found.groups}
    return (
        ids >= wanted.user_ids | wanted.group_ids
        and names.issuperset(map(folded, wanted.user_names.values()))
        and group_names.issuperset(map(folded, wanted.group_names.values()))
    )


def _name(resource: User | Group) -> str:
    return resource.user_name if isinstance(resource, User) else resource.display_name


def _unreadable(resource: Resource, row: Any, error: scim_responses.UnreadableResourceError) -> Problem:
    record = row if isinstance(row, dict) else {}
    key = scim_responses.get(record, _NAMING[resource]) or scim_responses.get(record, "id") or "?"
    external_id = scim_responses.get(record, EXTERNAL_ID)
    return Problem(
        resource,
        str(key),
        external_id if isinstance(external_id, str) else None,
        "unreadable-record",
        Message("NinjaOne's record {}{}", text(error), _LEFT),
    )


def _unread(resource: Resource, key: str, external_id: str | None, error: UnreachableError) -> Problem:
    """Return the problem of what could not be read; ``key`` is its id or name."""
    message = Message("{}{}", as_message(error.message).without_stop(), _LEFT)
    return Problem(resource, key, external_id, "unreadable-record", message)


_LACKING = "NinjaOne's list lacks {} of ours that can still be read; they count as there."
_LEFT = Message("; it is left as it is and no removal is made in this run")
