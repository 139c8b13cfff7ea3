"""A relay before PostgreSQL that can do what a network and a pooler do: another backend's number, delay, silence."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

_LONGEST = 65_536


class Relay:
    """Listens on loopback and passes every byte on to a server's socket, from ``start`` to ``stop``.

    ``meddle`` may change what the server says; ``delay`` seconds go by before anything is passed on, in each direction.
    """

    def __init__(self, server: Path, meddle: Callable[[bytes], bytes] = lambda data: data, delay: float = 0.0) -> None:
        self._server, self._meddle, self._delay = server, meddle, delay
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        self.cut()

    def cut(self) -> None:
        """End every connection."""
        for one in self._open:
            shut(one)
            one.close()
        self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._server))
            self._open += [client, server]
            for source, target, change in ((client, server, None), (server, client, self._meddle)):
                threading.Thread(target=self._pass, args=(source, target, change), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes] | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_LONGEST):
                if self._delay:
                    time.sleep(self._delay)
                target.sendall(change(data) if change else data)
        shut(source)
        shut(target)


def shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def with_another_pid(data: bytes) -> bytes:
    """Change the backend's number in the server's greeting, as a pooler does: BackendKeyData is K, 12, pid, key."""
    at = data.find(b"K\x00\x00\x00\x0c")
    return data if at < 0 else data[: at + 5] + (4_194_000).to_bytes(4, "big") + data[at + 9 :]
