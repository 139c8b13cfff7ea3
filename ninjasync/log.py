"""What log lines have for programs: the run's id, which operation, how long it took, how it ended.

Knows logging's ``extra``; ``cli`` decides how a line is written.
"""

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

FIELDS = ("operation", "duration", "status")


def run_id(at: datetime) -> str:
    """Return a new id for a run that begins at ``at``; later ones sort after it."""
    return f"{at.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def fields(operation: str, seconds: float, status: str | int) -> dict[str, object]:
    """Return the ``extra`` of a log line on an operation; ``status`` may be HTTP's."""
    return dict(zip(FIELDS, (operation, round(seconds, 4), status), strict=True))


@contextmanager
def timed(log: logging.Logger, operation: str) -> Iterator[None]:
    """Log at level info how long ``operation`` took, and whether it was done or failed."""
    begun, status = time.monotonic(), "failed"
    try:
        yield
        status = "done"
    finally:
        seconds = time.monotonic() - begun
        log.info("%s: %s after %.2f s", operation, status, seconds, extra=fields(operation, seconds, status))


def requested(log: logging.Logger, request: str, begun: float, status: int | None) -> None:
    """Log at level debug a request that was begun at ``begun``; ``status`` is None where no answer came.

    ``request`` is method and path alone: a query may hold names.
    """
    if log.isEnabledFor(logging.DEBUG):
        seconds = time.monotonic() - begun
        ended = status or "failed"
        log.debug("%s: %s after %.3f s", request, ended, seconds, extra=fields(request, seconds, ended))
