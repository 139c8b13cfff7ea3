"""What the system may refuse a process, as a sentence with its cure: a full disk, too few files, a lost folder."""

import errno
import os

from ninjasync.errors import NinjasyncError
from ninjasync.model.message import Message, text

_CURES = {
    errno.ENOSPC: "Make room on the disk, and run again.",
    errno.EDQUOT: "Make room on the disk, and run again.",
    errno.EFBIG: "Raise the limit on the size of files (ulimit -f), and run again.",
    errno.EROFS: "Give a place that may be written to.",
    errno.EMFILE: "Raise the limit on open files (ulimit -n), and run again.",
    errno.ENFILE: "End other programs, or raise the system's limit on open files.",
    errno.ENOMEM: "Give this machine more memory, or the process a higher limit.",
    errno.EACCES: "Let this user at it, or give another place.",
    errno.EPERM: "Let this user at it, or give another place.",
    errno.EIO: "Look at the disk: the system could not read or write it.",
}

# Of what is refused with a path: a file where a folder is to be, a name that is too long, links in a circle.
_OTHER_CURE = "Look at that path, or give another."


def refusal_of_system(error: BaseException) -> NinjasyncError | None:
    """Return the error as a sentence with its cure, where the system is to blame and no other place said so."""
    if isinstance(error, FileNotFoundError) and _is_lost():
        return NinjasyncError(
            "The folder that ninjasync was started in is gone.", "Change to another folder, and run again."
        )
    if isinstance(error, MemoryError):
        return NinjasyncError("There is not enough memory.", _CURES[errno.ENOMEM])
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return NinjasyncError(
            "The system allows no more threads.",
            "Raise the limit on processes (ulimit -u), or lower [run] parallelism.",
        )
    if isinstance(error, OSError) and error.errno is not None and (error.filename or error.errno in _CURES):
        where = f": {error.filename}" if error.filename else ""
        return NinjasyncError(
            Message("The system refused: {}{}.", text(error.strerror), text(where)),
            _CURES.get(error.errno, _OTHER_CURE),
        )
    return None


def _is_lost() -> bool:
    try:
        os.getcwd()
    except OSError:
        return True
    return False
