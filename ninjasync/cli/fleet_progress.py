"""How a fleet gets on, on one line of a terminal: done, running, failed, time left."""

import sys
import time
from types import TracebackType
from typing import Self

from ninjasync.cli.options import Invocation
from ninjasync.cli.session import remark
from ninjasync.model.fleet import GOOD, FleetRow


class FleetProgress:
    """A line on standard error that is written over as tenants end; nothing where that is no terminal."""

    def __init__(self, invocation: Invocation, tenants: int) -> None:
        self._invocation, self._tenants, self._done, self._failed = invocation, tenants, 0, 0
        self._begun = time.monotonic()
        self._shown = sys.stderr.isatty() and not invocation.quiet

    def __enter__(self) -> Self:
        self._show()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def announce_stop(self) -> None:
        """Say that a signal came, and to what effect."""
        self._clear()
        remark(self._invocation, "Stopping: tenants under way finish the calls that they made; no other is begun.")

    def tell(self, row: FleetRow) -> None:
        """Count one tenant that has ended."""
        self._done += 1
        self._failed += row.outcome not in GOOD
        self._show()

    def _clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _show(self) -> None:
        if not self._shown:
            return
        left = self._tenants - self._done
        line = f"{self._done} of {self._tenants} tenants done, {self._failed} not well"
        if self._done and left:
            seconds = (time.monotonic() - self._begun) / self._done * left
            line += f", about {seconds / 60:.0f} min left" if seconds >= 90 else f", about {seconds:.0f} s left"
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()
