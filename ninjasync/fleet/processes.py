"""Runs command lines side by side on this machine, one forked process each.

A warm server process has the package imported; each command line gets a fork of it, which
costs a fifth of a program start, and whose death costs no other. One thread starts and
waits for all: two that do so take each other's exit codes. Knows processes and time;
knows nothing of tenants' configurations.
"""

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from ninjasync.model.fleet import INTERRUPTED

# Runs one command line and ends the process with its exit code.
Main = Callable[[list[str]], None]

# Seconds from SIGTERM, by which a run finishes the calls under way, to SIGKILL.
GRACE = 30.0
# How often the supervising thread looks up from waiting: for timeouts, and for a signal to stop.
_LOOKS_UP_AFTER = 0.2
_NO_MORE = object()
# What is sent to a whole group of processes, as `timeout` and a terminal do, is for the one who supervises: the
# server would end by them, and with it what it knows of how its forks end.
_FOR_THE_SUPERVISOR = frozenset(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_TAIL = 8_000  # bytes of standard error that are kept
# What a run imports, by name: the server process has it before the first fork. This one is the last: it looks for no
# garbage afterwards.
_WARM = "ninjasync.cli.warm"
# And what it imports only where its ledger is in PostgreSQL: psycopg alone takes as long as a run of 500 users.
_DATABASE, _WARM_DATABASE = "psycopg", "ninjasync.state.postgres"


@dataclass(frozen=True, slots=True)
class Job:
    """One command line to run for a tenant; ``result`` is the file that it writes with ``--output``.

    Setting ``stop`` tells this one to stop, as SIGTERM does.
    """

    tenant: str
    arguments: tuple[str, ...]
    result: Path
    stop: threading.Event | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """How a job ended. ``exit_code`` is None where a signal killed it; ``timed_out`` where it was told to stop."""

    job: Job
    exit_code: int | None
    seconds: float
    said: str
    timed_out: bool = False


@dataclass(slots=True)
class _Running:
    job: Job
    process: BaseProcess
    said: Path
    begun: float
    told_at: float | None = None
    timed_out: bool = False
    killed: bool = field(default=False)


def run_side_by_side(
    jobs: Iterable[Job | None], main: Main, *, at_once: int, timeout: float, stop: threading.Event, grace: float = GRACE
) -> Iterator[Done]:
    """Run each job's arguments by ``main``, ``at_once`` at a time; yield each as it ends.

    None among the jobs means that there is none at the moment, and that one may come. Setting ``stop``
    begins no more, and tells those under way to stop as SIGTERM does. One that is not over after
    ``timeout`` seconds is told so too, and killed after ``grace``.
    """
    context = _warm_context()
    waiting, running, more = iter(jobs), dict[int, _Running](), True
    try:
        while True:
            while more and len(running) < at_once and not stop.is_set():
                job = next(waiting, _NO_MORE)
                more = job is not _NO_MORE
                if not isinstance(job, Job):
                    break
                try:
                    one = _start(context, job, main)
                except (OSError, EOFError) as error:  # EOFError: the server could not, and ended
                    yield Done(job, 1, 0.0, f"Error: its process could not be started: {error or 'see above'}")
                    continue
                running[one.process.sentinel] = one
            if not running and (not more or stop.is_set()):
                return
            for sentinel in wait(list(running), _LOOKS_UP_AFTER):
                yield _end(running.pop(sentinel))  # type: ignore[arg-type]  # sentinels are numbers here
            _tell_to_stop(running.values(), timeout, grace, stop)
    finally:
        for one in running.values():
            _interrupt(one.process)
        for one in running.values():
            one.process.join(grace)
            one.process.kill()
            _end(one)


def _warm_context() -> Any:
    """Return how processes are made: forked from a warm server, or started anew where there is no fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(name_warm_modules(sys.modules))
    # The tracker first: where starting the server starts it, that lets the signals through again.
    resource_tracker.ensure_running()
    try:
        with _blocking_signals():
            forkserver.ensure_running()
    except OSError:  # a temporary folder whose path is too long for a socket's, say
        return multiprocessing.get_context("spawn")
    return context


@contextmanager
def _blocking_signals() -> Iterator[None]:
    """Let what is started block the supervisor's signals, as it goes on doing; on Windows none is started so."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_SUPERVISOR)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _FOR_THE_SUPERVISOR)


def name_warm_modules(imported: Container[str]) -> list[str]:
    """Return what the warm server imports before its first fork, in this order; ``imported`` is what this process has.

    If that holds the database's library, the fleet uses it, and so will its tenants' processes.
    """
    return [_WARM_DATABASE, _WARM] if _DATABASE in imported else [_WARM]


def _start(context: Any, job: Job, main: Main) -> _Running:
    said = job.result.with_name(f"{job.result.name}.err")
    process = context.Process(target=_run_one, args=(main, list(job.arguments), str(said)), name=job.tenant)
    with _hiding_the_program():
        process.start()
    return _Running(job, process, said, time.monotonic())


@contextmanager
def _hiding_the_program() -> Iterator[None]:
    """Let a process begin without the program's own file: Python would run that in each again, and no job needs it."""
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


def _run_one(main: Main, arguments: list[str], said: str) -> None:
    """Run one command line in this process, whose standard error goes into a file."""
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C is for the one who supervises, who tells each process once
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FOR_THE_SUPERVISOR)  # which the server it is forked from blocks
    _heed_the_parents_death()
    # As the program does where it starts by itself, see __main__.
    gc.set_threshold(200_000)
    sys.setswitchinterval(0.0005)
    for path, number in ((os.devnull, 0), (os.devnull, 1), (said, 2)):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = os.open(path, flags, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - to the end
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    main(arguments)


def _heed_the_parents_death() -> None:
    """End as by SIGTERM when the process that supervises is gone: the result would reach no one."""
    parent = multiprocessing.parent_process()
    if parent is None or not hasattr(signal, "SIGTERM"):
        return

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _tell_to_stop(running: Iterable[_Running], timeout: float, grace: float, stop: threading.Event) -> None:
    """Tell each whose time is over, or that is to stop, or all; kill those that did not heed it in time."""
    now = time.monotonic()
    for one in running:
        late = now - one.begun > timeout
        wanted = stop.is_set() or (one.job.stop is not None and one.job.stop.is_set())
        if one.told_at is None and (late or wanted):
            one.process.terminate()
            one.told_at, one.timed_out = now, late and not wanted
        elif late and one.told_at is not None and not one.killed and now - one.told_at > grace:
            one.process.kill()
            one.killed = True


def _interrupt(process: BaseProcess) -> None:
    """Let it end now, as Ctrl-C does: of one that was told to stop a second SIGTERM is the same request."""
    if os.name == "posix" and process.pid is not None and process.is_alive():
        os.kill(process.pid, signal.SIGINT)
    else:
        process.terminate()


def _end(one: _Running) -> Done:
    one.process.join()
    code = one.process.exitcode
    if code == -signal.SIGTERM and one.told_at is not None:  # told to stop before it could listen
        code = INTERRUPTED
    said = _last_words(one.said)
    one.process.close()
    seconds = time.monotonic() - one.begun
    return Done(one.job, code if code is not None and code >= 0 else None, seconds, said, one.timed_out)


def _last_words(path: Path) -> str:
    """Return the end of what a process said on standard error, and take the file away."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - _TAIL, 0))
            said = file.read()
        path.unlink()
    except OSError:
        return ""
    return said.decode("utf-8", "replace")
