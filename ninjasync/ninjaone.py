"""Reads NinjaOne over SCIM: all of it by pages, or one by one. Has no verb that writes.

Knows the endpoint's lists, look-ups and oddities; the JSON is ``scim``'s. The Writer is
in ``ninjaone_writer``, so that a plan cannot even import it by accident.
"""

import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

from pydantic import SecretStr

from ninjasync import scim
from ninjasync.ahead import Ahead, in_background, result_of
from ninjasync.attribute import DISPLAY_NAME, EXTERNAL_ID, USER_NAME
from ninjasync.config import Config
from ninjasync.directory import Directory, Group, Problem, Resource, User, Wanted
from ninjasync.errors import IncompleteReadError, UnreachableError
from ninjasync.names_alike import alike, folded
from ninjasync.pacing import Pacer
from ninjasync.progress import Read, Tell, untold
from ninjasync.scim_http import CHECK_URL, ScimTransport

R = TypeVar("R", User, Group)
# HTTP's and many servers' clocks show whole seconds.
_CLOCK_GRAIN = timedelta(seconds=2)
S = TypeVar("S")
T = TypeVar("T")
_Ahead = Ahead[int, scim.Page]

PATHS: dict[Resource, str] = {"user": "/Users", "group": "/Groups"}
_NAMING: dict[Resource, str] = {"user": USER_NAME, "group": DISPLAY_NAME}

# Answers that say that a service has no list (RFC 7644 §3.4.2.2 has tooMany for one that is too long).
NO_LIST = (400, 405, 501)


class _NoListError(Exception):
    """The endpoint does not list; each account can still be looked up."""


