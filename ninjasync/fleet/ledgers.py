"""Tenants' ledgers, opened to be read one after the other.

Those of a fleet are often in one PostgreSQL, where to connect takes much longer than to ask: tenants of one database
share a connection, and a server that cannot be reached is asked once, not a thousand times. No more than one connection
is open at a time, as each tenant may have a database of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from pathlib import Path

from pydantic import SecretStr

from ninjasync.config.schema import Config
from ninjasync.config.section import SecretReference
from ninjasync.config.tenant import tenant_of
from ninjasync.errors import NinjasyncError
from ninjasync.state.database import Database
from ninjasync.state.ledger import Ledger
from ninjasync.state.store import store_of

# Has a tenant's ledger, None where there is none yet. Raises NinjasyncError.
Read = Callable[[Config], AbstractContextManager[Ledger | None]]
# Where a ledger's address is kept, and the file where that is a file's.
_Place = tuple[SecretStr | SecretReference | None, Path | None]


@contextmanager
def open_ledgers() -> Iterator[Read]:
    """Have what opens a tenant's ledger to read; all is closed at the end."""
    failed: dict[_Place, NinjasyncError] = {}
    shared: dict[_Place, Database | None] = {}

    with ExitStack() as stack:

        def open_at(place: _Place, config: Config) -> Database | None:
            if place in failed:
                raise failed[place].with_traceback(None)
            if place not in shared:
                shared.clear()
                stack.close()
                try:
                    database = store_of(config).open_to_read()
                except NinjasyncError as error:
                    failed[place] = error
                    raise
                shared[place] = stack.enter_context(closing(database)) if database is not None else None
            return shared[place]

        @contextmanager
        def read(config: Config) -> Iterator[Ledger | None]:
            if config.state.url is None:
                ledger = Ledger.open_to_read(store_of(config), tenant_of(config))
                with closing(ledger) if ledger is not None else nullcontext():
                    yield ledger
                return
            place = _place_of(config)
            database = open_at(place, config)
            try:
                yield Ledger(database, tenant_of(config)) if database is not None else None
            except NinjasyncError:
                shared.pop(place, None)  # perhaps it was lost: the next tenant's is opened anew
                stack.close()
                raise

        yield read


def _place_of(config: Config) -> _Place:
    url = config.state.url
    file = url.file if isinstance(url, SecretReference) else ""
    return url, config.file(file) if file else None
