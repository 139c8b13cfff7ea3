"""The brake over real HTTP, by the server's clock: what one worker is told, all obey."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from ninjasync.config.schema import Config
from ninjasync.net.pacing import Pacer
from ninjasync.ninjaone.http import ScimTransport

_PAUSE = 1.0
# What was on its way when the server said 429 may still arrive.
_ON_ITS_WAY = 0.15


class _Server(ThreadingHTTPServer):
    """Answers 429 to the 40th request, with a Retry-After of a second, and notes when each came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.arrived: list[float] = []
        self.refused_at = 0.0
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        with self.server.lock:
            now = time.monotonic()
            self.server.arrived.append(now)
            refuse = len(self.server.arrived) == 40
            if refuse:
                self.server.refused_at = now
        self.send_response(429 if refuse else 200)
        if refuse:
            self.send_header("Retry-After", str(int(_PAUSE)))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.02,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_after_a_429_no_request_of_any_worker_reaches_the_server_before_the_time_is_up(
    server: _Server, tmp_path: Path
) -> None:
    config = Config.model_validate(
        {
            "duo": {"api_hostname": "127.0.0.1", "integration_key": "DI", "secret_key": "duo-secret"},
            "ninjaone": {"endpoint_url": f"http://127.0.0.1:{server.server_port}", "secret_token": "the-token"},
            "scope": {"all_users": True},
        }
    )
    transport = ScimTransport(config, SecretStr("t"), Pacer(6, stop=threading.Event()))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: transport.call("GET", "/Users").status, range(80)))
    transport.close()
    assert answers == [200] * 80, "the refused one was tried again"
    assert len(server.arrived) == 81
    since = [at - server.refused_at for at in server.arrived if at > server.refused_at]
    assert [after for after in since if _ON_ITS_WAY < after < _PAUSE] == []
    assert max(since) >= _PAUSE
