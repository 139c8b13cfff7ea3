"""Log lines on standard error and in a file, as text or as one JSON object per line."""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ninjasync.cli.options import Invocation, LogFormat, LogLevel, choose_redaction_key
from ninjasync.errors import CommandLineError, NinjasyncError
from ninjasync.log import FIELDS
from ninjasync.model.message import Message, text
from ninjasync.report.escape import visible
from ninjasync.report.redact import make_tokens, redact_message, redacted_error


class _JsonFormatter(logging.Formatter):
    def __init__(self, invocation: Invocation) -> None:
        super().__init__()
        self._invocation = invocation  # the tenant is known only when the configuration has been read

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": _message(record, self._invocation),
            "run": self._invocation.run_id,
        }
        if self._invocation.tenant:
            line["tenant"] = self._invocation.tenant
        line |= {name: record.__dict__[name] for name in FIELDS if name in record.__dict__}
        if record.exc_info and (error := record.exc_info[1]):
            line["errors"] = list(_errors(error))
        return json.dumps(line)


def _errors(error: BaseException | None) -> Iterator[dict[str, Any]]:
    """Yield an error and those that led to it: kind and places; what it says is in the message, or names people."""
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        places = [{"file": frame.filename, "line": frame.lineno, "function": frame.name} for frame in frames]
        yield {"type": type(error).__name__, "frames": places}
        error = error.__cause__ or error.__context__


class _TextFormatter(logging.Formatter):
    def __init__(self, invocation: Invocation) -> None:
        super().__init__()
        self._invocation = invocation

    def format(self, record: logging.LogRecord) -> str:
        line = f"{record.levelname.lower()}: {visible(_message(record, self._invocation))}"
        if not record.exc_info:
            return line
        if not self._invocation.redact:
            return f"{line}\n{self.formatException(record.exc_info)}"
        where: list[str] = []
        for error in _errors(record.exc_info[1]):
            where += [error["type"], *("  {file}:{line} {function}".format_map(one) for one in error["frames"])]
        return "\n".join([line, *where])


def _message(record: logging.LogRecord, invocation: Invocation) -> str:
    """Return what a record says; with ``--redact`` no Message or error of ours in it names any user."""
    if not invocation.redact:
        return record.getMessage()
    key = choose_redaction_key()
    if isinstance(record.msg, Message):
        return redact_message(record.msg, make_tokens(key))
    given = record.args if isinstance(record.args, tuple) else ()
    shown = tuple([redacted_error(one, key).message if isinstance(one, NinjasyncError) else one for one in given])
    return str(record.msg) % shown if shown else record.getMessage()


class _StandardError(logging.Handler):
    """Writes to what standard error is at the moment: the progress bars replace it, to write lines above them."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(
                f"{self.format(record)}\n"
            )  # typer.echo would go past the progress bars, which replace this stream
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: there is no other place to say it."""


class _File(logging.FileHandler):
    """Appends to ``--log-file``; where that fails it says so once, and the run goes on without."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self._path, self._complained = path, False

    def handleError(self, record: logging.LogRecord) -> None:
        if self._complained:
            return
        self._complained = True
        error = sys.exc_info()[1]
        why = error.strerror if isinstance(error, OSError) else type(error).__name__
        sys.stderr.write(f"warning: The log file {visible(str(self._path))} cannot be written: {why}.\n")

    def close(self) -> None:
        with suppress(OSError):  # lines that are lost; the warning was written already
            super().close()


def start_logging(invocation: Invocation) -> None:
    """Set up logging as the global options ask; the libraries' own lines stay out of it."""
    level = (LogLevel.ERROR if invocation.quiet else None) or invocation.log_level or LogLevel.WARNING
    as_json = invocation.log_format is LogFormat.JSON
    formatter = _JsonFormatter(invocation) if as_json else _TextFormatter(invocation)
    handlers: list[logging.Handler] = [_StandardError()]
    if invocation.log_file:
        try:
            handlers.append(_File(invocation.log_file))
        except OSError as error:
            raise CommandLineError(
                Message(
                    "The log file {} cannot be written: {}.", text(invocation.log_file), text(error.strerror or error)
                ),
                "Give another with --log-file.",
            ) from error
    logger = logging.getLogger("ninjasync")
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    logger.propagate = False
    logger.setLevel(level.value.upper())
    for handler in handlers:
        handler.setFormatter(formatter)
        logger.addHandler(handler)
