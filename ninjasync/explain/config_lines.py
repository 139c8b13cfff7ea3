"""The lines of the configuration that led to a step, as they stand there: ``[scope] groups = [..., "x"]``.

Pure. Knows how a line is written and which one decided; of a list it shows the entry that
decided, or the first few. Must not know what becomes of the user.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from ninjasync.config.example import toml
from ninjasync.explain.case import Case
from ninjasync.model.problems import PROBLEMS
from ninjasync.model.source import Standing
from ninjasync.planning.scope import entry_for
from ninjasync.planning.sides import protection

# How many entries of a list are shown before it is cut.
_MOST_ENTRIES = 8


def scope_lines(case: Case) -> tuple[str, ...]:
    """Return what put a Duo user in scope, or out of it."""
    assert case.verdict is not None
    scope, verdict, groups = case.config.scope, case.verdict, case.planning.source.groups
    match verdict.key:
        case "groups" | "exclude_groups":
            patterns = getattr(scope, verdict.key)
            return (_line("scope", verdict.key, patterns, entry_for(patterns, verdict.entry, groups)),)
        case "users" | "exclude_users":
            return (_line("scope", verdict.key, getattr(scope, verdict.key), verdict.entry),)
        case "":
            lines = [_line("scope", key, getattr(scope, key)) for key in ("groups", "users") if getattr(scope, key)]
            return tuple(lines) if verdict.standing is Standing.OUT else ()
        case key:
            return (_line("scope", key, getattr(scope, key)),)


def push_lines(case: Case, groups: Iterable[str]) -> tuple[str, ...]:
    """Return what has these Duo groups (ids) pushed."""
    push, every = case.config.groups.push, case.planning.source.groups
    return tuple(sorted({_line("groups", "push", push, entry_for(push, id_, every)) for id_ in groups}))


def decision_lines(case: Case) -> tuple[str, ...]:
    """Return what decided on a Duo user or an account."""
    deprovision, safety = case.config.deprovision, case.config.safety
    lines = []
    match case.conclusion:
        case "adopt":
            lines = [_line("deprovision", "adopt", deprovision.adopt)]
        case "deactivate" | "delete" | "inactive" | "kept":
            lines = [_line("deprovision", "users", deprovision.users)]
            if deprovision.users == "deactivate":
                lines.append(_line("deprovision", "delete_after_days", deprovision.delete_after_days))
        case "protected":
            patterns, name = safety.protected_users, case.protected or ""
            entry = next((one for one in patterns if protection([one])(name)), None)
            if entry is None:  # a system administrator
                lines = [_line("safety", "protect_administrators", safety.protect_administrators)]
            else:
                lines = [_line("safety", "protected_users", patterns, entry)]
        case "held":
            codes = {problem.code for problem in case.problems}
            lines = [
                _line("safety", key, getattr(safety, key))
                for code in sorted(codes)
                if (key := PROBLEMS[code].allowed_by)
            ]
            if "name-taken" in codes and not deprovision.adopt:
                lines.append(_line("deprovision", "adopt", deprovision.adopt))
    if case.change is not None and case.change.privilege:
        limits = ("max_privilege_changes", "max_privilege_changes_percent")
        lines += [_line("safety", key, getattr(safety, key)) for key in limits]
    return tuple(lines)


def _line(section: str, key: str, value: Any, entry: str | None = None) -> str:
    """Return a line of the configuration; of a list, the one ``entry`` that counts, or the first few."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return f"[{section}] {key} = {toml(value)}"
    chosen = list(value[:_MOST_ENTRIES]) if entry is None else [entry]
    shown = [toml(one) for one in chosen]
    if len(value) > len(chosen):
        shown.insert(0 if entry is not None else len(shown), "...")
    return f"[{section}] {key} = [{', '.join(shown)}]"
