"""Which members of a group a PUT has to keep beside those that the group shows.

Pure. The Writer asks it for what it sends, ``explain`` for what it shows. Knows what the ledger and this run
put into each group; must not know how NinjaOne is asked.
"""

from collections.abc import Iterable

from ninjasync.model.attributes import DISPLAY_NAME, MEMBERS
from ninjasync.model.ownership import Ownership


class KnownMembers:
    """What is known of the members of one endpoint's groups, all by NinjaOne's ids.

    ``shown`` says whether any group ever showed a member.
    """

    def __init__(self) -> None:
        self.shown = False
        # Members that are known to be in a group beside those shown, by the group's id.
        self._there: dict[str, set[str]] = {}
        # How many members a group showed when it last lacked some of those added, as the ledger keeps it.
        self._lacked_before: dict[str, str] = {}

    def know(self, owned: Ownership) -> None:
        """Take over what the ledger knows of the groups' members."""
        self.shown = self.shown or owned.members_shown
        ids = {duo_id: entry.id for duo_id, entry in owned.users.items()}
        for entry in owned.groups.values():
            # Of a group that was taken over, and that got no members from us, it is not known that it has none.
            if entry.members or DISPLAY_NAME in entry.applied:
                self._there[entry.id] = {ids[member] for member in entry.members if member in ids}
            if (lacked := entry.shown.get(MEMBERS)) is not None:
                self._lacked_before[entry.id] = lacked

    def kept(self, id_: str) -> frozenset[str] | None:
        """Return the members that a PUT must keep beside those that the group shows; None where that is not known."""
        there = self._there.get(id_)
        if not self.shown:
            return None if there is None else frozenset(there)
        return frozenset(there or ()) if self._lacked_before.get(id_, "0") != "0" else frozenset()

    def note_created(self, id_: str, members: Iterable[str]) -> None:
        """Note which members a new group was created with."""
        self._there[id_] = set(members)

    def note_changed(self, id_: str, added: Iterable[str], removed: Iterable[str]) -> None:
        """Note which members a request added and removed."""
        there = self._there.setdefault(id_, set())
        there.update(added)
        there.difference_update(removed)

    def list_known(self, id_: str) -> frozenset[str]:
        """Return the members that are known to be in the group."""
        return frozenset(self._there.get(id_, ()))

    def lacked_before(self, id_: str) -> str:
        """Return how many members the group showed when it last lacked some; "" where it never did."""
        return self._lacked_before.get(id_, "")

    def note_lacking(self, id_: str, number: str) -> None:
        """Note that the group shows only ``number`` members, though others are in it."""
        self._lacked_before[id_] = number
