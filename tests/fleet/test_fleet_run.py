"""A fleet of sandboxes: one table, canaries, tenants that fail, hang, are refused or killed, saved plans, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ninjasync.report.formats import Format
from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.company import staff

NAMES = ("alpha", "bravo", "charlie", "delta")


class Fleet:
    """So many companies, each served by a sandbox of its own, and the folder of their fleet."""

    def __init__(self, folder: Path, names: tuple[str, ...] = NAMES) -> None:
        self.folder, self.names = folder, names
        self.boxes = {name: Sandbox(staff(4, 1, seed=number), NinjaOne()).start() for number, name in enumerate(names)}
        (folder / "tenants").mkdir()
        for name in names:
            self.write(name)
        self.settings("")

    def write(self, name: str, more: str = "", **replaced: str) -> None:
        text = self.boxes[name].config_toml() + f'\n[state]\npath = "../{name}.sqlite"\n[run]\nretries = 0\n{more}'
        for old, new in replaced.items():
            text = text.replace(getattr(self.boxes[name], old), new)
        (self.folder / "tenants" / f"{name}.toml").write_text(text, "utf-8")
        (self.folder / "tenants" / f"{name}.toml").chmod(0o600)

    def settings(self, more: str) -> None:
        (self.folder / "fleet.toml").write_text(f"[fleet]\n{more}\n", "utf-8")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "ninjasync", "fleet", *arguments, "--fleet", str(self.folder / "fleet.toml")]

    def run(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        """Run a fleet command as JSON; return its exit code, the rows by tenant, and standard error."""
        done = subprocess.run(
            self.command(*arguments, "--format", "json"),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        document = json.loads(done.stdout) if done.stdout else {"tenants": []}
        return done.returncode, {row["tenant"]: row for row in document.get("tenants", [])}, done.stderr

    def accounts(self, name: str) -> int:
        return len(self.boxes[name].ninjaone.users)

    def stop(self) -> None:
        for box in self.boxes.values():
            box.stop()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    yield made
    made.stop()


def outcomes(rows: dict[str, Any]) -> dict[str, str]:
    return {name: row["outcome"] for name, row in rows.items()}


def test_a_fleet_is_planned_and_applied_and_then_has_nothing_to_do(fleet: Fleet) -> None:
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


def test_a_tenant_that_fails_is_reported_in_its_row_and_costs_no_other(fleet: Fleet) -> None:
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


def test_a_tenant_that_hangs_is_told_to_stop_and_the_next_run_goes_on(fleet: Fleet) -> None:
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


def test_a_tenant_that_is_killed_midway_is_completed_by_the_next_run(fleet: Fleet) -> None:
    fleet.boxes["alpha"].set_behavior(faults={"scim.latency": "1s"})
    with subprocess.Popen(
        fleet.command("apply", "--yes", "--format", "json"), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as running:
        while not any(request.method == "POST" for request in fleet.boxes["alpha"].requests):
            time.sleep(0.01)
        _kill_the_process_of(running.pid, "alpha.toml")
        out, _ = running.communicate(timeout=120)
    rows = {row["tenant"]: row for row in json.loads(out)["tenants"]}
    assert rows["alpha"]["outcome"] == "killed"
    assert running.returncode == 1
    fleet.boxes["alpha"].set_behavior()
    code, rows, _ = fleet.run("apply", "--yes")
    assert (code, fleet.accounts("alpha")) == (0, 5)
    assert fleet.run("plan", "--detailed-exitcode")[0] == 0


def _kill_the_process_of(parent: int, file: str) -> None:
    """Kill the fleet's child whose ledger lock names that tenant: the one that has its file open."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == parent:
            continue
        try:
            opened = {os.readlink(link) for link in (entry / "fd").iterdir()}
        except OSError:
            continue
        if any(f"/{file.removesuffix('.toml')}.sqlite" in name for name in opened):
            os.kill(int(entry.name), signal.SIGKILL)
            return
    raise AssertionError("no process has that ledger open")


def test_a_canary_that_fails_leaves_every_other_tenant_untouched(fleet: Fleet) -> None:
    fleet.write("bravo", token="another-token-altogether")
    fleet.settings('canaries = ["bravo"]')
    code, rows, _ = fleet.run("apply", "--yes")
    assert code == 6
    assert outcomes(rows) == {"bravo": "credentials", **dict.fromkeys(("alpha", "charlie", "delta"), "not begun")}
    assert "canary bravo" in rows["alpha"]["error"]
    for name in ("alpha", "charlie", "delta"):
        assert fleet.boxes[name].requests == [], "not even read"


def test_canaries_that_succeed_let_the_others_start(fleet: Fleet) -> None:
    fleet.settings('canaries = ["bravo"]')
    code, rows, _ = fleet.run("apply", "--yes")
    assert (code, set(outcomes(rows).values())) == (0, {"done"})
    first = min(request.at for name in ("alpha", "charlie", "delta") for request in fleet.boxes[name].requests)
    assert max(request.at for request in fleet.boxes["bravo"].requests) < first


def test_after_stop_after_failures_in_a_row_no_more_tenants_are_started(fleet: Fleet) -> None:
    for name in NAMES:
        fleet.write(name, token="another-token-altogether")
    fleet.settings("stop_after = 2\nat_once = 1")
    code, rows, _ = fleet.run("apply", "--yes")
    assert code == 6
    assert sorted(outcomes(rows).values()) == ["credentials", "credentials", "not begun", "not begun"]
    assert sum(bool(fleet.boxes[name].requests) for name in NAMES) == 2


def test_saved_plans_are_applied_exactly_and_a_tenant_without_one_is_told(fleet: Fleet, tmp_path: Path) -> None:
    plans = tmp_path / "plans"
    assert fleet.run("plan", "--out", str(plans))[0] == 0
    (plans / "delta.plan.json").unlink()
    for box in fleet.boxes.values():
        box.company.hire("New", "Comer", groups=list(box.company.scoped)[:1], user_type="technician")
    code, rows, _ = fleet.run("apply", str(plans))
    assert code == 0
    assert rows["delta"]["outcome"] == "not begun"
    assert "no plan of this tenant" in rows["delta"]["error"]
    assert {name: fleet.accounts(name) for name in NAMES} == {"alpha": 5, "bravo": 5, "charlie": 5, "delta": 0}


def test_without_a_terminal_and_without_yes_nothing_is_begun(fleet: Fleet) -> None:
    code, rows, said = fleet.run("apply")
    assert (code, rows) == (64, {})
    assert "--yes" in said
    assert all(box.requests == [] for box in fleet.boxes.values())


def test_ctrl_c_lets_running_tenants_finish_and_reports_the_rest_as_not_started(fleet: Fleet) -> None:
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
        while not any(request.method == "POST" for request in fleet.boxes["alpha"].requests):
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
def test_the_table_comes_in_every_format(fleet: Fleet, format: Format) -> None:
    fleet.write("alpha", token="another-token-altogether")
    done = subprocess.run(fleet.command("plan", "--format", format.value), capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert "alpha" in done.stdout
    assert "refused the SCIM token" in done.stdout.replace("\n    ", " ").replace("\\", "")
    if format is Format.TEXT:
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert done.stdout.splitlines()[1].startswith("alpha"), "the worst first"
