"""A plan, its outcomes or an error as Markdown, fit for a comment on a pull request.

Names come from directories, so anyone may have written them: they stand in code spans,
where neither Markdown nor GitHub (mentions, links, references) looks for anything.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from ninjasync import __version__
from ninjasync.errors import ConfigurationError, NinjasyncError
from ninjasync.model.change import GROUP_ACTIONS, USER_ACTIONS, Change, Delta, Member, Value
from ninjasync.model.document import digest, document
from ninjasync.model.message import Message, as_message
from ninjasync.model.outcome import Result
from ninjasync.model.plan import Plan
from ninjasync.report import outline
from ninjasync.report.escape import in_quotes, visible
from ninjasync.report.text import summary_line

# GitHub refuses a comment of more than 65,536 characters.
LIMIT = 60_000
# One name or one sentence must not use up the comment.
_LONGEST_NAME = 200
_LONGEST_PROSE = 1_500
_MOST_MEMBERS = 40
# Sections longer than this are folded; what needs a look first never is.
_FOLDED_FROM = 25

# What means something to Markdown within a line, in our own words.
_REFERENCE = re.compile(r"[@#$]|://|www\.|GH-")
_MARKUP = re.compile(r"[\\`*_\[\]<>|~]")


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines that belong together. Only ``items`` may be cut, and never within one."""

    opening: tuple[str, ...]
    items: Iterable[str] = ()
    closing: tuple[str, ...] = ()


def render(
    plan: Plan,
    created_at: datetime,
    result: Result | None = None,
    exit_code: int = 0,
    steps: tuple[Message, ...] = (),
) -> str:
    """Return the report of a plan; with ``result`` that of a run, which ended with ``exit_code``."""
    blocks = [_Block((f"## {summary_line(plan)}",)), *_tenant(plan.tenant)]
    if result is not None:
        blocks.append(_result_block(result, exit_code))
        blocks += _list("Left for a person", map(prose, steps))
    blocks += _guards(plan)
    blocks.append(_Block(tuple(_counts(plan))))
    for section in outline.sections(plan, result):
        fold = section.kind in USER_ACTIONS and section.kind not in ("deactivate", "delete")
        items = (_change(row, plan) for row in section.rows)
        blocks += _list(section.title, items, len(section.rows), fold=fold)
    if result is not None:
        blocks += _list("Not kept as sent", map(prose, outline.not_kept(result, plan)))
    blocks += _held(plan)
    blocks += _list("Warnings", map(prose, plan.warnings))
    blocks += _leavers(plan)
    if not plan.changes:
        blocks.append(_Block((outline.no_changes(plan),)))
    return _within_limit(blocks, _footer(created_at, digest(document(plan))))


def render_error(error: NinjasyncError, created_at: datetime, tenant: str = "") -> str:
    """Return the report of a run that ended before there was a plan."""
    blocks = [_Block(("## ninjasync failed",)), *_tenant(tenant), _alert("CAUTION", prose(error.message))]
    if isinstance(error, ConfigurationError):
        blocks += _list("Mistakes in the configuration", map(prose, error.mistakes))
    if error.hint:
        blocks.append(_Block((prose(error.hint),)))
    blocks.append(_Block((f"Exit code {error.exit_code}.",)))
    return _within_limit(blocks, _footer(created_at))


# --- making text harmless --------------------------------------------------------------------


