"""A bad day of the endpoint: nothing is written or forgotten, and the day after is as if it had not been."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from ninjasync.sandbox.ninjaone.schema import GROUP, USER
from tests.support.command import Ran
from tests.support.company import END_USERS, staff, user
from tests.support.office import Office, Saved

Meddler = Callable[[HttpRequest, Service], HttpResponse]
DISCOVERIES = ["auto", "list", "lookup"]
EMPTY = json.dumps({"schemas": [], "totalResults": 0, "Resources": []}).encode()


def answered(status: int) -> HttpResponse:
    return HttpResponse(status, b"{}")


def by_id(request: HttpRequest) -> bool:
    return request.method == "GET" and re.search(r"/(Users|Groups)/[^/]+$", request.path) is not None


def switched_off(request: HttpRequest, serve: Service) -> HttpResponse:
    return answered(404)


def gone_for_good(request: HttpRequest, serve: Service) -> HttpResponse:
    return answered(410)


def blind(status: int, of: str = "") -> Meddler:
    """Lists of that kind are empty and each id gets that status; names are still taken."""

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        if of not in request.path:
            return serve(request)
        if by_id(request):
            return answered(status)
        if request.method == "GET":
            return HttpResponse(200, EMPTY)
        return serve(request)

    return meddle


def forbidding(request: HttpRequest, serve: Service) -> HttpResponse:
    return answered(403) if by_id(request) else serve(request)


BAD_DAYS: dict[str, Meddler] = {
    "404 to everything": switched_off,
    "410 to everything": gone_for_good,
    "empty lists and 404 by id": blind(404),
    "empty lists and 410 by id": blind(410),
    "empty lists and 403 by id": blind(403),
    "empty lists and 400 by id": blind(400),
    "empty lists of groups and 404 by id": blind(404, "/Groups"),
}


def healthy(request: HttpRequest, serve: Service) -> HttpResponse:
    return serve(request)


@dataclass
class Stage:
    """Twenty people, all applied, and how NinjaOne answers now."""

    office: Office
    saved: Saved
    now: Meddler = healthy

    def serve(self, request: HttpRequest, serve: Service) -> HttpResponse:
        return self.now(request, serve)


@pytest.fixture(scope="module", params=DISCOVERIES)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Office(tmp_path_factory.mktemp("stage"), staff(18, 2)) as made:
        made.configure("ninjaone.dialect", discovery=request.param)
        made.settle()
        stage = Stage(made, made.save())
        made.box.intercept("scim", stage.serve)
        yield stage


@pytest.fixture
def office(stage: Stage, tmp_path: Path) -> Office:
    """Twenty people, all applied."""
    stage.now = healthy
    return stage.office.restore(stage.saved, tmp_path)


@pytest.fixture
def day(stage: Stage) -> Callable[[Meddler], None]:
    """Let NinjaOne answer so from now on."""

    def change(meddler: Meddler) -> None:
        stage.now = meddler

    return change


def owned(office: Office) -> list[tuple[object, ...]]:
    return office.ask_ledger("SELECT resource, external_id, id, name, deleted_at FROM resources ORDER BY 1, 2")


def came_and_went(office: Office) -> None:
    office.people.disable(office.duo(user(3)))
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="4")


def went_well_again(office: Office) -> None:
    """The day after: who left is deactivated, who came has one account, and then nothing is left to do."""
    done = office.apply()
    assert done.code == 0, done.printed
    assert done.applied() == {user(3): "deactivate", "new.comer@example.com": "create"}
    assert len(office.ninjaone.users) == 21
    assert len(office.ninjaone.groups) == 2
    assert office.plan().json["changes"] == []
    office.people.users[office.duo(user(3))]["status"] = "active"
    again = office.apply()
    assert (again.code, again.applied()) == (0, {user(3): "reactivate"}), again.printed


def says_so(ran: Ran) -> None:
    assert ran.code in (1, 3), ran.printed
    assert "Traceback" not in ran.printed
    assert "unexpected" not in ran.printed
    assert "closed the connection" not in ran.printed
    if ran.code == 3:
        assert "no longer in NinjaOne" in ran.printed or "shows none of" in ran.printed or "stale" in ran.printed, (
            ran.printed
        )


@pytest.mark.parametrize("bad", BAD_DAYS)
def test_on_a_bad_day_nothing_is_written_and_nothing_forgotten(
    office: Office, day: Callable[[Meddler], None], bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    came_and_went(office)
    before, stored = owned(office), office.snapshot()
    day(BAD_DAYS[bad])
    says_so(office.run("plan"))
    says_so(office.apply())
    assert (owned(office), office.snapshot(), office.writes()) == (before, stored, [])

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("ninjasync.cli.commands.apply.confirm", lambda question: False)
    says_so(office.run("apply"))
    assert (owned(office), office.snapshot(), office.writes()) == (before, stored, [])

    day(healthy)
    went_well_again(office)


@pytest.mark.parametrize("bad", [name for name in BAD_DAYS if "groups" not in name])
def test_on_a_bad_day_a_saved_plan_is_not_applied(
    office: Office, day: Callable[[Meddler], None], bad: str, tmp_path: Path
) -> None:
    newcomer_alone, whole = tmp_path / "one.plan", tmp_path / "two.plan"
    came_and_went(office)
    assert office.plan("--out", whole).code == 0
    assert office.plan("--out", newcomer_alone, "--only", "new.comer@example.com").code == 0
    before, stored = owned(office), office.snapshot()
    day(BAD_DAYS[bad])
    for file in (whole, newcomer_alone):
        says_so(office.run("apply", file))
    assert (owned(office), office.snapshot(), office.writes()) == (before, stored, [])
    day(healthy)
    went_well_again(office)


def test_a_refusal_says_how_many_of_how_many_and_a_plan_made_on_that_day_stays_refused(
    office: Office, day: Callable[[Meddler], None], tmp_path: Path
) -> None:
    day(blind(404))
    planned = office.plan("--out", tmp_path / "bad.plan")
    assert planned.code == 3
    guard = planned.tripped()["vanished"]
    assert "20 of 20 active managed accounts and 2 of 2 groups are no longer in NinjaOne" in guard["message"]
    assert guard["approve"] == "--approve-vanished 20"
    says_so(office.run("apply", tmp_path / "bad.plan"))
    assert office.writes() == []


def test_what_is_in_fact_gone_is_made_anew_once_it_is_approved(office: Office, tmp_path: Path) -> None:
    for kind, table in ((USER, office.ninjaone.users), (GROUP, office.ninjaone.groups)):
        for id_ in list(table):
            office.ninjaone.delete(kind, id_)
    assert office.apply().code == 3
    assert office.apply("--approve-vanished", "19").code == 3
    assert office.plan("--approve-vanished", "20", "--out", tmp_path / "anew.plan").code == 0
    assert office.writes() == []
    assert office.run("apply", tmp_path / "anew.plan").code == 0
    assert len(office.ninjaone.users) == 20
    assert len(office.ninjaone.groups) == 2
    assert office.plan().json["changes"] == []


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_within_the_limit_what_is_gone_is_forgotten_if_the_answer_is_yes(
    office: Office, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaver, again = user(3), user(4)
    for name in (leaver, again):
        office.ninjaone.delete(USER, office.account(name)["id"])
    office.people.disable(office.duo(leaver))
    before = owned(office)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("ninjasync.cli.commands.apply.confirm", lambda question: answer == "yes")
    shown = office.run("apply")
    assert "2 accounts that ninjasync managed" in shown.printed
    if answer == "no":
        assert (shown.code, owned(office)) == (3, before)
    else:
        assert shown.code == 0, shown.printed
        assert len(owned(office)) == len(before) - 1
        assert again in office.accounts()
        assert office.plan().json["changes"] == []


def test_with_withhold_the_rest_is_written_and_no_account_is_duplicated_or_forgotten(
    office: Office, day: Callable[[Meddler], None]
) -> None:
    office.configure("safety", on_refusal="withhold")
    office.people.users[office.duo(user(9))]["lastname"] = "Changed"
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="4")
    hidden = {office.account(user(number))["id"] for number in range(5)}
    before = owned(office)

    def lacks_five(request: HttpRequest, serve: Service) -> HttpResponse:
        if by_id(request) and request.path.rpartition("/")[2] in hidden:
            return answered(404)
        answer = serve(request)
        if request.method != "GET" or not request.path.endswith("/Users"):
            return answer
        document = json.loads(answer.body)
        kept = [one for one in document["Resources"] if one["id"] not in hidden]
        document |= {"Resources": kept, "totalResults": len(kept), "itemsPerPage": len(kept)}
        return HttpResponse(200, json.dumps(document).encode(), answer.headers)

    day(lacks_five)
    done = office.apply()
    assert (done.code, set(done.tripped())) == (3, {"vanished"}), done.printed
    assert done.applied() == {user(9): "update", "new.comer@example.com": "create"}
    assert set(before) <= set(owned(office))
    assert len(office.ninjaone.users) == 21
    day(healthy)
    assert office.apply().json["changes"] == []


@pytest.mark.parametrize("hidden", [1, 3])
def test_an_account_whose_name_is_still_taken_is_not_forgotten(
    office: Office, day: Callable[[Meddler], None], hidden: int
) -> None:
    ids = {office.account(user(number))["id"] for number in range(hidden)}
    before = owned(office)

    def lacks_some(request: HttpRequest, serve: Service) -> HttpResponse:
        if by_id(request) and request.path.rpartition("/")[2] in ids:
            return answered(404)
        answer = serve(request)
        if request.method != "GET" or not request.path.endswith("/Users"):
            return answer
        document = json.loads(answer.body)
        kept = [one for one in document["Resources"] if one["id"] not in ids]
        document |= {"Resources": kept, "totalResults": len(kept), "itemsPerPage": len(kept)}
        return HttpResponse(200, json.dumps(document).encode(), answer.headers)

    day(lacks_some)
    assert office.apply().code == 4
    assert owned(office) == before
    assert len(office.ninjaone.users) == 20
    day(healthy)
    assert office.plan().json["changes"] == []


@pytest.mark.parametrize("status", [400, 403, 405, 418, 500])
def test_one_account_that_cannot_be_looked_up_is_held_by_name_and_the_others_go_on(
    office: Office, day: Callable[[Meddler], None], status: int
) -> None:
    """One account was deleted by hand, somebody is new, and the id gives another status than 404."""
    lost = office.account(user(2))["id"]
    office.ninjaone.delete(USER, lost)
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="4")

    def one_fails(request: HttpRequest, serve: Service) -> HttpResponse:
        return answered(status) if request.path.endswith(f"/Users/{lost}") else serve(request)

    day(one_fails)
    done = office.apply()
    assert done.code == 0, done.printed
    assert done.problems()[user(2)] == "unreadable-record"
    assert f"HTTP {status}" in done.printed
    assert done.applied() == {"new.comer@example.com": "create"}
    assert ("user", office.duo(user(2)), lost) in [row[:3] for row in owned(office)]
    office.people.disable(office.duo(user(5)))
    withheld = office.apply()
    assert (withheld.code, withheld.applied()) == (3, {}), withheld.printed
    day(healthy)
    assert office.apply().applied() == {user(2): "create", user(5): "deactivate"}


def test_410_of_one_id_is_gone(office: Office, day: Callable[[Meddler], None]) -> None:
    lost = office.account(user(2))["id"]
    office.ninjaone.delete(USER, lost)

    def one_is_gone(request: HttpRequest, serve: Service) -> HttpResponse:
        return answered(410) if request.path.endswith(f"/Users/{lost}") else serve(request)

    day(one_is_gone)
    done = office.apply()
    assert (done.code, done.applied()) == (0, {user(2): "create"}), done.printed


def test_a_deletion_answered_with_410_is_done(office: Office, day: Callable[[Meddler], None]) -> None:
    office.configure("deprovision", users="delete")
    office.people.disable(office.duo(user(2)))

    def deleted_before(request: HttpRequest, serve: Service) -> HttpResponse:
        if request.method != "DELETE":
            return serve(request)
        serve(request)
        return answered(410)

    day(deleted_before)
    done = office.apply()
    assert (done.code, done.applied()) == (0, {user(2): "delete"}), done.printed


@pytest.mark.parametrize("status", [400, 403, 500])
def test_one_group_that_cannot_be_read_is_held_and_the_others_go_on(
    office: Office, day: Callable[[Meddler], None], status: int
) -> None:
    broken = office.group(END_USERS)["id"]
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="4")

    def one_fails(request: HttpRequest, serve: Service) -> HttpResponse:
        """The group's entry in the list is damaged, and its id cannot be read."""
        if request.path.endswith(f"/Groups/{broken}"):
            return answered(status)
        answer = serve(request)
        if request.method != "GET" or not request.path.endswith("/Groups"):
            return answer
        document = json.loads(answer.body)
        document["Resources"] = [{"id": one["id"]} if one["id"] == broken else one for one in document["Resources"]]
        return HttpResponse(200, json.dumps(document).encode(), answer.headers)

    day(one_fails)
    done = office.apply()
    assert done.code == 0, done.printed
    assert done.problems()[END_USERS] == "unreadable-record"
    assert done.applied() == {"new.comer@example.com": "create"}
    assert len(office.ninjaone.groups) == 2
    day(healthy)
    assert office.apply().actions("group") == {END_USERS: "update"}


