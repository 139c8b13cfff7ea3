"""One person's story as text for a terminal, and as JSON.

Text is for people: its layout may change in any version; programs read the JSON.
"""

import json
import textwrap
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from ninjasync import __version__
from ninjasync.model.change import Change
from ninjasync.model.document import FORMAT_VERSION, change_document
from ninjasync.model.explanation import Attribute, Fact, Request, Step, Story
from ninjasync.model.plan import GuardResult
from ninjasync.report.cures import cure
from ninjasync.report.escape import in_quotes, visible
from ninjasync.report.text import Paint, painter, wrapped

# The colour of the answer: green where all is well or about to be, yellow where something is in the way.
_CODES = {
    **dict.fromkeys(("create", "adopt", "update", "reactivate", "unchanged"), "1;32"),
    **dict.fromkeys(("deactivate", "delete"), "1;31"),
}
_WIDTH = 80
_INDENT = " " * 10
_FACT = 16


def render_text(story: Story, *, color: bool, tenant: str = "") -> str:
    """Return the answer, then the way to it, step by step."""
    last = ["", f"{'Tenant'.ljust(len(_INDENT))}{visible(tenant)}"] if tenant else []
    return "\n".join([*_lines(story, painter(color=color)), *last]) + "\n"


def render_json(story: Story, created_at: datetime, tenant: str = "") -> str:
    """Return the story as one JSON document."""
    body: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "ninjasync_version": __version__,
        "created_at": created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tenant": tenant or None,
        **document(story),
    }
    return json.dumps(body, indent=2, ensure_ascii=True) + "\n"


def document(story: Story) -> dict[str, Any]:
    """Return everything but the time: equal stories give equal documents."""
    last = story.last_plan
    return {
        "who": story.who,
        "name": story.name,
        "outcome": story.outcome,
        "answer": story.answer,
        "external_id": story.duo_id,
        "id": story.account_id,
        "steps": [
            {
                "step": step.name,
                "text": step.text,
                "facts": {fact.name.replace(" ", "_"): fact.value for fact in step.facts},
                "notes": list(step.notes),
                "settings": list(step.settings),
            }
            for step in story.steps
        ],
        "attributes": [
            {
                "path": story.shown.get(one.path, one.path),
                "expression": one.expression,
                "given": one.given,
                "value": one.value,
            }
            | ({"source": one.source} if one.source else {})
            for one in story.attributes
        ],
        "changes": [change_document(change, story.shown, withheld=False) for change in story.changes],
        "problems": [
            {"code": problem.code, "message": problem.message, "cure": cure(problem.code)} for problem in story.problems
        ],
        "requests": [
            {"method": one.method, "url": one.url, "headers": dict(one.headers), "body": one.body}
            for one in story.requests
        ],
        "last_plan": None
        if last is None
        else {
            "created_at": last.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "refused": last.refused,
            "guards": [_guard(guard, stops=guard in story.stopped_by) for guard in last.guards],
        },
        "refused_now": list(story.refused_now),
        "unsure": list(story.unsure),
    }


def _guard(guard: GuardResult, *, stops: bool) -> dict[str, Any]:
    shown = {"name": guard.name, "tripped": guard.tripped, "message": guard.message, "approve": guard.approve}
    return shown | {"stops_this": stops}


def _lines(story: Story, paint: Paint) -> Iterator[str]:
    in_the_way = story.stopped_by or story.refused_now
    for line in _wrap(story.answer, ""):
        yield paint(line, "1;33" if in_the_way else _CODES.get(story.outcome, "1;33"))
    for step in story.steps:
        yield ""
        yield from _head(step.name, step.text, paint)
        match step.name:
            case "map":
                yield from _attribute_lines(story)
            case "diff":
                for change in story.changes:
                    yield from _change_lines(change, story, paint)
        yield from _step_lines(step, paint)
        if step.name == "decide":
            for code in dict.fromkeys(problem.code for problem in story.problems):
                yield from _wrap(cure(code), _INDENT)
    yield from _ending(story, paint)


def _head(name: str, text: str, paint: Paint) -> Iterator[str]:
    """Yield a step's name, and beside it what it came to."""
    first, *more = _wrap(text, _INDENT)
    yield f"{paint(name.capitalize().ljust(len(_INDENT)), '1')}{first.lstrip()}"
    yield from more


def _step_lines(step: Step, paint: Paint) -> Iterator[str]:
    for fact in step.facts:
        yield from _fact_lines(fact)
    for line in step.settings:
        yield from (paint(part, "36") for part in _wrap(line, _INDENT))
    for note in step.notes:
        yield from _wrap(note, _INDENT)


