"""The parts of the configuration, and of the moment, that a diff depends on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ninjasync.config import provisioning


@dataclass(frozen=True, slots=True)
class Policy:
    """The parts of the configuration and of the moment that a diff depends on.

    ``removal_limit`` says how many of so many active managed accounts may be removed;
    deletions that are merely due stay within it. ``administrators`` are the folded userNames of
    system administrators, who are protected as ``protected`` are.
    """

    deprovision: provisioning.Deprovision
    groups: provisioning.Groups
    protected: tuple[str, ...]
    external_id: bool
    now: datetime
    removal_limit: Callable[[int], float]
    administrators: frozenset[str] = frozenset()
