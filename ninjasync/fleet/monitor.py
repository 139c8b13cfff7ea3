"""What [fleet.monitor] is told of a run over a fleet. None of it can make a run fail.

Knows what was told before; how it is delivered is of ``runs.listeners``, what it says of
``fleet_metrics`` and ``fleet_notice``. A tenant's own [monitor] is its own run's business.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from ninjasync.config.fleet import Fleet
from ninjasync.errors import LockedError
from ninjasync.model.fleet import FleetResult
from ninjasync.model.problems import HeldNews
from ninjasync.report.fleet_metrics import FleetEnded, fleet_metrics
from ninjasync.report.fleet_notice import FleetNews, fleet_notice
from ninjasync.report.notice import Notice
from ninjasync.report.tenant_document import unpack
from ninjasync.runs.listeners import News, UndeliveredError, can_send, tell, write_metrics
from ninjasync.runs.monitor import compare_held, explain, token_due

log = logging.getLogger(__name__)

_TABLE = "[fleet.monitor]"
_LISTENER = "fleet"  # whose memory of what was told is apart from that of each tenant's own [monitor]


@dataclass(slots=True)
class FleetInProgress:
    """What is known of a run over a fleet while it goes on; ``whole`` is False where it is narrowed by --tenant."""

    fleet: Fleet
    command: str
    begun: datetime
    whole: bool
    shard: str
    known: frozenset[str]
    result: FleetResult | None = None


def notify(watch: FleetInProgress, exit_code: int, error: BaseException | None, at: datetime) -> None:
    """Tell the listeners how the run ended. Raises nothing; takes half a minute at most."""
    try:
        _deliver(watch, exit_code, error, at)
    except KeyboardInterrupt:
        log.warning("%s: interrupted; perhaps not all listeners were told of this run.", _TABLE)
    except Exception as unforeseen:  # whatever it is, the run has ended as it has
        log.warning("%s: no listener could be told of this run (%s).", _TABLE, type(unforeseen).__name__)


def _deliver(watch: FleetInProgress, exit_code: int, error: BaseException | None, at: datetime) -> None:
    monitor, result = watch.fleet.settings.monitor, watch.result
    write = None
    if monitor.metrics_file and watch.whole and result is not None:
        ended = FleetEnded(result, watch.shard, watch.begun, at, watch.known)
        write = partial(_write, watch.fleet.path, monitor.metrics_file, ended)
    message = None
    if can_send(monitor, _TABLE):
        message = _message(watch, exit_code, error, at)
    # Of tenants whose lock another run holds, that one tells.
    counts = watch.whole and exit_code != LockedError.exit_code
    tell(monitor, _TABLE, News(exit_code in (0, 2) if counts else None, message, write))


def _write(fleet: Path, name: str, ended: FleetEnded) -> None:
    try:
        path = fleet.resolve().parent / Path(name).expanduser()
    except RuntimeError:
        raise UndeliveredError("there is no home folder, which the path begins with; give the whole path.") from None
    write_metrics(path, partial(fleet_metrics, ended))


def _message(watch: FleetInProgress, exit_code: int, error: BaseException | None, at: datetime) -> Notice | None:
    on, result = watch.fleet.settings.monitor.notify_on, watch.result
    held: dict[str, HeldNews] = {}
    tokens: dict[str, int] = {}
    rows = {row.file: row for row in result.rows} if result else {}
    for tenant in watch.fleet.tenants:
        row = rows.get(str(tenant.path))
        if row is None or tenant.config is None:
            continue
        if "held" in on and row.document is not None and "problems" in (document := unpack(row.document)):
            held[row.tenant] = compare_held(tenant.config, _held_in(document), at, _LISTENER)
        if "token" in on and row.token_days is not None and token_due(tenant.config, row.token_days, at, _LISTENER):
            tokens[row.tenant] = row.token_days
    return fleet_notice(FleetNews(watch.command, exit_code, result, held, tokens, explain(error)), on)


def _held_in(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the codes of what a tenant's document calls held, by record."""
    return {one["external_id"] or f"{one['resource']} {one['key']}": one["code"] for one in document["problems"]}
