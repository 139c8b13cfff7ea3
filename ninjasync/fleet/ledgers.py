"""Tenants' ledgers, opened to be read one after the other.

Those of a fleet are often in one PostgreSQL, where to connect takes much longer than to ask: they share a connection,
and a server that cannot be reached is asked once, not a thousand times.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager

from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.errors import NinjasyncError
from ninjasync.state.database import Database
from ninjasync.state.ledger import Ledger
from ninjasync.state.store import store_of

# Has a tenant's ledger, None where there is none yet. Raises NinjasyncError.
Read = Callable[[Config], AbstractContextManager[Ledger | None]]


@contextmanager
def open_ledgers() -> Iterator[Read]:
    """Have what opens a tenant's ledger to read; all connections are closed at the end."""
    shared: dict[object, Database | NinjasyncError | None] = {}

    @contextmanager
    def read(config: Config) -> Iterator[Ledger | None]:
        if config.state.url is None:
            ledger = Ledger.open_to_read(store_of(config), tenant_of(config))
            if ledger is None:
                yield None
            else:
                with closing(ledger):
                    yield ledger
            return
        place = config.state.url, config.base
        if place not in shared:
            shared[place] = _opened(config)
        database = shared[place]
        if isinstance(database, NinjasyncError):
            raise database.with_traceback(None)
        try:
            yield Ledger(database, tenant_of(config)) if database is not None else None
        except NinjasyncError:
            # Perhaps it was lost: the next tenant's is opened anew.
            _close(shared.pop(place))
            raise

    try:
        yield read
    finally:
        for one in shared.values():
            _close(one)


def _opened(config: Config) -> Database | NinjasyncError | None:
    try:
        return store_of(config).open_to_read()
    except NinjasyncError as error:
        return error


def _close(one: Database | NinjasyncError | None) -> None:
    if one is not None and not isinstance(one, NinjasyncError):
        one.close()
