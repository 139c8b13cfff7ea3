"""A plan as a JSON document, and its digest (CONTRACT §4)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ninjasync.model.attributes import MEMBERS
from ninjasync.model.change import Change
from ninjasync.model.plan import Plan

FORMAT_VERSION = "1.0"


def document(plan: Plan) -> dict[str, Any]:
    """Return the part of the JSON document that the digest covers (CONTRACT §4)."""
    shown = plan.shown
    return {
        "tenant": plan.tenant,
        **({"organizations": dict(plan.organizations)} if plan.organizations else {}),
        "source": dict(plan.source),
        "target": dict(plan.target),
        "summary": {
            "users": {
                **plan.users.actions,
                "unchanged": plan.users.unchanged,
                "held": plan.users.held,
                "unmanaged": plan.users.unmanaged,
            },
            "groups": {
                **plan.groups.actions,
                "unchanged": plan.groups.unchanged,
                "unmanaged": plan.groups.unmanaged,
            },
        },
        "changes": [change_document(change, shown, withheld=change.name in plan.withheld) for change in plan.changes],
        "problems": [
            {
                "resource": problem.resource,
                "key": problem.key,
                "external_id": problem.external_id,
                "code": problem.code,
                "message": problem.message,
            }
            for problem in plan.problems
        ],
        "guards": [
            {
                "name": guard.name,
                "tripped": guard.tripped,
                "message": guard.message,
                "approve": guard.approve,
            }
            for guard in plan.guards
        ],
        "warnings": [*plan.warnings, *(f"{leaver.key} is inactive: {leaver.turn}." for leaver in plan.leavers)],
    }


def digest(body: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a document's canonical JSON."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def change_document(change: Change, shown: Mapping[str, str], *, withheld: bool) -> dict[str, Any]:
    """Return one change as it stands in a document; ``shown`` gives attributes' names for people."""
    rows: list[dict[str, Any]] = []
    for delta in change.diff:
        row = {"path": shown.get(delta.path, delta.path), "before": delta.before, "after": delta.after}
        rows.append(row | {"via": delta.via} if delta.via else row)
    if change.added or change.removed:
        rows.append(
            {
                "path": MEMBERS,
                "added": [member.key for member in change.added],
                "removed": [member.key for member in change.removed],
            }
        )
    return {
        "resource": change.resource,
        "action": change.action,
        "key": change.key,
        "id": change.id,
        "external_id": change.external_id,
        **({"privilege": change.privilege} if change.resource == "user" else {}),
        "diff": rows,
        "reasons": list(change.reasons),
        **({"withheld": True} if withheld else {}),
    }
