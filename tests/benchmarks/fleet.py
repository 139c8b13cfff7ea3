"""A fleet of many tenants that have nothing to do: wall, CPU and memory of all its processes together.

Linux alone: the forks are adopted here when their parents are gone, so that their CPU is counted to the last.
"""

import ctypes
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.measured import installed
from tests.benchmarks.server import Served

_PR_SET_CHILD_SUBREAPER = 36
_SAMPLES_A_SECOND = 2


@dataclass(frozen=True)
class FleetMeasured:
    """``wall`` and ``cpu`` in seconds for all processes; ``memory`` in MiB, in samples, with shared pages once."""

    wall: float
    cpu: float
    memory: tuple[float, ...]
    outcomes: Counter[str]

    @property
    def growth(self) -> float:
        """The median memory in the last tenth of the time over that in the first, without its very begin and end."""
        steady = self.memory[len(self.memory) // 20 : -len(self.memory) // 20 or None]
        tenth = max(len(steady) // 10, 1)
        return statistics.median(steady[-tenth:]) / statistics.median(steady[:tenth])


def write_fleet(folder: Path, served: Served, tenants: int) -> Path:
    """Write a fleet of so many tenants, who all have the one company that is served; return its file."""
    (folder / "tenants").mkdir()
    (folder / "fleet.toml").write_text('[fleet]\ntenants = ["tenants/*.toml"]\ndefaults = "defaults.toml"\n')
    (folder / "defaults.toml").write_text(
        f'[duo]\napi_hostname = "{served.duo_url}"\nsecret_key = "duo-secret"\nrate_limit = 0\n'
        f'[ninjaone]\nendpoint_url = "{served.scim_url}"\nsecret_token = "the-token"\n'
        '[scope]\ngroups = ["NinjaOne Technicians", "NinjaOne End Users"]\n'
    )
    for number in range(tenants):
        name = f"t{number:04}"
        (folder / "tenants" / f"{name}.toml").write_text(
            f'[duo]\nintegration_key = "DI{name}"\n[state]\ntenant = "{name}"\npath = "../ledgers/{name}.db"\n'
        )
    return folder / "fleet.toml"


def run_fleet(fleet: Path, command: list[str], at_once: int) -> FleetMeasured:
    """Run ``ninjasync fleet`` over all tenants to the end of every process that it made."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    table = fleet.with_name("table.json")
    arguments = ["-m", "ninjasync", "fleet", *command, "--fleet", str(fleet), "--at-once", str(at_once)]
    ours = _children(os.getpid())
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments, "--format", "json", "--output", str(table)],
        stdin=subprocess.DEVNULL,
        env=installed(),
        start_new_session=True,
    )
    with _sampling(process.pid) as memory:
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu = used.ru_utime + used.ru_stime + _cpu_of_orphans(ours)
    document = json.loads(table.read_text())
    return FleetMeasured(wall, cpu, tuple(memory), Counter(row["outcome"] for row in document["tenants"]))


def _cpu_of_orphans(ours: set[int]) -> float:
    """Wait for the fork server, in which its children are counted, and for whatever else was left to us."""
    seconds = 0.0
    while orphans := _children(os.getpid()) - ours:
        _, _, used = os.wait4(min(orphans), 0)
        seconds += used.ru_utime + used.ru_stime
    return seconds


@contextmanager
def _sampling(parent: int) -> Iterator[list[float]]:
    """Take samples of what a process and all that descend from it have in memory, until the block ends."""
    samples: list[float] = []
    over = threading.Event()

    def take() -> None:
        while not over.wait(1 / _SAMPLES_A_SECOND):
            if kibibytes := sum(map(_pss, _family(parent))):
                samples.append(kibibytes / 1024)

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def _family(parent: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            children.setdefault(_parent(int(entry.name)), []).append(int(entry.name))
    found, left = [], [parent]
    while left:
        one = left.pop()
        found.append(one)
        left += children.get(one, [])
    return found


def _children(parent: int) -> set[int]:
    return {pid for pid in _family(parent) if _parent(pid) == parent}


def _parent(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _pss(pid: int) -> int:
    """Return a process's share of memory in KiB: pages that n processes have count a nth for each."""
    with suppress(OSError, ValueError, IndexError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(text.partition("\nPss:")[2].split()[0])
    return 0
