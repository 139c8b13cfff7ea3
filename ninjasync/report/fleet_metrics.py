"""A fleet's run that is over, as metrics in Prometheus' text format: one file, all tenants by label.

Pure: from values to text, and from the text of the last time to what of it stays. The names
differ from those of a tenant's own file: one collector refuses two files with one series.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from ninjasync.model.fleet import GOOD, OUTCOMES, FleetResult, FleetRow
from ninjasync.report.metrics import SAMPLE, escaped_label, labels_text, metrics_text

_RUN, _TENANT = "ninjasync_fleet_", "ninjasync_fleet_tenant_"
# The first have the labels command and, of a shard, shard; those of a tenant command and tenant. All are gauges.
_HELP = {
    f"{_RUN}last_run_timestamp_seconds": "When the last run over the fleet ended.",
    f"{_RUN}last_success_timestamp_seconds": "When the last run over the fleet ended in which all tenants went well.",
    f"{_RUN}last_run_exit_code": "Exit code of the last run over the fleet.",
    f"{_RUN}last_run_duration_seconds": "How long the last run over the fleet took.",
    f"{_RUN}tenants": "How many tenants ended how in the last run, by outcome.",
    f"{_TENANT}last_run_timestamp_seconds": "When the last run over the fleet ended that began this tenant.",
    f"{_TENANT}last_success_timestamp_seconds": "When the last run over the fleet ended in which it went well.",
    f"{_TENANT}outcome": "1 for how this tenant ended in the last run, by outcome.",
    f"{_TENANT}exit_code": "Exit code of this tenant's last run; none where a signal ended it.",
    f"{_TENANT}duration_seconds": "How long this tenant's last run took.",
    f"{_TENANT}changes": "Changes of the last run, planned or applied, by resource.",
    f"{_TENANT}held": "Records of this tenant that are held, left as they are.",
    f"{_TENANT}guard_tripped": "1 for each guard that refused this tenant's plan, by guard.",
    f"{_TENANT}token_expires_timestamp_seconds": "When this tenant's SCIM token expires.",
}
NAMES = tuple(_HELP)
_WHEN = "last_run_timestamp_seconds"
_WHEN_WELL = "last_success_timestamp_seconds"
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Sample = tuple[str, Mapping[str, str], float]


@dataclass(frozen=True, slots=True)
class FleetEnded:
    """A run over a fleet that is over. ``known`` are the names of all its tenants, those of other shards included."""

    result: FleetResult
    shard: str
    begun: datetime
    ended: datetime
    known: frozenset[str]

    @property
    def succeeded(self) -> bool:
        """Whether the run needs no look; 2 only says that there are changes."""
        return self.result.exit_code in (0, 2)


def fleet_metrics(run: FleetEnded, before: str) -> str:
    """Return the whole file; ``before`` is what it held, or nothing.

    Of the last time stay the lines of other commands, of other shards and their tenants, and
    of what did not go well now the time when it last did.
    """
    lines: dict[str, list[str]] = {name: [] for name in _HELP}
    rows = {escaped_label(row.tenant): row for row in run.result.rows}
    known = frozenset(map(escaped_label, run.known))
    for line in before.split("\n"):
        sample = SAMPLE.fullmatch(line)
        if sample and sample["name"] in lines and _stays(run, rows, known, sample["name"], sample["labels"]):
            lines[sample["name"]].append(line)
    for name, labels, value in (*_of_run(run), *(sample for row in run.result.rows for sample in _of_tenant(run, row))):
        lines[name].append(f"{name}{{{labels_text(labels)}}} {value:.15g}")
    return metrics_text(_HELP, lines)


def _stays(run: FleetEnded, rows: Mapping[str, FleetRow], known: frozenset[str], name: str, text: str) -> bool:
    labels = dict(_LABEL.findall(text))
    same_command = labels.get("command") == run.result.command
    if (tenant := labels.get("tenant")) is None:
        shard = labels.get("shard", "")
        if shard.partition("/")[2] != run.shard.partition("/")[2]:
            return False  # the fleet is divided otherwise now
        return not (same_command and shard == run.shard) or (name == _RUN + _WHEN_WELL and not run.succeeded)
    row = rows.get(tenant)
    if row is None or not same_command:
        return tenant in known
    return (name == _TENANT + _WHEN_WELL and row.outcome not in GOOD) or (
        name == _TENANT + _WHEN and row.outcome == "not begun"
    )


def _of_run(run: FleetEnded) -> Iterator[Sample]:
    labels = {"command": run.result.command} | ({"shard": run.shard} if run.shard else {})
    yield _RUN + _WHEN, labels, run.ended.timestamp()
    if run.succeeded:
        yield _RUN + _WHEN_WELL, labels, run.ended.timestamp()
    yield f"{_RUN}last_run_exit_code", labels, run.result.exit_code
    yield f"{_RUN}last_run_duration_seconds", labels, max((run.ended - run.begun).total_seconds(), 0)
    for outcome in OUTCOMES:
        yield f"{_RUN}tenants", labels | {"outcome": outcome}, run.result.summary.get(outcome, 0)


def _of_tenant(run: FleetEnded, row: FleetRow) -> Iterator[Sample]:
    labels = {"tenant": row.tenant, "command": run.result.command}
    yield f"{_TENANT}outcome", labels | {"outcome": row.outcome}, 1
    if row.outcome != "not begun":
        yield _TENANT + _WHEN, labels, run.ended.timestamp()
    if row.outcome in GOOD:
        yield _TENANT + _WHEN_WELL, labels, run.ended.timestamp()
    if row.exit_code is not None:
        yield f"{_TENANT}exit_code", labels, row.exit_code
    if row.seconds is not None:
        yield f"{_TENANT}duration_seconds", labels, row.seconds
    for resource, number in (("user", row.users), ("group", row.groups)):
        if number is not None:
            yield f"{_TENANT}changes", labels | {"resource": resource}, number
    if row.held is not None:
        yield f"{_TENANT}held", labels, row.held
    for guard, _ in row.guards:
        yield f"{_TENANT}guard_tripped", labels | {"guard": guard}, 1
    if row.token_days is not None:
        midnight = datetime.combine(run.ended.date() + timedelta(days=row.token_days), time(), UTC)
        yield f"{_TENANT}token_expires_timestamp_seconds", labels, midnight.timestamp()
