"""A fleet of sandboxes: one table, canaries, tenants that fail, hang, are refused or killed, saved plans, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ninjasync.config.load import load
from ninjasync.config.tenant import tenant_of
from ninjasync.report.formats import Format
from ninjasync.state.store import store_of
from tests.support.command import run
from tests.support.fleet import NAMES, ServedFleet, outcomes


def test_a_fleet_is_planned_and_applied_and_then_has_nothing_to_do(fleet: ServedFleet) -> None:
    code, rows, _ = fleet.run("plan", "--detailed-exitcode")
    assert (code, set(outcomes(rows).values())) == (2, {"changes"})
    assert {row["users"] for row in rows.values()} == {5}
    code, rows, _ = fleet.run("apply", "--yes")
    assert (code, set(outcomes(rows).values())) == (0, {"done"})
    assert {name: fleet.accounts(name) for name in NAMES} == dict.fromkeys(NAMES, 5)
    code, rows, _ = fleet.run("plan", "--detailed-exitcode")
    assert (code, set(outcomes(rows).values())) == (0, {"no changes"})
    code, rows, _ = fleet.run("status")
    assert (code, set(outcomes(rows).values())) == (0, {"done"})


def test_a_tenant_that_fails_is_reported_in_its_row_and_costs_no_other(fleet: ServedFleet) -> None:
    fleet.write("alpha", token="another-token-altogether")
    fleet.boxes["bravo"].company.users.clear()
    (fleet.folder / "tenants" / "charlie.toml").write_text("[duo")
    code, rows, _ = fleet.run("apply", "--yes")
    assert outcomes(rows) == {
        "alpha": "credentials",
        "bravo": "refused",
        "charlie": "configuration",
        "delta": "done",
    }
    assert code == 6, "credentials go before the rest"
    assert "refused the SCIM token" in rows["alpha"]["error"]
    assert rows["bravo"]["guards"][0]["name"] == "source"
    assert "not valid TOML" in rows["charlie"]["error"]
    assert fleet.accounts("delta") == 5


def test_a_tenant_that_hangs_is_told_to_stop_and_the_next_run_goes_on(fleet: ServedFleet) -> None:
    fleet.boxes["delta"].set_behavior(faults={"scim.latency": "30s"})
    fleet.settings("timeout = 6")
    code, rows, _ = fleet.run("apply", "--yes")
    assert rows["delta"]["outcome"] == "timed out"
    assert code == 1
    assert {name: row["outcome"] for name, row in rows.items() if name != "delta"} == dict.fromkeys(NAMES[:3], "done")
    fleet.boxes["delta"].set_behavior()
    fleet.settings("")
    code, rows, _ = fleet.run("apply", "--yes")
    assert (code, fleet.accounts("delta")) == (0, 5)


def test_a_tenant_that_is_killed_midway_is_completed_by_the_next_run(fleet: ServedFleet) -> None:
    fleet.boxes["alpha"].set_behavior(faults={"scim.latency": "1s"})
    with subprocess.Popen(
        fleet.command("apply", "--yes", "--format", "json"), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as running:
        while not fleet.writes("alpha"):
            time.sleep(0.01)
        os.kill(process_of(fleet, "alpha"), signal.SIGKILL)
        out, _ = running.communicate(timeout=120)
    rows = {row["tenant"]: row for row in json.loads(out)["tenants"]}
    assert rows["alpha"]["outcome"] == "killed"
    assert running.returncode == 1
    fleet.boxes["alpha"].set_behavior()
    code, rows, _ = fleet.run("apply", "--yes")
    assert (code, fleet.accounts("alpha")) == (0, 5)
    assert fleet.run("plan", "--detailed-exitcode")[0] == 0


def process_of(fleet: ServedFleet, name: str) -> int:
    """Return the process of the run that holds that tenant's lock, as it wrote it down."""
    (note,) = fleet.folder.glob(f"{name}.sqlite.*.holder")
    found = re.search(r"\(process (\d+)\)", note.read_text("utf-8"))
    assert found
    return int(found[1])


