"""Which tenants a fleet has, what is wrong with them, and in which order they are run."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from ninjasync.config import load
from ninjasync.config.environment import expect_no_keys
from ninjasync.config.fleet import Defaults, Fleet, TenantFile, read_defaults, read_fleet, unknown_canaries
from ninjasync.errors import CommandLineError, ConfigurationError, NinjasyncError
from ninjasync.fleet.conflicts import find_conflicts
from ninjasync.fleet.ledgers import Read, open_ledgers
from ninjasync.model.message import Message, as_message, did_you_mean, join
from ninjasync.model.message import number as as_number
from ninjasync.model.message import text as as_text
from ninjasync.names_alike import fitting_none, matcher

_LONGEST_NAME = 60


def load_fleet(path: Path) -> Fleet:
    """Return the fleet with every tenant's configuration, or with what is wrong with it.

    Raises ConfigurationError where ``fleet.toml`` itself is wrong, or a variable of the
    environment would override every tenant.
    """
    expect_no_keys(os.environ)
    section, files = read_fleet(path)
    defaults = read_defaults(path, section)
    tenants = tuple(_loaded(file, defaults) for file in files)
    conflicts = find_conflicts(path, section, tenants)
    tenants = tuple(
        TenantFile(tenant.name, tenant.path, None, (*tenant.mistakes, *conflicts[str(tenant.path)]))
        if str(tenant.path) in conflicts
        else tenant
        for tenant in tenants
    )
    if unknown := unknown_canaries(section, [tenant.name for tenant in tenants]):
        raise ConfigurationError(
            Message(
                f"The fleet in {{}} has {{}} mistake{'s' * (len(unknown) != 1)}.",
                as_text(path),
                as_number(len(unknown)),
            ),
            "Fix the keys named above.",
            mistakes=tuple(unknown),
        )
    return Fleet(path, section, tenants)


def _loaded(file: Path, defaults: Defaults) -> TenantFile:
    try:
        config = load.load(file, defaults)
    except ConfigurationError as error:
        mistakes = error.mistakes or (join(" ", map(as_message, filter(None, (error.message, error.hint)))),)
        return TenantFile(file.stem, file, None, tuple(map(as_message, mistakes)))
    return TenantFile(config.state.tenant or file.stem, file, config)


def choose_tenants(fleet: Fleet, globs: Sequence[str], shard: tuple[int, int] | None) -> tuple[TenantFile, ...]:
    """Return the tenants that ``globs`` name, all without any, and of these every Nth of a shard.

    Raises CommandLineError for a glob that fits none.
    """
    names = [tenant.name for tenant in fleet.tenants]
    for glob in fitting_none(globs, names):
        raise CommandLineError(
            Message('--tenant: the fleet has no tenant "{}"{}.', as_text(glob), did_you_mean(glob, names, as_text)),
            "Give a tenant's name, or a glob that fits some.",
        )
    fits = matcher(globs)
    # By file: the name of a tenant whose file cannot be read is another, and would move the others between shards.
    chosen = sorted(
        (tenant for tenant in fleet.tenants if not globs or fits(tenant.name) is not None),
        key=lambda tenant: tenant.path,
    )
    if shard is None:
        return tuple(chosen)
    number, of = shard
    return tuple(chosen[number - 1 :: of])


def parse_shard(text: str) -> tuple[int, int]:
    """Read ``I/N``, from 1 to N. Raises CommandLineError."""
    first, _, last = text.partition("/")
    if first.isascii() and first.isdigit() and last.isascii() and last.isdigit() and 1 <= int(first) <= int(last):
        return int(first), int(last)
    raise CommandLineError(
        Message('--shard: "{}" is no shard.', as_text(text)), "Give I/N, as 1/3, 2/3 and 3/3; I goes from 1 to N."
    )


def sort_longest_first(tenants: Sequence[TenantFile]) -> list[TenantFile]:
    """Put those first whose last run took longest: a long one that begins last holds up the end of all."""
    with open_ledgers() as read:
        seconds = {tenant.path: _last_seconds(tenant, read) for tenant in tenants}
    return sorted(tenants, key=lambda tenant: (-seconds[tenant.path], tenant.name))


def _last_seconds(tenant: TenantFile, read: Read) -> float:
    """Return how long a tenant's last run took; 0 where no ledger tells."""
    if tenant.config is None:
        return 0.0
    try:
        with read(tenant.config) as ledger:
            last = ledger.run_log.last_apply() if ledger is not None else None
    except NinjasyncError:  # for the tenant's own run to say
        return 0.0
    return (last.ended_at - last.started_at).total_seconds() if last is not None and last.ended_at else 0.0


def file_name_of(tenant: str) -> str:
    """Return a name for a tenant's files that is safe in a path, not too long for one, and that no other has."""
    safe = "".join(letter if (letter.isalnum() and letter.isascii()) or letter in "-_" else "-" for letter in tenant)
    if safe == tenant and 0 < len(safe) <= _LONGEST_NAME:
        return safe
    # A file's name may hold bytes that are no UTF-8, and so may the name of its tenant.
    digest = hashlib.sha256(tenant.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{safe[:_LONGEST_NAME]}-{digest[:8]}"
