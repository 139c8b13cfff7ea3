"""What a run that failed leaves: one sentence on standard error, and the failure in place of its result."""

import logging

from ninjasync.cli import clock
from ninjasync.cli.options import Invocation, choose_redaction_key
from ninjasync.cli.session import complain
from ninjasync.errors import InterruptedRunError, NinjasyncError
from ninjasync.model.message import Message, text, word
from ninjasync.report.formats import Format, renderer_of
from ninjasync.report.redact import redacted_error
from ninjasync.runs.system_refusals import refusal_of_system


def report_failure(error: Exception, invocation: Invocation) -> int:
    """Tell the user of an error, whatever it is, and return its exit code."""
    failure = _as_ours(error, invocation)
    if invocation.redact:
        failure = redacted_error(failure, choose_redaction_key())
    logging.getLogger("ninjasync").debug("where it happened", exc_info=error)
    complain(invocation, failure)
    _deliver(failure, invocation)
    return failure.exit_code


def _as_ours(error: Exception, invocation: Invocation) -> NinjasyncError:
    """Return an error that has a sentence and an exit code."""
    if isinstance(error, NinjasyncError):
        return error
    if _is_of_an_interrupt(error):
        return InterruptedRunError("Interrupted.")
    if refusal := refusal_of_system(error):
        return refusal
    return NinjasyncError(
        Message("An unexpected error ended the run: {}: {}.", word(type(error).__name__), text(error)),
        "Please report it, with what --log-level debug shows.",
    )


def _is_of_an_interrupt(error: BaseException | None) -> bool:
    """Whether a KeyboardInterrupt became another error on its way, as it does where Python makes a class."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _deliver(failure: NinjasyncError, invocation: Invocation) -> None:
    """Write the failure to where the result was to go, so that an old file there is not taken for its result."""
    if invocation.output is not None or invocation.format is not Format.TEXT:
        renderer = renderer_of(invocation.format)
        invocation.deliver(renderer.render_error(failure, clock.now(), invocation.tenant))
