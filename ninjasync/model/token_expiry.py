"""How long the SCIM token lasts: one rule for the plan's warning, the check, the messages and the fleet's table.

Pure. Knows days; must not know where the date comes from.
"""

from datetime import date

from ninjasync.model.message import Message, counted

# From so many days before the end it is warned of.
WARNING_DAYS = 30


def days_left(expires: date | None, today: date) -> int | None:
    """Return how many days the token still lasts; below 0 it has expired, None where no date is configured."""
    return None if expires is None else (expires - today).days


def is_to_be_renewed(days: int) -> bool:
    """Whether a token with so many days left is to be renewed by now."""
    return days <= WARNING_DAYS


def tell_expiry(days: int) -> Message:
    """Say when a token with so many days left expires, in words that follow its name."""
    if days < 0:
        return Message("has expired")
    return Message("expires in {}", counted(days, "day")) if days else Message("expires today")
