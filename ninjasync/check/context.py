"""What the checks look at: each thing is read when first asked for, once, and kept.

Sends nothing but GET. Knows how to read things; must not judge them: that is for the checks.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import SecretStr

from ninjasync.check.field_counts import CountingReader, FieldCounts
from ninjasync.config import load, secrets
from ninjasync.config.context import RunContext
from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.duo.reader import DuoReader
from ninjasync.errors import IncompleteReadError, LedgerError, NinjasyncError, UnreachableError
from ninjasync.model.api_evidence import ApiEvidence
from ninjasync.model.directory import Wanted
from ninjasync.model.events import Listener, ignore
from ninjasync.model.exchange import Exchange
from ninjasync.model.history import Run
from ninjasync.model.ownership import Baseline, Owned, Ownership
from ninjasync.model.source import Source
from ninjasync.names_alike import folded
from ninjasync.net.pacing import TransientError
from ninjasync.ninjaone.endpoint import Endpoint, connect
from ninjasync.ninjaone.http import Answer, ScimTransport
from ninjasync.ninjaone.oauth import OAuthClient
from ninjasync.ninjaone.reader import Reader
from ninjasync.ninjaone.scim_responses import Page, read_page
from ninjasync.planning.mapping import AttributeMapping, compile_mapping
from ninjasync.planning.source import read_source
from ninjasync.runs import tenancy
from ninjasync.runs.api_evidence import read_evidence
from ninjasync.state.ledger import Ledger
from ninjasync.state.store import Store, store_of
from ninjasync.threads import Stop

T = TypeVar("T")

# A check is to answer soon; a plan or an apply is more patient.
_MOST_RETRIES = 1
# Accounts to look at where they are not listed.
_FEW = 5


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What the ledger knows: our accounts by Duo id, the last good run, the runs that never ended, its version.

    ``former`` says in a sentence and a cure whose entries may be this tenant's, where it has none.
    """

    owned: Mapping[str, Owned] = field(default_factory=dict)
    baseline: Baseline | None = None
    unfinished: Sequence[Run] = ()
    former: tuple[str, str] | None = None
    version: int = 0


