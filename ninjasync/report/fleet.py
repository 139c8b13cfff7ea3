"""What became of each tenant of a fleet as text, JSON, Markdown or one HTML page, the worst first.

Pure: from rows to text. Names of tenants and what their reports say are hostile text, as
names in a plan are.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, groupby
from typing import Any

from ninjasync import __version__
from ninjasync.config.tenant import in_a_command
from ninjasync.model.fleet import FleetResult, FleetRow
from ninjasync.model.message import counted
from ninjasync.model.token_expiry import is_to_be_renewed
from ninjasync.report.columns import columns, pad, wrap
from ninjasync.report.escape import visible
from ninjasync.report.markdown import LIMIT, code, code_cell, prose_cell

FORMAT_VERSION = "1.0"
PAUSED = "paused"
_WIDTH = 80
_INDENT = "    "
_MOST_NAMES, _MOST_TOKENS = 20, 10  # a column has them all
_LONGEST_NAME = 60  # in the notes below a table in Markdown, which must leave room for that
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
_COLORS = {
    **dict.fromkeys(("refused", "in part", "locked", "not begun", "no apply yet", "warnings", PAUSED), "33"),
    **dict.fromkeys(("changes", "under way"), "36"),
    **dict.fromkeys(_FINE, "32"),
}


def titles(command: str) -> list[str]:
    """Return the titles of the columns after tenant and outcome."""
    return [*_NUMBERS[command], "token", _LAST.get(command, "seconds")]


def figures(command: str, row: FleetRow) -> list[str]:
    """Return what stands in those columns; "" for what is not known."""
    numbers = [getattr(row, name) for name in _NUMBERS[command]]
    if command == "status":
        last = f"{row.last_run:%Y-%m-%d %H:%M}" if row.last_run else ""
    else:
        last = f"{row.seconds:.1f}" if row.seconds is not None else ""
    return [*("" if number is None else str(number) for number in numbers), _days(row), last]


def _days(row: FleetRow) -> str:
    """Return what stands in the token's column, in a few letters."""
    days = row.token_days
    return "" if days is None else "expired" if days < 0 else f"{days} d" if days else "today"


def sums(result: FleetResult) -> dict[str, int]:
    """Return each number of the table over all tenants of which it is known."""
    return {name: sum(getattr(row, name) or 0 for row in result.rows) for name in _NUMBERS[result.command]}


def render_text(result: FleetResult, *, color: bool, ended: bool = True) -> str:
    """Return the table in 80 columns; under each tenant that did not go well why, and the option that approves.

    Without ``ended`` a question follows, and no exit code is told.
    """
    command = result.command
    heads, total = titles(command), [*map(str, sums(result).values()), "", ""]
    cells = [figures(command, row) for row in result.rows]
    widths = [max(map(len, column)) for column in zip(heads, total, *cells, strict=True)]
    name = _WIDTH - _OUTCOME - 1 - sum(width + 1 for width in widths)
    lines = [_line("tenant", "outcome", heads, name, widths)]
    for row, shown, alike in zip(result.rows, cells, _runs_alike(result.rows), strict=True):
        word = outcome_word(command, row)
        tenant = visible(row.tenant)
        if columns(tenant) > name:  # cut off, it might be taken for another
            lines += wrap(tenant, _WIDTH)
            tenant = ""
        lines.append(_line(tenant, word, shown, name, widths, _COLORS.get(word, "31") if color else ""))
        lines += _reasons(row, alike)
    if len(result.rows) > 1:
        lines += ["", _line("total", "", total, name, widths)]
    together = re.sub(r"(\d) ", "\\1\u00a0", summary_line(result))  # a number and what it counts
    lines += ["", *(line.replace("\u00a0", " ") for line in wrap(together, _WIDTH))]
    for note, items in notes(result):
        lines += [*wrap(note, _WIDTH), *chain.from_iterable(wrap(f"- {item}", _WIDTH) for item in items)]
    if ended and command != "status":  # that reads ledgers, and ends with 0 whatever they tell
        lines.append(f"Exit code {result.exit_code}.")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def outcome_word(command: str, row: FleetRow) -> str:
    """Return what a row's outcome is called in a table: a plan that may not be applied is no news, its pause is.

    To begin nothing is not what ``fleet status`` tells of.
    """
    if row.waits:
        return PAUSED
    return "no apply yet" if (command, row.outcome) == ("status", "not begun") else row.outcome


def word_counts(result: FleetResult) -> Mapping[str, int]:
    """Return how many tenants are called what, worst first."""
    return Counter(outcome_word(result.command, row) for row in result.rows)


