"""What the long reports (Markdown, HTML) say and in which order; how it looks is up to each format.

Pure. What a manager must see comes first: who gets other rights,
then who is removed, then everything else by action. All text is as it came, unescaped.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ninjasync.model.attributes import DISPLAY_NAME, ENABLED, MEMBERS, ORGANIZATION_ID, USER_NAME, USER_TYPE
from ninjasync.model.change import Change, Delta, Value
from ninjasync.model.directory import Problem
from ninjasync.model.message import (
    NOTHING,
    Message,
    as_message,
    counted,
    group,
    join,
    listed,
    number,
    person,
    text,
    word,
)
from ninjasync.model.outcome import Outcome, Result
from ninjasync.model.plan import Plan
from ninjasync.model.problems import Code, cure
from ninjasync.model.values import TECHNICIAN, differs
from ninjasync.report.escape import in_quotes

# The order of the sections after the privilege changes, removals first.
_TITLES = {
    "delete": "Deletions",
    "deactivate": "Deactivations",
    "create": "Creations",
    "adopt": "Adoptions",
    "update": "Updates",
    "reactivate": "Reactivations",
}
PRIVILEGE = "privilege"
_TOLD_ELSEWHERE = (MEMBERS, ENABLED)
_MOST_NAMES = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One change, with what became of it; ``outcome`` is None where nothing was tried yet."""

    change: Change
    withheld: bool
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Section:
    """Changes that are told together. ``kind`` is an action, or ``PRIVILEGE``."""

    kind: str
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """The records that are held for one reason, and how that is fixed."""

    code: Code
    cure: Message
    problems: tuple[Problem, ...]


def sections(plan: Plan, result: Result | None) -> list[Section]:
    """Return all changes, each once, in the order in which they are told; empty sections are left out."""
    outcomes = result.outcomes if result is not None else (None,) * len(plan.changes)
    by_kind: dict[str, list[Row]] = {kind: [] for kind in (PRIVILEGE, *_TITLES)}
    for change, outcome in zip(plan.changes, outcomes, strict=True):
        kind = PRIVILEGE if change.privilege else change.action
        by_kind[kind].append(Row(change, change.name in plan.withheld, outcome))
    titles = {PRIVILEGE: "Changes of rights"} | _TITLES
    return [Section(kind, titles[kind], tuple(rows)) for kind, rows in by_kind.items() if rows]


def deltas(change: Change) -> Iterable[Delta]:
    """Return the attributes worth telling: a create's own name stands in its heading already."""
    naming = USER_NAME if change.resource == "user" else DISPLAY_NAME
    return (delta for delta in change.diff if change.action != "create" or delta.path != naming)


def organization_name(path: str, value: Value, organizations: Mapping[str, str]) -> str:
    """Return the name of an organization that ``value`` is the number of; empty where there is none, or none is known.

    ``organizations`` are names by number.
    """
    return organizations.get(value, "") if path == ORGANIZATION_ID and isinstance(value, str) else ""


def held(plan: Plan) -> list[Held]:
    """Return the held records by what is wrong with them, in the plan's order."""
    by_code: dict[Code, list[Problem]] = {}
    for problem in plan.problems:
        by_code.setdefault(problem.code, []).append(problem)
    return [Held(code, cure(code), tuple(problems)) for code, problems in by_code.items()]


def verdict(plan: Plan) -> Message:
    """Say what the tripped guards mean; empty where none stands in the way of anything."""
    if plan.refused:
        return Message("Refused: nothing is written.")
    if not plan.withheld:
        return NOTHING
    return Message("{} withheld.", counted(len(plan.withheld), "change is", "changes are"))


def no_changes(plan: Plan) -> str:
    """Say that there is nothing to do."""
    return f"No changes. NinjaOne is what Duo implies{' but for those held' if plan.problems else ''}."


def ending(result: Result) -> list[Message]:
    """Say how a run ended: its counts, and what cut it short."""
    counts = [Message(f"{{}} {status}", number(result.count(status))) for status in ("applied", "failed", "skipped")]
    said = [Message("Applied: {}.", join(", ", counts))]
    if result.interrupted:
        said.append(Message("The run was interrupted; the next one goes on from here."))
    if result.fatal is not None:
        why = join(" ", (as_message(part) for part in (result.fatal.message, result.fatal.hint) if part))
        said.append(Message("The run was stopped: {}", why))
    return said


def not_kept(result: Result, plan: Plan) -> list[Message]:
    """Name what NinjaOne did not keep as it was sent: an attribute that it hides once, another value each time."""
    shown = plan.shown
    hidden = Counter(
        shown.get(one.path, one.path) for outcome in result.outcomes for one in outcome.observed if one.shown is None
    )
    said = [
        Message(
            f"NinjaOne does not show {{}} after writing it (account{'s' * (accounts > 1)}: {{}}); from now on what was "
            "applied counts.",
            word(name),
            number(accounts),
        )
        for name, accounts in sorted(hidden.items())
    ]
    said += [
        Message(
            "{}: NinjaOne shows only {} of the members of this group; the others were checked or count by the ledger.",
            outcome.change.subject,
            number(one.shown),
        )
        for outcome in result.outcomes
        for one in outcome.observed
        if one.path == MEMBERS
    ]
    return said + [
        Message(
            "{}: NinjaOne made {} of {} {}; it is not sent again unchanged.",
            outcome.change.subject,
            text(in_quotes(one.shown)),
            word(shown.get(one.path, one.path)),
            text(in_quotes(one.sent)),
        )
        for outcome in result.outcomes
        for one in outcome.observed
        if one.shown is not None and one.path not in _TOLD_ELSEWHERE and differs(one.path, one.shown, one.sent)
        if not (outcome.status == "failed" and one.path in (USER_TYPE, ORGANIZATION_ID))  # the failure says it
    ]


def left_to_do(result: Result) -> tuple[Message, ...]:
    """Say what only a person can do after this run: see to accounts that stayed enabled, give roles to new groups."""
    return (*_still_enabled(result), *_roles_to_give(result))


def _still_enabled(result: Result) -> list[Message]:
    """Name the accounts that the public API calls enabled after their deactivation or deletion."""
    names = [outcome.change.key for outcome in result.outcomes if any(one.path == ENABLED for one in outcome.observed)]
    if not names:
        return []
    return [
        Message(
            "See to these accounts in the NinjaOne console: its public API calls them enabled after their "
            "deactivation or deletion over SCIM: {}.",
            listed(map(person, sorted(names)), _MOST_NAMES),
        )
    ]


def _roles_to_give(result: Result) -> tuple[Message, ...]:
    """Say which new groups need a role: NinjaOne gives them none by itself."""
    new = [
        outcome.change
        for outcome in result.outcomes
        if outcome.change.resource == "group"
        and outcome.change.action == "create"
        and (outcome.status == "applied" or outcome.there)
    ]
    if not new:
        return ()
    steps = [
        Message(
            "Give a role to {}: in the NinjaOne console under Administration, Accounts, Identity Providers, your "
            "provider, Group mapping. Until they are mapped there, the groups give no role.",
            listed(Message('"{}"', group(change.key)) for change in new),
        )
    ]
    members = {member.key for change in new for member in change.added}
    technicians = sorted(
        outcome.change.key
        for outcome in result.outcomes
        if outcome.change.key in members
        and outcome.status == "applied"
        and any(delta.after == TECHNICIAN for delta in outcome.change.diff)
    )
    if technicians:
        steps.append(Message("Until then these new technicians can do nothing: {}.", listed(map(person, technicians))))
    return tuple(steps)
