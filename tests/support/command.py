"""The command line, run inside this process or as a process of its own, and what a run leaves behind.

Knows the documents that ``--format json`` prints. Must not know how ninjasync comes by them.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from ninjasync import cli
from tests.support.forked import Forked

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Ran:
    """A run that ended: its exit code, and what it printed on standard output and on standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        """Standard output as the one JSON document that it must be."""
        document: Json = json.loads(self.out)
        return document

    @property
    def text(self) -> str:
        """Everything that was printed."""
        return self.out + self.err

    @property
    def printed(self) -> str:
        """Everything that was printed, on one line, so that wrapping does not matter."""
        return " ".join((self.out + " " + self.err).split())

    @property
    def last_line(self) -> str:
        """The last line of standard output."""
        return self.out.rstrip("\n").rpartition("\n")[2]

    @property
    def warnings(self) -> str:
        """The warnings of the document, as one text."""
        return " ".join(self.json["warnings"])

    def actions(self, resource: str = "user") -> dict[str, str]:
        """Each change's action by key."""
        return {change["key"]: change["action"] for change in self.json["changes"] if change["resource"] == resource}

    def applied(self) -> dict[str, str]:
        """The action by key of each change of a user that was carried out."""
        done = [one for one in self.json["changes"] if one["outcome"] == "applied" and one["resource"] == "user"]
        return {change["key"]: change["action"] for change in done}

    def change(self, key: str) -> Json:
        """The one change of that key."""
        (change,) = (change for change in self.json["changes"] if change["key"] == key)
        return dict(change)

    def problems(self) -> dict[str, str]:
        """Each problem's code by key."""
        return {problem["key"]: problem["code"] for problem in self.json["problems"]}

    def problem(self, key: str) -> str:
        """The message of the one problem of that key."""
        (message,) = (problem["message"] for problem in self.json["problems"] if problem["key"] == key)
        return str(message)

    def tripped(self) -> dict[str, Json]:
        """The guards that stand in the way, by name."""
        return {guard["name"]: guard for guard in self.json["guards"] if guard["tripped"]}


def one_sentence(ran: Ran) -> str:
    """See that a run ended in one error, in words for people, and return all of standard error."""
    assert "Traceback" not in ran.text
    assert "unexpected error" not in ran.text
    errors = [line for line in ran.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, ran.err
    return ran.err


class Terminal:
    """Standard input as an operator at a terminal who gives that answer; ``meanwhile`` happens before it."""

    def __init__(self, answer: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._answer, self._meanwhile = answer, meanwhile

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        self._meanwhile()
        return self._answer


def run(*arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Ran:
    """Run the command line inside this process, in that folder and with those variables over the test's own.

    A process of its own costs a second of computing: that is for what only a program has that begins (``spawn``).
    Where it is to be killed or signalled, or holds a lock, a fork does (``forked``).
    """
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patches, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        for name, value in (env or {}).items():
            patches.setenv(name, value)
        if cwd:
            patches.chdir(cwd)
        code = cli.run(list(arguments))
    return Ran(code, out.getvalue(), err.getvalue())


def spawn(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start the command line as a program of its own: for streams, terminals and what happens as it begins."""
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(
        [sys.executable, "-m", "ninjasync", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,
        **options,
    )


def heed_interrupts() -> None:
    """Undo what a shell does that runs the tests in the background: their children would ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_process(*arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> Ran:
    """Run the command line as a process of its own, to its end."""
    return wait_for(spawn(*arguments, env={**os.environ, **(env or {})}, **options))


def end_of(process: Forked, timeout: float = 60) -> Ran:
    """Wait until a forked process ends by itself, at most ``timeout`` seconds."""
    code = process.wait(timeout)
    return Ran(code, process.out, process.err)


def wait_for(process: subprocess.Popen[bytes], timeout: float = 60) -> Ran:
    """Wait until a process ends by itself, at most ``timeout`` seconds."""
    with process:
        out, err = process.communicate(timeout=timeout)
    return Ran(process.returncode, out.decode(), err.decode())
