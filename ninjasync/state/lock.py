"""One apply per tenant at a time: a lock beside a file, which the kernel frees when its holder dies.

Who holds a lock, and how a run is told that it is held, is the same for every database.
"""

import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from ninjasync.errors import LedgerError, LockedError
from ninjasync.model.events import Listener, Locked, ignore
from ninjasync.model.message import Message, text
from ninjasync.model.tenant import Tenant

_MOMENT = 0.3  # seconds
UNNAMED = "a run that does not say whose it is"


def actor() -> str:
    """Say who runs this process, and where."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    return f"{user}@{socket.gethostname()} (process {os.getpid()})"


@contextmanager
def hold_lock(ledger: Path, tenant: Tenant, timeout: float, now: datetime, tell: Listener = ignore) -> Iterator[None]:
    """Hold the tenant's lock, which lies beside the ledger.

    Raises LockedError, naming the holder, when it is not free within ``timeout`` seconds.
    """
    import filelock  # 8 ms, which a plan does not need

    path = _path(ledger, tenant)
    lock = filelock.FileLock(path, mode=0o600)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            # A plan that looks whether the lock is held holds it for a moment.
            lock.acquire(timeout=_MOMENT)
        except filelock.Timeout:
            if timeout <= _MOMENT:
                raise
            tell(Locked(_written_holder(ledger, tenant), timeout))
            lock.acquire(timeout=timeout - _MOMENT)
    except filelock.Timeout as error:
        raise held_by(_written_holder(ledger, tenant)) from error
    except OSError as error:
        raise LedgerError(
            Message("The lock {} cannot be taken: {}.", text(path), text(error.strerror or error)),
            "Give [state] path a place that may be written to.",
        ) from error
    try:
        said = {"actor": actor(), "since": now.isoformat(timespec="seconds")}
        with suppress(OSError):  # on a full disk; the lock itself is the kernel's
            _holder(ledger, tenant).write_text(json.dumps(said), "utf-8")
        yield
    finally:
        with suppress(OSError):
            _holder(ledger, tenant).unlink(missing_ok=True)
        lock.release()


def held_by(holder: str) -> LockedError:
    """Return the error of a run that does not get the lock."""
    return LockedError(
        Message("Another run holds the lock of this tenant: {}.", text(holder)),
        "Wait until it has ended, or wait for it with --lock-timeout SECONDS.",
    )


def present_holder(ledger: Path, tenant: Tenant) -> str | None:
    """Say who holds the lock at this moment; None if it is free."""
    return _written_holder(ledger, tenant) if is_held(ledger, tenant) else None


def _written_holder(ledger: Path, tenant: Tenant) -> str:
    """Say what the holder wrote down; one that was killed leaves its note behind."""
    try:
        said = json.loads(_holder(ledger, tenant).read_text("utf-8"))
        return f"{said['actor']}, since {said['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return UNNAMED


def is_held(ledger: Path, tenant: Tenant) -> bool:
    """Whether another process holds the lock at this moment."""
    import filelock

    path = _path(ledger, tenant)
    if not path.exists():
        return False
    lock = filelock.FileLock(path, mode=0o600)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def _path(ledger: Path, tenant: Tenant) -> Path:
    return ledger.with_name(f"{ledger.name}.{tenant.id}.lock")


def _holder(ledger: Path, tenant: Tenant) -> Path:
    return ledger.with_name(f"{ledger.name}.{tenant.id}.holder")
