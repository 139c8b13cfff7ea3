"""Checks of Duo: is it reached, does it permit, and does it have what the configuration speaks of."""

from collections import Counter
from dataclasses import replace
from typing import Any

from ninjasync.check.context import CheckContext
from ninjasync.check.local import judge_skew
from ninjasync.config.expression import alternatives_of, fields_of
from ninjasync.model import attributes as paths
from ninjasync.model.finding import Finding, green, red, yellow
from ninjasync.model.source import Standing
from ninjasync.names_alike import nearest
from ninjasync.planning.baseline import lost_groups
from ninjasync.planning.causes import name_remedies, written

_CUSTOM = "custom_attributes"
# Without a value of these no user is provisioned, by default.
_NEEDED = (paths.USER_NAME, paths.GIVEN_NAME, paths.FAMILY_NAME, paths.USER_TYPE)
_MANY = 3


def check_groups(context: CheckContext) -> Finding:
    """Whether Duo answers, accepts the keys and shows its groups."""
    count = len(context.groups)
    return green(f"{context.config.duo.api_hostname} shows its {count} group{'s' * (count != 1)}.")


def check_users(context: CheckContext) -> Finding:
    """Whether Duo shows its users, all of them."""
    count = len(context.source.users)
    return green(f"It shows its {count} user{'s' * (count != 1)}, and the read is complete.")


def check_clock(context: CheckContext) -> Finding:
    """Whether this machine's clock agrees with Duo's, which signs with the time."""
    return judge_skew("Duo", context.duo.skew)


def check_scoped_groups(context: CheckContext) -> Finding:
    """Whether every group that the configuration names is there."""
    source = context.source
    missing = (*source.missing, *lost_groups(context.config, source, context.ledger_facts.baseline))
    if missing:
        return red(
            _some(missing),
            "Write the group's present name, or better its id, into the configuration. Duo's groups are under Groups "
            "in the Duo Admin Panel.",
            details=missing[1:],
        )
    if source.warnings:
        return yellow(_some(source.warnings), "Fix the pattern, or take it out.")
    names = sorted(source.scoped.values())
    if not names:
        return green("None is named, so none can be missing.")
    return green(f"{len(names)} found: {_list(names)}.")


def check_scope(context: CheckContext) -> Finding:
    """Whether any user is in scope, and how many of them are held."""
    every_user = context.source.users.values()
    inside = [user for user in every_user if user.standing is not Standing.OUT]
    held = [user for user in inside if user.problems]
    codes = Counter(code for user in held for code in {problem.code for problem in user.problems})
    why = ", ".join(f"{code} ({count})" for code, count in sorted(codes.items()))
    if not inside:
        reasons = Counter(user.reason for user in every_user)
        most = f" (most: {reasons.most_common(1)[0][0]})" if reasons else ""
        return red(
            f"None of Duo's {len(every_user)} users is in scope{most}.",
            "Look at [scope]: do its groups have members in Duo, and do statuses, where and exclusions let them in?",
        )
    if len(held) == len(inside):
        return red(
            f"All {len(inside)} are held: {why}.", "Look at [attributes]; ninjasync plan says what each of them lacks."
        )
    text = f"{len(inside)} of Duo's {len(every_user)} users"
    if held:
        return yellow(
            f"{text}; {len(held)} of them {'is' if len(held) == 1 else 'are'} held: {why}.",
            "ninjasync plan says who, and what to fix in Duo.",
        )
    return green(f"{text}; none is held.")


def check_names(context: CheckContext) -> Finding:
    """How many in scope have a full name alone, and whether the mapping makes two of it."""
    assert context.source
    counts, mapped = context.counts, context.config.attributes
    without = max(counts.empty[path] for path in (paths.GIVEN_NAME, paths.FAMILY_NAME))
    if not counts.unnamed and not without:
        return green("All in scope have a first and a last name of their own.")
    text = f"{counts.unnamed} of {counts.inside} in scope have a realname, but no first or last name"
    if not without:
        return green(f"{text}; [attributes] takes both from it.")
    lines = [line for _, line in name_remedies(mapped)]
    if "(realname)" in mapped.get(paths.GIVEN_NAME, ""):
        text += f"; {counts.single} of these have a realname of one word"
    text += f". {without} are without a first or a last name, and held."
    cure = "Give them a first and a last name in Duo"
    return Finding(
        "yellow", text, f"{cure}, or write these lines into [attributes]." if lines else f"{cure}.", tuple(lines)
    )


