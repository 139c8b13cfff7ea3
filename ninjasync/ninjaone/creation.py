"""Creates users and groups: without what is refused if need be, and never twice (POST is not idempotent).

Knows how to find out whether a POST whose answer was lost was carried out (CONTRACT 6.11), and
which attribute a server refuses. Must not know what is shown afterwards.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ninjasync.config.ninjaone import Dialect
from ninjasync.errors import RefusedRequestError, UnreachableError
from ninjasync.model.attributes import EXTERNAL_ID, MEMBERS
from ninjasync.model.change import Change
from ninjasync.model.directory import Group, Resource, User
from ninjasync.model.message import Message, number, word
from ninjasync.net.pacing import TransientError
from ninjasync.ninjaone import scim_requests, scim_responses
from ninjasync.ninjaone.change_requests import ChangeRequest, creation
from ninjasync.ninjaone.endpoint import Endpoint, require_success
from ninjasync.ninjaone.http import Answer, Call

# So many creations that are refused whatever is left out of them say that it is no attribute's fault.
_FRUITLESS_SEARCHES = 3
# So many creations in a row that succeed without the same attribute say that it is better not sent at all.
_SAME_OMISSIONS = 3


class Creator:
    """Creates at one endpoint; ``now`` is our clock."""

    def __init__(self, endpoint: Endpoint, dialect: Dialect, now: Callable[[], datetime]) -> None:
        self._endpoint, self._dialect, self._now = endpoint, dialect, now
        # What this run has learned: searches in a row that found nothing, and what was left out of the last creations.
        self._fruitless: Counter[Resource] = Counter()
        self._left_out: dict[Resource, list[frozenset[str]]] = {"user": [], "group": []}

    def create(self, change: Change, members: Sequence[str]) -> tuple[Any, str, frozenset[str]]:
        """POST; return the answer's body (None where it is lost), NinjaOne's id, and the attributes left out.

        Raises RefusedRequestError with the first refusal where nothing that can be left out helps.
        """
        resource = change.resource
        first: RefusedRequestError | None = None
        for without in self._omissions(change, members):
            try:
                created = self._post(creation(change, members, self._dialect, without), change)
            except RefusedRequestError as error:
                # A refusal without a reason may have other causes than what was sent.
                hopeless = error.status not in (400, 422) or not error.explained
                if first is None and (hopeless or self._fruitless[resource] >= _FRUITLESS_SEARCHES):
                    raise
                first = first or error
                continue
            self._left_out[resource] = [*self._left_out[resource], without] if without else []
            self._fruitless[resource] = 0
            return *created, without
        self._fruitless[resource] += 1
        assert first is not None
        raise first

    def _omissions(self, change: Change, members: Sequence[str]) -> list[frozenset[str]]:
        """Return what to leave out, one after another: nothing at first, then what helped lately."""
        paths = [delta.path for delta in change.diff]
        paths += [EXTERNAL_ID] * self._dialect.external_id + [MEMBERS] * bool(members)
        lately = self._left_out[change.resource][-_SAME_OMISSIONS:]
        tries = list(dict.fromkeys([frozenset[str](), *lately[-1:], *scim_requests.omissions(paths)]))
        always = len(lately) == _SAME_OMISSIONS and len(set(lately)) == 1 and len(lately[0]) == 1
        return tries[1:] if always else tries

    def _post(self, request: ChangeRequest, change: Change) -> tuple[Any, str]:
        """POST, but look before trying again: a POST whose answer was lost may have been carried out."""
        unsure, began = False, self._now()

        def attempt() -> Answer | str:
            nonlocal unsure
            if unsure and (id_ := self._find_lost(change, began)):
                return id_
            try:
                return self._endpoint.transport.once(Call("POST", request.path, None, request.body))
            except TransientError as error:
                unsure = unsure or error.maybe_done
                raise

        answer = self._endpoint.transport.pacer.call(attempt)
        if unsure and isinstance(answer, Answer) and answer.status == 409:
            answer = self._find_lost(change, began) or answer
        if isinstance(answer, str):
            return None, answer
        require_success("POST", answer)
        try:
            return answer.body, scim_responses.read_id(answer.body)
        except scim_responses.UnreadableResourceError:
            found = self._find(change)  # some servers answer 201 without a body, or without having created anything
        if found is None or found.id is None:
            raise RefusedRequestError(
                Message(
                    "NinjaOne answered HTTP {}, but the {} is not there.", number(answer.status), word(change.resource)
                ),
                "Run plan again; if it stays so, ask NinjaOne's support.",
                status=answer.status,
            )
        return None, found.id

    def _find(self, change: Change) -> User | Group | None:
        assert change.external_id is not None
        if change.resource == "user":
            return self._endpoint.find_own_user(change.external_id, change.key)
        return self._endpoint.find_own_group(change.external_id, change.key)

    def _find_lost(self, change: Change, began: datetime) -> str | None:
        """Return the id of what an earlier POST created after all; None if it did not (CONTRACT 6.11)."""
        try:
            found = self._find(change)
            if found is None:
                return None
            marked = found.external_id is not None
            if marked or self._endpoint.was_created_since(change.resource, found.id or "", began):
                return found.id
        except TransientError as error:  # it had its tries already
            raise UnreachableError(error.message, error.hint) from error
        raise RefusedRequestError(
            Message(
                "NinjaOne has a {} of that name, and it is not proven to be the one just sent.", word(change.resource)
            ),
            "The next plan shows whether it is taken over.",
            status=409,
        )
