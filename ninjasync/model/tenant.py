"""Which tenant a configuration speaks of: ledger entries, lock, plans and baselines belong to one."""

import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Tenant:
    """``endpoint_url`` is normalised; ``id`` tells tenants apart and is fit for a file name."""

    endpoint_url: str
    api_hostname: str
    name: str

    @property
    def shown(self) -> str:
        """What every output calls the tenant: its name, else Duo's host."""
        return self.name or urlsplit(self.api_hostname).hostname or ""

    @property
    def id(self) -> str:
        """A short digest of the three."""
        text = "\n".join((self.endpoint_url, self.api_hostname, self.name))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def is_namesake_of(self, other: "Tenant") -> bool:
        """Whether the two differ by their names alone."""
        return self.name != other.name and (self.endpoint_url, self.api_hostname) == (
            other.endpoint_url,
            other.api_hostname,
        )

    def shares_a_side_with(self, other: "Tenant") -> bool:
        """Whether the two have the endpoint or the Duo account in common."""
        return self.endpoint_url == other.endpoint_url or self.api_hostname == other.api_hostname
