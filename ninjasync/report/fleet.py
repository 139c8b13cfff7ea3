"""What became of each tenant of a fleet as text, JSON, Markdown or one HTML page, the worst first.

Pure: from rows to text. Names of tenants and what their reports say are hostile text, as
names in a plan are.
"""

import json
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ninjasync import __version__
from ninjasync.model.fleet import FleetOutcome, FleetResult, FleetRow
from ninjasync.report.escape import visible

FORMAT_VERSION = "1.0"
_WIDTH = 80
_MOST_NAMES = 20
_OUTCOME = 13  # the longest outcome
# The numbers that a table has by command, as fields of a row; after them come the token's days and the last column.
_RUN = ("users", "groups", "removals", "held")
_NUMBERS: Mapping[str, tuple[str, ...]] = {
    "plan": _RUN,
    "apply": _RUN,
    "status": ("applied", "held", "pending"),
    "check": ("red", "yellow", "green"),
}
_LAST = {"status": "last apply"}
_FINE = {"done", "no changes", "in order"}
_COLORS = {"refused": "33", "in part": "33", "locked": "33", "not begun": "33", "changes": "36", "warnings": "33"}


def titles(command: str) -> list[str]:
    """Return the titles of the columns after tenant and outcome."""
    return [*_NUMBERS[command], "token", _LAST.get(command, "seconds")]


def figures(command: str, row: FleetRow) -> list[str]:
    """Return what stands in those columns; "" for what is not known."""
    numbers = [getattr(row, name) for name in _NUMBERS[command]]
    days = "" if row.token_days is None else "expired" if row.token_days < 0 else f"{row.token_days} d"
    if command == "status":
        last = f"{row.last_run:%Y-%m-%d %H:%M}" if row.last_run else ""
    else:
        last = f"{row.seconds:.1f}" if row.seconds is not None else ""
    return [*("" if number is None else str(number) for number in numbers), days, last]


def render_text(result: FleetResult, *, color: bool, ended: bool = True) -> str:
    """Return the table in 80 columns; under each tenant that did not go well why, and the option that approves.

    Without ``ended`` a question follows, and no exit code is told.
    """
    heads = titles(result.command)
    widths = [max(len(head), 5) for head in heads[:-2]] + [7, 16 if result.command == "status" else 8]
    name = _WIDTH - _OUTCOME - 1 - sum(width + 1 for width in widths)
    head = " ".join(title.rjust(width) for title, width in zip(heads, widths, strict=True))
    lines = [f"{'tenant'.ljust(name)} {'outcome'.ljust(_OUTCOME)} {head}"]
    for row in result.rows:
        cells = " ".join(
            figure.rjust(width) for figure, width in zip(figures(result.command, row), widths, strict=True)
        )
        outcome = _painted(outcome_word(result.command, row.outcome), color=color)
        lines.append(f"{_fit(visible(row.tenant), name)} {outcome} {cells}")
        lines += _reasons(row)
    lines += ["", *textwrap.wrap(summary_line(result), _WIDTH)]
    if line := roles_line(result):
        lines += textwrap.wrap(visible(line), _WIDTH)
    if ended and result.command != "status":  # that reads ledgers, and ends with 0 whatever they tell
        lines.append(f"Exit code {result.exit_code}.")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def outcome_word(command: str, outcome: FleetOutcome) -> str:
    """Return what an outcome is called in a table: to begin nothing is not what ``fleet status`` tells of."""
    return "no apply yet" if (command, outcome) == ("status", "not begun") else outcome


def roles_line(result: FleetResult) -> str:
    """Return which groups an apply made, by tenant: NinjaOne gives them no role by itself. "" where it made none."""
    made = [f"{row.tenant} ({_some(row.new_groups)})" for row in result.rows if row.new_groups]
    return f"Groups without a role yet, to be mapped in the NinjaOne console: {_some(made)}." if made else ""


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def summary_line(result: FleetResult) -> str:
    """Return the counts of all tenants in one line."""
    parts = [f"{number} {outcome_word(result.command, outcome)}" for outcome, number in result.summary.items()]
    many = len(result.rows)
    return f"Fleet: {many} tenant{'s' * (many != 1)}{': ' if parts else ''}{', '.join(parts)}."


def render_json(result: FleetResult, created_at: datetime) -> str:
    """Return one JSON document: a row for each tenant, without their own documents."""
    document = {
        "format_version": FORMAT_VERSION,
        "ninjasync_version": __version__,
        "created_at": created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": result.command,
        "tenants": [_row_document(result.command, row) for row in result.rows],
        "summary": dict(result.summary),
        "exit_code": result.exit_code,
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def render_markdown(result: FleetResult, created_at: datetime) -> str:
    """Return a table for a comment or a ticket."""
    code = "" if result.command == "status" else f"Exit code {result.exit_code}, "
    lines = [
        f"**{_escaped(summary_line(result))}** {code}{created_at:%Y-%m-%d %H:%M} UTC.",
        "",
        f"| tenant | outcome | {' | '.join(titles(result.command))} | |",
        f"| --- | --- | {'---: | ' * len(titles(result.command))}--- |",
    ]
    for row in result.rows:
        approve = " ".join(f"`{option}`" for _, option in row.guards if option)
        told = " ".join(part for part in (_escaped(row.error), approve) if part)
        cells = [_escaped(row.tenant), outcome_word(result.command, row.outcome), *figures(result.command, row), told]
        lines.append(f"| {' | '.join(cells)} |")
    if line := roles_line(result):
        lines += ["", _escaped(line)]
    return "\n".join(lines) + "\n"


def _painted(outcome: str, *, color: bool) -> str:
    shown = outcome.ljust(_OUTCOME)
    return f"\x1b[{'32' if outcome in _FINE else _COLORS.get(outcome, '31')}m{shown}\x1b[0m" if color else shown


def _reasons(row: FleetRow) -> Iterator[str]:
    if row.error:
        yield from textwrap.wrap(visible(row.error), _WIDTH, initial_indent="    ", subsequent_indent="    ")
    for name, option in row.guards:
        if option:
            yield f"    {name}: if that is meant, {option}"


def _fit(text: str, width: int) -> str:
    """Return a name that takes ``width`` columns of a terminal, cut off where it is longer."""
    kept, taken = "", 0
    for char in text:
        wide = _columns(char)
        if taken + wide > width - (_columns(text) > width):
            kept, taken = f"{kept}…", taken + 1
            break
        kept, taken = kept + char, taken + wide
    return kept + " " * (width - taken)


def _columns(text: str) -> int:
    """Return how many columns a terminal gives to a text; a combining mark takes none, a wide letter two."""
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def _row_document(command: str, row: FleetRow) -> dict[str, Any]:
    more = {name: getattr(row, name) for name in _NUMBERS[command] if name not in _RUN}
    if command == "status":
        more["last_run"] = row.last_run.isoformat() if row.last_run else None
    return {
        "tenant": row.tenant,
        "file": row.file,
        "outcome": row.outcome,
        "exit_code": row.exit_code,
        "users": row.users,
        "groups": row.groups,
        "removals": row.removals,
        "held": row.held,
        **more,
        "guards": [{"name": name, "approve": approve} for name, approve in row.guards],
        "new_groups": list(row.new_groups),
        "token_days": row.token_days,
        "seconds": row.seconds,
        "error": row.error,
        "paused": row.paused,
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
    kept = ("tenant", "created_at", "summary", "problems", "guards", "warnings", "result", "error", "checks")
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
