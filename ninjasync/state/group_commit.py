"""Writes the journal's lines of many workers in few transactions.

Work that comes while a transaction is under way shares the next one: eight workers need far fewer commits than they
have lines to write. Work is data; ``statements_of`` turns it into statements.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from ninjasync.errors import LedgerNotWritableError
from ninjasync.state.database import Database, Statement

log = logging.getLogger(__name__)

W = TypeVar("W")
_Waiting = tuple[W, "Future[list[Any]] | None"]


class GroupCommit(Generic[W]):
    """A database whose queued work goes before everything else that is read or written.

    ``statements_of`` turns a piece of work into statements; it is called once for each try, in the order of the queue,
    and never by two threads at once. ``start_over`` is called where a transaction failed: what ``statements_of``
    keeps in memory may be ahead of the database then.
    """

    def __init__(
        self, database: Database, statements_of: Callable[[W], list[Statement]], start_over: Callable[[], None]
    ) -> None:
        self.database, self._statements_of, self._start_over = database, statements_of, start_over
        self._turn = threading.Lock()
        self._waiting: deque[_Waiting[W]] = deque()

    def read(self, query: str, *values: object) -> list[Any]:
        """Return all rows of a query, which sees what was queued."""
        self.flush()
        return self.database.read(query, *values)

    def write(self, *statements: Statement) -> list[list[Any]]:
        """Carry statements out in one transaction, after what was queued."""
        self.flush()
        return self.database.write(statements)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that is read meanwhile be of this moment; see ``Database``."""
        self.flush()
        with self.database.snapshot():
            yield

    def queue(self, work: W) -> None:
        """Let ``work`` be done with the next transaction. No thread waits for it."""
        self._waiting.append((work, None))

    def commit(self, work: W) -> list[Any]:
        """Do ``work`` and return what its first statement is RETURNING; it is safe when this returns."""
        mine: Future[list[Any]] = Future()
        self._waiting.append((work, mine))
        with self._turn:
            if not mine.done():
                self._do_waiting()
        return mine.result()

    def flush(self) -> None:
        """Make everything safe that was queued. Raises what kept it from that."""
        if self._waiting:
            with self._turn:
                if (failure := self._do_waiting()) is not None:
                    raise failure

    def _do_waiting(self) -> LedgerNotWritableError | None:
        """Do all that waits; return what keeps the database from being written, if anything does."""
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            self._do(batch)
        except Exception as error:  # whatever it is, those who wait must hear of it
            if isinstance(error, LedgerNotWritableError):
                self._put_back(batch, error)
                return error
            for one in batch:  # some row is damaged: it must not keep the others from being written
                try:
                    self._do([one])
                except Exception as its_own:  # as above
                    self._put_back([one], its_own)
        except BaseException as error:  # an interrupt in the one thread that writes for all
            self._put_back(batch, error)
            raise
        return None

    def _do(self, batch: Sequence[_Waiting[W]]) -> None:
        if not batch:
            return
        firsts: list[int] = []
        statements: list[Statement] = []
        try:
            with self.database.errors():
                for work, _ in batch:
                    firsts.append(len(statements))
                    statements += self._statements_of(work)
            returned = self.database.write(statements)
        except BaseException:  # raised again
            self._start_over()
            raise
        for (_, future), first in zip(batch, firsts, strict=True):
            if future is not None:
                future.set_result(returned[first])

    def _put_back(self, batch: Sequence[_Waiting[W]], error: BaseException) -> None:
        """Raise the error in those who wait; try the rest again with the next transaction, where that can help."""
        unawaited = [(work, future) for work, future in batch if future is None]
        hopeless = isinstance(error, Exception) and not isinstance(error, LedgerNotWritableError)
        if unawaited and hopeless:
            log.warning("%s What became of a write is not recorded; the next run looks for it in NinjaOne.", error)
        else:
            self._waiting.extendleft(reversed(unawaited))
        for _, future in batch:
            if future is not None:
                future.set_exception(error)
