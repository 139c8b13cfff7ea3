"""The URL of a ledger holds a password: whatever goes wrong with it, the password comes through nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.company import staff
from tests.support.office import Office
from tests.support.postgres import TestDatabase

MARK = "Pa55-w0rd-mark"
COMMANDS = (
    ("plan",),
    ("apply", "--yes"),
    ("apply", "--yes", "--redact", "--format", "json"),
    ("check",),
    ("history",),
    ("ledger", "show"),
    ("ledger", "upgrade"),
    ("ledger", "rename-tenant", "old"),
    ("ledger", "copy", "copy.sqlite3"),
    ("pause", "--reason", "x"),
    ("resume",),
)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.chdir(tmp_path)
    with Office(tmp_path, staff(2, 1)) as made:
        made.configure("state", path=None)
        yield made


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{MARK}@127.0.0.1:1/ledger",
        f"postgresql://me:{MARK}@no-such-host.invalid/ledger?connect_timeout=2&sslmode=disable",
        f"postgresql://me:{MARK}@127.0.0.1:port/ledger",
        f"postgresql://me:{MARK}@host@127.0.0.1:1/ledger",
        f"postgresql://me:{MARK}/x@127.0.0.1:1/ledger",
        f"postgresql://me:%zz{MARK}@127.0.0.1:1/ledger",
        f"postgresql://127.0.0.1:1/ledger?password={MARK}&nonsense=1",
        f"postgresql://db.example.com/ledger?sslmode=prefer&password={MARK}",
        f"postgresql://[{MARK}",
        f"mysql://me:{MARK}@127.0.0.1/ledger",
    ],
)
def test_a_url_that_leads_nowhere_shows_no_password_in_any_command(office: Office, url: str, tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    for direct in (True, False):
        (tmp_path / "url.secret").write_text(url)
        (tmp_path / "url.secret").chmod(0o600)
        office.configure("state", url=url if direct else {"file": "url.secret"})
        for command in COMMANDS[: 1 if direct else None]:
            done = office.run(*command, "--log-level", "debug", "--log-format", "json", "--log-file", str(log))
            assert done.code in (0, 1, 64, 78), (command, done.printed)
            assert MARK not in done.text, (command, done.printed)
            assert "unexpected" not in done.text.lower(), (command, done.printed)
        assert MARK not in log.read_text()


def test_nothing_that_is_kept_or_shown_of_a_good_url_holds_its_password(
    office: Office, database: TestDatabase, tmp_path: Path
) -> None:
    office.configure("state", url=f"{database.url}&password={MARK}")
    plan = tmp_path / "the.plan"
    said = [office.run("plan", "--out", str(plan), "--log-level", "debug").text, plan.read_text()]
    for command in (("apply", str(plan)), ("apply", str(plan)), *COMMANDS):
        said.append(office.run(*command, "--log-level", "debug").text)
    rows = database.ask("SELECT row_to_json(one)::text FROM (SELECT * FROM runs) AS one")
    rows += database.ask("SELECT row_to_json(one)::text FROM (SELECT * FROM meta) AS one")
    rows += database.ask("SELECT application_name FROM pg_stat_activity")
    assert MARK not in json.dumps([*said, *rows])
