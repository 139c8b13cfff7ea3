"""Which tenant a configuration speaks of: ledger entries, lock, plans and baselines belong to one.

Pure. A tenant is a NinjaOne endpoint, a Duo account and a name (CONTRACT §6.1).
"""

import re
from urllib.parse import urlsplit, urlunsplit

from ninjasync.config.schema import Config
from ninjasync.model.tenant import Tenant


def tenant_of(config: Config) -> Tenant:
    """Return the tenant that ``config`` speaks of."""
    return Tenant(_normalised(config.ninjaone.endpoint_url), _normalised(config.duo.api_hostname), config.state.tenant)


def in_a_command(name: str) -> str:
    """Return a tenant's name as it can be pasted into a command line."""
    return name if re.fullmatch(r"[\w.-]+", name) else f'"{name}"'


def _normalised(url: str) -> str:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    default = {"http": 80, "https": 443}[parts.scheme]
    place = host if parts.port in (None, default) else f"{host}:{parts.port}"
    return urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", ""))
