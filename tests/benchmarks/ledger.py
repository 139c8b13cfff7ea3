"""What it costs to keep the ledger in PostgreSQL instead of a file: plans, the journal, and memory.

Starts a server of its own on a socket, with fsync on. The distant one is reached by a relay that holds everything back.
"""

import json
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from ninjasync.model.tenant import Tenant
from ninjasync.state.ledger import Ledger
from ninjasync.state.postgres import PostgresStore
from ninjasync.state.postgres_address import read_address
from ninjasync.state.run_log import Conclusion, Intent, OwnershipChange
from ninjasync.state.sqlite import SqliteStore
from ninjasync.state.store import Store
from tests.benchmarks.measured import Measured, run
from tests.benchmarks.row import Row, configured
from tests.benchmarks.server import serving
from tests.support.pooler import Relay
from tests.support.postgres import empty_database
from tests.support.private_server import PrivateServer

AT = datetime(2027, 3, 1, 9, tzinfo=UTC)
TENANT = Tenant("https://ninja.example/scim", "api-1.duosecurity.com", "")
WRITES, WORKERS, LATENCY = 2700, 8, 0.05
# Each way; 2.5 ms there and back.
DISTANCE = 0.00125


def ledger_rows(times: int, size: int) -> Iterator[Row]:
    """Yield the rows of both kinds of ledger, one beside the other."""
    with server() as postgres:
        for users in (10_000 // size, 100_000 // size):
            yield from plans(postgres, users, times)
        yield from journals(postgres, WRITES // size)
        yield loading(postgres, 100_000 // size)


@contextmanager
def server() -> Iterator[PrivateServer]:
    made = PrivateServer()
    try:
        made.stop("fast")
        made.start("-c fsync=on")
        yield made
    finally:
        made.remove()


def plans(postgres: PrivateServer, users: int, times: int) -> Iterator[Row]:
    """Plan with nothing to do, by turns with either ledger."""
    with ExitStack() as stack:
        served = stack.enter_context(serving(users=users))
        database = stack.enter_context(empty_database(postgres))
        files = [
            stack.enter_context(configured(served, line)) for line in ('path = "ledger.db"', f'url = "{database.url}"')
        ]
        for file in files:
            run(["-m", "ninjasync", "apply", "--yes", "-c", str(file)], served)
        measured: list[list[Measured]] = [[], []]
        for _ in range(times):
            for file, figures in zip(files, measured, strict=True):
                figures.append(run(["-m", "ninjasync", "plan", "-c", str(file)], served))
    (wall, cpu), (other_wall, other_cpu) = (
        (statistics.median(one.wall for one in figures), statistics.median(one.cpu for one in figures))
        for figures in measured
    )
    said = f"{wall:.2f} s -> {other_wall:.2f} s; CPU {cpu:.2f} s -> {other_cpu:.2f} s"
    yield Row(f"plan, {users} users: ledger in PostgreSQL over a file", other_wall / wall, 1.15, said=said)


def journals(postgres: PrivateServer, writes: int) -> Iterator[Row]:
    """Journal writes that take 50 ms each, by eight workers: nothing but the journal keeps them from the ideal."""
    what = f"journal, {writes} writes of 50 ms, {WORKERS} workers: share of the ideal"
    with tempfile.TemporaryDirectory() as folder:
        yield Row(f"{what}, a file", share(SqliteStore(Path(folder) / "ledger"), writes))
    with empty_database(postgres) as database:
        yield Row(f"{what}, socket", share(database.store, writes), 0.93, at_least=True)
    with empty_database(postgres) as database, Relay(postgres.socket, delay=DISTANCE) as relay:
        distant = PostgresStore(read_address(SecretStr(f"postgresql://owner@127.0.0.1:{relay.port}/{database.name}")))
        yield Row(f"{what}, 2.5 ms away", share(distant, writes), 0.85, at_least=True)


def share(store: Store, writes: int) -> float:
    """Return the ideal time over the time taken."""
    with Ledger.holding(store, TENANT, 0, AT) as ledger:
        run_id = ledger.run_log.begin("me", "apply", AT)
        left = iter(range(writes))
        ledger.ownership(AT)

        def work() -> None:
            for number in left:
                key = f"user{number}@example.com"
                intent = Intent(run_id, "user", "create", key, f"DU{number}", None, "{}", AT)
                made = ledger.run_log.intend(intent)
                time.sleep(LATENCY)
                owned = OwnershipChange("user", f"DU{number}", f"n{number}", key, applied={"title": "Operator"})
                ledger.run_log.conclude(Conclusion(made, "applied", "", AT, owned))

        workers = [threading.Thread(target=work) for _ in range(WORKERS)]
        began = time.perf_counter()
        for one in workers:
            one.start()
        for one in workers:
            one.join()
        ledger.flush()
        return writes * LATENCY / WORKERS / (time.perf_counter() - began)


def loading(postgres: PrivateServer, users: int) -> Row:
    """Load what is ours, each in a process of its own; the difference in peak memory."""
    ours = [(f"DU{number:018}", f"n-{number}", f"user{number}@example.com") for number in range(users)]
    with tempfile.TemporaryDirectory() as folder, empty_database(postgres) as database:
        path = Path(folder) / "ledger"
        peaks = []
        for store, place in ((SqliteStore(path), f"file:{path}"), (database.store, database.url)):
            with closing(Ledger.open(store, TENANT, AT)) as ledger:
                ledger.record("user", ours, AT)
            with serving(users=1) as served:
                peaks.append(json.loads(run(["-m", "tests.benchmarks.ledger", place], served).out))
    (mib, seconds), (other_mib, other_seconds) = peaks
    said = f"{mib:.0f} -> {other_mib:.0f} MiB; {seconds:.2f} s -> {other_seconds:.2f} s"
    return Row(f"loading {users} rows: PostgreSQL over a file, MiB", other_mib - mib, 10, said=said)


def load(place: str) -> None:
    """Load a ledger, and print the peak of this process in MiB and the seconds; psycopg is imported for either."""
    path = place.removeprefix("file:")
    store: Store = SqliteStore(Path(path)) if path != place else PostgresStore(read_address(SecretStr(place)))
    ledger = Ledger.open_to_read(store, TENANT)
    assert ledger is not None
    with closing(ledger):
        began = time.perf_counter()
        owned = ledger.owned("user")
        seconds = time.perf_counter() - began
    assert owned
    sys.stdout.write(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, seconds]))


if __name__ == "__main__":
    load(sys.argv[1])
