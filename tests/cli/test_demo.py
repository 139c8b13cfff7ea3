"""``ninjasync demo``: the README's first command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import run, run_process

EMPTY = "Plan: nothing to do"


@pytest.mark.parametrize(("seed", "users"), [(1, 30), (2, 30), (7, 20), (11, 61), (42, 45)])
def test_the_demo_ends_with_an_empty_plan(seed: int, users: int) -> None:
    shown = run("demo", "--seed", str(seed), "--users", str(users))
    assert shown.code == 0, shown.text
    plans = [line for line in shown.out.splitlines() if line.startswith("Plan: ")]
    assert len(plans) == 4
    assert [plan.startswith(EMPTY) for plan in plans] == [False, True, False, True]
    assert shown.err == ""


def test_the_demo_shows_the_same_year_each_time() -> None:
    assert run("demo", "--seed", "3").out == run("demo", "--seed", "3").out


def test_another_seed_shows_another_year() -> None:
    assert run("demo", "--seed", "3").out != run("demo", "--seed", "4").out


def test_the_demo_shows_every_kind_of_event() -> None:
    story = run("demo").out
    for event in ("was hired", "became a technician", "married", "was disabled", "trash", "is now called"):
        assert event in story
    for action in ("+ create", "~ update", "- deactivate"):
        assert action in story


def test_the_demo_runs_without_any_configuration_and_leaves_nothing_behind(tmp_path: Path) -> None:
    env = {"NINJASYNC_CONFIG": "/no/such/file", "NO_COLOR": "1", "HOME": str(tmp_path)}
    env |= {name: str(tmp_path / name) for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    shown = run_process("demo", env=env)
    assert shown.code == 0, shown.text
    assert "\x1b" not in shown.out
    assert list(tmp_path.iterdir()) == []


def test_a_company_too_small_for_the_demo_is_a_usage_error() -> None:
    assert run("demo", "--users", "3").code == 64
