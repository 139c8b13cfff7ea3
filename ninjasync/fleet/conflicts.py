"""Which tenants of a fleet must not stand beside each other: what each must have to itself."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from ninjasync.config.duo import Duo
from ninjasync.config.fleet import FleetSection, TenantFile
from ninjasync.config.section import whole_path
from ninjasync.config.tenant import tenant_of
from ninjasync.model.message import Message, listed, text, word
from ninjasync.names_alike import folded

# What two tenants must not share.
_IDENTITY = "identity (endpoint, Duo account and [state] tenant)"
_ACCOUNT = "Duo account into one endpoint"
_METRICS = "[monitor] metrics_file"
_DUO_HOSTS = (".duosecurity.com", ".duofederal.com")
_MOST_FILES = 3  # that a sentence names of those that share something


def find_conflicts(fleet: Path, settings: FleetSection, tenants: Sequence[TenantFile]) -> dict[str, list[Message]]:
    """Return, by the path of a tenant's file, what of it must not stand beside another tenant's."""
    shared: dict[tuple[str, object], list[TenantFile]] = defaultdict(list)
    for tenant in tenants:
        for claim in _claims(tenant):
            shared[claim].append(tenant)
    found: dict[str, list[Message]] = defaultdict(list)
    accused = set()  # tenants with the same identity need no second sentence on the same Duo account
    for (what, value), same in shared.items():
        files = [tenant.path for tenant in same]
        if what == _METRICS and settings.monitor.metrics_file:
            own = whole_path(fleet.resolve().parent, settings.monitor.metrics_file).resolve()
            files += [fleet] if own == value else []
        for file in (tenant.path for tenant in same if len(files) > 1):
            if what == _ACCOUNT and file in accused:
                continue
            accused |= {file} if what == _IDENTITY else set()
            others = listed((text(other) for other in files if other != file), _MOST_FILES)
            found[str(file)].append(Message("the same {} as {}", word(what), others))
    return found


def _claims(tenant: TenantFile) -> Iterator[tuple[str, object]]:
    """Yield what a tenant must have to itself: what it is called, and its value."""
    yield "name", folded(tenant.name)  # which also names its files, on disks that know no case
    if (config := tenant.config) is None:
        return
    identity = tenant_of(config)
    yield _IDENTITY, identity.id
    yield _ACCOUNT, (identity.endpoint_url, *_duo_account(config.duo, identity.api_hostname))
    if config.monitor.metrics_file:
        yield _METRICS, config.file(config.monitor.metrics_file).resolve()


def _duo_account(duo: Duo, host: str) -> tuple[str, ...]:
    """Return what tells the Duo account of a tenant from others.

    Each host name of Duo's is of one account, which may have several applications; child accounts
    share that of their parent. Behind any other host, a proxy or a sandbox, the application tells.
    """
    if duo.account_id:
        return (duo.account_id,)
    return (host,) if host.endswith(_DUO_HOSTS) else (host, duo.integration_key)
