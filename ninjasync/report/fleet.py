"""What became of each tenant of a fleet as text, JSON, Markdown or one HTML page, the worst first.

Pure: from rows to text. Names of tenants and what their reports say are hostile text, as
names in a plan are.
"""

import json
import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ninjasync import __version__
from ninjasync.model.fleet import GOOD, FleetResult, FleetRow
from ninjasync.report.escape import visible

FORMAT_VERSION = "1.0"
_WIDTH = 80
# Columns of the text: title, width, whether it is a number. The name takes what is left.
_COLUMNS = (("outcome", 13, False), ("users", 6, True), ("groups", 6, True), ("held", 5, True), ("token", 7, True))
_NAME = _WIDTH - sum(width + 1 for _, width, _ in _COLUMNS) - len(" ") - 8
_COLORS = {"refused": "33", "in part": "33", "locked": "33", "not begun": "33", "changes": "36"}


def render_text(result: FleetResult, *, color: bool) -> str:
    """Return the table in 80 columns; under each tenant that did not go well why, and the option that approves."""
    titles = [title.ljust(width) if not number else title.rjust(width) for title, width, number in _COLUMNS]
    lines = [f"{'tenant'.ljust(_NAME)} {' '.join(titles)} {'seconds':>8}"]
    for row in result.rows:
        lines.append(_line(row, color=color))
        lines += _reasons(row)
    lines += ["", *textwrap.wrap(summary_line(result), _WIDTH), f"Exit code {result.exit_code}."]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def summary_line(result: FleetResult) -> str:
    """Return the counts of all tenants in one line."""
    parts = [f"{number} {outcome}" for outcome, number in result.summary.items()]
    many = len(result.rows)
    return f"Fleet: {many} tenant{'s' * (many != 1)}{': ' if parts else ''}{', '.join(parts)}."


def render_json(result: FleetResult, created_at: datetime) -> str:
    """Return one JSON document: a row for each tenant, without their own documents."""
    document = {
        "format_version": FORMAT_VERSION,
        "ninjasync_version": __version__,
        "created_at": created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": result.command,
        "tenants": [_row_document(row) for row in result.rows],
        "summary": dict(result.summary),
        "exit_code": result.exit_code,
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def render_markdown(result: FleetResult, created_at: datetime) -> str:
    """Return a table for a comment or a ticket."""
    lines = [
        f"**{_escaped(summary_line(result))}** Exit code {result.exit_code}, {created_at:%Y-%m-%d %H:%M} UTC.",
        "",
        "| tenant | outcome | users | groups | held | token | seconds | |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in result.rows:
        approve = " ".join(f"`{option}`" for _, option in row.guards if option)
        told = " ".join(part for part in (_escaped(row.error), approve) if part)
        cells = [_escaped(row.tenant), row.outcome, *_figures(row), told]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _line(row: FleetRow, *, color: bool) -> str:
    figures = _figures(row)
    widths = [width for _, width, number in _COLUMNS if number]
    cells = [figure.rjust(width) for figure, width in zip(figures[:-1], widths, strict=True)]
    outcome = row.outcome.ljust(13)
    if color:
        outcome = f"\x1b[{'32' if row.outcome in GOOD else _COLORS.get(row.outcome, '31')}m{outcome}\x1b[0m"
    return f"{_fit(visible(row.tenant), _NAME)} {outcome} {' '.join(cells)} {figures[-1]:>8}"


def _figures(row: FleetRow) -> list[str]:
    """Return users, groups, held, the token's days and seconds as they stand in a table."""
    begun = row.seconds is not None
    numbers = [str(number) if begun else "" for number in (row.users, row.groups, row.held)]
    days = "" if row.token_days is None else "expired" if row.token_days < 0 else f"{row.token_days} d"
    return [*numbers, days, f"{row.seconds:.1f}" if row.seconds is not None else ""]


def _reasons(row: FleetRow) -> Iterator[str]:
    if row.error:
        yield from textwrap.wrap(visible(row.error), _WIDTH, initial_indent="    ", subsequent_indent="    ")
    for name, option in row.guards:
        if option:
            yield f"    {name}: if that is meant, {option}"


def _fit(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _row_document(row: FleetRow) -> dict[str, Any]:
    return {
        "tenant": row.tenant,
        "file": row.file,
        "outcome": row.outcome,
        "exit_code": row.exit_code,
        "users": row.users,
        "groups": row.groups,
        "held": row.held,
        "guards": [{"name": name, "approve": approve} for name, approve in row.guards],
        "token_days": row.token_days,
        "seconds": row.seconds,
        "error": row.error,
    }


def _escaped(text: str) -> str:
    """Return text that no Markdown renderer obeys, on one line of a table."""
    safe = visible(text).replace("\\", "\\\\")
    for mark in "`*_{}[]<>()#+-.!|~&$@":
        safe = safe.replace(mark, f"\\{mark}")
    return safe


def slim_document(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return of a tenant's document what the page shows of it."""
    if document is None:
        return None
    kept = ("tenant", "created_at", "source", "target", "summary", "problems", "guards", "warnings", "result", "error")
    found = {name: document[name] for name in kept if name in document}
    found["changes"] = [
        {
            name: change[name]
            for name in ("resource", "action", "key", "privilege", "diff", "reasons", "outcome", "error")
            if change.get(name)
        }
        for change in document.get("changes", [])
    ]
    return found
