"""The run over all tenants: canaries first, so many at once, until too many fail in a row.

Knows the order and when to stop; what happens to one tenant is the command line's, run
in a process of its own.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ninjasync.config.fleet import FleetSection, TenantFile, is_canary
from ninjasync.fleet.processes import GRACE, Job, Main, run_side_by_side
from ninjasync.fleet.rows import broken_row, read_row, refused_row, row_not_begun
from ninjasync.fleet.tenants import file_name_of, sort_longest_first
from ninjasync.model.fleet import GOOD, FleetResult, FleetRow, total

# Failures that say something of all tenants: a service that is down, a wrong default, credentials.
_FAILURES = frozenset({"failed", "timed out", "killed", "credentials"})


@dataclass(frozen=True, slots=True)
class FleetRun:
    """What a run over tenants needs: ``command`` is "plan", "apply" or "check", ``folder`` is for results on their way.

    ``arguments`` returns the command line for a tenant, but for its configuration and where its result
    goes; None where that is refused, and ``why_not`` then says why. ``documents``: each row
    keeps of the tenant's own document what a page shows. ``engine`` runs them: on this
    machine unless another is given.
    """

    command: str
    settings: FleetSection
    main: Main
    folder: Path
    today: date
    arguments: Callable[[TenantFile], list[str] | None]
    why_not: str = ""
    documents: bool = True
    at_once: int | None = None
    grace: float = GRACE
    engine: "Engine | None" = None


# Runs the tenants in their order and yields a row as each ends. Begins no more once the second event is set; the first
# stops those under way as well.
Engine = Callable[
    [FleetRun, Sequence[TenantFile], threading.Event, threading.Event], Iterator[tuple[TenantFile, FleetRow]]
]


def run_tenants(
    run: FleetRun, tenants: Sequence[TenantFile], stop: threading.Event, tell: Callable[[FleetRow], None]
) -> FleetResult:
    """Run the command for each tenant, and return the table; ``tell`` hears of each row as it comes."""
    rows: dict[str, FleetRow] = {}
    hold = threading.Event()

    def take(tenant: TenantFile, row: FleetRow) -> None:
        rows[str(tenant.path)] = row
        tell(row)

    sound, why = [], ""
    for tenant in tenants:
        if tenant.mistakes:
            row, what = broken_row(tenant), "has a broken file"
        elif run.arguments(tenant) is None:
            row, what = refused_row(tenant, run.today, run.why_not), "was refused"
        else:
            sound.append(tenant)
            continue
        take(tenant, row)
        if is_canary(run.settings, tenant.name):
            hold.set()
            why = f"the canary {tenant.name} {what} ([fleet] canaries)"
    for phase, some in enumerate(_phases(run.settings, sound)):
        in_a_row = 0
        for tenant, row in (run.engine or run_here)(run, some, stop, hold):
            take(tenant, row)
            in_a_row = in_a_row + 1 if row.outcome in _FAILURES else 0
            if in_a_row >= run.settings.stop_after and not hold.is_set():
                hold.set()
                why = f"{in_a_row} tenants in a row failed ([fleet] stop_after)"
        bad = [rows[str(tenant.path)] for tenant in some if str(tenant.path) in rows]
        if phase == 0 and (refused := [row.tenant for row in bad if row.outcome not in GOOD]):
            hold.set()
            why = f"the canary {refused[0]} did not go well ([fleet] canaries)"
    if stop.is_set():
        why = "interrupted"
    for tenant in sound:
        if str(tenant.path) not in rows:
            take(tenant, row_not_begun(tenant, run.today, why))
    return total(run.command, list(rows.values()), interrupted=stop.is_set())


def _phases(settings: FleetSection, tenants: Sequence[TenantFile]) -> list[list[TenantFile]]:
    """Split the canaries off; each part is in the order in which it is begun."""
    canaries = [tenant for tenant in tenants if is_canary(settings, tenant.name)]
    return [sort_longest_first(canaries), sort_longest_first([one for one in tenants if one not in canaries])]


def run_here(
    run: FleetRun, tenants: Sequence[TenantFile], stop: threading.Event, hold: threading.Event
) -> Iterator[tuple[TenantFile, FleetRow]]:
    """Run the tenants on this machine, a process each; see ``Engine``."""
    by_file: dict[Path, TenantFile] = {}

    def jobs() -> Iterator[Job]:
        for tenant in tenants:
            if hold.is_set():
                return
            job = make_job(tenant, run.arguments(tenant) or [], run.folder)
            by_file[job.result] = tenant
            yield job

    at_once = run.at_once or run.settings.at_once
    for done in run_side_by_side(
        jobs(), run.main, at_once=at_once, timeout=run.settings.timeout, stop=stop, grace=run.grace
    ):
        tenant = by_file[done.job.result]
        yield tenant, read_row(run.command, tenant, done, run.today, whole=run.documents)


def make_job(tenant: TenantFile, arguments: Sequence[str], folder: Path, stop: threading.Event | None = None) -> Job:
    """Return the job of running ``arguments`` with a tenant's configuration, its result going into ``folder``."""
    result = folder / f"{file_name_of(tenant.name)}.json"
    where = ("--config", str(tenant.path), "--format", "json", "--output", str(result))
    return Job(tenant.name, (*arguments, *where), result, stop)
