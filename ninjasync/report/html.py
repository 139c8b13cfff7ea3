"""A plan, its outcomes or an error as one HTML file that can be read, searched, printed and mailed.

The file loads nothing from elsewhere: its Content-Security-Policy lets only its own style and
script run, by their hashes. Every value is escaped by the template's engine, and made
visible before that, so that no name can reorder or hide text.
"""

import base64
import hashlib
from collections import Counter
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from ninjasync import __version__
from ninjasync.errors import ConfigurationError, NinjasyncError
from ninjasync.model.change import GROUP_ACTIONS, USER_ACTIONS
from ninjasync.model.document import digest, document
from ninjasync.model.message import Message
from ninjasync.model.outcome import Result
from ninjasync.model.plan import Plan
from ninjasync.report import outline
from ninjasync.report.escape import in_quotes, visible
from ninjasync.report.text import summary_line

_STATUSES = ("failed", "skipped", "applied")


def render(
    plan: Plan,
    created_at: datetime,
    result: Result | None = None,
    exit_code: int = 0,
    steps: tuple[Message, ...] = (),
) -> str:
    """Return the report of a plan; with ``result`` that of a run, which ended with ``exit_code``."""
    line = summary_line(plan)
    return _page(
        created_at,
        title=line,
        tenant=plan.tenant,
        digest=digest(document(plan)),
        plan=plan,
        ran=result is not None,
        ending=outline.ending(result) if result is not None else [],
        exit_code=exit_code,
        steps=steps,
        verdict=outline.verdict(plan),
        bars=_bars(plan),
        rests=_rests(plan),
        choices=_choices(plan, result),
        sections=outline.sections(plan, result),
        not_kept=outline.not_kept(result, plan) if result is not None else [],
        held=outline.held(plan),
        shown=plan.shown,
        organizations=plan.organizations,
    )


def render_error(error: NinjasyncError, created_at: datetime, tenant: str = "") -> str:
    """Return the report of a run that ended before there was a plan."""
    mistakes = error.mistakes if isinstance(error, ConfigurationError) else ()
    return _page(created_at, title="ninjasync failed", tenant=tenant, error=error, mistakes=mistakes)


def _page(created_at: datetime, **values: Any) -> str:
    return page_from("plan", created_at, **values)


def page_from(name: str, created_at: datetime, **values: Any) -> str:
    """Return the page of the template of that name, with its style and script and nothing from elsewhere."""
    style, script = _shipped("plan.css"), _shipped(f"{name}.js")
    if name != "plan":
        style += _shipped(f"{name}.css")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return _template(name).render(
        values,
        style=style,
        script=script,
        policy=policy,
        version=__version__,
        created_at=f"{created_at:%Y-%m-%d %H:%M:%S} UTC",
    )


@cache
def _template(name: str) -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_harmless, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["in_quotes"] = in_quotes
    environment.globals.update(
        deltas=outline.deltas, no_changes=outline.no_changes, organization_name=outline.organization_name
    )
    return environment.from_string(_shipped(f"{name}.html.jinja"))


def _harmless(value: Any) -> Any:
    """Make every value that the template shows visible; the engine escapes it after that."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _shipped(name: str) -> str:
    return files("ninjasync.report").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _bars(plan: Plan) -> list[dict[str, Any]]:
    """Return the chart's rows: users and groups of each action, and how long both bars are, in percent."""
    users, groups = plan.users, plan.groups
    rows: list[tuple[str, int, int]] = [
        (action, users.actions[action], groups.actions.get(action, 0)) for action in USER_ACTIONS
    ]
    rows.append(("held", users.held, groups.held))
    longest = max([*(one + other for _, one, other in rows), 1])

    def length(number: int) -> float:
        # A single one among thousands is still seen.
        return round(max(100 * number / longest, 1.5), 1) if number else 0

    return [
        {
            "name": name,
            "users": one,
            "groups": other if name in (*GROUP_ACTIONS, "held") else None,
            "user_bar": length(one),
            "group_bar": length(other),
        }
        for name, one, other in rows
    ]


def _rests(plan: Plan) -> list[tuple[str, int, int | None, int | None]]:
    """Return what nothing happens to."""
    users, groups = plan.users, plan.groups
    return [
        ("unchanged", 0, users.unchanged, groups.unchanged),
        ("unmanaged", 0, users.unmanaged, groups.unmanaged),
    ]


def _choices(plan: Plan, result: Result | None) -> list[dict[str, Any]]:
    """Return the filters: what can be chosen, how many rows it would show."""
    resources = [*(change.resource for change in plan.changes), *(problem.resource for problem in plan.problems)]
    resources += ["user"] * len(plan.leavers)
    actions = Counter(change.action for change in plan.changes)
    found = {
        "action": [(outline.PRIVILEGE, sum(change.privilege for change in plan.changes))]
        + [(action, actions[action]) for action in ("delete", "deactivate", "create", "adopt", "update", "reactivate")]
        + [("held", len(plan.problems)), ("leaver", len(plan.leavers))],
        "kind": [(kind, sum(one == kind for one in resources)) for kind in ("user", "group")],
        "outcome": [(status, result.count(status) if result is not None else 0) for status in _STATUSES],
    }
    titles = {"action": "What happens", "kind": "To whom", "outcome": "What became of it"}
    labels = {outline.PRIVILEGE: "change of rights", "user": "users", "group": "groups", "leaver": "leavers"}
    return [
        {
            "name": name,
            "title": titles[name],
            "options": [(value, labels.get(value, value), number) for value, number in options if number],
        }
        for name, options in found.items()
        if any(number for _, number in options)
    ]
