"""Changes the members of groups, and finds out whether they were changed (CONTRACT 5.2, 5.9).

Knows that a server may refuse one member of many, drop members, hide them all or show only
the first; asks a witness where the group itself does not show. Must not know attributes.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from ninjasync.config.ninjaone import Dialect
from ninjasync.errors import RefusedRequestError
from ninjasync.model.attributes import MEMBERS
from ninjasync.model.directory import Membership, Observation
from ninjasync.model.message import as_message
from ninjasync.net.pacing import TransientError
from ninjasync.ninjaone import scim_requests
from ninjasync.ninjaone.change_requests import member_request
from ninjasync.ninjaone.endpoint import Endpoint
from ninjasync.ninjaone.known_members import KnownMembers
from ninjasync.ninjaone.observation import LOOKS_AGAIN_AFTER
from ninjasync.ninjaone.sending import ChangeSender
from ninjasync.ninjaone.statuses import may_be_of_a_part
from ninjasync.ninjaone.witness import Verdict, Witness

Refusal = RefusedRequestError | TransientError

# Of more members than this a witness is asked for some only.
_MOST_ASKED_FOR = 20


class MembershipWriter:
    """Changes members at one endpoint; ``known`` is what this run and the ledger know of them.

    ``hidden`` says whether a group to which this run added members shows none.
    """

    def __init__(self, endpoint: Endpoint, sender: ChangeSender, dialect: Dialect) -> None:
        self.known = KnownMembers()
        self.hidden = False
        self._endpoint, self._sender, self._dialect = endpoint, sender, dialect
        self._witness = Witness(endpoint)
        # Of groups that this run created: the members that the answer to the POST showed.
        self._in_answer: dict[str, frozenset[str]] = {}
        self._changed: set[str] = set()
        self._asks_no_group = False

    def note_created(self, id_: str, sent: Iterable[str], answered: Iterable[str]) -> None:
        """Note a new group's members: those that its POST sent, and those that the answer showed.

        The others are sent once more by ``change``, for many servers drop them.
        """
        there = {member.lower() for member in answered}
        members = frozenset(sent)
        self.known.note_created(id_, members)
        self._in_answer[id_] = frozenset(member for member in members if member.lower() in there)

    def change(self, id_: str, added: Sequence[str], removed: Sequence[str]) -> Membership:
        """Add and remove members (NinjaOne ids) of a group, and say which of that is not done.

        A batch that is refused is halved until the refused ones are alone.
        """
        if not added and not removed:
            return Membership()
        self._changed.update(added, removed)
        there = self._in_answer.pop(id_, frozenset())
        to_send = [member for member in added if member not in there]
        refusals: dict[str, Refusal] = {}
        for into, out_of in scim_requests.member_batches(to_send, removed, self._dialect.members_per_call):
            refusals |= self._change_batch(id_, into, out_of)
        reasons = {user: as_message(error.message).without_stop() for user, error in refusals.items()}
        into_it, out_of_it = set(added).difference(refusals), set(removed).difference(refusals)
        if not into_it and not out_of_it and refusals:
            return Membership(reasons)
        found = self._look(id_, into_it, out_of_it)
        return Membership(reasons, found.lacking, found.left, found.observed)

    def _change_batch(self, id_: str, added: Sequence[str], removed: Sequence[str]) -> dict[str, Refusal]:
        """Add these, or remove those; return why which of them were refused."""

        def attempt(some: Sequence[str]) -> Refusal | None:
            return self._attempt(id_, some if added else (), () if added else some)

        batch = added or removed
        error = attempt(batch)
        if error is None:
            return {}
        if len(batch) == 1:
            return {batch[0]: error}
        if error.status == 404 and self._endpoint.get("group", id_) is None:
            raise error
        # Where the first, the last and one between them are refused alone, it is hardly for their own sake.
        sample = dict.fromkeys((batch[0], batch[len(batch) // 2], batch[-1]))
        tried = {user: attempt((user,)) for user in sample}
        refused = {user: why for user, why in tried.items() if why is not None}
        if len(refused) == len(tried):
            return dict.fromkeys(batch, error) | refused
        return refused | _halve([user for user in batch if user not in tried], attempt)

    def _attempt(self, id_: str, added: Sequence[str], removed: Sequence[str]) -> Refusal | None:
        """Send one batch; return its refusal if a part of it may be the cause, and raise any other."""
        try:
            self._sender.send(member_request(id_, added, removed, self._dialect, self.known.kept(id_)))
        except (RefusedRequestError, TransientError) as error:
            if not may_be_of_a_part(error.status):
                raise
            return error
        self.known.note_changed(id_, added, removed)
        return None

    # --- whether it was done -----------------------------------------------------------------

    def _look(self, id_: str, added: set[str], removed: set[str]) -> Membership:
        """See in the group, or where it shows nothing by a witness, whether its members were changed."""
        shown, lacking, left = set[str](), added, frozenset[str]()
        for pause in LOOKS_AGAIN_AFTER:
            time.sleep(pause)
            group = self._endpoint.read_group(id_)
            if group is None:
                return Membership()
            shown = {member.lower() for member in group.members or ()}
            self.known.shown = self.known.shown or bool(shown)
            lacking = {user for user in added if user.lower() not in shown}
            left = frozenset(user for user in removed if user.lower() in shown)
            if self.known.shown and not lacking and not left:
                return Membership()
            if not shown and not self.known.shown and (group.members is None or self._asks_no_group):
                break
        if self.known.shown and not shown:
            return Membership(lacking=frozenset(lacking), left=left)
        if not shown:
            return self._ask(id_, added, removed)
        return self._judge(id_, lacking, left, str(len(shown))) if lacking else Membership(left=left)

    def _judge(self, id_: str, lacking: set[str], left: frozenset[str], number: str) -> Membership:
        """Find out whether a group that shows only ``number`` members lacks the others or merely does not show them."""
        verdicts = self._ask_witness(id_, lacking)
        marked = (Observation(MEMBERS, None, number),)
        if "in" in verdicts.values():
            self.known.note_lacking(id_, number)
            out = frozenset(user for user, verdict in verdicts.items() if verdict == "out")
            return Membership(lacking=out, left=left, observed=marked)
        # A round number looks like a cap: it fails once, and is believed when it comes again.
        round_number = int(number) % 10 == 0
        if round_number and "out" not in verdicts.values() and self.known.lacked_before(id_) == number:
            return Membership(left=left, observed=marked)
        return Membership(lacking=frozenset(lacking), left=left, observed=marked if round_number else ())

    def _ask(self, id_: str, added: set[str], removed: set[str]) -> Membership:
        """Ask a witness, where no group of this endpoint ever showed a member."""
        self._asks_no_group = True
        verdicts = self._ask_witness(id_, added)
        self.hidden = self.hidden or (bool(added) and "out" not in verdicts.values())
        if verdicts and set(verdicts.values()) == {"perhaps out"}:
            # It is not known whether that means anything: it fails once, and is believed when it comes again.
            marked = (Observation(MEMBERS, None, "0"),)
            before = self.known.lacked_before(id_) == "0"
            return Membership(observed=marked) if before else Membership(lacking=frozenset(added), observed=marked)
        left = {user for user, verdict in self._ask_witness(id_, removed).items() if verdict == "in"}
        lacking = {user for user, verdict in verdicts.items() if verdict == "out"}
        return Membership(lacking=frozenset(lacking), left=frozenset(left))

    def _ask_witness(self, id_: str, users: set[str]) -> Mapping[str, Verdict]:
        """Ask a witness whether these are in a group: of many only some, spread over all batches."""
        ordered = sorted(users)
        step = max(1, -(-len(ordered) // _MOST_ASKED_FOR))
        others = sorted(self._changed.difference(users, self.known.list_known(id_)))
        verdicts: dict[str, Verdict] = {}
        for user in ordered[::step]:
            verdicts[user] = self._witness.judge(id_, user, others)
            if verdicts[user] == "unknown":
                break
        if "in" in verdicts.values():  # one that says yes of some means its no of others
            return {user: "out" if verdict == "perhaps out" else verdict for user, verdict in verdicts.items()}
        return verdicts


def _halve(users: Sequence[str], attempt: Callable[[Sequence[str]], Refusal | None]) -> dict[str, Refusal]:
    """Try ``users`` in ever smaller halves; return those who are refused even alone, and why."""
    if not users or (error := attempt(users)) is None:
        return {}
    if len(users) == 1:
        return {users[0]: error}
    half = len(users) // 2
    return _halve(users[:half], attempt) | _halve(users[half:], attempt)