def check_addresses(context: CheckContext) -> Finding:
    """How many in scope have no e-mail, but an address as username."""
    assert context.source
    counts, text = context.counts, context.config.attributes[paths.USER_NAME]
    if not counts.by_username:
        return green("No one in scope has an address as username alone.")
    said = f"{counts.by_username} of {counts.inside} in scope have no e-mail, but an address as username"
    if not counts.empty[paths.USER_NAME]:
        return green(f"{said}; [attributes] takes it from there.")
    line = paths.line_for(paths.USER_NAME, f"{text} || username")
    return Finding("yellow", f"{said}; they are held.", "Write this line into [attributes].", (line,))


def check_values(context: CheckContext) -> Finding:
    """How many in scope have no value for an attribute."""
    assert context.source
    counts, mapped = context.counts, context.config.attributes
    empty = {path: counts.empty[path] for path in mapped if counts.empty[path]}
    if not empty:
        return green(f"Each of the {counts.inside} in scope has a value for every attribute.")
    shares = ", ".join(f"{_short(path)} ({count})" for path, count in sorted(empty.items(), key=lambda one: -one[1]))
    text = f"Without a value, of {counts.inside} in scope: {shares}."
    # A technician needs no organization.
    if set(empty) <= {paths.ORGANIZATION_ID}:
        return green(text)
    # The checks of names and addresses have lines for these.
    covered = (paths.USER_NAME, paths.GIVEN_NAME, paths.FAMILY_NAME)
    lines = tuple(f"now: {paths.line_for(path, mapped[path])}" for path in empty if path not in covered)
    return Finding("yellow", text, "Give them a value in Duo, or write another line into [attributes].", lines)


def check_custom_attributes(context: CheckContext) -> Finding:
    """Which custom attributes Duo has, and the line that maps to one that nothing reads."""
    assert context.source
    seen, mapped = context.counts.custom, context.config.attributes
    if not seen:
        return yellow(
            "No record in Duo has a custom attribute.",
            "Make userType and organizationID in the Duo Admin Panel, Users, User Attributes, and give people a value.",
        )
    used = {field[1] for text in mapped.values() for field in fields_of(text) if field[:-1] == (_CUSTOM,)}
    uses = ", ".join(f"{name} ({count}{'' if name in used else ', not used'})" for name, count in sorted(seen.items()))
    empty = [path for path in (paths.USER_TYPE, paths.ORGANIZATION_ID) if not _has_value(context, path)]
    unused = sorted(name for name in seen if name not in used and seen[name])
    lines = tuple(paths.line_for(path, written(name, custom=True)) for path in empty for name in unused)
    found = Finding("green", f"Duo has, with the number of users who have a value: {uses}.")
    return (
        replace(found, color="yellow", cure="Write the line that is meant into [attributes].", details=lines)
        if lines
        else found
    )


def _has_value(context: CheckContext, path: str) -> bool:
    return context.counts.empty[path] < context.counts.inside


def check_attributes(context: CheckContext) -> Finding:
    """Whether what the mapping reads occurs in Duo's data."""
    config = context.config
    wrong: list[tuple[str, str]] = []
    empty: list[tuple[str, str]] = []
    expressions = list(config.attributes.items())
    if config.scope.where:
        expressions.append(("[scope] where", config.scope.where))
    for path, text in expressions:
        if len(alternatives_of(text)) > 1 and path in config.attributes and _has_value(context, path):
            continue  # one of its parts has a value, and that is what the others are there for
        for field in sorted(fields_of(text)):
            fault = _fault(field, context)
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


def _fault(field: tuple[str, ...], context: CheckContext) -> tuple[str, str] | None:
    """Say what is wrong with a field, and what is probably meant; None where nothing is."""
    if not context.source.users:
        return None
    custom = field[0] == _CUSTOM and len(field) > 1
    seen = context.counts.custom if custom else context.counts.fields
    name = field[1] if custom else field[0]
    what = "custom attribute" if custom else "field"
    if seen[name]:
        return None
    others = {other.casefold(): other for other in seen if other != name and (seen[other] or name not in seen)}
    near = nearest(name, others, cutoff=0.75)
    if near:
        other = near[0]
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
