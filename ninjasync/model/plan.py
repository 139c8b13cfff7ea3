"""A change and a plan as data: they can be printed, compared, digested and applied.

Pure. Holds what is to be done and why; how it was decided is ``diff``'s affair, how
it is written ``apply``'s. Time comes in as an argument.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date

from ninjasync.model.attributes import short_names
from ninjasync.model.change import Change
from ninjasync.model.directory import Problem, Resource
from ninjasync.model.message import NOTHING, Message, number


@dataclass(frozen=True, slots=True)
class Counts:
    """How many resources of one kind come under which action, and how many under none.

    ``unmanaged`` is None where NinjaOne was not listed, so that the number is unknown.
    """

    actions: Mapping[str, int]
    unchanged: int
    unmanaged: int | None
    held: int = 0


@dataclass(frozen=True, slots=True)
class GuardResult:
    """What one guard says of the plan. ``approve`` is the flag that would lift it, or empty."""

    name: str
    tripped: bool
    message: Message
    approve: str = ""


@dataclass(frozen=True, slots=True)
class Leaver:
    """A leaver's inactive account that is deleted on the day ``due``, or later where it is deferred."""

    key: str
    external_id: str
    due: date
    deferred: bool

    @property
    def turn(self) -> Message:
        """When the account is deleted, in words."""
        if self.deferred:
            return Message("due, and deferred by the removal limit")
        return Message("deleted on {}", number(self.due))


@dataclass(frozen=True, slots=True)
class Vanished:
    """A resource of ours, known from the ledger, that NinjaOne no longer shows under its ``id``."""

    resource: Resource
    external_id: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The figures that guards judge by, of the whole world even where a plan is narrowed.

    ``missing`` has a sentence for each scoped group that is gone; ``last_good`` is how many
    were in scope at the last good run, None where there was none. ``active`` counts active
    managed accounts, ``memberships`` the members of our groups; the others count changes.
    ``vanished`` are ours that this read no longer shows; ``known`` counts the active accounts,
    ``known_groups`` the groups, that the ledger says are ours.
    ``rights`` tells changes of rights apart, ``commonest`` says what most of the held are held for.
    ``administrators`` names the changes that might hit a system administrator, as long as it is
    not known who is one; None where the public API is not asked.
    """

    missing: tuple[Message, ...]
    in_scope: int
    last_good: int | None
    active: int
    memberships: int
    removals: int
    member_removals: int
    privilege_changes: int
    held: int
    unreadable: int
    vanished: tuple[Vanished, ...] = ()
    known: int = 0
    known_groups: int = 0
    rights: tuple[tuple[str, int], ...] = ()
    commonest: Message = NOTHING
    administrators: frozenset[str] | None = None

    def gone(self, resource: Resource) -> int:
        """Return how many users or groups of ours this read no longer shows."""
        return sum(one.resource == resource for one in self.vanished)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that would change, why, and what stands in the way.

    ``refused`` says that nothing may be written. ``withheld`` names the changes that are
    not written, or not in full, because a guard lets only the rest pass; ``writes`` are
    the changes that may be written. ``tenant`` is what people call it. ``organizations`` are names,
    by number, of those that occur in the changes, where NinjaOne's public API told them.
    """

    paths: tuple[str, ...]
    source: Mapping[str, int]
    target: Mapping[str, int]
    users: Counts
    groups: Counts
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    guards: tuple[GuardResult, ...]
    warnings: tuple[Message, ...]
    leavers: tuple[Leaver, ...]
    evidence: Evidence
    refused: bool
    withheld: frozenset[str] = frozenset()
    writes: tuple[Change, ...] = ()
    tenant: str = ""
    organizations: Mapping[str, str] = field(default_factory=dict)

    @property
    def safe(self) -> bool:
        """Whether no guard tripped; if one did, the exit code is 3, whatever was written."""
        return not any(guard.tripped for guard in self.guards)

    @property
    def shown(self) -> Mapping[str, str]:
        """The name that people read for each attribute path of this plan."""
        return short_names(self.paths)


@dataclass(frozen=True, slots=True)
class Approvals:
    """What the operator approved by number; None where nothing was. ``strict`` asks for more instead."""

    removals: int | None = None
    member_removals: int | None = None
    source: int | None = None
    privilege_changes: int | None = None
    vanished: int | None = None
    held: int | None = None
    strict: bool = False

    def with_more(self, other: "Approvals") -> "Approvals":
        """Return these with those of ``other`` laid over them."""
        given = {name: value for name, value in asdict(other).items() if value is not None and value is not False}
        return replace(self, **given)
