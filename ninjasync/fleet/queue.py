"""The queue of a fleet on several machines: how its database is reached, its tables, and what a job asks.

The jobs are procrastinate's; what became of them is in a table of ours. A job names a tenant
and holds a digest of its configuration: no secret, and no path. Knows PostgreSQL; knows
neither who asks nor who works. psycopg and procrastinate are imported where they are used.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ninjasync import __version__
from ninjasync.config.fleet import Fleet, TenantFile
from ninjasync.config.secrets import read_secret
from ninjasync.config.tenant import tenant_of
from ninjasync.errors import ConfigurationError, NinjasyncError
from ninjasync.model.fleet import FleetRow
from ninjasync.model.message import Message, text, word
from ninjasync.report.escape import visible
from ninjasync.report.tenant_document import pack_text, unpack_text

if TYPE_CHECKING:
    import psycopg
    from procrastinate.jobs import Job

    from ninjasync.state.postgres_address import Address

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

TASK = "ninjasync.tenant"
_KEY = "[fleet] database"
# The command lines that a worker takes: a job cannot make it write a file, or read another configuration.
ALLOWED = frozenset({("plan",), ("plan", "--detailed-exitcode"), ("apply", "--yes"), ("check",)})
# Numbers of advisory locks, which need only differ from others' in the same database.
TABLES_LOCK, PUTTING_LOCK, SWEEP_LOCK = 7_366_001, 7_366_002, 7_366_003
_TABLE = """
CREATE TABLE IF NOT EXISTS fleet_results (
    job bigint PRIMARY KEY,
    fleet text NOT NULL,
    question text NOT NULL,
    tenant text NOT NULL,
    command text NOT NULL,
    exit_code integer,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    actor text NOT NULL,
    summary text NOT NULL,
    document text,
    taken_at timestamptz
)
"""
_GRANTS = """\
-- The queue has its tables in {place}. Let their owner run this, for the role that asks and works, here ninjasync:
GRANT USAGE ON SCHEMA {schema} TO ninjasync;
GRANT SELECT, INSERT, UPDATE, DELETE ON procrastinate_jobs, procrastinate_events, procrastinate_workers,
    procrastinate_periodic_defers, fleet_results TO ninjasync;
GRANT USAGE ON SEQUENCE procrastinate_jobs_id_seq, procrastinate_events_id_seq,
    procrastinate_periodic_defers_id_seq TO ninjasync;
"""
_INDEX = "CREATE INDEX IF NOT EXISTS ix_fleet_results_question ON fleet_results (question) WHERE taken_at IS NULL"
_RECORD = """
INSERT INTO fleet_results
    (job, fleet, question, tenant, command, exit_code, began_at, ended_at, actor, summary, document)
VALUES (%(job)s, %(fleet)s, %(question)s, %(tenant)s, %(command)s, %(exit_code)s,
    now() - make_interval(secs => %(seconds)s), now(), %(actor)s, %(summary)s, %(document)s)
ON CONFLICT (job) DO UPDATE SET exit_code = excluded.exit_code, began_at = excluded.began_at,
    ended_at = excluded.ended_at, actor = excluded.actor, summary = excluded.summary, document = excluded.document
WHERE fleet_results.exit_code IS DISTINCT FROM 0  -- what went well stands
"""


@dataclass(frozen=True, slots=True)
class Question:
    """What a job asks: ``arguments`` for the tenant whose configuration has this digest, of this version of ninjasync.

    ``whole`` says whether the tenant's own document comes back, too. ``tenant`` is a name as tables show it.
    """

    tenant: str
    arguments: tuple[str, ...]
    digest: str
    version: str = __version__
    whole: bool = False

    def key(self, fleet: str, tenant_id: str) -> str:
        """Return what tells this question from any other, also of another fleet."""
        rest = json.dumps([fleet, self.digest, self.version, self.whole])
        return f"{' '.join(self.arguments)} {tenant_id} {hashlib.sha256(rest.encode()).hexdigest()[:16]}"


def to_json(question: Question) -> dict[str, Any]:
    """Return a question as a job holds it."""
    return asdict(question)


def from_json(values: Mapping[str, Any]) -> Question:
    """Return the question of a job. Raises ValueError where it is none, or asks for what no fleet asks."""
    question = msgspec.convert(values, Question)  # its error is a ValueError
    if question.arguments not in ALLOWED:
        raise ValueError("it asks for a command that no fleet asks for")
    return question


def name_of(fleet: Path) -> str:
    """Return the name of a fleet's queue: that of its file, on every machine.

    It becomes part of a channel's name, for which PostgreSQL has 63 bytes.
    """
    name = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in fleet.stem)
    if name != fleet.stem or len(name) > 24:
        name = f"{name[:15]}-{hashlib.sha256(fleet.stem.encode()).hexdigest()[:8]}"
    return f"ninjasync-{name}"


def database_of(fleet: Fleet) -> "Address":
    """Return where the queue's database is. Raises ConfigurationError."""
    if fleet.settings.database is None:
        raise ConfigurationError(
            Message("{}: is empty in {}.", word(_KEY), text(fleet.path)),
            "Several machines share their work by PostgreSQL: give its postgresql:// URL, or where that is kept.",
        )
    try:
        import procrastinate  # noqa: F401 - to say now that it is not there

        from ninjasync.state.postgres_address import read_address
    except ImportError as error:
        raise ConfigurationError(
            Message("{}: workers need the extra packages of fleet.", word(_KEY)),
            "Install them, in the folder of ninjasync's source: pip install '.[fleet]'",
        ) from error
    return read_address(read_secret(_KEY, fleet.settings.database, fleet.file), _KEY)


