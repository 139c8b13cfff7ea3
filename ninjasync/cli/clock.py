"""The clock that a run goes by. Everything below ``cli`` is told the time."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)
