"""What the ledger needs of a database, whichever it is: reading, writing in one transaction, one moment's view.

Statements are written for every database alike: columns are named, placeholders are ``?``, ON CONFLICT says
what happens to a row that exists, RETURNING what was made. Knows no table.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from ninjasync.errors import LedgerError
from ninjasync.model.events import Listener, ignore
from ninjasync.model.tenant import Tenant

Values = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, and the values of each time that it is carried out."""

    sql: str
    rows: Sequence[Values]


def statement(sql: str, *values: object) -> Statement:
    """Return a statement that is carried out once."""
    return Statement(sql, (values,))


class Database(Protocol):
    """An open ledger. Safe to share between threads. Every method may raise LedgerError."""

    @property
    def place(self) -> str:
        """Where it is, for messages; without any secret."""

    @property
    def writable(self) -> bool:
        """Whether it was opened to be written."""

    @property
    def version(self) -> int:
        """Which version its tables are of: an older one only where it was opened to read; see ``schema``."""

    def read(self, query: str, *values: object) -> list[Any]:
        """Return all rows of a query."""

    def rows(self, query: str, *values: object) -> AbstractContextManager[Iterable[Any]]:
        """Have the rows of a query that may have very many; nothing else is asked before the end of the block."""

    def write(self, statements: Sequence[Statement]) -> list[list[Any]]:
        """Carry statements out in one transaction, all or none; return for each what it is RETURNING.

        A statement with several rows returns nothing. All is safe from the death of this process when this returns.
        """

    def snapshot(self) -> AbstractContextManager[None]:
        """Let all that is read meanwhile be of this moment, whatever others write; only reading is allowed."""

    def hold(
        self, tenant: Tenant, timeout: float, now: datetime, tell: Listener = ignore
    ) -> AbstractContextManager[None]:
        """Hold a tenant's lock; see ``Store.holding``, which is how a run's own is taken."""

    def holder(self, tenant: Tenant) -> str | None:
        """Say who holds the tenant's lock at this moment, and since when; None if it is free."""

    def watch(self, run: str, on_lost: Callable[[LedgerError], None]) -> AbstractContextManager[None]:
        """Write ``runs.seen_at`` again and again, and call ``on_lost``, once and in another thread, if that fails.

        Does nothing where lock and process die together, as with a file.
        """

    @property
    def survives(self) -> float:
        """So many seconds a run may go on after its lock became free, for it has not noticed yet.

        After ``seen_at`` and so long it begins no further request. 0 where lock and process die together.
        """

    def clock(self) -> datetime:
        """Return the time by the clock that all who share this ledger go by; ``seen_at`` is of it."""

    @property
    def identity(self) -> str:
        """What tells this ledger from any other, by whichever name it was opened."""

    def grants(self) -> tuple[str, ...]:
        """Return the lines of SQL that let an everyday role use the ledger; none where there are no roles."""

    def errors(self) -> AbstractContextManager[None]:
        """Turn failures into a LedgerError: the database's own, and those of a text that is no JSON or no date."""

    def close(self) -> None:
        """Close the connection."""


def storable(text: str) -> str:
    """Return ``text`` as every database can keep it: NUL and lone surrogates, which JSON may carry, as escapes."""
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def storable_values(values: Values) -> Values:
    """Return the values of a row as every database can keep them."""
    return tuple(storable(value) if isinstance(value, str) else value for value in values)
