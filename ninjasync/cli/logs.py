"""Log lines on standard error and in a file, as text or as one JSON object per line."""

import json
import logging
import sys
from datetime import UTC, datetime

from ninjasync.cli.options import Invocation, LogFormat, LogLevel
from ninjasync.errors import CommandLineError
from ninjasync.report.escape import visible


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{record.levelname.lower()}: {visible(record.getMessage())}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _StandardError(logging.Handler):
    """Writes to what standard error is at the moment: progress lifts lines above its bars."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{self.format(record)}\n")  # typer.echo would go past whoever has taken its place
        except Exception:
            self.handleError(record)


def start_logging(invocation: Invocation) -> None:
    """Set up logging as the global options ask; the libraries' own lines stay out of it."""
    level = (LogLevel.ERROR if invocation.quiet else None) or invocation.log_level or LogLevel.WARNING
    formatter = _JsonFormatter() if invocation.log_format is LogFormat.JSON else _TextFormatter()
    handlers: list[logging.Handler] = [_StandardError()]
    if invocation.log_file:
        try:
            handlers.append(logging.FileHandler(invocation.log_file, encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            raise CommandLineError(
                f"The log file {invocation.log_file} cannot be written: {error.strerror or error}.",
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
