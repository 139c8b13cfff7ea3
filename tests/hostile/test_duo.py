"""A Duo that lies, stumbles and hangs up: no user is removed who has not left, and each failure is one sentence."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Json
from tests.support.company import TECHNICIANS, staff
from tests.support.lies import LEAVER, OTHER, Edit, gone, is_clear, is_harmless, shortened
from tests.support.office import Office
from tests.support.proxy import Forward, Meddling
from tests.support.server import HANG_UP, Hit, Reply, html_reply, json_reply


def in_users(edit: Edit) -> Meddling:
    """Edit each page of users."""

    def meddle(hit: Hit, forward: Forward) -> Reply:
        reply = forward()
        if hit.path != "/admin/v1/users" or "user_id_list" in hit.query:
            return reply
        document = reply.document
        edit(document)
        return reply.with_document(document)

    return meddle


def keep(rows: int) -> Edit:
    def edit(page: Json) -> None:
        del page["response"][rows:]

    return edit


def total(value: Any, rows: int | None = None) -> Edit:
    def edit(page: Json) -> None:
        page["metadata"]["total_objects"] = value
        del page["response"][rows:]

    return edit


def every_row(**fields: Any) -> Edit:
    return lambda page: [row.update(fields) for row in page["response"]]


def nothing_but_nulls(page: Json) -> None:
    page["response"] = [dict.fromkeys(row) for row in page["response"]]


INCOMPLETE: dict[str, Edit] = {
    "nobody, though there are fifteen": keep(0),
    "one twice, so that the number is right": lambda page: page["response"].__setitem__(0, page["response"][1]),
    "more than there are": total(99),
    "a negative number": total(-1),
    "no number": lambda page: page["metadata"].pop("total_objects"),
    "null for the number": total(None),
    "a number as text, and short": total("15", 14),
    "no metadata": lambda page: page.pop("metadata"),
    "an offset that stands still": lambda page: page["metadata"].update(next_offset=0),
    "an offset that goes back": lambda page: page["metadata"].update(next_offset=-5),
    "an offset that is no number": lambda page: page["metadata"].update(next_offset="soon"),
    "an object for the rows": lambda page: page.update(response={"users": []}),
    "null for the rows": lambda page: page.update(response=None),
    "no rows at all": lambda page: page.pop("response"),
    "a failure with status 200": lambda page: page.update(stat="FAIL", code=40002, message="no"),
}


@pytest.mark.parametrize("edit", INCOMPLETE.values(), ids=INCOMPLETE)
def test_a_read_of_duo_that_is_not_proven_complete_decides_nothing(settled: Office, edit: Edit) -> None:
    settled.proxy_duo(in_users(edit))
    before = settled.snapshot()
    result = settled.apply()
    is_harmless(settled, result, {1})
    assert settled.snapshot() == before
    assert settled.plan("--detailed-exitcode").code == 1


SHRUNKEN: dict[str, Edit] = {
    "nobody": total(0, 0),
    "nothing but nulls": nothing_but_nulls,
    "nobody in a group": every_row(groups=[]),
    "everybody disabled": every_row(status="disabled"),
}


@pytest.mark.parametrize("edit", SHRUNKEN.values(), ids=SHRUNKEN)
def test_a_duo_that_shrank_is_refused(settled: Office, edit: Edit) -> None:
    settled.proxy_duo(in_users(edit))
    before = settled.snapshot()
    result = settled.apply()
    is_harmless(settled, result, {3})
    assert "source" in result.tripped()
    assert settled.snapshot() == before


def test_a_total_that_shrinks_from_page_to_page_proves_nothing(tmp_path: Path) -> None:
    office = Office(tmp_path, staff(400, 2)).start()
    office.configure("ninjaone.dialect", page_size=500)
    office.proxy_duo()
    try:
        office.settle()

        # Fifty of the first page were deleted meanwhile: the rows moved up, and as many were skipped.
        def meddle(hit: Hit, forward: Forward) -> Reply:
            reply = forward()
            if hit.path != "/admin/v1/users" or hit.query["offset"] == "0":
                return reply
            document = reply.document
            document["metadata"]["total_objects"] = 350
            del document["response"][50:]
            return reply.with_document(document)

        office.proxy_duo(meddle)
        before = office.snapshot()
        result = office.apply()
        assert result.code == 1
        is_clear(result)
        assert office.snapshot() == before
    finally:
        office.stop()


def test_a_duo_that_says_it_has_three_of_fifteen_removes_no_account(settled: Office) -> None:
    settled.proxy_duo(in_users(total(3, 3)))
    before = settled.snapshot()
    is_harmless(settled, settled.apply(), {0, 3})
    assert settled.snapshot() == before


def without(name: str) -> Callable[[Json], Any]:
    return lambda row: row.pop(name)


MALFORMED: dict[str, Edit] = {
    "no id": without("user_id"),
    "null for the id": lambda row: row.update(user_id=None),
    "a number for the id": lambda row: row.update(user_id=5),
    "an empty id": lambda row: row.update(user_id=""),
    "no groups": without("groups"),
    "null for the groups": lambda row: row.update(groups=None),
    "text for the groups": lambda row: row.update(groups="Staff"),
    "names for the groups": lambda row: row.update(groups=["Staff"]),
    "nulls for the groups": lambda row: row.update(groups=[None]),
    "a group without an id": lambda row: row.update(groups=[{"name": TECHNICIANS}]),
    "a group whose id is a number": lambda row: row.update(groups=[{"group_id": 5, "name": TECHNICIANS}]),
    "no status": without("status"),
    "a number for the status": lambda row: row.update(status=1),
    "a list for the status": lambda row: row.update(status=["disabled"]),
    "no e-mail": without("email"),
    "a number for the e-mail": lambda row: row.update(email=5),
    "an object for the first name": lambda row: row.update(firstname={"a": 1}),
    "NaN for the first name": lambda row: row.update(firstname=float("nan")),
    "infinity for the organization": lambda row: row["custom_attributes"].update(organizationID=float("inf")),
    "no custom attributes": without("custom_attributes"),
    "text for the custom attributes": lambda row: row.update(custom_attributes="x"),
    "a number for the user type": lambda row: row["custom_attributes"].update(userType=5),
    "a truth for the organization": lambda row: row["custom_attributes"].update(organizationID=True),
}


@pytest.mark.parametrize("spoil", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_row_is_held_alone(settled: Office, spoil: Edit) -> None:
    def edit(page: Json) -> None:
        (row,) = [each for each in page["response"] if each["email"] == OTHER]
        spoil(row)

    settled.people.users[settled.duo("user6.two@example.com")]["firstname"] = "Changed"
    settled.proxy_duo(in_users(edit))
    before = settled.account(OTHER)
    result = settled.apply()
    is_harmless(settled, result, {0, 3})
    assert result.json["summary"]["users"]["held"] == 1
    assert len({each["key"] for each in result.json["problems"]}) == 1
    assert settled.account(OTHER) == before
    assert any(OTHER in each for each in settled.groups().values())
    assert settled.account("user6.two@example.com")["name"]["givenName"] == "Changed"


def with_a_group_written(sent: bytes) -> Meddling:
    """Write ``sent`` where a group of OTHER has its description."""

    def edit(page: Json) -> None:
        (row,) = [each for each in page["response"] if each["email"] == OTHER]
        row["groups"][0]["desc"] = "<here>"

    def meddle(hit: Hit, forward: Forward) -> Reply:
        reply = in_users(edit)(hit, forward)
        return replace(reply, body=reply.body.replace(b'"<here>"', sent))

    return meddle


def test_a_group_in_a_row_that_no_parser_reads_holds_the_row_alone(settled: Office) -> None:
    settled.proxy_duo(with_a_group_written(b"9" * 5000))
    result = settled.apply()
    is_harmless(settled, result, {3})
    assert [each["key"] for each in result.json["problems"]] == [OTHER]


def test_a_page_in_no_utf_8_is_told_as_such_wherever_in_it_that_is(settled: Office) -> None:
    settled.proxy_duo(with_a_group_written('"Grün"'.encode("latin-1")))
    before = settled.snapshot()
    result = settled.apply()
    is_harmless(settled, result, {1})
    assert "UTF-8" in result.err
    assert settled.snapshot() == before


@pytest.mark.parametrize("row", [None, 5, "x", [], {}])
def test_a_row_that_is_no_record_withholds_removals_and_no_more(settled: Office, row: Any) -> None:
    settled.people.users[settled.duo("user6.two@example.com")]["firstname"] = "Changed"
    settled.proxy_duo(in_users(lambda page: page["response"].__setitem__(5, row)))
    result = settled.apply()
    is_harmless(settled, result, {3})
    assert gone(settled) == set(), "even the leaver waits"
    assert settled.account("user6.two@example.com")["name"]["givenName"] == "Changed"


def test_an_unreadable_row_is_no_refusal_where_nothing_had_to_be_withheld(settled: Office) -> None:
    settled.people.enable(settled.duo(LEAVER))

    def one_more(page: Json) -> None:
        page["response"].append(None)
        page["metadata"]["total_objects"] += 1

    settled.proxy_duo(in_users(one_more))
    result = settled.plan()
    assert result.code == 0
    assert result.json["warnings"] or result.json["problems"]


def test_each_unreadable_row_counts(settled: Office) -> None:
    settled.proxy_duo(in_users(lambda page: page["response"].__setitem__(slice(4, 7), [None, 5, {}])))
    result = settled.plan()
    assert len(result.json["problems"]) == 3
    assert result.json["summary"]["users"]["held"] == 3


def test_an_unknown_group_in_a_row_is_no_reason_to_hold_a_user(settled: Office) -> None:
    stranger = {"group_id": "DGUNKNOWN00000000000", "name": "Unknown"}
    settled.proxy_duo(in_users(lambda page: [row["groups"].append(stranger) for row in page["response"]]))
    result = settled.plan()
    assert result.code == 0
    assert result.actions() == {LEAVER: "deactivate"}


def failing(status: int, code: int) -> Meddling:
    return lambda hit, forward: json_reply({"stat": "FAIL", "code": code, "message": "no"}, status)


DUO_FAILS: dict[str, tuple[Meddling, int]] = {
    "HTML": (lambda hit, forward: html_reply(), 1),
    "HTML with 502": (lambda hit, forward: html_reply(502), 1),
    "nothing": (lambda hit, forward: Reply(200), 1),
    "204": (lambda hit, forward: Reply(204), 1),
    "a list": (lambda hit, forward: json_reply([1]), 1),
    "brackets without end": (lambda hit, forward: Reply(200, b"[" * 100_000), 1),
    "no UTF-8": (lambda hit, forward: Reply(200, b'{"stat": "OK", "response": ["\xff"]}'), 1),
    "500": (failing(500, 50001), 1),
    "429": (failing(429, 42901), 1),
    "400": (failing(400, 40002), 1),
    "404": (failing(404, 40401), 1),
    "401": (failing(401, 40103), 6),
    "403": (failing(403, 40301), 6),
    "a clock that is off": (failing(401, 40105), 6),
    "a redirect": (lambda hit, forward: Reply(302, b"", {"Location": "http://127.0.0.1:9/"}), 1),
    "a hang-up": (lambda hit, forward: HANG_UP, 1),
    "half an answer": (lambda hit, forward: shortened(forward()), 1),
}


@pytest.mark.parametrize("failure", DUO_FAILS.values(), ids=DUO_FAILS)
def test_a_duo_that_answers_badly_fails_the_run_and_changes_nothing(
    settled: Office, failure: tuple[Meddling, int]
) -> None:
    meddle, code = failure
    settled.proxy_duo(meddle)
    before = settled.snapshot()
    result = settled.apply()
    is_harmless(settled, result, {code})
    assert settled.snapshot() == before
    assert settled.writes() == []


@pytest.mark.parametrize("failure", DUO_FAILS.values(), ids=DUO_FAILS)
def test_a_duo_that_breaks_down_after_the_first_page_changes_nothing(
    settled: Office, failure: tuple[Meddling, int]
) -> None:
    meddle, code = failure
    settled.proxy_duo(lambda hit, forward: meddle(hit, forward) if hit.path.endswith("/users") else forward())
    before = settled.snapshot()
    is_harmless(settled, settled.apply(), {code})
    assert settled.snapshot() == before


@pytest.mark.parametrize("service", ["duo", "scim"])
def test_a_service_that_does_not_answer_in_time_fails_the_run(settled: Office, service: str) -> None:
    answer = threading.Event()

    def hold(hit: Hit, forward: Forward) -> Reply:
        answer.wait(20)
        return HANG_UP

    if service == "duo":
        settled.proxy_duo(hold)
    else:
        settled.proxy_scim(hold)
    result = settled.apply()
    answer.set()
    is_harmless(settled, result, {1})
    assert gone(settled) == set()


def stumbling(failures: int, failure: Reply) -> Meddling:
    """Fails so many times in a row, then is sound."""
    number = count()
    return lambda hit, forward: failure if next(number) < failures else forward()


STUMBLES = {
    "502": html_reply(502),
    "503": Reply(503, b"", {"Retry-After": "0"}),
    "a hang-up": HANG_UP,
}


@pytest.mark.parametrize("failure", STUMBLES.values(), ids=STUMBLES)
@pytest.mark.parametrize("service", ["duo", "scim"])
def test_a_service_that_fails_once_is_asked_again(settled: Office, service: str, failure: Reply) -> None:
    settled.configure("run", retries=2)
    meddle = stumbling(1, failure)
    between = settled.proxy_duo(meddle) if service == "duo" else settled.proxy_scim(meddle)
    result = settled.apply()
    is_harmless(settled, result, {0})
    assert gone(settled) == {LEAVER}
    assert len(between.hits) >= 3
    if service == "duo":
        assert len({hit.headers.get("date") or hit.headers.get("x-duo-date") for hit in between.hits}) >= 1
