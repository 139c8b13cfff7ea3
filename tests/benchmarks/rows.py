"""The rows of the table: what is measured, by which figure it is judged, and the bound."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from tests.benchmarks.fleet import run_fleet, write_fleet
from tests.benchmarks.fleet_page import page_rows
from tests.benchmarks.ledger import ledger_rows
from tests.benchmarks.measured import Measured, as_json, installed, run
from tests.benchmarks.row import Row, configured
from tests.benchmarks.server import serving

WORKERS, LATENCY, RATE = 8, 0.05, 50.0
FLEET_AT_ONCE = 16
ENOUGH_TENANTS = 500  # of fewer, most of the time is the beginning or the end
CREATES, PATCHES, DELETES = 2000, 500, 200


class Bench:
    """Measures one group of rows after the other; medians of ``times``, ``size`` 10 for a tenth of the world.

    ``tenants`` is how many the fleet has.
    """

    def __init__(self, times: int, size: int, tenants: int = 200) -> None:
        self._times, self._size, self._tenants = times, size, tenants

    def start_up(self) -> Iterator[Row]:
        """``--version`` beside the bare imports of what the command line rests on."""
        ours, bare = [], []
        for _ in range(4 * self._times):
            ours.append(_seconds("-m", "ninjasync", "--version"))
            bare.append(_seconds("-c", "import requests, pydantic, typer"))
        mine, theirs = statistics.median(ours), statistics.median(bare)
        yield Row("start-up of --version, over bare imports", mine / theirs, 1.0, said=f"{mine:.3f} s, {theirs:.3f} s")

    def plan(self) -> Iterator[Row]:
        """Plans with nothing to do, at two sizes a factor of ten apart, without latency."""
        few, many = 10_000 // self._size, 100_000 // self._size
        small, _ = self._plans(few)
        big, floors = self._plans(many)
        floor, wall = statistics.median(floors), _median(big, "wall")
        said = f"{wall:.2f} s, floor {floor:.2f} s; CPU {_median(big, 'cpu'):.2f} s"
        yield Row(f"plan, {many} users: wall over the floor", wall / floor, 2.0, said=said, behind=_behind(big, floors))
        yield Row(f"plan, {many} users: peak memory, MiB", max(one.rss for one in big), 300)
        before = _median(small, "wall")
        said = f"{before:.2f} s -> {wall:.2f} s; CPU {_median(small, 'cpu'):.2f} s -> {_median(big, 'cpu'):.2f} s"
        growth = Row(f"plan, {few} to {many} users: growth", wall / before, 10.5, said=said)
        yield Row(growth.name, growth.figure, growth.bound, said=said, behind=_behind(small, []))
        yield from _thrift(big[-1], many)

    def plan_with_latency(self) -> Iterator[Row]:
        """A plan where every answer takes its time: how well the waiting is shared out."""
        users = 10_000 // self._size
        measured, _ = self._plans(users, latency=LATENCY)
        wall, least = _median(measured, "wall"), _pages(users) / WORKERS * LATENCY
        name = f"plan, {users} users, 50 ms: over {_pages(users)} requests / {WORKERS}"
        connections = f"{measured[-1].both('connections'):.0f} connections"
        said = f"{wall:.2f} s, {least:.2f} s; CPU {_median(measured, 'cpu'):.2f} s; {connections}"
        yield Row(name, wall / least, 1.5, said=said, behind=_behind(measured, []))

    def public_api(self) -> Iterator[Row]:
        """A plan that also asks NinjaOne's public API, beside one that does not, of the same world."""
        users = 10_000 // self._size
        plain, asking = list[Measured](), list[Measured]()
        with serving(users=users) as served, configured(served) as config, configured(served, api=True) as more:
            for file in (config, more):
                run([*_NINJASYNC, "apply", "--yes", "-c", str(file)], served)
            for _ in range(2 * self._times):
                plain.append(run([*_NINJASYNC, "plan", "-c", str(config)], served))
                asking.append(run([*_NINJASYNC, "plan", "-c", str(more)], served))
        yield Row(f"plan, {users} users, public API: more requests", asking[-1].counts["api_requests"], 5)
        without, given = _median(plain, "wall"), _median(asking, "wall")
        said = f"{without:.2f} s -> {given:.2f} s; CPU {_median(plain, 'cpu'):.2f} s -> {_median(asking, 'cpu'):.2f} s"
        name = f"plan, {users} users, public API: wall over that without"
        yield Row(name, given / without, 1.2, said=said, behind=_behind(asking, [one.wall for one in plain]))

    def apply(self) -> Iterator[Row]:
        """Many writes, nobody waits: ours against plain requests in as many threads."""
        for latency, rate in ((0.0, 0.0), (LATENCY, 0.0), (0.0, RATE)):
            yield from self._apply(latency, rate)

    def naive(self) -> Iterator[Row]:
        """The script that an admin would write, against plan and apply."""
        users = 10_000 // self._size
        world = {"users": users, "missing": 300 // self._size, "changed": 200 // self._size, "latency": LATENCY}
        with serving(**world) as served:
            script = run(_peer("naive", duo_url=served.duo_url, scim_url=served.scim_url), served)
        ours = []
        for _ in range(self._times):
            with serving(**world) as served, configured(served) as config:
                ours.append(run([*_NINJASYNC, "apply", "--yes", "-c", str(config)], served))
        wall = _median(ours, "wall")
        said = f"{script.wall:.0f} s with {script.both('requests'):.0f} requests, ours {wall:.1f} s"
        name = f"naive script over ninjasync, {users} users, {500 // self._size} writes, 50 ms"
        yield Row(name, script.wall / wall, 8, at_least=True, said=said, behind=_behind(ours, [script.wall]))

    def fleet(self) -> Iterator[Row]:
        """Many tenants of 500 users who have nothing to do, with 50 ms for each answer; once, as it is long."""
        many = self._tenants
        with serving(users=500, latency=LATENCY) as served, tempfile.TemporaryDirectory() as folder:
            file = write_fleet(Path(folder), served, many)
            applied = run_fleet(file, ["apply", "--yes"], FLEET_AT_ONCE)
            planned = run_fleet(file, ["plan"], FLEET_AT_ONCE)
        for what, ran, well in (("first apply", applied, "done"), ("plan", planned, "no changes")):
            behind = {"wall": ran.wall, "cpu": ran.cpu, "memory_mib": list(ran.memory)}
            said = (
                f"{ran.wall:.1f} s, {60 * many / ran.wall:.0f} a minute, CPU {ran.cpu:.1f} s, {max(ran.memory):.0f} MiB"
            )
            name = f"fleet {what}, {many} tenants of 500 users, 50 ms"
            yield Row(
                f"{name}: CPU ms a tenant",
                1000 * ran.cpu / many,
                75 if what == "plan" else None,
                said=said,
                behind=behind,
            )
            yield Row(
                f"{name}: tenants that went well",
                ran.outcomes[well] / many,
                1,
                at_least=True,
                said=str(dict(ran.outcomes)),
            )
            yield Row(f"{name}: memory, last tenth over first", ran.growth, 1.1 if many >= ENOUGH_TENANTS else None)

    def fleet_page(self) -> Iterator[Row]:
        """A fleet's page in a real browser, which has to be installed."""
        yield from page_rows(self._times, self._size)

    def ledger(self) -> Iterator[Row]:
        """The ledger in PostgreSQL beside one in a file."""
        yield from ledger_rows(self._times, self._size)

    def _plans(self, users: int, latency: float = 0.0) -> tuple[list[Measured], list[float]]:
        """Measure plans of a company in step that the ledger knows, each beside a floor."""
        plans, floors = [], []
        with serving(users=users, latency=latency) as served, configured(served) as config:
            run([*_NINJASYNC, "apply", "--yes", "-c", str(config)], served)
            for _ in range(self._times):
                if not latency:
                    peer = _peer("floor", duo_url=served.duo_url, scim_url=served.scim_url, users=users)
                    floors.append(float(run(peer, served).out))
                plans.append(run([*_NINJASYNC, "plan", "-c", str(config)], served))
        return plans, floors

    def _apply(self, latency: float, rate: float) -> Iterator[Row]:
        creates, patches, deletes = (number // self._size for number in (CREATES, PATCHES, DELETES))
        writes, ours, raw, lean = creates + patches + deletes, [], [], []
        world = {"users": 2 * writes, "missing": creates, "changed": patches, "left": deletes}
        for _ in range(self._times):
            with serving(**world, latency=latency, rate=rate) as served, configured(served) as config:
                if not latency and not rate:
                    about = {"scim_url": served.scim_url, "number": writes, "threads": WORKERS}
                    raw.append(float(run(_peer("posts", **about, trust_env=True), served).out))
                    lean.append(float(run(_peer("posts", **about, trust_env=False), served).out))
                arguments = ["apply", "--yes", "--approve-removals", str(deletes), "-c", str(config)]
                ours.append(run([*_NINJASYNC, *arguments], served))
        wall, behind = _median(ours, "wall"), _behind(ours, raw)
        seconds = statistics.median(one.counts["scim_seconds"] for one in ours)
        sent = statistics.median(one.counts["scim_writing"] for one in ours)
        said = f"{wall:.1f} s, writing {seconds:.1f} s, {sent:.0f} requests; CPU {_median(ours, 'cpu'):.2f} s"
        what = f"apply, {writes} writes"
        if rate:
            # The first ``rate`` come from the bucket, which is full at first.
            refused = statistics.median(one.counts["scim_refused"] for one in ours)
            share = (sent - rate) / (seconds * rate)
            name = f"{what}, {rate:.0f} requests/s: share of the limit"
            yield Row(name, share, 0.93, at_least=True, said=f"{said}; {refused:.0f} refused", behind=behind)
        elif latency:
            name = f"{what}, 50 ms: share of {WORKERS / latency:.0f} requests/s"
            yield Row(name, sent / seconds * latency / WORKERS, 0.9, at_least=True, said=said, behind=behind)
        else:
            stock, thrifty = statistics.median(raw), statistics.median(lean)
            name = f"{what}: wall over raw requests in {WORKERS} threads"
            yield Row(name, wall / stock, 1.6, said=f"{said}; raw {stock:.1f} s", behind=behind)
            yield Row("  the same over raw requests with trust_env off", wall / thrifty, said=f"raw {thrifty:.1f} s")


GROUPS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "start-up": Bench.start_up,
    "plan": Bench.plan,
    "plan-latency": Bench.plan_with_latency,
    "public-api": Bench.public_api,
    "apply": Bench.apply,
    "naive": Bench.naive,
    "fleet": Bench.fleet,
    "fleet-page": Bench.fleet_page,
    "ledger": Bench.ledger,
}

_NINJASYNC = ["-m", "ninjasync"]


def _thrift(plan: Measured, users: int) -> Iterator[Row]:
    least = _pages(users)
    yield Row(f"plan, {users} users: requests over the minimum", plan.both("requests") / least, 1.02, said=str(least))
    connections = max(plan.counts["duo_connections"], plan.counts["scim_connections"])
    yield Row(f"plan, {users} users: connections to a service for {WORKERS} workers", connections, WORKERS)


def _pages(users: int) -> int:
    """Return how many requests a plan of ``users`` in step needs: their pages, and one of groups on each side."""
    return -(-users // 300) + -(-users // 100) + 2


def _peer(name: str, **settings: Any) -> list[str]:
    return ["-m", "tests.benchmarks.peers", name, json.dumps(settings)]


def _seconds(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=installed())
    return time.perf_counter() - began


def _median(measured: list[Measured], name: Literal["wall", "cpu", "rss"]) -> float:
    return float(statistics.median(getattr(one, name) for one in measured))


def _behind(measured: list[Measured], peers: list[float]) -> dict[str, Any]:
    return {"runs": [as_json(one) for one in measured], "peer_seconds": peers}
