"""A run in a process of its own that waits in the middle of its first write, with its lock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from tests.support.forked import Forked
from tests.support.office import Office

WAIT = 60  # seconds, before a test that hangs is given up


class Gate:
    """Stops NinjaOne's first write until it is opened; counts the writes that arrive."""

    def __init__(self, office: Office) -> None:
        self.arrived, self.open = threading.Event(), threading.Event()
        self.writes = 0
        office.box.intercept("scim", self._pass)

    def _pass(self, request: HttpRequest, serve: Service) -> HttpResponse:
        if request.method != "GET":
            self.writes += 1
            self.arrived.set()
            self.open.wait(WAIT)
        return serve(request)


@contextmanager
def held_run(office: Office, gate: Gate) -> Iterator[Forked]:
    """Have an apply that has reached the gate."""
    process = office.fork("apply", "--yes")
    try:
        assert gate.arrived.wait(WAIT)
        yield process
    finally:
        gate.open.set()
        process.kill()
