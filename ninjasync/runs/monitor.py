"""What [monitor] is told of a run that is over. None of it can make a run fail.

Knows what a run leaves, and what was told before; how it is delivered is of ``listeners``,
what it says of ``metrics`` and ``notice``.
"""

import logging
import secrets
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.errors import LockedError, NinjasyncError
from ninjasync.model.outcome import Result
from ninjasync.model.plan import Plan
from ninjasync.model.problems import HeldNews
from ninjasync.report.escape import visible
from ninjasync.report.metrics import Ended, metrics
from ninjasync.report.notice import TOKEN_DAYS, Notice, notice, token_stage
from ninjasync.report.redact import redacted_error
from ninjasync.runs.listeners import News, can_send, tell, write_metrics
from ninjasync.runs.system_refusals import refusal_of_system
from ninjasync.state.ledger import Ledger
from ninjasync.state.store import store_of

log = logging.getLogger(__name__)


@dataclass(slots=True)
class RunInProgress:
    """What is known of a run while it goes on; ``whole`` is False where it is narrowed to single users."""

    config: Config
    command: str
    begun: datetime
    whole: bool
    plan: Plan | None = None
    result: Result | None = None
    error: BaseException | None = None


def notify(watch: RunInProgress, exit_code: int, at: datetime) -> None:
    """Tell the listeners that [monitor] names how the run ended. Raises nothing; takes half a minute at most."""
    try:
        _deliver(watch, _ended(watch, exit_code, at))
    except KeyboardInterrupt:
        log.warning("[monitor]: interrupted; perhaps not all listeners were told of this run.")
    except Exception as error:  # whatever it is, the run has ended as it has
        log.warning("[monitor]: no listener could be told of this run (%s).", type(error).__name__)


def _deliver(watch: RunInProgress, run: Ended) -> None:
    monitor = watch.config.monitor
    # Of a run that did not get the lock, the one that has it will tell; if that one hangs, its silence does.
    counts = watch.whole and run.exit_code != LockedError.exit_code
    write = None
    if monitor.metrics_file and watch.whole:
        write = partial(write_metrics, watch.config.file(monitor.metrics_file), partial(metrics, run))
    tell(
        monitor,
        "[monitor]",
        News(
            succeeded=run.succeeded if counts else None,
            message=_message(watch, run) if can_send(monitor, "[monitor]") else None,
            write=write,
        ),
    )


def _ended(watch: RunInProgress, exit_code: int, at: datetime) -> Ended:
    tenant = tenant_of(watch.config)
    return Ended(
        tenant.shown,
        tenant.id,
        watch.command,
        exit_code,
        watch.begun,
        at,
        watch.config.ninjaone.token_expires,
        watch.plan,
        watch.result,
    )


# --- messages --------------------------------------------------------------------------------


def _message(watch: RunInProgress, run: Ended) -> Notice | None:
    on = watch.config.monitor.notify_on
    if "held" in on and watch.whole and run.plan is not None:
        held = {
            problem.external_id or f"{problem.resource} {problem.key}": problem.code for problem in run.plan.problems
        }
        run = replace(run, held_news=compare_held(watch.config, held, run.ended))
    error = watch.result.fatal if watch.result and watch.result.fatal else watch.error
    due = "token" in on and token_due(watch.config, run.token_days, run.ended)
    return notice(run, on, explain(error), token_due=due)


def compare_held(config: Config, held: Mapping[str, str], at: datetime, listener: str = "") -> HeldNews:
    """Return what is new of ``held``, codes by record, since the last time; all of it where no ledger remembers one.

    ``listener`` is who is told, where that is not the tenant's own [monitor].
    """
    try:
        with closing(Ledger.open(store_of(config), tenant_of(config), at)) as ledger:
            before = ledger.memory.replace_held(held, listener)
    except NinjasyncError:
        before = None
    codes = Counter(code for record, code in held.items() if record not in (before or ()))
    return HeldNews(tuple(sorted(codes.items(), key=lambda pair: (-pair[1], pair[0]))), compared=before is not None)


def explain(error: BaseException | None) -> str:
    """Say in a sentence or two what ended the run, without any user's name."""
    error = error if error is None or isinstance(error, NinjasyncError) else refusal_of_system(error) or error
    if isinstance(error, NinjasyncError):
        told = redacted_error(error, secrets.token_bytes(32))
        return visible(f"{told.message} {told.hint}".strip())
    # Its text may name people, and holds no remedy.
    if isinstance(error, Exception):
        return f"An unexpected error ended the run ({type(error).__name__}). Its log says more."
    return "Interrupted." if error is not None else ""


def token_due(config: Config, days: int | None, at: datetime, listener: str = "") -> bool:
    """Whether to warn of the token: once for each stage, as far as there is a ledger to remember it."""
    if days is None or (stage := token_stage(days)) is None:
        return False
    what = f"token that expires on {config.ninjaone.token_expires}, at {stage} days"
    try:
        with closing(Ledger.open(store_of(config), tenant_of(config), at)) as ledger:
            return ledger.memory.first_time(f"{listener} {what}".lstrip())
    except NinjasyncError:
        return days in TOKEN_DAYS or days < 0
