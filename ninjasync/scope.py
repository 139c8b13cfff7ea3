"""Who is provisioned, which groups go along, and the reason for each decision.

Pure. Knows ``[scope]`` and ``[groups]`` and the fields of a Duo user that they
speak of; knows nothing of SCIM attributes (``mapping``) or of NinjaOne.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from ninjasync import config
from ninjasync.attribute import nearest
from ninjasync.directory import Standing
from ninjasync.expression import Expression, ExpressionError, compile_expression, is_true

# 'Helpdesk (from AD sync "corp")': how Duo shows a group that comes from another directory. Only the
# form for Active Directory is documented; the others are taken to differ in the source's name alone.
_SYNC_SUFFIX = re.compile(r' \(from .+ sync ".*"\)$')

_WHY_OUT = {"disabled": "disabled in Duo", "pending deletion": "in Duo's trash"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a Duo user stands and why; ``code`` is a problem code where he is held.

    ``key`` is the key of [scope] that decided it, empty where none did, and ``entry`` its
    entry that he came under: a pattern, or the id of a group.
    """

    standing: Standing
    reason: str
    code: str = ""
    key: str = field(default="", compare=False)
    entry: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """``[scope]`` and ``[groups]`` applied to the groups that Duo has; made by ``resolve``."""

    settings: config.Scope
    included: Mapping[str, str]
    inside: Mapping[str, "Verdict"]
    excluded: Mapping[str, str]
    pushed: Mapping[str, str]
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    where: Expression | None
    wanted: Callable[[Iterable[Any]], str | None]
    unwanted: Callable[[Iterable[Any]], str | None]
    # Where neither names nor expressions count, all who are in the same groups and have the same
    # status stand alike, and are judged once.
    known: dict[tuple[tuple[str, ...], str], "Verdict"] | None = field(compare=False)


def resolve(settings: config.Scope, pushing: config.Groups, groups: Mapping[str, str]) -> Scope:
    """Find the configured groups among Duo's (``groups``: id to name)."""
    included, missing, warnings = _find(settings.groups, groups, "[scope] groups")
    excluded, not_excluded, more = _find(settings.exclude_groups, groups, "[scope] exclude_groups")
    pushed, push_warnings, not_pushed = _pushed(pushing, groups, groups if settings.all_users else included)
    return Scope(
        settings=settings,
        included=included,
        inside={
            group: Verdict(Standing.IN, f'member of "{name}"', key="groups", entry=group)
            for group, name in included.items()
        },
        excluded=excluded,
        pushed=pushed,
        missing=(*missing, *not_excluded, *not_pushed),
        warnings=(*warnings, *more, *push_warnings),
        where=compile_expression(settings.where) if settings.where else None,
        wanted=_matcher(settings.users),
        unwanted=_matcher(settings.exclude_users),
        known=None if settings.users or settings.exclude_users or settings.where else {},
    )


def judge(scope: Scope, row: Mapping[str, Any], groups: Iterable[str]) -> Verdict:
    """Decide on one Duo user; ``groups`` are the Duo ids of his groups.

    Scope goes before validity: who is out is out however invalid the rest is.
    """
    mine, status = tuple(groups), row.get("status")
    if scope.known is None or not isinstance(status, str):
        return _judge(scope, row, mine)
    verdict = scope.known.get((mine, status))
    if verdict is None:
        verdict = scope.known[mine, status] = _judge(scope, row, mine)
    return verdict


def _judge(scope: Scope, row: Mapping[str, Any], mine: tuple[str, ...]) -> Verdict:
    names = (row["user_id"], row.get("username"), row.get("email"))
    included = _included(scope, mine, names)
    if included is None:
        return Verdict(Standing.OUT, "in none of the scoped groups")
    if (pattern := scope.unwanted(names)) is not None:
        return Verdict(Standing.OUT, f'excluded by exclude_users "{pattern}"', key="exclude_users", entry=pattern)
    for group in mine:
        if group in scope.excluded:
            why = f'excluded as a member of "{scope.excluded[group]}"'
            return Verdict(Standing.OUT, why, key="exclude_groups", entry=group)
    status = row.get("status") or None
    if status not in config.STATUSES:
        return Verdict(
            Standing.HELD,
            f"Duo gives the status {status!r}, which is not documented; he stays as he is",
            "unknown-status",
        )
    if status not in scope.settings.statuses:
        if status == "locked out":
            return Verdict(Standing.LEFT_ALONE, "locked out in Duo for now; he stays as he is", key="statuses")
        why = _WHY_OUT.get(status, f'status "{status}" is not among [scope] statuses')
        return Verdict(Standing.OUT, why, key="statuses")
    if scope.where is not None:
        try:
            if not is_true(scope.where(row)):
                return Verdict(Standing.OUT, f"[scope] where is not true: {scope.settings.where}", key="where")
        except ExpressionError as error:
            why = f"[scope] where failed on his record: {error}"
            return Verdict(Standing.HELD, why, "expression-failed", "where")
    return included


