"""A plan and its outcomes as text for a terminal, in the manner of Terraform.

Text is for people: its layout may change in any version; programs read the JSON.
"""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from ninjasync.errors import ConfigurationError, NinjasyncError
from ninjasync.model.change import Change, Delta, Member, Value
from ninjasync.model.message import Message
from ninjasync.model.outcome import Outcome, Result
from ninjasync.model.plan import Counts, Plan
from ninjasync.report.escape import in_quotes, in_quotes_with_name, visible
from ninjasync.report.outline import deltas, no_changes, not_kept, organization_name

# ANSI's eight colours are the ones that every terminal shows, on dark and on light.
_SIGNS = {
    "create": ("+", "32"),
    "adopt": ("~", "36"),
    "update": ("~", "33"),
    "reactivate": ("~", "33"),
    "deactivate": ("-", "31"),
    "delete": ("-", "31"),
}
_WIDTH = 80
# So many changes that were skipped for one and the same reason are told one by one.
_MOST_SKIPPED = 5

Paint = Callable[[str, str], str]


def render(
    plan: Plan,
    created_at: datetime,
    result: Result | None = None,
    exit_code: int = 0,
    steps: tuple[Message, ...] = (),
) -> str:
    """Return a plan, with ``result`` also what became of it, without colour; time and exit code are not in it."""
    return render_plan(plan, color=False) + (render_result(result, plan, steps, color=False) if result else "")


def render_error(error: NinjasyncError, created_at: datetime, tenant: str = "") -> str:
    """Return a run that ended before there was a plan."""
    mistakes = error.mistakes if isinstance(error, ConfigurationError) else ()
    named = f" [tenant {tenant}]" if tenant else ""
    return "\n".join([*mistakes, f"Error: {error.message}{named}", str(error.hint), ""])


def render_plan(plan: Plan, *, color: bool) -> str:
    """Return the whole plan; the guards come after the changes, the counts last."""
    return "\n".join(_plan_lines(plan, painter(color=color))) + "\n"


def render_result(result: Result, plan: Plan, steps: tuple[Message, ...], *, color: bool) -> str:
    """Return what became of the changes: failures one by one, then the counts, then what is left to a person."""
    paint = painter(color=color)
    lines = []
    # Where nothing was tried, one line says so for all.
    reasons = {(outcome.status, outcome.error) for outcome in result.outcomes}
    if len(result.outcomes) > 1 and len(reasons) == 1 and not result.count("applied"):
        ((status, error),) = reasons
        lines.append(f"  all {len(result.outcomes)} changes {status}: {visible(error)}")
    else:
        lines += _not_applied(result, paint)
    if lines:
        lines = ["", "Not applied:", *lines]
    if unlike := not_kept(result, plan):
        lines += ["", "Not kept as sent:", *(f"  {visible(line)}" for line in unlike)]
    counts = [f"{result.count(status)} {status}" for status in ("applied", "failed", "skipped")]
    lines += ["", paint(f"Applied: {', '.join(counts)}.", "1")]
    if plan.withheld:
        lines.append(f"{len(plan.withheld)} changes were withheld; see the guards.")
    return "\n".join(lines) + "\n" + render_steps(steps)


def _not_applied(result: Result, paint: Paint) -> Iterator[str]:
    """Tell each change that was not applied, but in one line those that were skipped for one reason, if many."""
    skipped = Counter(outcome.error for outcome in result.outcomes if outcome.status == "skipped")
    many = {error for error, count in skipped.items() if count > _MOST_SKIPPED}
    for outcome in result.outcomes:
        skips = outcome.status == "skipped"
        if outcome.status == "applied" or (skips and outcome.error in many):
            continue
        mark = paint("skipped", "33") if skips else paint("failed ", "31")
        yield f"  {mark} {outcome.change.action} {visible(outcome.change.key)}: {visible(outcome.error)}"
    for error in dict.fromkeys(outcome.error for outcome in result.outcomes if outcome.error in many):
        yield f"  {paint('skipped', '33')} {skipped[error]} changes: {visible(error)}"


def render_steps(steps: tuple[Message, ...]) -> str:
    """Return what only a person can do after a run, nothing where there is nothing."""
    lines = ["", "Left for a person:", *(line for step in steps for line in wrapped(visible(step), "  - "))]
    return "\n".join(lines) + "\n" if steps else ""


def render_outcome(outcome: Outcome) -> str:
    """Return one line for the log of a run."""
    words = f"{outcome.status}: {outcome.change.action} {outcome.change.resource} {visible(outcome.change.key)}"
    return f"{words}: {visible(outcome.error)}" if outcome.error else words


def summary_line(plan: Plan) -> str:
    """Return the last line of a plan, as CONTRACT §4 has it, but for the wrapping."""
    if not plan.changes:
        held = plan.users.held + plan.groups.held
        return f"Plan: nothing to do; {held} held." if held else "Plan: nothing to do."
    told = ((name, _counted(counts)) for name, counts in (("users", plan.users), ("groups", plan.groups)))
    return f"Plan: {'; '.join(f'{name}: {parts}' for name, parts in told if parts)}."


