"""Tells one person's story: the answer in a sentence, the six steps, and what would stop it.

Pure. Says what ``explain_case`` found; decides nothing about people.
"""

import difflib
import re
from collections.abc import Iterable

from ninjasync.config.schema import Config
from ninjasync.explain import steps
from ninjasync.explain.case import Case, Seen
from ninjasync.model.attributes import short_names
from ninjasync.model.change import REMOVALS, Change
from ninjasync.model.explanation import Story
from ninjasync.model.plan import GuardResult, LastPlan

# What ``mapping`` puts behind a problem: the line of [attributes].
_ORIGIN = re.compile(r" \([\w.:]+ (= .*|is not mapped)\)$", re.DOTALL)


def tell(config: Config, seen: Seen, last_plan: LastPlan | None) -> Story:
    """Return the story; its requests are put in by whoever knows the wire."""
    case = Case(config, seen)
    changes = (*((case.change,) if case.change else ()), *case.memberships)
    stopped = _stopped_by(changes, last_plan)
    refused = tuple(f"{sentence.rstrip('.')}." for sentence in seen.source.missing) if changes else ()
    answer = _answer(case)
    if refused:
        answer += " But a plan is refused as it stands; see the guards."
    elif stopped:
        answer += " But a guard stopped the last full plan."
    return Story(
        who=seen.who,
        name=case.name,
        outcome=case.outcome,
        answer=answer,
        duo_id=seen.duo_id,
        account_id=case.account.id if case.account else None,
        steps=steps.steps(case),
        attributes=steps.attributes(case),
        changes=changes,
        problems=case.problems,
        shown=short_names(config.attributes),
        last_plan=last_plan,
        stopped_by=stopped,
        refused_now=refused,
        unsure=(*seen.unsure, *_unsure(case)),
    )


def nearest(who: str, names: Iterable[str]) -> list[str]:
    """Return up to three of ``names`` that ``who`` may be a misspelling of, the likeliest first.

    Compared is what stands before the @: else all of one domain would be alike.
    """
    by_local: dict[str, set[str]] = {}
    for name in names:
        by_local.setdefault(name.partition("@")[0].casefold(), set()).add(name)
    hits = difflib.get_close_matches(who.partition("@")[0].casefold(), by_local, n=3, cutoff=0.7)
    return [name for hit in hits for name in sorted(by_local[hit])][:3]


def _answer(case: Case) -> str:
    """Say in one sentence what becomes of somebody, and why."""
    name, reason = case.name, case.reason
    match case.outcome:
        case "create":
            return f"{name} has no NinjaOne account yet; the next apply creates it."
        case "adopt":
            return f"{name} has a NinjaOne account that nobody manages; the next apply takes it over."
        case "update":
            return f"{name} has a NinjaOne account; the next apply changes {_what(case)}."
        case "reactivate":
            return f"{name} has an inactive NinjaOne account; the next apply makes it active again."
        case "deactivate":
            return f"{name} loses the NinjaOne account: {reason}; the next apply deactivates it."
        case "delete":
            return f"{name} loses the NinjaOne account: {reason}; the next apply deletes it."
        case "unchanged" if case.memberships:
            return f"{name} has a NinjaOne account; the next apply changes {_what(case)}."
        case "unchanged":
            return f"{name} has a NinjaOne account, and it is as it should be."
        case "held":
            has = (
                f"The NinjaOne account of {name} stays as it is" if case.managed else f"{name} gets no NinjaOne account"
            )
            return f"{has}: {_in_short(case.problems[0].message)}."
        case "left-alone":
            has = "The NinjaOne account of" if case.managed else "Nothing becomes of"
            return f"{has} {name} {'stays as it is' if case.managed else 'for now'}: {reason.partition(';')[0]}."
        case "protected":
            return f"{name} is protected, so ninjasync never touches the account."
        case "out-of-scope":
            return f"{name} gets no NinjaOne account: {reason}."
        case "inactive":
            end = f"and is deleted on {case.turn.due:%Y-%m-%d}" if case.turn else "and stays so for now"
            return f"The NinjaOne account of {name} is inactive {end}: {reason}."
        case "kept":
            return f"{name} should have no NinjaOne account ({reason}), but the configuration keeps it."
        case "unmanaged":
            return f"{name} is an account in NinjaOne that ninjasync does not manage; it is left alone."
        case "gone":
            return f"Neither Duo nor NinjaOne has {name} any more; only the ledger remembers."


def _in_short(message: str) -> str:
    """Return what is wrong with a record without what to do about it, which follows below."""
    said = _ORIGIN.sub("", message).partition("; ")[0].partition(" (NinjaOne would")[0]
    return f"the user {said}" if said.startswith(("has ", "wants ")) else said


def _what(case: Case) -> str:
    """Name what changes, in a few words."""
    shown = short_names(case.config.attributes)
    parts = [shown.get(row.path, row.path) for row in case.change.diff] if case.change else []
    number = len(case.memberships)
    parts += [f"{number} group membership{'s' * (number > 1)}"] if number else []
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _stopped_by(changes: tuple[Change, ...], last: LastPlan | None) -> tuple[GuardResult, ...]:
    """Return the guards of the last full plan that would keep ``changes`` from being written."""
    if last is None or not changes:
        return ()
    tripped = tuple(guard for guard in last.guards if guard.tripped)
    removes = any(change.action in REMOVALS or change.removed for change in changes)
    if last.refused or removes:
        return tripped
    privileged = any(change.privilege for change in changes)
    return tuple(guard for guard in tripped if privileged and guard.name == "privilege-changes")


def _unsure(case: Case) -> list[str]:
    if case.outcome != "delete" or case.config.deprovision.users == "delete":
        return []
    return [
        "One run deletes no more than the removal limit allows, the oldest first; whether it is his turn, a plan tells."
    ]
