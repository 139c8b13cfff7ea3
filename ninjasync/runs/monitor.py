"""Tells others how a run ended: a file of metrics, a ping, messages. None of it can make a run fail.

Knows [monitor] and how to deliver; what is said is of ``metrics`` and ``notice``. An
address is a secret here: all who know it can use it, so that none comes into any line,
and no exception's own text, which may repeat it.
"""

import logging
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import requests

from ninjasync import __version__
from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.errors import LockedError, NinjasyncError
from ninjasync.log import timed
from ninjasync.model.outcome import Result
from ninjasync.model.plan import Plan
from ninjasync.net.connection import environment_authorities, network_failure
from ninjasync.report.escape import visible
from ninjasync.report.metrics import Ended, metrics
from ninjasync.report.notice import TOKEN_DAYS, Notice, notice, token_stage
from ninjasync.report.redact import redacted_error
from ninjasync.runs.system_refusals import refusal_of_system
from ninjasync.state.ledger import Ledger
from ninjasync.state.store import store_of
from ninjasync.threads import in_background

if TYPE_CHECKING:
    import apprise

log = logging.getLogger(__name__)

_PING_SECONDS = 10.0
# Pings and messages go at the same time; no run waits longer than this for all of them.
_MOST_SECONDS = 30.0
INSTALL = "Install the extra, in the folder of ninjasync's source: pip install '.[notify]'"
ADDRESSES = "Apprise's documentation lists the services and how their addresses are written."


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


class _UndeliveredError(Exception):
    """A listener could not be told; the text says why, without any secret."""


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
    jobs: list[tuple[str, Callable[[], None]]] = []
    # Of a run that did not get the lock, the one that has it will tell; if that one hangs, its silence does.
    if monitor.ping_url and watch.whole and run.exit_code != LockedError.exit_code:
        jobs.append(("ping_url", partial(_ping, monitor.ping_url if run.succeeded else failure_url(monitor.ping_url))))
    if monitor.notify and find_spec("apprise") is None:
        log.warning("[monitor] notify: messages need the extra package Apprise. %s", INSTALL)
    elif monitor.notify and (message := _message(watch, run)):
        for number, address in enumerate(monitor.notify, 1):
            jobs.append((f"notify (item {number})", partial(_notify, address, message)))
    under_way = [(name, in_background(partial(_timed, name, job))) for name, job in jobs]
    until = time.monotonic() + _MOST_SECONDS
    if monitor.metrics_file and watch.whole:
        _attempt("metrics_file", lambda: _write(watch.config.file(monitor.metrics_file), run))
    for name, future in under_way:
        _attempt(name, partial(_result, future, until))


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


def _attempt(name: str, deliver: Callable[[], None]) -> None:
    """Let ``deliver`` do its work, and say in one line where it could not."""
    try:
        deliver()
    except _UndeliveredError as error:
        log.warning("[monitor] %s: %s", name, error)
    except NinjasyncError as error:
        log.warning("[monitor] %s: %s %s", name, error.message, error.hint)
    except Exception as error:  # whatever it is, it must not make a run fail
        log.warning("[monitor] %s: not told (%s).", name, type(error).__name__)


def _timed(name: str, deliver: Callable[[], None]) -> None:
    with timed(log, f"tell {name}"):
        deliver()


def _result(future: Future[None], until: float) -> None:
    try:
        future.result(max(until - time.monotonic(), 0))
    except TimeoutError:
        raise _UndeliveredError(f"no answer within {_MOST_SECONDS:.0f} seconds; not waited for any longer.") from None


# --- the metrics file ------------------------------------------------------------------------


def _write(path: Path, run: Ended) -> None:
    """Write the metrics, all of them or none: node_exporter may read at any moment, as another user."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        before = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
        if path.exists() and not path.is_file():
            raise _UndeliveredError(f"{visible(str(path))} is no file.")
        try:
            draft.write_bytes(metrics(run, before).encode("utf-8", "replace"))
            draft.chmod(0o644)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise _UndeliveredError(f"{visible(str(path))} could not be written: {error.strerror or error}.") from error


# --- the ping --------------------------------------------------------------------------------


def failure_url(url: str) -> str:
    """Return where a ping says that a run failed: ``/fail`` ends the path, a query stays."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))


