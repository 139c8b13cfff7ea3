"""Questions to a difference of two sides, in a word each."""

from __future__ import annotations

from ninjasync.model.change import Change
from ninjasync.model.source import Standing
from ninjasync.planning.diff import Difference

IN, OUT, HELD, LEFT_ALONE = Standing.IN, Standing.OUT, Standing.HELD, Standing.LEFT_ALONE


def only(difference: Difference) -> Change:
    """The one change; fails where there are more."""
    (change,) = difference.changes
    return change


def what(difference: Difference) -> list[tuple[str, str]]:
    """Each change as action and key, in order."""
    return [(change.action, change.key) for change in difference.changes]


def problems(difference: Difference) -> dict[str | None, str]:
    """Problem codes by Duo id."""
    return {problem.external_id: problem.code for problem in difference.problems}
