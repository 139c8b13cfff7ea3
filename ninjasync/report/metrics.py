"""A run that is over, as metrics in Prometheus' text format, for node_exporter's textfile collector.

Pure: from values to text, and from the text of the last time to what of it stays. Knows
nothing of files. Format: prometheus.io, "Exposition formats", text-based.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from ninjasync.model.change import REMOVALS, Change
from ninjasync.model.outcome import Result
from ninjasync.model.plan import Plan
from ninjasync.model.problems import HeldNews
from ninjasync.model.token_expiry import days_left

# Each has the labels of ``Ended.labels``, and its own where they are named here. All are gauges.
_HELP = {
    "ninjasync_last_run_timestamp_seconds": "When the last run ended.",
    "ninjasync_last_success_timestamp_seconds": "When the last run ended that ended well (exit code 0 or 2).",
    "ninjasync_last_run_exit_code": "Exit code of the last run.",
    "ninjasync_last_run_duration_seconds": "How long the last run took.",
    "ninjasync_token_expires_timestamp_seconds": "When the SCIM token expires; days left: (this - time()) / 86400.",
    "ninjasync_planned_changes": "Changes that the last run planned, by resource and action.",
    "ninjasync_changes": "What became of the changes of the last apply, by resource, action and outcome.",
    "ninjasync_held": "Records that are held, left as they are, by resource.",
    "ninjasync_removals_pending": "Deactivations and deletions that are planned or due, and were not carried out.",
    "ninjasync_changes_withheld": "Changes that guards withheld, in whole or in part.",
    "ninjasync_guard_tripped": "1 for each guard that objected to the plan, by guard.",
}
NAMES = tuple(_HELP)
_OUTCOMES = ("applied", "failed", "skipped")
_LAST_SUCCESS = "ninjasync_last_success_timestamp_seconds"
# A line of the file.
SAMPLE = re.compile(r"(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>-?[\d.]+)")


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is over.

    ``tenant`` is a readable name, ``tenant_id`` one that no other tenant has. ``plan`` is
    None where the run failed before there was one, ``result`` where nothing was tried;
    ``held_news`` where no message tells of what is held.
    """

    tenant: str
    tenant_id: str
    command: str
    exit_code: int
    begun: datetime
    ended: datetime
    token_expires: date | None = None
    plan: Plan | None = None
    result: Result | None = None
    held_news: HeldNews | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the run needs no look; 2 only says that a plan has changes."""
        return self.exit_code in (0, 2)

    @property
    def token_days(self) -> int | None:
        """How many days the SCIM token still lasts; below 0 it has expired, None where no date is configured."""
        return days_left(self.token_expires, self.ended.date())

    @property
    def removals(self) -> tuple[Change, ...]:
        """The planned removals of users and groups."""
        changes = self.plan.changes if self.plan else ()
        return tuple(change for change in changes if change.action in REMOVALS)

    @property
    def removals_applied(self) -> int:
        """How many of the planned removals were carried out."""
        outcomes = self.result.outcomes if self.result else ()
        return sum(one.status == "applied" and one.change.action in REMOVALS for one in outcomes)

    @property
    def labels(self) -> str:
        """What tells this tenant's and this command's lines from all others, in whatever file."""
        return labels_text({"tenant": self.tenant, "tenant_id": self.tenant_id, "command": self.command})


def metrics(run: Ended, before: str) -> str:
    """Return the whole file; ``before`` is what it held, or nothing.

    Of the last time stay the lines of this tenant's other commands and, after a failure,
    the time of the last success.
    """
    lines: dict[str, list[str]] = {name: [] for name in _HELP}
    for line in before.split("\n"):
        sample = SAMPLE.fullmatch(line)
        if sample and sample["name"] in lines and _stays(run, sample["name"], sample["labels"]):
            lines[sample["name"]].append(line)
    for name, labels, value in _samples(run):
        own = f",{labels_text(labels)}" if labels else ""
        lines[name].append(f"{name}{{{run.labels}{own}}} {value}")
    return metrics_text(_HELP, lines)


def metrics_text(help_texts: Mapping[str, str], lines: Mapping[str, list[str]]) -> str:
    """Return the file that has these lines by metric, each with its help; all are gauges."""
    return "".join(
        f"# HELP {name} {help_texts[name]}\n# TYPE {name} gauge\n" + "".join(f"{line}\n" for line in sorted(found))
        for name, found in lines.items()
        if found
    )


def _stays(run: Ended, name: str, labels: str) -> bool:
    if f"{labels},".startswith(f"{run.labels},"):
        return name == _LAST_SUCCESS and not run.succeeded
    # Of another tenant would be what this one was called before.
    same_tenant, _, _ = run.labels.rpartition(",")
    return labels.startswith(f"{same_tenant},")


def _samples(run: Ended) -> Iterator[tuple[str, Mapping[str, str], str]]:
    ended = f"{run.ended.timestamp():.3f}"
    yield "ninjasync_last_run_timestamp_seconds", {}, ended
    if run.succeeded:
        yield _LAST_SUCCESS, {}, ended
    yield "ninjasync_last_run_exit_code", {}, str(run.exit_code)
    # The clock may have been set meanwhile.
    yield "ninjasync_last_run_duration_seconds", {}, f"{max((run.ended - run.begun).total_seconds(), 0):.3f}"
    if run.token_expires is not None:
        midnight = datetime.combine(run.token_expires, time(), UTC)
        yield "ninjasync_token_expires_timestamp_seconds", {}, f"{midnight.timestamp():.0f}"
    if run.plan is not None:
        yield from _of_plan(run, run.plan)


def _of_plan(run: Ended, plan: Plan) -> Iterator[tuple[str, Mapping[str, str], str]]:
    kinds = (("user", plan.users), ("group", plan.groups))
    for resource, counts in kinds:
        yield "ninjasync_held", {"resource": resource}, str(counts.held)
        for action, number in counts.actions.items():
            yield "ninjasync_planned_changes", {"resource": resource, "action": action}, str(number)
    if run.result is not None:
        became = {
            (resource, action, outcome): 0
            for resource, counts in kinds
            for action in counts.actions
            for outcome in _OUTCOMES
        }
        for one in run.result.outcomes:
            became[one.change.resource, one.change.action, one.status] += 1
        for (resource, action, outcome), number in became.items():
            labels = {"resource": resource, "action": action, "outcome": outcome}
            yield "ninjasync_changes", labels, str(number)
    deferred = sum(leaver.deferred for leaver in plan.leavers)
    yield "ninjasync_removals_pending", {}, str(len(run.removals) - run.removals_applied + deferred)
    yield "ninjasync_changes_withheld", {}, str(len(plan.withheld))
    for guard in plan.guards:
        yield "ninjasync_guard_tripped", {"guard": guard.name}, str(int(guard.tripped))


def labels_text(values: Mapping[str, str]) -> str:
    """Return labels as they stand between braces, their values escaped."""
    return ",".join(f'{name}="{escaped_label(value)}"' for name, value in values.items())


def escaped_label(value: str) -> str:
    """Return a label's value as it stands between quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
