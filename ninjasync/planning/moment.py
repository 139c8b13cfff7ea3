"""What a plan depends on beside what both sides have."""

from dataclasses import dataclass, field
from datetime import datetime

from ninjasync.model.api_evidence import ApiEvidence
from ninjasync.model.message import Message
from ninjasync.model.ownership import Baseline, Ownership
from ninjasync.model.plan import Approvals


@dataclass(frozen=True, slots=True)
class Moment:
    """What a plan depends on beside both sides: what the ledger knows, what was approved, which users it is about.

    ``repeated`` is what each of the last two runs did: resource, Duo id and diff. ``api`` is what
    NinjaOne's public API says, None where it is not set up.
    """

    now: datetime
    owned: Ownership = field(default_factory=Ownership)
    baseline: Baseline | None = None
    approvals: Approvals = field(default_factory=Approvals)
    only: tuple[str, ...] = ()
    warnings: tuple[Message, ...] = ()
    repeated: frozenset[tuple[str, str | None, str]] = frozenset()
    api: ApiEvidence | None = None
