"""The ledger as a file that may be lost, damaged, foreign or shared, and what is told from it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ninjasync.errors import InterruptedRunError, LedgerError, LedgerNotWritableError, RefusedRequestError
from ninjasync.model.change import Change
from ninjasync.model.tenant import Tenant
from ninjasync.net.pacing import TransientError
from ninjasync.planning.planner import Moment
from ninjasync.runs import plan
from ninjasync.runs.journal import LedgerJournal
from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from ninjasync.sandbox.ninjaone.schema import USER
from ninjasync.sandbox.ninjaone.store import NinjaOne
from ninjasync.state import sqlite
from ninjasync.state.ledger import Ledger
from ninjasync.state.memory import Memory
from ninjasync.state.run_log import Conclusion, Intent, OwnershipChange, RunLog
from tests.support.company import END_USERS, TECHNICIANS, populate, staff, user
from tests.support.contexts import now
from tests.support.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(5, 0)) as made:
        yield made


# --- the file --------------------------------------------------------------------------------


def test_the_ledger_is_an_sqlite_file_of_mode_0600_in_wal_that_says_its_version(office: Office) -> None:
    office.configure("state", path="a new folder/ledger.sqlite3")
    before = os.umask(0)
    try:
        office.settle()
        files = list(office.ledger.parent.iterdir())
        modes = {one.name: oct(stat.S_IMODE(one.stat().st_mode)) for one in files if one.name.startswith("ledger.sq")}
    finally:
        os.umask(before)

    assert modes["ledger.sqlite3"] == "0o600"
    assert {mode for name, mode in modes.items() if not name.endswith(".lock")} == {"0o600"}
    assert stat.S_IMODE(office.ledger.parent.stat().st_mode) == 0o700
    assert office.ask_ledger("PRAGMA journal_mode") == [("wal",)]
    assert office.ask_ledger("select value from meta where key = 'schema_version'") == [("2",)]


def test_by_default_it_lies_in_the_platforms_state_folder(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(office.folder / "state"))
    monkeypatch.setenv("HOME", str(office.folder))
    office.configure("state", path=None)

    assert office.plan().code == 0

    assert [one for one in office.folder.rglob("*.sqlite3") if one.is_file()]


def garbage(path: Path) -> None:
    path.write_bytes(b"This is no database, though it is quite long. " * 500)


def truncated_to(size: int | float) -> Callable[[Path], None]:
    def cut(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: size if isinstance(size, int) else int(len(data) * size)])

    return cut


def all_but_the_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def zero_bytes(path: Path) -> None:
    path.write_bytes(b"")


def scribbled_over(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


def newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update meta set value = '99' where key = 'schema_version'")


def without_version(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("delete from meta where key = 'schema_version'")


def changed(statement: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)

    return change


def without_a_table(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("drop table resources")


def foreign(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table bookmarks (url text)")
        connection.execute("insert into bookmarks values ('https://example.com')")


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "garbage": (garbage, "damaged|not a ledger"),
    "zero bytes": (zero_bytes, "damaged"),
    "8 bytes": (truncated_to(8), "damaged"),
    "50 bytes": (truncated_to(50), "damaged|not a ledger"),
    "100 bytes": (truncated_to(100), "damaged"),
    "one page": (truncated_to(4096), "damaged"),
    "half": (truncated_to(0.5), "damaged"),
    "all but the end": (all_but_the_end, "damaged"),
    "scribbled over": (scribbled_over, "damaged"),
    "newer": (newer, "newer"),
    "without a version": (without_version, "damaged"),
    "with a version that is nothing": (changed("update meta set value = null"), "damaged"),
    "with a version that is no number": (changed("update meta set value = '\u00b2'"), "damaged"),
    "without a table": (without_a_table, "damaged"),
    "with members that are no list": (changed("update resources set members = '{bad'"), "damaged"),
    "with a date that is none": (changed("update resources set deactivated_at = 'yesterday'"), "damaged"),
    "foreign": (foreign, "not a ledger"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_newer_or_foreign_ledger_is_exit_1_and_never_a_fresh_start(office: Office, what: str) -> None:
    office.settle()
    damage, sentence = DAMAGES[what]
    for end in ("-wal", "-shm"):
        office.ledger.with_name(office.ledger.name + end).unlink(missing_ok=True)
    damage(office.ledger)
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
    left = office.ledger.read_bytes()

    # History does not look into what is ours.
    unseen = what in ("without a table", "with members that are no list", "with a date that is none")
    commands = (["plan"], ["apply", "--yes"], ["history"])[: 2 if unseen else 3]
    for command in commands:
        ran = office.run(command[0], *command[1:])

        assert ran.code == 1, (command, ran.printed)
        assert re.search(sentence, ran.err), ran.err
        assert str(office.ledger) in ran.err
        assert "Traceback" not in ran.printed
        assert len(ran.err.strip().splitlines()) == 2  # what failed, and what to do next
    assert office.writes() == []
    assert unseen or office.ledger.read_bytes() == left  # it is not ours to mend, or it is evidence


def test_a_folder_in_the_ledgers_place_is_no_ledger(office: Office) -> None:
    office.ledger.mkdir()

    assert office.apply().code == 1
    assert office.plan().code == 0
    assert office.writes() == []


def test_where_no_ledger_can_be_made_plan_works_with_a_warning_and_apply_exits_1(office: Office) -> None:
    (office.folder / "file").touch()
    office.configure("state", path="file/ledger.sqlite3")
    expected = {user(number): "create" for number in range(5)}

    planned, done, told = office.plan(), office.apply(), office.run("history")

    assert (planned.code, planned.actions()) == (0, expected)
    assert any("ledger" in warning for warning in planned.json["warnings"])
    assert done.code == 1
    assert "[state] path" in done.printed
    assert office.writes() == []
    assert told.code in (0, 1)


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder that this process may read and, once it is closed, not write; root steps down for that."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own folders are for their owner's eyes alone
    folder.chmod(0o777)
    stepped_down = os.geteuid() == 0
    if stepped_down:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if stepped_down:
            os.seteuid(0)
        folder.chmod(0o777)
        shutil.rmtree(folder)


def test_a_ledger_that_may_only_be_read_is_read_by_plan_which_warns_and_ends_apply(as_nobody: Path) -> None:
    with Office(as_nobody, staff(5, 0)) as office:
        office.settle()
        erased = office.duo(user(0))
        office.people.erase(erased)
        office.write_config()
        office.ledger.chmod(0o400)
        as_nobody.chmod(0o555)
        config = str(as_nobody / "config.toml")
        office.write_config = lambda name="": config  # type: ignore[method-assign]  # nothing may be written here
        try:
            planned, done = office.plan(), office.apply()
        finally:
            as_nobody.chmod(0o777)

        # What only the ledger knows is known: whose account it is that Duo has no user for.
        assert planned.code == 0, planned.printed
        assert planned.actions() == {user(0): "deactivate"}
        assert any("cannot be written" in warning for warning in planned.json["warnings"])
        assert done.code == 1
        assert office.writes() == []


# --- lost between two runs -------------------------------------------------------------------


def test_a_ledger_deleted_between_two_runs_removes_nobody_who_has_not_left_and_duplicates_nobody(
    tmp_path: Path,
) -> None:
    with Office(tmp_path, staff(8, 2)) as office:
        office.settle()
        ids = {one["userName"]: one["id"] for one in office.ninjaone.users.values()}
        office.people.disable(office.duo(user(0)))
        office.people.erase(office.duo(user(1)))
        office.people.lock_out(office.duo(user(2)))
        office.people.set_attribute(office.duo(user(3)), "userType", "chef")
        office.people.set_email(office.duo(user(4)), "four.new@example.com")
        office.people.rename_group(office.people.group_named(END_USERS), "Staff")
        office.configure("scope", groups=[TECHNICIANS, "Staff"])
        office.lose_ledger()

        done = office.apply()

        assert done.code == 0
        assert done.actions() == {user(0): "deactivate", "four.new@example.com": "update"}
        assert done.actions("group") == {"Staff": "update"}
        assert any("cannot be judged" in warning for warning in done.json["warnings"])
        ids["four.new@example.com"] = ids.pop(user(4))
        assert {one["userName"]: one["id"] for one in office.ninjaone.users.values()} == ids
        inactive = {one["userName"] for one in office.ninjaone.users.values() if not one["active"]}
        assert inactive == {user(0)}
        assert len(office.ninjaone.groups) == 2
        assert office.plan().json["changes"] == []


def test_the_time_until_a_deletion_starts_anew_where_the_ledger_was_lost(office: Office) -> None:
    office.settle()
    office.people.disable(office.duo(user(0)))
    office.apply()
    office.days_pass(29)
    office.lose_ledger()
    assert office.apply().actions() == {}
    office.days_pass(29)
    assert office.apply().actions() == {}
    office.days_pass(2)
    assert office.apply().actions() == {user(0): "delete"}


# --- two tenants, one endpoint ---------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Office, Office]]:
    """Two companies with Duo accounts of their own and one NinjaOne endpoint; each has its configuration."""
    other_people = Company(seed=77, domain="other.example")
    other_people.scoped += [other_people.found_group(TECHNICIANS), other_people.found_group("Other Users")]
    for number in range(3):
        other_people.hire(f"Other{number}", "Two", groups=["Other Users"], user_type="endUser", organization="9")
    (tmp_path / "other").mkdir()
    with Office(tmp_path, staff(5, 0)) as one, Office(tmp_path / "other", other_people, NinjaOne()) as other:
        other.configure("ninjaone", endpoint_url=one.box.scim_url + "/", secret_token=one.box.token)
        other.configure("scope", groups=["Other Users"])
        other.ninjaone = one.ninjaone
        yield one, other


@pytest.mark.parametrize("shared", [True, False], ids=["one ledger", "a ledger each"])
def test_two_tenants_with_one_endpoint_never_touch_each_others_accounts(
    two: tuple[Office, Office], shared: bool
) -> None:
    one, other = two
    if shared:
        other.configure("state", path=str(one.ledger))
    one.settle()
    assert other.apply().code == 0
    theirs = {row["id"]: dict(row) for row in one.ninjaone.users.values() if "@other" in row["userName"]}
    ours = {row["id"]: dict(row) for row in one.ninjaone.users.values() if "@other" not in row["userName"]}
    assert (len(theirs), len(ours)) == (3, 5)

    for office in (one, other):
        assert office.plan().json["changes"] == []
        assert office.plan().json["summary"]["users"]["unmanaged"] == (3 if office is one else 5)

    # All but one leave the other company; ours are as they were.
    for id_ in list(other.people.users)[:2]:
        other.people.disable(id_)
    other.configure("safety", min_source_percent=0)
    assert other.apply().code == 0
    assert {id_: dict(one.ninjaone.users[id_]) for id_ in ours} == ours
    assert sum(one.ninjaone.users[id_]["active"] for id_ in theirs) == 1
    assert one.plan().json["changes"] == []

    # One of theirs takes an address that one of ours has.
    thief = list(other.people.users)[2]
    other.people.set_email(thief, user(0))
    planned = other.apply()
    assert planned.actions() == {}
    assert planned.problems() == {user(0): "name-taken"}
    assert {id_: dict(one.ninjaone.users[id_]) for id_ in ours} == ours


def test_one_duo_with_two_tenant_names_keeps_to_the_accounts_of_each(office: Office) -> None:
    office.people.hire("Tech", "One", groups=[TECHNICIANS], user_type="technician")
    office.configure("state", tenant="south")
    office.configure("scope", groups=[END_USERS])
    office.settle()
    south = office.snapshot()

    # To the north all of these are out of scope, and their ids are in this very Duo read.
    office.configure("state", tenant="north")
    office.configure("scope", groups=[TECHNICIANS])
    done = office.apply()
    assert (done.code, done.actions()) == (0, {"tech.one@example.com": "create"})
    assert json.loads(south)[0].items() <= json.loads(office.snapshot())[0].items()

    # Who moves from south to north is south's until south lets go of the address.
    mover = office.duo(user(0))
    office.people.join(mover, office.people.group_named(TECHNICIANS))
    held = office.plan()
    assert (held.actions(), held.problems()) == ({}, {user(0): "name-taken"})
    assert "south" in held.problem(user(0))
    assert office.apply().code == 0
    before = office.account(user(0))

    # And the other way round.
    office.configure("state", tenant="south")
    office.configure("scope", groups=[END_USERS])
    assert office.plan().json["changes"] == []
    assert office.account(user(0)) == before


# --- history ---------------------------------------------------------------------------------


def test_history_tells_of_every_run_the_latest_first(office: Office) -> None:
    assert office.run("history").out == "Tenant 127.0.0.1\nNo runs yet.\n"
    assert json.loads(office.run("history", "--format", "json").out)["runs"] == []
    office.apply()
    office.people.disable(office.duo(user(0)))
    office.configure("safety", max_removals=0, max_removals_percent=0)
    assert office.apply().code == 3

    runs = json.loads(office.run("history", "--format", "json").out)["runs"]

    assert [run["exit_code"] for run in runs] == [3, 0]
    assert [run["command"] for run in runs] == ["apply", "apply"]
    assert runs[1]["counts"] == {"applied": 7, "failed": 0, "skipped": 0}
    assert all(str(os.getpid()) in run["actor"] for run in runs)
    assert all(run["started_at"] <= run["ended_at"] for run in runs)
    first, *lines = office.run("history").out.splitlines()
    assert first == "Tenant 127.0.0.1"
    assert [line.split()[0] for line in lines] == [run["id"] for run in runs]
    assert "exit 3" in lines[0]
    assert "7 applied" in lines[1]


def test_history_of_one_run_tells_every_operation_with_its_outcome_before_and_after(office: Office) -> None:
    office.settle()
    office.people.users[office.duo(user(0))]["lastname"] = "Changed"
    office.people.disable(office.duo(user(1)))
    office.apply()
    run = json.loads(office.run("history", "--format", "json").out)["runs"][0]["id"]

    found = json.loads(office.run("history", run, "--format", "json").out)
    text = office.run("history", run[:-1]).out

    assert found["run"]["id"] == run
    rows = {(one["key"], one["action"]): one for one in found["operations"]}
    assert rows.keys() == {(user(0), "update"), (user(1), "deactivate"), (END_USERS, "update")}
    assert {one["status"] for one in rows.values()} == {"applied"}
    assert rows[user(0), "update"]["diff"] == [{"path": "name.familyName", "before": "Two", "after": "Changed"}]
    assert rows[user(1), "deactivate"]["diff"] == [{"path": "active", "before": True, "after": False}]
    assert rows[END_USERS, "update"]["diff"] == [{"path": "members", "before": [user(1)], "after": []}]
    assert 'name.familyName: "Two" -> "Changed"' in text
    assert "active: true -> false" in text
    assert f"- {user(1)}" in text


def test_history_of_an_unknown_or_ambiguous_run_is_64(office: Office) -> None:
    office.apply()
    office.apply()

    assert office.run("history", "1999").code == 64
    assert office.run("history", "2").code == 64


def test_history_shows_what_failed_and_why(office: Office) -> None:
    office.native("stranger@example.com")
    office.settle()
    office.people.set_email(office.duo(user(0)), "nowhere@example.com")
    office.plan("--out", office.folder / "plan")
    office.box.intercept("scim", lambda request, serve: _refuse(request.method) or serve(request))

    assert office.run("apply", office.folder / "plan").code == 4

    run = json.loads(office.run("history", "--format", "json").out)["runs"][0]
    assert (run["exit_code"], run["command"]) == (4, f"apply {office.folder / 'plan'}")
    (operation,) = json.loads(office.run("history", run["id"], "--format", "json").out)["operations"]
    assert operation["status"] == "failed"
    assert "400" in operation["error"]
    assert "400" in office.run("history", run["id"]).out


def _refuse(method: str) -> HttpResponse | None:
    return HttpResponse(400) if method != "GET" else None


def test_history_belongs_to_the_tenant(office: Office) -> None:
    office.apply()
    office.configure("state", tenant="north")

    assert office.run("history").out == "Tenant north\nNo runs yet.\n"


def test_a_run_that_ended_by_an_error_is_in_the_history_and_not_taken_for_a_killed_one(office: Office) -> None:
    office.configure("duo", secret_key="wrong-secret")
    assert office.apply().code == 6

    runs = json.loads(office.run("history", "--format", "json").out)["runs"]

    assert [(run["exit_code"], run["counts"]) for run in runs] == [(6, {})]
    office.configure("duo", secret_key=office.box.secret_key)
    assert office.plan().json["warnings"] == [] or "cut short" not in " ".join(office.plan().json["warnings"])


def test_runs_and_values_are_pruned_after_keep_history_days_but_ownership_never(office: Office) -> None:
    office.configure("state", keep_history_days=10)
    office.settle()
    office.days_pass(9)
    office.people.users[office.duo(user(0))]["lastname"] = "Changed"
    office.apply()
    assert office.ask_ledger("select count(*) from runs") == [(2,)]

    office.days_pass(2)
    office.people.erase(office.duo(user(1)))
    office.apply()

    assert office.ask_ledger("select count(*) from runs") == [(2,)]
    assert office.ask_ledger("select count(*) from operations where action = 'create'") == [(0,)]
    assert office.ask_ledger("select count(*) from resources") == [(7,)]
    # He whom only the ledger knows by now is still known.
    assert office.account(user(1))["active"] is False
    office.days_pass(31)
    assert office.apply().actions() == {user(1): "delete"}


def test_a_used_plan_stays_used_after_its_run_was_pruned(office: Office, tmp_path: Path) -> None:
    office.configure("state", keep_history_days=1)
    office.plan("--out", tmp_path / "plan")
    assert office.run("apply", tmp_path / "plan").code == 0
    office.days_pass(5)
    office.apply()
    office.ninjaone.clear()

    assert office.run("apply", tmp_path / "plan").code == 3
    assert not office.ninjaone.users


# --- what only the ledger knows --------------------------------------------------------------


def test_a_plan_writes_nothing_but_its_own_ledger(office: Office) -> None:
    before = {one.name for one in office.folder.iterdir()}

    office.plan()

    added = {one.name for one in office.folder.iterdir()} - before
    assert added <= {"config.toml", "ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm"}
    assert office.writes() == []


def test_redaction_tokens_are_stable_for_one_ledger_and_differ_for_another(office: Office) -> None:
    def tokens() -> list[str]:
        return re.findall(r"person-\w+", office.plan("--redact").out)

    first = tokens()
    assert first
    assert tokens() == first
    office.settle()
    office.people.users[office.duo(user(0))]["lastname"] = "Changed"
    (update,) = (one for one in office.plan("--redact").json["changes"] if one["resource"] == "user")
    assert update["key"] in first  # the same person, in another plan
    assert "Changed" not in json.dumps(update)
    office.lose_ledger()
    office.ninjaone.clear()
    assert set(tokens()).isdisjoint(first)


def test_accounts_that_a_person_deleted_in_ninjaone_are_made_anew_and_the_ledger_follows(office: Office) -> None:
    office.settle()
    old = office.account(user(0))["id"]
    office.ninjaone.delete(USER, old)

    assert office.apply().actions() == {user(0): "create"}

    new = office.account(user(0))["id"]
    assert new != old
    assert office.ask_ledger("select id from resources where name = ?", user(0)) == [(new,)]
    office.people.erase(office.duo(user(0)))
    assert office.apply().actions() == {user(0): "deactivate"}


def test_everything_that_a_populated_tenant_has_is_recorded_by_the_first_apply(tmp_path: Path) -> None:
    people = staff(6, 0)
    ninjaone = NinjaOne(seed=9)
    populate(ninjaone, people)
    with Office(tmp_path, people, ninjaone) as office:
        assert office.apply().json["changes"] == []
        assert office.ask_ledger("select count(*) from resources") == [(8,)]


# --- made whole ------------------------------------------------------------------------------


def tenant() -> Tenant:
    return Tenant("https://ninja.example/scim", "api-1.duosecurity.com", "")


def test_of_several_who_make_the_ledger_at_once_all_get_the_same_whole_one(tmp_path: Path) -> None:
    path, together = tmp_path / "ledger.sqlite3", threading.Barrier(8)

    def run(number: int) -> str:
        together.wait(timeout=30)
        with contextlib.closing(Ledger.open(path, tenant(), datetime.now(UTC))) as ledger:
            return ledger.run_log.begin(f"run {number}", "plan", datetime.now(UTC), f"run {number}")

    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(run, range(8)))

    with contextlib.closing(Ledger.open(path, tenant(), datetime.now(UTC))) as ledger:
        assert sorted(run.id for run in ledger.run_log.runs()) == sorted(begun)
    assert [one.name for one in tmp_path.iterdir()] == ["ledger.sqlite3"]


def test_a_ledger_is_made_where_there_are_no_hard_links_and_takes_nobodys_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: str, target: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "ledger.sqlite3"
    Ledger.open(path, tenant(), datetime.now(UTC)).close()
    made = path.read_bytes()
    sqlite.create(path)

    assert path.read_bytes() == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["ledger.sqlite3"]


# --- one transaction for many lines ----------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with contextlib.closing(Ledger.open(tmp_path / "ledger.sqlite3", tenant(), datetime.now(UTC))) as made:
        made.run_log.begin("me", "apply", datetime.now(UTC), "run")
        yield made


def intended(ledger: Ledger, key: str) -> int:
    return ledger.run_log.intend(Intent("run", "user", "create", key, key, None, "[]", datetime.now(UTC)))


def concluded(ledger: Ledger, number: int, duo_id: str) -> None:
    owned = OwnershipChange("user", duo_id, f"n-{duo_id}", duo_id)
    ledger.run_log.conclude(Conclusion(number, "applied", "", datetime.now(UTC), owned))


def path_of(ledger: Ledger) -> Path:
    return Path(ledger.database.place)


def as_others_see_it(ledger: Ledger) -> dict[str, str]:
    """What would be left if the process were killed now: each write's status by key."""
    with contextlib.closing(sqlite3.connect(path_of(ledger))) as connection:
        return dict(connection.execute("select key, status from operations"))


