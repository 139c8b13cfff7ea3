"""The page behind the last, totals that are wrong, and lists that break off: each at exactly the page's size."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from tests.support.command import Json
from tests.support.company import END_USERS, staff, user
from tests.support.office import Office

SIZE = 6
DISCOVERIES = ["auto", "list"]


def is_page(request: HttpRequest) -> bool:
    listing = request.path.endswith(("/Users", "/Groups")) and "filter" not in request.params
    return request.method == "GET" and listing


def edited(answer: HttpResponse, edit: Callable[[Json], Any]) -> HttpResponse:
    document = json.loads(answer.body)
    edit(document)
    return HttpResponse(answer.status, json.dumps(document).encode(), answer.headers)


class Pages:
    """A NinjaOne whose page behind the last is ``behind``: a status, "empty" or "again"; with totals or without."""

    def __init__(self, office: Office, behind: int | str, *, totals: bool) -> None:
        self.office, self.behind, self.totals = office, behind, totals
        self.asked_behind = 0

    def __call__(self, request: HttpRequest, serve: Service) -> HttpResponse:
        if not is_page(request):
            return serve(request)
        table = self.office.ninjaone.users if request.path.endswith("/Users") else self.office.ninjaone.groups
        start, count = int(request.params.get("startIndex", 1)), int(request.params.get("count", 100))
        rows = list(table.values())
        page = rows[start - 1 : start - 1 + count]
        if not page and start > 1:
            self.asked_behind += 1
            if isinstance(self.behind, int):
                return HttpResponse(self.behind, b"{}")
            if self.behind == "again":
                last = (len(rows) - 1) // count * count
                page = rows[last:]
        document: Json = {"Resources": page, "startIndex": start, "itemsPerPage": len(page)}
        if self.totals:
            document["totalResults"] = len(rows)
        return HttpResponse(200, json.dumps(document).encode())


@pytest.fixture(params=DISCOVERIES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[int, int], Office]]:
    made: list[Office] = []

    def office(people: int, groups: int = 2) -> Office:
        company = staff(people, 0)
        company.scoped += [company.add_group(f"Team {number}") for number in range(groups - 2)]
        one = Office(tmp_path, company).__enter__()
        made.append(one)
        one.configure("ninjaone.dialect", page_size=SIZE, discovery=request.param)
        one.configure("scope", groups=[company.groups[id_]["name"] for id_ in company.scoped])
        return one

    yield office
    for one in made:
        one.__exit__(None, None, None)


# With a total, the page behind is asked for ahead at the most: there some answers stand for all.
@pytest.mark.parametrize(
    ("behind", "totals"),
    [
        *((behind, False) for behind in (400, 404, 410, 500, "empty", "again")),
        *((behind, True) for behind in (404, 500, "again")),
    ],
)
@pytest.mark.parametrize("number", [SIZE - 1, SIZE, SIZE + 1, 2 * SIZE])
def test_a_whole_life_at_the_size_of_a_page_whatever_is_behind_the_last(
    make: Callable[[int, int], Office], number: int, behind: int | str, totals: bool
) -> None:
    office = make(number, 2)
    office.box.intercept("scim", Pages(office, behind, totals=totals))
    office.settle()
    assert len(office.ninjaone.users) == number
    office.people.disable(office.duo(user(1)))
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="4")
    done = office.apply()
    assert (done.code, done.applied()) == (0, {user(1): "deactivate", "new.comer@example.com": "create"}), done.printed
    office.people.users[office.duo(user(1))]["status"] = "active"
    again = office.apply()
    assert (again.code, again.applied()) == (0, {user(1): "reactivate"}), again.printed
    office.lose_ledger()
    office.settle()
    assert len(office.ninjaone.users) == number + 1


@pytest.mark.parametrize(
    ("behind", "totals"), [(500, True), ("again", True), *((it, False) for it in (404, 500, "empty", "again"))]
)
@pytest.mark.parametrize("groups", [SIZE - 1, SIZE, SIZE + 1])
def test_groups_at_the_size_of_a_page_whatever_is_behind_the_last(
    make: Callable[[int, int], Office], groups: int, behind: int | str, totals: bool
) -> None:
    office = make(3, groups)
    office.box.intercept("scim", Pages(office, behind, totals=totals))
    office.settle()
    assert len(office.ninjaone.groups) == groups


@pytest.mark.parametrize("number", [SIZE - 1, SIZE + 1, 3 * SIZE + 1])
def test_with_a_total_nothing_behind_the_last_page_is_asked_for(
    make: Callable[[int, int], Office], number: int
) -> None:
    office = make(number, 2)
    pages = Pages(office, 500, totals=True)
    office.box.intercept("scim", pages)
    office.settle()
    assert pages.asked_behind == 0


def lacking(office: Office, *hidden: str, total: int) -> Callable[[HttpRequest, Service], HttpResponse]:
    """Lists lack those accounts, which ids and filters show; the total is ``total``."""

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        answer = serve(request)
        if not is_page(request) or not request.path.endswith("/Users"):
            return answer

        def edit(document: Json) -> None:
            document["Resources"] = [one for one in document["Resources"] if one["userName"] not in hidden]
            document["totalResults"] = total

        return edited(answer, edit)

    return meddle


@pytest.mark.parametrize("ledger", [True, False], ids=["with a ledger", "without one"])
def test_a_total_that_counts_what_the_token_may_not_see_is_followed_by_look_ups(
    make: Callable[[int, int], Office], ledger: bool
) -> None:
    office = make(8, 2)
    office.configure("ninjaone.dialect", page_size=100)
    office.settle()
    if not ledger:
        office.lose_ledger()
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="4")
    office.box.intercept("scim", lacking(office, user(0), user(1), total=8))
    done = office.apply()
    if office.config["ninjaone.dialect"]["discovery"] == "list":
        assert done.code == 1
        assert 'discovery = "lookup"' in done.printed
        assert office.writes() == []
        return
    assert (done.code, done.applied()) == (0, {"new.comer@example.com": "create"}), done.printed
    assert any("looked up instead" in warning for warning in done.json["warnings"])
    office.people.disable(office.duo(user(0)))
    left = office.apply()
    if ledger:
        assert (left.code, left.applied()) == (0, {user(0): "deactivate"}), left.printed
    assert len(office.ninjaone.users) == 9


@pytest.mark.parametrize("page_size", [25, 100])
def test_a_total_that_is_too_low_duplicates_no_account(make: Callable[[int, int], Office], page_size: int) -> None:
    """Polis says 50 and sends 50 at most, however many there are; here without a ledger."""
    office = make(130, 2)
    office.configure("ninjaone.dialect", page_size=page_size)

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        answer = serve(request)
        if not is_page(request) or not request.path.endswith("/Users"):
            return answer

        def edit(document: Json) -> None:
            document["Resources"] = document["Resources"][:50]
            document["totalResults"] = min(document["totalResults"], 50)

        return edited(answer, edit)

    office.settle()
    office.lose_ledger()
    office.box.forget()
    office.box.intercept("scim", meddle)
    done = office.apply()
    assert (done.code, done.json["changes"]) == (0, []), done.printed
    assert office.plan().json["changes"] == []


@pytest.mark.parametrize("status", [400, 500])
def test_a_list_that_breaks_off_before_its_total_is_filled_or_an_error(
    make: Callable[[int, int], Office], status: int
) -> None:
    office = make(3 * SIZE, 2)
    office.settle()
    office.people.disable(office.duo(user(1)))

    def breaks_off(request: HttpRequest, serve: Service) -> HttpResponse:
        if is_page(request) and request.path.endswith("/Users") and int(request.params["startIndex"]) > SIZE:
            return HttpResponse(status, b"{}")
        return serve(request)

    office.box.intercept("scim", breaks_off)
    done = office.apply()
    if office.config["ninjaone.dialect"]["discovery"] == "list":
        assert (done.code, office.writes()) == (1, [])
        assert 'discovery = "lookup"' in done.printed
    else:
        assert (done.code, done.applied()) == (0, {user(1): "deactivate"}), done.printed
    assert len(office.ninjaone.users) == 3 * SIZE


@pytest.mark.parametrize("discovery", ["auto", "list", "lookup"])
def test_without_a_ledger_a_wrong_address_is_no_empty_ninjaone(tmp_path: Path, discovery: str) -> None:
    with Office(tmp_path, staff(8, 0)) as office:
        office.configure("ninjaone.dialect", discovery=discovery)
        office.box.intercept("scim", lambda request, serve: HttpResponse(404, b"{}"))
        done = office.apply()
        assert (done.code, office.writes()) == (1, []), done.printed
        assert "HTTP 404" in done.printed
