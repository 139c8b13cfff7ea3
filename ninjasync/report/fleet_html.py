"""A fleet's table as one HTML page: search, filter, sort, and each tenant's plan behind its row.

As the page of a plan, it loads nothing. Tenants' plans lie in it as data, which
is read, and shown as text alone, when its row is opened: so a page of thousands opens at once.
"""

import json
from datetime import datetime

from ninjasync.model.fleet import GOOD, FleetResult, FleetRow
from ninjasync.report.escape import visible
from ninjasync.report.fleet import figures, outcome_word, roles_line, slim_document, summary_line, titles
from ninjasync.report.html import page_from


def render_html(result: FleetResult, created_at: datetime) -> str:
    """Return the page."""
    return page_from(
        "fleet",
        created_at,
        title=summary_line(result),
        command=result.command,
        exit_code=result.exit_code,
        titles=titles(result.command),
        rows=[(number, row, _cells(result.command, row)) for number, row in enumerate(result.rows)],
        outcomes=list(result.summary.items()),
        words={outcome: outcome_word(result.command, outcome) for outcome in result.summary},
        roles=visible(roles_line(result)),
        good=GOOD,
        plans=[(number, _data(row)) for number, row in enumerate(result.rows) if row.document is not None],
    )


def _data(row: FleetRow) -> str:
    """Return a tenant's document as JSON that cannot end the element that it stands in, nor reorder text."""
    text = json.dumps(_visible(slim_document(row.document)), ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _visible(value: object) -> object:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {key: _visible(inner) for key, inner in value.items()}
    return [_visible(inner) for inner in value] if isinstance(value, list) else value


def _cells(command: str, row: FleetRow) -> list[tuple[str, str]]:
    """Return what stands in the columns after the outcome, each with the number that it is sorted by."""
    shown = figures(command, row)
    days = 99999 if row.token_days is None else row.token_days
    last = row.last_run.timestamp() if row.last_run else row.seconds or 0
    return list(zip(shown, [*(figure or "-1" for figure in shown[:-2]), str(days), str(last)], strict=True))
