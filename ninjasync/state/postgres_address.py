"""Where a ledger in PostgreSQL is, out of its URL: how it is reached, what it is called, how far TLS goes.

A URL may hold a password, so that neither it nor what a library says of it gets into any message. Knows libpq's
parameters; connects to nothing.
"""

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from ninjasync.config.urls import is_loopback
from ninjasync.errors import ConfigurationError
from ninjasync.model.message import Message, text, word

# Seconds. A network that swallows everything is noticed by both ends within ``DEAF``.
KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVES = 10, 5, 3
DEAF = KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVES

_KEY = "[state] url"
_HOST = re.compile(r"[A-Za-z0-9_.-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
# Debian's and Alpine's, Red Hat's, openSUSE's, macOS's and the BSDs'.
_AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_SHAPE = (
    "Write postgresql://USER:PASSWORD@HOST:5432/DATABASE; in a password : / ? # [ ] @ % are written as %3A %2F %3F %23 "
    "%5B %5D %40 %25."
)


@dataclass(frozen=True, slots=True)
class Address:
    """How a server is reached, by libpq's ``parameters``, and what it is called, without any secret.

    ``unverified`` says how far TLS goes where the server need not prove who it is; else it is empty.
    """

    parameters: Mapping[str, Any] = field(repr=False)
    place: str
    unverified: str


def read_address(url: SecretStr, key: str = _KEY) -> Address:
    """Return what a URL says. Raises ConfigurationError, which names ``key`` and shows none of it."""
    whole = url.get_secret_value()
    try:
        given = {key: str(value) for key, value in conninfo_to_dict(whole).items()}
    except ProgrammingError:
        given = {}
    if not whole.startswith(("postgresql://", "postgres://")) or not _is_plain(given):
        raise ConfigurationError(Message("{}: is no URL of a PostgreSQL database.", word(key)), _SHAPE)
    return Address(_parameters(given), _place(given), "" if is_local(given) else _unverified(given, key))


def is_local(given: Mapping[str, str]) -> bool:
    """Whether a server is reached by a socket or by this machine's own address, so that no network is between."""
    if given.get("service", os.environ.get("PGSERVICE")):
        return False  # a file says which host that is
    hosts = given.get("host", os.environ.get("PGHOST", ""))
    addresses = given.get("hostaddr", os.environ.get("PGHOSTADDR", ""))
    named = all(not host or host[0] in "/@" or is_loopback(host) for host in hosts.split(","))
    return named and all(not one or is_loopback(one) for one in addresses.split(","))


def _is_plain(given: Mapping[str, str]) -> bool:
    """Whether each part is what it seems: else a password with an @ or a / might be shown as a host or a database."""
    hosts, ports = given.get("host", "").split(","), given.get("port", "").split(",")
    return (
        bool(given)
        and all(not host or host[0] in "/@" or _HOST.fullmatch(host) for host in hosts)
        and all(not port or (port.isascii() and port.isdigit()) for port in ports)
        and not set("@/:?#") & set(given.get("dbname", ""))
    )


def _place(given: Mapping[str, str]) -> str:
    hosts, ports = given.get("host", "").split(","), given.get("port", "").split(",")
    database = given.get("dbname", "")
    if hosts[0][:1] in ("", "/", "@"):
        return f"postgresql:///{database}" + (f"?host={','.join(hosts)}" if hosts != [""] else "")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    pairs = (f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=False))
    return f"postgresql://{','.join(pairs)}/{database}"


def _parameters(given: Mapping[str, str]) -> dict[str, Any]:
    """Lay what the URL says over what holds without a word."""
    made: dict[str, Any] = {
        "connect_timeout": 10,
        "keepalives_idle": KEEPALIVE_IDLE,
        "keepalives_interval": KEEPALIVE_INTERVAL,
        "keepalives_count": KEEPALIVES,
        "tcp_user_timeout": DEAF * 1000,
        "client_encoding": "UTF8",
    }
    if "," in given.get("host", ""):
        made["target_session_attrs"] = "read-write"  # of several servers the one that can be written to
    if not is_local(given):
        made["sslmode"] = "verify-full"
        if given.get("sslmode", "verify-full") == "verify-full" and not _names_authorities(given):
            made["sslrootcert"] = _find_authorities()
    return {**made, **given}


def _names_authorities(given: Mapping[str, str]) -> bool:
    """Whether libpq is told elsewhere which authorities to trust."""
    if "sslrootcert" in given or os.environ.get("PGSSLROOTCERT"):
        return True
    try:
        return (Path.home() / ".postgresql" / "root.crt").exists()
    except (OSError, RuntimeError):
        return False


def _find_authorities() -> str:
    """Return the system's file of authorities: the libpq that comes with psycopg looks for its own where none are."""
    found = ssl.get_default_verify_paths().cafile
    return next((one for one in (found, *_AUTHORITIES) if one and Path(one).is_file()), "system")


def _unverified(given: Mapping[str, str], key: str) -> str:
    mode = given.get("sslmode", "verify-full")
    if mode in ("prefer", "allow"):
        raise ConfigurationError(
            Message("{}: sslmode={} leaves open whether anything is encrypted.", word(key), text(mode)),
            "Leave it out, which is verify-full; or say what is meant, as sslmode=disable in a network that is safe.",
        )
    return "" if mode == "verify-full" else mode
