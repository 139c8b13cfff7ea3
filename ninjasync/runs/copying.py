"""Copies a ledger to another place or kind of database, while no run of its tenants is on.

Knows the ledgers and their locks; reads and writes neither Duo nor NinjaOne, prints and asks nothing.
"""

import re
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from ninjasync.config import secrets
from ninjasync.config.operation import DATABASE_SCHEMES
from ninjasync.config.schema import Config
from ninjasync.config.tenant import in_a_command, tenant_of
from ninjasync.errors import CommandLineError, ConfigurationError, RefusedForSafetyError
from ninjasync.model.history import Copy
from ninjasync.model.message import Message, listed, text
from ninjasync.model.tenant import Tenant
from ninjasync.state import lock
from ninjasync.state.database import Database
from ninjasync.state.ledger_copy import copy_tenants, keeps_other_tokens, list_tenants
from ninjasync.state.sqlite import SqliteStore
from ninjasync.state.store import Store, database_at, store_of

_KEY = "DESTINATION"
# What of a URL must not be on a command line, which everyone on the machine can read.
_SECRETS = re.compile(r"^\w+://[^/?@]*:[^/?]*@|[?&](ssl)?password=")


def find_destination(given: str) -> Store:
    """Return the ledger that an operator names: a file, a postgresql:// URL, or env:NAME of one with such a URL.

    Raises CommandLineError, which shows nothing of a URL, where that is none, or holds a password.
    """
    is_variable = given.startswith("env:")
    if not is_variable and not given.startswith(DATABASE_SCHEMES):
        if not given.strip():
            raise CommandLineError("DESTINATION is empty.", "Give a file, or a postgresql:// URL.")
        if "://" in given:
            raise CommandLineError("DESTINATION is a URL of another kind.", "Give a file, or a postgresql:// URL.")
        return SqliteStore(Path(given))
    if not is_variable and _SECRETS.search(given):
        raise CommandLineError(
            "DESTINATION holds a password, which everyone on this machine can read in the list of processes.",
            "Put the URL into an environment variable and give its name: env:NAME",
        )
    try:
        if is_variable:
            return database_at(secrets.read_environment(_KEY, given.removeprefix("env:")), _KEY)
        return database_at(SecretStr(given), _KEY)
    except ConfigurationError as error:
        raise CommandLineError(error.message, error.hint) from error


def copy_ledger(config: Config, destination: Store, now: datetime, *, every: bool) -> Copy:
    """Copy what the ledger holds of this tenant, or of ``every`` one; return what was copied.

    Raises CommandLineError where there is nothing to copy, LockedError where a run is on at either end,
    RefusedForSafetyError where the destination is the source, or knows a tenant already. The destination has all of
    it or nothing.
    """
    source, tenant = store_of(config), tenant_of(config)
    if (there := source.open_to_read()) is None:
        raise CommandLineError(
            Message("There is no ledger at {}.", text(source.place)), "Set [state] path or url to where it is."
        )
    with closing(there):
        _expect_another(there, destination)
        known = list_tenants(there)
        tenants = known if every else [one for one in known if one.id == tenant.id]
    if not tenants:
        raise CommandLineError(
            Message("The ledger {} has nothing of the tenant {}.", text(source.place), text(tenant.shown)),
            "ninjasync ledger show lists what it has; --all copies everything.",
        )
    with ExitStack() as stack:
        ours = stack.enter_context(source.holding(tenants[0], 0, now))
        theirs = stack.enter_context(closing(destination.open(now)))
        _expect_unknown(theirs, tenants)
        for one in tenants[1:]:
            stack.enter_context(ours.hold(one, 0, now))
        for one in tenants:
            # Two schemas of one database have their locks in common, so that this process has it already.
            if lock.actor() not in (theirs.holder(one) or ""):
                stack.enter_context(theirs.hold(one, 0, now))
        tables = copy_tenants(ours, theirs, tenants)
        return Copy(source.place, destination.place, tuple(tenants), tables, keeps_other_tokens(ours, theirs))


def _expect_another(source: Database, destination: Store) -> None:
    """Raise RefusedForSafetyError where the destination is the source, as when [state] names the new place already."""
    if (theirs := destination.open_to_read()) is None:
        return
    with closing(theirs):
        if theirs.identity == source.identity:
            raise RefusedForSafetyError(
                Message("DESTINATION is the ledger that this configuration names: {}.", text(source.place)),
                "Copy with the [state] that names the former ledger, and name the new one afterwards.",
            )


def _expect_unknown(destination: Database, tenants: Sequence[Tenant]) -> None:
    """Raise RefusedForSafetyError where one of ``tenants`` is in the destination: two pasts cannot be made one."""
    there = {one.id for one in list_tenants(destination)}
    if clashing := [one for one in tenants if one.id in there]:
        raise RefusedForSafetyError(
            Message(
                "The ledger {} knows {} already; nothing was copied.",
                text(destination.place),
                listed([Message("the tenant {}", text(in_a_command(one.shown))) for one in clashing], 5),
            ),
            "Give a place that has never been used for it, such as a new file or a database (or schema) of its own.",
        )
