"""One SCIM endpoint, one resource at a time: get it, find it, and say in words what an answer means.

Knows paths, filters and statuses. Must not know pages (``listing``), which reading to trust
(``reader``), or in which order anything is changed (``writer``). A Reader, a Writer and the
probe of ``check`` each have an Endpoint; none of them is one.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

from pydantic import SecretStr

from ninjasync.config.context import RunContext
from ninjasync.errors import RefusedRequestError, UnreachableError
from ninjasync.model.attributes import EXTERNAL_ID
from ninjasync.model.directory import Group, Problem, Resource, User
from ninjasync.model.exchange import Exchange
from ninjasync.model.message import NOTHING, Message, number, person, text
from ninjasync.names_alike import folded
from ninjasync.net.pacing import Pacer
from ninjasync.ninjaone import scim_requests, scim_responses, statuses
from ninjasync.ninjaone.http import CHECK_URL, Answer, ScimTransport
from ninjasync.ninjaone.unreadable import NAMING, convert_rows

R = TypeVar("R", User, Group)
T = TypeVar("T")

PATHS: dict[Resource, str] = {"user": "/Users", "group": "/Groups"}

# HTTP's and many servers' clocks show whole seconds.
_CLOCK_GRAIN = timedelta(seconds=2)

# What to do about a refused write, by its status.
_HINTS = {
    403: "NinjaOne does not let this resource be changed over SCIM, as with a system administrator's account.",
    404: "It is gone from NinjaOne; run plan again.",
    410: "It is gone from NinjaOne; run plan again.",
    409: "Another account or group has that name in NinjaOne; the next plan says which, if NinjaOne shows it.",
}


def connect(context: RunContext, token: SecretStr, hear: Callable[[Exchange], None] | None = None) -> "Endpoint":
    """Return the endpoint of a run's configuration; ``hear`` is told every request with its answer."""
    config = context.config
    pacer = Pacer(config.run.retries, rate=config.ninjaone.rate_limit, stop=context.stop, tell=context.listener)
    return Endpoint(ScimTransport(config, token, pacer, hear))