class Reader:
    """Reads one endpoint. Methods raise CredentialsError, UnreachableError or IncompleteReadError."""

    def __init__(self, config: Config, token: SecretStr, stop: threading.Event, tell: Tell = untold) -> None:
        pacer = Pacer(config.run.retries, rate=config.ninjaone.rate_limit, stop=stop, tell=tell)
        self._stop, self._tell = stop, tell
        self._transport = ScimTransport(config, token, pacer)
        self._dialect = config.ninjaone.dialect
        self._parallelism = config.run.parallelism
        self._begun: tuple[Future[Directory | None], _Ahead, _Ahead] | None = None
        self._unfilterable: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def begin(self, paths: tuple[str, ...], about: int = 0) -> None:
        """Start to list in the background; ``directory`` goes on from there, and raises what went wrong.

        Where there is nothing to wait for, that is the first page of users and of groups
        alone. Else ``about`` how many users there are lets a round of pages be asked for
        before the first has told how many there are.
        """
        if self._dialect.discovery == "lookup":
            return
        users, groups = self._ahead("user"), self._ahead("group")
        # A single worker asks for one thing at a time.
        first_groups = in_background(lambda: groups.keep(0)) if self._parallelism > 1 else None

        def work() -> Directory | None:
            size, free = self._dialect.page_size, max(self._parallelism - 2, 0)
            users.keep(0, range(size, about - size + 1, size)[:free])
            if first_groups:
                first_groups.result()
            return self._listed(paths, users, groups) if users.slow else None

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
            found = (result_of(listing) if listing else None) or self._listed(paths, users, groups)
        except _NoListError as error:
            if self._dialect.discovery == "list":
                raise UnreachableError(str(error), 'Set [ninjaone.dialect] discovery = "lookup".') from error
            return self._looked_up(paths, wanted, (f"{error} Each account is looked up instead.",))
        found = self._with_contested(found, paths, wanted)
        if self._dialect.discovery == "list":
            return found
        return self._trusted(found, paths, wanted)

    def user(self, id_: str, paths: tuple[str, ...]) -> User | None:
        """Return one user by NinjaOne's id; None where there is none."""
        return self._one("user", id_, lambda row: scim.read_user(row, paths))

    def group(self, id_: str) -> Group | None:
        """Return one group by NinjaOne's id; None where there is none."""
        return self._one("group", id_, scim.read_group)

    def made_since(self, resource: Resource, id_: str, since: datetime) -> bool:
        """Whether NinjaOne says that a resource was created at or after ``since``, which is by our clock."""
        created = scim.read_created(self.raw(resource, id_))
        return created is not None and created >= since + self._transport.skew - _CLOCK_GRAIN

    def raw(self, resource: Resource, id_: str) -> Any:
        """Return a resource's JSON as it is; None where there is none."""
        answer = self._transport.call("GET", place(resource, id_))
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise self._transport.unexpected("look-up", answer)
        return answer.body

    def find_user(self, external_id: str, user_name: str) -> User | None:
        """Look up the user with this externalId, or with this userName and no externalId."""
        return self._find_own("user", external_id, user_name, lambda row: scim.read_user(row, ()))

    def find_group(self, external_id: str, display_name: str) -> Group | None:
        """Look up the group with this externalId, or with this displayName and no externalId."""
        return self._find_own("group", external_id, display_name, scim.read_group)

    def holder(self, resource: Resource, external_id: str, name: str) -> User | Group | None:
        """Return whoever has this externalId or, letter case aside, this userName or displayName."""

        def read(row: Any) -> User | Group:
            return scim.read_group(row) if resource == "group" else scim.read_user(row, ())

        for attribute, value in ((EXTERNAL_ID, external_id), (_NAMING[resource], name)):
            for found in self._find(resource, attribute, value, read):
                if found.external_id == external_id or folded(_name(found)) == folded(name):
                    return found
        return None

    # --- by pages ----------------------------------------------------------------------------

    def _listed(self, paths: tuple[str, ...], users_ahead: _Ahead, groups_ahead: _Ahead) -> Directory:
        problems: list[Problem] = []
        users = self._list("user", users_ahead, scim.user_reader(paths), problems)
        groups = self._list("group", groups_ahead, scim.read_group, problems)
        # Where one group of a list has members, one without has none: null and empty are the same
        # (RFC 7643 §2.5). Where no group has any, lists may leave them out.
        if not any(group.members is not None for group in groups):
            groups = self._each(self._with_members, groups)
        return Directory(paths, tuple(users), tuple(groups), tuple(problems))

    def _ahead(self, resource: Resource) -> _Ahead:
        return Ahead(lambda seen: self._page(resource, seen), self._parallelism)

    def _list(self, resource: Resource, ahead: _Ahead, convert: Callable[[Any], R], problems: list[Problem]) -> list[R]:
        found: dict[str, R] = {}
        held, seen, different = len(problems), 0, 0
        last: tuple[Any, ...] = ()
        with closing(self._pages(ahead)) as pages:
            for page in pages:
                before = different
                for item in _converted(resource, page.resources, convert, problems):
                    found.setdefault(item.id or "", item)
                seen += len(page.resources)
                self._tell(Read("NinjaOne", resource, seen, page.total))
                different = len(found) + len(problems) - held
                fresh = different > before and page.resources != last
                # A first page that is full and says that it is all may count itself alone: one more tells.
                alone = seen == len(page.resources) == page.total == self._dialect.page_size
                last = page.resources
                if page.resources and page.total is not None and seen > page.total:
                    page = replace(page, total=None)  # it does: then only an empty page is the end
                if not alone and not _goes_on(resource, page, seen, different, fresh=fresh):
                    break
        return list(found.values())

    def _pages(self, ahead: _Ahead) -> Generator[scim.Page, None, None]:
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

    def _page(self, resource: Resource, seen: int) -> scim.Page:
        params = {"startIndex": str(seen + 1), "count": str(self._dialect.page_size)}
        answer = self._transport.call("GET", PATHS[resource], params)
        if answer.status in NO_LIST and seen == 0:
            detail, _ = scim.read_error(answer.body)
            raise _NoListError(f"NinjaOne does not list its {resource}s (HTTP {answer.status} {detail}).")
        if answer.status != 200:
            raise self._transport.unexpected("list", answer)
        page = scim.read_page(answer.body)
        if page is None:
            raise UnreachableError(f"{self._transport.url} answered with no SCIM list.", CHECK_URL)
        return page

    def _with_members(self, group: Group) -> Group:
        """Read a group by id where lists do not carry members; they stay None if it does not show them either."""
        try:
            return self.group(group.id or "") or group
        except UnreachableError:
            return group

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
                users += self._named("user", name, lambda row: scim.read_user(row, paths))
            else:
                groups += self._named("group", name, scim.read_group)
            if len(users) + len(groups) == before:
                hidden.add((resource, form))
        return replace(found, users=users, groups=groups, hidden=frozenset(hidden))

    def _named(self, resource: Resource, name: str, convert: Callable[[Any], R]) -> tuple[R, ...]:
        hits = self._find(resource, _NAMING[resource], name, convert)
        return tuple(one for one in hits if alike(_name(one), name))

    def _trusted(self, found: Directory, paths: tuple[str, ...], wanted: Wanted) -> Directory:
        """Look for accounts that the ledger knows and the list lacks, which may be gone or merely not listed."""
        missing = sorted(wanted.user_ids - {user.id for user in found.users if user.id})
        gone: set[str] = set()
        problems = list(found.unreadable)
        for id_ in missing:
            body = self.raw("user", id_)
            if body is None:
                gone.add(id_)
                continue
            try:
                scim.read_user(body, ())
            except scim.UnreadableResourceError as error:
                problems.append(_unreadable("user", {"id": id_}, error))
                continue
            why = (
                f"NinjaOne's list lacks the account {id_}, which can still be read: the list is not trusted, "
                "each account is looked up instead."
            )
            return self._looked_up(paths, wanted, (why,))
        for id_ in sorted(wanted.group_ids - {group.id for group in found.groups if group.id}):
            if self.raw("group", id_) is not None:
                why = (
                    f"NinjaOne's list lacks the group {id_}, which can still be read: the list is not trusted, "
                    "everything is looked up instead."
                )
                return self._looked_up(paths, wanted, (why,))
            gone.add(id_)
        return replace(found, vanished=frozenset(gone), unreadable=tuple(problems))

    # --- one by one --------------------------------------------------------------------------

    def _looked_up(self, paths: tuple[str, ...], wanted: Wanted, warnings: tuple[str, ...]) -> Directory:
        problems: list[Problem] = []
        users = self._look_for(
            "user", wanted.user_ids, wanted.user_names, lambda row: scim.read_user(row, paths), problems
        )
        there = {folded(user.user_name) for user in users}
        for name in wanted.protected:
            if folded(name) not in there:
                users += self._named("user", name, lambda row: scim.read_user(row, paths))
        groups = self._look_for("group", wanted.group_ids, wanted.group_names, scim.read_group, problems)
        groups = [group if group.members is not None else self._with_members(group) for group in groups]
        seen = {user.id for user in users} | {group.id for group in groups}
        seen |= {problem.key for problem in problems}
        vanished = frozenset(id_ for id_ in (*wanted.user_ids, *wanted.group_ids) if id_ not in seen)
        return Directory(
            paths, tuple(users), tuple(groups), tuple(problems), complete=False, vanished=vanished, warnings=warnings
        )

    def _look_for(
        self,
        resource: Resource,
        ids: Iterable[str],
        names: Mapping[str, str],
        convert: Callable[[Any], R],
        problems: list[Problem],
    ) -> list[R]:
        """Read every id, and look every name up; who is not found by name is looked for by externalId."""

        def read(id_: str) -> R | None:
            body = self.raw(resource, id_)
            try:
                return None if body is None else convert(body)
            except scim.UnreadableResourceError as error:
                problems.append(_unreadable(resource, {"id": id_}, error))
                return None

        ids = sorted(ids)

        def told(done: int) -> None:
            self._tell(Read("NinjaOne", resource, done, len(ids) + len(names)))

        found: dict[str, R] = {}
        for one in self._each(read, ids, told):
            if one is not None:
                found[one.id or ""] = one
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

        for hits in self._each(look, sorted(names.items()), lambda done: told(len(ids) + done)):
            for one in hits:
                found.setdefault(one.id or "", one)
        return [found[id_] for id_ in sorted(found)]

    def _one(self, resource: Resource, id_: str, convert: Callable[[Any], R]) -> R | None:
        body = self.raw(resource, id_)
        if body is None:
            return None
        try:
            return convert(body)
        except scim.UnreadableResourceError as error:
            raise UnreachableError(f"NinjaOne's {resource} {id_} {error}.", CHECK_URL) from error

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
        answer = self._transport.call("GET", PATHS[resource], {"filter": f"{name} eq {scim.quoted(value)}"})
        # A filter on externalId need not be supported, and some servers answer 404 where there is no hit.
        if answer.status in (400, 501) and name == EXTERNAL_ID:
            self._unfilterable.add(name)
            return ()
        if answer.status == 404:
            return ()
        page = scim.read_page(answer.body) if answer.status == 200 else None
        if page is None:
            raise self._transport.unexpected("look-up", answer)
        return page.resources

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
    except scim.UnreadableResourceError:
        found = []
    for row in rows:
        try:
            found.append(convert(row))
        except scim.UnreadableResourceError as error:
            if problems is not None:
                problems.append(_unreadable(resource, row, error))
    return found


