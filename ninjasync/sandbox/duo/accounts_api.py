"""The Duo Accounts API of a parent account: the list of its child accounts, each of which its keys can read.

Knows the parent's keys and its children. Must not know what a child holds (``api``), nor import the product under test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ninjasync.sandbox.duo.api import DuoError, read_clock, refuse
from ninjasync.sandbox.duo.signature import Unauthorized, require_signature
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Json, Service

LIST_PATH = "/accounts/v1/account/list"


@dataclass(frozen=True, slots=True)
class Child:
    """A child account: what its parent calls it, and what answers for it where the parent's keys name it."""

    name: str
    answer: Service


def accounts_api(
    integration_key: str,
    secret_key: str,
    children: Mapping[str, Child],
    host: Callable[[], str],
    clock: Callable[[], datetime] = read_clock,
) -> Service:
    """Return what the parent's keys open: the list of ``children`` by account id, and the Admin API of each."""

    def answer(request: HttpRequest) -> HttpResponse:
        try:
            require_signature(request, integration_key, secret_key, now=clock())
        except Unauthorized as error:
            return refuse(DuoError(401, error.code, error.message))
        if request.path.startswith("/admin/"):
            child = children.get(request.params.get("account_id", ""))
            if child is None:
                return refuse(DuoError(403, 40301, "Access forbidden", "Unknown account_id"))
            return child.answer(request)
        if request.path != LIST_PATH:
            return refuse(DuoError(404, 40401, "Resource not found"))
        if request.method != "POST":
            return refuse(DuoError(405, 40501, "Method not allowed"))
        rows: list[Json] = [
            {"account_id": id_, "api_hostname": host(), "name": child.name} for id_, child in children.items()
        ]
        body = {"stat": "OK", "response": rows}
        return HttpResponse(200, json.dumps(body).encode(), (("Content-Type", "application/json"),))

    return answer