def code(text: str) -> str:
    """Return ``text`` as a code span: whatever it holds, it is shown and never obeyed."""
    shown = visible(_clipped(text, _LONGEST_NAME))
    if not shown.strip():
        shown = f'"{shown}"'
    longest = max(map(len, re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    # One space at each end is taken off when it is rendered (CommonMark §6.1).
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def prose(sentence: str) -> str:
    """Return a sentence of ours: its words as they are, what was filled in as code, but for numbers.

    A mere ``str`` is words of ours, but it is code as a whole where GitHub might find a link or a reference in it.
    """
    if not isinstance(sentence, Message) and _REFERENCE.search(sentence):
        return code(sentence)
    parts: list[str] = []
    room = _LONGEST_PROSE
    for piece in as_message(sentence).pieces():
        shown = piece if isinstance(piece, str) else piece.value
        if min(len(shown), _LONGEST_NAME) > room:
            return "".join((*parts, "…"))
        room -= min(len(shown), _LONGEST_NAME)
        if isinstance(piece, str):
            parts.append(_MARKUP.sub(r"\\\g<0>", visible(piece)))
        else:
            parts.append(shown if piece.kind == "number" and shown.isascii() and shown.isprintable() else code(shown))
    return "".join(parts)


def code_cell(text: str) -> str:
    """Return ``text`` as a code span for a cell of a table, which no bar in it ends."""
    # Renderers disagree on a bar behind two backslashes; a blank keeps the text's own apart from ours.
    return code(text.replace("\\|", "\\ |")).replace("|", "\\|")


def prose_cell(text: str) -> str:
    """Return a sentence that may hold anything for a cell of a table: code are its words that GitHub might link."""
    clipped = _clipped(text, _LONGEST_PROSE)
    return " ".join(
        code_cell(word) if _REFERENCE.search(word) else _MARKUP.sub(r"\\\g<0>", visible(word))
        for word in clipped.split()
    )


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


# --- parts -----------------------------------------------------------------------------------


def _tenant(name: str) -> list[_Block]:
    return [_Block((f"Tenant: {code(name)}",))] if name else []


def _result_block(result: Result, exit_code: int) -> _Block:
    head, *more = outline.ending(result)
    return _Block((f"**{head}** Exit code {exit_code}.", *chain.from_iterable(("", prose(line)) for line in more)))


def _guards(plan: Plan) -> list[_Block]:
    lines = []
    for guard in plan.guards:
        if guard.tripped:
            approve = f" If that is meant: `{guard.approve}`" if guard.approve else ""
            lines.append(f"- **{guard.name}**: {prose(guard.message)}{approve}")
    what = outline.verdict(plan) or "A guard tripped."
    return [_alert("CAUTION", f"**{what}**", "", *lines)] if lines else []


def _alert(kind: str, *lines: str) -> _Block:
    return _Block((f"> [!{kind}]", *(f"> {line}".rstrip() for line in lines)))


def _counts(plan: Plan) -> Iterator[str]:
    source, target = plan.source, plan.target
    more = ("unchanged", "held", "unmanaged")
    yield f"| | {' | '.join((*USER_ACTIONS, *more))} |"
    yield f"| :-- |{' --: |' * (len(USER_ACTIONS) + len(more))}"
    for name, counts, actions in (("users", plan.users, USER_ACTIONS), ("groups", plan.groups, GROUP_ACTIONS)):
        cells = [str(counts.actions[action]) if action in actions else "" for action in USER_ACTIONS]
        cells += [str(counts.unchanged), str(counts.held)]
        cells.append("unknown" if counts.unmanaged is None else str(counts.unmanaged))
        yield f"| **{name}** | {' | '.join(cells)} |"
    yield ""
    yield (
        f"Duo: {source['users']} users, {source['groups']} groups; {source['in_scope']} users in scope. "
        f"NinjaOne: {target['users']} users, {target['groups']} groups; {target['managed']} users managed."
    )


def _list(title: str, items: Iterable[str], number: int = 0, *, fold: bool = False) -> list[_Block]:
    """Return a heading with a list below it, folded where it is long; nothing where there are no items."""
    bullets = [f"- {item}" for item in items]
    if not bullets:
        return []
    if fold and number > _FOLDED_FROM:
        opening = ("<details>", f"<summary><b>{title} ({number})</b></summary>", "")
        return [_Block(opening, bullets, ("", "</details>"))]
    return [_Block((f"### {title} ({number})" if number else f"### {title}", ""), bullets)]


def _change(row: outline.Row, plan: Plan) -> str:
    change, shown = row.change, plan.shown
    lines = [f"**{change.action}** {change.resource} {code(change.key)}{_fate(row)}"]
    told = []
    for delta in outline.deltas(change):
        name = code(shown.get(delta.path, delta.path))
        if change.action == "create":
            told.append(f"{name} = {_side(delta, delta.after, plan)}")
        else:
            via = f", by way of {code(in_quotes(delta.via))}" if delta.via else ""
            told.append(f"{name}: {_side(delta, delta.before, plan)} → {_side(delta, delta.after, plan)}{via}")
    lines += [", ".join(told)] if told and change.action == "create" else told
    lines += _members(change)
    if change.reasons:
        lines.append(f"because: {'; '.join(map(prose, change.reasons))}")
    return "\n  - ".join(lines)


def _side(delta: Delta, value: Value, plan: Plan) -> str:
    name = outline.organization_name(delta.path, value, plan.organizations)
    return f"{code(in_quotes(value))} ({code(name)})" if name else code(in_quotes(value))


def _fate(row: outline.Row) -> str:
    if row.outcome is not None:
        error = f": {prose(row.outcome.error)}" if row.outcome.error else ""
        status = row.outcome.status
        return f" — {status if status == 'applied' else f'**{status}**'}{error}"
    return " — **withheld**, see the guards" if row.withheld else ""


def _members(change: Change) -> Iterator[str]:
    for word, members in (("added", change.added), ("removed", change.removed)):
        if members:
            plural = "s" * (len(members) > 1)
            yield f"{len(members)} member{plural} {word}: {_names(members)}"


def _names(members: tuple[Member, ...]) -> str:
    named = ", ".join(code(member.key) for member in members[:_MOST_MEMBERS])
    more = len(members) - _MOST_MEMBERS
    return f"{named} and {more} more" if more > 0 else named


def _held(plan: Plan) -> list[_Block]:
    groups = outline.held(plan)
    blocks = [_Block(("### Held, left exactly as they are",))] if groups else []
    for one in groups:
        items = [f"- {problem.resource} {code(problem.key)}: {prose(problem.message)}" for problem in one.problems]
        blocks.append(_Block((f"**{code(one.code)}** ({len(items)}): {prose(one.cure)}", ""), items))
    return blocks


def _leavers(plan: Plan) -> list[_Block]:
    items = [f"{code(leaver.key)}: {prose(leaver.turn)}" for leaver in plan.leavers]
    return _list("Leavers, inactive until they are deleted", items, len(items))


def _footer(created_at: datetime, plan_digest: str = "") -> str:
    what = f" · {code(plan_digest)}" if plan_digest else ""
    return f"<sub>ninjasync {__version__} · {created_at:%Y-%m-%d %H:%M:%S} UTC{what}</sub>"


# --- fitting ---------------------------------------------------------------------------------

_CUT = (
    "> [!NOTE]\n> Cut here: {left} more entries are not shown, they would not fit into a comment. "
    "All of it: `ninjasync show PLANFILE --format html`"
)


def _within_limit(blocks: list[_Block], footer: str) -> str:
    """Join the blocks; what goes beyond ``LIMIT`` is left out from one item on, and that is said."""
    room = LIMIT - len(footer) - len(_CUT) - 20
    parts: list[str] = []
    for number, block in enumerate(blocks):
        opening, closing = "\n".join(block.opening), "\n".join(block.closing)
        items = list(block.items)
        room -= len(opening) + len(closing) + 3
        kept = 0
        while kept < len(items) and len(items[kept]) + 1 <= room:
            room -= len(items[kept]) + 1
            kept += 1
        whole = kept == len(items) and room >= 0
        if room >= 0 and (kept or whole):
            parts.append("\n".join((opening, *items[:kept], *((closing,) if closing else ()))))
        if not whole:
            left = len(items) - kept + sum(len(list(later.items)) for later in blocks[number + 1 :])
            parts.append(_CUT.format(left=left))
            break
    return "\n\n".join([*parts, footer]) + "\n"
