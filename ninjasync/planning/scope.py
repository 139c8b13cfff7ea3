"""Who is provisioned, which groups go along, and the reason for each decision.

Pure. Knows ``[scope]`` and ``[groups]`` and the fields of a Duo user that they
speak of; knows nothing of SCIM attributes (``mapping``) or of NinjaOne.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ninjasync.config import provisioning
from ninjasync.config.expression import Expression, ExpressionError, compile_expression, is_true
from ninjasync.model.message import Message, did_you_mean, group, text, word
from ninjasync.model.problems import Code
from ninjasync.model.source import Standing
from ninjasync.names_alike import fitter, folded, is_glob, matcher, spelled
from ninjasync.planning.sync_suffix import origin, without_suffix

_WHY_OUT = {"disabled": Message("disabled in Duo"), "pending deletion": Message("in Duo's trash")}
_NOT_SCOPED = Message("in none of the scoped groups")
_LOCKED_OUT = Message("locked out in Duo for now")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a Duo user stands and why; ``code`` is a problem code where the user is held.

    ``key`` is the key of [scope] that decided it, empty where none did, and ``entry`` its
    entry that the user came under: a pattern, or the id of a group.
    """

    standing: Standing
    reason: Message
    code: Code | None = None
    key: str = field(default="", compare=False)
    entry: str = field(default="", compare=False)


_ALL_USERS = Verdict(Standing.IN, Message("{} is set", word("all_users")), key="all_users")


@dataclass(frozen=True, slots=True)
class Scope:
    """``[scope]`` and ``[groups]`` applied to the groups that Duo has; made by ``resolve``."""

    settings: provisioning.Scope
    included: Mapping[str, str]
    inside: Mapping[str, "Verdict"]
    excluded: Mapping[str, str]
    pushed: Mapping[str, str]
    missing: tuple[Message, ...]
    warnings: tuple[Message, ...]
    where: Expression | None
    wanted: Callable[[Iterable[Any]], str | None]
    unwanted: Callable[[Iterable[Any]], str | None]
    # Where neither names nor expressions count, all who are in the same groups and have the same
    # status stand alike, and are judged once.
    known: dict[tuple[tuple[str, ...], str], "Verdict"] | None = field(compare=False)


def resolve(settings: provisioning.Scope, pushing: provisioning.Groups, groups: Mapping[str, str]) -> Scope:
    """Find the configured groups among Duo's (``groups``: id to name)."""
    included, missing, warnings = _find(settings.groups, groups, "[scope] groups")
    # An exclusion that is out of date must not stop everything else (CONTRACT 5.12).
    excluded, not_excluded, more = _find(settings.exclude_groups, groups, "[scope] exclude_groups")
    pushed, push_warnings, not_pushed = _pushed(pushing, groups, groups if settings.all_users else included)
    return Scope(
        settings=settings,
        included=included,
        inside={
            id_: Verdict(Standing.IN, Message('member of "{}"', group(name)), key="groups", entry=id_)
            for id_, name in included.items()
        },
        excluded=excluded,
        pushed=pushed,
        missing=(*missing, *not_pushed),
        warnings=(
            *warnings,
            *more,
            *(missed if missed.endswith("?") else Message("{}.", missed) for missed in not_excluded),
            *push_warnings,
        ),
        where=compile_expression(settings.where) if settings.where else None,
        wanted=_matcher(settings.users),
        unwanted=_matcher(settings.exclude_users),
        known=None if settings.users or settings.exclude_users or settings.where else {},
    )


def judge(scope: Scope, row: Mapping[str, Any], groups: Iterable[str]) -> Verdict:
    """Decide on one Duo user; ``groups`` are the Duo ids of the user's groups.

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
        return Verdict(Standing.OUT, _NOT_SCOPED)
    if (pattern := scope.unwanted(names)) is not None:
        why = Message('excluded by {} "{}"', word("exclude_users"), text(pattern))
        return Verdict(Standing.OUT, why, key="exclude_users", entry=pattern)
    for id_ in mine:
        if id_ in scope.excluded:
            why = Message('excluded as a member of "{}"', group(scope.excluded[id_]))
            return Verdict(Standing.OUT, why, key="exclude_groups", entry=id_)
    status = row.get("status") or None
    if status not in provisioning.STATUSES:
        return Verdict(
            Standing.HELD,
            Message("Duo gives the status {}, which is not documented; the account stays as it is", text(repr(status))),
            "unknown-status",
        )
    if status not in scope.settings.statuses:
        if status == "locked out":
            return Verdict(Standing.LEFT_ALONE, _LOCKED_OUT, key="statuses")
        why = _WHY_OUT.get(status) or Message('status "{}" is not among {}', word(status), word("[scope] statuses"))
        return Verdict(Standing.OUT, why, key="statuses")
    if scope.where is not None:
        try:
            if not is_true(scope.where(row)):
                why = Message("{} is not true: {}", word("[scope] where"), text(scope.settings.where))
                return Verdict(Standing.OUT, why, key="where")
        except ExpressionError as error:
            why = Message("{} failed on the user's record: {}", word("[scope] where"), text(error))
            return Verdict(Standing.HELD, why, "expression-failed", "where")
    return included


def display_name(pushing: provisioning.Groups, name: str) -> str:
    """Return the displayName that a Duo group's ``name`` becomes in NinjaOne."""
    name, short, came_from = spelled(name), without_suffix(name), origin(name)
    renames = {folded(old): spelled(new) for old, new in pushing.rename.items()}
    for known in (name, short):
        if renamed := renames.get(folded(known)):
            return renamed
    for old, new in pushing.rename.items() if came_from else ():
        if origin(old) == came_from and spelled(new):
            return spelled(new)
    return (short if pushing.strip_sync_suffix else name).strip()


