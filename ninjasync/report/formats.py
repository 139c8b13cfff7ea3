"""Which formats there are, and which module renders each.

A new format is a file here with a Renderer's two functions, and a row in each table. None is
imported before it is asked for: Jinja2 alone costs 50 ms.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:  # for the Protocol alone; ``--version`` loads this file, and nothing of a plan
    from ninjasync.errors import NinjasyncError
    from ninjasync.model.message import Message
    from ninjasync.model.outcome import Result
    from ninjasync.model.plan import Plan


class Format(StrEnum):
    """How a plan or a run is rendered."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


FORMATS: Mapping[Format, str] = {
    Format.TEXT: "ninjasync.report.text",
    Format.JSON: "ninjasync.report.json",
    Format.MARKDOWN: "ninjasync.report.markdown",
    Format.HTML: "ninjasync.report.html",
}


class Renderer(Protocol):
    """What the module of a format has."""

    def render(
        self,
        plan: "Plan",
        created_at: datetime,
        result: "Result | None" = None,
        exit_code: int = 0,
        steps: "tuple[Message, ...]" = (),
    ) -> str:
        """Return a plan; with ``result`` also what became of it, the exit code and what is left to a person."""

    def render_error(self, error: "NinjasyncError", created_at: datetime, tenant: str = "") -> str:
        """Return a run that ended before there was a plan."""


def renderer_of(format: Format) -> Renderer:
    """Return the module that renders a format."""
    return cast(Renderer, import_module(FORMATS[format]))
