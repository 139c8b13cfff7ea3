"""Child accounts and their tenant files, as text and as JSON. Their names are hostile text."""

import json
import textwrap
from collections.abc import Sequence
from datetime import datetime

from ninjasync import __version__
from ninjasync.model.child_account import Discovered
from ninjasync.model.document import FORMAT_VERSION
from ninjasync.report.escape import visible

_WIDTH = 80


def render_text(found: Sequence[Discovered], unreadable: int) -> str:
    """Return two lines for each child account: its name and id, and its file; those without a file first."""
    lines: list[str] = []
    for one in sorted(found, key=lambda each: each.file is not None):
        account = one.account
        lines.append(f"{visible(account.name)}  {account.account_id}  {account.api_hostname.removeprefix('https://')}")
        written = "written: " if one.written else ""
        lines.append(f"    {written}{visible(one.file)}" if one.file else "    no tenant file")
    lines += ["", *textwrap.wrap(_summary(found, unreadable), _WIDTH)]
    return "\n".join(lines) + "\n"


def render_json(found: Sequence[Discovered], unreadable: int, created_at: datetime) -> str:
    """Return one JSON document."""
    document = {
        "format_version": FORMAT_VERSION,
        "ninjasync_version": __version__,
        "created_at": created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "accounts": [
            {
                "name": one.account.name,
                "account_id": one.account.account_id,
                "api_hostname": one.account.api_hostname.removeprefix("https://"),
                "file": one.file,
                "written": one.written,
            }
            for one in found
        ],
        "unreadable": unreadable,
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def _summary(found: Sequence[Discovered], unreadable: int) -> str:
    without = sum(one.file is None for one in found)
    lost = f" {unreadable} more could not be read from Duo's answer." if unreadable else ""
    account = "child account" if len(found) == 1 else "child accounts"
    if not without:
        return f"{len(found)} {account}, each with a tenant file.{lost}"
    how = "ninjasync fleet discover NAME, or the id, writes a file for one of them."
    return f"{len(found)} {account}, {without} without a tenant file. {how}{lost}"
