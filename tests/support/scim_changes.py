"""Changes for the writer, and what a SCIM server that `responses` plays was sent."""

from __future__ import annotations

import json
from typing import Any

import responses

from ninjasync.model.change import Change, Delta

JANE = Change("user", "create", "jane@example.com", None, "DU1", (Delta("userName", None, "jane@example.com"),))
MADE = {"id": "n1", "userName": "jane@example.com", "externalId": "DU1"}
STOP = (Delta("active", True, False),)


def group(*members: str, **fields: Any) -> dict[str, Any]:
    return {"id": "g", "displayName": "Staff", "members": [{"value": one} for one in members]} | fields


def methods(target: responses.RequestsMock) -> list[str]:
    return [str(call.request.method) for call in target.calls]


def bodies(target: responses.RequestsMock, method: str) -> list[Any]:
    return [json.loads(call.request.body or "null") for call in target.calls if call.request.method == method]
