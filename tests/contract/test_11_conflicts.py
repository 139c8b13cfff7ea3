"""What the contract says of HTTP 409 during an apply."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable

import pytest

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from tests.support.office import Office


def on_the_first_post(office: Office, before: Callable[[], object], lost: bool = False) -> None:
    """When the first POST of a user arrives, ``before`` happens; with ``lost`` its answer is not sent."""
    done = threading.Event()

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        if request.method != "POST" or not request.path.endswith("/Users") or done.is_set():
            return serve(request)
        done.set()
        before()
        answer = serve(request)
        return HttpResponse(503) if lost else answer

    office.box.intercept("scim", meddle)


@pytest.mark.parametrize("keeps_external_id", [True, False])
def test_11_an_account_proven_to_be_our_own_lost_post_is_taken_as_done(office: Office, keeps_external_id: bool) -> None:
    name, _ = office.settle_but_for_a_newcomer()
    office.configure("run", retries=1)
    on_the_first_post(office, lambda: None, lost=True)
    if not keeps_external_id:
        hide_external_ids(office)

    done = office.apply()

    assert done.code == 0, done.printed
    assert done.change(name)["outcome"] == "applied"
    assert [one["userName"] for one in office.ninjaone.users.values()].count(name) == 1
    assert office.plan().json["changes"] == []


def hide_external_ids(office: Office) -> None:
    """Let NinjaOne never show an externalId, nor find anybody by it."""

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        if "externalId" in request.params.get("filter", ""):
            return HttpResponse(400)
        answer = serve(request)
        text = re.sub(rb'"externalId": "[^"]*", ', b"", answer.body)
        return HttpResponse(answer.status, text, answer.headers)

    office.box.intercept("scim", meddle)


def test_11_any_other_holder_is_a_failed_operation_and_the_next_plan_shows_adopt(office: Office) -> None:
    name, _ = office.settle_but_for_a_newcomer()
    on_the_first_post(office, lambda: office.native(name))

    done = office.apply()

    assert (done.code, done.change(name)["outcome"]) == (4, "failed")
    assert "externalId" not in office.account(name)  # not touched
    assert office.plan().actions() == {name: "adopt"}


def test_11_a_holder_that_may_not_be_adopted_is_name_taken_in_the_next_plan(office: Office) -> None:
    name, _ = office.settle_but_for_a_newcomer()
    on_the_first_post(office, lambda: office.native(name, externalId="DUSOMEBODYELSE000000"))

    done = office.apply()

    assert (done.code, done.change(name)["outcome"]) == (4, "failed")
    planned = office.plan()
    assert (planned.actions(), planned.problems()) == ({}, {name: "name-taken"})


def test_11_a_holder_that_the_list_does_not_show_is_remembered(office: Office) -> None:
    name, _ = office.settle_but_for_a_newcomer()
    hidden = office.native(name)

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        answer = serve(request)
        if request.method != "GET" or "filter" in request.params or not request.path.endswith("/Users"):
            return answer
        document = json.loads(answer.body)
        kept = [one for one in document["Resources"] if one["id"] != hidden]
        document |= {"Resources": kept, "totalResults": len(kept), "itemsPerPage": len(kept)}
        return HttpResponse(200, json.dumps(document).encode(), answer.headers)

    office.box.intercept("scim", meddle)
    assert office.apply().code == 4

    planned = office.plan()

    assert planned.actions().get(name) == "adopt" or planned.problems().get(name) == "name-taken", planned.printed


def test_11_a_lost_post_without_external_id_is_not_confused_with_an_older_account(office: Office) -> None:
    name, _ = office.settle_but_for_a_newcomer()
    office.configure("run", retries=1)
    office.ninjaone.now = lambda: "2024-11-05T08:30:00.000Z"

    def meddle(request: HttpRequest, serve: Service) -> HttpResponse:
        # Somebody's account has the name since long ago, and our POST never arrived.
        if request.method == "POST" and name not in office.accounts():
            office.native(name)
            return HttpResponse(503)
        return serve(request)

    office.box.intercept("scim", meddle)

    done = office.apply()

    assert (done.code, done.change(name)["outcome"]) == (4, "failed")
    assert office.plan().actions() == {name: "adopt"}
