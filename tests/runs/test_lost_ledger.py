"""A ledger that fails during an apply ends the run: no write without its intent, nothing tried again, one cause."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ninjasync.errors import NinjasyncError
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse
from ninjasync.state.database import Statement
from ninjasync.state.sqlite import SqliteDatabase
from ninjasync.threads import Stop
from tests.support.company import staff
from tests.support.office import Office

Serve = Callable[[HttpRequest], HttpResponse]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(20, 5)) as made:
        made.configure("run", parallelism=4, retries=5)
        yield made


class Disk:
    """A disk that is full from some moment on: the ledger's file may not grow any more, nor be written."""

    def __init__(self, patches: pytest.MonkeyPatch) -> None:
        self.is_full = threading.Event()
        opened = SqliteDatabase.write

        def write(database: SqliteDatabase, statements: Sequence[Statement]) -> list[list[Any]]:
            if self.is_full.is_set():
                with database.errors():
                    raise sqlite3.OperationalError("database or disk is full")
            return opened(database, statements)

        patches.setattr(SqliteDatabase, "write", write)


def creates(office: Office) -> int:
    return sum(method == "POST" for method, _ in office.writes())


def test_a_full_disk_ends_the_apply_with_one_cause_and_exit_1(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, number = Disk(monkeypatch), iter(range(1000))

    def fill(request: HttpRequest, serve: Serve) -> HttpResponse:
        answer = serve(request)
        if request.method == "POST" and next(number) == 6:
            disk.is_full.set()
        return answer

    office.box.intercept("scim", fill)
    done = office.apply()

    assert done.code == 1, done.printed
    # Those whose intents were safe may still have been sent; nothing else was.
    assert 7 <= creates(office) <= 7 + 4
    result = done.json["result"]
    assert result["failed"] == 0
    assert result["applied"] == creates(office)
    causes = {one["error"] for one in done.json["changes"] if one["outcome"] == "skipped"}
    (cause,) = causes
    assert "disk is full" in cause
    assert done.err.count("The ledger") == 1, "told once"

    monkeypatch.undo()
    again = office.apply()
    assert again.code == 0, again.printed
    assert office.plan().json["changes"] == []
    names = [one["userName"] for one in office.ninjaone.users.values()]
    assert len(names) == len(set(names)), "nobody twice"


def test_a_request_under_retry_is_not_sent_again_once_the_ledger_is_lost(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, lost = Disk(monkeypatch), threading.Event()
    sent: dict[bytes, int] = {}
    after: list[HttpRequest] = []

    def refuse_all_but_one(request: HttpRequest, serve: Serve) -> HttpResponse:
        if request.method == "GET":
            return serve(request)
        if lost.is_set():
            after.append(request)
        sent[request.body] = sent.get(request.body, 0) + 1
        if len(sent) < 4:
            return HttpResponse(503)
        disk.is_full.set()
        answer = serve(request)
        lost.set()
        return answer

    office.box.intercept("scim", refuse_all_but_one)
    done = office.apply()

    assert done.code == 1, done.printed
    assert done.json["result"]["failed"] == 0
    # Each of the three would be sent five times more; the run notices at the next intent.
    assert len(after) <= 3
    skipped = [one["error"] for one in done.json["changes"] if one["outcome"] == "skipped"]
    assert all("disk is full" in error for error in skipped)
    assert any("not tried again" in error for error in skipped)


def test_a_change_of_several_requests_sends_no_further_one_once_the_ledger_is_lost(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The members of a group go in many requests; another change notices meanwhile that the ledger is lost."""
    disk, noticed = Disk(monkeypatch), threading.Event()
    after: list[HttpRequest] = []
    abort = Stop.abort

    def notice(stop: Stop, cause: NinjasyncError) -> None:
        abort(stop, cause)
        noticed.set()

    monkeypatch.setattr(Stop, "abort", notice)

    def fill_with_the_first_members(request: HttpRequest, serve: Serve) -> HttpResponse:
        if noticed.is_set():
            after.append(request)
        if request.method == "PATCH" and "/Groups/" in request.path:
            disk.is_full.set()
            answer = serve(request)
            assert noticed.wait(20), "another group's intent fails meanwhile"
            return answer
        return serve(request)

    office.configure("run", parallelism=2)
    office.configure("ninjaone", dialect={"members_per_call": 1})
    office.box.intercept("scim", fill_with_the_first_members)
    done = office.apply()

    assert done.code == 1, done.printed
    assert after == []
    errors = [one["error"] for one in done.json["changes"] if one["outcome"] == "skipped"]
    assert any(error.startswith("cut off") for error in errors), errors
    monkeypatch.undo()
    office.box.intercept("scim", lambda request, serve: serve(request))
    again = office.apply()
    assert again.code == 0, again.printed
    assert office.plan().json["changes"] == []


def test_as_text_many_changes_have_one_line_with_the_cause_and_what_comes_next(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)

    def fill(request: HttpRequest, serve: Serve) -> HttpResponse:
        if request.method == "POST":
            disk.is_full.set()
        return serve(request)

    office.box.intercept("scim", fill)
    done = office.run("apply", "--yes")

    assert done.code == 1, done.printed
    assert done.out.count("disk is full") <= 1 + 4, "one line for all, and those under way"
    assert re.search(r"Of \d+ changes \d+ were applied, 0 failed, and \d+ were not tried", done.err)
    assert "The next apply looks in NinjaOne for what is not recorded" in done.err


def test_the_end_of_a_run_that_cannot_be_kept_costs_no_line_of_the_report(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, total = Disk(monkeypatch), len(office.plan().json["changes"])

    def fill_at_the_end(request: HttpRequest, serve: Serve) -> HttpResponse:
        answer = serve(request)
        if request.method in ("PATCH", "PUT") or (request.method == "POST" and request.path.endswith("/Groups")):
            disk.is_full.set()
        return answer

    office.configure("run", parallelism=1)
    office.box.intercept("scim", fill_at_the_end)
    done = office.apply()

    assert done.code == 1
    assert sum(done.json["result"][status] for status in ("applied", "failed", "skipped")) == total
    with closing(sqlite3.connect(office.ledger)) as connection:
        pending = connection.execute("SELECT count(*) FROM operations WHERE status = 'pending'").fetchone()[0]
    assert pending >= 1
    monkeypatch.undo()
    settled = office.apply()
    assert settled.code == 0, settled.printed
    assert any("outcome was not known" in warning for warning in settled.json["warnings"])
    assert office.plan().json["changes"] == []
