"""What a probe makes, chosen with the least rights, and how it is removed again, by name and by id.

Knows how to look up what is there; must not know what is tried, nor what it means.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import SecretStr

from ninjasync.config.context import RunContext
from ninjasync.config.ninjaone import MediaType
from ninjasync.errors import NinjasyncError
from ninjasync.model.attributes import DISPLAY_NAME, FAMILY_NAME, GIVEN_NAME, ORGANIZATION_ID, USER_NAME, USER_TYPE
from ninjasync.model.directory import Resource
from ninjasync.model.source import Source
from ninjasync.model.values import ALL_ORGANIZATIONS, END_USER
from ninjasync.names_alike import folded
from ninjasync.net.pacing import TransientError
from ninjasync.ninjaone import scim_requests, scim_responses
from ninjasync.ninjaone.endpoint import PATHS, Endpoint, connect, describe, place, unanswered
from ninjasync.ninjaone.http import Answer
from ninjasync.ninjaone.statuses import of_filter, of_one
from ninjasync.ninjaone.unreadable import NAMING
from ninjasync.threads import Stop

# Of these the value of a user in scope is taken: a server may know a closed set of them. None gives rights.
_LENT = ("title", "preferredLanguage", "locale", "timezone")
_PERSON = "Probe"


@dataclass(frozen=True, slots=True)
class Subject:
    """The throw-away account to be: its name, an organization's number or "All", and how that was chosen.

    ``values`` are its attributes, those that are mapped and no others; ``elsewhere`` is
    another organization in use, None where there is none.
    """

    user_name: str
    organization: str
    why: str
    values: tuple[tuple[str, str], ...]
    elsewhere: str | None = None


def choose_subject(source: Source, token: str) -> Subject | None:
    """Choose a throw-away account in the domain of the first desired user; None where there is no desired user.

    It is the least that NinjaOne has: an end user, of one organization where a user in scope has just one.
    """
    desired = sorted((user.desired for user in source.users.values() if user.desired), key=lambda user: user.user_name)
    if not desired:
        return None
    name = f"ninjasync-probe-{token}@{desired[0].user_name.rpartition('@')[2]}"

    def values_of(path: str) -> list[tuple[str, str]]:
        column = source.paths.index(path) if path in source.paths else None
        pairs = [(user.values[column], user.user_name) for user in desired] if column is not None else []
        return [(value, whose) for value, whose in pairs if value]

    given = {USER_NAME: name, GIVEN_NAME: "ninjasync", FAMILY_NAME: _PERSON, USER_TYPE: END_USER}
    given |= dict.fromkeys(("name.formatted", DISPLAY_NAME, "nickName"), f"ninjasync {_PERSON}")
    given |= {path: values[0][0] for path in _LENT if (values := values_of(path))}
    single = [(value, whose) for value, whose in values_of(ORGANIZATION_ID) if value != ALL_ORGANIZATIONS]
    organization, whose = single[0] if single else (ALL_ORGANIZATIONS, "")
    given[ORGANIZATION_ID] = organization
    return Subject(
        name,
        organization,
        f"organization {organization}, as {whose} has"
        if single
        else "all organizations, as no user in scope has just one",
        tuple((path, given[path]) for path in dict.fromkeys((USER_NAME, *source.paths)) if path in given),
        next((value for value, _ in single if value != organization), None),
    )


@dataclass(slots=True)
class ProbeResource:
    """Something that was made, or may have been: its id is empty until it is known."""

    resource: Resource
    name: str
    id: str = ""


class ProbeRequests:
    """What a probe asks of the endpoint that it has, and in which ways it looks for what is there."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._transport = endpoint.transport

    @property
    def media_type(self) -> MediaType:
        """The media type in use, which may be another than the configured one."""
        return self._transport.media_type

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()

    def send(self, method: str, path: str, body: Any = None) -> Answer:
        """Send one request. A 500 that stays is an answer: some give it to what they will never do."""
        try:
            return self._transport.call(method, path, None, body)
        except TransientError as error:
            if error.status != 500 or method == "GET":
                raise
            return Answer(error.status, None)

    def look(self, resource: Resource, id_: str) -> dict[str, Any] | None:
        """Return a resource as NinjaOne shows it; None where it shows none."""
        row = self._endpoint.get(resource, id_)
        if row is not None and not isinstance(row, dict):
            raise unanswered(f"look-up of the {resource} {id_}", Answer(200, None))
        return row

    def find(self, made: ProbeResource) -> str:
        """Return the id of what bears that name; empty where nothing does."""
        by_name = f"{NAMING[made.resource]} eq {scim_requests.quoted(made.name)}"
        # Where it cannot be asked for, it may be among what is listed.
        for query in ({"filter": by_name}, {}):
            for answer in self._answers(made.resource, query):
                if (page := _page_of(answer)) is None:
                    break
                if found := _id_of(made, page.resources):
                    return found
            else:
                return ""
        raise self._transport.unexpected("look-up", answer)

    def _answers(self, resource: Resource, query: dict[str, str]) -> Iterator[Answer]:
        """Yield what is found, page after page, as a server that ignores filters finds everything; none for no hit."""
        seen, last = 0, None
        while True:
            answer = self.ask(resource, query | ({"startIndex": str(seen + 1)} if seen else {}))
            if of_filter(answer.status) == "gone":
                return
            yield answer
            page = _page_of(answer)
            if page is None or not page.resources or page.resources == last:
                return
            seen, last = seen + len(page.resources), page.resources
            if page.total is not None and seen >= page.total:
                return

    def ask(self, resource: Resource, query: dict[str, str]) -> Answer:
        """Ask for a list, or for what a filter finds."""
        try:
            return self._transport.call("GET", PATHS[resource], query)
        except TransientError as error:
            if error.status is None:
                raise
            return Answer(error.status, None)


def _page_of(answer: Answer) -> scim_responses.Page | None:
    return scim_responses.read_page(answer.body) if answer.status == 200 else None


def _id_of(made: ProbeResource, rows: tuple[Any, ...]) -> str:
    for row in rows:
        name = scim_responses.get(row, NAMING[made.resource]) if isinstance(row, dict) else None
        if isinstance(name, str) and folded(name) == folded(made.name):
            return scim_responses.read_id(row)
    return ""


class Cleanup:
    """Removes what a probe made. Cannot be interrupted by what interrupted the probe."""

    def __init__(self, context: RunContext, token: SecretStr) -> None:
        self._requests = ProbeRequests(connect(replace(context, stop=Stop()), token))

    def remove_all(self, made: list[ProbeResource]) -> tuple[str, ...]:
        """Remove groups, then users; return what could not be removed."""
        left = [said for one in reversed(made) if (said := self._removed(one))]
        self._requests.close()
        return tuple(left)

    def _removed(self, one: ProbeResource) -> str:
        try:
            one.id = one.id or self._requests.find(one)
            if not one.id:
                return ""
            answer = self._requests.send("DELETE", place(one.resource, one.id))
        except (NinjasyncError, scim_responses.UnreadableResourceError) as error:
            sure = "the" if one.id else "perhaps the"
            return f"{sure} {one.resource} {one.name} (id {one.id or 'unknown'}): {error}"
        if of_one(answer.status) != "failed":
            return ""
        return f"the {one.resource} {one.name} (id {one.id}): NinjaOne refused to delete it ({describe(answer)})."
