"""The main job with its ledger in PostgreSQL: the same words, the same exit codes, and two machines that share it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import end_of, one_sentence
from tests.support.company import staff, user
from tests.support.forked import Forked
from tests.support.held_run import WAIT, Gate, held_run
from tests.support.office import Office
from tests.support.postgres import TestDatabase

PASSWORD = "s3cret-pass-word"


@pytest.fixture
def office(tmp_path: Path, database: TestDatabase) -> Iterator[Office]:
    with Office(tmp_path, staff(5, 1)) as made:
        made.configure("state", **database.settings)
        made.configure("run", parallelism=1)
        yield made


def test_a_year_of_plans_and_applies_is_as_with_a_file(office: Office, tmp_path: Path) -> None:
    assert office.run("ledger", "show").out.startswith(
        "There is no ledger yet; the first apply makes it at postgresql:"
    )
    assert "There are no tables yet" in office.run("check").printed
    office.settle()
    office.disable(0)
    (left,) = office.apply().applied().items()
    assert left == (user(0), "deactivate")
    office.days_pass(31)
    assert office.apply().applied() == {user(0): "delete"}
    assert office.plan("--detailed-exitcode").code == 0
    runs = json.loads(office.run("history", "--format", "json").out)["runs"]
    assert [run["exit_code"] for run in runs] == [0, 0, 0]
    shown = office.run("ledger", "show").out
    assert shown.startswith("Ledger: postgresql:///t")
    assert "Tenants: 1" in shown
    explained = office.run("explain", user(1), "--format", "json")
    assert (explained.code, explained.json["outcome"]) == (0, "unchanged")
    assert "sound; " in office.run("check").printed
    assert not list(tmp_path.glob("ledger*")), "no file beside it"


def test_upgrade_makes_the_tables_and_prints_what_the_everyday_role_needs(
    office: Office, database: TestDatabase
) -> None:
    role = database.add_role("everyday")
    office.configure("state", url=database.url_as(role))
    refused = office.apply()
    assert (refused.code, office.asked_anything()) == (1, False)
    assert "ninjasync ledger upgrade" in one_sentence(refused)
    assert office.plan().code == 1

    office.configure("state", url=database.url)
    made = office.run("ledger", "upgrade")
    assert made.code == 0
    assert "the tables are those of version 3" in made.out
    for line in made.out.splitlines():
        if line.endswith("TO ninjasync;"):
            database.ask(line.replace("TO ninjasync;", f"TO {role};"))

    office.configure("state", url=database.url_as(role))
    office.settle()


def test_where_the_server_is_not_there_a_plan_goes_on_and_an_apply_does_not_begin(
    office: Office, database: TestDatabase
) -> None:
    office.settle()
    office.native("stranger@example.com")
    office.configure("state", url=f"postgresql://ann:{PASSWORD}@127.0.0.1:1/ledger")

    planned = office.plan()
    assert planned.code == 0, planned.printed
    assert "The ledger postgresql://127.0.0.1:1/ledger cannot be reached: " in planned.warnings
    assert "The ledger cannot be read now, so 1 account in NinjaOne cannot be judged" in planned.warnings
    explained = office.run("explain", user(1))
    assert explained.code == 0
    assert "The ledger cannot be read now." in explained.text
    assert "There is no ledger" not in planned.text + explained.text
    assert "postgresql://127.0.0.1:1/ledger" in explained.text
    applied = office.apply()
    assert (applied.code, office.writes()) == (1, [])
    assert "cannot be reached" in one_sentence(applied)
    others = [office.run(*words) for words in (("check",), ("history",), ("ledger", "show"), ("ledger", "upgrade"))]
    assert [one.code for one in others] == [1, 1, 1, 1]
    said = "".join(
        one.text for one in (planned, explained, applied, *others, office.run("plan", "--log-level", "debug"))
    )
    assert PASSWORD not in said
    assert "Traceback" not in "".join(one.text for one in (planned, applied, *others))


def test_a_server_that_takes_no_writes_is_enough_for_a_plan(office: Office, database: TestDatabase) -> None:
    office.settle()
    office.disable(0)
    database.ask(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")

    planned = office.plan()
    assert (planned.code, planned.actions()) == (0, {user(0): "deactivate"})
    assert "is read, but cannot be written" in planned.warnings
    applied = office.apply()
    assert (applied.code, office.writes()) == (1, [])
    assert "can only be read" in one_sentence(applied)
    assert "can only be read" in office.run("check").printed


# --- two machines, which share nothing but the URL -------------------------------------------


@pytest.fixture
def gate(office: Office) -> Gate:
    return Gate(office)


@pytest.fixture
def holder(office: Office, gate: Gate) -> Iterator[Forked]:
    """A run of another machine in the middle of its first write."""
    with held_run(office, gate) as process:
        yield process


def test_of_two_applies_the_second_exits_5_naming_the_holder_and_one_that_waits_comes_after_it(
    office: Office, gate: Gate, holder: Forked, database: TestDatabase
) -> None:
    before = len(office.box.requests)
    second = office.apply()
    assert second.code == 5
    assert len(office.box.requests) == before, "it has read nothing"
    assert f"process {holder.pid}" in one_sentence(second)
    assert "since 20" in second.err
    planned = office.plan()
    assert "is under way" in planned.warnings
    assert f"process {holder.pid}" in planned.warnings

    waiting = office.fork("apply", "--yes", "--lock-timeout", str(WAIT))
    while database.ask(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ) == [(1,)]:
        assert not waiting.is_over()
    gate.open.set()
    third = end_of(waiting)
    assert third.code == 0, third.printed
    assert "No changes" in third.printed
    assert end_of(holder).code == 0


def test_a_killed_holder_frees_the_lock_and_the_next_run_settles_what_it_left(
    office: Office, gate: Gate, holder: Forked
) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait(WAIT)
    gate.open.set()
    office.ask_ledger("UPDATE runs SET seen_at = '2026-01-01T00:00:00.000+00:00'")  # as after some minutes

    done = office.apply("--lock-timeout", str(WAIT))

    assert done.code == 0, done.printed
    assert f"process {holder.pid}" in done.warnings
    assert office.accounts().keys() == {user(number) for number in range(5)} | {"tech0.one@example.com"}
    assert office.plan().json["changes"] == []
