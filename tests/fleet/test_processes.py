"""Command lines side by side, each in a process of its own: exit codes, deaths, time limits, a signal to stop."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from ninjasync.config.fleet import FleetSection, TenantFile
from ninjasync.fleet.processes import Done, Job, run_side_by_side
from ninjasync.fleet.run import FleetRun, run_tenants


def act(arguments: list[str]) -> None:
    """What stands in for the command line: ends, dies, hangs, talks or waits, as it is told."""
    what, *rest = arguments
    if what == "exit":
        sys.exit(int(rest[0]))
    if what == "orphaned":
        parent = multiprocessing.parent_process()
        sys.exit(parent is None or not parent.is_alive())
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "say":
        sys.stderr.write("x" * int(rest[0]) + "\nError: the last words\n")
        sys.stdout.write("lost")
        sys.exit(1)
    if what == "swallow":
        resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
        bytearray(2**31)
    if what == "raise":
        raise ValueError("unforeseen")
    if what == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif what == "patient":
        signal.signal(signal.SIGTERM, lambda *_: Path(f"{rest[0]}.told").touch())
        signal.signal(signal.SIGINT, lambda *_: Path(f"{rest[0]}.told").rename(f"{rest[0]}.hurried") and sys.exit(130))
    elif what != "deaf":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    Path(rest[0]).touch()
    time.sleep(60)


def run(
    folder: Path,
    *commands: tuple[str, ...],
    at_once: int = 4,
    limits: tuple[float, float] = (60, 30),
    stop: threading.Event | None = None,
    heard: Callable[[Done], None] = lambda _: None,
) -> dict[str, Done]:
    jobs = [Job(f"t{number}", command, folder / f"{number}.json") for number, command in enumerate(commands)]
    found = {}
    timeout, grace = limits
    running = run_side_by_side(
        iter(jobs), act, at_once=at_once, timeout=timeout, stop=stop or threading.Event(), grace=grace
    )
    for done in running:
        heard(done)
        found[done.job.tenant] = done
    return found


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


def test_every_exit_code_is_the_right_one(tmp_path: Path) -> None:
    codes = [number % 7 for number in range(24)]
    found = run(tmp_path, *(("exit", str(code)) for code in codes), at_once=8)
    assert [found[f"t{number}"].exit_code for number in range(24)] == codes


def test_a_child_that_dies_costs_itself_alone(tmp_path: Path) -> None:
    found = run(tmp_path, ("exit", "0"), ("die",), ("raise",), ("swallow",), ("exit", "3"))
    assert [found[f"t{number}"].exit_code for number in range(5)] == [0, None, 1, 1, 3]
    assert "unforeseen" in found["t2"].said
    assert "MemoryError" in found["t3"].said


def test_of_a_child_that_prints_a_hundred_megabytes_the_end_is_kept(tmp_path: Path) -> None:
    found = run(tmp_path, ("say", str(100_000_000)), ("exit", "0"))
    assert found["t0"].said.endswith("Error: the last words\n")
    assert len(found["t0"].said) < 10_000
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


@pytest.mark.parametrize("what", ["hang", "stubborn"])
def test_a_child_that_exceeds_its_time_is_told_to_stop_and_then_killed(tmp_path: Path, what: str) -> None:
    found = run(tmp_path, (what, str(tmp_path / "began")), limits=(1.0, 0.5))
    assert found["t0"].timed_out
    assert found["t0"].exit_code in (None, 130)


def test_a_stop_starts_no_more_children_and_lets_running_ones_end(tmp_path: Path) -> None:
    stop = threading.Event()

    def request() -> None:
        wait_for(tmp_path / "began")
        stop.set()

    asking = threading.Thread(target=request)
    asking.start()
    found = run(tmp_path, ("hang", str(tmp_path / "began")), ("exit", "0"), at_once=1, stop=stop)
    asking.join()
    assert found.keys() == {"t0"}
    assert (found["t0"].exit_code, found["t0"].timed_out) == (130, False)


def test_the_children_of_a_parent_that_is_killed_stop_as_if_told(tmp_path: Path) -> None:
    began, ended = tmp_path / "began", tmp_path / "ended"
    code = (
        "import threading\nfrom pathlib import Path\nfrom tests.fleet import test_processes as t\n"
        "from ninjasync.fleet.processes import Job, run_side_by_side\n"
        f"job = Job('t', ({str(began)!r}, {str(ended)!r}), Path({str(tmp_path / 'r.json')!r}))\n"
        "list(run_side_by_side(iter([job]), t.wait_for_the_end, at_once=1, timeout=60, stop=threading.Event()))\n"
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    ) as parent:
        wait_for(began)
        parent.kill()
        wait_for(ended)


def test_a_signal_to_the_whole_group_leaves_alone_what_knows_how_the_others_end(tmp_path: Path) -> None:
    began = tmp_path / "began"
    code = (
        "import signal, sys, threading\nfrom pathlib import Path\nfrom tests.fleet import test_processes as t\n"
        "stop = threading.Event()\n"
        "signal.signal(signal.SIGTERM, lambda *_: stop.set())\n"
        f"print(t.run(Path({str(tmp_path)!r}), ('hang', {str(began)!r}), stop=stop)['t0'].exit_code)\n"
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as supervisor:
        wait_for(began)
        os.killpg(supervisor.pid, signal.SIGTERM)
        assert supervisor.communicate()[0] == "130\n"


def test_without_standard_streams_a_child_knows_its_parent_all_the_same(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom ninjasync.cli.streams import prepare_streams\n"
        "from tests.fleet import test_processes as t\nprepare_streams()\n"
        f"sys.exit(t.run(Path({str(tmp_path)!r}), ('orphaned',))['t0'].exit_code)\n"
    )
    root = Path(__file__).resolve().parents[2]
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code]
    assert subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}).returncode == 0


def test_one_that_is_told_to_stop_before_it_can_listen_was_interrupted_and_not_killed(tmp_path: Path) -> None:
    stop = threading.Event()

    def request() -> None:
        wait_for(tmp_path / "began")
        stop.set()

    threading.Thread(target=request).start()
    assert run(tmp_path, ("deaf", str(tmp_path / "began")), stop=stop)["t0"].exit_code == 130


def test_those_that_were_told_to_stop_are_interrupted_where_the_one_who_told_them_is(tmp_path: Path) -> None:
    stop = threading.Event()

    def more() -> Iterator[Job | None]:
        yield from (Job("t", ("patient", str(tmp_path / "began")), tmp_path / "0.json", stop), None)
        wait_for(tmp_path / "began")
        stop.set()
        yield None
        wait_for(tmp_path / "began.told")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_side_by_side(more(), act, at_once=2, timeout=60, stop=threading.Event()))
    assert (tmp_path / "began.hurried").exists()


def test_one_that_does_not_heed_a_stop_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    stop = threading.Event()

    def more() -> Iterator[Job | None]:
        yield from (Job("t", ("stubborn", str(tmp_path / "began")), tmp_path / "0.json", stop), None)
        wait_for(tmp_path / "began")
        stop.set()

    [done] = run_side_by_side(more(), act, at_once=2, timeout=1, stop=threading.Event(), grace=0.1)
    assert (done.exit_code, done.timed_out) == (None, False)


def test_a_process_that_cannot_be_started_costs_its_tenant_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = BaseProcess.start

    def refuse(process: BaseProcess) -> None:
        if process.name == "t1":
            raise OSError(24, "Too many open files")
        start(process)

    monkeypatch.setattr(BaseProcess, "start", refuse)
    found = run(tmp_path, ("exit", "0"), ("exit", "0"), ("exit", "3"))
    assert [found[f"t{number}"].exit_code for number in range(3)] == [0, 1, 3]
    assert "Too many open files" in found["t1"].said


def test_where_the_temporary_folders_path_is_too_long_for_a_socket_processes_are_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(forkserver, "ensure_running", refuse)
    found = run(tmp_path, ("exit", "3"), ("die",))
    assert [found[f"t{number}"].exit_code for number in range(2)] == [3, None]


def wait_for_the_end(arguments: list[str]) -> None:
    began, ended = map(Path, arguments)

    def end(number: int, frame: object) -> None:
        ended.touch()
        sys.exit(130)

    signal.signal(signal.SIGTERM, end)
    began.touch()
    time.sleep(60)


def plan_in_vain(arguments: list[str]) -> None:
    Path(arguments[arguments.index("--output") + 1]).write_text('{"changes": [], "problems": [], "summary": {}}')


@pytest.mark.parametrize("documents", [True, False])
def test_the_tenants_documents_are_kept_only_where_they_are_read(tmp_path: Path, documents: bool) -> None:
    tenant = TenantFile("north", tmp_path / "north.toml", None)
    run = FleetRun(
        "plan", FleetSection(), plan_in_vain, tmp_path, date(2026, 11, 27), lambda _: ["plan"], documents=documents
    )
    [row] = run_tenants(run, [tenant], threading.Event(), lambda _: None).rows
    assert (row.outcome, row.document is not None) == ("no changes", documents)
