"""The clock of a run. Everything below ``cli`` is given the time."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)