def entry_for(patterns: Iterable[str], group_id: str, groups: Mapping[str, str]) -> str | None:
    """Return the first of ``patterns`` that names the Duo group with the id ``group_id``, out of all ``groups``."""
    return next((pattern for pattern in patterns if group_id in _named(pattern, groups, groups)), None)


def _included(scope: Scope, groups: tuple[str, ...], names: Iterable[Any]) -> Verdict | None:
    for id_ in groups:
        if (verdict := scope.inside.get(id_)) is not None:
            return verdict
    if (pattern := scope.wanted(names)) is not None:
        return Verdict(
            Standing.IN, Message('named by {} "{}"', word("users"), text(pattern)), key="users", entry=pattern
        )
    return _ALL_USERS if scope.settings.all_users else None


def _matcher(patterns: Iterable[str]) -> Callable[[Iterable[Any]], str | None]:
    """Return a function from a user's names to the pattern that fits the first of them that any fits."""
    patterns = tuple(patterns)
    match = matcher(patterns)

    def match_any(names: Iterable[Any]) -> str | None:
        if not patterns:
            return None
        fits = (match(name) for name in names if isinstance(name, str) and name)
        return next((pattern for pattern in fits if pattern is not None), None)

    return match_any


def _find(
    patterns: Iterable[str], groups: Mapping[str, str], key: str
) -> tuple[dict[str, str], tuple[Message, ...], tuple[Message, ...]]:
    """Return the groups that ``patterns`` name, what is missing, and warnings.

    See ``_named`` for how a pattern is read.
    """
    found: dict[str, str] = {}
    missing, warnings = [], []
    for pattern in patterns:
        hits = _named(pattern, groups, groups)
        found |= hits
        if not hits and is_glob(pattern):
            warnings.append(Message('{}: "{}" matches no group in Duo.', word(key), group(pattern)))
        elif not hits:
            near = did_you_mean(pattern, groups.values(), group)
            missing.append(Message('{}: Duo has no group "{}"{}.', word(key), group(pattern), near))
    return found, tuple(missing), tuple(warnings)


def _named(pattern: str, groups: Mapping[str, str], globbed: Mapping[str, str]) -> dict[str, str]:
    """Return the ``groups`` of that id or name (in full or without sync suffix), else the ``globbed`` that fit.

    So a group called ``[x]`` can be named. A glob that fits its own text stays a glob: else
    a new group called ``NinjaOne*`` would take all the others out of scope.
    """
    fits = fitter(pattern) if is_glob(pattern) else None
    if fits is None or not fits(folded(pattern)):
        if pattern.strip() in groups:
            return {pattern.strip(): groups[pattern.strip()]}
        form = folded(pattern)
        exact = {id_: name for id_, name in groups.items() if form in _forms(name)}
        if not exact and (came_from := origin(pattern)):  # its sync let go of it since that was written
            exact = {id_: name for id_, name in groups.items() if origin(name) == came_from}
        if exact or fits is None:
            return exact
    return {id_: name for id_, name in globbed.items() if any(map(fits, _forms(name)))}


def _forms(name: str) -> tuple[str, str]:
    """Return the name of a Duo group as it is compared: in full, and without its sync suffix."""
    return folded(name), folded(without_suffix(name))


def _pushed(
    pushing: provisioning.Groups, groups: Mapping[str, str], scoped: Mapping[str, str]
) -> tuple[dict[str, str], tuple[Message, ...], tuple[Message, ...]]:
    """Map the ids of the groups that NinjaOne gets to their displayNames; return warnings and what is missing."""
    chosen: dict[str, str] = {}
    warnings: list[Message] = []
    missing: list[Message] = []
    for pattern in pushing.push:
        hits = _named(pattern, groups, scoped)
        chosen |= hits
        if not hits and pattern != "*":
            near = did_you_mean(pattern, groups.values(), group)
            said = Message('{}: "{}" matches no group{}.', word("[groups] push"), group(pattern), near)
            # A group renamed in Duo must not be deleted for that, with its role mapping.
            (missing if pushing.removed == "delete" and not is_glob(pattern) else warnings).append(said)
    known = {name for full in groups.values() for name in (full, without_suffix(full))}
    forms, origins = set(map(folded, known)), set(map(origin, known)) - {None}
    warnings += [
        Message('{}: Duo has no group "{}"{}.', word("[groups] rename"), group(name), did_you_mean(name, known, group))
        for name in pushing.rename
        if folded(name) not in forms and origin(name) not in origins
    ]
    names = {id_: display_name(pushing, name) for id_, name in chosen.items()}
    return names, tuple(warnings), tuple(missing)
