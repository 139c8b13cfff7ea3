"""The nouns of a fleet's run: a row for each tenant, and all of them together.

Pure. Knows exit codes and what they are called in a table; knows nothing of processes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

FleetOutcome = Literal[
    "interrupted",
    "credentials",
    "killed",
    "timed out",
    "failed",
    "configuration",
    "locked",
    "in part",
    "refused",
    "not begun",
    "under way",
    "changes",
    "warnings",
    "done",
    "no changes",
    "in order",
]
# Worst first, by the precedence of their exit codes: the order of the table.
OUTCOMES: tuple[FleetOutcome, ...] = get_args(FleetOutcome)
GOOD: frozenset[FleetOutcome] = frozenset({"under way", "changes", "warnings", "done", "no changes", "in order"})
INTERRUPTED = 130  # the exit code
WELL = frozenset({0, 2})  # the exit codes of what needs no look; 2 only says that there are changes
_GIVES_WAY_TO_A_PAUSE = (GOOD | {"not begun"}) - {"under way"}
_BY_CODE: Mapping[int, FleetOutcome] = {
    1: "failed",
    2: "changes",
    3: "refused",
    4: "in part",
    5: "locked",
    6: "credentials",
    64: "failed",
    78: "configuration",
    INTERRUPTED: "interrupted",
}
# Which exit code stands for all tenants together (CONTRACT 6.3; a broken file is a failure of the operator's).
_PRECEDENCE = (INTERRUPTED, 6, 1, 64, 78, 5, 4, 3, 2)


@dataclass(frozen=True, slots=True)
class FleetRow:
    """What became of one tenant. A number is None where it is not known.

    ``users`` and ``groups`` count changes, ``removals`` those of them that deactivate or delete: planned by a plan,
    applied by an apply. ``new_groups`` are those that an apply made, which have no role yet. ``applied`` and
    ``pending`` are what a ledger knows: the changes of the last apply, and writes whose outcome
    is not known yet. ``red``, ``yellow`` and ``green`` count the lines of a check. ``guards`` are
    those that refused, each with the option that approves it or "". ``document`` is of the tenant's own
    JSON document what a page shows, as ``report.tenant_document`` packs it; None where there is none.
    """

    tenant: str
    file: str
    outcome: FleetOutcome
    exit_code: int | None = None
    users: int | None = None
    groups: int | None = None
    removals: int | None = None
    held: int | None = None
    applied: int | None = None
    pending: int | None = None
    red: int | None = None
    yellow: int | None = None
    green: int | None = None
    guards: tuple[tuple[str, str], ...] = ()
    new_groups: tuple[str, ...] = ()
    token_days: int | None = None
    seconds: float | None = None
    last_run: datetime | None = None
    error: str = ""
    paused: bool = False
    document: bytes | None = None

    @property
    def waits(self) -> bool:
        """Whether a pause is what there is to know of it: nothing went wrong, and no apply may begin."""
        return self.paused and self.outcome in _GIVES_WAY_TO_A_PAUSE


@dataclass(frozen=True, slots=True)
class FleetResult:
    """All rows, worst first, and the exit code of the whole."""

    command: str
    rows: tuple[FleetRow, ...]
    exit_code: int

    @property
    def summary(self) -> Mapping[FleetOutcome, int]:
        """How many tenants ended how, worst first, without those that none ended in."""
        counts = Counter(row.outcome for row in self.rows)
        return {outcome: counts[outcome] for outcome in OUTCOMES if counts[outcome]}


def outcome_of(exit_code: int | None, well: FleetOutcome) -> FleetOutcome:
    """Return how a run is called that ended with this code: ``well`` is that of 0; None is a signal's doing."""
    if exit_code is None:
        return "killed"
    return well if exit_code == 0 else _BY_CODE.get(exit_code, "failed")


def total(command: str, rows: Sequence[FleetRow], *, interrupted: bool = False) -> FleetResult:
    """Put rows in the order of the table, paused tenants before what went well, and find the exit code of the whole.

    It may have been interrupted.
    """
    codes = {_code(row) for row in rows} | ({INTERRUPTED} if interrupted else set())
    code = next((code for code in _PRECEDENCE if code in codes), 0)
    ordered = sorted(rows, key=lambda row: (_rank(row), row.tenant.lower(), row.tenant))
    return FleetResult(command, tuple(ordered), code)


def _rank(row: FleetRow) -> tuple[int, bool]:
    """Return where a row stands: a paused tenant behind all that needs a look."""
    outcome: FleetOutcome = "not begun" if row.waits else row.outcome
    return OUTCOMES.index(outcome), row.waits


def _code(row: FleetRow) -> int:
    if row.outcome in ("killed", "timed out"):
        return 1
    return row.exit_code or 0
