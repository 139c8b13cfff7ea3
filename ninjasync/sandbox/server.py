"""HTTP/1.1 on loopback for a service: the only file here that touches sockets.

Knows connections, framing and who listens where. Must not know what is asked or answered. Every
request and every response passes through ``Listener.exchange``.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from http.client import responses as phrases
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, assert_never

from ninjasync import __version__
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Request, Service

HOST = "127.0.0.1"
_MAX_BODY = 32 * 1024 * 1024
_PAUSE = 0.005  # between the halves of a slow answer
_log = logging.getLogger(__name__)


class Listener:
    """A service on a port of its own, served by a thread for each connection.

    ``record`` is told of each request before its response is sent, ``number`` numbers connections.
    """

    def __init__(
        self,
        name: str,
        service: Service,
        *,
        port: int,
        record: Callable[[Request], None],
        number: Callable[[], int],
    ) -> None:
        self._name = name
        self._service = service
        self._record = record
        self.number = number
        self._server = _Server(self, port)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name=f"sandbox-{name}", daemon=True
        )
        self._thread.start()

    def exchange(self, request: HttpRequest) -> HttpResponse:
        """Serve one request. The single place that each response passes."""
        arrived = time.monotonic()
        try:
            response = self._service(request)
        except Exception:  # a mistake of the sandbox is a 500 to its client, and stands in its log
            _log.exception("the sandbox failed on %s %s", request.method, request.path)
            response = HttpResponse(500, b"the sandbox failed; its log says why\n")
        self._record(
            Request(
                self._name,
                request.method,
                request.path,
                request.params,
                response.status,
                arrived,
                request.connection,
                answered=response.delivery in ("whole", "slow"),
            )
        )
        return response

    def close(self) -> None:
        """Stop listening and end all connections, also those kept alive; returns when that is done."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server.end_connections()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, listener: Listener, port: int) -> None:
        self.listener = listener
        self._open: set[socket.socket] = set()
        self._fewer = threading.Condition()
        super().__init__((HOST, port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own asks a resolver for this host's name, which can take seconds.
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._fewer:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._fewer:
            self._open.discard(request)
            self._fewer.notify_all()

    def end_connections(self) -> None:
        """Wake every connection's thread and wait until it is gone."""
        with self._fewer:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._fewer.wait_for(lambda: not self._open, timeout=5)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: a client that hangs up in the middle is no news."""
        _log.debug("a connection broke", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._connection_number = self.server.listener.number()

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            return
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = HttpRequest(self.command, path, query, headers, body, self._connection_number)
        self._send(self.server.listener.exchange(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve

    def _body(self) -> bytes | None:
        """Read the body as announced; None, after an answer, if that cannot be done."""
        length = self.headers.get("Content-Length", "0")
        refused = None
        if "Transfer-Encoding" in self.headers:
            refused = 411
        elif not (length.isascii() and length.isdecimal()):
            refused = 400
        elif int(length) > _MAX_BODY:
            refused = 413
        if refused is not None:
            self.close_connection = True
            self._send(HttpResponse(refused))
            return None
        return self.rfile.read(int(length))

    def _send(self, response: HttpResponse) -> None:
        """Head and body leave in one piece, so that no packet waits for an acknowledgement."""
        match response.delivery:
            case "whole":
                self.wfile.write(self._message(response))
            case "slow":
                message = self._message(response)
                half = len(message) - len(response.body) // 2
                self.wfile.write(message[:half])
                time.sleep(_PAUSE)
                self.wfile.write(message[half:])
            case "cut":
                message = self._message(response)
                self.wfile.write(message[: len(message) - (len(response.body) + 1) // 2])
                self.close_connection = True
            case "lost":
                self.close_connection = True
            case "reset":
                self.close_connection = True
                self._reset()
            case _:
                assert_never(response.delivery)

    def _reset(self) -> None:
        """Close without lingering, which sends a reset; by way of the descriptor, as files hold the socket open."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def _message(self, response: HttpResponse) -> bytes:
        fields = [("Server", f"ninjasync-sandbox/{__version__}"), ("Date", formatdate(usegmt=True))]
        fields += response.headers
        if response.status not in (204, 304):
            fields.append(("Content-Length", str(len(response.body))))
        if self.close_connection:
            fields.append(("Connection", "close"))
        phrase = phrases.get(response.status, "")
        head = f"HTTP/1.1 {response.status} {phrase}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in fields)
        body = b"" if self.command == "HEAD" else response.body
        return head.encode("latin-1") + b"\r\n" + body

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: the sandbox's record says more."""