def _fact_lines(fact: Fact) -> Iterator[str]:
    match fact.value:
        case None | []:
            shown = "(none)"
        case bool():
            shown = "yes" if fact.value else "no"
        case list():
            shown = ", ".join(visible(str(one)) for one in fact.value)
        case _:
            shown = visible(str(fact.value))
    yield from _columns(fact.name, shown)


def _attribute_lines(story: Story) -> Iterator[str]:
    shown = [(story.shown.get(one.path, one.path), _value(one), visible(one.expression)) for one in story.attributes]
    widest = max((len(value) for _, value, _ in shown), default=0)
    room = _WIDTH - len(_INDENT) - _FACT - len("  <- ") - max((len(text) for *_, text in shown), default=0)
    for name, value, text in shown:
        yield from _columns(name, f"{value.ljust(min(widest, room))}  <- {text}")


def _value(one: Attribute) -> str:
    if one.value is not None:
        return in_quotes(one.value)
    given = one.given if isinstance(one.given, str) or one.given is None else json.dumps(one.given, ensure_ascii=False)
    return in_quotes(given)


def _columns(name: str, text: str) -> Iterator[str]:
    indent = f"{_INDENT}{visible(name).ljust(_FACT - 1)} "
    yield from textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * (len(_INDENT) + _FACT),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _change_lines(change: Change, story: Story, paint: Paint) -> Iterator[str]:
    if change.resource == "group":
        new = " (a new group)" if change.action == "create" else ""
        sign, code, word = ("-", "31", "from") if change.removed else ("+", "32", "to")
        what = "remove" if change.removed else "add"
        yield from _marked(paint(sign, code), f"{what} {word} the group {in_quotes(change.key)}{new}")
        return
    for delta in change.diff:
        name = visible(story.shown.get(delta.path, delta.path))
        if change.action == "create":
            yield from _marked(paint("+", "32"), f"{name} = {in_quotes(delta.after)}")
            continue
        via = f", by way of {in_quotes(delta.via)}" if delta.via else ""
        yield from _marked(paint("~", "33"), f"{name}: {in_quotes(delta.before)} -> {in_quotes(delta.after)}{via}")
    if change.privilege:
        yield f"{_INDENT}{paint('! a change of rights', '35')}"


def _marked(sign: str, text: str) -> Iterator[str]:
    """Yield ``text``, whose names are escaped already, after a sign that may be painted."""
    first, *more = wrapped(text, f"{_INDENT}  ")
    yield f"{_INDENT}{sign} {first.lstrip()}"
    yield from more


def _ending(story: Story, paint: Paint) -> Iterator[str]:
    if story.changes:
        yield ""
        yield from _guard_lines(story, paint)
    if story.unsure:
        yield ""
        first, *more = story.unsure
        yield from _head("Unsure", first, paint)
        for sentence in more:
            yield from _wrap(sentence, _INDENT)
    yield ""
    if not story.requests:
        yield from _head("Requests", "nothing would be sent", paint)
        return
    number = len(story.requests)
    yield from _head("Requests", f"the next apply would send {'this' if number == 1 else f'these {number}'}:", paint)
    for request in story.requests:
        yield ""
        yield from _request_lines(request, paint)


def _guard_lines(story: Story, paint: Paint) -> Iterator[str]:
    first, *more = [*(f"Refused as it stands: {sentence}" for sentence in story.refused_now), _last_plan(story)]
    yield from _head("Guards", first, paint)
    for sentence in more:
        yield from _wrap(sentence, _INDENT)
    for guard in story.stopped_by:
        yield from _wrap(f"{guard.name}: {guard.message}", f"{_INDENT}x ")
        if guard.approve:
            yield from _wrap(f"If that is meant: {guard.approve}", f"{_INDENT}  ")


def _last_plan(story: Story) -> str:
    last = story.last_plan
    if last is None:
        return "The ledger has no full plan yet; ninjasync plan tells whether a guard trips."
    when = f"At the last full plan ({last.at:%Y-%m-%d %H:%M}Z)"
    if story.stopped_by:
        return f"{when} {'nothing could be written' if last.refused else 'changes like this were withheld'}:"
    return f"{when} no guard {'stood in the way of this' if any(one.tripped for one in last.guards) else 'tripped'}."


def _request_lines(request: Request, paint: Paint) -> Iterator[str]:
    yield f"  {paint(request.method, '1')} {visible(request.url)}"
    yield from (f"  {name}: {visible(value)}" for name, value in request.headers.items())
    if request.body is not None:
        yield from (f"  {visible(line)}" for line in json.dumps(request.body, indent=2, ensure_ascii=False).split("\n"))


def _wrap(text: str, indent: str) -> Iterable[str]:
    return wrapped(visible(text), indent) or [indent.rstrip()]
