"""What the public API may answer otherwise: a service between it and whoever asks, for ``Sandbox.intercept``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service

Rows = list[Any]
Interception = Callable[[HttpRequest, Service], HttpResponse]


def with_rows(change: Callable[[Rows], Any], path: str = "/v2/user") -> Interception:
    """Answer with the lists under ``path`` as ``change`` leaves them, or with what it returns if that is not None."""

    def answer(request: HttpRequest, serve: Service) -> HttpResponse:
        given = serve(request)
        if not request.path.startswith(path) or given.status != 200:
            return given
        rows = json.loads(given.body)
        made = change(rows)
        body = json.dumps(rows if made is None else made).encode()
        return HttpResponse(given.status, body, given.headers)

    return answer


def refusing(*paths: str, status: int = 403, body: Any = None, media_type: str = "application/json") -> Interception:
    """Answer requests to these paths with a refusal."""

    def answer(request: HttpRequest, serve: Service) -> HttpResponse:
        if request.path not in paths:
            return serve(request)
        shown = {"resultCode": "FAILURE", "errorMessage": "permission_denied"} if body is None else body
        data = shown.encode() if isinstance(shown, str) else json.dumps(shown).encode()
        return HttpResponse(status, data, (("Content-Type", media_type),))

    return answer
