"""Tells listeners how a run ended: a file of metrics, a ping, messages. None of it can make a run fail.

Knows how to deliver; what is said is given. An address is a secret here: all who know it can
use it, so that none comes into any line, and no exception's own text, which may repeat it.
"""

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import requests

from ninjasync import __version__
from ninjasync.config.operation import Monitor
from ninjasync.errors import NinjasyncError
from ninjasync.log import timed
from ninjasync.net.connection import environment_authorities, network_failure
from ninjasync.report.escape import visible
from ninjasync.report.notice import Notice
from ninjasync.threads import in_background

if TYPE_CHECKING:
    import apprise

log = logging.getLogger(__name__)

_PING_SECONDS = 10.0
# Pings and messages go at the same time; no run waits longer than this for all of them.
_MOST_SECONDS = 30.0
INSTALL = "Install the extra, in the folder of ninjasync's source: pip install '.[notify]'"
ADDRESSES = "Apprise's documentation lists the services and how their addresses are written."


@dataclass(frozen=True, slots=True)
class News:
    """What there is to tell: whether it went well (None: no ping), a message, and what writes the metrics."""

    succeeded: bool | None
    message: Notice | None
    write: Callable[[], None] | None


class UndeliveredError(Exception):
    """A listener could not be told; the text says why, without any secret."""


def can_send(monitor: Monitor, table: str) -> bool:
    """Whether there is anyone to send messages to, and the means; warns where the means are missing."""
    if monitor.notify and find_spec("apprise") is None:
        log.warning("%s notify: messages need the extra package Apprise. %s", table, INSTALL)
        return False
    return bool(monitor.notify)


def tell(monitor: Monitor, table: str, news: News) -> None:
    """Tell the listeners that ``monitor`` names, the ``table`` of the configuration, all at the same time."""
    jobs: list[tuple[str, Callable[[], None]]] = []
    if monitor.ping_url and news.succeeded is not None:
        url = monitor.ping_url if news.succeeded else failure_url(monitor.ping_url)
        jobs.append((f"{table} ping_url", partial(_ping, url)))
    if (message := news.message) is not None:
        numbered = enumerate(monitor.notify, 1)
        jobs += [
            (f"{table} notify (item {number})", partial(_notify, address, message)) for number, address in numbered
        ]
    under_way = [(name, in_background(partial(_timed, name, job))) for name, job in jobs]
    until = time.monotonic() + _MOST_SECONDS
    if news.write is not None:
        _attempt(f"{table} metrics_file", news.write)
    for name, future in under_way:
        _attempt(name, partial(_result, future, until))


def _attempt(name: str, deliver: Callable[[], None]) -> None:
    """Let ``deliver`` do its work, and say in one line where it could not."""
    try:
        deliver()
    except UndeliveredError as error:
        log.warning("%s: %s", name, error)
    except NinjasyncError as error:
        log.warning("%s: %s %s", name, error.message, error.hint)
    except Exception as error:  # whatever it is, it must not make a run fail
        log.warning("%s: not told (%s).", name, type(error).__name__)


def _timed(name: str, deliver: Callable[[], None]) -> None:
    with timed(log, f"tell {name}"):
        deliver()


def _result(future: Future[None], until: float) -> None:
    try:
        future.result(max(until - time.monotonic(), 0))
    except TimeoutError:
        raise UndeliveredError(f"no answer within {_MOST_SECONDS:.0f} seconds; not waited for any longer.") from None


# --- the metrics file ------------------------------------------------------------------------


def write_metrics(path: Path, render: Callable[[str], str]) -> None:
    """Write the metrics, all of them or none: node_exporter may read at any moment, as another user.

    ``render`` makes the file of what it holds. Raises UndeliveredError.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        before = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
        if path.exists() and not path.is_file():
            raise UndeliveredError(f"{visible(str(path))} is no file.")
        try:
            draft.write_bytes(render(before).encode("utf-8", "replace"))
            draft.chmod(0o644)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise UndeliveredError(
            f"{visible(str(path))} could not be written: {error.strerror or error}. Make its folder, which this user "
            "may write; or set metrics_file to another."
        ) from error


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
        raise UndeliveredError(f"{host} could not be reached: {network_failure(error)}.") from None
    if not 200 <= status < 300:
        raise UndeliveredError(f"{host} did not take the ping (HTTP {status}).")


# --- messages --------------------------------------------------------------------------------


def _notify(address: str, message: Notice) -> None:
    service = apprise_for(address)
    if service is None:
        raise UndeliveredError(f"nothing can be sent to such an address. {ADDRESSES}")
    from apprise import NotifyFormat

    sent = service.notify(
        body=message.body, title=message.title, notify_type=message.weight, body_format=NotifyFormat.TEXT
    )
    if not sent:
        raise UndeliveredError("the service did not take the message; try its address with the command apprise.")


def apprise_for(address: str) -> "apprise.Apprise | None":
    """Return what sends to ``address``, None where there is no such service. Apprise must be installed."""
    from apprise import Apprise, AppriseAsset

    # Without a time limit of its own Apprise sends in this thread; its threads would be waited for at the end.
    service = Apprise(asset=AppriseAsset(app_id="ninjasync", service_timeout=0))
    return service if service.add(address) else None
