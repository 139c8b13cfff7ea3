"""``fleet check``: of each tenant's check the worst line, whatever the others' checks find."""

from __future__ import annotations

from tests.support.fleet import NAMES, ServedFleet, outcomes


def test_each_tenant_is_told_with_the_worst_line_of_its_check(fleet: ServedFleet) -> None:
    fleet.write("alpha", token="another-token-altogether")
    fleet.boxes["bravo"].permissions.clear()
    (fleet.folder / "tenants" / "charlie.toml").write_text("[duo")
    fleet.settings('canaries = ["bravo"]\nstop_after = 1\nat_once = 1')
    code, rows, _ = fleet.run("check")
    assert code == 6
    assert outcomes(rows) == {
        "alpha": "credentials",
        "bravo": "credentials",
        "charlie": "configuration",
        "delta": "warnings",
    }
    assert rows["alpha"]["error"].startswith("NinjaOne users: ")
    assert rows["bravo"]["error"].startswith("Duo groups: ")
    assert (rows["delta"]["red"], rows["delta"]["exit_code"]) == (0, 0)
    assert rows["alpha"]["red"] == 1
    assert rows["delta"]["error"].startswith("token expiry: ")


def test_a_check_writes_nothing_anywhere(fleet: ServedFleet) -> None:
    assert fleet.run("check")[0] == 0
    asked = {(request.method, request.path) for box in fleet.boxes.values() for request in box.requests}
    assert {path for method, path in asked if method != "GET"} == {"/ws/oauth/token"}
    assert list(fleet.folder.glob("*.sqlite*")) == []


def test_the_table_of_checks_fits_80_columns_and_counts_lines_by_colour(fleet: ServedFleet) -> None:
    shown = fleet.show("check")
    assert shown.out.splitlines()[0].split() == ["tenant", "outcome", "red", "yellow", "green", "token", "seconds"]
    assert max(map(len, shown.out.splitlines())) <= 80
    assert f"Fleet: {len(NAMES)} tenants: {len(NAMES)} warnings." in shown.out


def test_what_keeps_the_fleets_own_monitor_from_telling_is_said(fleet: ServedFleet) -> None:
    fleet.settings('[fleet.monitor]\nmetrics_file = "metrics/fleet.prom"')
    said = fleet.show("check", "--tenant", "alpha").err
    assert f"The metrics file {fleet.folder / 'metrics' / 'fleet.prom'} cannot be written. Make its folder" in said
    (fleet.folder / "metrics").mkdir()
    assert "metrics file" not in fleet.show("check", "--tenant", "alpha").err
