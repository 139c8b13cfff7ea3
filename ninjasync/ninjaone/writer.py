"""Writes NinjaOne over SCIM, one resource at a time, and compares what it then shows with what was sent.

Only ``apply`` is handed a Writer, which has an Endpoint and is no Reader. Knows the parts of a
write; in which order to write, and whether, is decided in ``runs``.
"""

from collections.abc import Sequence

from ninjasync.config.context import RunContext
from ninjasync.model.attributes import EXTERNAL_ID, MEMBERS
from ninjasync.model.change import Change, Delta
from ninjasync.model.directory import Membership, Observation, Resource
from ninjasync.model.ownership import Ownership
from ninjasync.ninjaone import scim_responses, statuses
from ninjasync.ninjaone.attribute_changes import AttributeWriter
from ninjasync.ninjaone.change_requests import Whole, deletion, members_at_once
from ninjasync.ninjaone.creation import Creator
from ninjasync.ninjaone.endpoint import Endpoint, require_success
from ninjasync.ninjaone.memberships import MembershipWriter
from ninjasync.ninjaone.observation import observe, observe_refusal
from ninjasync.ninjaone.sending import ChangeSender


class Writer:
    """Writes one endpoint. Every method raises a NinjasyncError that says what failed."""

    def __init__(self, endpoint: Endpoint, context: RunContext) -> None:
        self.endpoint = endpoint
        self._dialect = context.config.ninjaone.dialect
        sender = ChangeSender(endpoint)
        self._creator = Creator(endpoint, self._dialect, context.now)
        self._memberships = MembershipWriter(endpoint, sender, self._dialect)
        self._attributes = AttributeWriter(endpoint, sender, self._dialect, self._memberships.known.kept)

    @property
    def members_shown(self) -> bool:
        """Whether any group ever showed a member."""
        return self._memberships.known.shown

    @property
    def members_hidden(self) -> bool:
        """Whether a group to which this run added members shows none."""
        return self._memberships.hidden

    def know(self, owned: Ownership) -> None:
        """Take over what the ledger knows of the groups' members."""
        self._memberships.known.know(owned)

    def create_user(self, change: Change) -> tuple[str, tuple[Observation, ...]]:
        """Create a user; return NinjaOne's id and what it shows otherwise than sent."""
        return self._create(change, ())

    def create_group(self, change: Change, members: Sequence[str]) -> tuple[str, tuple[Observation, ...]]:
        """Create a group; return as ``create_user`` does.

        ``members`` (NinjaOne ids) are sent along only where groups are replaced. To add them,
        or to see that they are there, is ``change_members``'s part.
        """
        return self._create(change, members_at_once(members, self._dialect))

    def patch(self, resource: Resource, id_: str, diff: tuple[Delta, ...], whole: Whole) -> tuple[Observation, ...]:
        """Change attributes; return what NinjaOne shows otherwise than sent. See ``AttributeWriter.change``."""
        return self._attributes.change(resource, id_, diff, whole)

    def change_members(self, id_: str, added: Sequence[str], removed: Sequence[str]) -> Membership:
        """Add and remove members (NinjaOne ids) of a group, and say which of that is not done."""
        return self._memberships.change(id_, added, removed)

    def delete(self, resource: Resource, id_: str) -> None:
        """Delete one resource; one that is gone already counts as deleted."""
        request = deletion(resource, id_)
        answer = self.endpoint.transport.call(request.method, request.path)
        if statuses.of_one(answer.status) != "gone":
            require_success(request.method, answer)

    def _create(self, change: Change, members: Sequence[str]) -> tuple[str, tuple[Observation, ...]]:
        """POST, if need be without what is refused; that is sent alone afterwards, or observed as refused."""
        resource, deltas = change.resource, change.diff
        if self._dialect.external_id:
            deltas = (*deltas, Delta(EXTERNAL_ID, None, change.external_id))
        shown, id_, without = self._creator.create(change, members)
        if resource == "group":
            kept = () if MEMBERS in without else members
            self._memberships.note_created(id_, kept, scim_responses.read_members(shown))
        sent = [delta for delta in deltas if delta.path not in without]
        observed = observe(self.endpoint, resource, id_, sent, shown)
        rest = tuple(delta for delta in deltas if delta.path in without)
        if len(rest) == 1:
            return id_, (*observed, observe_refusal(rest[0]))
        return id_, (*observed, *(self.patch(resource, id_, rest, ()) if rest else ()))
