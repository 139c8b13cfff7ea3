"""Bad weather: what can go wrong between a client and any server.

Knows how a fault is wrapped around a service, and dice that fall the same way every time. Must not
know sockets (``HttpResponse.delivery`` tells the plumbing what to do), SCIM, or what is asked.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any, TypeAlias

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service, json_response
from ninjasync.sandbox.faults.catalogue import FAULTS, Amount, fault_amount

_DEFAULT_SECONDS = 1
_HTML = (("Content-Type", "text/html"),)


def stormy(service: Service, name: str, faults: Mapping[str, str], seed: int) -> Service:
    """Return the service of that name ("duo" or "scim") with these faults, in the table's order.

    Each request meets its fate by seed, by what it asks and by how often that was asked before: the
    same requests meet the same fate, in whatever order they come. Raises ValueError, in a sentence.
    """
    amounts = {fault: fault_amount(fault, value) for fault, value in faults.items()}
    for fault in reversed(list(FAULTS)):
        amount = amounts.get(f"{name}.{fault}", amounts.get(fault))
        if amount is not None:
            service = _FAULTS[fault](service, _Site(name, fault, amount, seed))
    return service


@dataclass(frozen=True, slots=True)
class _Site:
    """Where a fault is: the service's name, the fault's own, its value, and the seed."""

    service: str
    fault: str
    amount: Amount
    seed: int


_Fault: TypeAlias = Callable[[Service, _Site], Service]


class _Dice:
    def __init__(self, site: _Site) -> None:
        self._salt = f"{site.seed}/{site.service}/{site.fault}/".encode()
        self._limit = site.amount.number * 2**64
        self._asked: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def strike(self, request: HttpRequest) -> bool:
        what = hashlib.sha256(f"{request.method} {request.path}?{request.query}\n".encode() + request.body).digest()
        with self._lock:
            number = self._asked[what] = self._asked.get(what, 0) + 1
        cast = hashlib.sha256(self._salt + what + str(number).encode()).digest()
        return int.from_bytes(cast[:8], "big") < self._limit


def _instead(response: Callable[[_Site], HttpResponse]) -> _Fault:
    """Answer so, in place of the service, which hears nothing of it."""

    def fault(service: Service, site: _Site) -> Service:
        dice = _Dice(site)
        return lambda request: response(site) if dice.strike(request) else service(request)

    return fault


def _afterwards(change: Callable[[HttpResponse], HttpResponse]) -> _Fault:
    """Change the answer of the service, which has carried the request out."""

    def fault(service: Service, site: _Site) -> Service:
        dice = _Dice(site)

        def answer(request: HttpRequest) -> HttpResponse:
            struck, response = dice.strike(request), service(request)
            return change(response) if struck else response

        return answer

    return fault


def _stale_keepalive(service: Service, site: _Site) -> Service:
    """Close as the next request comes: the two cross on the way, and the client cannot know."""
    served: dict[int, int] = {}

    def answer(request: HttpRequest) -> HttpResponse:
        number = served[request.connection] = served.get(request.connection, 0) + 1
        return HttpResponse(0, delivery="lost") if number > site.amount.number else service(request)

    return answer


def _latency(service: Service, site: _Site) -> Service:
    def answer(request: HttpRequest) -> HttpResponse:
        time.sleep(site.amount.number)
        return service(request)

    return answer


def _rate_limit(service: Service, site: _Site) -> Service:
    """Take each request from a bucket that holds a second's worth and starts full."""
    lock, rate = threading.Lock(), site.amount.number
    filled, at = rate, time.monotonic()

    def answer(request: HttpRequest) -> HttpResponse:
        nonlocal filled, at
        with lock:
            now = time.monotonic()
            filled, at = min(rate, filled + (now - at) * rate), now
            if missing := filled < 1:
                seconds = math.ceil((1 - filled) / rate)
            else:
                filled -= 1
        return _too_many(site, str(seconds)) if missing else service(request)

    return answer


def _too_many(site: _Site, retry_after: str | None) -> HttpResponse:
    """Duo never says how long (Duo Admin API, "Rate limits")."""
    if site.service == "duo":
        document: dict[str, Any] = {"stat": "FAIL", "code": 42901, "message": "Too Many Requests"}
        return json_response(429, document, media_type="application/json")
    document = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "429",
        "detail": "too many requests",
    }
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    return json_response(429, document, media_type="application/scim+json", headers=headers)


def _seconds(site: _Site) -> int:
    return _DEFAULT_SECONDS if site.amount.seconds is None else site.amount.seconds


def _date(site: _Site) -> str:
    """Round up, as a date has no fractions and the wait must not be shorter than asked."""
    now, seconds = time.time(), _seconds(site)
    return formatdate(math.ceil(now + seconds) if seconds else now, usegmt=True)


def _page(status: int) -> HttpResponse:
    """As a proxy answers that knows nothing of JSON."""
    text = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>gateway</body></html>\n"
    return HttpResponse(status, text.encode(), _HTML)


_FAULTS: Mapping[str, _Fault] = {
    "stale-keepalive": _stale_keepalive,
    "reset": _instead(lambda site: HttpResponse(0, delivery="reset")),
    "latency": _latency,
    "rate-limit": _rate_limit,
    "429": _instead(lambda site: _too_many(site, str(_seconds(site)))),
    "429-date": _instead(lambda site: _too_many(site, _date(site))),
    "429-bare": _instead(lambda site: _too_many(site, None)),
    "500": _instead(lambda site: _page(500)),
    "502": _instead(lambda site: _page(502)),
    "503": _instead(lambda site: _page(503)),
    "403": _instead(lambda site: replace(_page(403), headers=(*_HTML, ("Retry-After", str(_seconds(site)))))),
    "504": _afterwards(lambda response: _page(504)),
    "lost-answer": _afterwards(lambda response: replace(response, delivery="lost")),
    "cut-short": _afterwards(lambda response: replace(response, delivery="cut")),
    "slow-body": _afterwards(lambda response: replace(response, delivery="slow")),
}