def _counted(counts: Counts) -> str:
    """Count what happens to users or groups: reactivations are updates, what is zero is left out."""
    numbers = dict(counts.actions)
    numbers["update"] += numbers.pop("reactivate", 0)
    parts = [f"{number} to {action}" for action, number in numbers.items() if number]
    return ", ".join([*parts, f"{counts.held} held"] if counts.held else parts)


def wrapped_summary(plan: Plan) -> list[str]:
    """Return the last line of a plan in lines of 80 columns."""
    return textwrap.wrap(summary_line(plan), _WIDTH, subsequent_indent=" " * len("Plan: "))


def heading(text: str, *, color: bool) -> str:
    """Return a line that stands out."""
    return painter(color=color)(text, "1") if color else f"{text}\n{'=' * len(text)}"


def painter(*, color: bool) -> Paint:
    """Return what paints a text in one of ANSI's codes; without colour the text as it is."""
    return (lambda text, code: f"\x1b[{code}m{text}\x1b[0m") if color else (lambda text, _: text)


def _plan_lines(plan: Plan, paint: Paint) -> Iterator[str]:
    source, target = plan.source, plan.target
    if plan.tenant:
        yield f"Tenant   {visible(plan.tenant)}"
    yield f"Duo      {source['users']} users, {source['groups']} groups; {source['in_scope']} users in scope"
    yield f"NinjaOne {target['users']} users, {target['groups']} groups; {target['managed']} users managed"
    for resource, title in (("user", "Users"), ("group", "Groups")):
        changes = [change for change in plan.changes if change.resource == resource]
        if changes:
            yield from ("", paint(title, "1"))
            for change in changes:
                yield from _change_lines(change, plan, paint)
                if change.name in plan.withheld:
                    yield f"      {paint('withheld, see the guards', '35')}"
    if plan.problems:
        yield from ("", paint("Held, left exactly as they are", "1"))
        for problem in plan.problems:
            yield f"  {paint('!', '35')} {visible(problem.key)}: {problem.code}"
            yield from wrapped(visible(problem.message), "      ")
    if plan.leavers:
        yield from ("", paint("Leavers, inactive until they are deleted", "1"))
        for leaver in plan.leavers:
            yield f"  . {visible(leaver.key)}: {leaver.turn}"
    if plan.warnings:
        yield from ("", paint("Warnings", "1"))
        for warning in plan.warnings:
            yield from wrapped(visible(warning), "  - ")
    yield from _guard_lines(plan, paint)
    if not plan.changes:
        yield from ("", no_changes(plan))
    yield from ("", *(paint(line, "1") for line in wrapped_summary(plan)))


def _change_lines(change: Change, plan: Plan, paint: Paint) -> Iterator[str]:
    sign, code = _SIGNS[change.action]
    marked = paint("  ! change of rights", "35") if change.privilege else ""
    yield f"  {paint(f'{sign} {change.action:<10}', code)} {visible(change.key)}{marked}"
    for delta in deltas(change):
        name = visible(plan.shown.get(delta.path, delta.path))
        before, after = sides(delta, plan.organizations)
        if change.action == "create":
            yield f"      {name} = {after}"
            continue
        via = f", by way of {in_quotes(delta.via)}" if delta.via else ""
        yield f"      {name}: {before} -> {after}{via}"
    yield from _member_lines("+", change.added)
    yield from _member_lines("-", change.removed)
    for reason in change.reasons:
        yield from wrapped(f"because: {visible(reason)}", "      ")


def sides(delta: Delta, organizations: Mapping[str, str]) -> tuple[str, str]:
    """Return before and after as they are shown, an organization's number with its name."""

    def shown(value: Value) -> str:
        return in_quotes_with_name(value, organization_name(delta.path, value, organizations))

    return shown(delta.before), shown(delta.after)


def _member_lines(sign: str, members: Iterable[Member]) -> Iterator[str]:
    names = [visible(member.key) for member in members]
    if names:
        yield f"      {sign} {len(names)} member{'s' * (len(names) > 1)}"
        yield from textwrap.wrap(
            ", ".join(names),
            _WIDTH,
            initial_indent="          ",
            subsequent_indent="          ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _guard_lines(plan: Plan, paint: Paint) -> Iterator[str]:
    tripped = [guard for guard in plan.guards if guard.tripped]
    if not tripped:
        return
    what = "refused, nothing is written" if plan.refused else f"{len(plan.withheld)} changes withheld"
    yield from ("", paint(f"Guards: {what}", "1;31"))
    for guard in tripped:
        yield f"  {paint('x', '31')} {guard.name}"
        yield from wrapped(visible(guard.message), "      ")
        if guard.approve:
            yield f"      If that is meant: {guard.approve}"


def wrapped(text: str, indent: str) -> list[str]:
    """Return ``text`` in lines of 80 columns; what stands in ``indent`` stands before the first alone."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )
