"""A plan, its outcomes or an error as one JSON document (CONTRACT §4). The same input gives the same bytes."""

import json
from datetime import datetime
from typing import Any

from ninjasync import __version__
from ninjasync.errors import ConfigurationError, NinjasyncError
from ninjasync.model.document import FORMAT_VERSION, digest, document
from ninjasync.model.message import Message
from ninjasync.model.outcome import Result
from ninjasync.model.plan import Plan


def render(
    plan: Plan,
    created_at: datetime,
    result: Result | None = None,
    exit_code: int = 0,
    steps: tuple[Message, ...] = (),
) -> str:
    """Return the document of a plan; with ``result`` that of a run, which ended with ``exit_code``.

    ``steps`` are no part of it: they are sentences for people, on standard error.
    """
    body = document(plan)
    head = _head(created_at) | {"digest": digest(body)}
    if result is not None:
        for change, outcome in zip(body["changes"], result.outcomes, strict=True):
            change["outcome"] = outcome.status
            if outcome.error:
                change["error"] = outcome.error
            if outcome.observed:
                change["observed"] = [
                    {"path": plan.shown.get(one.path, one.path), "sent": one.sent, "shown": one.shown}
                    for one in outcome.observed
                ]
        counts = {status: result.count(status) for status in ("applied", "failed", "skipped")}
        body |= {"result": counts | {"exit_code": exit_code}}
    return _dump(head | body)


def render_error(error: NinjasyncError, created_at: datetime, tenant: str = "") -> str:
    """Return the document of a run that ended before there was a plan."""
    mistakes = error.mistakes if isinstance(error, ConfigurationError) else ()
    said = {
        "message": error.message,
        "hint": error.hint,
        "mistakes": list(mistakes),
        "exit_code": error.exit_code,
    }
    return _dump(_head(created_at) | ({"tenant": tenant} if tenant else {}) | {"error": said})


def _head(created_at: datetime) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "ninjasync_version": __version__,
        "created_at": created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _dump(body: dict[str, Any]) -> str:
    # ASCII: lone surrogates and control characters then survive any pipe and any terminal.
    return json.dumps(body, indent=2, ensure_ascii=True) + "\n"