def test_what_is_intended_is_safe_at_once_and_what_is_concluded_with_the_next(ledger: Ledger) -> None:
    first = intended(ledger, "a")
    assert as_others_see_it(ledger) == {"a": "pending"}

    concluded(ledger, first, "DU-a")
    intended(ledger, "b")

    assert as_others_see_it(ledger) == {"a": "applied", "b": "pending"}


@pytest.mark.parametrize(
    "asked",
    [
        lambda ledger: ledger.flush(),
        lambda ledger: ledger.run_log.unfinished(),
        lambda ledger: ledger.run_log.finish("run", 0, {}, datetime.now(UTC)),
        lambda ledger: ledger.close(),
    ],
)
def test_what_is_concluded_is_safe_before_anything_else_that_the_ledger_does(
    ledger: Ledger, asked: Callable[[Ledger], None]
) -> None:
    concluded(ledger, intended(ledger, "a"), "DU-a")
    asked(ledger)
    assert as_others_see_it(ledger) == {"a": "applied"}


def test_what_is_concluded_is_seen_in_what_the_ledger_says(ledger: Ledger) -> None:
    concluded(ledger, intended(ledger, "a"), "DU-a")
    assert ledger.run_log.unfinished()[1] == []
    assert [entry.id for entry in ledger.owned("user").values()] == ["n-DU-a"]


