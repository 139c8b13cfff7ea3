"""What the ledger knows of resources: which are this tenant's, and what was last applied to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ninjasync.model.directory import Resource, Row


class Owned(Row, frozen=True):
    """A resource that the ledger says is ours: NinjaOne's id, its name, when we deactivated it.

    ``applied`` has the values last sent, by path; ``shown`` what NinjaOne then showed
    instead, for those where that was something else (None: nothing). ``members`` are the
    Duo ids that we put into a group. ``deleted`` says that NinjaOne accepted its deletion.
    """

    id: str
    name: str
    deactivated_at: datetime | None = None
    applied: Mapping[str, str | None] = {}
    shown: Mapping[str, str | None] = {}
    members: frozenset[str] = frozenset()
    deleted: bool = False

    def settled(self, path: str, desired: str | None, actual: str | None) -> bool:
        """Whether ``desired`` was sent before and NinjaOne still shows what it showed then (CONTRACT 5.2)."""
        return path in self.shown and self.applied.get(path) == desired and self.shown[path] == actual


@dataclass(frozen=True, slots=True)
class Ownership:
    """What the ledger knows: ours by Duo id, and the NinjaOne ids of other tenants, with their names.

    ``known`` is False where there is no ledger for this tenant, or where it cannot be read
    now; then ``readable`` is False, too. ``contested`` are folded
    names that NinjaOne lately refused as taken. ``members_shown`` says that some group of
    this endpoint has shown a member once, so that a group without members has none;
    ``members_hidden`` that none has, not even when it was asked for by its id.
    ``namesakes`` are the Duo ids of users of tenants that differ from this one by [state]
    tenant alone, with those names; empty where this tenant has entries of its own.
    """

    known: bool = False
    users: Mapping[str, Owned] = field(default_factory=dict)
    groups: Mapping[str, Owned] = field(default_factory=dict)
    foreign_users: Mapping[str, str] = field(default_factory=dict)
    foreign_groups: Mapping[str, str] = field(default_factory=dict)
    contested: frozenset[tuple[Resource, str]] = frozenset()
    members_shown: bool = False
    members_hidden: bool = False
    namesakes: Mapping[str, str] = field(default_factory=dict)
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the last complete and accepted read of the whole scope found; ``groups`` is id to name."""

    at: datetime
    in_scope: int
    scope_digest: str
    groups: Mapping[str, str]
