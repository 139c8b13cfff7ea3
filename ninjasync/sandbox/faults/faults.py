"""Faults: what can go wrong between a client and any server.

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


def add_faults(service: Service, name: str, faults: Mapping[str, str], seed: int) -> Service:
    """Return the service of that name ("duo", "scim" or "api") with these faults, in the table's order.

    What happens to a request depends on the seed, on what it asks and on how often that was asked before: the
    same happens to the same requests, in whatever order they come. Raises ValueError, in a sentence.
    """
    amounts = {fault: fault_amount(fault, value) for fault, value in faults.items()}
    for fault in reversed(list(FAULTS)):
        amount = amounts.get(f"{name}.{fault}", amounts.get(fault))
        if amount is not None:
            service = _FAULTS[fault](service, _Context(name, fault, amount, seed))
    return service


@dataclass(frozen=True, slots=True)
class _Context:
    """Where a fault is: the service's name, the fault's own, its value, and the seed."""

    service: str
    fault: str
    amount: Amount
    seed: int


_Fault: TypeAlias = Callable[[Service, _Context], Service]


class _Dice:
    def __init__(self, context: _Context) -> None:
        self._salt = f"{context.seed}/{context.service}/{context.fault}/".encode()
        self._limit = context.amount.number * 2**64
        self._asked: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def hits(self, request: HttpRequest) -> bool:
        what = hashlib.sha256(f"{request.method} {request.path}?{request.query}\n".encode() + request.body).digest()
        with self._lock:
            number = self._asked[what] = self._asked.get(what, 0) + 1
        cast = hashlib.sha256(self._salt + what + str(number).encode()).digest()
        return int.from_bytes(cast[:8], "big") < self._limit


def _answer_instead(response: Callable[[_Context], HttpResponse]) -> _Fault:
    """Answer so, in place of the service, which hears nothing of it."""

    def fault(service: Service, context: _Context) -> Service:
        make_rng = _Dice(context)
        return lambda request: response(context) if make_rng.hits(request) else service(request)

    return fault


def _change_answer(change: Callable[[HttpResponse], HttpResponse]) -> _Fault:
    """Change the answer of the service, which has carried the request out."""

    def fault(service: Service, context: _Context) -> Service:
        make_rng = _Dice(context)

        def answer(request: HttpRequest) -> HttpResponse:
            hit, response = make_rng.hits(request), service(request)
            return change(response) if hit else response

        return answer

    return fault


def _close_early(service: Service, context: _Context) -> Service:
    """Close as the next request comes: the two cross on the way, and the client cannot know."""
    served: dict[int, int] = {}

    def answer(request: HttpRequest) -> HttpResponse:
        number = served[request.connection] = served.get(request.connection, 0) + 1
        return HttpResponse(0, delivery="lost") if number > context.amount.number else service(request)

    return answer


def _delay(service: Service, context: _Context) -> Service:
    def answer(request: HttpRequest) -> HttpResponse:
        time.sleep(context.amount.number)
        return service(request)

    return answer


def _limit_rate(service: Service, context: _Context) -> Service:
    """Take each request from a bucket that holds a second's worth and starts full."""
    lock, rate = threading.Lock(), context.amount.number
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
        return _refuse_for_rate(context, str(seconds)) if missing else service(request)

    return answer


def _refuse_for_rate(context: _Context, retry_after: str | None) -> HttpResponse:
    """Duo never says how long (Duo Admin API, "Rate limits")."""
    if context.service == "duo":
        document: dict[str, Any] = {"stat": "FAIL", "code": 42901, "message": "Too Many Requests"}
        return json_response(429, document, media_type="application/json")
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    if context.service == "api":
        document = {"resultCode": "FAILURE", "errorMessage": "HTTP 429 Too Many Requests"}
        return json_response(429, document, media_type="application/json", headers=headers)
    document = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "429",
        "detail": "too many requests",
    }
    return json_response(429, document, media_type="application/scim+json", headers=headers)


def _seconds(context: _Context) -> int:
    return _DEFAULT_SECONDS if context.amount.seconds is None else context.amount.seconds


def _date(context: _Context) -> str:
    """Round up, as a date has no fractions and the wait must not be shorter than asked."""
    now, seconds = time.time(), _seconds(context)
    return formatdate(math.ceil(now + seconds) if seconds else now, usegmt=True)


def _make_page(status: int) -> HttpResponse:
    """As a proxy answers that knows nothing of JSON."""
    text = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>gateway</body></html>\n"
    return HttpResponse(status, text.encode(), _HTML)


_FAULTS: Mapping[str, _Fault] = {
    "stale-keepalive": _close_early,
    "reset": _answer_instead(lambda context: HttpResponse(0, delivery="reset")),
    "latency": _delay,
    "rate-limit": _limit_rate,
    "429": _answer_instead(lambda context: _refuse_for_rate(context, str(_seconds(context)))),
    "429-date": _answer_instead(lambda context: _refuse_for_rate(context, _date(context))),
    "429-bare": _answer_instead(lambda context: _refuse_for_rate(context, None)),
    "500": _answer_instead(lambda context: _make_page(500)),
    "502": _answer_instead(lambda context: _make_page(502)),
    "503": _answer_instead(lambda context: _make_page(503)),
    "403": _answer_instead(
        lambda context: replace(_make_page(403), headers=(*_HTML, ("Retry-After", str(_seconds(context)))))
    ),
    "504": _change_answer(lambda response: _make_page(504)),
    "lost-answer": _change_answer(lambda response: replace(response, delivery="lost")),
    "cut-short": _change_answer(lambda response: replace(response, delivery="cut")),
    "slow-body": _change_answer(lambda response: replace(response, delivery="slow")),
}
