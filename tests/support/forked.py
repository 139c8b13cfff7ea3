"""The command line in processes that are forked from a warm server, as a fleet's tenants are.

For kills, signals and locks: each is a process of its own, at a tenth of a program's start. Knows nothing of
pytest: the server imports this.
"""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import Any, TypeAlias

import coverage

from ninjasync import cli
from ninjasync.fleet.processes import name_warm_modules

# Runs a command line and returns its exit code.
Run: TypeAlias = Callable[[list[str]], int]

# Of two threads that ask how a process ended, one would take the other's answer.
_ASKING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Forked:
    """A process that was begun; what it prints goes into files, which this process reads."""

    process: Any
    _out: Connection
    _err: Connection

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    @property
    def out(self) -> str:
        """What it has printed so far on standard output."""
        return _all_of(self._out)

    @property
    def err(self) -> str:
        """What it has printed so far on standard error."""
        return _all_of(self._err)

    def is_over(self) -> bool:
        with _ASKING:
            return self.process.exitcode is not None

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def terminate(self) -> None:
        """Tell it to stop, if it is not over by itself."""
        if not self.is_over():
            with suppress(ProcessLookupError):
                self.send_signal(signal.SIGTERM)

    def wait(self, timeout: float = 60) -> int:
        """Wait for its end and return its exit code; TimeoutError if that does not come."""
        if not self.is_over() and not wait([self.process.sentinel], timeout):
            raise TimeoutError(f"process {self.pid} is not over after {timeout} s")
        with _ASKING:
            self.process.join()
            return int(self.process.exitcode)

    def kill(self) -> None:
        """End it, if it is not over by itself."""
        if not self.is_over():  # else its number may be another's by now
            with suppress(ProcessLookupError):  # it ended a moment ago
                self.send_signal(signal.SIGKILL)
        self.wait()


def fork(*arguments: str, stdin: int | None = None, stderr: int | None = None) -> Forked:
    """Begin a command line in a process of its own, in this folder and environment.

    Streams are descriptors, as of a terminal; without them there is no input, and standard error is ``err``.
    """
    return fork_call(_run, *arguments, stdin=stdin, stderr=stderr)


def fork_call(run: Run, *arguments: str, stdin: int | None = None, stderr: int | None = None) -> Forked:
    """Begin such a process that calls ``run``, a function of a module; what it returns is the exit code."""
    context = multiprocessing.get_context("forkserver")
    start_server()
    out, err = _file(), _file()
    given = Connection(os.open(os.devnull, os.O_RDONLY) if stdin is None else os.dup(stdin))
    streams = [given, out, err if stderr is None else Connection(os.dup(stderr))]
    process = context.Process(target=_begin, args=(run, list(arguments), dict(os.environ), os.getcwd(), streams))
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")  # each process would run pytest's own file again
    try:
        with _ASKING:
            process.start()
    finally:
        sys.modules["__main__"] = program
    made = Forked(process, out, err)
    atexit.register(made.kill)  # before it would be waited for
    return made


def start_server() -> None:
    """Start the warm server, if there is none. It is not measured, nor is what a fleet's processes run there."""
    multiprocessing.get_context("forkserver").set_forkserver_preload([*name_warm_modules(sys.modules), __name__])
    before = dict(os.environ)
    try:
        for name in before.keys() - unmeasured().keys():
            del os.environ[name]
        forkserver.ensure_running()
    finally:
        os.environ.update(before)


def unmeasured() -> dict[str, str]:
    """Return the environment of a process whose lines are not to be counted, which costs it a third less.

    So it is where it will be killed, which loses the count, and where it has no room for the count's own file.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def _file() -> Connection:
    """Return a file without a name, in the form in which a process takes it along."""
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    return Connection(descriptor)


def _all_of(file: Connection) -> str:
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode()


def _run(arguments: list[str]) -> int:
    return cli.run(arguments)


def _begin(run: Run, arguments: list[str], environment: dict[str, str], folder: str, streams: list[Connection]) -> None:
    """Be what a program is that begins, and end with its exit code."""
    os.environ.clear()
    os.environ.update(environment)
    measured = coverage.process_startup(force=True) if environment.keys() - unmeasured().keys() else None
    for name in environment.keys() - unmeasured().keys():
        del os.environ[name]
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the server may block some, which a fleet's tenants are told of
    # As the program does where it starts by itself, see __main__.
    gc.set_threshold(200_000)
    sys.setswitchinterval(0.0005)
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115 - to the end
    sys.stderr = open(2, "w", encoding=encoding, buffering=1, closefd=False)  # noqa: SIM115
    code = run(arguments)
    if measured:  # here, as such a process ends without what is kept for the end of a program
        measured.stop()
        measured.save()
    sys.exit(code)
