"""A fleet's metrics: all tenants by label in one file, what stays of the last time, and hostile names."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from ninjasync.model.fleet import OUTCOMES, FleetRow, total
from ninjasync.report import metrics
from ninjasync.report.fleet_metrics import NAMES, FleetEnded, fleet_metrics

AT = datetime(2027, 3, 1, 4, 5, 6, tzinfo=UTC)
GOOD = FleetRow("north", "north.toml", "done", 0, users=3, groups=1, held=2, token_days=7, seconds=2.5)
REFUSED = FleetRow("east", "east.toml", "refused", 3, guards=(("removals", "--approve-removals 7"),), seconds=1.0)
KILLED = FleetRow("south", "south.toml", "killed", seconds=1.0)
NOT_BEGUN = FleetRow("west", "west.toml", "not begun")
KNOWN = frozenset({"north", "east", "south", "west"})


def ended(*rows: FleetRow, command: str = "apply", shard: str = "", known: frozenset[str] = KNOWN) -> FleetEnded:
    return FleetEnded(total(command, rows), shard, AT - timedelta(seconds=9), AT, known)


def later(run: FleetEnded) -> FleetEnded:
    return replace(run, begun=run.begun + timedelta(days=1), ended=run.ended + timedelta(days=1))


def values(text: str, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of a metric by its labels' values, as Prometheus' own parser reads them."""
    families = {family.name: family for family in text_string_to_metric_families(text)}
    if name not in families:
        return {}
    return {tuple(sample.labels.values()): sample.value for sample in families[name].samples}


def test_every_tenant_is_in_it_by_label() -> None:
    text = fleet_metrics(ended(GOOD, REFUSED, KILLED, NOT_BEGUN), "")
    outcome = values(text, "ninjasync_fleet_tenant_outcome")
    assert set(outcome) == {
        ("north", "apply", "done"),
        ("east", "apply", "refused"),
        ("south", "apply", "killed"),
        ("west", "apply", "not begun"),
    }
    assert values(text, "ninjasync_fleet_tenant_exit_code") == {("north", "apply"): 0, ("east", "apply"): 3}
    assert values(text, "ninjasync_fleet_tenant_changes")["north", "apply", "user"] == 3
    assert values(text, "ninjasync_fleet_tenant_held") == {("north", "apply"): 2}
    assert values(text, "ninjasync_fleet_tenant_guard_tripped") == {("east", "apply", "removals"): 1}
    expires = values(text, "ninjasync_fleet_tenant_token_expires_timestamp_seconds")["north", "apply"]
    assert datetime.fromtimestamp(expires, UTC) == datetime(2027, 3, 8, tzinfo=UTC)
    counts = values(text, "ninjasync_fleet_tenants")
    assert {outcome for _, outcome in counts} == set(OUTCOMES), (
        "also those that none ended in, so that a rule can count"
    )
    assert sum(counts.values()) == 4
    assert values(text, "ninjasync_fleet_last_run_exit_code") == {("apply",): 1}
    assert values(text, "ninjasync_fleet_last_success_timestamp_seconds") == {}


def test_no_series_is_one_of_a_tenants_own_file() -> None:
    assert not set(NAMES) & set(metrics.NAMES), "node_exporter refuses all files where two have the same series"


def test_what_does_not_go_well_keeps_the_time_when_it_last_did() -> None:
    before = fleet_metrics(ended(GOOD), "")
    failed = later(ended(replace(GOOD, outcome="failed", exit_code=1)))
    text = fleet_metrics(failed, before)
    assert values(text, "ninjasync_fleet_tenant_last_success_timestamp_seconds") == {("north", "apply"): AT.timestamp()}
    assert values(text, "ninjasync_fleet_last_success_timestamp_seconds") == {("apply",): AT.timestamp()}
    assert values(text, "ninjasync_fleet_last_run_timestamp_seconds") == {("apply",): failed.ended.timestamp()}
    assert values(text, "ninjasync_fleet_tenant_outcome") == {("north", "apply", "failed"): 1}


def test_a_tenant_that_was_not_begun_keeps_the_time_of_its_last_run() -> None:
    text = fleet_metrics(later(ended(replace(GOOD, outcome="not begun"))), fleet_metrics(ended(GOOD), ""))
    assert values(text, "ninjasync_fleet_tenant_last_run_timestamp_seconds") == {("north", "apply"): AT.timestamp()}
    assert values(text, "ninjasync_fleet_tenant_outcome") == {("north", "apply", "not begun"): 1}


def test_other_commands_and_shards_stay_and_a_tenant_that_left_the_fleet_goes() -> None:
    text = fleet_metrics(ended(GOOD, command="plan"), "")
    text = fleet_metrics(ended(GOOD, shard="1/2"), text)
    text = fleet_metrics(ended(REFUSED, shard="2/2"), text)
    assert set(values(text, "ninjasync_fleet_last_run_exit_code")) == {("apply", "1/2"), ("apply", "2/2")}
    assert set(values(text, "ninjasync_fleet_tenant_outcome")) == {
        ("north", "plan", "done"),
        ("north", "apply", "done"),
        ("east", "apply", "refused"),
    }
    text = fleet_metrics(ended(REFUSED, shard="2/2", known=frozenset({"east"})), text)
    assert set(values(text, "ninjasync_fleet_tenant_outcome")) == {("east", "apply", "refused")}
    text = fleet_metrics(ended(REFUSED, shard="1/3"), text)
    assert set(values(text, "ninjasync_fleet_last_run_exit_code")) == {("apply", "1/3")}, "two shards are no more"


def test_hostile_names_are_escaped_and_found_again() -> None:
    names = ['a"b', "back\\slash", "new\nline", 'x",command="apply', "{}", "é 漢 \u202e"]
    rows = [replace(GOOD, tenant=name) for name in names]
    run = ended(*rows, known=frozenset(names))
    text = fleet_metrics(run, "")
    assert {name for name, _ in values(text, "ninjasync_fleet_tenant_held")} == set(names)
    failed = later(ended(*(replace(row, outcome="failed", exit_code=1) for row in rows), known=frozenset(names)))
    again = fleet_metrics(failed, text)
    assert len(values(again, "ninjasync_fleet_tenant_last_success_timestamp_seconds")) == len(names)
    assert len(values(again, "ninjasync_fleet_tenant_outcome")) == len(names)


def test_what_is_no_line_of_ours_goes() -> None:
    text = fleet_metrics(ended(GOOD), 'nonsense\nother_metric{tenant="north"} 1\nninjasync_fleet_tenant_held{} x\n')
    assert text == fleet_metrics(ended(GOOD), "")
