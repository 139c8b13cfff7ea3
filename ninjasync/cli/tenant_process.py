"""What a process does that a fleet starts for one tenant.

The fork unpickles it, and so imports this file: what a fleet itself needs, its table and its pages, stays out of it.
"""

import os
import sys
from functools import partial

from ninjasync import cli
from ninjasync.config.fleet import FLEET_VARIABLE, Fleet
from ninjasync.fleet.processes import Main


def main_of(fleet: Fleet) -> Main:
    """Return what runs a command line for a tenant of the fleet, in a process of its own."""
    return partial(run_and_exit, str(fleet.path.resolve()), attended=sys.stderr.isatty())


def run_and_exit(fleet: str, arguments: list[str], *, attended: bool) -> None:
    """Run a tenant's command line in its own process, and end that with the exit code.

    Its defaults are those of the fleet in that file, whatever the file is called and wherever the tenant's is.
    ``attended`` says that a user sees the table on a terminal.
    """
    os.environ[FLEET_VARIABLE] = fleet
    try:
        code = cli.run(arguments, attended=attended)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
