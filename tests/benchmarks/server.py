"""All three services from ready-made pages, as lean as Python allows, in a process of their own.

Counts requests and connections, waits for a set latency, and answers 429 beyond a set
rate. Started by ``serving``; told what to do by one line of JSON on standard input.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.benchmarks.world import Pages, account_id, number_of, pages


@dataclass(frozen=True)
class Served:
    """Where the servers are; ``counts`` reads and resets what they counted."""

    duo_url: str
    scim_url: str
    api_url: str
    process: subprocess.Popen[str]

    def counts(self) -> dict[str, float]:
        """Return what each service counted since the last call (``_Counters.seen``)."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("counts\n")
        self.process.stdin.flush()
        found: dict[str, float] = json.loads(self.process.stdout.readline())
        return found


@contextmanager
def serving(**settings: Any) -> Iterator[Served]:
    """Start the servers for a world (``world.pages``), with ``latency`` in seconds and ``rate`` a second."""
    command = [sys.executable, "-m", "tests.benchmarks.server", json.dumps(settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ports = json.loads(process.stdout.readline())
        try:
            duo, scim, api = (f"http://127.0.0.1:{ports[name]}" for name in ("duo", "scim", "api"))
            yield Served(duo, f"{scim}/scim", api, process)
        finally:
            process.terminate()


class _Counters:
    def __init__(self, rate: float) -> None:
        self.rate, self.tokens, self.at = rate, rate, time.monotonic()
        self.reset()

    def reset(self) -> None:
        """Begin again; ``writing`` counts what was accepted from the first write on, until ``seconds`` later."""
        self.seen = {"requests": 0, "connections": 0, "refused": 0, "writes": 0, "writing": 0, "seconds": 0.0}
        self.began: float | None = None

    def count(self, method: str) -> None:
        """Count a request that was accepted."""
        now = time.monotonic()
        if method != "GET":
            self.seen["writes"] += 1
            self.began = self.began or now
        if self.began is not None:
            self.seen["writing"] += 1
            self.seen["seconds"] = now - self.began

    def admits(self) -> bool:
        if not self.rate:
            return True
        now = time.monotonic()
        self.tokens = min(self.rate, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            self.seen["refused"] += 1
            return False
        self.tokens -= 1
        return True


class _Connection(asyncio.Protocol):
    def __init__(self, bodies: dict[str, bytes], latency: float, counters: _Counters) -> None:
        self._bodies, self._latency, self._counters = bodies, latency, counters
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._counters.seen["connections"] += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].decode("latin-1")
            lower = head.lower()
            length = 0
            if (at := lower.find("content-length:")) >= 0:
                length = int(lower[at + 15 :].split("\r\n", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            method, target, _ = head.split(" ", 2)
            answer = self._answer(method, target, body)
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._send, answer)
            else:
                self._send(answer)

    def _send(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)

    def _answer(self, method: str, target: str, body: bytes) -> bytes:
        self._counters.seen["requests"] += 1
        if not self._counters.admits():
            return b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
        self._counters.count(method)
        if method == "GET" and "filter=" in target:
            return _ok(200, self._looked_up(target))
        if method == "GET":
            found = self._bodies.get(_key(target))
            if found is None:
                return b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"
            return _ok(200, found)
        if method == "DELETE":
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        if method == "POST" and target in self._bodies:  # the request for a token
            return _ok(200, self._bodies[target])
        if method == "POST":
            made = json.loads(body) | {"id": f"new-{self._counters.seen['requests']}"}
            return _ok(201, json.dumps(made).encode())
        return _ok(200, self._patched(urlsplit(target).path, json.loads(body)))

    def _looked_up(self, target: str) -> bytes:
        """Answer a look-up of a user by userName."""
        name = parse_qs(urlsplit(target).query)["filter"][0].split('"')[1]
        found = self._bodies.get(f"/scim/Users/{account_id(number_of(name))}")
        return b'{"totalResults": %d, "Resources": [%b]}' % (bool(found), found or b"")

    def _patched(self, path: str, patch: dict[str, Any]) -> bytes:
        """Carry out the few kinds of PATCH that a benchmark sends."""
        resource: dict[str, Any] = json.loads(self._bodies.get(path, b"{}"))
        for operation in patch.get("Operations", []):
            place = operation.get("path", "")
            if place == "members" and operation["op"] == "add":
                resource.setdefault("members", []).extend(operation["value"])
            elif place.startswith("members["):
                gone = place.split('"')[1]
                resource["members"] = [one for one in resource.get("members", []) if one["value"] != gone]
            elif place.startswith("name."):
                resource.setdefault("name", {})[place.removeprefix("name.")] = operation["value"]
            else:
                resource[place] = operation.get("value")
        self._bodies[path] = json.dumps(resource).encode()
        return self._bodies[path]


def _key(target: str) -> str:
    parts = urlsplit(target)
    query = parse_qs(parts.query)
    for name in ("startIndex", "offset"):
        if name in query:
            return f"{parts.path}?{name}={query[name][0]}"
    return parts.path


def _ok(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


async def _main(world: Pages, latency: float, rate: float) -> None:
    loop = asyncio.get_running_loop()
    counters = {"duo": _Counters(0), "scim": _Counters(rate), "api": _Counters(0)}
    bodies = {"duo": world.duo, "scim": world.scim, "api": world.api}
    servers = {
        name: await loop.create_server(partial(_Connection, bodies[name], latency, counters[name]), "127.0.0.1", 0)
        for name in counters
    }
    _say({name: server.sockets[0].getsockname()[1] for name, server in servers.items()})
    while await loop.run_in_executor(None, sys.stdin.readline):
        _say({f"{name}_{key}": value for name, one in counters.items() for key, value in one.seen.items()})
        for one in counters.values():
            one.reset()


def _say(document: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    latency, rate = settings.pop("latency", 0.0), settings.pop("rate", 0.0)
    asyncio.run(_main(pages(**settings), latency, rate))
