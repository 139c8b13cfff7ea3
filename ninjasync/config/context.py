"""What goes along with one run: its configuration, its id, its clock, how it is stopped, and who listens.

Made by ``cli`` alone, which is where clocks are read. Holds values only; knows nothing of what a run does.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from ninjasync.config.schema import Config
from ninjasync.model.events import Listener, ignore
from ninjasync.threads import Stop


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run of one tenant.

    ``now`` returns the present time, with a time zone. Setting ``stop`` ends every wait by an
    InterruptedRunError and leaves the rest undone; aborting it lets no further request go out.
    ``listener`` hears of every page and every wait, from any thread.
    """

    config: Config
    run_id: str
    started_at: datetime
    now: Callable[[], datetime]
    stop: Stop = field(default_factory=Stop)
    listener: Listener = ignore
