"""What NinjaOne's public API says of one tenant, as evidence beside SCIM's (CONTRACT 7.9).

Pure. Unknown is None, never an empty list: what was not read is not absent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from ninjasync.model.directory import Row
from ninjasync.model.message import Message

Kind = Literal["technician", "endUser"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class ApiAccount(Row, frozen=True):
    """One account as the public API shows it; ``name`` is its folded address. None is not told.

    ``organization`` is a number, or "All" where the API tells none for an end user and tells
    one for others: an end user of all organizations, most likely.
    """

    name: str
    kind: Kind
    organization: str | None = None
    enabled: bool | None = None
    administrator: bool | None = None


@dataclass(frozen=True, slots=True)
class ApiEvidence:
    """All that was read. ``organizations`` has names by number, ``accounts`` are by folded address.

    An address that several accounts have is in none of them: it is ``ambiguous``, and has the
    kinds of these accounts. ``unread`` are the kinds whose list could not be had. ``failures``
    say in a sentence each what could not be read; ``warnings`` what is odd about the rest.
    """

    organizations: tuple[tuple[str, str], ...] | None = None
    accounts: Mapping[str, ApiAccount] = field(default_factory=dict)
    ambiguous: Mapping[str, frozenset[Kind]] = field(default_factory=dict)
    unread: frozenset[Kind] = frozenset()
    failures: tuple[Message, ...] = ()
    warnings: tuple[Message, ...] = ()

    def account(self, address: str) -> ApiAccount | None:
        """Return the account with this folded address; None where none or several have it, or nothing was read."""
        return self.accounts.get(address)
