"""Writes NinjaOne over SCIM, one resource at a time, and compares what it then shows with what was sent.

Only ``apply`` is handed a Writer. Knows what a refused, a lost or a half-kept write looks
like; in which order to write is ``apply``'s affair.
"""

import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from ninjasync import scim, statuses
from ninjasync.attribute import ACTIVE, EXTERNAL_ID, ORGANIZATION_ID, USER_TYPE
from ninjasync.config import Config
from ninjasync.directory import Group, Observation, Resource, User
from ninjasync.errors import NotKeptError, RefusedRequestError, UnreachableError
from ninjasync.mapping import differs
from ninjasync.ninjaone import PATHS, Reader, place
from ninjasync.pacing import TransientError
from ninjasync.plan import Change, Delta
from ninjasync.progress import Tell, untold
from ninjasync.scim_http import Answer

_HINTS = {
    403: "NinjaOne lets nobody change this resource over SCIM; a system administrator is such a one.",
    404: "It is gone from NinjaOne; run plan again.",
    410: "It is gone from NinjaOne; run plan again.",
    409: "Somebody else has that name in NinjaOne; the next plan says who, if NinjaOne shows him.",
}

# A server may need a moment before it shows what it was just told.
_LOOKS_AGAIN_AFTER = (0.0, 0.2, 0.6)


