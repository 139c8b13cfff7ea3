"""A tenant's row: from how its process ended, and the document that it wrote."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from ninjasync.config.fleet import TenantFile
from ninjasync.fleet.processes import Done, Job
from ninjasync.fleet.rows import read_row
from ninjasync.model.fleet import FleetOutcome, total

WHOLE = {"changes": [], "problems": [], "guards": [], "warnings": [], "summary": {}, "result": {"skipped": 3}}


def ended(folder: Path, code: int | None, *, timed_out: bool = False, said: str = "") -> Done:
    result = folder / "north.json"
    result.write_text(json.dumps(WHOLE))
    return Done(Job("north", ("apply", "--yes"), result), code, 3600.4, said, timed_out)


@pytest.mark.parametrize(
    ("code", "outcome", "whole"),
    [(0, "done", 0), (2, "changes", 2), (130, "timed out", 1), (None, "timed out", 1), (1, "timed out", 1)],
)
def test_a_tenant_that_is_told_to_stop_at_its_very_end_is_done_if_it_ends_well(
    tmp_path: Path, code: int | None, outcome: FleetOutcome, whole: int
) -> None:
    north = TenantFile("north", tmp_path / "north.toml", None)
    row = read_row("apply", north, ended(tmp_path, code, timed_out=True), date(2027, 3, 1), whole=False)
    assert row.outcome == outcome
    assert total("apply", [row]).exit_code == whole
    assert row.error == ("" if code in (0, 2) else "not over after 3600 seconds ([fleet] timeout)")


def test_an_interrupted_tenant_is_told_as_such_and_not_by_whatever_it_said_last(tmp_path: Path) -> None:
    north = TenantFile("north", tmp_path / "north.toml", None)
    said = "warning: what lacks a role:\nkim@example.com.\n"
    row = read_row("apply", north, ended(tmp_path, 130, said=said), date(2027, 3, 1), whole=False)
    assert (row.outcome, row.error) == ("interrupted", "interrupted; the next run goes on from there")
