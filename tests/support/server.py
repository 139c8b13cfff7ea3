"""A scripted HTTP server on loopback: it answers as a function of the request, and remembers every request.

Knows HTTP alone. Must not know who asks, nor what the answers mean.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

Json: TypeAlias = dict[str, Any]


@dataclass
class Hit:
    """A request as it came in; the names of its headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The decoded query; of a repeated name the last value counts."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def document(self) -> Json:
        parsed: Json = json.loads(self.body)
        return parsed

    @property
    def on(self) -> str:
        """Method and kind of resource, as in ``POST Users``, ``PATCH Groups``, ``GET users``."""
        kinds = [part for part in self.path.split("/") if part.lower() in ("users", "groups")]
        return f"{self.method} {kinds[-1] if kinds else self.path}"


@dataclass
class Reply:
    """What goes out; ``hang_up`` closes the connection after that many bytes of all."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    hang_up: int | None = None

    @property
    def document(self) -> Json:
        parsed: Json = json.loads(self.body)
        return parsed

    def with_document(self, document: Any) -> Reply:
        return Reply(self.status, json.dumps(document).encode(), self.headers)


Answer: TypeAlias = Callable[[Hit], Reply]

HANG_UP = Reply(hang_up=0)


def json_reply(document: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json", **headers})


def html_reply(status: int = 200) -> Reply:
    return Reply(status, b"<html><body><h1>Bad Gateway</h1></body></html>", {"Content-Type": "text/html"})


class LoopbackServer:
    """Serves ``answer``, which may be replaced at any time, from ``start`` to ``stop``; ``hits`` grow in order.

    With a ``context`` it speaks TLS.
    """

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.scheme = "https" if context else "http"
        self.hits: list[Hit] = []
        self.ended = threading.Event()  # an answer that is never to come waits for this
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.host = f"127.0.0.1:{self._server.server_port}"  # and port
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    def count(self, on: str) -> int:
        """How many hits were ``on`` that; see ``Hit.on``."""
        return sum(hit.on == on for hit in self.hits)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    owner: LoopbackServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away is what many tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        hit = Hit(self.command, self.path, headers, body)
        self.server.owner.hits.append(hit)
        self._send(self.server.owner.answer(hit))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve

    def _send(self, reply: Reply) -> None:
        # By hand: http.server would add headers, and would never send half an answer.
        lines = [f"HTTP/1.1 {reply.status} Whatever", f"Content-Length: {len(reply.body)}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        raw = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + reply.body
        if reply.hang_up is not None:
            raw, self.close_connection = raw[: reply.hang_up], True
        with contextlib.suppress(OSError):
            self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        pass
