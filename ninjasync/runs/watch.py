"""What is known of a run while it goes on, for whoever is told of it in the end.

Pure, and light: every run has one, and few have anybody to tell (``monitor``).
"""

from dataclasses import dataclass
from datetime import datetime

from ninjasync.config.schema import Config
from ninjasync.model.outcome import Result
from ninjasync.model.plan import Plan


@dataclass(slots=True)
class Watch:
    """A run so far; ``whole`` is False where it is narrowed to single people."""

    config: Config
    command: str
    begun: datetime
    whole: bool
    plan: Plan | None = None
    result: Result | None = None
    error: BaseException | None = None
