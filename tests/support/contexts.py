"""The context of a run, for tests that use a part of a run by itself."""

from datetime import UTC, datetime

from ninjasync.config.context import RunContext
from ninjasync.config.schema import Config
from ninjasync.model.events import Listener, ignore
from ninjasync.threads import Stop


def now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


def context_of(config: Config, *, stop: Stop | None = None, listener: Listener = ignore) -> RunContext:
    """Return the context of a run that begins now."""
    return RunContext(config, "", now(), now, stop or Stop(), listener)
