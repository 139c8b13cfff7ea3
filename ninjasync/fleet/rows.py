"""From how a tenant's process ended, and the document that it wrote, to its row in the table.

Knows the JSON documents of ``plan``, ``apply`` and ``check``; knows nothing of processes but how one ended.
"""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from ninjasync.config.fleet import TenantFile
from ninjasync.errors import RefusedForSafetyError
from ninjasync.fleet.processes import Done
from ninjasync.model.change import REMOVALS
from ninjasync.model.fleet import GOOD, WELL, FleetOutcome, FleetRow, outcome_of
from ninjasync.model.pause import PAUSED
from ninjasync.model.token_expiry import days_left
from ninjasync.report.tenant_document import pack


def read_row(command: str, tenant: TenantFile, done: Done, today: date, *, whole: bool) -> FleetRow:
    """Return the row of a tenant whose process has ended, from what it wrote and how it ended; ``whole``: with that."""
    document = _read_document(done.job.result)
    # One that was told to stop at its very end, and ended well, is done.
    late = done.timed_out and done.exit_code not in WELL
    outcome = "timed out" if late else outcome_of(done.exit_code, _called_well(command, document))
    figures = _figures_of_check(document) if command == "check" else _figures_of_run(command, document)
    error, pause = _reason(outcome, document, done), _pause(document)
    return _row(
        tenant,
        today,
        outcome=outcome,
        exit_code=done.exit_code,
        guards=tuple((guard["name"], guard["approve"]) for guard in document.get("guards", []) if guard["tripped"]),
        seconds=round(done.seconds, 1),
        error=error if pause in error else f"{error} {pause}".lstrip(),
        paused=bool(pause),
        document=pack(document) if whole and document else None,
        **figures,
    )


def row_not_begun(tenant: TenantFile, today: date, why: str) -> FleetRow:
    """Return the row of a tenant for which nothing was run."""
    return _row(tenant, today, outcome="not begun", error=why)


def refused_row(tenant: TenantFile, today: date, why: str) -> FleetRow:
    """Return the row of a tenant for which nothing was run, as what was asked for it cannot be done."""
    return _row(tenant, today, outcome="refused", exit_code=RefusedForSafetyError.exit_code, error=why)


def broken_row(tenant: TenantFile) -> FleetRow:
    """Return the row of a tenant whose file has mistakes."""
    mistakes, file = "; ".join(tenant.mistakes), str(tenant.path)
    return FleetRow(
        tenant.name, file, "configuration", 78, error=mistakes if file in mistakes else f"{file}: {mistakes}"
    )


def _row(tenant: TenantFile, today: date, **values: Any) -> FleetRow:
    days = days_left(tenant.config.ninjaone.token_expires, today) if tenant.config else None
    return FleetRow(tenant.name, str(tenant.path), token_days=days, **values)


def _called_well(command: str, document: Mapping[str, Any]) -> FleetOutcome:
    """Return what a tenant's run is called that ended with 0."""
    match command:
        case "plan":
            return "changes" if document.get("changes") else "no changes"
        case "check":
            return "warnings" if document.get("summary", {}).get("yellow") else "in order"
        case _:
            return "done"


def _figures_of_run(command: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Count the changes of a plan, or of an apply those that were applied; nothing where there was no plan."""
    if "summary" not in document:
        return {}
    changes = document.get("changes", [])
    counted = [change for change in changes if command == "plan" or change.get("outcome") == "applied"]
    users = sum(change["resource"] == "user" for change in counted)
    made = [one["key"] for one in counted if one["resource"] == "group" and one["action"] == "create"]
    return {
        "users": users,
        "groups": len(counted) - users,
        "removals": sum(change["action"] in REMOVALS for change in counted),
        "held": len(document["problems"]),
        "new_groups": tuple(made) if command == "apply" else (),
    }


def _figures_of_check(document: Mapping[str, Any]) -> dict[str, int]:
    return {color: document["summary"][color] for color in ("red", "yellow", "green") if "summary" in document}


def _reason(outcome: FleetOutcome, document: Mapping[str, Any], done: Done) -> str:
    """Say in a sentence or two why a tenant did not go well, or of a check which line is the worst."""
    if outcome == "timed out":
        return f"not over after {done.seconds:.0f} seconds ([fleet] timeout)"
    if worst := _worst_line(document):
        return worst
    if outcome in GOOD:
        return ""
    if (error := document.get("error")) and isinstance(error, dict):
        mistakes = "; ".join(error.get("mistakes", ()))
        return " ".join(part for part in (mistakes and f"{mistakes}.", error["message"], error["hint"]) if part)
    if outcome == "interrupted":
        return "interrupted; the next run goes on from there"
    if tripped := [guard["message"] for guard in document.get("guards", []) if guard["tripped"]]:
        return " ".join(tripped)
    if failed := [change for change in document.get("changes", []) if change.get("outcome") == "failed"]:
        first = failed[0]
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        return f"{first['key']}: {first.get('error', 'failed')}{more}"
    lines = [line.strip() for line in done.said.splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith("Error:")), lines[-1] if lines else "")
    return told.removeprefix("Error: ") or "a signal ended it; its next run settles what it left"


def _pause(document: Mapping[str, Any]) -> str:
    """Return what a run's document says of a pause, as a warning or as what refused it; "" where it says nothing."""
    error = document.get("error")
    said = [*document.get("warnings", ()), error["message"] if isinstance(error, dict) else ""]
    return next((sentence for sentence in said if sentence.startswith(PAUSED)), "")


def _worst_line(document: Mapping[str, Any]) -> str:
    """Return of a check the line that its exit code comes from, else the first yellow one; "" where all is green."""
    lines = [line for line in document.get("checks", []) if not line["waits_for"] and line["color"] != "green"]
    lines.sort(key=lambda line: (line["color"] != "red", line["exit_code"] != document["exit_code"]))
    if not lines:
        return ""
    worst = lines[0]
    return " ".join((f"{worst['name']}:", worst["text"], *worst["details"], worst["cure"] or "")).strip()


def _read_document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    finally:
        path.unlink(missing_ok=True)
    return found if isinstance(found, dict) else {}
