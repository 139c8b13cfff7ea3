"""A proxy that meddles: it passes requests on to a server but for what a function makes of them.

It has an address of its own, so it is another tenant to ninjasync than the server behind it.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from tests.support.server import Hit, LoopbackServer, Reply

Forward: TypeAlias = Callable[[], Reply]
Meddling: TypeAlias = Callable[[Hit, Forward], Reply]

KEPT = ("Content-Type", "Date", "ETag", "Location")  # of the headers of an answer


def untouched(hit: Hit, forward: Forward) -> Reply:
    return forward()


class Proxy(LoopbackServer):
    """Stands before ``target``; ``meddle`` may be replaced at any time."""

    def __init__(self, target: str, meddle: Meddling = untouched) -> None:
        super().__init__(lambda hit: self.meddle(hit, lambda: self._forward(hit)))
        self.meddle = meddle
        self._target = urlsplit(target)

    @property
    def url(self) -> str:
        return super().url + self._target.path

    def _forward(self, hit: Hit) -> Reply:
        connection = http.client.HTTPConnection(self._target.hostname or "", self._target.port or 0, timeout=10)
        try:
            connection.putrequest(hit.method, hit.target, skip_host=True, skip_accept_encoding=True)
            for name, value in hit.headers.items():
                if name not in ("connection", "content-length", "transfer-encoding"):
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(hit.body)))
            connection.endheaders(hit.body)
            response = connection.getresponse()
            kept = {name: value for name, value in response.getheaders() if name in KEPT}
            return Reply(response.status, response.read(), kept)
        finally:
            connection.close()
