"""The fast way to the endpoint sends what a plain Session of requests would send."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from ninjasync import __version__
from ninjasync.config.schema import Config
from ninjasync.ninjaone.endpoint import connect
from tests.support.contexts import context_of

Sent = tuple[str, str, dict[str, str], bytes]
TEXTS = ("jane@example.com", 'a"b\\c', "a b&c=d", "\u00fc\u5b57", "%2F/?#", "")


@pytest.mark.parametrize("seed", range(10))
def test_it_sends_what_a_session_without_an_environment_sends(seed: int, make_config: Callable[..., Config]) -> None:
    chance, heard = random.Random(seed), list[Sent]()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            heard.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # BaseHTTPRequestHandler's names

        def log_message(self, *_: Any) -> None:
            """Write nothing to standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/scim v2"
        method = chance.choice(("GET", "POST", "PUT", "PATCH", "DELETE"))
        params = {"filter": f'userName eq "{chance.choice(TEXTS)}"', "count": "7"} if method == "GET" else None
        body = {"userName": chance.choice(TEXTS), "active": True} if method in ("POST", "PUT", "PATCH") else None
        with connect(context_of(make_config(ninjaone={"endpoint_url": url})), SecretStr("the-token")) as endpoint:
            endpoint.transport.call(method, "/Users/a%2Fb", params, body)
        session = requests.Session()
        session.trust_env = False
        session.headers.update(
            {
                "User-Agent": f"ninjasync/{__version__}",
                "Authorization": "Bearer the-token",
                "Content-Type": "application/scim+json",
                "Accept": "application/scim+json, application/json",
            }
        )
        data = None if body is None else json.dumps(body).encode()
        session.request(method, f"{url}/Users/a%2Fb", params=params, data=data, allow_redirects=False)
        server.shutdown()
    ours, plain = heard
    assert ours == plain
