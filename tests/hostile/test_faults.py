"""Whatever network there is: under each fault, and under all of them at once, `apply` ends in the right state."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninjasync.sandbox.faults.catalogue import FAULTS
from tests.support.rounds import SERIAL, Rounds

_OTHERS = {
    "stale-keepalive": "3",
    "latency": "1ms",
    "rate-limit": "200",
    "429": "0.2:0",
    "429-date": "0.2:0",
    "403": "0.2:0",
}
# A server may keep names unique or not, and may keep externalId or not: no twin and no wrong removal in any case.
_SERVERS = ((), ("no-uniqueness",), ("no-external-id",), ("no-uniqueness", "no-external-id"))


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT", 0.001)
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT_OF_429", 0.001)
    monkeypatch.setattr("ninjasync.net.pacing._LONGEST_WAIT", 0.001)
    monkeypatch.setattr("ninjasync.net.rate._SLOWEST", 2000.0)


@pytest.mark.parametrize("fault", FAULTS)
def test_under_each_fault_every_round_ends_right(fault: str, tmp_path: Path) -> None:
    with Rounds(tmp_path, faults={fault: _OTHERS.get(fault, "0.2")}, settings=SERIAL) as office:
        office.converge()
        office.check()
        office.changes()
        office.converge()
        office.check()
        office.comes_back()
        office.converge()
        office.check()


@pytest.mark.parametrize("seed", range(50))
def test_under_all_faults_at_once_at_most_three_applies_lead_to_an_empty_plan(seed: int, tmp_path: Path) -> None:
    faults = {fault: "0.1:0" if entry.form == "RATE:SECONDS" else "0.1" for fault, entry in FAULTS.items()}
    faults |= {"latency": "0ms", "stale-keepalive": "7"}
    del faults["rate-limit"]  # it goes by the clock, and has a test of its own above
    quirks = _SERVERS[seed % len(_SERVERS)]
    but = ("externalId",) if "no-external-id" in quirks else ()
    with Rounds(tmp_path, users=12, seed=seed, faults=faults, quirks=quirks, settings=SERIAL) as office:
        office.converge()
        office.check(but=but)
        office.changes()
        office.converge()
        office.check(but=but)
