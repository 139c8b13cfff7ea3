"""Checks of Duo: is it reached, does it permit, and does it have what the configuration speaks of."""

import difflib
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

from ninjasync.check.context import Sight
from ninjasync.config.expression import alternatives_of, fields_of
from ninjasync.model import attributes as paths
from ninjasync.model.finding import Finding, green, red, yellow
from ninjasync.model.source import Standing
from ninjasync.planning.causes import name_remedies, written
from ninjasync.planning.planner import lost_groups

_YELLOW_SKEW, _RED_SKEW = 30, 300
_CUSTOM = "custom_attributes"
# Without a value of these nobody is provisioned, by default.
_NEEDED = (paths.USER_NAME, paths.GIVEN_NAME, paths.FAMILY_NAME, paths.USER_TYPE)
_MANY = 3


def groups(sight: Sight) -> Finding:
    """Whether Duo answers, accepts the keys and shows its groups."""
    count = len(sight.groups)
    return green(f"{sight.config.duo.api_hostname} shows its {count} group{'s' * (count != 1)}.")


def users(sight: Sight) -> Finding:
    """Whether Duo shows its users, all of them."""
    count = len(sight.source.users)
    return green(f"It shows its {count} user{'s' * (count != 1)}, and the read is complete.")


def clock(sight: Sight) -> Finding:
    """Whether this machine's clock agrees with Duo's, which signs with the time."""
    return judged_skew("Duo", sight.duo.skew)


def judged_skew(service: str, skew: timedelta | None) -> Finding:
    """Judge how far a service's clock is ahead of ours."""
    if skew is None:
        return yellow(f"{service} did not say what time it is.", f"It is judged as soon as {service} answers.")
    off = round(abs(skew.total_seconds()))
    if off < _YELLOW_SKEW:
        return green(f"This machine's clock agrees with it, to {max(off, 1)} s.")
    side = "behind" if skew > timedelta(0) else "ahead of"
    text = f"This machine's clock is {_duration(off)} {side} {service}'s."
    cure = "Set this machine's clock, and let it be kept right (NTP; timedatectl shows it)."
    if off < _RED_SKEW:
        return yellow(text, cure)
    return red(text, f"{cure} Duo refuses requests from a clock that is off by minutes.")


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def scoped_groups(sight: Sight) -> Finding:
    """Whether every group that the configuration names is there."""
    source = sight.source
    missing = (*source.missing, *lost_groups(sight.config, source, sight.memory.baseline))
    if missing:
        return red(
            _some(missing),
            "Write the group's present name, or better its id, into the configuration. Duo's groups are under Groups "
            "in the Duo Admin Panel.",
            details=missing[1:],
        )
    if source.warnings:
        return yellow(_some(source.warnings), "Mend the pattern, or take it out.")
    names = sorted(source.scoped.values())
    if not names:
        return green("None is named, so none can be missing.")
    return green(f"{len(names)} found: {_list(names)}.")


def people(sight: Sight) -> Finding:
    """Whether anybody is in scope, and how many of them are held."""
    everybody = sight.source.users.values()
    inside = [user for user in everybody if user.standing is not Standing.OUT]
    held = [user for user in inside if user.problems]
    codes = Counter(code for user in held for code in {problem.code for problem in user.problems})
    why = ", ".join(f"{code} ({count})" for code, count in sorted(codes.items()))
    if not inside:
        reasons = Counter(user.reason for user in everybody)
        most = f" (most: {reasons.most_common(1)[0][0]})" if reasons else ""
        return red(
            f"Nobody of Duo's {len(everybody)} users is in scope{most}.",
            "Look at [scope]: do its groups have members in Duo, and do statuses, where and exclusions let them in?",
        )
    if len(held) == len(inside):
        return red(
            f"All {len(inside)} are held: {why}.", "Look at [attributes]; ninjasync plan says what each of them lacks."
        )
    text = f"{len(inside)} of Duo's {len(everybody)} users"
    if held:
        return yellow(
            f"{text}; {len(held)} of them {'is' if len(held) == 1 else 'are'} held: {why}.",
            "ninjasync plan says who, and what to mend in Duo.",
        )
    return green(f"{text}; none is held.")


def names(sight: Sight) -> Finding:
    """How many in scope have a full name alone, and whether the mapping makes two of it."""
    assert sight.source
    seen, mapped = sight.seen, sight.config.attributes
    without = max(seen.empty[path] for path in (paths.GIVEN_NAME, paths.FAMILY_NAME))
    if not seen.unnamed and not without:
        return green("All in scope have a first and a last name of their own.")
    text = f"{seen.unnamed} of {seen.inside} in scope have a realname, but no first or last name"
    if not without:
        return green(f"{text}; [attributes] takes both from it.")
    lines = [line for _, line in name_remedies(mapped)]
    if "(realname)" in mapped.get(paths.GIVEN_NAME, ""):
        text += f"; {seen.single} of these have a realname of one word"
    text += f". {without} are without a first or a last name, and held."
    cure = "Give them a first and a last name in Duo"
    return Finding(
        "yellow", text, f"{cure}, or write these lines into [attributes]." if lines else f"{cure}.", tuple(lines)
    )


