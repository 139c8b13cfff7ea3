"""Writes NinjaOne over SCIM, one resource at a time, and compares what it then shows with what was sent.

Only ``apply`` is handed a Writer. Knows what a refused, a lost or a half-kept write looks
like, and how to find the one thing that a server refuses; in which order to write is
``apply``'s affair.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from ninjasync.config.context import RunContext
from ninjasync.errors import NinjasyncError, NotKeptError, RefusedRequestError, UnreachableError
from ninjasync.model import attributes
from ninjasync.model.attributes import ACTIVE, DISPLAY_NAME, EXTERNAL_ID, MEMBERS, ORGANIZATION_ID, USER_NAME, USER_TYPE
from ninjasync.model.change import Change, Delta
from ninjasync.model.directory import Group, Membership, Observation, Resource, User
from ninjasync.model.message import NOTHING, Message, as_message, join, number, person, text, word
from ninjasync.model.ownership import Ownership
from ninjasync.model.values import differs
from ninjasync.net.pacing import TransientError
from ninjasync.ninjaone import scim_requests, scim_responses, statuses
from ninjasync.ninjaone.http import Answer
from ninjasync.ninjaone.reader import PATHS, Reader, place
from ninjasync.ninjaone.witness import Verdict, Witness

_HINTS = {
    403: "NinjaOne lets nobody change this resource over SCIM; a system administrator is such a one.",
    404: "It is gone from NinjaOne; run plan again.",
    410: "It is gone from NinjaOne; run plan again.",
    409: "Somebody else has that name in NinjaOne; the next plan says who, if NinjaOne shows him.",
}

_OTHER_RIGHTS = (
    "Look at this account in the NinjaOne console: it may have other rights than it should. If no change of this "
    "attribute arrives, `ninjasync check --probe` finds out whether another [ninjaone.dialect] patch helps."
)

# A server may need a moment before it shows what it was just told.
_LOOKS_AGAIN_AFTER = (0.0, 0.2, 0.6)

# The method is refused, not what was sent.
_NOT_THAT_WAY = (405, 501)
# Refusals of which a part of the request may be the cause; 500 is one that stays after its tries.
_OF_A_PART = frozenset({400, 403, 404, 405, 409, 413, 422, 500, 501})
# What must arrive: without it the account is another one, or has other rights, or none where it should.
_MUST_ARRIVE = frozenset({USER_NAME, USER_TYPE, ORGANIZATION_ID, ACTIVE})
# So many creations that are refused whatever is left out of them say that it is no attribute's fault.
_FRUITLESS_SEARCHES = 3
# So many creations in a row that go through without the same attribute say that it is better not sent at all.
_SAME_OMISSIONS = 3
# Of more members than this a witness is asked for some only.
_MOST_ASKED_FOR = 20

_Refusal = RefusedRequestError | TransientError


class Writer(Reader):
    """Writes one endpoint. Every method raises a NinjasyncError that says what failed.

    ``members_shown`` says whether any group ever showed a member, ``members_hidden`` whether
    one to which this run added members shows none; what the ledger knows of members is told
    by ``know``.
    """

    def __init__(self, context: RunContext, token: SecretStr) -> None:
        super().__init__(context, token)
        self._now = context.now
        self.members_shown = False
        self.members_hidden = False
        self._witness = Witness(self._transport)
        # NinjaOne id of a group -> ids of the members that are known to be in it beside those shown.
        self._members: dict[str, set[str]] = {}
        self._in_body: dict[str, frozenset[str]] = {}
        # How many members a group showed when it last lacked some of what was added, as the ledger keeps it.
        self._lacked_before: dict[str, str] = {}
        self._people: set[str] = set()
        self._hides_members = False
        # What this run has learned of each kind of resource.
        self._patched: set[str] = set()
        self._unpatched: Counter[str] = Counter()
        self._lean: Counter[Resource] = Counter()
        self._fruitless: Counter[Resource] = Counter()
        self._left_out: dict[Resource, list[frozenset[str]]] = {"user": [], "group": []}

    def know(self, owned: Ownership) -> None:
        """Take over what the ledger knows of the groups' members."""
        self.members_shown = self.members_shown or owned.members_shown
        ids = {duo_id: entry.id for duo_id, entry in owned.users.items()}
        for entry in owned.groups.values():
            self._members[entry.id] = {ids[member] for member in entry.members if member in ids}
            if (lacked := entry.shown.get(MEMBERS)) is not None:
                self._lacked_before[entry.id] = lacked

    # --- creating ----------------------------------------------------------------------------

    def create_user(self, change: Change) -> tuple[str, tuple[Observation, ...]]:
        """Create a user; return NinjaOne's id and what it shows otherwise than sent."""
        external_id = change.external_id
        assert external_id is not None
        return self._make("user", change, (), lambda: self.find_user(external_id, change.key))

    def create_group(self, change: Change, members: Sequence[str]) -> tuple[str, tuple[Observation, ...]]:
        """Create a group; return as ``create_user`` does.

        ``members`` (NinjaOne ids) are sent along only where groups are replaced: many servers
        drop them. To add them, or to see that they are there, is ``change_members``'s part.
        """
        external_id = change.external_id
        assert external_id is not None
        first = (
            tuple(members[: self._dialect.members_per_call]) if scim_requests.replaces("group", self._dialect) else ()
        )
        return self._make("group", change, first, lambda: self.find_group(external_id, change.key))

    def _make(
        self, resource: Resource, change: Change, members: Sequence[str], find: Callable[[], User | Group | None]
    ) -> tuple[str, tuple[Observation, ...]]:
        """POST, if need be without what is refused; that is sent alone afterwards, or named."""
        deltas = change.diff
        if self._dialect.external_id:
            deltas = (*deltas, Delta(EXTERNAL_ID, None, change.external_id))
        shown, id_, without = self._create_with_what_goes(resource, change, members, find)
        kept = () if MEMBERS in without else members
        if resource == "group":
            # Those that the answer does not show are sent once more: many servers drop them.
            there = {one.lower() for one in scim_responses.read_members(shown)}
            self._members[id_] = set(kept)
            self._in_body[id_] = frozenset(one for one in kept if one.lower() in there)
        observed = self._observe(resource, id_, [one for one in deltas if one.path not in without], shown)
        rest = tuple(delta for delta in deltas if delta.path in without)
        if len(rest) == 1:
            return id_, (*observed, _refused(rest[0]))
        return id_, (*observed, *(self.patch(resource, id_, rest, ()) if rest else ()))

    def _create_with_what_goes(
        self, resource: Resource, change: Change, members: Sequence[str], find: Callable[[], User | Group | None]
    ) -> tuple[Any, str, frozenset[str]]:
        """Return the answer's body, NinjaOne's id, and which attributes had to be left out."""
        paths = [delta.path for delta in change.diff]
        paths += [EXTERNAL_ID] * self._dialect.external_id + [MEMBERS] * bool(members)
        lately = self._left_out[resource][-_SAME_OMISSIONS:]
        tries = [frozenset[str](), *lately[-1:], *scim_requests.omissions(paths)]
        if len(lately) == _SAME_OMISSIONS and len(set(lately)) == 1 and len(lately[0]) == 1:
            tries = tries[1:]
        first: RefusedRequestError | None = None
        for without in dict.fromkeys(tries):
            try:
                made = self._create(resource, self._body(resource, change, members, without), find)
            except RefusedRequestError as error:
                # Who refuses without a word may have other reasons than what was sent.
                hopeless = error.status not in (400, 422) or not error.explained
                if first is None and (hopeless or self._fruitless[resource] >= _FRUITLESS_SEARCHES):
                    raise
                first = first or error
                continue
            self._left_out[resource] = [*self._left_out[resource], without] if without else []
            self._fruitless[resource] = 0
            return *made, without
        self._fruitless[resource] += 1
        assert first is not None
        raise first

    def _body(
        self, resource: Resource, change: Change, members: Sequence[str], without: frozenset[str]
    ) -> dict[str, Any]:
        dialect = self._dialect
        if EXTERNAL_ID in without:
            dialect = dialect.model_copy(update={"external_id": False})
        assert change.external_id is not None
        if resource == "user":
            diff = [delta for delta in change.diff if delta.path not in without]
            return scim_requests.new_user(change.external_id, diff, dialect)
        return scim_requests.new_group(change.external_id, change.key, () if MEMBERS in without else members, dialect)

    # --- changing ----------------------------------------------------------------------------

    def patch(
        self, resource: Resource, id_: str, diff: tuple[Delta, ...], whole: tuple[tuple[str, str], ...]
    ) -> tuple[Observation, ...]:
        """Change attributes; return what NinjaOne shows otherwise than sent.

        ``whole`` are all attributes that the resource is to have, for a server that replaces.
        Where the whole is refused, each attribute is tried alone. One that is refused alone is
        observed as kept; where it is one that must arrive, NotKeptError says so, and the rest is done.
        """
        observed: list[Observation] = []
        failed: dict[str, Exception] = {}
        *before, last = scim_requests.patch_rounds(diff) or ((),)
        for some, all_ in [*((one, ()) for one in before), (last, whole)]:
            if some:
                seen, refusals = self._change(resource, id_, some, all_)
                observed += seen
                failed |= refusals
        if failed:
            names = join(", ", (word(path.rpartition(":")[2]) for path in failed))
            first = next(iter(failed.values()))
            reason = as_message(first.message) if isinstance(first, NinjasyncError) else Message("{}", text(first))
            error = NotKeptError(
                Message("The rest is done, but not {}: {}", names, reason),
                getattr(first, "hint", ""),
                id_=id_,
                undone=frozenset(failed),
                status=getattr(first, "status", 0) or 0,
            )
            error.observed = tuple(observed)
            raise error
        return tuple(observed)

    def _change(
        self, resource: Resource, id_: str, diff: tuple[Delta, ...], whole: tuple[tuple[str, str], ...]
    ) -> tuple[list[Observation], dict[str, Exception]]:
        """Send a change, in parts where it is refused; return what is shown otherwise, and what failed by its path."""
        parts = scim_requests.parts(diff)
        try:
            return list(self._send(resource, id_, diff, whole)), {}
        except (RefusedRequestError, TransientError) as error:
            if not _may_be_a_parts(error):
                raise
            if len(parts) == 1:
                if self._is_the_attributes(resource, id_, parts[0], error):
                    return [_refused(delta) for delta in parts[0]], {}
                raise
            first = error
        observed: list[Observation] = []
        failed: dict[str, Exception] = {}
        others = tuple((path, value) for path, value in whole if all(path != delta.path for delta in diff))
        refused: list[tuple[Delta, ...]] = []
        for part in parts:
            try:
                observed += self._send(resource, id_, part, others)
            except (RefusedRequestError, TransientError) as error:
                refused.append(part)
                if _must_arrive(part) or not _is_of_a_value(error):
                    failed |= {delta.path: error for delta in part}
                else:
                    observed += [_refused(delta) for delta in part]
            except NotKeptError as error:
                failed |= {delta.path: error for delta in part}
        if len(refused) == len(parts):
            raise first
        return observed, failed

    def _send(
        self, resource: Resource, id_: str, diff: tuple[Delta, ...], whole: tuple[tuple[str, str], ...]
    ) -> tuple[Observation, ...]:
        def replaced(row: Any) -> Any:
            body = scim_requests.replaced(row, diff, whole, self._dialect)
            if resource == "group" and (known := self._kept_members(id_)):
                body = scim_requests.with_members(body, (), (), known)
            return body

        own = {attributes.split(path)[0] or attributes.split(path)[1][0] for path, _ in whole}
        own |= {attributes.split(delta.path)[0] or attributes.split(delta.path)[1][0] for delta in diff}
        shown = self._modify(resource, id_, scim_requests.patch(diff, self._dialect), replaced, own)
        return self._observe(resource, id_, diff, shown)

    def _is_the_attributes(self, resource: Resource, id_: str, part: tuple[Delta, ...], error: _Refusal) -> bool:
        """Whether it is the attribute that is refused, not any change as this dialect makes it."""
        if _must_arrive(part) or not _is_of_a_value(error):
            return False
        definite = getattr(error, "kind", "") == "mutability" or error.status in _NOT_THAT_WAY
        if definite or self._patched & {resource, MEMBERS if resource == "group" else resource}:
            return True
        name = USER_NAME if resource == "user" else DISPLAY_NAME
        row = self.raw(resource, id_)
        if not isinstance(row, dict) or (present := scim_responses.value_at(row, name)) is None:
            return False
        try:  # nothing changes by it
            self._send(resource, id_, (Delta(name, present, present),), ())
        except (RefusedRequestError, TransientError):
            return False
        return True

    # --- members -----------------------------------------------------------------------------

    def change_members(self, id_: str, added: Sequence[str], removed: Sequence[str]) -> Membership:
        """Add and remove members (NinjaOne ids) of a group, and say which of that is not done.

        A batch that is refused is halved until the refused ones are alone.
        """
        if not added and not removed:
            return Membership()
        self._people.update(added, removed)
        there = self._in_body.pop(id_, frozenset())
        refusals: dict[str, _Refusal] = {}
        size = self._dialect.members_per_call
        for some, others in scim_requests.member_batches([one for one in added if one not in there], removed, size):
            refusals |= self._change_some(id_, some, others)
        said = {user: _reason(error) for user, error in refusals.items()}
        into, out_of = set(added).difference(refusals), set(removed).difference(refusals)
        if not into and not out_of and refusals:
            return Membership(said)
        found = self._look(id_, into, out_of)
        return Membership(said, found.lacking, found.left, found.observed)

    def _change_some(self, id_: str, added: Sequence[str], removed: Sequence[str]) -> dict[str, _Refusal]:
        """Add these, or remove those; return why whom of them was refused."""
        into = bool(added)

        def attempt(some: Sequence[str]) -> _Refusal | None:
            into_it, out_of_it = (some, ()) if into else ((), some)
            try:
                self._modify(
                    "group",
                    id_,
                    scim_requests.member_patch(into_it, out_of_it, self._dialect),
                    lambda row: scim_requests.with_members(row, into_it, out_of_it, self._kept_members(id_)),
                    (),
                )
            except (RefusedRequestError, TransientError) as error:
                if not _may_be_a_parts(error):
                    raise
                return error
            known = self._members.setdefault(id_, set())
            known.update(into_it)
            known.difference_update(out_of_it)
            return None

        everyone = added or removed
        error = attempt(everyone)
        if error is None:
            return {}
        if len(everyone) == 1:
            return {everyone[0]: error}
        if isinstance(error, RefusedRequestError) and error.status == 404 and self.raw("group", id_) is None:
            raise error
        # Where the first, the last and one between them are refused alone, it is hardly for their own sake.
        tried = {
            user: attempt((user,)) for user in dict.fromkeys((everyone[0], everyone[len(everyone) // 2], everyone[-1]))
        }
        refused = {user: why for user, why in tried.items() if why is not None}
        if len(refused) == len(tried):
            return dict.fromkeys(everyone, error) | refused
        rest = [user for user in everyone if user not in tried]
        return refused | _halve(rest, attempt)

    def _kept_members(self, id_: str) -> frozenset[str] | None:
        """Return the members that a PUT must keep beside those that the group shows; None where nobody knows."""
        known = self._members.get(id_)
        if not self.members_shown:
            return None if known is None else frozenset(known)
        return frozenset(known or ()) if self._lacked_before.get(id_, "0") != "0" else frozenset()

    def _look(self, id_: str, added: set[str], removed: set[str]) -> Membership:
        """See in the group, or where it shows nothing by a witness, whether its members were changed."""
        shown: set[str] = set()
        for pause in _LOOKS_AGAIN_AFTER:
            time.sleep(pause)
            group = self.group(id_)
            if group is None:
                return Membership()
            shown = {member.lower() for member in group.members or ()}
            self.members_shown = self.members_shown or bool(shown)
            lacking = {user for user in added if user.lower() not in shown}
            left = frozenset(user for user in removed if user.lower() in shown)
            if self.members_shown and not lacking and not left:
                return Membership()
            if not shown and not self.members_shown and (group.members is None or self._hides_members):
                break
        if self.members_shown and not shown:
            return Membership(lacking=frozenset(lacking), left=left)
        if not shown:
            return self._ask(id_, added, removed)
        return self._judge(id_, lacking, left, str(len(shown))) if lacking else Membership(left=left)

    def _judge(self, id_: str, lacking: set[str], left: frozenset[str], number: str) -> Membership:
        """Find out whether a group that shows only ``number`` members lacks the others or merely does not show them."""
        said = self._ask_for(id_, lacking)
        marked = (Observation(MEMBERS, None, number),)
        if "in" in said.values():
            self._lacked_before[id_] = number
            return Membership(
                lacking=frozenset(user for user, word in said.items() if word == "out"), left=left, observed=marked
            )
        full = int(number) % 10 == 0
        if full and "out" not in said.values() and self._lacked_before.get(id_) == number:
            return Membership(left=left, observed=marked)
        return Membership(lacking=frozenset(lacking), left=left, observed=marked if full else ())

    def _ask(self, id_: str, added: set[str], removed: set[str]) -> Membership:
        """Ask a witness, where no group of this endpoint ever showed a member."""
        self._hides_members = True
        said = self._ask_for(id_, added)
        self.members_hidden = self.members_hidden or (bool(added) and "out" not in said.values())
        if said and set(said.values()) == {"perhaps out"}:
            # Nobody knows whether that means anything: it fails once, and is believed when it comes again.
            marked = (Observation(MEMBERS, None, "0"),)
            before = self._lacked_before.get(id_) == "0"
            return Membership(observed=marked) if before else Membership(lacking=frozenset(added), observed=marked)
        left = {user for user, word in self._ask_for(id_, removed).items() if word == "in"}
        lacking = {user for user, word in said.items() if word == "out"}
        return Membership(lacking=frozenset(lacking), left=frozenset(left))

    def _ask_for(self, id_: str, users: set[str]) -> Mapping[str, Verdict]:
        """Ask a witness whether these are in a group: of many only some, spread over all batches."""
        ordered = sorted(users)
        step = max(1, -(-len(ordered) // _MOST_ASKED_FOR))
        others = sorted(self._people.difference(users, self._members.get(id_, ())))
        said: dict[str, Verdict] = {}
        for user in ordered[::step]:
            said[user] = self._witness.says(id_, user, others)
            if said[user] == "unknown":
                break
        if "in" in said.values():  # what says yes to some means its no to others
            return {user: "out" if word == "perhaps out" else word for user, word in said.items()}
        return said

    def delete(self, resource: Resource, id_: str) -> None:
        """Delete one resource; one that is gone already counts as deleted."""
        answer = self._transport.call("DELETE", place(resource, id_))
        if statuses.of_one(answer.status) != "gone":
            _expect_success("DELETE", answer)

    def _modify(
        self, resource: Resource, id_: str, patch: Any, replace: Callable[[Any], Any], own: Iterable[str]
    ) -> Any:
        """PATCH, or read, change and PUT where the server cannot patch; return the answer's body.

        A server that cannot patch one thing (RFC 7644 §3.5.2) may well patch another: it is
        asked no more only where it has refused twice and never patched a thing of that kind.
        Nor need it replace what it can patch.
        """
        kind = resource if own else MEMBERS
        given_up = kind not in self._patched and self._unpatched[kind] > 1
        patches_first = not scim_requests.replaces(resource, self._dialect) and not given_up
        for method in ("PATCH", "PUT") if patches_first else ("PUT", "PATCH"):
            if method == "PUT":
                answer = self._replace(resource, id_, replace, own)
            else:
                answer = self._transport.call("PATCH", place(resource, id_), None, patch)
                self._unpatched[kind] += answer.status in _NOT_THAT_WAY
            if answer.status not in _NOT_THAT_WAY:
                _expect_success(method, answer)
                if method == "PATCH":
                    self._patched.add(kind)
                return answer.body
        _expect_success(method, answer)
        raise AssertionError("a refusal is no success")

    def _replace(self, resource: Resource, id_: str, replace: Callable[[Any], Any], own: Iterable[str]) -> Answer:
        """Read, change and PUT; return the answer."""
        row = self.raw(resource, id_)
        if row is None:
            _expect_success("GET", Answer(404, None))
        try:
            body = replace(row)
        except scim_responses.UnreadableResourceError as error:
            key = "group_patch" if resource == "group" else "patch"
            hint = f'If NinjaOne can patch after all, set [ninjaone.dialect] {key} = "patch".'
            message = Message(f"NinjaOne's {resource} {{}} {{}}.", person(id_), text(error))
            raise RefusedRequestError(message, hint, status=200) from error
        return self._put(resource, id_, body, own)

    def _put(self, resource: Resource, id_: str, body: Any, own: Iterable[str]) -> Answer:
        """PUT; once more without what the server showed of its own accord where it refuses that."""
        bodies = [body, *scim_requests.leaner(body, own)]
        answer = Answer(0, None)
        for lean in range(self._lean[resource], len(bodies)):
            if lean > self._lean[resource] and bodies[lean] == bodies[lean - 1]:
                continue
            again = self._transport.call("PUT", place(resource, id_), None, bodies[lean])
            answer = answer if answer.status and again.status in (400, 422) else again
            if again.status not in (400, 422):
                if again.status < 300:
                    self._lean[resource] = lean
                break
        return answer

    def _create(self, resource: Resource, body: Any, find: Callable[[], User | Group | None]) -> tuple[Any, str]:
        """POST, but look before trying again: a POST whose answer was lost may have been carried out.

        Returns the answer's body, None where it was lost, and NinjaOne's id.
        """
        unsure, began = False, self._now()

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
            return answer.body, scim_responses.read_id(answer.body)
        except scim_responses.UnreadableResourceError:
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

    def _observe(self, resource: Resource, id_: str, diff: Iterable[Delta], shown: Any) -> tuple[Observation, ...]:
        """Compare what NinjaOne shows with what was sent; read it back where the answer had no resource.

        Raises NotKeptError where a user type or an organization came out as another (NinjaOne
        silently makes an end user, and a global one, of what it does not accept), and where
        an account is active that should not be, or the other way round.
        """
        wished = {delta.path: delta.after for delta in diff}
        active = wished.pop(ACTIVE, None)
        if isinstance(active, bool) and scim_responses.read_active(shown) is (not active):
            shown = self.raw(resource, id_)  # an answer may be older than what it answers
            if scim_responses.read_active(shown) is (not active):
                raise NotKeptError(
                    f"NinjaOne took the change, and the account is {'active' if not active else 'inactive'} as before.",
                    "Look at this account in the NinjaOne console.",
                    id_=id_,
                    undone=frozenset([ACTIVE]),
                )
        if not wished or (wished.keys() == {EXTERNAL_ID} and not _is_resource(shown)):
            return ()
        observed = _compare(wished, shown) if _is_resource(shown) else self._read_back(resource, id_, wished)
        for one in observed:
            if one.path in (USER_TYPE, ORGANIZATION_ID) and one.shown and differs(one.path, one.shown, one.sent):
                name = one.path.rpartition(":")[2]
                raise NotKeptError(
                    Message('NinjaOne was sent {} {} and made it "{}".', word(name), _shown(one.sent), text(one.shown)),
                    _OTHER_RIGHTS,
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


def _halve(users: Sequence[str], attempt: Callable[[Sequence[str]], _Refusal | None]) -> dict[str, _Refusal]:
    """Try ``users`` in ever smaller halves; return who is refused even alone."""
    if not users or (error := attempt(users)) is None:
        return {}
    if len(users) == 1:
        return {users[0]: error}
    half = len(users) // 2
    return _halve(users[:half], attempt) | _halve(users[half:], attempt)


def _may_be_a_parts(error: _Refusal) -> bool:
    return error.status in _OF_A_PART


def _is_of_a_value(error: _Refusal) -> bool:
    """Whether it is an attribute's fault that it is refused alone, not that of a taken name or of the whole account."""
    explained = isinstance(error, RefusedRequestError) and error.explained
    return explained and error.status in (400, 405, 422, 501)


def _must_arrive(part: Iterable[Delta]) -> bool:
    return any(delta.path in _MUST_ARRIVE for delta in part)


def _refused(delta: Delta) -> Observation:
    """Tell of an attribute that NinjaOne refused: it has what it had before."""
    return Observation(delta.path, _text(delta.after), _text(delta.before))


def _reason(error: _Refusal) -> Message:
    return as_message(error.message).without_stop()


def _is_resource(shown: Any) -> bool:
    return isinstance(shown, dict) and bool(scim_responses.get(shown, "id"))


def _text(value: str | bool | None) -> str | None:
    return value if value is None else str(value)


def _compare(sent: dict[str, Any], row: dict[str, Any]) -> tuple[Observation, ...]:
    found = []
    for path, value in sent.items():
        shown = scim_responses.value_at(row, path)
        wished = _text(value)
        if path == EXTERNAL_ID and (shown is None or shown.lower() == str(wished).lower()):
            continue  # one that is hidden is known by the ledger
        if shown != wished and not (wished is None and not differs(path, shown, None)):
            found.append(Observation(path, wished, shown))
    return tuple(found)


def _expect_success(method: str, answer: Answer) -> None:
    if 200 <= answer.status < 300:
        return
    detail, scim_type = scim_responses.read_error(answer.body)
    said = Message(": {}", text(detail.rstrip("."))) if detail else NOTHING
    kind = Message(" {}", text(scim_type)) if scim_type else NOTHING
    raise RefusedRequestError(
        Message(f"NinjaOne refused the {method} (HTTP {{}}{{}}){{}}.", number(answer.status), kind, said),
        _HINTS.get(answer.status, ""),
        status=answer.status,
        kind=scim_type,
        explained=bool(detail or scim_type),
    )


def _shown(value: str | None) -> Message:
    return Message('"{}"', text(value)) if value is not None else Message("(none)")