class CheckContext:
    """Everything that a check may look at. A property raises a NinjasyncError where it cannot be had."""

    def __init__(
        self,
        path: Path | None,
        now: datetime,
        listener: Listener = ignore,
        hear: Callable[[Exchange], None] | None = None,
    ) -> None:
        self.now = now
        self.hear = hear
        self.counts = FieldCounts()
        # What was read of secrets, so that no line shows one: a service may repeat what it was sent.
        self.secrets_read: list[SecretStr] = []
        self._listener = listener
        self._path = path
        self._stop = Stop()
        self._opened = ExitStack()

    def close(self) -> None:
        """Close what was opened."""
        self._opened.close()

    @cached_property
    def config_file(self) -> Path | None:
        """Where the configuration is; None where the environment alone has it."""
        return self._path or load.find()

    @cached_property
    def config(self) -> Config:
        """The configuration, but with fewer retries."""
        config = load.load(self.config_file)
        load.expect_filled_in(config)
        retries = min(config.run.retries, _MOST_RETRIES)
        return config.model_copy(update={"run": config.run.model_copy(update={"retries": retries})})

    @property
    def tenant(self) -> str:
        """What people call the tenant; empty where the configuration is not sound, which is for one check to say."""
        try:
            return tenant_of(self.config).shown
        except NinjasyncError:
            return ""

    @cached_property
    def duo_secret(self) -> SecretStr:
        """Duo's secret key."""
        return self._noted(secrets.read_duo_secret_key(self.config))

    @cached_property
    def token(self) -> SecretStr:
        """NinjaOne's SCIM token."""
        return self._noted(secrets.read_ninjaone_token(self.config))

    def _noted(self, secret: SecretStr) -> SecretStr:
        self.secrets_read.append(secret)
        return secret

    def run_context(self, stop: Stop | None = None) -> RunContext:
        """Return the context of a run with this configuration; ``stop`` ends it."""
        return RunContext(self.config, "", self.now, lambda: self.now, stop or self._stop, self._listener)

    # --- Duo ---------------------------------------------------------------------------------

    @cached_property
    def duo(self) -> DuoReader:
        """A reader of Duo."""
        return self._opened.enter_context(closing(DuoReader(self.run_context(), self.duo_secret, hear=self.hear)))

    @cached_property
    def mapping(self) -> AttributeMapping:
        """[attributes], compiled."""
        return compile_mapping(
            self.config.attributes, self.config.safety, self.config.organizations, self._organizations
        )

    @cached_property
    def groups(self) -> dict[str, str]:
        """Duo's groups, id to name."""
        return self.duo.read_groups()

    @cached_property
    def source(self) -> Source:
        """All of Duo, judged by scope and mapping; on the way ``counts`` is filled."""
        return read_source(
            self.config,
            CountingReader(self.duo, self.groups, self.mapping, self.counts),
            Ownership(),
            self._organizations,
        )

    # --- NinjaOne ----------------------------------------------------------------------------

    @cached_property
    def _endpoint(self) -> Endpoint:
        return self._opened.enter_context(connect(self.run_context(), self.token, self.hear))

    @property
    def scim(self) -> ScimTransport:
        """The SCIM endpoint; see ``get``."""
        return self._endpoint.transport

    def get(self, path: str, **params: str) -> Answer:
        """Ask the SCIM endpoint."""
        return self.scim.call("GET", path, params)

    def try_to_get(self, path: str, **params: str) -> Answer:
        """Ask as ``get`` does; a status that stays what may pass is an answer, too."""
        try:
            return self.get(path, **params)
        except TransientError as error:
            if error.status is None:
                raise
            return Answer(error.status, None)

    @property
    def looks_up(self) -> bool:
        """Whether accounts are looked up one by one as configured, so that nothing is to be listed."""
        return self.config.ninjaone.dialect.discovery == "lookup"

    @cached_property
    def accounts(self) -> Answer:
        """The answer to a request for the first page of accounts."""
        return self.try_to_get("/Users", startIndex="1", count=str(self.config.ninjaone.dialect.page_size))

    @property
    def first_page(self) -> Page:
        """The first page of accounts; empty where NinjaOne does not list any, or is not asked to."""
        page = read_page(self.accounts.body) if not self.looks_up and self.accounts.status == 200 else None
        return page or Page((), None)

    @cached_property
    def rows(self) -> tuple[Any, ...]:
        """Some accounts as NinjaOne shows them: those of the first page, else a few that the ledger knows."""
        if found := self.first_page.resources:
            return found
        ids = sorted(one.id for one in self.ledger_facts.owned.values())[:_FEW]
        answers = [self.try_to_get(f"/Users/{quote(id_, safe='')}") for id_ in ids]
        return tuple(answer.body for answer in answers if answer.status == 200)

    @cached_property
    def every_name(self) -> frozenset[str] | None:
        """The folded userNames of all accounts that SCIM shows; None where it does not list them all."""
        if self.looks_up:
            return None
        nothing = Wanted(frozenset(), frozenset(), {}, {})
        try:
            found = Reader(self._endpoint, self.run_context()).read_directory((), nothing)
        except (IncompleteReadError, UnreachableError):  # which is for another check to say
            return None
        return frozenset(folded(user.user_name) for user in found.users) if found.complete else None

    @cached_property
    def evidence(self) -> ApiEvidence | None:
        """What the public API tells; None where it is not set up."""
        if not self.config.ninjaone.api.url:
            return None
        secret = self._noted(secrets.read_api_client_secret(self.config))
        with closing(OAuthClient(self.run_context(), secret)) as client:
            return read_evidence(client)

    @property
    def _organizations(self) -> tuple[tuple[str, str], ...] | None:
        """The organizations by number and name; None where they cannot be had, which is for one check alone to say."""
        try:
            return self.evidence.organizations if self.evidence else None
        except NinjasyncError:
            return None

    def ninjaone_skew(self) -> timedelta | None:
        """How far NinjaOne's clock is ahead of ours; None where no answer said."""
        return self.scim.skew if self.scim.dated else None

    # --- here --------------------------------------------------------------------------------

    @cached_property
    def store(self) -> Store:
        """Where the ledger is, or would be."""
        return store_of(self.config)

    @cached_property
    def readable_ledger(self) -> LedgerFacts | None:
        """What the ledger knows; None where there is none that can be read."""
        found = Ledger.open_to_read(self.store, tenant_of(self.config))
        if found is None:
            return None
        with closing(found) as ledger:
            return LedgerFacts(
                ledger.owned("user"),
                ledger.memory.baseline(),
                ledger.run_log.unfinished()[0],
                tenancy.former(self.config, ledger),
                ledger.database.version,
            )

    @property
    def ledger_facts(self) -> LedgerFacts:
        """What the ledger knows; nothing where it is not sound, which is for one check alone to say."""
        try:
            return self.readable_ledger or LedgerFacts()
        except LedgerError:
            return LedgerFacts()
