"""The three standard streams, whatever the caller did to them: closed, full, or of another encoding."""

import io
import os
import sys
from contextlib import suppress
from typing import TextIO


class _Unfailing(io.FileIO):
    """A stream that may be full or closed: what cannot be written there neither ends a run nor changes its code."""

    def write(self, data: object) -> int:
        with suppress(OSError):
            return super().write(data)  # type: ignore[arg-type]  # as FileIO has it: anything with a buffer
        return memoryview(data).nbytes  # type: ignore[arg-type]  # the same


def prepare_streams() -> None:
    """Make standard input, output and error usable, whatever the caller did to them."""
    if os.name == "posix":
        _fill_descriptors()
    if sys.stdin is None:
        sys.stdin = io.StringIO()  # no terminal, and nothing to read
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed, or a Windows program without a console
            setattr(sys, name, io.StringIO())
        elif hasattr(stream, "reconfigure"):
            # A name with a character that the terminal's encoding lacks must not end the run.
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
        sys.stderr = _unfailing(sys.stderr)


def _fill_descriptors() -> None:
    """Open what is closed of 0, 1 and 2: else the ledger could get such a number, and be written into.

    For programs that are started from here, too: a fleet's server would get a pipe of that number.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it takes the lowest number that is free


def _unfailing(stream: io.TextIOWrapper) -> TextIO:
    raw = _Unfailing(stream.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=stream.encoding, errors="backslashreplace", line_buffering=True
    )


def flush_output() -> None:
    """Let nothing be left for Python to fail at when it ends, which would change the exit code."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        sys.stdout = io.StringIO()