def notes(result: FleetResult, show: Callable[[str], str] = visible) -> Iterator[tuple[str, list[str]]]:
    """Yield what is left to do: a sentence, and the items that it is about; ``show`` makes a name fit for the format.

    NinjaOne gives a group that an apply made no role by itself; tenants with the same groups share an item.
    """
    due = [row for row in result.rows if row.token_days is not None and is_to_be_renewed(row.token_days)]
    due.sort(key=lambda row: row.token_days or 0)
    if due:
        soonest = _some([f"{show(row.tenant)} ({_days(row)})" for row in due], _MOST_TOKENS)
        yield f"SCIM tokens to be renewed: {soonest}.", []
    tenants: dict[tuple[str, ...], list[str]] = {}
    for row in result.rows:
        tenants.setdefault(tuple(sorted(row.new_groups)), []).append(show(row.tenant))
    tenants.pop((), None)
    if tenants:
        made = [f"{_some([*map(show, groups)])}: {_some(names)}" for groups, names in tenants.items()]
        if others := sum(map(len, [*tenants.values()][_MOST_NAMES:])):
            made[_MOST_NAMES:] = [f"others: {counted(others, 'more tenant')}"]
        yield "Groups without a role yet, to be mapped in the NinjaOne console:", made
    if any(row.yellow or row.red for row in result.rows):
        yield f"All lines of one tenant: {show('ninjasync check --config FILE')}", []


def _some(names: Sequence[str], most: int = _MOST_NAMES) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def summary_line(result: FleetResult) -> str:
    """Return the counts of all tenants in one line."""
    many = len(result.rows)
    return f"Fleet: {many} tenant{'s' * (many != 1)}{_counts(word_counts(result), ': ')}."


def _counts(counts: Mapping[str, int], before: str) -> str:
    parts = [f"{number} {word}" for word, number in counts.items()]
    return f"{before}{', '.join(parts)}" if parts else ""


def render_json(result: FleetResult, created_at: datetime) -> str:
    """Return one JSON document: a row for each tenant, without their own documents."""
    document = {
        "format_version": FORMAT_VERSION,
        "ninjasync_version": __version__,
        "created_at": created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": result.command,
        "tenants": [_row_document(result.command, row) for row in result.rows],
        "totals": sums(result),
        "summary": dict(result.summary),
        "exit_code": result.exit_code,
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def render_markdown(result: FleetResult, created_at: datetime) -> str:
    """Return a table for a comment or a ticket; what goes beyond the limit of one is counted, the worst first."""
    command = result.command
    exit_code = "" if command == "status" else f"Exit code {result.exit_code}, "
    lines = [
        f"**{summary_line(result)}** {exit_code}{created_at:%Y-%m-%d %H:%M} UTC.",
        "",
        f"| tenant | outcome | {' | '.join(titles(command))} | |",
        f"| --- | --- | {'---: | ' * len(titles(command))}--- |",
    ]
    total = ["**total**", "", *map(str, sums(result).values()), "", "", ""]
    below = [_cells(total)] if len(result.rows) > 1 else []
    for note, items in notes(result, lambda name: code(name[:_LONGEST_NAME])):
        below += ["", note, *([""] if items else []), *(f"- {item}" for item in items)]
    room = LIMIT - sum(len(line) + 1 for line in (*lines, *below)) - 500  # for what is said of those left out
    for number, row in enumerate(result.rows):
        line = _markdown_row(command, row)
        room -= len(line) + 1
        if room < 0:
            left = Counter(outcome_word(command, one) for one in result.rows[number:])
            below += ["", f"{left.total()} more tenants are not shown{_counts(left, ': ')}; `--format html` has all."]
            break
        lines.append(line)
    return "\n".join((*lines, *below)) + "\n"


def _markdown_row(command: str, row: FleetRow) -> str:
    options = approvals(row)
    approve = code_cell(f"ninjasync apply {' '.join(options)} --config {in_a_command(row.file)}") if options else ""
    told = " ".join(part for part in (prose_cell(row.error), approve) if part)
    return _cells([code_cell(row.tenant), outcome_word(command, row), *figures(command, row), told])


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _line(tenant: str, word: str, cells: Sequence[str], name: int, widths: Sequence[int], color: str = "") -> str:
    shown = word.ljust(_OUTCOME)
    painted = f"\x1b[{color}m{shown}\x1b[0m" if color else shown
    numbers = " ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return f"{pad(tenant, name)} {painted} {numbers}"


def _runs_alike(rows: Sequence[FleetRow]) -> Iterator[int]:
    """Yield for each row how many after it have the very same reason; -1 for those that one before counts."""
    # Below each that guards refused stands a command of its own.
    for (why, *_), run in groupby(rows, lambda row: (row.error, row.outcome, row.file if row.guards else "")):
        many = len(list(run))
        yield from (many - 1, *[-1] * (many - 1)) if why else [0] * many


def _reasons(row: FleetRow, alike: int) -> Iterator[str]:
    """Yield why a tenant did not go well; thousands that were not begun for one reason are told so once."""
    if alike < 0:
        return
    more = f" (and so for the next {alike} tenants)" if alike > 1 else " (and so for the next tenant)" if alike else ""
    yield from wrap(f"{visible(row.error)}{more}", _WIDTH, _INDENT)
    for name, option in row.guards:
        if option:
            yield from wrap(visible(f"{name}: if that is meant, {option}"), _WIDTH, _INDENT)
    if options := approvals(row):
        yield f"{_INDENT}ninjasync apply \\"
        yield from (visible(f"{_INDENT * 2}{option} \\") for option in options)
        yield from wrap(f"--config {visible(in_a_command(row.file))}", _WIDTH, _INDENT * 2)


def approvals(row: FleetRow) -> list[str]:
    """Return the options that approve what guards refused, for one command: one after the other, each is refused."""
    return [option for _, option in row.guards if option]


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
