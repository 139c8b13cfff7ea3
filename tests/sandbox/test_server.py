"""The sandbox as a whole: ports, connections, its record, and many clients at once."""

from __future__ import annotations

import ast
import http.client
import logging
import socket
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests

import ninjasync.sandbox
from ninjasync.sandbox.box import Access, Sandbox
from ninjasync.sandbox.company.staffing import make_company
from ninjasync.sandbox.company.year import live_a_year
from ninjasync.sandbox.exchange import HttpRequest, Request
from ninjasync.sandbox.ninjaone import schema as scim_schema
from ninjasync.sandbox.ninjaone.api import scim_api
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.urns import CORE_GROUP, CORE_USER, PATCH_OP


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(make_company(users=3), NinjaOne()) as box:
        yield box


@pytest.fixture
def session(box: Sandbox) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {box.token}"
        yield session


def raw(url: str, text: bytes) -> bytes:
    """Everything that comes back for these bytes until the server closes the connection."""
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(text)
        received = b""
        while part := connection.recv(65536):
            received += part
        return received


def test_it_imports_nothing_of_the_product_but_its_version() -> None:
    for file in Path(ninjasync.sandbox.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("ninjasync") or name.startswith("ninjasync.sandbox") or name == "ninjasync"
                if name == "ninjasync" and isinstance(node, ast.ImportFrom):
                    assert [alias.name for alias in node.names] == ["__version__"], file


def test_a_connection_is_kept_and_requests_are_recorded_in_order(box: Sandbox, session: requests.Session) -> None:
    session.get(f"{box.scim_url}/Users", params={"count": "1", "filter": 'userName eq "é"'}, timeout=5)
    session.post(f"{box.scim_url}/Users", json={}, timeout=5)
    requests.get(f"{box.duo_url}/admin/v1/users", timeout=5)
    first, second, third = box.requests
    assert first == Request(
        "scim", "GET", "/scim/v2/Users", {"count": "1", "filter": 'userName eq "é"'}, 200, first.at, first.connection
    )
    assert (second.method, second.status, second.connection) == ("POST", 400, first.connection)
    assert (third.service, third.status) == ("duo", 401)
    assert third.connection != first.connection
    assert first.at < second.at < third.at
    box.forget()
    assert box.requests == []


def test_a_response_says_when_it_was_made_and_how_long_it_is(box: Sandbox, session: requests.Session) -> None:
    answer = session.get(f"{box.scim_url}/Users", timeout=5)
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert abs(parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()) < 5
    assert answer.headers["Date"].endswith(" GMT")
    assert answer.headers["Server"].startswith("ninjasync-sandbox/")


def test_a_deletion_has_no_body_and_the_connection_goes_on(box: Sandbox, session: requests.Session) -> None:
    body = {"schemas": [CORE_USER], "userName": "ana@example.com"}
    location = session.post(f"{box.scim_url}/Users", json=body, timeout=5).headers["Location"]
    assert location.startswith(f"{box.scim_url}/Users/")
    deleted = session.delete(location, timeout=5)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert "Content-Length" not in deleted.headers
    assert session.get(location, timeout=5).status_code == 404
    assert len({request.connection for request in box.requests}) == 1


def test_a_head_request_gets_no_body(box: Sandbox, session: requests.Session) -> None:
    for _ in range(2):
        answer = session.head(f"{box.scim_url}/Users", timeout=5)
        assert (answer.status_code, answer.content) == (405, b"")


def test_an_old_client_is_served_and_left(box: Sandbox) -> None:
    answer = raw(box.duo_url, b"GET /admin/v1/users HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"Connection: close" in answer


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"Transfer-Encoding: chunked", b"411"),
        (b"Content-Length: many", b"400"),
        (b"Content-Length: -1", b"400"),
        (b"Content-Length: 99999999999", b"413"),
    ],
)
def test_a_body_of_unknown_length_ends_the_connection(box: Sandbox, header: bytes, status: bytes) -> None:
    answer = raw(box.scim_url, b"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert box.requests == []


def test_a_client_that_hangs_up_disturbs_no_other(box: Sandbox, session: requests.Session) -> None:
    host, port = box.scim_url.removeprefix("http://").partition("/")[0].split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a reset
        connection.sendall(b"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123")
    assert session.get(f"{box.scim_url}/Users", timeout=5).status_code == 200


def test_a_fault_of_its_own_is_a_500_and_logged(
    box: Sandbox, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    box.ninjaone.overwrite(scim_schema.USER, {"id": "broken", "userName": "no meta", "meta": None})
    with caplog.at_level(logging.ERROR):
        assert session.get(f"{box.scim_url}/Users", timeout=5).status_code == 500
    assert "the sandbox failed on GET /scim/v2/Users" in caplog.text
    assert box.requests[-1].status == 500


def test_a_stop_ends_kept_connections_and_a_start_brings_the_same_ports_back() -> None:
    box = Sandbox(make_company(users=3), NinjaOne())
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {box.token}"
        with box:
            urls = box.duo_url, box.scim_url
            assert session.get(f"{box.scim_url}/Users", timeout=5).status_code == 200
        with pytest.raises(requests.ConnectionError):
            session.get(f"{box.scim_url}/Users", timeout=5)
        box.stop()
        start = time.perf_counter()
        box.start()
        box.stop()
        assert time.perf_counter() - start < 1.5
        with box:
            assert (box.duo_url, box.scim_url) == urls
            assert session.get(f"{box.scim_url}/Users", timeout=5).status_code == 200


def test_a_taken_port_is_an_error_that_leaves_nothing_open(box: Sandbox) -> None:
    taken = int(box.duo_url.rpartition(":")[2])
    second = Sandbox(make_company(users=1), NinjaOne(), ports={"scim": taken})
    with pytest.raises(OSError, match="in use"):
        second.start()
    with pytest.raises(OSError, match="refused"):
        raw(second.duo_url, b"GET / HTTP/1.0\r\n\r\n")


def test_ports_and_secrets_can_be_chosen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    people, ninjaone = make_company(users=1), NinjaOne()
    with Sandbox(people, ninjaone, access=Access("DIX", "S", "T"), ports={"duo": port}) as box:
        assert (box.integration_key, box.secret_key) == ("DIX", "S")
        assert box.duo_url == f"http://127.0.0.1:{port}"
        answer = requests.get(f"{box.scim_url}/Users", headers={"Authorization": "Bearer T"}, timeout=5)
        assert answer.status_code == 200


def test_without_people_it_makes_its_own() -> None:
    box = Sandbox()
    assert len(box.company.users) == 60
    assert len(box.ninjaone.users) > 2


def test_the_configuration_reaches_it(box: Sandbox) -> None:
    config = tomllib.loads(box.config_toml())
    assert config == {
        "duo": {
            "api_hostname": box.duo_url,
            "integration_key": box.integration_key,
            "secret_key": box.secret_key,
            "rate_limit": 0,
        },
        "ninjaone": {
            "endpoint_url": box.scim_url,
            "secret_token": box.token,
            "api": {
                "url": box.api_url,
                "client_id": box.access.client_id,
                "client_secret": box.access.client_secret,
            },
        },
        "scope": {"groups": box.company.scoped},
        "safety": {"protected_users": ["breakglass@example.com"]},
    }


def test_the_configuration_names_groups_by_id_and_says_what_they_are_called_now() -> None:
    box = Sandbox(make_company(users=3), NinjaOne(), access=Access(secret_key='odd "secret" \\ ☃ 🎉'))
    live_a_year(box.company)
    box.company.erase_group(box.company.scoped[0])
    config = tomllib.loads(box.config_toml())
    assert config["scope"]["groups"] == box.company.scoped[1:]
    assert "  # by id: NinjaOne End Users, Service Desk\n" in box.config_toml()
    assert config["duo"]["secret_key"] == 'odd "secret" \\ ☃ 🎉'


# Many at once


def test_eight_clients_lose_no_user_and_no_member(box: Sandbox) -> None:
    def post(session: requests.Session, path: str, body: Any) -> Any:
        answer = session.post(f"{box.scim_url}{path}", json=body, timeout=10)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def work(worker: int) -> list[str]:
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {box.token}"
            ids = []
            for number in range(12):
                name = f"w{worker}n{number}@example.com"
                ids.append(post(session, "/Users", {"schemas": [CORE_USER], "userName": name}))
                operation = {"op": "add", "path": "members", "value": [{"value": ids[-1]}]}
                answer = session.patch(
                    f"{box.scim_url}/Groups/{group}",
                    json={"schemas": [PATCH_OP], "Operations": [operation]},
                    timeout=10,
                )
                assert answer.status_code == 200, answer.text
            return ids

    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {box.token}"
        group = post(session, "/Groups", {"schemas": [CORE_GROUP], "displayName": "All"})
    with ThreadPoolExecutor(8) as pool:
        made = [user_id for ids in pool.map(work, range(8)) for user_id in ids]
    assert len(set(made)) == 96
    assert set(box.ninjaone.users) == set(made)
    stored = box.ninjaone.groups[group]
    assert sorted(item["value"] for item in stored["members"]) == sorted(made)
    assert stored["meta"]["version"] == 'W/"97"'


def test_of_eight_requests_for_one_name_one_succeeds(box: Sandbox) -> None:
    def attempt(_: int) -> int:
        answer = requests.post(
            f"{box.scim_url}/Users",
            json={"schemas": [CORE_USER], "userName": "ana@example.com"},
            headers={"Authorization": f"Bearer {box.token}"},
            timeout=10,
        )
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [201] + [409] * 7


def test_ten_thousand_users_are_no_burden() -> None:
    store = NinjaOne()
    for number in range(10_000):
        store.create(
            scim_schema.USER,
            {"schemas": [CORE_USER], "userName": f"u{number}@example.com", "externalId": f"DU{number}"},
        )
    service = scim_api(store, "T")

    def get(query: str) -> int:
        headers = {"authorization": "Bearer T", "host": "h"}
        return len(service(HttpRequest("GET", "/scim/v2/Users", query, headers)).body)

    start = time.perf_counter()
    for number in range(0, 10_000, 20):
        assert get(f"filter=userName+eq+%22U{number}%40example.com%22+and+active+eq+true") > 300
        assert get(f"filter=externalId%20eq%20%22DU{number}%22") > 300
    for page in range(20):
        assert get(f"startIndex={page * 500 + 1}&count=500") > 100_000
    assert time.perf_counter() - start < 5  # a scan for each look-up would take a minute


def test_a_connection_serves_many_requests_quickly(box: Sandbox) -> None:
    connection = http.client.HTTPConnection(box.scim_url.split("/")[2], timeout=5)
    start = time.perf_counter()
    for _ in range(50):
        connection.request("GET", "/scim/v2/Users", headers={"Authorization": f"Bearer {box.token}"})
        connection.getresponse().read()
    connection.close()
    assert time.perf_counter() - start < 1.5  # with Nagle's algorithm at work it would take two seconds
    assert len({request.connection for request in box.requests}) == 1
