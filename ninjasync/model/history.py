"""The nouns of a ledger: past runs, their operations, and what a ledger holds for each tenant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ninjasync.model.directory import Resource
from ninjasync.model.pause import Pause
from ninjasync.model.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Operation:
    """One write, as journaled: before it was sent, and what became of it."""

    number: int
    run: str
    resource: Resource
    action: str
    key: str
    external_id: str | None
    id: str | None
    diff: Mapping[str, Any]
    intended_at: datetime
    status: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One past run; ``ended_at`` and ``exit_code`` are None where it was killed, or goes on."""

    id: str
    actor: str
    command: str
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TenantEntries:
    """A tenant of the ledger, how much the ledger holds of it, and its pause if one was made."""

    tenant: Tenant
    since: datetime
    users: int
    groups: int
    runs: int
    pause: Pause | None = None

    @property
    def id(self) -> str:
        """What tells it apart."""
        return self.tenant.id

    @property
    def name(self) -> str:
        """Its [state] tenant; empty where it has none."""
        return self.tenant.name

    @property
    def endpoint_url(self) -> str:
        """NinjaOne's address."""
        return self.tenant.endpoint_url

    @property
    def api_hostname(self) -> str:
        """Duo's address."""
        return self.tenant.api_hostname

    @property
    def has_entries(self) -> bool:
        """Whether anything in NinjaOne is its own."""
        return bool(self.users or self.groups)


@dataclass(frozen=True, slots=True)
class Copied:
    """A table of a copy: how many rows are there now, and the digest of them, which is that of those copied."""

    table: str
    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Copy:
    """What was copied from one ledger to another. ``other_tokens``: the destination makes other ones for --redact."""

    source: str
    destination: str
    tenants: tuple[Tenant, ...]
    tables: tuple[Copied, ...]
    other_tokens: bool


@dataclass(frozen=True, slots=True)
class Inventory:
    """A ledger as a whole, looked at by ``tenant``. Where ``version`` is None there is none yet at ``path``."""

    path: str
    tenant: Tenant
    version: int | None
    tenants: Sequence[TenantEntries]
