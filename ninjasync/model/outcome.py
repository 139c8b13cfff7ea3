"""What became of the changes of a plan, and the exit code that says so."""

from dataclasses import dataclass, field, replace
from typing import Literal

from ninjasync.errors import NinjasyncError
from ninjasync.model.change import Change
from ninjasync.model.directory import Observation
from ninjasync.model.message import NOTHING, Message, number
from ninjasync.model.plan import Plan


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change, and how many ``seconds`` its requests took.

    ``there`` says of one that failed that the resource exists all the same.
    """

    change: Change
    status: Literal["applied", "failed", "skipped"]
    error: Message = NOTHING
    observed: tuple[Observation, ...] = ()
    there: bool = False
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a whole plan, in the plan's order.

    ``interrupted`` says that a signal stopped it, ``fatal`` the error that did.
    """

    outcomes: tuple[Outcome, ...]
    interrupted: bool = False
    fatal: NinjasyncError | None = None

    @classmethod
    def skipped(cls, plan: Plan, why: Message) -> "Result":
        """Return the result of a plan of which nothing was tried."""
        error = Message("not tried: {}", why)
        return cls(tuple(Outcome(change, "skipped", error) for change in plan.changes))

    def with_withheld(self, plan: Plan) -> "Result":
        """Return the outcomes of all changes of ``plan``, of which only some were to be written."""
        if not plan.withheld:
            return self
        done = {outcome.change.name: outcome for outcome in self.outcomes}
        whole: list[Outcome] = []
        for change in plan.changes:
            outcome = done.get(change.name)
            if outcome is None:
                whole.append(Outcome(change, "skipped", Message("withheld by a guard")))
            elif change.name in plan.withheld and outcome.status == "applied":
                error = Message("{} member removals withheld by a guard", number(len(change.removed)))
                whole.append(replace(outcome, change=change, error=error))
            else:
                whole.append(replace(outcome, change=change))
        return replace(self, outcomes=tuple(whole))

    def count(self, status: str) -> int:
        """Return how many changes ended as ``status``."""
        return sum(outcome.status == status for outcome in self.outcomes)


def exit_code(plan: Plan, result: Result | None = None, *, detailed: bool = False) -> int:
    """Return the exit code of a plan, or of the run that applied it (CONTRACT §2, precedence §6.3)."""
    if result is not None:
        if result.interrupted:
            return 130
        if result.fatal is not None:
            return result.fatal.exit_code
        if any(outcome.status == "failed" for outcome in result.outcomes):
            return 4
    if not plan.safe:
        return 3
    return 2 if detailed and plan.changes else 0
