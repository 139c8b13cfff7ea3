"""What a run that was cut short left is looked for when nothing that it sent can still arrive, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ninjasync.state.sqlite import SqliteDatabase
from ninjasync.threads import Stop
from tests.support.command import Ran
from tests.support.company import staff
from tests.support.office import Office

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
SURVIVES, TIMEOUT = 30.0, 20.0


class Lingering:
    """A ledger whose lock may be free before its holder has noticed: it has a clock of its own, which waits pass."""

    def __init__(self, office: Office, patches: pytest.MonkeyPatch) -> None:
        self.office, self.now = office, NOW
        self.waits: list[tuple[float, bool]] = []
        patches.setattr(SqliteDatabase, "survives", SURVIVES)
        patches.setattr(SqliteDatabase, "clock", lambda _: self.now)
        patches.setattr(Stop, "wait", lambda stop, timeout=None: self._wait(stop, timeout))

    def _wait(self, stop: Stop, timeout: float | None) -> bool:
        self.waits.append((timeout or 0.0, self.office.asked_anything()))
        self.now += timedelta(seconds=timeout or 0)
        return stop.is_set()

    def cut_short(self, seen: datetime | None, *, pending: bool = True) -> None:
        """Leave a run that never ended, and perhaps a write whose outcome is not known."""
        seen_at = seen.isoformat(timespec="milliseconds") if seen else None
        self.office.ask_ledger(
            "INSERT INTO runs (id, tenant, actor, command, started_at, seen_at) "
            "SELECT 'cut-short', id, 'root@other', 'apply', '2027-03-01T08:00:00.000+00:00', ? FROM tenants",
            seen_at,
        )
        if pending:
            self.office.ask_ledger(
                "INSERT INTO operations (run, resource, action, key, external_id, diff, intended_at, status) "
                "VALUES ('cut-short', 'user', 'create', 'x@example.com', 'DUX', '{}', ?, 'pending')",
                "2027-03-01T08:00:00.000+00:00",
            )

    def apply(self) -> Ran:
        self.office.box.forget()
        return self.office.apply()


@pytest.fixture
def lingering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lingering]:
    with Office(tmp_path, staff(2, 1)) as office:
        office.configure("ninjaone", timeout=int(TIMEOUT))
        office.settle()
        yield Lingering(office, monkeypatch)


@pytest.mark.parametrize(("ago", "waits"), [(0, 50.0), (12.5, 37.5), (49, 1.0), (50, None), (9000, None), (-600, 50.0)])
def test_the_wait_is_what_is_left_of_it_and_comes_before_anything_is_asked(
    lingering: Lingering, ago: float, waits: float | None
) -> None:
    lingering.cut_short(NOW - timedelta(seconds=ago))
    done = lingering.apply()
    assert done.code == 0, done.printed
    assert lingering.waits == ([] if waits is None else [(waits, False)])
    assert ("until nothing that it sent can still arrive" in done.err) is (waits is not None)
    assert "cut-short of root@other was cut short" in done.warnings
    assert lingering.office.ask_ledger("SELECT count(*) FROM operations WHERE status = 'pending'") == [(0,)]


def test_where_nothing_is_unknown_or_the_run_was_never_seen_there_is_no_wait(lingering: Lingering) -> None:
    lingering.cut_short(NOW, pending=False)
    assert lingering.apply().code == 0
    assert lingering.waits == []


def test_a_run_that_came_from_a_file_was_never_seen(lingering: Lingering) -> None:
    lingering.cut_short(None)
    assert lingering.apply().code == 0
    assert lingering.waits == []


def test_with_a_file_it_is_looked_for_at_once(lingering: Lingering, monkeypatch: pytest.MonkeyPatch) -> None:
    lingering.cut_short(NOW)
    monkeypatch.setattr(SqliteDatabase, "survives", 0.0)
    assert lingering.apply().code == 0
    assert lingering.waits == []


def test_an_interrupt_ends_the_wait_and_settles_nothing(lingering: Lingering, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(stop: Stop, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    lingering.cut_short(NOW)
    monkeypatch.setattr(Stop, "wait", interrupted)
    done = lingering.apply()
    assert done.code == 130, done.printed
    assert not lingering.office.asked_anything()
    assert lingering.office.ask_ledger("SELECT count(*) FROM operations WHERE status = 'pending'") == [(1,)]
