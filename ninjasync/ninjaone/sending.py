"""Sends one change to NinjaOne, by PATCH or by PUT, as the server takes it (RFC 7644 §3.5).

Learns for a run which of the two it takes, and how much of what it showed itself. Must not
know what is changed, nor what follows from a refusal.
"""

from collections import Counter
from typing import Any

from ninjasync.errors import RefusedRequestError
from ninjasync.model.directory import Resource
from ninjasync.model.message import Message, person, text, word
from ninjasync.ninjaone import scim_requests, scim_responses
from ninjasync.ninjaone.change_requests import ChangeRequest
from ninjasync.ninjaone.endpoint import Endpoint, require_success
from ninjasync.ninjaone.http import Answer

# The method is refused, not what was sent.
METHOD_REFUSED = (405, 501)


class ChangeSender:
    """Sends to one endpoint. ``patched`` has each kind (``ChangeRequest.kind``) of which a PATCH succeeded."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.patched: set[str] = set()
        self._refused: Counter[str] = Counter()
        # How much less than the server's own echo a PUT sends, of ``leaner``'s bodies.
        self._leanness: Counter[Resource] = Counter()

    def send(self, request: ChangeRequest) -> Any:
        """PATCH, or read, change and PUT; return the answer's body. Raises RefusedRequestError.

        A server that cannot patch one thing (RFC 7644 §3.5.2) may well patch another: it is
        asked no more only where it has refused twice and never patched a thing of that kind.
        Nor need it replace what it can patch.
        """
        given_up = request.kind not in self.patched and self._refused[request.kind] > 1
        patches_first = request.method == "PATCH" and not given_up
        answer = Answer(0, None)
        for method in ("PATCH", "PUT") if patches_first else ("PUT", "PATCH"):
            if method == "PUT":
                answer = self._replace(request)
            else:
                answer = self._endpoint.transport.call("PATCH", request.path, None, request.body)
                self._refused[request.kind] += answer.status in METHOD_REFUSED
            if answer.status not in METHOD_REFUSED:
                require_success(method, answer)
                if method == "PATCH":
                    self.patched.add(request.kind)
                return answer.body
        require_success(method, answer)
        raise AssertionError("a refusal is no success")

    def _replace(self, request: ChangeRequest) -> Answer:
        """Read, change and PUT; return the answer."""
        assert request.replace is not None
        assert request.id is not None
        row = self._endpoint.get(request.resource, request.id)
        if row is None:
            require_success("GET", Answer(404, None))
        try:
            body = request.replace(row)
        except scim_responses.UnreadableResourceError as error:
            key = "group_patch" if request.resource == "group" else "patch"
            hint = f'If NinjaOne can patch after all, set [ninjaone.dialect] {key} = "patch".'
            message = Message("NinjaOne's {} {} {}.", word(request.resource), person(request.id), text(error))
            raise RefusedRequestError(message, hint, status=200) from error
        return self._put(request, body)

    def _put(self, request: ChangeRequest, body: Any) -> Answer:
        """PUT; once more without what the server showed of its own accord where it refuses that."""
        bodies = [body, *scim_requests.leaner(body, request.own)]
        learned = self._leanness[request.resource]
        answer = Answer(0, None)
        for lean in range(learned, len(bodies)):
            if lean > learned and bodies[lean] == bodies[lean - 1]:
                continue
            again = self._endpoint.transport.call("PUT", request.path, None, bodies[lean])
            refused = again.status in (400, 422)
            # Of several refusals the first tells most, as that body had everything.
            answer = answer if answer.status and refused else again
            if not refused:
                if again.status < 300:
                    self._leanness[request.resource] = lean
                break
        return answer
