"""One HTTP request and its response as plain values.

Knows the shape of the two; must not know sockets, services or what stands in them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl

Json: TypeAlias = dict[str, Any]
# How a response leaves: whole; in two halves with a pause between; half of it and then the end of the
# connection; or not at all, the connection being closed ("lost") or reset.
Delivery: TypeAlias = Literal["whole", "slow", "cut", "lost", "reset"]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What came in: path and query as sent (percent-encoded), header names in lower case.

    ``connection`` is a number that no other TCP connection to the same sandbox has. ``mount`` is what was
    taken from the front of the path, where a service stands below a path of its host.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    connection: int = 0
    mount: str = ""

    @property
    def host(self) -> str:
        """The Host header, with the port if it was sent."""
        return self.headers.get("host", "")

    @property
    def params(self) -> dict[str, str]:
        """The decoded query; of a repeated name the last value counts."""
        return dict(parse_qsl(self.query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What goes out; the plumbing adds Date, Content-Length and Connection."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    delivery: Delivery = "whole"


Service: TypeAlias = Callable[[HttpRequest], HttpResponse]


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was served, as the sandbox remembers it.

    ``service`` is "duo", "scim" or "api", ``at`` the monotonic time of arrival in seconds,
    ``connection`` a number that no other TCP connection to the same sandbox has. ``answered`` is
    false where the client got no answer, or only half of one; ``status`` is then what it would have
    been, and 0 for a request that was not carried out.
    """

    service: str
    method: str
    path: str
    query: dict[str, str]
    status: int
    at: float
    connection: int
    answered: bool = True


def json_response(
    status: int, document: Json, *, media_type: str, headers: tuple[tuple[str, str], ...] = ()
) -> HttpResponse:
    """Return a response with that JSON document as its body."""
    body = json.dumps(document).encode()
    return HttpResponse(status, body, (("Content-Type", media_type), *headers))
