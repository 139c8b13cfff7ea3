"""What ``check`` found, as text and as JSON."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from ninjasync import __version__
from ninjasync.config.example import toml
from ninjasync.model.document import FORMAT_VERSION
from ninjasync.model.finding import Line, Probe
from ninjasync.report.escape import visible

_WIDTH = 80
_CODES = {"green": "32", "yellow": "33", "red": "31"}
_NAME = 18  # the longest name of a check, and two blanks
_COLOR = 8


def render_text(lines: Sequence[Line], *, color: bool, tenant: str = "") -> str:
    """Return the tenant, and a line for each check, with the cure below where it is not green."""
    first = [f"Tenant  {visible(tenant)}"] if tenant else []
    return "\n".join([*first, *_check_lines(lines, color=color)]) + "\n"


def render_probe(probe: Probe, *, color: bool) -> str:
    """Return what the probe found, and the lines to put into the configuration."""
    return "\n".join(_probe_lines(probe, color=color)) + "\n"


def render_json(
    lines: Sequence[Line], probe: Probe | None, created_at: datetime, exit_code: int, tenant: str = ""
) -> str:
    """Return everything as one JSON document."""
    body: dict[str, object] = {
        "format_version": FORMAT_VERSION,
        "ninjasync_version": __version__,
        "created_at": created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tenant": tenant or None,
        "summary": _counts(lines),
        "checks": [_row(line) for line in lines],
        "exit_code": exit_code,
    }
    if probe is not None:
        body["probe"] = {
            "account": probe.account,
            "steps": [_row(line) for line in probe.steps],
            "dialect": dict(probe.dialect),
            "left": list(probe.left),
            "interrupted": probe.interrupted,
        }
    return json.dumps(body, indent=2, ensure_ascii=True) + "\n"


def dialect_lines(probe: Probe) -> list[str]:
    """Return what to put into the configuration; nothing where it is right as it is."""
    if not probe.dialect:
        return []
    return ["[ninjaone.dialect]", *(f"{key} = {toml(value)}" for key, value in probe.dialect.items())]


def _row(line: Line) -> dict[str, object]:
    found = line.finding
    row: dict[str, object] = {"name": line.name, "color": found.color, "text": found.text, "cure": found.cure or None}
    code = found.exit_code if found.color == "red" else 0
    return row | {"details": list(found.details), "waits_for": line.waits_for or None, "exit_code": code}


def _counts(lines: Sequence[Line]) -> dict[str, int]:
    counts = Counter(line.finding.color for line in lines if not line.waits_for)
    found = {color: counts[color] for color in ("green", "yellow", "red")}
    return found | {"not_checked": sum(bool(line.waits_for) for line in lines)}


def _check_lines(lines: Sequence[Line], *, color: bool) -> Iterator[str]:
    waiting: dict[str, list[str]] = {}
    for line in lines:
        if line.waits_for:
            waiting.setdefault(line.waits_for, []).append(line.name)
        else:
            yield from _shown(line, color=color)
    for root, names in waiting.items():
        text = f"Not checked, as the check of {root} failed: {', '.join(names)}."
        yield from ("", *_wrapped(text, ""))
    counts = _counts(lines)
    yield from ("", _painted(f"Check: {', '.join(_count(counts))}.", "1", color=color))


def _count(counts: dict[str, int]) -> Iterator[str]:
    for name, number in counts.items():
        if number or name != "not_checked":
            yield f"{number} {name.replace('_', ' ')}"


def _shown(line: Line, *, color: bool) -> Iterator[str]:
    found = line.finding
    indent = " " * (_COLOR + _NAME)
    first, *more = _wrapped(visible(found.text), indent)
    mark = _painted(found.color, _CODES[found.color], color=color)
    yield f"{mark}{' ' * (_COLOR - len(found.color))}{line.name.ljust(_NAME)}{first.lstrip()}"
    yield from more
    for detail in found.details:
        yield from _wrapped(visible(detail), indent, "- ")
    if found.cure:
        yield from _wrapped(visible(found.cure), indent, "> ")


def _probe_lines(probe: Probe, *, color: bool) -> Iterator[str]:
    yield from ("", _painted(f"Probe, with the throw-away account {visible(probe.account)}", "1", color=color), "")
    for line in probe.steps:
        yield from _shown(line, color=color)
    yield ""
    if probe.left:
        yield _painted("Left in NinjaOne, to be removed by hand:", "31", color=color)
        for left in probe.left:
            yield from _wrapped(visible(left), "  ", "- ")
    else:
        yield "Nothing of it is left in NinjaOne."
    if probe.interrupted:
        yield "The probe was interrupted, so its findings are not complete."
    elif lines := dialect_lines(probe):
        yield from ("", "Put this into the configuration:", "", *lines)
    elif all(line.finding.color != "red" for line in probe.steps):
        yield "[ninjaone.dialect]: nothing to change."


def _wrapped(text: str, indent: str, mark: str = "") -> Iterable[str]:
    lines = textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent + mark,
        subsequent_indent=indent + " " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [indent]


def _painted(text: str, code: str, *, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color else text
