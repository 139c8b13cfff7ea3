"""Several machines: a real queue in PostgreSQL, real workers, and what becomes of tenants when these die or hang."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import run
from tests.support.fleet import outcomes
from tests.support.postgres import TestDatabase
from tests.support.private_server import PrivateServer
from tests.support.queued_fleet import QueuedFleet, WorkerProcess, until, worker


@pytest.fixture
def fleet(database: TestDatabase, tmp_path: Path) -> Iterator[QueuedFleet]:
    made = QueuedFleet(tmp_path, database.url)
    yield made
    made.stop()


def test_workers_plan_and_apply_as_this_machine_does(fleet: QueuedFleet) -> None:
    with worker(fleet), worker(fleet):
        code, rows, said = fleet.run("plan", "--detailed-exitcode", "--on", "workers")
        assert (code, set(outcomes(rows).values()), said) == (2, {"changes"}, ""), rows
        assert {row["users"] for row in rows.values()} == {5}
        code, rows, _ = fleet.run("apply", "--yes", "--on", "workers")
        assert (code, set(outcomes(rows).values())) == (0, {"done"})
        assert {name: fleet.accounts(name) for name in fleet.names} == dict.fromkeys(fleet.names, 5)
        page = fleet.show("plan", "--on", "workers", "--format", "html", "--output", str(fleet.folder / "page.html"))
        assert page.code == 0
        plans = re.findall(r' id="p\d">(.*?)</script>', (fleet.folder / "page.html").read_text("utf-8"))
        assert [json.loads(plan)["changes"] for plan in plans] == [[]] * len(fleet.names)
    assert fleet.ask("SELECT count(*) FROM procrastinate_jobs") == [(0,)], "nothing is left in the queue"
    assert fleet.ask("SELECT count(*) FROM procrastinate_workers") == [(0,)], "each has signed off"


def test_workers_check_as_this_machine_does_and_say_which_machine_it_was(fleet: QueuedFleet) -> None:
    fleet.write("alpha", token="another-token-altogether")
    fleet.boxes["bravo"].permissions.clear()
    (fleet.folder / "tenants" / "charlie.toml").write_text("[duo")
    fleet.settings('canaries = ["bravo"]\nstop_after = 1')
    code, here, _ = fleet.run("check")
    with worker(fleet), worker(fleet):
        there_code, there, _ = fleet.run("check", "--on", "workers")
    assert there_code == code
    assert outcomes(there) == outcomes(here)
    assert outcomes(here) == {
        "alpha": "credentials",
        "bravo": "credentials",
        "charlie": "configuration",
        "delta": "warnings",
    }
    machine = f" [checked on {socket.gethostname()}]"
    assert {name: row["error"].removeprefix(here[name]["error"]) for name, row in there.items()} == {
        "alpha": machine,
        "bravo": machine,
        "charlie": "",
        "delta": "",
    }
    for row in there.values():
        assert all(row[color] == here[row["tenant"]][color] for color in ("red", "yellow", "green"))
    assert not any(fleet.writes(name) for name in fleet.names)


def test_workers_have_the_tenants_that_were_chosen_and_each_its_time(fleet: QueuedFleet) -> None:
    fleet.settings("timeout = 6")
    fleet.boxes["delta"].set_behavior(faults={"scim.latency": "30s"})
    with worker(fleet):
        code, rows, _ = fleet.run("apply", "--yes", "--on", "workers", "--shard", "2/2")
        assert (code, outcomes(rows)) == (1, {"bravo": "done", "delta": "timed out"})
        assert "[fleet] timeout" in rows["delta"]["error"]
        code, rows, _ = fleet.run("apply", "--yes", "--on", "workers", "--tenant", "[a-c]*", "--shard", "1/2")
        assert (code, outcomes(rows)) == (0, {"alpha": "done", "charlie": "done"})
    assert {name: fleet.accounts(name) for name in fleet.names} == {"alpha": 5, "bravo": 5, "charlie": 5, "delta": 0}


def test_the_tenants_of_a_worker_that_is_killed_are_done_by_another_and_none_twice(fleet: QueuedFleet) -> None:
    for name in fleet.names:
        fleet.boxes[name].set_behavior(faults={"scim.latency": "100ms"})
    with worker(fleet) as one, worker(fleet) as two, worker(fleet) as three:
        asking = fleet.begin("apply", "--yes", "--on", "workers")

        def busy() -> list[WorkerProcess]:
            return [each for each in (one, two, three) if any(map(fleet.writes, each.tenants()))]

        until(busy)
        [victim, *_] = busy() or [one]
        held = victim.tenants()
        victim.process.kill()
        code, rows = fleet.end(asking)
    assert held <= rows.keys()
    assert (code, set(outcomes(rows).values())) == (0, {"done"})
    for name in fleet.names:
        created = [request for request in fleet.writes(name) if request.method == "POST" and "/Users" in request.path]
        assert (fleet.accounts(name), len(created)) == (5, 5)


def test_a_worker_that_slept_and_wakes_up_again_makes_nothing_twice(fleet: QueuedFleet) -> None:
    for name in fleet.names:
        fleet.boxes[name].set_behavior(faults={"scim.latency": "100ms"})
    with worker(fleet) as sleeper:
        asking = fleet.begin("apply", "--yes", "--on", "workers")
        until(lambda: any(fleet.writes(name) for name in sleeper.tenants()))
        sleeper.process.send_signal(signal.SIGSTOP)
        with worker(fleet):
            until(lambda: not sleeper.tenants())  # given back
            sleeper.process.send_signal(signal.SIGCONT)
            code, rows = fleet.end(asking)
    assert (code, set(outcomes(rows).values())) == (0, {"done"})
    for name in fleet.names:
        created = [request for request in fleet.writes(name) if request.method == "POST" and "/Users" in request.path]
        assert (fleet.accounts(name), len(created)) == (5, 5)


@pytest.mark.parametrize("awakes_in_time", [True, False])
def test_a_machine_that_stood_still_keeps_its_locks_and_no_account_is_made_twice(
    fleet: QueuedFleet, *, awakes_in_time: bool
) -> None:
    for name in fleet.names:
        fleet.boxes[name].set_behavior(faults={"scim.latency": "3s"})
    with worker(fleet, "--at-once", "4") as sleeper:
        asking = fleet.begin("apply", "--yes", "--on", "workers")
        until(lambda: all(fleet.writes(name) for name in fleet.names))
        # What is given back is tried elsewhere, finds the lock taken, and is tried again long after, or not at all.
        with sleeper.frozen(), worker(fleet, again=(0.1, 300.0) if awakes_in_time else (0.1,)):
            if awakes_in_time:
                until(lambda: fleet.ask("SELECT count(*) FROM procrastinate_jobs WHERE attempts > 1") == [(4,)])
            else:
                code, rows = fleet.end(asking)
            for name in fleet.names:
                fleet.boxes[name].set_behavior()
        if awakes_in_time:
            code, rows = fleet.end(asking)
            assert (code, set(outcomes(rows).values())) == (0, {"done"})
        else:
            assert (code, set(outcomes(rows).values())) == (5, {"locked"})
            assert all("holds the lock" in row["error"] for row in rows.values())
            until(lambda: fleet.ask("SELECT count(*) FROM fleet_results WHERE exit_code = 0") == [(4,)])
        code, rows, _ = fleet.run("plan", "--detailed-exitcode", "--on", "workers")
        assert (code, set(outcomes(rows).values())) == (0, {"no changes"})
    for name in fleet.names:
        created = [request for request in fleet.writes(name) if request.method == "POST" and "/Users" in request.path]
        assert (fleet.accounts(name), len(created)) == (5, 5)


def test_workers_and_the_asking_command_outlive_a_restart_of_the_database(
    own_server: PrivateServer, tmp_path: Path
) -> None:
    fleet = QueuedFleet(tmp_path, own_server.url)
    for name in fleet.names:
        fleet.boxes[name].set_behavior(faults={"scim.latency": "100ms"})
    with worker(fleet, "--at-once", "1") as one, worker(fleet, "--at-once", "1"):
        asking = fleet.begin("apply", "--yes", "--on", "workers")
        until(lambda: any(fleet.writes(name) for name in one.tenants()))
        own_server.stop("fast")
        until(lambda: "database was lost" in fleet.said())
        own_server.start()
        code, rows = fleet.end(asking)
        assert not one.process.is_over(), "it goes on"
        assert (code, set(outcomes(rows).values())) == (0, {"done"})
    assert {name: fleet.accounts(name) for name in fleet.names} == dict.fromkeys(fleet.names, 5)
    fleet.stop()


@pytest.fixture
def own_server(postgres: PrivateServer) -> Iterator[PrivateServer]:
    """A server that a test may stop; the one that all share says whether there can be one."""
    made = PrivateServer()
    yield made
    made.remove()


def test_an_asking_command_that_is_killed_finds_everything_again(fleet: QueuedFleet) -> None:
    fleet.boxes["delta"].set_behavior(faults={"scim.latency": "300ms"})
    with worker(fleet, "--at-once", "4"):
        asking = fleet.begin("apply", "--yes", "--on", "workers")
        until(lambda: fleet.queued() == {("delta", "doing")})
        asking.kill()
        code, rows, said = fleet.run("apply", "--yes", "--on", "workers")
    assert (code, set(outcomes(rows).values())) == (0, {"done"})
    assert {row["users"] for row in rows.values()} == {5}, "what the first one caused, not a second apply"
    assert "asked the same for" in said
    assert fleet.ask("SELECT count(*) FROM fleet_results") == [(4,)], "each was run once"


def test_a_tenant_that_is_in_two_fleets_is_applied_by_one_of_them_at_a_time(fleet: QueuedFleet) -> None:
    second = fleet.folder / "second.toml"
    second.write_text((fleet.folder / "fleet.toml").read_text("utf-8"), "utf-8")
    for name in fleet.names:
        fleet.boxes[name].set_behavior(faults={"scim.latency": "3s"})
    with worker(fleet):
        first = fleet.begin("apply", "--yes", "--on", "workers")
        until(lambda: all(fleet.writes(name) for name in fleet.names))
        done = run("fleet", "apply", "--yes", "--format", "json", "--fleet", str(second))
        for name in fleet.names:
            fleet.boxes[name].set_behavior()
        code, rows = fleet.end(first)
    assert (done.code, {row["outcome"] for row in done.json["tenants"]}) == (5, {"locked"})
    assert (code, set(outcomes(rows).values())) == (0, {"done"})
    for name in fleet.names:
        created = [request for request in fleet.writes(name) if request.method == "POST" and "/Users" in request.path]
        assert (fleet.accounts(name), len(created)) == (5, 5)


def test_two_commands_that_ask_the_same_share_the_answers_and_nothing_in_the_database_is_a_secret_or_a_path(
    fleet: QueuedFleet,
) -> None:
    both = [fleet.begin("plan", "--on", "workers") for _ in range(2)]
    until(lambda: fleet.waiting_commands() == 2 and fleet.queued() == {(name, "todo") for name in fleet.names})
    jobs = fleet.ask("SELECT args, lock, queueing_lock, queue_name FROM procrastinate_jobs")
    with worker(fleet):
        ends = [fleet.end(asking) for asking in both]
    assert [(code, set(outcomes(rows).values())) for code, rows in ends] == [(0, {"changes"})] * 2
    results = fleet.ask("SELECT summary, document, question, tenant FROM fleet_results")
    assert len(results) == 4, "each was run once"
    written = json.dumps([jobs, results])
    for secret in (fleet.boxes["alpha"].token, fleet.boxes["alpha"].secret_key, str(fleet.folder), fleet.url):
        assert secret not in written


def test_a_worker_with_another_copy_of_a_file_refuses_that_tenant_by_name(fleet: QueuedFleet, tmp_path: Path) -> None:
    other = fleet.copy(tmp_path / "other")
    file = other / "tenants" / "bravo.toml"
    file.write_text(file.read_text("utf-8").replace("retries = 0", "retries = 1"), "utf-8")
    (other / "tenants" / "alpha.toml").write_text(
        "# a comment makes no other copy\n" + (other / "tenants" / "alpha.toml").read_text("utf-8"), "utf-8"
    )
    (other / "tenants" / "delta.toml").unlink()
    with worker(fleet, folder=other):
        code, rows, _ = fleet.run("plan", "--on", "workers")
    assert code == 78
    assert outcomes(rows) == {
        "alpha": "changes",
        "bravo": "configuration",
        "charlie": "changes",
        "delta": "configuration",
    }
    assert "refuses it" in rows["bravo"]["error"]
    assert "is another" in rows["bravo"]["error"]
    assert 'no tenant "delta"' in rows["delta"]["error"]
    assert fleet.boxes["bravo"].requests == [], "not even read"


def test_a_worker_that_began_with_a_broken_file_takes_the_tenant_once_it_is_repaired(fleet: QueuedFleet) -> None:
    file = fleet.folder / "tenants" / "bravo.toml"
    sound = file.read_text("utf-8")
    file.write_text("[duo", "utf-8")
    with worker(fleet):
        file.write_text(sound, "utf-8")
        code, rows, _ = fleet.run("plan", "--on", "workers", "--tenant", "bravo")
    assert (code, outcomes(rows)) == (0, {"bravo": "changes"}), rows


def test_a_worker_of_another_version_refuses_by_name(fleet: QueuedFleet) -> None:
    with worker(fleet, version="0.0.1"):
        code, rows, _ = fleet.run("plan", "--on", "workers")
    assert (code, set(outcomes(rows).values())) == (78, {"configuration"})
    assert "runs ninjasync 0.0.1" in rows["alpha"]["error"]


def test_what_a_canary_or_failures_in_a_row_forbid_is_not_in_the_queue(fleet: QueuedFleet) -> None:
    fleet.write("bravo", token="another-token-altogether")
    fleet.settings('canaries = ["bravo"]')
    with worker(fleet, "--at-once", "1"):
        code, rows, _ = fleet.run("apply", "--yes", "--on", "workers")
        assert code == 6
        assert outcomes(rows) == {"bravo": "credentials", **dict.fromkeys(("alpha", "charlie", "delta"), "not begun")}
        assert fleet.ask("SELECT tenant FROM fleet_results") == [("bravo",)]
        for name in fleet.names:
            fleet.write(name, token="another-token-altogether")
            fleet.boxes[name].set_behavior(faults={"duo.latency": "700ms"})
        fleet.settings("stop_after = 1")
        code, rows, _ = fleet.run("apply", "--yes", "--on", "workers")
        assert code == 6
        assert "not begun" in outcomes(rows).values()
        until(lambda: not fleet.queued())
    assert len(fleet.ask("SELECT tenant FROM fleet_results")) < 1 + 4


def test_a_worker_that_is_told_to_stop_gives_its_tenants_back(fleet: QueuedFleet) -> None:
    for name in fleet.names:
        fleet.boxes[name].set_behavior(faults={"scim.latency": "200ms"})
    with worker(fleet, "--at-once", "4") as first:
        asking = fleet.begin("apply", "--yes", "--on", "workers")
        until(lambda: all(fleet.writes(name) for name in fleet.names))
        first.process.terminate()
        assert first.process.wait(60) == 0
        assert {status for _, status in fleet.queued()} <= {"todo"}
        with worker(fleet):
            code, rows = fleet.end(asking)
    assert (code, set(outcomes(rows).values())) == (0, {"done"})
    assert {name: fleet.accounts(name) for name in fleet.names} == dict.fromkeys(fleet.names, 5)


def test_ctrl_c_empties_the_queue_and_stops_what_is_under_way(fleet: QueuedFleet) -> None:
    for name in fleet.names:
        fleet.boxes[name].set_behavior(faults={"scim.latency": "200ms"})
    with worker(fleet, "--at-once", "1") as only:
        asking = fleet.begin("apply", "--yes", "--on", "workers")
        until(lambda: any(fleet.writes(name) for name in only.tenants()))
        asking.send_signal(signal.SIGINT)
        code, rows = fleet.end(asking)
    assert code == 130
    assert sorted(outcomes(rows).values()) == ["interrupted", "not begun", "not begun", "not begun"]
    assert fleet.queued() == set()


def test_ctrl_c_where_no_worker_is_at_work_leaves_nothing_in_the_queue(fleet: QueuedFleet) -> None:
    asking = fleet.begin("apply", "--yes", "--on", "workers")
    until(lambda: fleet.queued() == {(name, "todo") for name in fleet.names})
    asking.send_signal(signal.SIGINT)
    code, rows = fleet.end(asking)
    assert (code, set(outcomes(rows).values()), fleet.queued()) == (130, {"not begun"}, set())


def test_ctrl_c_does_not_wait_for_a_worker_that_is_gone(fleet: QueuedFleet) -> None:
    fleet.boxes["alpha"].set_behavior(faults={"scim.latency": "200ms"})
    with worker(fleet) as only:
        asking = fleet.begin("apply", "--yes", "--on", "workers", "--tenant", "alpha")
        until(lambda: fleet.writes("alpha"))
        only.process.kill()
        only.process.wait()
        fleet.tell("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '2 minutes'")
        asking.send_signal(signal.SIGINT)
        code, rows = fleet.end(asking)
    assert (code, outcomes(rows)) == (130, {"alpha": "killed"})


def test_a_job_that_no_fleet_asks_is_refused(fleet: QueuedFleet) -> None:
    assert fleet.show("work", "--tables").code == 0
    file = fleet.folder / "written-by-a-job"
    job = {
        "tenant": "alpha",
        "arguments": ["plan", "--out", str(file)],
        "digest": "",
        "version": "",
        "whole": False,
    }
    with worker(fleet):
        fleet.put_job(job)
        fleet.put_job({"something": "else"})
        until(lambda: fleet.ask("SELECT count(*) FROM fleet_results WHERE exit_code = 64") == [(2,)])
    assert not file.exists()


def test_what_workers_cannot_do_is_said_before_anything_is_done(fleet: QueuedFleet, tmp_path: Path) -> None:
    for arguments, named in (
        (["plan", "--out", str(tmp_path / "plans")], "--out"),
        (["apply", str(tmp_path)], "DIR"),
        (["apply"], "--yes"),
        (["plan", "--at-once", "3"], "--at-once"),
        (["check", "--at-once", "3"], "--at-once"),
    ):
        done = fleet.show(*arguments, "--on", "workers")
        assert done.code == 64
        assert f"does not go with {named}" in done.err or named in done.err
    assert not (tmp_path / "plans").exists()
    assert fleet.ask("SELECT to_regclass('fleet_results')") == [(None,)]


def test_where_every_file_is_wrong_no_worker_is_waited_for(fleet: QueuedFleet) -> None:
    for file in (fleet.folder / "tenants").glob("*.toml"):
        file.write_text(
            file.read_text("utf-8").replace(f'url = "{fleet.url}"', f'path = "{file.stem}.sqlite"'), "utf-8"
        )
    (fleet.folder / "tenants" / "alpha.toml").write_text("[duo", "utf-8")
    code, rows, said = fleet.run("plan", "--on", "workers")
    assert (code, {row["outcome"] for row in rows.values()}) == (78, {"configuration"})
    assert "No worker is at work" not in said


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("", 78, "[fleet] database: is empty"),
        ("mysql://db.example.com/x", 78, "[fleet] database"),
        ("postgresql:///queue?host=/nowhere/at/all&user=owner", 1, "cannot be reached"),
        ("postgresql://owner:SECRET@[/queue", 78, "[fleet] database"),
    ],
)
def test_a_database_that_is_none_or_away_is_said_in_a_sentence(
    fleet: QueuedFleet, url: str, code: int, said: str
) -> None:
    fleet.queue = url
    fleet.settings("")
    for command in (["plan", "--on", "workers"], ["work"]):
        done = fleet.show(*command)
        assert done.code == code
        assert said in done.err
        assert "SECRET" not in done.err
        assert "unexpected" not in done.err.lower()


def test_a_role_is_told_which_rights_it_needs_and_a_ledger_in_a_file_does_not_do(
    fleet: QueuedFleet, database: TestDatabase
) -> None:
    role = database.add_role("everyday")
    fleet.queue = database.url_as(role)
    fleet.settings("")
    done = fleet.show("work")
    assert (done.code, "fleet work --tables" in done.err) == (1, True), done.err
    fleet.queue = fleet.url
    fleet.settings("")
    granted = fleet.show("work", "--tables")
    assert granted.code == 0
    fleet.queue = database.url_as(role)
    fleet.settings("")
    done = fleet.show("work")
    assert (done.code, "permission denied" in done.err) == (1, True)
    assert "-- The queue has its tables in postgresql:///" in granted.out
    fleet.tell(granted.out.replace("TO ninjasync;", f"TO {role};"))
    file = fleet.folder / "tenants" / "alpha.toml"
    file.write_text(file.read_text("utf-8").replace(f'url = "{fleet.url}"', 'path = "alpha.sqlite"'), "utf-8")
    with worker(fleet):
        code, rows, _ = fleet.run("plan", "--on", "workers")
    assert (code, rows["alpha"]["outcome"]) == (78, "configuration")
    assert "[state] url" in rows["alpha"]["error"], "a ledger in a file is no ledger for several machines"
    assert {row["outcome"] for name, row in rows.items() if name != "alpha"} == {"changes"}
