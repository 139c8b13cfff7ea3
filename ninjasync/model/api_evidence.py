"""What NinjaOne's public API says of one tenant, as evidence beside SCIM's (CONTRACT 7.9).

Pure. Unknown is None, never an empty list: what was not read is not absent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ninjasync.model.message import Message

Kind = Literal["technician", "endUser"]


@dataclass(frozen=True, slots=True)
class ApiAccount:
    """One account as the public API shows it. None is not told.

    ``organization`` is a number, or "All" for an end user of all organizations.
    """

    name: str
    kind: Kind
    organization: str | None = None
    enabled: bool | None = None
    administrator: bool | None = None


@dataclass(frozen=True, slots=True)
class ApiEvidence:
    """All that was read. ``organizations`` has names by number, ``accounts`` are by folded address.

    An address that two accounts have is in none of them: it is ambiguous. ``failures`` say
    in a sentence each what could not be read; ``warnings`` what is odd about the rest.
    """

    organizations: tuple[tuple[str, str], ...] | None = None
    accounts: Mapping[str, ApiAccount] | None = None
    ambiguous: frozenset[str] = frozenset()
    failures: tuple[Message, ...] = ()
    warnings: tuple[Message, ...] = ()

    def account(self, address: str) -> ApiAccount | None:
        """Return the account with this folded address; None where none or several have it, or nothing was read."""
        return (self.accounts or {}).get(address)
