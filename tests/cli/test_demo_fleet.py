"""``ninjasync demo --fleet`` and ``ninjasync sandbox --tenants``: many companies on one machine."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.command import run, spawn


@pytest.mark.parametrize(("seed", "users"), [(1, 30), (8, 64)])
def test_the_demo_of_a_fleet_ends_with_every_company_in_step(seed: int, users: int) -> None:
    shown = run("demo", "--fleet", "--seed", str(seed), "--users", str(users))
    assert shown.code == 0, shown.text
    totals = [line for line in shown.out.splitlines() if line.startswith("Fleet: ")]
    assert totals == [
        "Fleet: 4 tenants: 4 done.",
        "Fleet: 4 tenants: 4 no changes.",
        "Fleet: 4 tenants: 1 refused, 3 done.",
        "Fleet: 4 tenants: 4 no changes.",
    ]


def test_the_sandbox_writes_a_fleet_and_events_go_to_the_company_that_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    arguments = ("sandbox", "--tenants", "2", "--users", "20", "--write-config", str(folder))
    with spawn(*arguments, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        said = [process.stderr.readline().decode() for _ in range(3)]
        assert said[0].startswith("2 companies at http://127.0.0.1:")
        assert f"ninjasync fleet plan --fleet {folder / 'fleet.toml'}" in said[1]
        files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.toml"))
        assert files == ["fleet.toml", "tenants/alder.toml", "tenants/birch.toml"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*.toml")} == {0o600}
        process.stdin.write(b"birch hire Mia Lang\nrowan hire\n")
        process.stdin.flush()
        assert process.stderr.readline() == b"Mia Lang was hired as an end user: mia.lang@birch.example.com.\n"
        assert process.stderr.readline() == b'There is no company "rowan"; the companies are alder, birch.\n'
        planned = run("plan", "--config", str(folder / "tenants" / "birch.toml"), "--detailed-exitcode")
        assert planned.code == 2
        assert "mia.lang@birch.example.com" in planned.out
        process.stdin.close()
        process.stdin = None
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.parametrize("tenants", ["0", "-1", "many"])
def test_a_fleet_without_tenants_is_a_usage_error(tenants: str) -> None:
    assert run("sandbox", "--tenants", tenants).code == 64