def _ping(url: str) -> None:
    host = urlsplit(url).hostname
    environment_authorities()  # requests would take what the environment names without a look
    try:
        with requests.get(
            url,
            headers={"User-Agent": f"ninjasync/{__version__}"},
            auth=lambda request: request,  # else requests would send what .netrc has for that host
            timeout=_PING_SECONDS,
            allow_redirects=False,
            stream=True,
        ) as answer:
            status = answer.status_code
    except requests.RequestException as error:
        raise _UndeliveredError(f"{host} could not be reached: {network_failure(error)}.") from None
    if not 200 <= status < 300:
        raise _UndeliveredError(f"{host} did not take the ping (HTTP {status}).")


# --- messages --------------------------------------------------------------------------------


def _message(watch: RunInProgress, run: Ended) -> Notice | None:
    on = watch.config.monitor.notify_on
    if "held" in on and watch.whole and run.plan is not None:
        run = replace(run, newly_held=_newly_held(watch.config, run.plan, run.ended))
    return notice(run, on, _why(watch), token_due="token" in on and _token_due(watch.config, run))


def _newly_held(config: Config, plan: Plan, at: datetime) -> tuple[tuple[str, int], ...]:
    """Count by code what is held and was not in the last run; all of it where no ledger remembers that run."""
    held = {problem.external_id or f"{problem.resource} {problem.key}": problem.code for problem in plan.problems}
    try:
        with closing(Ledger.open(store_of(config), tenant_of(config), at)) as ledger:
            before = ledger.memory.replace_held(held)
    except NinjasyncError:
        before = frozenset()
    codes = Counter(code for record, code in held.items() if record not in before)
    return tuple(sorted(codes.items(), key=lambda pair: (-pair[1], pair[0])))


def _why(watch: RunInProgress) -> str:
    """Say in a sentence or two what ended the run, without any user's name."""
    error = watch.result.fatal if watch.result and watch.result.fatal else watch.error
    error = error if error is None or isinstance(error, NinjasyncError) else refusal_of_system(error) or error
    if isinstance(error, NinjasyncError):
        told = redacted_error(error, secrets.token_bytes(32))
        return visible(f"{told.message} {told.hint}".strip())
    # Its text may name people, and holds no remedy.
    if isinstance(error, Exception):
        return f"An unexpected error ended the run ({type(error).__name__}). Its log says more."
    return "Interrupted." if error is not None else ""


def _token_due(config: Config, run: Ended) -> bool:
    """Whether to warn of the token: once for each stage, as far as there is a ledger to remember it."""
    if run.token_days is None or (stage := token_stage(run.token_days)) is None:
        return False
    try:
        with closing(Ledger.open(store_of(config), tenant_of(config), run.ended)) as ledger:
            return ledger.memory.first_time(f"token that expires on {run.token_expires}, at {stage} days")
    except NinjasyncError:
        return run.token_days in TOKEN_DAYS or run.token_days < 0


def _notify(address: str, message: Notice) -> None:
    service = apprise_for(address)
    if service is None:
        raise _UndeliveredError(f"nothing can be sent to such an address. {ADDRESSES}")
    from apprise import NotifyFormat

    sent = service.notify(
        body=message.body, title=message.title, notify_type=message.weight, body_format=NotifyFormat.TEXT
    )
    if not sent:
        raise _UndeliveredError("the service did not take the message; try its address with the command apprise.")


def apprise_for(address: str) -> "apprise.Apprise | None":
    """Return what sends to ``address``, None where there is no such service. Apprise must be installed."""
    from apprise import Apprise, AppriseAsset

    # Without a time limit of its own Apprise sends in this thread; its threads would be waited for at the end.
    service = Apprise(asset=AppriseAsset(app_id="ninjasync", service_timeout=0))
    return service if service.add(address) else None
