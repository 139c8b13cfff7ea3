"""Writes files that only their owner may read."""

import os
from pathlib import Path

from ninjasync.errors import NinjasyncError
from ninjasync.model.message import Message, text


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, all of it or nothing. Raises NinjasyncError."""
    try:
        if path.exists() and not path.is_file():  # a device or a pipe is written to, never replaced
            with path.open("wb") as stream:
                stream.write(content)
            return
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise NinjasyncError(
            Message("{} could not be written: {}.", text(path), text(error.strerror or error)),
            "Check that the folder is there, may be written to, and is not full.",
        ) from error


def write_new(path: Path, content: bytes) -> None:
    """Write a file with mode 0600 that is not there yet, all of it or nothing. Raises NinjasyncError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise NinjasyncError(
            Message("{} could not be written: {}.", text(path), text(error.strerror or error)),
            "Check that it is not there yet, and that the folder may be written to and is not full.",
        ) from error