def test_what_was_concluded_is_not_lost_where_the_disk_is_full_for_a_while(ledger: Ledger) -> None:
    number = intended(ledger, "a")
    assert isinstance(ledger.database, sqlite.SqliteDatabase)
    connection = ledger.database._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages}")
    ledger.run_log.conclude(Conclusion(number, "failed", "a long story " * 10_000, datetime.now(UTC)))

    for _ in range(2):
        with pytest.raises(LedgerError, match="full"):
            ledger.flush()
    with pytest.raises(LedgerError, match="full"):
        intended(ledger, "b")
    assert as_others_see_it(ledger) == {"a": "pending"}
    connection.execute("PRAGMA max_page_count=1000000")
    ledger.flush()

    assert as_others_see_it(ledger) == {"a": "failed"}


def test_a_row_that_is_damaged_keeps_nothing_else_from_being_written(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    concluded(ledger, intended(ledger, "a"), "DU-a")
    ledger.flush()
    changed("update resources set applied = '{bad' where external_id = 'DU-a'")(path_of(ledger))
    ledger.owned("user")  # what is ours is kept in memory; this reads it again
    again, other = intended(ledger, "again"), intended(ledger, "b")
    concluded(ledger, again, "DU-a")
    concluded(ledger, other, "DU-b")

    intended(ledger, "c")
    ledger.run_log.finish("run", 0, {}, datetime.now(UTC))

    assert as_others_see_it(ledger) == {"a": "applied", "again": "pending", "b": "applied", "c": "pending"}
    assert "the next run looks for it" in caplog.text


def test_what_is_read_at_one_moment_does_not_know_what_others_wrote_since(ledger: Ledger) -> None:
    with contextlib.closing(Ledger.open(path_of(ledger), tenant(), datetime.now(UTC))) as other:
        with ledger.snapshot():
            other.record("user", [("DU-a", "n-a", "a@example.com")], datetime.now(UTC))
            assert not ledger.ownership(datetime.now(UTC)).known
        assert list(ledger.ownership(datetime.now(UTC)).users) == ["DU-a"]


def test_a_plan_takes_what_another_run_makes_meanwhile_for_no_gap_in_the_list(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.settle()
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
    applied, begun = threading.Event(), list[HttpRequest]()

    def apply_in_between(request: HttpRequest, serve: Service) -> HttpResponse:
        answer = serve(request)
        if request.path.endswith("/Users") and request.method == "GET" and not begun:
            begun.append(request)
            with office.spawn("apply", "--yes") as other:  # this plan's list is made, and on its way
                other.communicate(timeout=60)
            applied.set()
        return answer

    def look_later(*arguments: Any) -> Moment:
        assert applied.wait(timeout=60)
        return moment_of(*arguments)

    moment_of = plan.moment_of
    monkeypatch.setattr(plan, "moment_of", look_later)
    office.box.intercept("scim", apply_in_between)
    planned = office.plan()

    assert not any("not trusted" in warning for warning in planned.json["warnings"]), planned.json["warnings"]
    assert planned.json["summary"]["users"]["unmanaged"] is not None


def test_a_plan_that_can_put_nothing_into_its_ledger_says_so_and_is_a_plan(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise LedgerNotWritableError("The ledger is full.", "Make room.")

    monkeypatch.setattr(Memory, "redaction_key", full)
    planned = office.plan()

    assert (planned.code, len(planned.actions())) == (0, 5)
    assert any("is full" in warning for warning in planned.json["warnings"])


def test_a_plan_needs_no_room_for_reading_a_ledger_that_cannot_be_read_either(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise LedgerNotWritableError("The ledger is full.", "Make room.")

    monkeypatch.setattr(sqlite, "connect", full)
    planned = office.plan()

    assert (planned.code, len(planned.actions())) == (0, 5)
    assert any("cannot be used" in warning for warning in planned.json["warnings"])


def test_an_apply_whose_end_cannot_be_recorded_tells_all_that_it_did_and_exits_1(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise LedgerNotWritableError("The ledger is full.", "Make room.")

    with monkeypatch.context() as patches:
        patches.setattr(RunLog, "finish", full)
        done = office.apply()

    assert done.code == 1
    assert "The ledger is full. [tenant 127.0.0.1] Make room." in " ".join(done.err.split())
    assert done.json["result"] == {"applied": 7, "failed": 0, "skipped": 0, "exit_code": 1}
    assert "cut short" in " ".join(office.apply().json["warnings"])


def test_a_link_to_where_no_ledger_is_yet_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    path.symlink_to("data/real.sqlite3")
    Ledger.open(path, tenant(), datetime.now(UTC)).close()
    assert (tmp_path / "data" / "real.sqlite3").is_file()
    Ledger.open(path, tenant(), datetime.now(UTC)).close()


def test_who_could_not_be_added_to_a_group_that_hides_its_members_is_added_later(office: Office) -> None:
    office.box.set_behavior(quirks=["members-hidden"])
    office.settle()
    office.people.hire("Nora", "New", groups=[END_USERS], user_type="endUser", organization="4")
    refused = [("POST", "/Users"), ("PATCH", "/Groups/"), ("nothing", "")]

    def refuse(request: HttpRequest, serve: Service) -> HttpResponse:
        method, path = refused[0]
        return HttpResponse(400) if request.method == method and path in request.path else serve(request)

    office.box.intercept("scim", refuse)
    assert office.apply().code == 4  # no account, so no membership
    del refused[0]
    assert office.apply().code == 4  # an account, and still no membership
    del refused[0]
    assert office.apply().code == 0

    assert "nora.new@example.com" in office.members(END_USERS)
    assert office.plan().json["changes"] == []


def test_of_what_many_write_at_once_nothing_is_lost_and_each_learns_its_own_number(ledger: Ledger) -> None:
    def write(worker: int) -> dict[str, int]:
        made: dict[str, int] = {}
        for one in range(50):
            key = f"{worker}-{one}"
            made[key] = intended(ledger, key)
            concluded(ledger, made[key], f"DU-{key}")
        return made

    with ThreadPoolExecutor(8) as pool:
        numbers = {key: number for made in pool.map(write, range(8)) for key, number in made.items()}

    found = ledger.run_log.operations("run")
    assert {one.key: one.number for one in found} == numbers
    assert {one.status for one in found} == {"applied"}
    assert len(ledger.owned("user")) == 400


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TransientError("no answer"), "uncertain"),
        (TransientError("too many", status=429), "failed"),
        (InterruptedRunError("interrupted"), "failed"),
        (RefusedRequestError("no", status=400), "failed"),
    ],
)
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_write_that_may_have_been_carried_out_is_looked_for_by_the_next_run(
    ledger: Ledger, error: Exception, status: str, interrupted: bool
) -> None:
    change, journal = Change("user", "create", "jane", None, "DU-jane"), LedgerJournal(ledger.run_log, "run", now)
    number = journal.intend(change, "whole")
    if interrupted:
        later = InterruptedRunError("interrupted while it waited to try again")
        later.__cause__ = error
        error = later
    journal.conclude(number, change, "whole", None, (), error)
    assert [one.status for one in ledger.run_log.operations("run")] == [status]
