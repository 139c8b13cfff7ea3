"""What a run tells its listener while it goes on: how much is read, and why it waits.

Values only, which may cross a process's border. Knows neither service, nor how or
whether anything is shown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ninjasync.model.directory import Resource

Service = Literal["Duo", "NinjaOne"]
Reason = Literal["asked", "limit", "failed"]


@dataclass(frozen=True, slots=True)
class Read:
    """So many of a service's users or groups are read; ``total`` is None where it did not say how many there are.

    Told once a page, or once for each that is looked up. Reading again begins again.
    """

    service: Service
    resource: Resource
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Requests to a service wait for ``seconds``.

    "asked": it asked for a pause, mostly by a 429, and all requests wait. "limit": a rate
    limit is kept, the configured one or one found from its 429s. "failed": one request is
    tried again. ``status`` is that of the answer, if there was one.
    """

    service: Service
    seconds: float
    why: Reason
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Locked:
    """Another run holds the lock; this one waits for it, ``seconds`` at most."""

    holder: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Unsettled:
    """What the run that was cut short last had sent may still arrive for ``seconds``; so long this one waits."""

    run: str
    seconds: float


Event = Read | Wait | Locked | Unsettled
Listener = Callable[[Event], None]


def ignore(_: Event) -> None:
    """Do nothing with an event."""
