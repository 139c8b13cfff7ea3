"""What a message about a run says, and whether there is one.

Pure. Speaks of numbers: a message goes to other people's servers, so it names no
user.
"""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from ninjasync.model.token_expiry import WARNING_DAYS, tell_expiry
from ninjasync.report.metrics import Ended

Event = Literal["failure", "refusal", "removals", "held", "token"]
Weight = Literal["failure", "warning", "info"]

# The days before the SCIM token expires on which a message is sent; then each day.
TOKEN_DAYS = (WARNING_DAYS, 14, 7, 3, 2, 1, 0)

_ENDS = {
    0: "done",
    1: "failed",
    2: "done",
    3: "refused for safety",
    4: "applied in part",
    5: "did not start",
    6: "credentials refused",
    130: "interrupted",
}
# How much each event weighs; a message has the weight of its heaviest.
WEIGHTS: dict[Event, Weight] = {
    "failure": "failure",
    "refusal": "warning",
    "removals": "info",
    "held": "warning",
    "token": "warning",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to people."""

    title: str
    body: str
    weight: Weight


def token_stage(days: int) -> int | None:
    """Return which warning is due with so many days left: the same number, the same warning; None for none."""
    if days < 0:
        return days
    return min((stage for stage in TOKEN_DAYS if days <= stage), default=None)


def notice(run: Ended, on: Collection[Event], why: str, *, token_due: bool) -> Notice | None:
    """Return the message about ``run``, None where nothing happened that is asked for by ``on``.

    ``why`` is the error that ended the run, fit to be sent; ``token_due`` whether it is
    time to warn of the SCIM token.
    """
    said = {event: tell(run, why) for event, tell in _EVENTS.items() if event in on}
    if not token_due:
        said.pop("token", None)
    told = {event: text for event, text in said.items() if text}
    if not told:
        return None
    weight = min((WEIGHTS[event] for event in told), key=("failure", "warning", "info").index)
    end = _ENDS.get(run.exit_code, "failed")
    title = f"ninjasync {run.command}, {run.tenant}: {end}"
    return Notice(title, "\n".join((*told.values(), f"Exit code {run.exit_code}.")), weight)


def _failure(run: Ended, why: str) -> str:
    if run.succeeded or run.exit_code == 3:
        return ""
    if run.result is None:
        return why
    applied, failed, skipped = (run.result.count(status) for status in ("applied", "failed", "skipped"))
    counts = f"{applied} changes applied, {failed} failed, {skipped} skipped."
    return " ".join(filter(None, (why, counts, "ninjasync history names them; the next run goes on from there.")))


def _refusal(run: Ended, why: str) -> str:
    if run.exit_code != 3:
        return ""
    if run.plan is None or run.plan.safe:
        return why
    guards = ", ".join(
        f"{guard.name} ({guard.approve})" if guard.approve else guard.name for guard in run.plan.guards if guard.tripped
    )
    written = f"{len(run.plan.withheld)} changes are withheld" if not run.plan.refused else "nothing is written"
    return f"Guards tripped: {guards}; {written}. ninjasync plan says why."


def _removals(run: Ended, why: str) -> str:
    if not run.removals:
        return ""
    counted = Counter((change.action, change.resource) for change in run.removals)
    listed = ", ".join(
        f"{action} {number} {resource}{'s' * (number > 1)}" for (action, resource), number in sorted(counted.items())
    )
    if run.result is None:
        return f"Removals planned: {listed}."
    return f"Removals: {listed}; {run.removals_applied} of {len(run.removals)} carried out."


def _held(run: Ended, why: str) -> str:
    if run.held_news is None or not run.held_news.number:
        return ""
    number = run.held_news.number
    codes = ", ".join(f"{code} ({count})" for code, count in run.held_news.codes)
    what = "1 record is held" if number == 1 else f"{number} records are held"
    if run.held_news.compared:
        what += f" that {'was' if number == 1 else 'were'} not in the last run"
    return f"{what}: {codes}. ninjasync plan says who, and what to do."


def _token(run: Ended, why: str) -> str:
    if run.token_days is None:
        return ""
    by = ", by [ninjaone] token_expires" if run.token_days < 0 else ""
    return (
        f"The SCIM token {tell_expiry(run.token_days)}{by}. "
        "Make a new one in the NinjaOne console, put it in place and set [ninjaone] token_expires."
    )


_EVENTS: dict[Event, Callable[[Ended, str], str]] = {
    "failure": _failure,
    "refusal": _refusal,
    "removals": _removals,
    "held": _held,
    "token": _token,
}