def test_a_canary_that_fails_leaves_every_other_tenant_untouched(fleet: ServedFleet) -> None:
    fleet.write("bravo", token="another-token-altogether")
    fleet.settings('canaries = ["bravo"]')
    code, rows, _ = fleet.run("apply", "--yes")
    assert code == 6
    assert outcomes(rows) == {"bravo": "credentials", **dict.fromkeys(("alpha", "charlie", "delta"), "not begun")}
    assert "canary bravo" in rows["alpha"]["error"]
    for name in ("alpha", "charlie", "delta"):
        assert fleet.boxes[name].requests == [], "not even read"


def test_canaries_that_succeed_let_the_others_start(fleet: ServedFleet) -> None:
    fleet.settings('canaries = ["bravo"]')
    code, rows, _ = fleet.run("apply", "--yes")
    assert (code, set(outcomes(rows).values())) == (0, {"done"})
    first = min(request.at for name in ("alpha", "charlie", "delta") for request in fleet.boxes[name].requests)
    assert max(request.at for request in fleet.boxes["bravo"].requests) < first


def test_after_stop_after_failures_in_a_row_no_more_tenants_are_started(fleet: ServedFleet) -> None:
    for name in NAMES:
        fleet.write(name, token="another-token-altogether")
    fleet.settings("stop_after = 2\nat_once = 1")
    code, rows, _ = fleet.run("apply", "--yes")
    assert code == 6
    assert sorted(outcomes(rows).values()) == ["credentials", "credentials", "not begun", "not begun"]
    assert sum(bool(fleet.boxes[name].requests) for name in NAMES) == 2


def test_saved_plans_are_applied_exactly_and_a_tenant_without_one_is_told(fleet: ServedFleet, tmp_path: Path) -> None:
    plans = tmp_path / "plans"
    assert fleet.run("plan", "--out", str(plans))[0] == 0
    (plans / "delta.plan.json").unlink()
    for box in fleet.boxes.values():
        box.company.hire("New", "Comer", groups=list(box.company.scoped)[:1], user_type="technician")
    shown = fleet.show("apply", str(plans), "--quiet", "--format", "json")
    rows = {row["tenant"]: row for row in shown.json["tenants"]}
    assert shown.code == 3, "what was asked for was not all done"
    assert outcomes(rows) == {"delta": "refused", **dict.fromkeys(NAMES[:3], "done")}
    (told,) = shown.err.splitlines()
    assert (
        told
        == f"Refused: There is no plan of this tenant in {plans}; make one with fleet plan --out DIR [tenant delta]"
    )
    assert {name: fleet.accounts(name) for name in NAMES} == {"alpha": 5, "bravo": 5, "charlie": 5, "delta": 0}


def test_a_folder_without_a_plan_of_the_tenants_is_a_wrong_command_line(fleet: ServedFleet, tmp_path: Path) -> None:
    for folder, told in ((tmp_path, "has no plan of these tenants"), (tmp_path / "nowhere", "is no folder")):
        code, rows, said = fleet.run("apply", str(folder))
        assert (code, rows) == (64, {})
        assert f"Error: {folder} {told}." in said
    plans = tmp_path / "plans"
    assert fleet.run("plan", "--out", str(plans), "--tenant", "alpha")[0] == 0
    assert fleet.run("apply", str(plans), "--tenant", "bravo")[0] == 64, "there is one, but not of this tenant"
    assert fleet.run("apply", str(plans), "--shard", "5/5")[:2] == (0, {}), "there are no tenants in that shard"
    for narrowed in ("--shard", "--tenant"):
        assert fleet.run("plan", narrowed, "")[:2] == (64, {}), "an unset variable is not all tenants"
    assert all(fleet.writes(name) == [] for name in NAMES)


def test_a_plan_of_a_tenant_that_left_the_fleet_is_refused_in_its_row(fleet: ServedFleet, tmp_path: Path) -> None:
    plans = tmp_path / "plans"
    assert fleet.run("plan", "--out", str(plans))[0] == 0
    (fleet.folder / "tenants" / "alpha.toml").unlink()
    code, rows, said = fleet.run("apply", str(plans), "--shard", "1/2")
    assert (code, outcomes(rows)) == (3, {"alpha": "refused", "bravo": "done", "delta": "done"})
    assert f"Refused: The fleet has no tenant of this name, so its plan {plans / 'alpha.plan.json'} is not" in said
    assert fleet.writes("alpha") == []
    for narrowed in (["--shard", "2/2"], ["--tenant", "charlie"]):
        assert "alpha" not in fleet.run("apply", str(plans), *narrowed)[1], "once for all shards, and not to all"


def test_a_canary_without_a_plan_leaves_every_other_tenant_untouched(fleet: ServedFleet, tmp_path: Path) -> None:
    plans = tmp_path / "plans"
    assert fleet.run("plan", "--out", str(plans))[0] == 0
    (plans / "bravo.plan.json").unlink()
    fleet.settings('canaries = ["bravo"]')
    code, rows, _ = fleet.run("apply", str(plans))
    assert (code, outcomes(rows)) == (
        3,
        {"bravo": "refused", **dict.fromkeys(("alpha", "charlie", "delta"), "not begun")},
    )
    assert all("the canary bravo was refused" in row["error"] for name, row in rows.items() if name != "bravo")
    assert all(fleet.writes(name) == [] for name in NAMES)


def test_a_plan_of_an_earlier_run_does_not_stay_where_a_new_one_fails(fleet: ServedFleet, tmp_path: Path) -> None:
    plans = tmp_path / "plans"
    assert fleet.run("plan", "--out", str(plans))[0] == 0
    fleet.write("delta", token="another-token-altogether")
    assert fleet.run("plan", "--out", str(plans))[0] == 6
    assert sorted(file.name for file in plans.iterdir()) == [f"{name}.plan.json" for name in NAMES if name != "delta"]


def test_a_folder_for_plans_that_is_a_file_is_told(fleet: ServedFleet, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, said = fleet.run("plan", "--out", str(tmp_path / "file"))
    assert code == 1
    assert "The system refused: File exists" in said


def test_without_a_terminal_and_without_yes_nothing_is_begun(fleet: ServedFleet) -> None:
    code, rows, said = fleet.run("apply")
    assert (code, rows) == (64, {})
    assert "--yes" in said
    assert all(box.requests == [] for box in fleet.boxes.values())


def test_ctrl_c_lets_running_tenants_finish_and_reports_the_rest_as_not_started(fleet: ServedFleet) -> None:
    fleet.settings("at_once = 1")
    fleet.boxes["alpha"].set_behavior(faults={"scim.latency": "200ms"})
    with subprocess.Popen(
        fleet.command("apply", "--yes", "--format", "json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as running:
        while not fleet.writes("alpha"):
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        out, said = running.communicate(timeout=120)
    rows = {row["tenant"]: row for row in json.loads(out)["tenants"]}
    assert running.returncode == 130
    assert rows["alpha"]["outcome"] == "interrupted"
    assert {row["outcome"] for name, row in rows.items() if name != "alpha"} == {"not begun"}
    assert "Stopping" in said
    assert fleet.run("apply", "--yes")[0] == 0
    assert fleet.accounts("alpha") == 5


@pytest.mark.parametrize("format", list(Format))
def test_the_table_comes_in_every_format(fleet: ServedFleet, format: Format) -> None:
    fleet.write("alpha", token="another-token-altogether")
    done = fleet.show("plan", "--format", format.value)
    assert done.code == 6
    assert "alpha" in done.out
    assert "refused the SCIM token" in done.out.replace("\n    ", " ").replace("\\", "")
    if format is Format.TEXT:
        assert max(map(len, done.out.splitlines())) <= 80
        assert done.out.splitlines()[1].startswith("alpha"), "the worst first"


def test_a_secret_that_cannot_be_read_and_a_lock_that_is_held_cost_their_own_tenants_alone(fleet: ServedFleet) -> None:
    text = (fleet.folder / "tenants" / "alpha.toml").read_text("utf-8")
    token = f'secret_token = "{fleet.boxes["alpha"].token}"'
    assert token in text
    missing = text.replace(token, 'secret_token = { file = "nowhere.token" }')
    (fleet.folder / "tenants" / "alpha.toml").write_text(missing, "utf-8")
    config = load(fleet.folder / "tenants" / "bravo.toml")
    # As where the tenant is in another fleet, too, which applies at this moment.
    with store_of(config).holding(tenant_of(config), 0, datetime.now(UTC)):
        code, rows, _ = fleet.run("apply", "--yes")
    assert outcomes(rows) == {"alpha": "configuration", "bravo": "locked", "charlie": "done", "delta": "done"}
    assert code == 78, "before locked (CONTRACT 6.3)"
    assert "nowhere.token" in rows["alpha"]["error"]
    assert "Another run holds the lock" in rows["bravo"]["error"]
    assert fleet.accounts("bravo") == 0


@pytest.mark.parametrize("defaults", ['[duo]\naccount_id = "DAWRONG"\n', "[scope]\ngroops = []\n", "[duo"])
def test_defaults_that_make_every_tenant_fail_reach_no_tenant_beyond_the_limit(
    fleet: ServedFleet, defaults: str
) -> None:
    fleet.settings('stop_after = 2\nat_once = 1\ndefaults = "defaults.toml"')
    (fleet.folder / "defaults.toml").write_text(defaults, "utf-8")
    code, rows, said = fleet.run("apply", "--yes")
    assert all(fleet.writes(name) == [] for name in NAMES)
    if "account_id" in defaults:
        assert code == 6
        assert sorted(outcomes(rows).values()) == ["credentials", "credentials", "not begun", "not begun"]
    elif "groops" in defaults:
        assert (code, set(outcomes(rows).values())) == (78, {"configuration"})
        assert all("groops" in row["error"] for row in rows.values())
    else:
        assert (code, rows) == (78, {})
        assert "defaults.toml is not valid TOML" in said


def test_what_was_refused_or_failed_is_a_line_on_standard_error_also_when_quiet(fleet: ServedFleet) -> None:
    fleet.write("alpha", token="another-token-altogether")
    fleet.boxes["bravo"].company.users.clear()
    shown = fleet.show("plan", "--quiet")
    assert shown.code == 6
    failed, refused = shown.err.splitlines()
    assert failed.startswith("Error: NinjaOne refused the SCIM token")
    assert failed.endswith("[tenant alpha]")
    assert refused.startswith("Refused: ")
    assert refused.endswith("[tenant bravo]")


def test_after_the_parent_was_killed_the_next_run_completes_what_the_children_left(fleet: ServedFleet) -> None:
    fleet.boxes["alpha"].set_behavior(faults={"scim.latency": "500ms"})
    with subprocess.Popen(
        fleet.command("apply", "--yes"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as running:
        while not fleet.writes("alpha"):
            time.sleep(0.01)
        running.kill()
    while list(fleet.folder.glob("alpha.sqlite.*.holder")):  # it stops as by SIGTERM, and lets go of its lock
        time.sleep(0.05)
    fleet.boxes["alpha"].set_behavior()
    code, rows, _ = fleet.run("apply", "--yes")
    assert (code, set(outcomes(rows).values())) == (0, {"done"})
    assert {name: fleet.accounts(name) for name in NAMES} == dict.fromkeys(NAMES, 5)


def test_the_defaults_are_those_of_the_fleet_that_is_named_whatever_its_file_is_called(fleet: ServedFleet) -> None:
    path = fleet.folder / "tenants" / "alpha.toml"
    scope = next(line for line in path.read_text("utf-8").splitlines() if line.startswith("groups = "))
    path.write_text(path.read_text("utf-8").replace(f"[scope]\n{scope}\n", ""), "utf-8")
    elsewhere = fleet.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "defaults.toml").write_text(f"[scope]\n{scope}\n", "utf-8")
    (elsewhere / "customers.toml").write_text('[fleet]\ntenants = ["../tenants/alpha.toml"]\n', "utf-8")
    ran = run("fleet", "plan", "--fleet", str(elsewhere / "customers.toml"), "--format", "json")
    assert [(row["tenant"], row["outcome"]) for row in ran.json["tenants"]] == [("alpha", "changes")]


def test_a_plan_tells_of_a_pause_and_an_apply_of_groups_without_a_role(fleet: ServedFleet) -> None:
    code, rows, _ = fleet.run("apply", "--yes", "--tenant", "alpha")
    assert (code, rows["alpha"]["paused"]) == (0, False)
    assert len(rows["alpha"]["new_groups"]) == rows["alpha"]["groups"] > 0
    file = fleet.folder / "tenants" / "alpha.toml"
    assert run("pause", "--reason", "audit", "--config", str(file)).code == 0
    _, rows, _ = fleet.run("plan", "--tenant", "alpha")
    assert (rows["alpha"]["outcome"], rows["alpha"]["paused"]) == ("no changes", True)
    assert "This tenant is paused" in rows["alpha"]["error"]
