"""TLS to a real server: it must prove who it is, unless the URL says otherwise."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

from ninjasync.errors import LedgerNotWritableError
from ninjasync.state.postgres import PostgresStore
from ninjasync.state.postgres_address import read_address
from tests.support.private_server import BINARIES, PrivateServer

pytestmark = pytest.mark.skipif(BINARIES is None, reason="needs PostgreSQL's server (Debian: postgresql)")

AT = datetime(2027, 3, 1, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def port(authority: trustme.CA) -> Iterator[int]:
    """The port of a server that calls itself db.example.com, and speaks TLS if it is asked to."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    server = PrivateServer()
    try:
        server.stop("fast")
        server.add_certificate(authority.issue_cert("db.example.com"))
        server.start(f"-c listen_addresses=127.0.0.1 -p {number} -c ssl=on")
        yield number
    finally:
        server.remove()


def open_ledger(port: int, host: str, more: str = "") -> None:
    url = f"postgresql://owner@{host}:{port}/queue?hostaddr=127.0.0.1{more}"
    PostgresStore(read_address(SecretStr(url))).open(AT).close()


@pytest.fixture
def authorities(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(path)
    return path


def test_a_server_that_proves_who_it_is_is_taken_by_the_systems_authorities_or_the_urls(
    port: int, authorities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ledger(port, "db.example.com", f"&sslrootcert={authorities}")
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    open_ledger(port, "db.example.com")


def test_a_server_that_does_not_is_refused_and_the_url_alone_can_change_that(
    port: int, authorities: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(LedgerNotWritableError, match=r"cannot be reached: .*(?i:certificate)"):
        open_ledger(port, "db.example.com")
    with pytest.raises(LedgerNotWritableError, match=r"cannot be reached: .*(?i:certificate)"):
        open_ledger(port, "other.example.com", f"&sslrootcert={authorities}")
    assert not caplog.records
    open_ledger(port, "other.example.com", "&sslmode=require")
    assert "sslmode=require" in caplog.text