def addresses(sight: Sight) -> Finding:
    """How many in scope have no e-mail, but an address as username."""
    assert sight.source
    seen, text = sight.seen, sight.config.attributes[paths.USER_NAME]
    if not seen.by_username:
        return green("No one in scope has an address as username alone.")
    said = f"{seen.by_username} of {seen.inside} in scope have no e-mail, but an address as username"
    if not seen.empty[paths.USER_NAME]:
        return green(f"{said}; [attributes] takes it from there.")
    line = paths.line_for(paths.USER_NAME, f"{text} || username")
    return Finding("yellow", f"{said}; they are held.", "Write this line into [attributes].", (line,))


def values(sight: Sight) -> Finding:
    """How many in scope have no value for an attribute."""
    assert sight.source
    seen, mapped = sight.seen, sight.config.attributes
    empty = {path: seen.empty[path] for path in mapped if seen.empty[path]}
    if not empty:
        return green(f"Each of the {seen.inside} in scope has a value for every attribute.")
    told = ", ".join(f"{_short(path)} ({count})" for path, count in sorted(empty.items(), key=lambda one: -one[1]))
    text = f"Without a value, of {seen.inside} in scope: {told}."
    # A technician needs no organization.
    if set(empty) <= {paths.ORGANIZATION_ID}:
        return green(text)
    told_before = (paths.USER_NAME, paths.GIVEN_NAME, paths.FAMILY_NAME)
    lines = tuple(f"now: {paths.line_for(path, mapped[path])}" for path in empty if path not in told_before)
    return Finding("yellow", text, "Give them a value in Duo, or write another line into [attributes].", lines)


def custom_attributes(sight: Sight) -> Finding:
    """Which custom attributes Duo has, and the line that maps to one that nothing reads."""
    assert sight.source
    seen, mapped = sight.seen.custom, sight.config.attributes
    if not seen:
        return yellow(
            "No record in Duo has a custom attribute.",
            "Make userType and organizationID in the Duo Admin Panel, Users, User Attributes, and give people a value.",
        )
    used = {field[1] for text in mapped.values() for field in fields_of(text) if field[:-1] == (_CUSTOM,)}
    told = ", ".join(f"{name} ({count}{'' if name in used else ', not used'})" for name, count in sorted(seen.items()))
    empty = [path for path in (paths.USER_TYPE, paths.ORGANIZATION_ID) if not _anybody_has(sight, path)]
    unused = sorted(name for name in seen if name not in used and seen[name])
    lines = tuple(paths.line_for(path, written(name, custom=True)) for path in empty for name in unused)
    found = Finding("green", f"Duo has, with the number of users who have a value: {told}.")
    return (
        replace(found, color="yellow", cure="Write the line that is meant into [attributes].", details=lines)
        if lines
        else found
    )


def _anybody_has(sight: Sight, path: str) -> bool:
    return sight.seen.empty[path] < sight.seen.inside


def attributes(sight: Sight) -> Finding:
    """Whether what the mapping reads occurs in Duo's data."""
    config = sight.config
    wrong: list[tuple[str, str]] = []
    empty: list[tuple[str, str]] = []
    expressions = list(config.attributes.items())
    if config.scope.where:
        expressions.append(("[scope] where", config.scope.where))
    for path, text in expressions:
        if len(alternatives_of(text)) > 1 and path in config.attributes and _anybody_has(sight, path):
            continue  # one of its parts has a value, and that is what the others are there for
        for field in sorted(fields_of(text)):
            fault = _fault(field, sight)
            if fault is not None:
                sentence, near = fault
                (wrong if near or path in _NEEDED else empty).append((f"{_short(path)}: {sentence}", near))
    if wrong:
        cure = next((f"Write {near} there; letter case counts." for _, near in wrong if near), _SET_IN_DUO)
        return red(_some([text for text, _ in wrong]), cure, details=tuple(text for text, _ in wrong[1:]))
    if empty:
        return yellow(_some([text for text, _ in empty]), _SET_IN_DUO)
    names = sorted({field[1] for _, text in expressions for field in fields_of(text) if field[:-1] == (_CUSTOM,)})
    return green(f"Custom attributes seen in Duo's data: {_list(names)}." if names else "All are seen in Duo's data.")


_SET_IN_DUO = (
    "Correct the name in [attributes], or give the attribute a value in Duo (Duo Admin Panel, Users, User Attributes)."
)


def _fault(field: tuple[str, ...], sight: Sight) -> tuple[str, str] | None:
    """Say what is wrong with a field, and what is probably meant; None where nothing is."""
    if not sight.source.users:
        return None
    custom = field[0] == _CUSTOM and len(field) > 1
    seen = sight.seen.custom if custom else sight.seen.fields
    name = field[1] if custom else field[0]
    what = "custom attribute" if custom else "field"
    if seen[name]:
        return None
    others = {other.casefold(): other for other in seen if other != name and (seen[other] or name not in seen)}
    near = difflib.get_close_matches(name.casefold(), others, n=1, cutoff=0.75)
    if near:
        other = others[near[0]]
        return f'no user in Duo has the {what} "{name}", but "{other}" occurs.', written(other, custom=custom)
    return f'no user in Duo has a value of the {what} "{name}".', ""


def _short(path: str) -> str:
    return path.rpartition(":")[2]


def _some(sentences: Any) -> str:
    """Return the first of several sentences, and how many more there are."""
    first, *more = sentences
    return f"{first} ({len(more)} more below.)" if more else str(first)


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:_MANY])
    return f"{shown} and {len(names) - _MANY} more" if len(names) > _MANY else shown
