"""The public API says odd things: a plan gets stricter at most, says why, and never breaks."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from ninjasync.sandbox.ninjaone.schema import NINJAONE_USER
from tests.support.api_answers import Interception, Rows, refusing, with_rows
from tests.support.company import TECHNICIANS, tech, user
from tests.support.office import Office

SECRET = "a+secret/of-ours&more=%7e"


class Between:
    """Stands between the public API and ninjasync; passes everything on unless told otherwise."""

    def __init__(self) -> None:
        self.answer: Interception = pass_on

    def __call__(self, request: HttpRequest, serve: Service) -> HttpResponse:
        return self.answer(request, serve)


def pass_on(request: HttpRequest, serve: Service) -> HttpResponse:
    return serve(request)


BETWEEN = Between()


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A settled office in which a technician and an end user left; nothing in these tests writes."""
    with pytest.MonkeyPatch.context() as patches:
        for name in ("FIRST_WAIT", "FIRST_WAIT_OF_429"):
            patches.setattr(f"ninjasync.net.pacing.{name}", 0.001)
        with Office(tmp_path_factory.mktemp("office")) as made:
            made.set_up_public_api()
            made.configure("run", retries=2)
            made.settle()
            for name in (tech(0), user(0)):
                made.people.trash(made.duo(name))
            made.people.hire("New", "Comer", groups=[TECHNICIANS], user_type="technician")
            made.box.intercept("api", BETWEEN)
            yield made


@pytest.fixture
def office(one: Office) -> Iterator[Office]:
    yield one
    BETWEEN.answer = pass_on


def each(change: Callable[[dict[str, Any]], Any]) -> Interception:
    def rows(found: Rows) -> None:
        for row in found:
            change(row)

    return with_rows(rows)


def amid_rubbish(rows: Rows) -> Rows:
    made: Rows = []
    for row in rows:
        made += [row, None, "x", 7, []]
    return made


ODD: dict[str, Interception] = {
    "organizations are null": each(lambda row: row.update(organizationId=None)),
    "organizations are missing": each(lambda row: row.pop("organizationId", None)),
    "organizations are objects": each(lambda row: row.update(organizationId={"id": 4})),
    "numbers are texts": each(lambda row: row.update(id=str(row["id"]), organizationId=str(row.get("organizationId")))),
    "numbers have points": each(lambda row: row.update(id=float(row["id"]))),
    "numbers are endless": each(lambda row: row.update(id="9" * 6000, organizationId="9" * 6000)),
    "ids are null": each(lambda row: row.update(id=None)),
    "flags are texts": each(lambda row: row.update(enabled="yes", administrator="no")),
    "addresses are null": each(lambda row: row.update(email=None)),
    "addresses are numbers": each(lambda row: row.update(email=7)),
    "addresses are in capitals": each(lambda row: row.update(email=row["email"].upper())),
    "addresses have blanks": each(lambda row: row.update(email=f"\u00a0{row['email']}\t")),
    "addresses are decomposed": each(lambda row: row.update(email=unicodedata.normalize("NFD", row["email"]))),
    "each comes twice": with_rows(lambda rows: [*rows, *rows]),
    "each comes twice and they differ": with_rows(lambda rows: [*rows, *({**row, "enabled": False} for row in rows)]),
    "there is rubbish between the rows": with_rows(amid_rubbish),
    "kinds are unknown": each(lambda row: row.update(userType="SUPERVISOR")),
    "lists are empty": with_rows(lambda rows: []),
    "lists are objects": with_rows(lambda rows: {"users": rows}),
    "lists are wrapped once more": with_rows(lambda rows: [rows]),
    "lists are null": with_rows(lambda rows: {}),
    "organizations are no list": with_rows(lambda rows: {"organizations": rows}, "/v2/organizations"),
    "organizations have no numbers": with_rows(lambda rows: [{"name": "x"}, None, {"id": True}], "/v2/organizations"),
    "organizations have no names": with_rows(lambda rows: [{**row, "name": None} for row in rows], "/v2/organizations"),
    "technicians are forbidden": refusing("/v2/user/technicians"),
    "technicians are a page": refusing("/v2/user/technicians", status=200, body="<html>Too many requests</html>"),
    "technicians fail for good": refusing("/v2/user/technicians", status=500, body={"error": "permission_denied"}),
    "technicians are not there, nor is the other list": refusing(
        "/v2/user/technicians", "/v2/users", status=404, body={"resultCode": "FAILURE", "errorMessage": {"code": "x"}}
    ),
    "end users are not there": refusing("/v2/user/end-users", status=404, body=""),
    "a page that is not there": refusing("/v2/user/end-users", "/v2/users", status=404, body="<html>404</html>"),
    "an error is a bare text": refusing("/v2/organizations", status=400, body='"no"'),
    "an error is deep": refusing("/v2/organizations", status=400, body={"errorMessage": {"code": ["x"], "params": {}}}),
}


