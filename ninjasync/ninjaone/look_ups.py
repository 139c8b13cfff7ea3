"""Reads accounts and groups one by one: by id, by name, by externalId; several at once.

Knows how many failures are one account's and how many the service's. Must not know lists.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ninjasync.config.context import RunContext
from ninjasync.errors import UnreachableError
from ninjasync.model.attributes import EXTERNAL_ID
from ninjasync.model.directory import Group, Problem, Resource
from ninjasync.model.events import Read
from ninjasync.names_alike import folded
from ninjasync.net.pacing import TransientError
from ninjasync.ninjaone import scim_responses
from ninjasync.ninjaone.endpoint import Endpoint, R, name_of
from ninjasync.ninjaone.unreadable import NAMING, is_down, require_some, unanswered_record, unreadable_record

S = TypeVar("S")
T = TypeVar("T")

# So many look-ups may end without an answer, all tries spent, before the service itself counts as down.
_MOST_UNANSWERED = 10


class LookUps:
    """Looks up at one endpoint, by up to ``[run] parallelism`` threads. What fails is held, each for itself."""

    def __init__(self, endpoint: Endpoint, context: RunContext) -> None:
        self._endpoint = endpoint
        self._stop: threading.Event = context.stop
        self._listener = context.listener
        self._parallelism = context.config.run.parallelism

    def look_for(
        self,
        resource: Resource,
        ids: Iterable[str],
        names: Mapping[str, str],
        convert: Callable[[Any], R],
        problems: list[Problem],
        listed: Iterable[R] = (),
    ) -> list[R]:
        """Read every id, and look every name up by Duo id; one that is not found by name is by externalId.

        What is ``listed`` already is not asked for again.
        """
        found = {one.id or "": one for one in listed}
        shown = {folded(name_of(one)) for one in found.values()}
        ours, unread = frozenset(ids), {problem.key for problem in problems}
        missing = sorted(ours - found.keys() - unread)
        unnamed = sorted((duo_id, name) for duo_id, name in names.items() if folded(name) not in shown)
        failures: list[UnreachableError] = []

        def tell(done: int) -> None:
            self._listener(Read("NinjaOne", resource, done, len(missing) + len(unnamed)))

        for one in self.read_ids(resource, missing, convert, problems, failures, tell):
            found[one.id or ""] = one
        require_some(resource, failures, len(ours))
        known = {one.external_id for one in found.values() if one.external_id}

        def look(wanted_name: tuple[str, str]) -> list[R]:
            duo_id, name = wanted_name
            named = self._endpoint.find(resource, NAMING[resource], name, convert, problems)
            hits = [one for one in named if folded(name_of(one)) == folded(name)]
            if not hits and duo_id not in known:
                hits = self._endpoint.find(resource, EXTERNAL_ID, duo_id, convert, problems)
                hits = [one for one in hits if one.external_id == duo_id]
            return hits

        failures = []
        each = _holding(
            look,
            lambda wanted_name, error: unanswered_record(resource, wanted_name[1], wanted_name[0], error),
            problems,
            failures,
        )
        for hits in self._each(each, unnamed, lambda done: tell(len(missing) + done)):
            for one in hits or ():
                found.setdefault(one.id or "", one)
        require_some(resource, failures, len(unnamed))
        return [found[id_] for id_ in sorted(found)]

    def look_for_late(
        self,
        resource: Resource,
        ids: Iterable[str],
        listed: Iterable[R],
        convert: Callable[[Any], R],
        problems: list[Problem],
        *,
        one_is_enough: bool,
    ) -> tuple[list[R], set[str]]:
        """Read by id those of ``ids`` that a list lacks; return what is there, and which ids are gone.

        Where ``one_is_enough`` to distrust the list, no more are read after it.
        """
        ours = frozenset(ids)
        missing = sorted(ours - {one.id for one in listed} - {problem.key for problem in problems})
        found: list[R] = []
        failures: list[UnreachableError] = []
        for start in range(0, len(missing), self._parallelism):
            some = missing[start : start + self._parallelism]
            found += self.read_ids(resource, some, convert, problems, failures)
            if found and one_is_enough:
                break
        require_some(resource, failures, len(ours))
        return found, set(missing) - {one.id for one in found}

    def read_ids(
        self,
        resource: Resource,
        ids: Iterable[str],
        convert: Callable[[Any], R],
        problems: list[Problem],
        failures: list[UnreachableError],
        tell: Callable[[int], None] = lambda done: None,
    ) -> list[R]:
        """Return those of ``ids`` that are there; what cannot be read or understood goes to ``problems``."""

        def read(id_: str) -> R | None:
            body = self._endpoint.get(resource, id_)
            try:
                return None if body is None else convert(body)
            except scim_responses.UnreadableResourceError as error:
                problems.append(unreadable_record(resource, {"id": id_}, error))
                return None

        each = _holding(read, lambda id_, error: unanswered_record(resource, id_, None, error), problems, failures)
        return [one for one in self._each(each, ids, tell) if one is not None]

    def read_groups_again(self, groups: Iterable[Group], problems: list[Problem]) -> tuple[dict[str, Group], bool]:
        """Read groups by id, for their members; return them by id, and whether each was answered.

        A group that cannot be read is held, but where none can: then nothing is known of the members of any.
        """
        asked = list(groups)
        failed: list[Problem] = []

        def read(group: Group) -> Group:
            try:
                return self._endpoint.read_group(group.id or "") or group
            except UnreachableError as error:
                failed.append(unanswered_record("group", group.id or "", group.external_id, error))
                return group

        found = {group.id or "": group for group in self._each(read, asked)}
        if len(failed) < len(asked):
            problems += failed
        return found, not failed

    def _each(
        self, work: Callable[[S], T], items: Iterable[S], tell: Callable[[int], None] = lambda done: None
    ) -> list[T]:
        """Do ``work`` for every item, several at once, and return the results in order; tell how many there are."""
        results: list[T] = []
        with ThreadPoolExecutor(self._parallelism, "read") as pool:
            try:
                for result in pool.map(work, items):
                    results.append(result)
                    tell(len(results))
            except KeyboardInterrupt:
                self._stop.set()  # the pool awaits its threads, and they may be waiting to try again
                raise
        return results


def _holding(
    work: Callable[[S], T | None],
    hold: Callable[[S, UnreachableError], Problem],
    problems: list[Problem],
    failures: list[UnreachableError],
) -> Callable[[S], T | None]:
    """Let a look-up that fails hold what it looked for, and nothing else, unless the service is down."""

    def attempt(item: S) -> T | None:
        try:
            return work(item)
        except UnreachableError as error:
            failures.append(error)
            unheard = isinstance(error, TransientError) and error.status is None
            if unheard or sum(map(is_down, failures)) > _MOST_UNANSWERED:
                raise
            problems.append(hold(item, error))
            return None

    return attempt
