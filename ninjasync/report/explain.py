"""One user's explanation as text for a terminal, and as JSON.

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
from ninjasync.model.explanation import Attribute, Explanation, Fact, Request, Step
from ninjasync.model.plan import GuardResult
from ninjasync.model.problems import cure
from ninjasync.report.escape import in_quotes, visible
from ninjasync.report.text import Paint, painter, sides, wrapped

# The colour of the answer: green where all is well or about to be, yellow where something is in the way.
_CODES = {
    **dict.fromkeys(("create", "adopt", "update", "reactivate", "unchanged"), "1;32"),
    **dict.fromkeys(("deactivate", "delete"), "1;31"),
}
_WIDTH = 80
_INDENT = " " * 10
_FACT = 16


def render_text(explanation: Explanation, *, color: bool, tenant: str = "") -> str:
    """Return the answer, then the way to it, step by step."""
    last = ["", f"{'Tenant'.ljust(len(_INDENT))}{visible(tenant)}"] if tenant else []
    return "\n".join([*_lines(explanation, painter(color=color)), *last]) + "\n"


def render_json(explanation: Explanation, created_at: datetime, tenant: str = "") -> str:
    """Return the explanation as one JSON document."""
    body: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "ninjasync_version": __version__,
        "created_at": created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tenant": tenant or None,
        **document(explanation),
    }
    return json.dumps(body, indent=2, ensure_ascii=True) + "\n"


def document(explanation: Explanation) -> dict[str, Any]:
    """Return everything but the time: equal explanations give equal documents."""
    return {
        "who": explanation.who,
        "name": explanation.name,
        "outcome": explanation.conclusion,
        "answer": explanation.answer,
        "external_id": explanation.duo_id,
        "id": explanation.account_id,
        "steps": [
            {
                "step": step.name,
                "text": step.text,
                "facts": {fact.name.replace(" ", "_"): fact.value for fact in step.facts},
                "notes": list(step.notes),
                "settings": list(step.settings),
            }
            for step in explanation.steps
        ],
        "attributes": [
            {
                "path": explanation.shown.get(one.path, one.path),
                "expression": one.expression,
                "given": one.given,
                "value": one.value,
            }
            | ({"source": one.source} if one.source else {})
            for one in explanation.attributes
        ],
        "changes": [
            change_document(change, explanation.shown, withheld=change.name in explanation.withheld)
            for change in explanation.changes
        ],
        **({"organizations": dict(explanation.organizations)} if explanation.organizations else {}),
        "problems": [
            {"code": problem.code, "message": problem.message, "cure": cure(problem.code)}
            for problem in explanation.problems
        ],
        "requests": [
            {"method": one.method, "url": one.url, "headers": dict(one.headers), "body": one.body}
            | ({"note": one.note} if one.note else {})
            for one in explanation.requests
        ],
        "refused": explanation.refused,
        "guards": [_guard(guard, stops=guard in explanation.stopped_by) for guard in explanation.guards],
    }


def _guard(guard: GuardResult, *, stops: bool) -> dict[str, Any]:
    shown = {"name": guard.name, "tripped": guard.tripped, "message": guard.message, "approve": guard.approve}
    return shown | {"stops_this": stops}


def _lines(explanation: Explanation, paint: Paint) -> Iterator[str]:
    for line in _wrap(explanation.answer, ""):
        yield paint(line, "1;33" if explanation.stopped_by else _CODES.get(explanation.conclusion, "1;33"))
    for step in explanation.steps:
        yield ""
        yield from _head(step.name, step.text, paint)
        match step.name:
            case "map":
                yield from _attribute_lines(explanation)
            case "diff":
                for change in explanation.changes:
                    yield from _change_lines(change, explanation, paint)
        yield from _step_lines(step, paint)
        if step.name == "decide":
            for code in dict.fromkeys(problem.code for problem in explanation.problems):
                yield from _wrap(cure(code), _INDENT)
    yield from _ending(explanation, paint)


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


def _attribute_lines(explanation: Explanation) -> Iterator[str]:
    shown = [
        (explanation.shown.get(one.path, one.path), _value(one), visible(one.expression))
        for one in explanation.attributes
    ]
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


def _change_lines(change: Change, explanation: Explanation, paint: Paint) -> Iterator[str]:
    if change.resource == "group":
        new = " (a new group)" if change.action == "create" else ""
        sign, code, word = ("-", "31", "from") if change.removed else ("+", "32", "to")
        what = "remove" if change.removed else "add"
        yield from _marked(paint(sign, code), f"{what} {word} the group {in_quotes(change.key)}{new}")
        return
    for delta in change.diff:
        name = visible(explanation.shown.get(delta.path, delta.path))
        before, after = sides(delta, explanation.organizations)
        if change.action == "create":
            yield from _marked(paint("+", "32"), f"{name} = {after}")
            continue
        via = f", by way of {in_quotes(delta.via)}" if delta.via else ""
        yield from _marked(paint("~", "33"), f"{name}: {before} -> {after}{via}")
    if change.privilege:
        yield f"{_INDENT}{paint('! a change of rights', '35')}"


def _marked(sign: str, text: str) -> Iterator[str]:
    """Yield ``text``, whose names are escaped already, after a sign that may be painted."""
    first, *more = wrapped(text, f"{_INDENT}  ")
    yield f"{_INDENT}{sign} {first.lstrip()}"
    yield from more


def _ending(explanation: Explanation, paint: Paint) -> Iterator[str]:
    if explanation.changes:
        yield ""
        yield from _guard_lines(explanation, paint)
    yield ""
    if not explanation.requests:
        yield from _head("Requests", "nothing would be sent", paint)
        return
    number = len(explanation.requests)
    what = "this" if number == 1 else f"these {number}"
    when = "without the guards, an apply" if explanation.stopped_by else "the next apply"
    yield from _head("Requests", f"{when} would send {what}:", paint)
    for request in explanation.requests:
        yield ""
        yield from _request_lines(request, paint)


def _guard_lines(explanation: Explanation, paint: Paint) -> Iterator[str]:
    yield from _head("Guards", _on_guards(explanation), paint)
    for guard in explanation.stopped_by:
        yield from _wrap(f"{guard.name}: {guard.message}", f"{_INDENT}x ")
        if guard.approve:
            yield from _wrap(f"If that is meant: {guard.approve}", f"{_INDENT}  ")


def _on_guards(explanation: Explanation) -> str:
    if explanation.stopped_by:
        return "the plan is refused, nothing is written:" if explanation.refused else "this is withheld:"
    tripped = any(guard.tripped for guard in explanation.guards)
    return "none stands in the way of this, though others tripped" if tripped else "none tripped"


def _request_lines(request: Request, paint: Paint) -> Iterator[str]:
    yield f"  {paint(request.method, '1')} {visible(request.url)}"
    if request.note:
        yield from _wrap(request.note, "  ")
        return
    yield from (f"  {name}: {visible(value)}" for name, value in request.headers.items())
    if request.body is not None:
        yield from (f"  {visible(line)}" for line in json.dumps(request.body, indent=2, ensure_ascii=False).split("\n"))


def _wrap(text: str, indent: str) -> Iterable[str]:
    return wrapped(visible(text), indent) or [indent.rstrip()]
