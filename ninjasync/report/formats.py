"""Which renderer makes which format. Each is imported when it is asked for: Jinja2 alone costs 50 ms."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
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


def rendered_plan(plan: "Plan", created_at: datetime, format: Format, *, color: bool) -> str:
    """Return a plan in the format that was asked for."""
    match format:
        case Format.TEXT:
            from ninjasync.report import text

            return text.render_plan(plan, color=color)
        case Format.JSON:
            from ninjasync.report import json

            return json.render(plan, created_at)
        case Format.MARKDOWN:
            from ninjasync.report import markdown

            return markdown.render(plan, created_at)
        case Format.HTML:
            from ninjasync.report import html

            return html.render(plan, created_at)
    assert_never(format)


def rendered_run(
    plan: "Plan",
    created_at: datetime,
    format: Format,
    result: "Result",
    exit_code: int,
    steps: "tuple[Message, ...]",
) -> str:
    """Return a plan and what became of it in the format that was asked for."""
    match format:
        case Format.TEXT:
            from ninjasync.report import text

            told = text.render_result(result, plan, steps, color=False)
            return text.render_plan(plan, color=False) + told
        case Format.JSON:
            from ninjasync.report import json

            return json.render(plan, created_at, result, exit_code)
        case Format.MARKDOWN:
            from ninjasync.report import markdown

            return markdown.render(plan, created_at, result, exit_code, steps)
        case Format.HTML:
            from ninjasync.report import html

            return html.render(plan, created_at, result, exit_code, steps)
    assert_never(format)


def rendered_error(error: "NinjasyncError", created_at: datetime, format: Format, tenant: str = "") -> str:
    """Return a run that ended before there was a plan in the format that was asked for."""
    match format:
        case Format.TEXT:
            named = f" [tenant {tenant}]" if tenant else ""
            return "\n".join([*getattr(error, "mistakes", ()), f"Error: {error.message}{named}", error.hint, ""])
        case Format.JSON:
            from ninjasync.report import json

            return json.render_error(error, created_at, tenant)
        case Format.MARKDOWN:
            from ninjasync.report import markdown

            return markdown.render_error(error, created_at, tenant)
        case Format.HTML:
            from ninjasync.report import html

            return html.render_error(error, created_at, tenant)
    assert_never(format)