class Writer(Reader):
    """Writes one endpoint. Every method raises a NinjasyncError that says what failed."""

    def __init__(self, config: Config, token: SecretStr, stop: threading.Event, tell: Tell = untold) -> None:
        super().__init__(config, token, stop, tell)
        self._replaces = self._dialect.patch == "put"

    def create_user(self, change: Change) -> tuple[str, tuple[Observation, ...]]:
        """Create a user; return NinjaOne's id and what it shows otherwise than sent."""
        assert change.external_id is not None
        external_id = change.external_id
        body = scim.new_user(external_id, change.diff, self._dialect)
        shown, id_ = self._create("user", body, lambda: self.find_user(external_id, change.key))
        return id_, self._observe("user", id_, change.diff, shown)

    def create_group(self, change: Change, members: list[str]) -> tuple[str, tuple[Observation, ...]]:
        """Create a group with ``members`` (NinjaOne ids); return as ``create_user`` does."""
        assert change.external_id is not None
        external_id = change.external_id
        first, rest = members[: self._dialect.members_per_call], members[self._dialect.members_per_call :]
        body = scim.new_group(external_id, change.key, first, self._dialect)
        shown, id_ = self._create("group", body, lambda: self.find_group(external_id, change.key))
        observed = self._observe("group", id_, change.diff, shown)
        self.change_members(id_, rest, [], verify=members)
        return id_, observed

    def patch(
        self, resource: Resource, id_: str, diff: tuple[Delta, ...], whole: tuple[tuple[str, str], ...]
    ) -> tuple[Observation, ...]:
        """Change attributes; return what NinjaOne shows otherwise than sent.

        ``whole`` are all attributes that the resource is to have, for a server that replaces.
        """
        if not diff:
            return ()
        *before, diff = scim.patch_rounds(diff)
        for some in before:
            self.patch(resource, id_, some, ())
        shown = self._modify(
            resource,
            id_,
            scim.patch(diff, self._dialect),
            lambda row: scim.replaced(row, diff, whole, self._dialect),
        )
        return self._observe(resource, id_, diff, shown)

    def change_members(
        self, id_: str, added: list[str], removed: list[str], *, verify: Iterable[str] | None = None
    ) -> None:
        """Add and remove members (NinjaOne ids) of a group, and see that it was done.

        ``verify`` are members to look for beside ``added``. Raises NotKeptError where the
        group does not show the result.
        """
        for some, others in scim.member_batches(added, removed, self._dialect.members_per_call):
            self._modify(
                "group",
                id_,
                scim.member_patch(some, others, self._dialect),
                lambda row, some=some, others=others: scim.with_members(row, some, others),  # type: ignore[misc]  # bound now
            )
        expected = set(added).union(verify or ())
        if expected or removed:
            self._expect_members(id_, expected, set(removed))

    def delete(self, resource: Resource, id_: str) -> None:
        """Delete one resource; one that is gone already counts as deleted."""
        answer = self._transport.call("DELETE", place(resource, id_))
        if statuses.of_one(answer.status) != "gone":
            _expect_success("DELETE", answer)

    def _modify(self, resource: Resource, id_: str, patch: Any, replace: Callable[[Any], Any]) -> Any:
        """PATCH, or read, change and PUT where the server cannot patch; return the answer's body."""
        if not self._replaces:
            answer = self._transport.call("PATCH", place(resource, id_), None, patch)
            if answer.status not in (405, 501):
                _expect_success("PATCH", answer)
                return answer.body
            self._replaces = True  # it says that it cannot (RFC 7644 §3.5.2): for this run that is settled
        row = self.raw(resource, id_)
        if row is None:
            _expect_success("GET", Answer(404, None))
        try:
            body = replace(row)
        except scim.UnreadableResourceError as error:
            hint = 'If NinjaOne can patch after all, set [ninjaone.dialect] patch = "patch".'
            raise RefusedRequestError(f"NinjaOne's {resource} {id_} {error}.", hint, status=200) from error
        answer = self._transport.call("PUT", place(resource, id_), None, body)
        _expect_success("PUT", answer)
        return answer.body

    def _create(self, resource: Resource, body: Any, find: Callable[[], User | Group | None]) -> tuple[Any, str]:
        """POST, but look before trying again: a POST whose answer was lost may have been carried out.

        Returns the answer's body, None where it was lost, and NinjaOne's id.
        """
        unsure, began = False, datetime.now(UTC)

        def attempt() -> Answer | str:
            nonlocal unsure
            if unsure and (done := self._settled(resource, find, began)):
                return done
            try:
                return self._transport.once("POST", PATHS[resource], None, body)
            except TransientError as error:
                unsure = unsure or error.maybe_done
                raise

        answer = self._transport.pacer.call(attempt)
        if unsure and isinstance(answer, Answer) and answer.status == 409:
            answer = self._settled(resource, find, began) or answer
        if isinstance(answer, str):
            return None, answer
        _expect_success("POST", answer)
        try:
            return answer.body, scim.read_id(answer.body)
        except scim.UnreadableResourceError:
            found = find()  # some servers answer 201 without a body, or without having created anything
        if found is None or found.id is None:
            raise RefusedRequestError(
                f"NinjaOne answered HTTP {answer.status}, but the {resource} is not there.",
                "Run plan again; if it stays so, ask NinjaOne's support.",
                status=answer.status,
            )
        return None, found.id

    def _settled(self, resource: Resource, find: Callable[[], User | Group | None], began: datetime) -> str | None:
        """Return the id of what an earlier POST created after all; None if it did not (CONTRACT §6.11)."""
        try:
            found = find()
            if found is None or found.external_id is not None or self.made_since(resource, found.id or "", began):
                return found.id if found else None
        except TransientError as error:  # it had its tries already
            raise UnreachableError(error.message, error.hint) from error
        raise RefusedRequestError(
            f"NinjaOne has a {resource} of that name, and it is not proven to be the one just sent.",
            "The next plan shows whether it is taken over.",
            status=409,
        )

    def _observe(self, resource: Resource, id_: str, diff: tuple[Delta, ...], shown: Any) -> tuple[Observation, ...]:
        """Compare what NinjaOne shows with what was sent; read it back where the answer had no body.

        Raises NotKeptError where a user type or an organization came out as another: NinjaOne
        silently makes an end user, and a global one, of what it does not accept.
        """
        sent = {delta.path: delta.after for delta in diff if delta.path not in (ACTIVE, EXTERNAL_ID)}
        if not sent:
            return ()
        observed = _compare(sent, shown) if isinstance(shown, dict) else self._read_back(resource, id_, sent)
        for one in observed:
            if one.path in (USER_TYPE, ORGANIZATION_ID) and one.shown and differs(one.path, one.shown, one.sent):
                name = one.path.rpartition(":")[2]
                raise NotKeptError(
                    f'NinjaOne was sent {name} {_shown(one.sent)} and made it "{one.shown}".',
                    "Look at this account in the NinjaOne console: it may have other rights than it should.",
                    id_=id_,
                )
        return observed

    def _read_back(self, resource: Resource, id_: str, sent: dict[str, Any]) -> tuple[Observation, ...]:
        observed: tuple[Observation, ...] = ()
        for pause in _LOOKS_AGAIN_AFTER:
            time.sleep(pause)
            row = self.raw(resource, id_)
            if not isinstance(row, dict):
                return ()
            observed = _compare(sent, row)
            if not observed:
                break
        return observed

    def _expect_members(self, id_: str, expected: set[str], unexpected: set[str]) -> None:
        for pause in _LOOKS_AGAIN_AFTER:
            time.sleep(pause)
            group = self.group(id_)
            if group is None or group.members is None:
                return  # it does not show its members: the ledger's word counts
            lacking, left = expected - group.members, unexpected & group.members
            if not lacking and not left:
                return
        raise NotKeptError(
            f"NinjaOne took the change of members, but {len(lacking)} of them are not in the group "
            f"and {len(left)} still are.",
            "Run plan again to see whom.",
            id_=id_,
        )


def _compare(sent: dict[str, Any], row: dict[str, Any]) -> tuple[Observation, ...]:
    found = []
    for path, value in sent.items():
        shown = scim.value_at(row, path)
        wished = value if value is None else str(value)
        if shown != wished and not (wished is None and not differs(path, shown, None)):
            found.append(Observation(path, wished, shown))
    return tuple(found)


def _expect_success(method: str, answer: Answer) -> None:
    if 200 <= answer.status < 300:
        return
    detail, scim_type = scim.read_error(answer.body)
    words = " ".join(part for part in (f"HTTP {answer.status}", scim_type) if part)
    said = f": {detail.rstrip('.')}" if detail else ""
    raise RefusedRequestError(
        f"NinjaOne refused the {method} ({words}){said}.", _HINTS.get(answer.status, ""), status=answer.status
    )


def _shown(value: str | None) -> str:
    return f'"{value}"' if value is not None else "(none)"
