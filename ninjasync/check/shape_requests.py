"""The requests of ``check --shapes`` beyond those of the checks: what else shows the ways of an endpoint.

Sends nothing but GET. Knows what to ask; what the answers look like is summed up in ``shapes``.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ninjasync import __version__
from ninjasync.check.context import CheckContext
from ninjasync.check.shapes import ABOUT, FORMAT_VERSION, Shapes
from ninjasync.errors import NinjasyncError
from ninjasync.model.attributes import DISPLAY_NAME, EXTERNAL_ID, USER_NAME
from ninjasync.model.directory import Resource
from ninjasync.model.finding import Line, Probe
from ninjasync.ninjaone import scim_requests, scim_responses
from ninjasync.ninjaone.endpoint import place as place_of

# No one has this address (RFC 2606), so a filter that works finds no one.
_NO_ONE = "ninjasync-shapes@nobody.invalid"
# A custom attribute that an expression names, written plainly or in quotes.
_CUSTOM = re.compile(r'custom_attributes\."?([A-Za-z0-9 ._-]+?)"?(?![A-Za-z0-9_-])')
_WIDTH = 110
_RESOURCES: Mapping[str, Resource] = {"Users": "user", "Groups": "group"}
_NAMING = {"Users": USER_NAME, "Groups": DISPLAY_NAME}


def start_recording(context: CheckContext) -> Shapes:
    """Let everything that ``context`` asks from now on be summed up; return what sums it up."""
    named: set[str] = set()
    with suppress(NinjasyncError):  # a configuration that cannot be read is for a check to say
        named = {name for text in context.config.attributes.values() for name in _CUSTOM.findall(text)}
    shapes = Shapes(named)
    context.hear = shapes.hear
    return shapes


def ask_more(context: CheckContext) -> None:
    """Ask NinjaOne what the checks did not ask: pages, one resource, filters with a control. Never raises."""
    with suppress(NinjasyncError):  # without a configuration or a token there is nothing to ask
        _ask_more(context)


def _ask_more(context: CheckContext) -> None:
    found = {place: _ask_about(context, place) for place in _NAMING}
    group, user = found["Groups"], found["Users"]
    if group and user:
        for member in (user, _NO_ONE):
            _ask(
                context,
                "/Groups",
                filter=f"id eq {scim_requests.quoted(group)} and members eq {scim_requests.quoted(member)}",
            )


def _ask_about(context: CheckContext, place: str) -> str:
    """Ask about users, or groups; return the id of one of them, empty where none is shown."""
    listed = context.config.ninjaone.dialect.discovery != "lookup"
    size = context.config.ninjaone.dialect.page_size
    rows: list[Any] = []
    if listed:
        body = _ask(context, f"/{place}", startIndex="1", count=str(size))
        page = scim_responses.read_page(body)
        rows = [row for row in page.resources if isinstance(row, dict)] if page else []
        total = page.total if page and page.total is not None else len(rows)
        _ask(context, f"/{place}", startIndex="1", count="2")
        _ask(context, f"/{place}", startIndex="3", count="2")
        _ask(context, f"/{place}", startIndex=str(total + 1), count=str(size))
    _ask(context, f"/{place}/ninjasync-no-one")
    _ask(context, f"/{place}", filter=f"{_NAMING[place]} eq {scim_requests.quoted(_NO_ONE)}")
    _ask(context, f"/{place}", filter=f"{EXTERNAL_ID} eq {scim_requests.quoted(_NO_ONE)}")
    if not rows:
        return ""
    row = rows[0]
    for attribute in (_NAMING[place], EXTERNAL_ID):
        if isinstance(value := scim_responses.get(row, attribute), str) and value:
            _ask(context, f"/{place}", filter=f"{attribute} eq {scim_requests.quoted(value)}")
            _ask(context, f"/{place}", filter=f"{attribute} eq {scim_requests.quoted(value.upper())}")
    try:
        id_ = scim_responses.read_id(row)
    except scim_responses.UnreadableResourceError:
        return ""
    _ask(context, place_of(_RESOURCES[place], id_))
    return id_


def _ask(context: CheckContext, path: str, **params: str) -> Any:
    """Return the body of an answer; None where there is none. What went wrong was heard already."""
    with suppress(NinjasyncError):
        return context.get(path, **params).body
    return None


def shapes_document(context: CheckContext, shapes: Shapes, lines: tuple[Line, ...], probe: Probe | None) -> str:
    """Return the whole file as JSON text."""
    document = {
        "format": "ninjasync-shapes",
        "format_version": FORMAT_VERSION,
        "ninjasync_version": __version__,
        "about": ABOUT,
        "dialect": context.config.ninjaone.dialect.model_dump(),
        "checks": {line.name: line.finding.color for line in lines},
        "probe": {line.name: line.finding.color for line in probe.steps} if probe else None,
        "dialect_found": dict(probe.dialect) if probe else None,
        "services": shapes.document(),
    }
    return f"{_laid_out(document)}\n"


def _laid_out(value: Any, indent: str = "") -> str:
    """Return JSON with a line for each thing that fits on one, so that a person can read it."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= _WIDTH or not isinstance(value, dict | list) or not value:
        return line
    inner = indent + " "
    if isinstance(value, dict):
        parts = [f"{inner}{json.dumps(key)}: {_laid_out(one, inner)}" for key, one in value.items()]
        return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
    return "[\n" + ",\n".join(f"{inner}{_laid_out(one, inner)}" for one in value) + f"\n{indent}]"
