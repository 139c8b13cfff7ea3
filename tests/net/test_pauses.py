"""The brake over real HTTP, by the server's clock: what one worker is told, all obey."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from ninjasync.config.schema import Config
from ninjasync.net.pacing import Pacer
from ninjasync.ninjaone.http import ScimTransport
from ninjasync.threads import Stop
from tests.support.server import Hit, LoopbackServer, Reply

_PAUSE = 1.0
# What was on its way when the server said 429 may still arrive.
_ON_ITS_WAY = 0.15


class Limited(LoopbackServer):
    """Answers 429 to the 40th request, with a Retry-After of a second, and notes when each came."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.arrived: list[float] = []
        self.refused_at = 0.0
        self._lock = threading.Lock()

    def _answer(self, hit: Hit) -> Reply:
        with self._lock:
            now = time.monotonic()
            self.arrived.append(now)
            refuse = len(self.arrived) == 40
            if refuse:
                self.refused_at = now
        return Reply(429, b"{}", {"Retry-After": str(int(_PAUSE))}) if refuse else Reply(200, b"{}")


@pytest.fixture
def server() -> Iterator[Limited]:
    with Limited() as limited:
        yield limited


def test_after_a_429_no_request_of_any_worker_reaches_the_server_before_the_time_is_up(
    server: Limited, tmp_path: Path
) -> None:
    config = Config.model_validate(
        {
            "duo": {"api_hostname": "127.0.0.1", "integration_key": "DI", "secret_key": "duo-secret"},
            "ninjaone": {"endpoint_url": server.url, "secret_token": "the-token"},
            "scope": {"all_users": True},
        }
    )
    transport = ScimTransport(config, SecretStr("t"), Pacer(6, stop=Stop()))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: transport.call("GET", "/Users").status, range(80)))
    transport.close()
    assert answers == [200] * 80, "the refused one was tried again"
    assert len(server.arrived) == 81
    since = [at - server.refused_at for at in server.arrived if at > server.refused_at]
    assert [after for after in since if _ON_ITS_WAY < after < _PAUSE] == []
    assert max(since) >= _PAUSE
