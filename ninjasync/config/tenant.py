"""Which tenant a configuration speaks of: ledger entries, lock, plans and baselines belong to one.

Pure. A tenant is a NinjaOne endpoint, a Duo account and a name (CONTRACT §6.1).
"""

import re
import shlex
from urllib.parse import urlsplit, urlunsplit

from ninjasync.config.schema import Config
from ninjasync.model.tenant import Tenant


def tenant_of(config: Config) -> Tenant:
    """Return the tenant that ``config`` speaks of."""
    return Tenant(_normalised(config.ninjaone.endpoint_url), _normalised(config.duo.api_hostname), config.state.tenant)


def write_command(config: Config, words: str) -> str:
    """Return a command of ninjasync that is about this tenant, also where the one that is run now was told its file."""
    file = f" --config {in_a_command(str(config.named))}" if config.named is not None else ""
    return f"ninjasync {words}{file}"


def in_a_command(word: str) -> str:
    """Return a word, as a tenant's name or a path, as it can be pasted into a command line.

    In double quotes, which every shell knows, unless something in it has a meaning there.
    """
    if re.fullmatch(r"[\w./:@+=,-]+", word):
        return word
    return shlex.quote(word) if re.search(r'["$`!]', word) else f'"{word}"'


def _normalised(url: str) -> str:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    default = {"http": 80, "https": 443}[parts.scheme]
    place = host if parts.port in (None, default) else f"{host}:{parts.port}"
    return urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", ""))
