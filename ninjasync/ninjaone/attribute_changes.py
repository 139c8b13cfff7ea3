"""Changes the attributes of one resource, in parts where a server refuses the whole.

Knows how to find the one attribute that is refused, and which ones must arrive: without them
the account is another one, or has other rights. Must not know members.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ninjasync.config.ninjaone import Dialect
from ninjasync.errors import NinjasyncError, NotKeptError, RefusedRequestError
from ninjasync.model.attributes import ACTIVE, MEMBERS, ORGANIZATION_ID, USER_NAME, USER_TYPE
from ninjasync.model.change import Delta
from ninjasync.model.directory import Observation, Resource
from ninjasync.model.message import Message, as_message, join, word
from ninjasync.net.pacing import TransientError
from ninjasync.ninjaone import scim_requests, scim_responses
from ninjasync.ninjaone.change_requests import Whole, attribute_request, attribute_rounds
from ninjasync.ninjaone.endpoint import Endpoint
from ninjasync.ninjaone.observation import observe, observe_refusal
from ninjasync.ninjaone.sending import METHOD_REFUSED, ChangeSender
from ninjasync.ninjaone.statuses import may_be_of_a_part
from ninjasync.ninjaone.unreadable import NAMING

_MUST_ARRIVE = frozenset({USER_NAME, USER_TYPE, ORGANIZATION_ID, ACTIVE})

_Refusal = RefusedRequestError | TransientError


@dataclass(slots=True)
class _Done:
    """What NinjaOne shows otherwise than sent, and what failed, by path."""

    observed: list[Observation] = field(default_factory=list)
    failed: dict[str, NinjasyncError] = field(default_factory=dict)


class AttributeWriter:
    """Changes attributes at one endpoint. ``kept_members`` says which members of a group a PUT has to keep."""

    def __init__(
        self,
        endpoint: Endpoint,
        sender: ChangeSender,
        dialect: Dialect,
        kept_members: Callable[[str], frozenset[str] | None],
    ) -> None:
        self._endpoint, self._sender, self._dialect = endpoint, sender, dialect
        self._kept_members = kept_members

    def change(self, resource: Resource, id_: str, diff: tuple[Delta, ...], whole: Whole) -> tuple[Observation, ...]:
        """Change attributes; return what NinjaOne shows otherwise than sent.

        ``whole`` are all attributes that the resource is to have, for a server that replaces.
        Where the change is refused, each attribute is tried alone. One that is refused alone is
        observed as kept; where it must arrive, NotKeptError says so, and the rest is done.
        """
        done = _Done()
        for some, all_ in attribute_rounds(diff, whole):
            self._change(resource, id_, some, all_, done)
        if done.failed:
            names = join(", ", (word(path.rpartition(":")[2]) for path in done.failed))
            first = next(iter(done.failed.values()))
            error = NotKeptError(
                Message("The rest is done, but not {}: {}", names, as_message(first.message)),
                first.hint,
                id_=id_,
                undone=frozenset(done.failed),
                status=getattr(first, "status", 0) or 0,
            )
            error.observed = tuple(done.observed)
            raise error
        return tuple(done.observed)

    def _change(self, resource: Resource, id_: str, diff: tuple[Delta, ...], whole: Whole, done: _Done) -> None:
        """Send a change, in parts where it is refused. Raises the refusal where no part is taken."""
        parts = scim_requests.parts(diff)
        try:
            done.observed += self._send(resource, id_, diff, whole)
            return
        except (RefusedRequestError, TransientError) as error:
            if not may_be_of_a_part(error.status):
                raise
            if len(parts) == 1:
                if not self._is_of_the_attribute(resource, id_, parts[0], error):
                    raise
                done.observed += map(observe_refusal, parts[0])
                return
            first = error
        # What changes is sent part by part, so that the rest of the resource must not bring all of it along.
        changing = {delta.path for delta in diff}
        others = tuple((path, value) for path, value in whole if path not in changing)
        refused = [part for part in parts if not self._send_part(resource, id_, part, others, done)]
        if len(refused) == len(parts):
            raise first

    def _send_part(self, resource: Resource, id_: str, part: tuple[Delta, ...], others: Whole, done: _Done) -> bool:
        """Send a part of a refused change; return False where it is refused, too."""
        try:
            done.observed += self._send(resource, id_, part, others)
        except (RefusedRequestError, TransientError) as error:
            if _must_arrive(part) or not _is_of_a_value(error):
                done.failed |= {delta.path: error for delta in part}
            else:
                done.observed += map(observe_refusal, part)
            return False
        except NotKeptError as error:
            done.failed |= {delta.path: error for delta in part}
        return True

    def _send(self, resource: Resource, id_: str, diff: tuple[Delta, ...], whole: Whole) -> tuple[Observation, ...]:
        members = self._kept_members(id_) if resource == "group" else None
        shown = self._sender.send(attribute_request(resource, id_, diff, whole, self._dialect, members))
        return observe(self._endpoint, resource, id_, diff, shown)

    def _is_of_the_attribute(self, resource: Resource, id_: str, part: tuple[Delta, ...], error: _Refusal) -> bool:
        """Whether it is the attribute that is refused, not any change as this dialect makes it."""
        if _must_arrive(part) or not _is_of_a_value(error):
            return False
        definite = getattr(error, "kind", "") == "mutability" or error.status in METHOD_REFUSED
        if definite or self._sender.patched & {resource, MEMBERS if resource == "group" else resource}:
            return True
        name = NAMING[resource]
        row = self._endpoint.get(resource, id_)
        if not isinstance(row, dict) or (present := scim_responses.value_at(row, name)) is None:
            return False
        try:  # nothing changes by it
            self._send(resource, id_, (Delta(name, present, present),), ())
        except (RefusedRequestError, TransientError):
            return False
        return True


def _is_of_a_value(error: _Refusal) -> bool:
    """Whether an attribute that is refused alone is the cause, and not a taken name or the whole account."""
    explained = isinstance(error, RefusedRequestError) and error.explained
    return explained and error.status in (400, 405, 422, 501)


def _must_arrive(part: Iterable[Delta]) -> bool:
    return any(delta.path in _MUST_ARRIVE for delta in part)
