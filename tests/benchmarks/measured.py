"""One process, measured from outside: wall, CPU, peak memory, and what its servers counted."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.server import Served


@dataclass(frozen=True)
class Measured:
    """``wall`` and ``cpu`` in seconds, ``rss`` in MiB; ``counts`` as the servers have them, by service."""

    wall: float
    cpu: float
    rss: float
    out: str
    counts: Mapping[str, float] = field(default_factory=dict)

    def both(self, key: str) -> float:
        """Return what Duo's and NinjaOne's server counted together."""
        return self.counts[f"duo_{key}"] + self.counts[f"scim_{key}"]


def installed() -> dict[str, str]:
    """Return the environment with modules compiled once, as pip leaves them, whatever this machine is set to."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(arguments: list[str], served: Served, expected: int = 0) -> Measured:
    """Run ``python`` with ``arguments`` to its end, which must be by the exit code ``expected``."""
    served.counts()
    began = time.perf_counter()
    command = [sys.executable, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=installed())
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = process.stdout.read().decode(), process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != expected:
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}:\n{out[-2000:]}{err[-2000:]}")
    process.stdout.close()
    process.stderr.close()
    return Measured(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, out, served.counts())


def as_json(measured: Measured) -> dict[str, Any]:
    """Return the figures, without what was printed."""
    return {"wall": measured.wall, "cpu": measured.cpu, "rss_mib": measured.rss, **measured.counts}