def test_403_to_each_id_ends_a_run_that_needs_them_and_no_other(office: Office, day: Callable[[Meddler], None]) -> None:
    before = owned(office)
    day(forbidding)
    done = office.apply()
    if office.config["ninjaone.dialect"]["discovery"] == "lookup":
        assert (done.code, office.writes()) == (1, []), done.printed
        assert "a single one of 20 users" in done.printed
        assert "HTTP 403" in done.printed
    else:
        assert (done.code, done.json["changes"]) == (0, []), done.printed
    assert owned(office) == before


def test_401_to_one_id_still_ends_the_run(office: Office, day: Callable[[Meddler], None]) -> None:
    lost = office.account(user(2))["id"]
    office.ninjaone.delete(USER, lost)
    day(lambda request, serve: answered(401) if request.path.endswith(f"/Users/{lost}") else serve(request))
    assert office.apply().code == 6


@pytest.mark.parametrize("status", [400, 403, 410])
def test_a_write_of_unknown_outcome_blocks_no_other_user(
    office: Office, day: Callable[[Meddler], None], status: int
) -> None:
    """A run was killed after it sent a change of an account that cannot be looked up since."""
    killed = office.account(user(2))["id"]
    (run,) = office.ask_ledger("SELECT run FROM operations ORDER BY number DESC LIMIT 1")
    office.ask_ledger(
        "INSERT INTO operations (run, resource, action, key, external_id, id, diff, intended_at, status) "
        "VALUES (?, 'user', 'update', ?, ?, ?, '{}', '2026-11-01T00:00:00Z', 'pending')",
        *(run[0], user(2), office.duo(user(2)), killed),
    )
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="4")
    day(lambda request, serve: answered(status) if request.path.endswith(f"/Users/{killed}") else serve(request))
    done = office.apply()
    assert done.applied()["new.comer@example.com"] == "create", done.printed
    pending = office.ask_ledger("SELECT count(*) FROM operations WHERE status = 'pending'")
    assert pending == [(0 if status == 410 else 1,)]
    day(healthy)
    assert office.apply().code == 0
    assert office.ask_ledger("SELECT count(*) FROM operations WHERE status = 'pending'") == [(0,)]


def test_the_names_of_vanished_accounts_are_tokens_under_redact(office: Office) -> None:
    for number in range(5):
        office.ninjaone.delete(USER, office.account(user(number))["id"])
        office.people.disable(office.duo(user(number)))
    office.configure("safety", min_source_percent=0)
    shown = office.run("plan", "--redact")
    assert shown.code == 3
    assert "5 of 20 active managed accounts are no longer in NinjaOne" in shown.printed
    assert "user1" not in shown.printed