def _goes_on(resource: Resource, page: scim.Page, seen: int, different: int, *, fresh: bool) -> bool:
    """Whether there is another page; raises IncompleteReadError where it cannot be had.

    ``seen`` counts what came, ``different`` leaves out what came again.
    """
    if page.resources and not fresh:
        raise IncompleteReadError(
            f"NinjaOne sends the same {resource}s again for each page, so the rest cannot be read.",
            'Set [ninjaone.dialect] discovery = "lookup", or page_size to at least the number of accounts.',
        )
    if page.resources and (page.total is None or seen < page.total):
        return True
    if page.total is not None and different < page.total:
        raise IncompleteReadError(
            f"NinjaOne says that it has {page.total} {resource}s, but sent {different}.",
            "Run again; if it stays so, set [ninjaone.dialect] page_size to what one page held.",
        )
    return False


def _name(resource: User | Group) -> str:
    return resource.user_name if isinstance(resource, User) else resource.display_name


def _unreadable(resource: Resource, row: Any, error: scim.UnreadableResourceError) -> Problem:
    record = row if isinstance(row, dict) else {}
    key = scim.get(record, _NAMING[resource]) or scim.get(record, "id") or "?"
    external_id = scim.get(record, EXTERNAL_ID)
    return Problem(
        resource,
        str(key),
        external_id if isinstance(external_id, str) else None,
        "unreadable-record",
        f"NinjaOne's record {error}; it is left as it is and no removal is made in this run",
    )
