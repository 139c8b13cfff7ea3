"""The one page of 2,000 tenants: how long it takes to write, and in a real browser until it can be used."""

import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ninjasync.model.fleet import FleetRow, total
from ninjasync.report.fleet_html import render_html
from ninjasync.report.tenant_document import pack
from tests.benchmarks.row import Row
from tests.support.browser import Browser, chromium

TENANTS = 2000
# Until the script has run, and until the browser has painted what a click or a word changed.
_READY = "return performance.getEntriesByName('ready')[0].startTime"
_ACT = """
const [script, done] = arguments;
const begun = performance.now();
new Function(script)();
requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
"""
_ACTIONS = {
    "search": "search.value = 'customer-0042'; find.dispatchEvent(new Event('input'))",
    "all again": "search.value = ''; find.dispatchEvent(new Event('input'))",
    "filter": "boxes[0].click()",
    "sort": "table.tHead.querySelectorAll('button')[2].click()",
    "a plan": "body.querySelector('tr:not([hidden]) button').click()",
}


def page_rows(times: int, size: int) -> Iterator[Row]:
    """Measure the page where tenants have some changes, and where each has 500 users to create."""
    for what, changes in (("25 changes", 25), ("500 new users", 500)):
        result = total("plan", _rows(TENANTS // size, changes))
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.html"
            begun = time.process_time()
            page.write_text(render_html(result, datetime.now(UTC)), "utf-8")
            written, megabytes = time.process_time() - begun, page.stat().st_size / 1e6
            opened = [_open(page) for _ in range(times)]
        name = f"fleet page, {TENANTS // size} tenants of {what}"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        yield Row(f"{name}: CPU s to write", written, said=f"{megabytes:.1f} MB; peak of all so far {peak:.0f} MiB")
        ready = [one.pop("ready") for one in opened]
        acts = ", ".join(f"{act} {statistics.median(one[act] for one in opened):.0f} ms" for act in _ACTIONS)
        yield Row(f"{name}: s until it can be used", statistics.median(ready) / 1000, 2.0, said=acts)


def _rows(tenants: int, changes: int) -> list[FleetRow]:
    rows = []
    for number in range(tenants):
        document = pack({"changes": [_change(number, user) for user in range(changes)]})
        name = f"customer-{number:04}"
        row = FleetRow(name, f"{name}.toml", "changes", 0, changes, 0, 0, 0, token_days=99, document=document)
        rows.append(row if number % 20 else replace(row, outcome="refused", exit_code=3, error="Too many removals."))
    return rows


def _change(tenant: int, user: int) -> dict[str, Any]:
    name = f"{user * 7919 % 9973:04}.{user}@customer-{tenant}.example.com"
    values = {"userName": name, "name.givenName": f"Given {user}", "name.familyName": f"Family {tenant % 97}"}
    values |= {"userType": "endUser", "organizationId": str(tenant)}
    diff = [{"path": path, "before": None, "after": value} for path, value in values.items()]
    return {
        "resource": "user",
        "action": "create",
        "key": name,
        "diff": diff,
        "reasons": ['member of "NinjaOne End Users"'],
    }


def _open(page: Path) -> dict[str, float]:
    """Open the page in a browser that has just started, and use it; everything is in milliseconds."""
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as browser:
        browser.resize(1200, 900)
        browser.open(page)
        return {"ready": float(browser.run(_READY)), **{act: _act(browser, act) for act in _ACTIONS}}


def _act(browser: Browser, act: str) -> float:
    return float(browser.run_async(_ACT, _ACTIONS[act]))
