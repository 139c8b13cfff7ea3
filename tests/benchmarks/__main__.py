"""``python -m tests.benchmarks``: how fast and how lean, as a table and as JSON.

Ratios measured in one run are what counts; the seconds are those of this machine, now.
"""

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from tests.benchmarks.row import Row
from tests.benchmarks.rows import GROUPS, Bench


def main() -> int:
    """Measure, print the table, and return 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"some of: {', '.join(GROUPS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="once each instead of medians of five")
    parser.add_argument("--times", type=int, help="medians of so many instead")
    parser.add_argument("--small", action="store_true", help="a tenth of the people: to try the benchmark itself")
    parser.add_argument("--tenants", type=int, default=200, help="how many the fleet has (default: 200; in full: 1000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every single figure too")
    given = parser.parse_args()
    if unknown := set(given.groups) - set(GROUPS):
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    bench = Bench(given.times or (1 if given.quick else 5), 10 if given.small else 1, given.tenants)
    _say(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    rows: list[Row] = []
    for name in given.groups or GROUPS:
        for row in GROUPS[name](bench):
            rows.append(row)
            _say(_line(row))
    if given.json:
        document = {
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "rows": [
                {"name": row.name, "figure": row.figure, "bound": row.bound, "holds": row.holds, **row.behind}
                for row in rows
            ],
        }
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0 if all(row.holds for row in rows) else 1


def _line(row: Row) -> str:
    bound = f"{'>=' if row.at_least else '<='} {row.bound:g}" if row.bound is not None else ""
    verdict = "" if row.bound is None else "holds" if row.holds else "FAILS"
    return f"{row.name:<66} {row.figure:>8.2f}  {bound:<8} {verdict:<6} {row.said}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
