"""Past runs and their operations as text and as JSON."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any

from ninjasync.model.document import FORMAT_VERSION
from ninjasync.model.history import Operation, Run
from ninjasync.report.escape import in_quotes, visible


def runs_as_text(runs: Sequence[Run], tenant: str) -> str:
    """Return the tenant, and a line for each run, the latest first."""
    lines = [_run_line(run) for run in runs] or ["No runs yet."]
    return "".join(f"{line}\n" for line in (_tenant_line(tenant), *lines))


def run_as_text(run: Run, operations: Sequence[Operation], tenant: str) -> str:
    """Return a run and every write of it, with before and after."""
    lines = [_tenant_line(tenant), _run_line(run), ""]
    for operation in operations:
        lines += _operation_lines(operation)
    if not operations:
        lines.append("  It wrote nothing.")
    return "\n".join(lines) + "\n"


def user_as_text(who: str, operations: Sequence[Operation], tenant: str) -> str:
    """Return all that was done to one user, the first first."""
    lines = [_tenant_line(tenant), f"{visible(who)}:"]
    for operation in operations:
        at = f"{operation.intended_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
        lines += ["", f"{at}  run {visible(operation.run)}  Duo id {visible(operation.external_id or 'unknown')}"]
        lines += _operation_lines(operation)
    if not operations:
        lines.append("  Nothing was written.")
    return "\n".join(lines) + "\n"


def user_as_json(who: str, operations: Sequence[Operation], tenant: str) -> str:
    """Return all that was done to one user as one JSON document."""
    return _dump(
        {"tenant": tenant, "user": who, "operations": [_operation(one) | {"run": one.run} for one in operations]}
    )


def runs_as_json(runs: Sequence[Run], tenant: str) -> str:
    """Return the runs as one JSON document."""
    return _dump({"tenant": tenant, "runs": [_run(run) for run in runs]})


def run_as_json(run: Run, operations: Sequence[Operation], tenant: str) -> str:
    """Return a run and its writes as one JSON document."""
    return _dump({"tenant": tenant, "run": _run(run), "operations": list(map(_operation, operations))})


def _tenant_line(tenant: str) -> str:
    return f"Tenant {visible(tenant)}"


def _run_line(run: Run) -> str:
    if run.ended_at is None:
        end = "under way, or cut short"
    elif run.exit_code is None:
        end = "cut short"
    else:
        end = f"exit {run.exit_code}"
    counts = ", ".join(f"{number} {status}" for status, number in run.counts.items() if number)
    started = f"{run.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    seconds = _seconds(run)
    took = "" if seconds is None else f"{seconds:.0f} s"
    return "  ".join(visible(part) for part in (run.id, started, took, end, counts, run.command, run.actor) if part)


def _seconds(run: Run) -> float | None:
    """How long the run took; the clock may have been set meanwhile."""
    return None if run.ended_at is None else max((run.ended_at - run.started_at).total_seconds(), 0)


def _operation_lines(operation: Operation) -> Iterator[str]:
    yield f"  {operation.status:<9} {operation.action} {operation.resource} {visible(operation.key)}"
    for path, (before, after) in operation.diff.items():
        if path == "members":
            yield from (
                f"      {sign} {visible(name)}" for sign, names in (("-", before), ("+", after)) for name in names
            )
        else:
            yield f"      {visible(path.rpartition(':')[2])}: {in_quotes(before)} -> {in_quotes(after)}"
    if operation.error:
        yield f"      {visible(operation.error)}"


def _operation(operation: Operation) -> dict[str, Any]:
    return {
        "resource": operation.resource,
        "action": operation.action,
        "key": operation.key,
        "external_id": operation.external_id,
        "id": operation.id,
        "diff": [{"path": path, "before": before, "after": after} for path, (before, after) in operation.diff.items()],
        "at": operation.intended_at.isoformat(),
        "status": operation.status,
        "error": operation.error or None,
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "actor": run.actor,
        "command": run.command,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "seconds": _seconds(run),
        "exit_code": run.exit_code,
        "counts": dict(run.counts),
    }


def _dump(body: dict[str, Any]) -> str:
    return json.dumps({"format_version": FORMAT_VERSION} | body, indent=2, ensure_ascii=True) + "\n"
