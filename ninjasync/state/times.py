"""How the ledger writes a time: in UTC, to the millisecond, so that text sorts as time does."""

from datetime import UTC, datetime


def stamp(when: datetime) -> str:
    """Return a time as the ledger keeps it."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds")


def read_time(text: str) -> datetime:
    """Return a time that the ledger kept. Raises ValueError where the text is none."""
    return datetime.fromisoformat(text)
