"""The tenants of a ledger: which there are, and how the entries of a former one become this one's.

Knows the ledger and the lock; decides nothing about people, prints and asks nothing.
"""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import datetime

from ninjasync.config.schema import Config
from ninjasync.config.tenant import in_a_command, tenant_of, write_command
from ninjasync.errors import CommandLineError, RefusedForSafetyError
from ninjasync.model.history import Inventory, TenantEntries
from ninjasync.model.message import Message, text
from ninjasync.model.tenant import Tenant
from ninjasync.state import lock
from ninjasync.state.ledger import Ledger
from ninjasync.state.store import store_of


def show(config: Config) -> Inventory:
    """Return where the ledger is and what it holds. Raises LedgerError where it is damaged."""
    store, tenant = store_of(config), tenant_of(config)
    ledger = Ledger.open_to_read(store, tenant)
    if ledger is None:
        return Inventory(store.place, tenant, None, ())
    with closing(ledger):
        return Inventory(store.place, tenant, ledger.database.version, ledger.tenants())


def upgrade(config: Config, now: datetime) -> tuple[str, int, tuple[str, ...]]:
    """Make the tables or bring them up to date; return where, their version, and what an everyday role needs.

    Raises LedgerError where this configuration's role may not do so.
    """
    store = store_of(config)
    with closing(store.open(now)) as database:
        return store.place, database.version, database.grants()


def rename_tenant(config: Config, old: str, now: datetime) -> TenantEntries:
    """Make the entries of the former tenant ``old`` this one's; return what they were.

    ``old`` is the former [state] tenant, or a tenant's id as ``ledger show`` lists it: where
    the endpoint's URL or Duo's host name is another one now. Raises CommandLineError where
    there is none, RefusedForSafetyError where this tenant has entries of its own,
    LockedError where a run of either is under way.
    """
    store, tenant = store_of(config), tenant_of(config)
    if (there := store.open_to_read()) is None:
        raise CommandLineError(
            Message("There is no ledger at {}.", text(store.place)), "Set [state] path, or url, to where it is."
        )
    there.close()
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger.holding(store, tenant, 0, now))
        tenants = ledger.tenants()
        former = _named(old, tenant, tenants)
        mine = next(one for one in tenants if one.id == tenant.id)
        if mine.has_entries:
            raise RefusedForSafetyError(
                Message(
                    "{} has entries of its own in the ledger ({}), so those of {} cannot become its own.",
                    text(_called(mine)),
                    text(_counted(mine)),
                    text(_called(former)),
                ),
                "Each keeps what it has; set [state] tenant to the name whose entries are to count.",
            )
        stack.enter_context(ledger.database.hold(former.tenant, 0, now))
        ledger.take_over(former.id)
        run = ledger.run_log.begin(lock.actor(), f"ledger rename-tenant {in_a_command(old)}", now)
        ledger.run_log.finish(run, 0, {}, now)
    return former


def former(config: Config, ledger: Ledger) -> tuple[str, str] | None:
    """Say in a sentence and a cure whose entries may be this tenant's, where it has none, if any may be."""
    tenants = ledger.neighbours()  # of thousands in one database, those that may be it
    if any(one.id == ledger.tenant.id and one.has_entries for one in tenants):
        return None
    others = [one for one in tenants if one.id != ledger.tenant.id and one.has_entries]
    this = f"The ledger has nothing of {_called(ledger.tenant)} yet"
    for one in others:
        if one.tenant.is_namesake_of(ledger.tenant):
            return (
                f"{this}, but {_counted(one)} of {_called(one)}, with the same endpoint and Duo.",
                f"If [state] tenant was renamed, run: {_rename(config, one.name)}",
            )
    for one in others:
        same_duo = one.api_hostname == ledger.tenant.api_hostname
        if one.name == ledger.tenant.name and (same_duo or one.endpoint_url == ledger.tenant.endpoint_url):
            place = f"another endpoint ({one.endpoint_url})" if same_duo else f"another Duo ({one.api_hostname})"
            return (
                f"{this}, but {_counted(one)} with {place}.",
                f"If it was only the address that changed, run: {_rename(config, one.id)}",
            )
    return None


def _rename(config: Config, old: str) -> str:
    return write_command(config, f"ledger rename-tenant {in_a_command(old)}")


def _named(old: str, tenant: Tenant, tenants: Sequence[TenantEntries]) -> TenantEntries:
    others = [one for one in tenants if one.id != tenant.id]
    hits = [one for one in others if one.name == old and one.tenant.is_namesake_of(tenant)]
    hits = hits or [one for one in others if one.id == old and tenant.shares_a_side_with(one.tenant)]
    if hits and hits[0].has_entries:
        return hits[0]
    there = [
        f"{in_a_command(one.name) if one.tenant.is_namesake_of(tenant) else one.id} ({_counted(one)})"
        for one in others
        if one.has_entries and tenant.shares_a_side_with(one.tenant)
    ]
    raise CommandLineError(
        Message("The ledger has no entries of a former tenant {} of this endpoint and Duo.", text(in_a_command(old))),
        f"It has those of {', '.join(there)}." if there else "ninjasync ledger show lists all that it has.",
    )


def _called(one: Tenant | TenantEntries) -> str:
    return f"the tenant {in_a_command(one.name)}" if one.name else "the tenant without a name"


def _counted(one: TenantEntries) -> str:
    return f"{one.users} user{'s' * (one.users != 1)} and {one.groups} group{'s' * (one.groups != 1)}"
