"""One apply at a time: real processes, one of which is kept waiting in the middle of its writes."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import end_of
from tests.support.company import staff, user
from tests.support.forked import Forked
from tests.support.held_run import WAIT, Gate, held_run
from tests.support.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(5, 0)) as made:
        made.configure("run", parallelism=1)
        yield made


@pytest.fixture
def gate(office: Office) -> Gate:
    return Gate(office)


@pytest.fixture
def holder(office: Office, gate: Gate) -> Iterator[Forked]:
    """A run in the middle of its first write."""
    with held_run(office, gate) as process:
        yield process


def ended(process: Forked) -> tuple[int, str]:
    ran = end_of(process, WAIT)
    return ran.code, ran.printed


def test_of_two_applies_at_once_the_second_exits_5_naming_the_holder_and_touches_nothing(
    office: Office, gate: Gate, holder: Forked
) -> None:
    before = len(office.box.requests)

    code, said = ended(office.fork("apply", "--yes"))

    assert code == 5  # while the first one still holds it
    assert not holder.is_over()
    assert f"process {holder.pid}" in said
    assert socket.gethostname() in said
    assert "--lock-timeout" in said
    assert "Traceback" not in said
    assert gate.writes == 1  # that of the first
    assert len(office.box.requests) == before  # nor did it read
    gate.open.set()
    assert ended(holder)[0] == 0
    assert office.accounts().keys() == {user(number) for number in range(5)}


def test_a_saved_plan_needs_the_lock_like_any_other_apply(
    office: Office, tmp_path: Path, gate: Gate, holder: Forked
) -> None:
    assert office.plan("--out", tmp_path / "plan").code == 0

    assert office.run("apply", tmp_path / "plan").code == 5
    assert gate.writes == 1


def test_with_a_lock_timeout_it_waits_until_the_other_has_ended(
    office: Office, tmp_path: Path, gate: Gate, holder: Forked
) -> None:
    office.configure(
        "ninjaone", secret_token={"command": ["sh", "-c", f"touch {tmp_path}/started; echo {office.box.token}"]}
    )
    second = office.fork("apply", "--yes", "--lock-timeout", str(WAIT))
    with pytest.raises(TimeoutError):
        second.wait(1)  # it neither gives up nor goes on
    assert gate.writes == 1

    gate.open.set()

    assert ended(holder)[0] == 0
    code, said = ended(second)
    assert code == 0, said
    assert "No changes" in said  # it planned after the first was done
    assert (tmp_path / "started").exists()


def test_a_lock_timeout_that_is_too_short_is_exit_5_as_one_json_document(office: Office, holder: Forked) -> None:
    done = office.apply("--lock-timeout", "0.2")

    assert done.code == 5
    assert json.loads(done.out)["error"]["exit_code"] == 5
    files = [one for one in office.folder.iterdir() if one.suffix == ".lock"]
    assert [one.stat().st_mode & 0o077 for one in files] == [0]


def test_a_killed_holder_frees_the_lock(office: Office, gate: Gate, holder: Forked) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait(WAIT)
    gate.open.set()

    done = office.apply()

    assert done.code == 0, done.printed
    assert f"process {holder.pid}" in " ".join(done.json["warnings"])
    assert office.accounts().keys() == {user(number) for number in range(5)}
    assert office.plan().json["changes"] == []


def test_a_plan_needs_no_lock_and_says_that_a_run_is_under_way(office: Office, holder: Forked) -> None:
    planned = office.plan()

    assert planned.code == 0
    said = " ".join(planned.json["warnings"])
    assert "under way" in said
    assert f"process {holder.pid}" in said
    assert len(planned.actions()) == 5
    assert f"process {holder.pid}" in office.run("history").out


def test_a_plan_after_a_killed_run_says_that_it_is_unfinished(office: Office, gate: Gate, holder: Forked) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait(WAIT)
    gate.open.set()

    said = " ".join(office.plan().json["warnings"])

    assert "cut short" in said
    assert "under way" not in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_finishes_its_call_records_it_and_frees_the_lock(
    office: Office, gate: Gate, holder: Forked, number: signal.Signals
) -> None:
    os.kill(holder.pid, number)
    while "Stopping" not in holder.err:
        assert not holder.is_over()
    gate.open.set()

    code, said = ended(holder)

    assert code == 130, said
    assert gate.writes == 1
    assert len(office.accounts().keys()) == 1
    done = office.apply()
    assert done.code == 0
    assert "cut short" not in " ".join(done.json["warnings"])  # it had been recorded
    assert office.accounts().keys() == {user(each) for each in range(5)}


def test_the_locks_of_two_tenants_are_two(office: Office, holder: Forked) -> None:
    office.configure("state", tenant="north")
    office.configure("scope", groups=["NinjaOne Technicians"])
    office.configure("safety", min_source_percent=0)

    # It does not stand in line behind the first tenant's run; nobody is in scope here, which is refused.
    assert office.apply().code == 3
