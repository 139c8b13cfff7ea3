"""The sandbox's check of Duo signatures, against signatures worked out here by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ninjasync.sandbox.duo.signature import Unauthorized, require_signature
from ninjasync.sandbox.exchange import HttpRequest

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
DATE = format_datetime(NOW)
EMPTY = hashlib.sha512(b"").hexdigest()
KEY, SECRET = "DITEST", "secret"


def authorization(lines: list[str], digest: str = "sha512") -> str:
    signature = hmac.new(SECRET.encode(), "\n".join(lines).encode(), digest).hexdigest()
    return "Basic " + base64.b64encode(f"{KEY}:{signature}".encode()).decode()


def verdict(request: HttpRequest) -> int:
    """0 for a good signature, else Duo's error code."""
    try:
        require_signature(request, KEY, SECRET, now=NOW)
    except Unauthorized as error:
        return error.code
    return 0


def get(authorization: str, *, date: str = DATE, path: str = "/admin/v1/users", **more: str) -> HttpRequest:
    headers = {"host": "127.0.0.1:8080", "date": date, "authorization": authorization, **more}
    return HttpRequest("GET", path, "limit=300&offset=0", headers)


LINES = [DATE, "GET", "127.0.0.1", "/admin/v1/users", "limit=300&offset=0"]


@pytest.mark.parametrize("digest", ["sha512", "sha1"])
def test_version_2_signs_five_lines(digest: str) -> None:
    assert verdict(get(authorization(LINES, digest))) == 0


def test_version_5_signs_the_body_and_the_headers_too() -> None:
    assert verdict(get(authorization([*LINES, EMPTY, EMPTY]))) == 0
    extra = hashlib.sha512(b"x-duo-a\0one\0x-duo-b\0two").hexdigest()
    signed = authorization([*LINES, EMPTY, extra])
    assert verdict(get(signed, **{"x-duo-b": "two", "x-duo-a": "one"})) == 0
    assert verdict(get(signed, **{"x-duo-b": "other", "x-duo-a": "one"})) == 40103
    assert verdict(get(signed)) == 40103


def test_the_host_may_be_signed_with_its_port() -> None:
    lines = [DATE, "GET", "127.0.0.1:8080", *LINES[3:]]
    assert verdict(get(authorization(lines))) == 0
    assert verdict(get(authorization([DATE, "GET", "other.example.com", *LINES[3:]]))) == 40103


def test_a_host_without_a_port_is_in_lower_case() -> None:
    lines = [DATE, "GET", "api.example.com", *LINES[3:]]
    assert verdict(get(authorization(lines), host="API.example.com")) == 0


def test_parameters_are_sorted_and_encoded_anew() -> None:
    lines = [DATE, "GET", "127.0.0.1", "/p", "a=1%20~&b=x%2Ay&b=z%2F"]
    headers = {"host": "127.0.0.1", "date": DATE, "authorization": authorization(lines)}
    assert verdict(HttpRequest("GET", "/p", "b=z/&b=x*y&a=1+%7E", headers)) == 0


def test_a_form_is_signed_in_version_2_and_json_in_version_5() -> None:
    headers = {"host": "127.0.0.1", "date": DATE}
    lines = [DATE, "POST", "127.0.0.1", "/p"]
    form = {**headers, "authorization": authorization([*lines, "a=1&b=2"])}
    assert verdict(HttpRequest("POST", "/p", "", form, b"b=2&a=1")) == 0
    assert verdict(HttpRequest("POST", "/p", "", form, b"b=2&a=2")) == 40103
    body = b'{"a":1}'
    json = {**headers, "authorization": authorization([*lines, "", hashlib.sha512(body).hexdigest(), EMPTY])}
    assert verdict(HttpRequest("POST", "/p", "", json, body)) == 0
    assert verdict(HttpRequest("POST", "/p", "", json, b'{"a":2}')) == 40103


def test_another_path_method_or_query_breaks_the_signature() -> None:
    good = authorization(LINES)
    assert verdict(get(good, path="/admin/v1/groups")) == 40103
    assert verdict(HttpRequest("DELETE", "/admin/v1/users", LINES[4], get(good).headers)) == 40103
    assert verdict(HttpRequest("GET", "/admin/v1/users", "limit=1", get(good).headers)) == 40103


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer abc",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(f"{KEY}:x".encode()).decode() + "!",
        "Basic " + base64.b64encode(b"nocolon").decode(),
    ],
)
def test_a_request_without_credentials_is_40101(authorization: str) -> None:
    assert verdict(get(authorization)) == 40101


def test_bytes_that_are_no_text_are_no_credentials() -> None:
    assert verdict(get("Basic " + base64.b64encode(b"\xff:\xfe").decode())) == 40101


def test_another_key_is_40102() -> None:
    encoded = base64.b64encode(b"DIOTHER:" + b"0" * 128).decode()
    assert verdict(get(f"Basic {encoded}")) == 40102


@pytest.mark.parametrize("signature", ["", "0" * 128, "0" * 40, "0" * 64, "é" * 64])
def test_a_signature_of_any_other_form_is_40103(signature: str) -> None:
    encoded = base64.b64encode(f"{KEY}:{signature}".encode()).decode()
    assert verdict(get(f"Basic {encoded}")) == 40103


@pytest.mark.parametrize("date", ["", "yesterday", "lun, 01 mars 2026 12:00:00 -0000", "2026-03-01T12:00:00Z"])
def test_a_date_that_cannot_be_read_is_40104(date: str) -> None:
    assert verdict(get(authorization([date, *LINES[1:]]), date=date)) == 40104


@pytest.mark.parametrize(("minutes", "code"), [(0, 0), (5, 0), (-5, 0), (5.1, 40105), (-5.1, 40105), (600, 40105)])
def test_a_clock_may_be_five_minutes_off(minutes: float, code: int) -> None:
    date = format_datetime(NOW + timedelta(minutes=minutes))
    assert verdict(get(authorization([date, *LINES[1:]]), date=date)) == code


def test_the_date_may_travel_in_a_header_of_duos_own() -> None:
    request = HttpRequest(
        "GET",
        "/admin/v1/users",
        LINES[4],
        {"host": "127.0.0.1", "x-duo-date": DATE, "authorization": authorization([*LINES, EMPTY, EMPTY])},
    )
    assert verdict(request) == 0


def test_a_time_zone_counts() -> None:
    date = "Sun, 01 Mar 2026 13:00:00 +0100"
    assert verdict(get(authorization([date, *LINES[1:]]), date=date)) == 0
