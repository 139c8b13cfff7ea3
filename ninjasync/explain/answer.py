"""The answer in one sentence: what becomes of a user, and why.

Pure. Words what a case holds; must not decide anything.
"""

from ninjasync.explain.case import Case
from ninjasync.model.attributes import short_names
from ninjasync.model.directory import Problem


def answer(case: Case) -> str:
    """Return the answer, with a word on the guards where they stop it."""
    sentence = _sentence(case)
    if not case.stopped_by:
        return sentence
    if case.planning.plan.refused:
        return f"{sentence} But the plan is refused as it stands; see the guards."
    return f"{sentence} But a guard withholds this; see the guards."


def _sentence(case: Case) -> str:
    name, reason = case.name, case.reason
    match case.conclusion:
        case "create":
            return f"{name} has no NinjaOne account yet; the next apply creates it."
        case "adopt":
            return f"{name} has a NinjaOne account that is not managed yet; the next apply takes it over."
        case "update":
            return f"{name} has a NinjaOne account; the next apply changes {_what_changes(case)}."
        case "reactivate":
            return f"{name} has an inactive NinjaOne account; the next apply makes it active again."
        case "deactivate":
            return f"{name} loses the NinjaOne account: {reason}; the next apply deactivates it."
        case "delete":
            return f"{name} loses the NinjaOne account: {reason}; the next apply deletes it."
        case "unchanged" if case.memberships:
            return f"{name} has a NinjaOne account; the next apply changes {_what_changes(case)}."
        case "unchanged":
            return f"{name} has a NinjaOne account, and it is as it should be."
        case "held":
            start = (
                f"The NinjaOne account of {name} stays as it is" if case.managed else f"{name} gets no NinjaOne account"
            )
            return f"{start}: {_in_short(case.problems[0])}."
        case "left-alone":
            if case.managed:
                return f"The NinjaOne account of {name} stays as it is: {reason}."
            return f"{name} gets no NinjaOne account for now: {reason}."
        case "protected":
            return f"{name} is protected, so ninjasync never touches the account."
        case "out-of-scope":
            return f"{name} gets no NinjaOne account: {reason}."
        case "inactive":
            return f"The NinjaOne account of {name} is inactive {_until(case)}: {reason}."
        case "kept":
            return f"{name} should have no NinjaOne account ({reason}), but the configuration keeps it."
        case "unmanaged":
            return f"{name} is an account in NinjaOne that ninjasync does not manage; it is left alone."
        case "gone":
            return f"Neither Duo nor NinjaOne has {name} any more; only the ledger remembers the account."


def _until(case: Case) -> str:
    if case.turn is None:
        return "and stays so for now"
    if case.deferred:
        return f"and due to be deleted since {case.turn.due:%Y-%m-%d}, deferred by the removal limit"
    return f"and will be deleted on {case.turn.due:%Y-%m-%d} unless the user returns"


def _in_short(problem: Problem) -> str:
    """Return what is wrong with a record without what to do about it, which follows below."""
    fault = problem.what or problem.message
    return f"the user {fault}" if fault.startswith(("has ", "wants ")) else fault


def _what_changes(case: Case) -> str:
    shown = short_names(case.config.attributes)
    parts = [shown.get(row.path, row.path) for row in case.change.diff] if case.change else []
    number = len(case.memberships)
    parts += [f"{number} group membership{'s' * (number > 1)}"] if number else []
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
