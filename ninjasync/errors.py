"""The error tree: what went wrong, what to do about it, and the exit code that says so.

Raised anywhere, caught at one place (``cli``). Messages are for an operator at
night: one sentence with what failed and for which user, and a hint with the next step.
Nothing here knows where an error is shown.
"""

from typing import Any


class NinjasyncError(Exception):
    """Something failed. ``message`` is one sentence, ``hint`` the next step or empty.

    ``exit_code`` is the process's exit code (CONTRACT §2).
    """

    exit_code = 1
    # NinjaOne's id of a resource that is there all the same.
    id: str | None = None

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UnreachableError(NinjasyncError):
    """A service did not answer, or answered with something that is no answer."""


class IncompleteReadError(NinjasyncError):
    """A read cannot be proven complete. Not read is never taken for absent."""


class RefusedRequestError(NinjasyncError):
    """A service understood a request and said no.

    ``status`` is the HTTP status, ``kind`` SCIM's scimType; ``explained`` says whether it gave any reason.
    """

    def __init__(self, message: str, hint: str = "", *, status: int, kind: str = "", explained: bool = False) -> None:
        super().__init__(message, hint)
        self.status, self.kind, self.explained = status, kind, explained


class NotKeptError(NinjasyncError):
    """A service did only a part of it, or said yes and did something else.

    ``id`` is the id of the resource, which is there. ``undone`` are the attribute paths,
    and the Duo ids of the members, that did not arrive; None where it is not known of
    which members. ``status`` is the HTTP status where it was refused, ``observed`` are the
    Observations that were made on the way.
    """

    observed: tuple[Any, ...] = ()

    def __init__(
        self, message: str, hint: str = "", *, id_: str, undone: frozenset[str] | None = None, status: int = 0
    ) -> None:
        super().__init__(message, hint)
        self.id, self.undone, self.status = id_, undone, status


class RefusedForSafetyError(NinjasyncError):
    """A guard tripped, or the operator said no."""

    exit_code = 3


class LedgerError(NinjasyncError):
    """The ledger cannot be read or written, or is not to be trusted."""


class LedgerNotWritableError(LedgerError):
    """The ledger cannot be written; a plan does without, an apply does not start."""


class RefusedRowError(LedgerError):
    """The ledger did not take one row, for what is in it; it takes others."""


class LedgerLostError(LedgerNotWritableError):
    """The connection to the ledger is gone, and with it the tenant's lock."""


class LockedError(NinjasyncError):
    """Another run of this tenant is under way."""

    exit_code = 5


class CredentialsError(NinjasyncError):
    """A service refused a key, a secret or a token."""

    exit_code = 6


class CommandLineError(NinjasyncError):
    """The command line is wrong."""

    exit_code = 64


class ConfigurationError(NinjasyncError):
    """The configuration is wrong. ``mistakes`` has a sentence for each; one that quotes the file is a Message."""

    exit_code = 78

    def __init__(self, message: str, hint: str = "", *, mistakes: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.mistakes = mistakes


class InterruptedRunError(NinjasyncError):
    """SIGINT or SIGTERM arrived; what had been applied by then is known."""

    exit_code = 130
