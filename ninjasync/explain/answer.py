"""The answer in one sentence: what becomes of a user, and why.

Pure. Words what a case holds; must not decide anything.
"""

from ninjasync.explain.case import Case
from ninjasync.model.attributes import short_names
from ninjasync.model.directory import Problem
from ninjasync.model.message import Message, as_message, counted, listed, number, person, word


def answer(case: Case) -> Message:
    """Return the answer, with a word on the guards where they stop it."""
    sentence = _sentence(case)
    if not case.stopped_by:
        return sentence
    if case.planning.plan.refused:
        return Message("{} But the plan is refused as it stands; see the guards.", sentence)
    return Message("{} But a guard withholds this; see the guards.", sentence)


def _sentence(case: Case) -> Message:
    name, reason = person(case.name), as_message(case.reason)
    match case.conclusion:
        case "create":
            return Message("{} has no NinjaOne account yet; the next apply creates it.", name)
        case "adopt":
            return Message("{} has a NinjaOne account that is not managed yet; the next apply takes it over.", name)
        case "update":
            return Message("{} has a NinjaOne account; the next apply changes {}.", name, _what_changes(case))
        case "reactivate":
            return Message("{} has an inactive NinjaOne account; the next apply makes it active again.", name)
        case "deactivate":
            return Message("{} loses the NinjaOne account: {}; the next apply deactivates it.", name, reason)
        case "delete":
            return Message("{} loses the NinjaOne account: {}; the next apply deletes it.", name, reason)
        case "unchanged" if case.memberships:
            return Message("{} has a NinjaOne account; the next apply changes {}.", name, _what_changes(case))
        case "unchanged":
            return Message("{} has a NinjaOne account, and it is as it should be.", name)
        case "held":
            start = "The NinjaOne account of {} stays as it is" if case.managed else "{} gets no NinjaOne account"
            return Message("{}: {}.", Message(start, name), _in_short(case.problems[0]))
        case "left-alone":
            if case.managed:
                return Message("The NinjaOne account of {} stays as it is: {}.", name, reason)
            return Message("{} gets no NinjaOne account for now: {}.", name, reason)
        case "protected":
            return Message("{} is protected, so ninjasync never touches the account.", name)
        case "out-of-scope":
            return Message("{} gets no NinjaOne account: {}.", name, reason)
        case "inactive":
            return Message("The NinjaOne account of {} is inactive {}: {}.", name, _until(case), reason)
        case "kept":
            return Message("{} should have no NinjaOne account ({}), but the configuration keeps it.", name, reason)
        case "unmanaged":
            return Message("{} is an account in NinjaOne that ninjasync does not manage; it is left alone.", name)
        case "gone":
            return Message("Neither Duo nor NinjaOne has {} any more; only the ledger remembers the account.", name)


def _until(case: Case) -> Message:
    if case.turn is None:
        return Message("and stays so for now")
    due = number(f"{case.turn.due:%Y-%m-%d}")
    if case.deferred:
        return Message("and due to be deleted since {}, deferred by the removal limit", due)
    return Message("and will be deleted on {} unless the user returns", due)


def _in_short(problem: Problem) -> Message:
    """Return what is wrong with a record without what to do about it, which follows below."""
    fault = problem.what or problem.message
    return Message("the user {}", fault) if fault.startswith(("has ", "wants ")) else fault


def _what_changes(case: Case) -> Message:
    shown = short_names(case.config.attributes)
    parts = [Message("{}", word(shown.get(row.path, row.path))) for row in case.change.diff] if case.change else []
    parts += [counted(len(case.memberships), "group membership")] if case.memberships else []
    *most, last = parts
    return Message("{} and {}", listed(most), last) if most else last