def display_name(pushing: config.Groups, name: str) -> str:
    """Return the displayName that a Duo group's ``name`` becomes in NinjaOne."""
    short = _SYNC_SUFFIX.sub("", name)
    for known in (name, short):
        if renamed := pushing.rename.get(known, "").strip():
            return renamed
    return (short if pushing.strip_sync_suffix else name).strip()


def entry_for(patterns: Iterable[str], group: str, groups: Mapping[str, str]) -> str | None:
    """Return the first of ``patterns`` that names the Duo group with the id ``group``, out of all ``groups``."""
    return next((pattern for pattern in patterns if group in _named(pattern, groups, groups)), None)


def _included(scope: Scope, groups: tuple[str, ...], names: Iterable[Any]) -> Verdict | None:
    for group in groups:
        if (verdict := scope.inside.get(group)) is not None:
            return verdict
    if (pattern := scope.wanted(names)) is not None:
        return Verdict(Standing.IN, f'named by users "{pattern}"', key="users", entry=pattern)
    return Verdict(Standing.IN, "all_users is set", key="all_users") if scope.settings.all_users else None


def _matcher(patterns: Iterable[str]) -> Callable[[Iterable[Any]], str | None]:
    """Return a function from a user's names to the first pattern that fits one; letter case is ignored."""
    exact = {pattern.casefold(): pattern for pattern in patterns}
    globs = [(folded, pattern) for folded, pattern in exact.items() if _is_glob(pattern)]

    def match(names: Iterable[Any]) -> str | None:
        folded = [name.casefold() for name in names if isinstance(name, str) and name] if exact else []
        for name in folded:
            if name in exact:
                return exact[name]
        return next((shown for glob, shown in globs if any(fnmatchcase(name, glob) for name in folded)), None)

    return match


def _is_glob(pattern: str) -> bool:
    return any(mark in pattern for mark in "*?[")


def _find(
    patterns: Iterable[str], groups: Mapping[str, str], key: str
) -> tuple[dict[str, str], tuple[str, ...], tuple[str, ...]]:
    """Return the groups that ``patterns`` name, what is missing, and warnings.

    See ``_named`` for how a pattern is read.
    """
    found: dict[str, str] = {}
    missing, warnings = [], []
    for pattern in patterns:
        hits = _named(pattern, groups, groups)
        found |= hits
        if not hits and _is_glob(pattern):
            warnings.append(f'{key}: "{pattern}" matches no group in Duo.')
        elif not hits:
            missing.append(f'{key}: Duo has no group "{pattern}"{nearest(pattern, groups.values())}')
    return found, tuple(missing), tuple(warnings)


def _named(pattern: str, groups: Mapping[str, str], globbed: Mapping[str, str]) -> dict[str, str]:
    """Return the ``groups`` of that id or exact name (in full or without sync suffix), else the ``globbed`` that fit.

    So a group called ``[x]`` can be named. A glob that fits its own text stays a glob: else
    whoever makes a group called ``NinjaOne*`` would take all the others out of scope.
    """
    if _is_glob(pattern) and fnmatchcase(pattern, pattern):
        return _globbed(pattern, globbed)
    return _exact(pattern, groups) or (_globbed(pattern, globbed) if _is_glob(pattern) else {})


def _exact(pattern: str, groups: Mapping[str, str]) -> dict[str, str]:
    if pattern in groups:
        return {pattern: groups[pattern]}
    return {id_: name for id_, name in groups.items() if pattern in (name, _SYNC_SUFFIX.sub("", name))}


def _globbed(pattern: str, groups: Mapping[str, str]) -> dict[str, str]:
    return {
        id_: name
        for id_, name in groups.items()
        if fnmatchcase(name, pattern) or fnmatchcase(_SYNC_SUFFIX.sub("", name), pattern)
    }


def _pushed(
    pushing: config.Groups, groups: Mapping[str, str], scoped: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...], tuple[str, ...]]:
    """Map the ids of the groups that NinjaOne gets to their displayNames; return warnings and what is missing."""
    chosen: dict[str, str] = {}
    warnings: list[str] = []
    missing: list[str] = []
    for pattern in pushing.push:
        hits = _named(pattern, groups, scoped)
        chosen |= hits
        if not hits and pattern != "*":
            told = f'[groups] push: "{pattern}" matches no group{nearest(pattern, groups.values()) or "."}'
            # A group renamed in Duo must not be deleted for that, with its role mapping.
            (missing if pushing.removed == "delete" and not _is_glob(pattern) else warnings).append(told)
    known = {name for full in groups.values() for name in (full, _SYNC_SUFFIX.sub("", full))}
    warnings += [
        f'[groups] rename: Duo has no group "{name}"{nearest(name, known)}'
        for name in pushing.rename
        if name not in known
    ]
    names = {id_: display_name(pushing, name) for id_, name in chosen.items()}
    return names, tuple(warnings), tuple(missing)
