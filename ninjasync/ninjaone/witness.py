"""Finds out who is in a group that does not show it: by the groups of a user, or by a filter.

Only ``apply`` asks, and only about members that it has just changed. Knows which way of asking
is worth anything, for a server may ignore a filter; ``memberships`` decides what follows.
"""

from collections.abc import Iterable
from typing import Literal

from ninjasync.errors import UnreachableError
from ninjasync.ninjaone import scim_requests, scim_responses
from ninjasync.ninjaone.endpoint import PATHS, Endpoint, place
from ninjasync.ninjaone.http import Answer

# "perhaps out": a way of asking that has not said yes to anything yet says no.
Verdict = Literal["in", "out", "perhaps out", "unknown"]

_Way = Literal["groups of the user", "filter"]

# No account has this id; a server that finds a group for it ignores the filter.
_NO_ACCOUNT = "00000000-0000-4000-8000-000000000000"


class Witness:
    """Answers for one endpoint, and remembers for a run what its ways of answering are worth."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._transport = endpoint.transport
        self._proven: set[_Way] = set()
        self._useless: set[_Way] = set()

    def judge(self, group: str, user: str, others: Iterable[str]) -> Verdict:
        """Say whether ``user`` is in ``group``; ``others`` are users who are not, if any are known."""
        verdicts = []
        for way, ask in (("groups of the user", self._by_user), ("filter", self._by_filter)):
            if way in self._useless:
                continue
            try:
                verdicts.append(ask(group, user, others))
            except UnreachableError:
                verdicts.append("unknown")
            if verdicts[-1] in ("in", "out"):
                return verdicts[-1]
        return "perhaps out" if "perhaps out" in verdicts else "unknown"

    def _by_user(self, group: str, user: str, others: Iterable[str]) -> Verdict:
        found = self._groups_of(user)
        if group.lower() in found:
            if any(group.lower() in self._groups_of(other) for other in list(others)[:1]):
                self._useless.add("groups of the user")
                return "unknown"
            self._proven.add("groups of the user")
            return "in"
        return "out" if found or "groups of the user" in self._proven else "unknown"

    def _groups_of(self, user: str) -> set[str]:
        answer = self._transport.call("GET", place("user", user))
        return {id_.lower() for id_ in scim_responses.read_groups(answer.body)} if answer.status == 200 else set()

    def _by_filter(self, group: str, user: str, _others: Iterable[str]) -> Verdict:
        """Ask as AWS IAM Identity Center does (its ListGroups shows no members, and takes this filter)."""
        answer = self._filtered(group, user)
        page = scim_responses.read_page(answer.body) if answer.status == 200 else None
        if page is None and answer.status != 404:
            self._useless.add("filter")
            return "unknown"
        rows = page.resources if page is not None else ()
        if not rows:
            return "out" if "filter" in self._proven else "perhaps out"
        if "filter" not in self._proven:
            control = self._filtered(group, _NO_ACCOUNT)
            control_page = scim_responses.read_page(control.body) if control.status == 200 else None
            others = [row for row in rows if not _is(row, group)]
            if others or (control_page is not None and control_page.resources):
                self._useless.add("filter")
                return "unknown"
            self._proven.add("filter")
        return "in" if any(_is(row, group) for row in rows) else "out"

    def _filtered(self, group: str, user: str) -> Answer:
        wanted = f"id eq {scim_requests.quoted(group)} and members eq {scim_requests.quoted(user)}"
        return self._transport.call("GET", PATHS["group"], {"filter": wanted})


def _is(row: object, group: str) -> bool:
    try:
        return scim_responses.read_id(row).lower() == group.lower()
    except scim_responses.UnreadableResourceError:
        return False