def conninfo_of(address: "Address") -> str:
    """Return how the database is reached, as libpq reads it; it may hold a password."""
    from psycopg.conninfo import make_conninfo

    return make_conninfo(**address.parameters, application_name="ninjasync fleet")


def id_of(tenant: TenantFile) -> str:
    """Return the id of a tenant whose file is sound: the lock of its jobs."""
    if tenant.config is None:
        raise ValueError("a tenant with a broken file has no id")
    return tenant_of(tenant.config).id


@contextmanager
def connect(address: "Address") -> Iterator[Connection]:
    """Connect to the queue's database, each statement a transaction of its own. Raises NinjasyncError."""
    import psycopg

    from ninjasync.state.postgres_session import SET, warn_if_unverified

    warn_if_unverified(_KEY, address.place, address.unverified)
    try:
        connection = psycopg.connect(conninfo_of(address), autocommit=True)
    except psycopg.Error as error:
        raise unreachable(address, error) from error
    with connection:
        try:
            connection.execute(SET, settings())
            yield connection
        except psycopg.OperationalError as error:
            raise unreachable(address, error) from error
        except psycopg.Error as error:
            raise unusable(error) from error


def settings() -> tuple[list[str], list[str]]:
    """Return the names and values of ``postgres_session.SET``: a machine that is gone holds no lock for long.

    Nor does one that stands still: a worker that is stopped amid a transaction would hold up all others.
    """
    from ninjasync.state.postgres_session import SETTINGS

    values = {**SETTINGS, "idle_in_transaction_session_timeout": SETTINGS["tcp_user_timeout"]}
    return list(values), list(values.values())


def unreachable(address: "Address", error: Exception) -> NinjasyncError:
    """Return the error of a database that cannot be reached, or was lost."""
    from ninjasync.state.postgres_session import reason_of

    return NinjasyncError(
        Message("The queue {} cannot be reached: {}.", text(address.place), text(reason_of(error, address))),
        "Check [fleet] database, and that the database server is up and lets this machine in.",
    )


def unusable(error: Exception) -> NinjasyncError:
    """Return the error of a database that can be reached, but not used."""
    import psycopg

    why = (str(error).strip().splitlines() or ["no reason was given"])[0].rstrip(".")
    return NinjasyncError(
        Message("The queue cannot be used: {}.", text(why)),
        "Give [fleet] database the server that takes writes, and a role that may write there."
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
        else "Let a role that may make tables run ninjasync fleet work --tables, and then what that prints.",
    )


def expect_tables(connection: Connection) -> None:
    """Make the tables where they are not there yet; of several at once one does. Raises NinjasyncError."""
    import psycopg
    from procrastinate.schema import SchemaManager

    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (TABLES_LOCK,))
            jobs, results = connection.execute(
                "SELECT to_regclass('procrastinate_jobs'), to_regclass('fleet_results')"
            ).fetchone() or (None, None)
            if jobs is None:
                connection.execute(SchemaManager.get_schema())
            if results is None:
                connection.execute(_TABLE)
                connection.execute(_INDEX)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName) as error:
        raise NinjasyncError(
            "The queue's tables are not there yet, and this role may not make them.",
            "Let a role that may make tables run this once: ninjasync fleet work --tables. It prints what to grant.",
        ) from error


def grants(connection: Connection, address: "Address") -> str:
    """Return the statements that give a role what it needs to ask and to work, after a comment that says so."""
    [schema] = connection.execute("SELECT quote_ident(current_schema())").fetchone() or ("public",)
    return _GRANTS.format(place=visible(address.place), schema=schema)


def record(job: "Job", row: FleetRow, actor: str) -> tuple[str, dict[str, Any]]:
    """Return the statement that keeps what became of a job, and its values.

    JSON is ASCII in a text column: PostgreSQL's own type, and other letters, do not take all that a name may hold.
    """
    summary = {name: value for name, value in asdict(row).items() if name not in ("document", "file")}
    return _RECORD, {
        "job": job.id,
        "fleet": job.queue,
        "question": str(job.queueing_lock),
        "tenant": visible(row.tenant),
        "command": str(job.queueing_lock).partition(" ")[0],
        "exit_code": row.exit_code,
        "seconds": row.seconds or 0.0,
        "actor": visible(actor),
        "summary": json.dumps(summary),
        "document": unpack_text(row.document) if row.document is not None else None,
    }


def read_result(summary: str, document: str | None) -> FleetRow:
    """Return the row that was kept, but for its file, which is another's on each machine."""
    row = msgspec.convert(json.loads(summary) | {"file": ""}, FleetRow)
    return replace(row, document=pack_text(document)) if document else row


def forget_old_results(connection: Connection) -> None:
    """Forget results that are a month old."""
    connection.execute("DELETE FROM fleet_results WHERE ended_at < now() - interval '30 days'")