class Endpoint:
    """Asks for single resources. Methods raise CredentialsError or UnreachableError.

    ``filter_statuses`` are the statuses by which filters were answered so far.
    """

    def __init__(self, transport: ScimTransport) -> None:
        self.transport = transport
        self.filter_statuses: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    # --- by id -------------------------------------------------------------------------------

    def get(self, resource: Resource, id_: str) -> Any:
        """Return a resource's JSON as it is; None where there is no such resource."""
        answer = self.transport.call("GET", place(resource, id_))
        match statuses.of_one(answer.status):
            case "there":
                return answer.body
            case "gone":
                return None
        raise unanswered(f"look-up of the {resource} {id_}", answer)

    def read_user(self, id_: str, paths: tuple[str, ...]) -> User | None:
        """Return a user with the attributes ``paths``, by NinjaOne's id; None where there is no such user."""
        return self._read("user", id_, lambda row: scim_responses.read_user(row, paths))

    def read_group(self, id_: str) -> Group | None:
        """Return a group by NinjaOne's id; None where there is no such group."""
        return self._read("group", id_, scim_responses.read_group)

    def was_created_since(self, resource: Resource, id_: str, since: datetime) -> bool:
        """Whether NinjaOne says that a resource was created at or after ``since``, which is by our clock."""
        created = scim_responses.read_created(self.get(resource, id_))
        return created is not None and created >= since + self.transport.skew - _CLOCK_GRAIN

    def _read(self, resource: Resource, id_: str, convert: Callable[[Any], R]) -> R | None:
        row = self.get(resource, id_)
        if row is None:
            return None
        try:
            return convert(row)
        except scim_responses.UnreadableResourceError as error:
            message = Message(f"NinjaOne's {resource} {{}} {{}}.", person(id_), text(error))
            raise UnreachableError(message, CHECK_URL) from error

    # --- by a filter -------------------------------------------------------------------------

    def find(
        self,
        resource: Resource,
        attribute: str,
        value: str,
        convert: Callable[[Any], T],
        problems: list[Problem] | None = None,
    ) -> list[T]:
        """Return what NinjaOne finds by an attribute's value, unreadable records aside (they go to ``problems``).

        A server may ignore a filter and return everything: compare each hit again.
        """
        rows = self._filter(resource, attribute, value)
        if not rows and attribute != EXTERNAL_ID and value != value.lower():
            rows = self._filter(resource, attribute, value.lower())  # it may compare exactly and keep lower case
        return convert_rows(resource, rows, convert, problems)

    def find_named(self, resource: Resource, name: str, convert: Callable[[Any], R]) -> tuple[R, ...]:
        """Return what has this userName or displayName, by the one rule for names (CONTRACT 5.12)."""
        hits = self.find(resource, NAMING[resource], name, convert)
        return tuple(hit for hit in hits if folded(name_of(hit)) == folded(name))

    def find_own_user(self, external_id: str, user_name: str) -> User | None:
        """Return the user with this externalId, or with this userName and no externalId."""
        return self._find_own("user", external_id, user_name, lambda row: scim_responses.read_user(row, ()))

    def find_own_group(self, external_id: str, display_name: str) -> Group | None:
        """Return the group with this externalId, or with this displayName and no externalId."""
        return self._find_own("group", external_id, display_name, scim_responses.read_group)

    def find_holder(self, resource: Resource, external_id: str, name: str) -> User | Group | None:
        """Return the resource that has this externalId or, letter case aside, this userName or displayName."""

        def convert(row: Any) -> User | Group:
            return scim_responses.read_group(row) if resource == "group" else scim_responses.read_user(row, ())

        for attribute, value in ((EXTERNAL_ID, external_id), (NAMING[resource], name)):
            for hit in self.find(resource, attribute, value, convert):
                if hit.external_id == external_id or folded(name_of(hit)) == folded(name):
                    return hit
        return None

    def _find_own(self, resource: Resource, external_id: str, name: str, convert: Callable[[Any], R]) -> R | None:
        for hit in self.find(resource, EXTERNAL_ID, external_id, convert):
            if hit.external_id == external_id:
                return hit
        return next((hit for hit in self.find_named(resource, name, convert) if hit.external_id is None), None)

    def _filter(self, resource: Resource, attribute: str, value: str) -> tuple[Any, ...]:
        """Return the records that NinjaOne finds (RFC 7644 §3.4.2.2); none where it cannot be asked by externalId."""
        query = {"filter": f"{attribute} eq {scim_requests.quoted(value)}"}
        answer = self.transport.call("GET", PATHS[resource], query)
        if answer.status in (400, 501) and attribute == EXTERNAL_ID:  # such a filter need not be supported
            return ()
        self.filter_statuses.add(answer.status)
        meaning = statuses.of_filter(answer.status)
        if meaning == "gone":
            return ()
        page = scim_responses.read_page(answer.body) if meaning == "there" else None
        if page is None:
            raise unanswered(f"look-up of the {resource} {value}", answer)
        return page.resources


def place(resource: Resource, id_: str) -> str:
    """Return the path of one resource behind the endpoint's URL."""
    return f"{PATHS[resource]}/{quote(id_, safe='')}"


def name_of(resource: User | Group) -> str:
    """Return the userName or the displayName."""
    return resource.user_name if isinstance(resource, User) else resource.display_name


# --- what an answer means, in words --------------------------------------------------------------


def describe(answer: Answer) -> str:
    """Return what NinjaOne answered, in a few words: the status, the scimType and the detail (RFC 7644 §3.12)."""
    detail, scim_type = scim_responses.read_error(answer.body)
    words = " ".join(part for part in (f"HTTP {answer.status}", scim_type) if part)
    return f"{words}: {detail.rstrip('.')}" if detail else words


def unanswered(what: str, answer: Answer) -> UnreachableError:
    """Return the error for an answer that says nothing of the resource that was asked for."""
    detail, _ = scim_responses.read_error(answer.body)
    reason = Message(": {}", text(detail.rstrip("."))) if detail else NOTHING
    return UnreachableError(
        Message("NinjaOne did not answer the {} (HTTP {}{}).", text(what), number(answer.status), reason),
        Message(f"See what the token may read. {CHECK_URL}"),
    )


def require_success(method: str, answer: Answer) -> None:
    """Raise RefusedRequestError, with a hint, where a write was refused."""
    if 200 <= answer.status < 300:
        return
    detail, scim_type = scim_responses.read_error(answer.body)
    reason = Message(": {}", text(detail.rstrip("."))) if detail else NOTHING
    kind = Message(" {}", text(scim_type)) if scim_type else NOTHING
    raise RefusedRequestError(
        Message(f"NinjaOne refused the {method} (HTTP {{}}{{}}){{}}.", number(answer.status), kind, reason),
        _HINTS.get(answer.status, ""),
        status=answer.status,
        kind=scim_type,
        explained=bool(detail or scim_type),
    )
