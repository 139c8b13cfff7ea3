"""What a ledger holds, as text and as JSON."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ninjasync.model.document import FORMAT_VERSION
from ninjasync.model.history import Copy, Inventory, TenantEntries
from ninjasync.model.pause import Pause
from ninjasync.report.escape import visible


def as_text(shown: Inventory, now: datetime) -> str:
    """Return where the ledger is and a paragraph for each tenant; this configuration's has a star."""
    path = visible(str(shown.path))
    if shown.version is None:
        return f"There is no ledger yet; the first apply makes it at {path}.\n"
    lines = [f"Ledger: {path}", f"Schema: version {shown.version}", f"Tenants: {len(shown.tenants)}"]
    for one in shown.tenants:
        mark = "*" if one.id == shown.tenant.id else " "
        lines += [
            "",
            f"{mark} {visible(one.name) or '(no name)'}: {one.users} users, {one.groups} groups, {one.runs} runs, "
            f"since {one.since:%Y-%m-%d}",
            f"    NinjaOne  {visible(one.endpoint_url)}",
            f"    Duo       {visible(one.api_hostname)}",
            f"    id        {one.id}",
        ]
        if one.pause is not None and one.pause.holds_at(now):
            lines.append(f"    paused    {visible(one.pause.told)}")
    if shown.tenants:
        known = any(one.id == shown.tenant.id for one in shown.tenants)
        lines += ["", "* the tenant of this configuration" if known else "None is that of this configuration."]
    return "\n".join(lines) + "\n"


def upgraded_as_text(place: str, version: int, grants: Sequence[str]) -> str:
    """Return which tables there are now, and the lines of SQL that let another role use them."""
    lines = [f"{visible(place)}: the tables are those of version {version}."]
    if grants:
        lines += [
            "",
            "Let their owner run this for the everyday role, here called ninjasync, which needs no more:",
            "",
            *grants,
        ]
    return "\n".join(lines) + "\n"


def copy_as_text(copied: Copy) -> str:
    """Return what was copied: a line for each table, with the digest that both ends have in common."""
    many = len(copied.tenants)
    lines = [
        f"Copied {many} tenant{'s' * (many != 1)}: {', '.join(visible(one.shown) for one in copied.tenants)}",
        f"from {visible(copied.source)}",
        f"to   {visible(copied.destination)}",
        "",
        *(f"  {one.table:<11} {one.rows:>9} rows  sha256:{one.digest[:16]}" for one in copied.tables),
        "",
        "Both have the same rows: counts and digests are equal.",
        "Next: name the new place in [state] on every machine. Of two ledgers in use each knows half.",
    ]
    if copied.other_tokens:
        lines.append("There --redact makes other tokens, as that ledger has a key of its own.")
    return "\n".join(lines) + "\n"


def as_json(shown: Inventory, now: datetime) -> str:
    """Return the same as one JSON document."""
    body = {
        "format_version": FORMAT_VERSION,
        "path": str(shown.path),
        "exists": shown.version is not None,
        "schema_version": shown.version,
        "tenants": [_tenant(one, shown, now) for one in shown.tenants],
    }
    return json.dumps(body, indent=2, ensure_ascii=True) + "\n"


def _tenant(one: TenantEntries, shown: Inventory, now: datetime) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "endpoint_url": one.endpoint_url,
        "api_hostname": one.api_hostname,
        "since": one.since.isoformat(),
        "this": one.id == shown.tenant.id,
        "users": one.users,
        "groups": one.groups,
        "runs": one.runs,
        "paused": _pause(one.pause, now),
    }


def _pause(pause: Pause | None, now: datetime) -> dict[str, Any] | None:
    if pause is None or not pause.holds_at(now):
        return None
    until = pause.until.isoformat() if pause.until is not None else None
    return {"since": pause.since.isoformat(), "until": until, "actor": pause.actor, "reason": pause.reason}
