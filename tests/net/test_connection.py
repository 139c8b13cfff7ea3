"""Authorities, proxies, and what went wrong below HTTP."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import certifi
import pytest
import requests
import urllib3

from ninjasync.config.schema import Config
from ninjasync.errors import ConfigurationError
from ninjasync.net.connection import authorities, network_failure, proxy_for

MakeConfig = Callable[..., Config]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_systems_authorities_are_no_file(make_config: MakeConfig) -> None:
    assert authorities(make_config(), "[duo] ca_file", "system") is None


def test_a_bundle_next_to_the_configuration_is_found(make_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(Path(certifi.where()).read_bytes())
    config = make_config().with_place(tmp_path, None)
    assert authorities(config, "[duo] ca_file", "ca.pem") == tmp_path / "ca.pem"


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_bundle_that_cannot_be_used_is_a_mistake_in_the_configuration(
    make_config: MakeConfig, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    config = make_config().with_place(tmp_path, None)
    with pytest.raises(ConfigurationError, match=r"\[duo\] ca_file: the CA bundle .*ca\.pem cannot be used"):
        authorities(config, "[duo] ca_file", "ca.pem")


PROXY, OTHER = "http://proxy.example:3128", "http://other.example:3128"


@pytest.mark.parametrize(
    ("url", "configured", "environment", "used"),
    [
        ("https://api.example", "", {}, None),
        ("https://api.example", PROXY, {}, PROXY),
        ("https://api.example", "", {"HTTPS_PROXY": OTHER}, OTHER),
        ("https://api.example", PROXY, {"HTTPS_PROXY": OTHER}, PROXY),
        ("https://api.example", "", {"HTTPS_PROXY": OTHER, "NO_PROXY": "api.example"}, None),
        ("https://api.example", "", {"HTTP_PROXY": OTHER}, None),
        ("http://127.0.0.1:8080", PROXY, {"HTTP_PROXY": OTHER}, None),
        ("http://localhost:8080", "", {"HTTP_PROXY": OTHER}, None),
    ],
)
def test_the_configured_proxy_goes_first_then_the_environments_and_none_to_this_machine(
    monkeypatch: pytest.MonkeyPatch, url: str, configured: str, environment: dict[str, str], used: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url, configured) == used


def certificate_failure() -> Exception:
    """As requests raises it: the certificate's error is three levels down."""
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_message = "self-signed certificate"
    outer = urllib3.exceptions.SSLError(cause)
    outer.__context__ = cause
    retried = urllib3.exceptions.MaxRetryError(urllib3.HTTPConnectionPool("x"), "/", outer)
    shown = requests.exceptions.SSLError(retried)
    shown.__context__ = retried
    return shown


def chain(*errors: Exception) -> Exception:
    for outer, inner in pairwise(errors):
        outer.__cause__ = inner
    return errors[0]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (certificate_failure(), "its certificate cannot be verified (self-signed certificate)"),
        (chain(OSError("x"), ConnectionRefusedError(111, "Connection refused")), "nothing listens there"),
        (chain(OSError("x"), ConnectionResetError(104, "reset")), "it reset the connection"),
        (requests.exceptions.ConnectTimeout(), "no connection within the time limit"),
        (requests.exceptions.ReadTimeout(), "no answer within the time limit"),
        (TimeoutError(), "no answer within the time limit"),
        (requests.exceptions.ProxyError("x"), "the proxy did not let the connection through"),
        (requests.exceptions.SSLError("handshake failure"), "the TLS connection failed"),
        (OSError(101, "Network is unreachable"), "the network is unreachable"),
        (http.client.RemoteDisconnected("x"), "it closed the connection without an answer"),
        (http.client.IncompleteRead(b"x"), "the answer was cut short"),
        (ValueError("odd"), "the connection failed (ValueError)"),
    ],
)
def test_what_failed_below_http_is_said_in_a_few_words(error: Exception, said: str) -> None:
    assert said in network_failure(error)


def test_a_reason_that_is_mere_text_ends_the_search() -> None:
    error = ValueError("odd")
    vars(error)["reason"] = "because"
    assert network_failure(error) == "the connection failed (ValueError)"


def test_a_name_that_does_not_resolve_is_said() -> None:
    inner = urllib3.exceptions.NameResolutionError("x.invalid", urllib3.HTTPConnectionPool("x"), OSError("x"))  # type: ignore[arg-type]  # only its name counts
    assert "its name cannot be resolved" in network_failure(chain(OSError("x"), inner))