@contextmanager
def configured(office: Office, **keys: str) -> Iterator[None]:
    """Have other keys in [ninjaone.api] for a while."""
    before = dict(office.config["ninjaone.api"])
    office.configure("ninjaone.api", **keys)
    try:
        yield
    finally:
        office.config["ninjaone.api"] = before


def parts(done: Any) -> set[tuple[str, str, str]]:
    return {(change["resource"], change["action"], change["external_id"]) for change in done.json["changes"]}


@pytest.mark.parametrize("odd", ODD)
def test_whatever_it_says_nothing_is_planned_that_would_not_be_without_it(office: Office, odd: str) -> None:
    with configured(office, url=""):
        without = office.plan()
    BETWEEN.answer = ODD[odd]
    given = office.plan()
    assert given.code in (0, 3), given.printed
    assert "unexpected" not in given.printed
    assert parts(given) <= parts(without)
    withheld = {change["key"] for change in given.json["changes"] if change.get("withheld")}
    assert withheld <= {tech(0)}
    assert bool(withheld) == any(guard["tripped"] for guard in given.json["guards"]) == (given.code == 3)


@pytest.mark.parametrize("odd", ["technicians are forbidden", "technicians are a page", "technicians fail for good"])
def test_without_the_technicians_only_technicians_wait(office: Office, odd: str) -> None:
    BETWEEN.answer = ODD[odd]
    given = office.plan()
    assert {change["key"] for change in given.json["changes"] if change.get("withheld")} == {tech(0)}
    assert sum("Who is a system administrator is not known" in warning for warning in given.json["warnings"]) == 1


@pytest.mark.parametrize("spelling", ["addresses are in capitals", "addresses have blanks", "each comes twice"])
def test_an_address_in_another_spelling_is_the_same_account(office: Office, spelling: str) -> None:
    office.ninjaone.administrators.add(office.id_of(tech(0)))
    try:
        BETWEEN.answer = ODD[spelling]
        given = office.plan()
    finally:
        office.ninjaone.administrators.clear()
    assert given.code == 0
    assert tech(0) not in {change["key"] for change in given.json["changes"]}
    assert any("Protected" in warning and tech(0) in warning for warning in given.json["warnings"])


def test_an_administrators_address_with_a_star_protects_that_account_alone(office: Office) -> None:
    address = "tech*@example.com"
    id_ = office.native(address, **{NINJAONE_USER: {"userType": "technician"}})
    office.ninjaone.administrators.add(id_)
    try:
        assert tech(0) in {change["key"] for change in office.plan().json["changes"]}
    finally:
        office.ninjaone.administrators.clear()


def test_two_accounts_of_one_address_one_an_administrator_s_are_left_alone(office: Office) -> None:
    def second(rows: Rows) -> Rows:
        more = {"id": 4711, "email": user(0).upper(), "userType": "TECHNICIAN", "administrator": True, "enabled": True}
        return [*rows, more]

    BETWEEN.answer = with_rows(second, "/v2/user/technicians")
    given = office.plan()
    assert {change["key"] for change in given.json["changes"] if change.get("withheld")} == {user(0)}


@pytest.mark.parametrize("how", ["quoted", "plain", "json"])
def test_an_error_that_repeats_the_request_shows_no_secret(office: Office, how: str) -> None:
    def repeats(request: HttpRequest, serve: Service) -> HttpResponse:
        shown = request.body.decode() if how == "quoted" else SECRET
        body = json.dumps({"error": "invalid_client", "error_description": f"You sent {shown}"})
        if how == "json":
            body = body.replace("&", "\\u0026").replace("/", "\\/")
        return HttpResponse(401, body.encode(), (("Content-Type", "application/json"),))

    with configured(office, client_secret=SECRET):
        BETWEEN.answer = repeats
        log = office.folder / "run.log"
        for command in ("plan", "check"):
            done = office.run(command, "--log-level", "debug", "--log-file", log)
            assert done.code == 6, done.printed
            for text in (done.printed, log.read_text("utf-8")):
                assert SECRET not in text
                assert "a%2Bsecret" not in text


def test_the_token_goes_to_its_own_host_alone(office: Office) -> None:
    """Each answer redirects to another server, with the token's answer given before."""
    heard: list[str] = []

    def redirecting(request: HttpRequest, serve: Service) -> HttpResponse:
        heard.append(request.path)
        if request.path.endswith("/oauth/token"):
            return serve(request)
        return HttpResponse(307, b"", (("Location", f"{office.box.scim_url}{request.path}"),))

    office.box.forget()
    BETWEEN.answer = redirecting
    given = office.plan()
    assert given.code in (0, 3), given.printed
    assert heard
    assert not [one for one in office.box.requests if one.service == "scim" and one.path.startswith("/scim/v2/v2")]
    assert sum("redirects elsewhere" in warning for warning in given.json["warnings"]) >= 1


def test_plain_http_to_another_machine_is_a_mistake_in_the_configuration(office: Office) -> None:
    with configured(office, url="http://app.ninjarmm.com"):
        done = office.plan()
    assert done.code == 78
    assert "use https://" in done.printed
