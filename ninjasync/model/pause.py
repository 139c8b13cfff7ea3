"""A pause: while one holds, no apply of that tenant begins. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime

from ninjasync.model.message import NOTHING, Message, number, person, text

# How the sentence about a pause begins, by which a run's document is known to speak of one.
PAUSED = "This tenant is paused"


@dataclass(frozen=True, slots=True)
class Pause:
    """Who paused a tenant, when and why; it ends by itself at ``until``, if that is given."""

    since: datetime
    until: datetime | None
    actor: str
    reason: str

    def holds_at(self, now: datetime) -> bool:
        """Whether it is on at that time."""
        return self.until is None or now < self.until

    @property
    def told(self) -> Message:
        """Who, when and why, in a sentence."""
        until = Message(" until {}", number(shown_time(self.until))) if self.until is not None else NOTHING
        who, since = person(self.actor), number(shown_time(self.since))
        return Message("This tenant is paused{} (by {}, at {}): {}.", until, who, since, text(self.reason.rstrip(".")))


def shown_time(when: datetime) -> str:
    """Return a time as people are told it."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
