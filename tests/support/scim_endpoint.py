"""The sandbox's SCIM endpoint without a network."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from ninjasync.sandbox.exchange import HttpRequest
from ninjasync.sandbox.ninjaone.api import scim_api
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.urns import CORE_GROUP, CORE_USER, ERROR

BASE = "http://127.0.0.1:1/scim/v2"


class Endpoint:
    """A NinjaOne asked without a network; the last response's headers are kept."""

    def __init__(self, **kwargs: Any) -> None:
        self.store = NinjaOne(**kwargs)
        self.headers: dict[str, str] = {}

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Any = None,
        **params: Any,
    ) -> tuple[int, Any]:
        sent = {"host": "127.0.0.1:1", "authorization": "Bearer T", **(headers or {})}
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        request = HttpRequest(method, f"/scim/v2{path}", urlencode(params), sent, raw)
        response = scim_api(self.store, "T")(request)
        self.headers = dict(response.headers)
        return response.status, json.loads(response.body) if response.body else None

    def user(self, user_name: str, **more: Any) -> str:
        status, document = self("POST", "/Users", {"schemas": [CORE_USER], "userName": user_name, **more})
        assert status == 201, document
        return str(document["id"])

    def group(self, name: str, *members: str) -> str:
        values = [{"value": member} for member in members]
        body = {"schemas": [CORE_GROUP], "displayName": name, "members": values}
        status, document = self("POST", "/Groups", body)
        assert status == 201, document
        return str(document["id"])

    def names(self, **params: Any) -> list[str]:
        status, document = self("GET", "/Users", **params)
        assert status == 200, document
        return [user["userName"] for user in document["Resources"]]


def refusal(answer: tuple[int, Any]) -> tuple[int, str | None]:
    """Status and scimType of an error, which must have the form of one."""
    status, document = answer
    assert document["schemas"] == [ERROR]
    assert document["status"] == str(status)
    assert document["detail"]
    return status, document.get("scimType")
