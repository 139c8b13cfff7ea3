"""SIGKILL before and after each write reaches the server: one more run ends where an undisturbed one would have."""

import io
import json
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing, redirect_stdout
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ninjasync.cli import run
from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.company.staffing import existing_accounts, make_company
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse
from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne
from ninjasync.state.postgres_database import PostgresDatabase
from tests.support.forked import Forked, fork
from tests.support.postgres import TestDatabase

# The lines of any apply: other tests measure them, which takes as long again.
pytestmark = pytest.mark.no_cover
_PEOPLE, _SEED = 24, 3


class _Gate:
    """Stands before NinjaOne and kills the client at the n-th write, before or after it is carried out."""

    def __init__(self, kill_at: int | None, *, after: bool) -> None:
        self.writes = 0
        self.kill_at = kill_at
        self.after = after
        self.victim: Forked | None = None

    def watch(self, box: Sandbox) -> None:
        box.intercept("scim", self._serve)

    def _serve(self, request: HttpRequest, serve: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        if request.method == "GET":
            return serve(request)
        self.writes += 1
        strike = self.writes == self.kill_at
        if strike and not self.after:
            self._kill()
            return HttpResponse(503)
        response = serve(request)
        if strike:
            self._kill()
        return response

    def _kill(self) -> None:
        assert self.victim is not None
        self.victim.send_signal(signal.SIGKILL)
        self.victim.wait(30)


def _world() -> tuple[Company, NinjaOne]:
    people = make_company(users=_PEOPLE, seed=_SEED)
    return people, existing_accounts(people, seed=_SEED)


def _staff(people: Company) -> list[str]:
    """Return the end users that can be provisioned, in a fixed order."""
    end_users = people.find_group_id("NinjaOne End Users")
    return [
        id_
        for id_, user in people.users.items()
        if end_users in user["groups"]
        and user["status"] == "active"
        and user["custom_attributes"].get("organizationID")
    ]


def _let_things_happen(people: Company, ninjaone: NinjaOne, staff: list[str], folder: Path) -> None:
    """Bring about a write of every kind there is."""
    technicians, end_users = (people.find_group_id(f"NinjaOne {name}") for name in ("Technicians", "End Users"))
    returner, lapsed, first, second, promoted, leaver, gone = staff[:7]
    people.enable(returner)
    one, other = people.users[first]["email"], people.users[second]["email"]
    people.set_email(first, "stand-in@example.com")
    people.set_email(second, one)
    people.set_email(first, other)
    people.set_attribute(promoted, "userType", "technician")
    people.join(promoted, technicians)
    people.disable(leaver)
    people.erase(gone)
    people.hire("Nora", "New", groups=[end_users], user_type="endUser", organization="12")
    stranger = next(
        user for user in ninjaone.users.values() if not user.get("externalId") and "break" not in user["userName"]
    )
    adopted = people.hire("Stu", "Stranger", groups=[end_users], user_type="endUser", organization="12")
    people.set_email(adopted, stranger["userName"])
    people.rename_group(technicians, "NinjaOne Technicians EMEA")
    # The leaver is due for deletion.
    with closing(sqlite3.connect(folder / "ledger.db")) as ledger, ledger:
        ledger.execute(
            "UPDATE resources SET deactivated_at = '2026-01-01T00:00:00.000+00:00' WHERE external_id = ?", (lapsed,)
        )
    config = folder / "config.toml"
    config.write_text(
        config.read_text("utf-8") + '\n[groups]\npush = ["NinjaOne *", "All Staff"]\nremoved = "delete"\n', "utf-8"
    )


_APPLY = ("apply", "--yes", "--format", "json", "--parallelism", "1")


def _run(folder: Path) -> dict[str, Any]:
    """Apply in this process and return the document."""
    out = io.StringIO()
    with redirect_stdout(out):
        code = run([*_APPLY, "--config", str(folder / "config.toml")])
    assert code == 0, out.getvalue()
    document: dict[str, Any] = json.loads(out.getvalue())
    return document


def _run_and_die(folder: Path, gate: _Gate) -> None:
    """Apply in a process of its own, which the gate kills."""
    gate.victim = fork(*_APPLY, "--config", str(folder / "config.toml"))
    assert gate.victim.wait() == -signal.SIGKILL


def _move_ledger(folder: Path, url: str) -> None:
    config = folder / "config.toml"
    with redirect_stdout(io.StringIO()):
        assert run(["ledger", "copy", url, "--config", str(config)]) == 0
    config.write_text(config.read_text("utf-8").replace('path = "ledger.db"', f'url = "{url}"'), "utf-8")


def _state(ninjaone: NinjaOne) -> dict[str, Any]:
    """Return what NinjaOne holds, without what differs between any two runs: ids, times, versions."""
    names = {id_: user["userName"] for id_, user in ninjaone.users.items()}
    users = {
        user["userName"]: {key: value for key, value in user.items() if key not in ("id", "meta", "groups")}
        for user in ninjaone.users.values()
    }
    assert len(users) == len(ninjaone.users)
    groups = {
        group["displayName"]: (group.get("externalId"), sorted(names[one["value"]] for one in group.get("members", [])))
        for group in ninjaone.groups.values()
    }
    return {"users": users, "groups": groups}


def _ids(ninjaone: NinjaOne) -> dict[str, str]:
    return {user["externalId"]: id_ for id_, user in ninjaone.users.items() if user.get("externalId")}


class _Stage:
    """The company after its first year, with everything in step; each act starts from a copy of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        people, ninjaone = _world()
        self.staff = _staff(people)
        with Sandbox(people, ninjaone) as box:
            # The tenant is the address: every act is on the same ports.
            self._ports = tuple(int(urlsplit(url).port or 0) for url in (box.duo_url, box.scim_url))
            # Without the public API: its port is not kept, and may be another's by then.
            sides = re.sub(r"\[ninjaone\.api\]\n(?:.+\n)+", "", box.config_toml())
            (folder / "config.toml").write_text(f'{sides}\n[state]\npath = "ledger.db"\n\n[run]\nretries = 0\n')
            _run(folder)
            people.disable(self.staff[0])
            people.disable(self.staff[1])
            _run(folder)
        self._before = people, ninjaone

    def act(
        self, folder: Path, kill_at: int | None = None, *, after: bool = False, url: str = ""
    ) -> tuple[Any, int, Any]:
        """Let things happen and apply them, killed at one write or not at all, then once more.

        With a ``url`` the ledger moves into that database before.
        Returns what NinjaOne holds in the end, how many writes it took, and the changes.
        """
        for file in self._folder.iterdir():
            shutil.copy(file, folder)
        people, ninjaone = _copy_of(*self._before)
        before = _ids(ninjaone)
        _let_things_happen(people, ninjaone, self.staff, folder)
        if url:
            _move_ledger(folder, url)
        gate = _Gate(kill_at, after=after)
        with Sandbox(people, ninjaone, ports=dict(zip(("duo", "scim"), self._ports, strict=True))) as box:
            gate.watch(box)
            if kill_at is not None:
                _run_and_die(folder, gate)
                gate.kill_at = None
            changes = _run(folder)["changes"]
            assert _run(folder)["changes"] == [], "after one more run there is nothing left to do"
        now = _ids(ninjaone)
        lapsed = self.staff[1]
        assert before.pop(lapsed)
        assert lapsed not in now
        assert {duo_id: now[duo_id] for duo_id in before} == before, "nobody who stays gets another account"
        return _state(ninjaone), gate.writes, changes


def _copy_of(people: Company, ninjaone: NinjaOne) -> tuple[Company, NinjaOne]:
    same, there = make_company(users=_PEOPLE, seed=_SEED), NinjaOne(seed=99)
    same.users.update(deepcopy(people.users))
    same.groups.update(deepcopy(people.groups))
    for kind in (USER, GROUP):
        for resource in ninjaone.table(kind).values():
            there.overwrite(kind, deepcopy(resource))
    return same, there


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> _Stage:
    return _Stage(tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="module")
def undisturbed(stage: _Stage, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return stage.act(tmp_path_factory.mktemp("undisturbed"))


_WRITES = 17


def test_the_run_that_is_killed_has_a_write_of_every_kind(undisturbed: Any) -> None:
    _, writes, changes = undisturbed
    assert {(change["resource"], change["action"]) for change in changes} == {
        ("user", "create"),
        ("user", "adopt"),
        ("user", "update"),
        ("user", "reactivate"),
        ("user", "deactivate"),
        ("user", "delete"),
        ("group", "create"),
        ("group", "update"),
        ("group", "delete"),
    }
    assert writes == _WRITES, "the kill tests below number the writes: keep _WRITES true"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, _WRITES + 1))
def test_after_a_kill_at_any_write_the_next_run_ends_where_an_undisturbed_one_does(
    number: int, after: bool, stage: _Stage, undisturbed: Any, tmp_path: Path
) -> None:
    state, _, _ = stage.act(tmp_path, number, after=after)
    assert state == undisturbed[0]


@pytest.fixture
def moved_stage(stage: _Stage, database: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """An act whose ledger lies in PostgreSQL."""
    monkeypatch.setattr(PostgresDatabase, "survives", 0.0)  # who was killed sends nothing, as this test knows
    return partial(stage.act, url=database.url)


@pytest.mark.parametrize(("number", "after"), [(1, True), (9, False), (9, True), (_WRITES, False)])
def test_with_a_ledger_in_postgresql_the_next_run_ends_there_too(
    number: int, after: bool, moved_stage: Callable[..., Any], undisturbed: Any, tmp_path: Path, database: TestDatabase
) -> None:
    state, _, _ = moved_stage(tmp_path, number, after=after)
    assert state == undisturbed[0]
    assert database.ask("SELECT count(*) FROM operations WHERE status = 'pending'") == [(0,)]
