"""Faults: each does what it says, the same way for the same seed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import pytest
import requests

from ninjasync.sandbox.box import Behavior, Sandbox
from ninjasync.sandbox.company.staffing import make_company
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse
from ninjasync.sandbox.faults.faults import add_faults
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.urns import CORE_USER

EVERY_STATUS = ("429", "500", "502", "503", "504")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(make_company(users=3), NinjaOne()) as box:
        yield box


class Client:
    """One connection to the SCIM side."""

    def __init__(self, box: Sandbox) -> None:
        self._box, self._session = box, requests.Session()
        self._session.headers["Authorization"] = f"Bearer {box.token}"

    def close(self) -> None:
        self._session.close()

    def get(self, path: str = "/Users") -> requests.Response:
        return self._session.get(self._box.scim_url + path, timeout=5)

    def hire(self, name: str) -> requests.Response:
        body = {"schemas": [CORE_USER], "userName": f"{name}@example.com"}
        return self._session.post(f"{self._box.scim_url}/Users", json=body, timeout=5)


@pytest.fixture
def scim(box: Sandbox) -> Iterator[Client]:
    client = Client(box)
    yield client
    client.close()


def ok(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, b"fine")


def statuses(name: str, faults: dict[str, str], seed: int, paths: list[str]) -> dict[str, int]:
    service = add_faults(ok, name, faults, seed)
    return {path: service(HttpRequest("GET", path)).status for path in paths}


def test_an_answer_of_429_from_scim_says_how_many_seconds_to_wait(box: Sandbox, scim: Client) -> None:
    box.set_behavior(faults={"429": "1"})
    answer = scim.get()
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert answer.json()["status"] == "429"
    box.set_behavior(faults={"429": "1:30"})
    assert scim.get().headers["Retry-After"] == "30"
    box.set_behavior(faults={"429": "1:0"})
    assert scim.get().headers["Retry-After"] == "0"


def test_an_answer_of_429_may_give_a_date_or_nothing(box: Sandbox, scim: Client) -> None:
    box.set_behavior(faults={"429-date": "1:60"})
    until = parsedate_to_datetime(scim.get().headers["Retry-After"]).timestamp()
    assert 0 < until - time.time() <= 61
    box.set_behavior(faults={"429-bare": "1"})
    answer = scim.get()
    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize("fault", ["429", "429-date", "429-bare"])
def test_duo_says_429_without_any_hint(box: Sandbox, fault: str) -> None:
    box.set_behavior(faults={fault: "1"})
    answer = requests.get(f"{box.duo_url}/admin/v1/users", timeout=5)
    assert (answer.status_code, answer.json()["code"], answer.json()["stat"]) == (429, 42901, "FAIL")
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_is_a_page_for_people_and_nothing_was_done(box: Sandbox, scim: Client, status: int) -> None:
    box.set_behavior(faults={str(status): "1"})
    answer = scim.hire("ana")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html")
    assert answer.text.startswith("<html>")
    assert box.ninjaone.users == {}


def test_a_504_was_carried_out_all_the_same(box: Sandbox, scim: Client) -> None:
    box.set_behavior(faults={"504": "1"})
    assert scim.hire("ana").status_code == 504
    assert len(box.ninjaone.users) == 1


def test_a_lost_answer_was_carried_out(box: Sandbox, scim: Client) -> None:
    box.set_behavior(faults={"lost-answer": "1"})
    with pytest.raises(requests.ConnectionError):
        scim.hire("ana")
    assert len(box.ninjaone.users) == 1
    (request,) = box.requests
    assert (request.status, request.answered) == (201, False)


def test_a_reset_connection_carried_nothing_out(box: Sandbox, scim: Client) -> None:
    box.set_behavior(faults={"reset": "1"})
    with pytest.raises(requests.ConnectionError, match="reset"):
        scim.hire("ana")
    assert box.ninjaone.users == {}
    (request,) = box.requests
    assert (request.status, request.answered) == (0, False)


def test_an_answer_cut_short_was_carried_out(box: Sandbox, scim: Client) -> None:
    box.set_behavior(faults={"cut-short": "1"})
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError), match="IncompleteRead"):
        scim.hire("ana")
    assert len(box.ninjaone.users) == 1


def test_a_slow_body_comes_whole_in_the_end(box: Sandbox, scim: Client) -> None:
    box.set_behavior(faults={"slow-body": "1"})
    assert scim.hire("ana").json()["userName"] == "ana@example.com"
    assert box.requests[0].answered


def test_latency_delays_every_answer(box: Sandbox, scim: Client) -> None:
    box.set_behavior(faults={"latency": "30ms"})
    before = time.monotonic()
    scim.get()
    assert time.monotonic() - before >= 0.03


def test_a_stale_connection_takes_no_more_than_its_number_of_requests(box: Sandbox, scim: Client) -> None:
    box.set_behavior(faults={"stale-keepalive": "2"})
    assert [scim.get().status_code for _ in range(2)] == [200, 200]
    with pytest.raises(requests.ConnectionError):
        scim.hire("ana")
    assert box.ninjaone.users == {}
    assert scim.get().status_code == 200, "a new connection is served"
    assert [request.answered for request in box.requests] == [True, True, False, True]


def test_the_rate_limit_is_a_bucket_of_one_second_that_fills_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("ninjasync.sandbox.faults.faults.time.monotonic", lambda: now[0])
    service = add_faults(ok, "scim", {"rate-limit": "4"}, 1)

    def ask(times: int) -> list[int]:
        return [service(HttpRequest("GET", "/")).status for _ in range(times)]

    assert ask(6) == [200] * 4 + [429] * 2
    refused = service(HttpRequest("GET", "/"))
    assert dict(refused.headers)["Retry-After"] == "1"
    now[0] += 0.25
    assert ask(2) == [200, 429]
    now[0] += 60
    assert ask(6) == [200] * 4 + [429] * 2


def test_a_prefix_names_the_one_service_that_a_fault_strikes() -> None:
    paths = [f"/{number}" for number in range(5)]
    assert set(statuses("duo", {"duo.503": "1"}, 1, paths).values()) == {503}
    assert set(statuses("scim", {"duo.503": "1"}, 1, paths).values()) == {200}
    assert set(statuses("scim", {"503": "1", "scim.503": "0"}, 1, paths).values()) == {200}


@pytest.mark.parametrize("status", EVERY_STATUS)
def test_the_same_seed_strikes_the_same_requests_in_whatever_order_they_come(status: str) -> None:
    paths = [f"/scim/v2/Users/{number}" for number in range(400)]
    first = statuses("scim", {status: "0.1"}, 7, paths)
    assert statuses("scim", {status: "0.1"}, 7, paths[::-1]) == first
    assert statuses("scim", {status: "0.1"}, 8, paths) != first
    assert statuses("duo", {status: "0.1"}, 7, paths) != first
    assert 20 <= list(first.values()).count(int(status)) <= 60


def test_a_second_fault_does_not_change_which_requests_the_first_one_strikes() -> None:
    paths = [f"/{number}" for number in range(300)]
    alone = {path for path, status in statuses("scim", {"503": "0.1"}, 1, paths).items() if status == 503}
    both = {path for path, status in statuses("scim", {"503": "0.1", "504": "0.2"}, 1, paths).items() if status == 503}
    assert alone == both != set()


def test_a_request_that_is_made_again_has_another_chance() -> None:
    service = add_faults(ok, "scim", {"503": "0.5"}, 1)
    assert {service(HttpRequest("GET", "/same")).status for _ in range(40)} == {200, 503}


def test_faults_and_quirks_can_change_while_it_serves_and_end(box: Sandbox, scim: Client) -> None:
    box.set_behavior(faults={"502": "1"}, quirks=["total-string"])
    assert scim.get().status_code == 502
    box.set_behavior(quirks=["total-string"])
    assert scim.get().json()["totalResults"] == "0"
    box.set_behavior()
    assert scim.get().json()["totalResults"] == 0


def test_a_sandbox_can_begin_with_faults_and_quirks() -> None:
    with Sandbox(make_company(users=3), NinjaOne(), behavior=Behavior({"scim.500": "1"}, ("duo.no-total",))) as box:
        client = Client(box)
        assert client.get().status_code == 500
        client.close()


def test_many_connections_fail_one_by_one(box: Sandbox) -> None:
    box.set_behavior(faults={"lost-answer": "0.3", "reset": "0.3"}, seed=2)

    def hire(number: int) -> bool:
        client = Client(box)
        try:
            return client.hire(f"user{number}").status_code == 201
        except requests.ConnectionError:
            return False
        finally:
            client.close()

    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(hire, range(40)))
    assert 0 < sum(heard) < len(box.ninjaone.users) < 40
    assert len(box.ninjaone.users) == sum(request.status == 201 for request in box.requests)
