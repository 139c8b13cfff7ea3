"""Command lines for forked processes that look around more often than every few seconds, as a test wants it.

Knows the paces of the product. Knows nothing of pytest: see ``forked``.
"""

from __future__ import annotations

import json
from typing import Any

from ninjasync import cli


def work(arguments: list[str]) -> int:
    """Be a worker of a fleet. Arguments: its version or nothing, when a job is tried again, options."""
    from ninjasync.fleet import answering  # procrastinate is for those alone that work

    version, again, *options = arguments
    changes: dict[str, Any] = {"PACE": answering.Pace(0.3, 2.0, 0.3, 0.3, 0.3, tuple(json.loads(again)))}
    vars(answering).update(changes | ({"__version__": version} if version else {}))
    return cli.run(["fleet", "work", *options])


def run(arguments: list[str]) -> int:
    """Run a command whose ledger is in PostgreSQL and that looks after its connection, and is given up sooner."""
    from ninjasync.state import postgres_database  # as above, for psycopg

    vars(postgres_database).update(SEEN_EVERY=0.2, DEAF=1)
    return cli.run(arguments)
