"""What both services' clients share of TLS, proxies and telling a network failure.

Knows how a configuration's ``ca_file`` and ``proxy`` and the environment become
something that HTTP libraries take; knows neither service.
"""

import json
import os
import re
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import Message as MailHeader
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec.json
import requests.utils

from ninjasync.config.schema import Config
from ninjasync.config.urls import check_proxy, is_loopback
from ninjasync.errors import ConfigurationError, UnreachableError
from ninjasync.model.message import Message, word
from ninjasync.model.message import text as as_text

SYSTEM = "system"


def authorities(config: Config, key: str, ca_file: str) -> Path | None:
    """Return the CA bundle that ``ca_file`` names; None for the system's own.

    Raises ConfigurationError, naming ``key`` or a variable, where the bundle cannot be used.
    """
    if ca_file == SYSTEM:
        # OpenSSL reads this one, and says nothing where it cannot.
        if given := os.environ.get("SSL_CERT_FILE"):
            _expect_bundle(f"SSL_CERT_FILE (by {key} = {SYSTEM!r})", Path(given))
        return None
    path = config.file(ca_file)
    _expect_bundle(key, path)
    return path


def environment_authorities() -> Path | None:
    """Return the CA bundle that the environment names, as ``requests`` and curl take it; a folder may do, too.

    Raises ConfigurationError, naming the variable, where it cannot be used.
    """
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if given := os.environ.get(name):
            path = Path(given)
            if not (path.is_dir() and any(_HASHED.fullmatch(one.name) for one in path.iterdir())):
                _expect_bundle(f"The variable {name}", path)
            return path
    return None


# How OpenSSL finds a certificate in a folder: by the name that c_rehash gives it.
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")


def _expect_bundle(named_by: str, path: Path) -> None:
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        ssl.create_default_context(cafile=str(path))
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigurationError(
            Message("{}: the CA bundle {} cannot be used: {}.", word(named_by), as_text(path), as_text(why)),
            'Give a file of PEM certificates, or "system".'
            if named_by.startswith("[")
            else "Give the variable a file of PEM certificates, or take it out of the environment.",
        ) from error


def proxy_for(url: str, configured: str) -> str | None:
    """Return the proxy for ``url``: the configured one, else HTTPS_PROXY or ALL_PROXY and NO_PROXY; none to loopback.

    ``host:port`` means http. Raises ConfigurationError, naming the variable, where it cannot be used.
    """
    parts = urlsplit(url)
    if is_loopback(parts.hostname or ""):
        return None
    if configured:
        return configured
    found = requests.utils.get_environ_proxies(url)
    for scheme in (parts.scheme, "all"):
        if given := found.get(scheme, "").strip():
            return _usable(scheme, given)
    return None


def _usable(scheme: str, given: str) -> str:
    try:
        return check_proxy(given)
    except ValueError as error:
        names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY")
        name = next((one for one in names if os.environ.get(one)), "")
        raise ConfigurationError(
            Message(
                "{}: {}.",
                as_text(f"The variable {name}" if name else "The proxy in the settings of this system"),
                as_text(error),
            ),
            Message(
                "Set {} to http://host:port of the proxy, or give [duo] proxy and [ninjaone] proxy.",
                as_text(name or names[1]),
            ),
        ) from None


_parse = msgspec.json.Decoder().decode


def parse_json(data: bytes, parse: Callable[[bytes], Any] = _parse) -> Any:
    """Return what ``data`` says. Raises ValueError, or RecursionError, where it is no JSON.

    msgspec's parser takes half the time of Python's; what it does not take (half a surrogate
    pair, say, or another shape than ``parse`` is made for) Python's may.
    """
    try:
        return parse(data)
    except ValueError:
        return json.loads(data)


# JSON says by itself which of these it is in (RFC 8259 §8.1 and before it RFC 4627 §3).
_UNICODE = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii", "utf-16", "utf-16le", "utf-16be", "utf-32"})
# Text in these that happens to be valid UTF-8 is UTF-8 with a wrong label, as servers' defaults put it on.
_OFTEN_A_DEFAULT = frozenset({"iso-8859-1", "latin1", "iso-8859-15", "windows-1252", "cp1252"})


def as_utf8(data: bytes, content_type: str | None, whose: str) -> bytes:
    """Return the JSON ``data`` as UTF-8, read by its byte order mark or by the charset that ``content_type`` names.

    Raises UnreachableError, naming the charset, where it cannot be read by that.
    """
    charset = _charset(content_type)
    try:
        if charset in _UNICODE or (charset in _OFTEN_A_DEFAULT and _is_utf8(data)):
            found = json.detect_encoding(data)
            return data if found == "utf-8" else data.decode(found).encode()
        return data.decode(charset).encode()
    except LookupError:
        raise _unreadable(whose, f'in the charset "{charset}", which is not known here') from None
    except ValueError:
        raise in_no_charset(whose, charset) from None


@lru_cache(maxsize=16)
def _charset(content_type: str | None) -> str:
    header = MailHeader()
    header["Content-Type"] = content_type or ""
    charset = header.get_param("charset", "")
    return charset.strip().lower() if isinstance(charset, str) else ""


def require_utf8(data: bytes) -> bytes:
    """Return ``data``. Raises UnicodeDecodeError where it is not UTF-8, which msgspec does not see in what it skips."""
    if not data.isascii():
        data.decode()
    return data


def _is_utf8(data: bytes) -> bool:
    try:
        require_utf8(data)
    except ValueError:
        return False
    return True


def in_no_charset(whose: str, charset: str = "") -> UnreachableError:
    """Return the error for text that is not in the charset that it says it is in; else JSON is in UTF-8."""
    named = f'in the charset "{charset}"' if charset else "in UTF-8, as JSON without another charset is"
    return _unreadable(whose, f"with bytes that are not {named}")


def _unreadable(whose: str, how: str) -> UnreachableError:
    return UnreachableError(
        Message("{} answered {}.", word(whose), as_text(how)),
        "Ask its operator, or that of the proxy before it, for UTF-8, as JSON wants it.",
    )


@lru_cache(maxsize=16)  # a service says the same second in many answers, and it takes 10 µs to read
def stated_time(date: str | None) -> datetime | None:
    """Return the server's own time, as a Date header tells it; None where it tells none."""
    try:
        stated = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return stated if stated.tzinfo else stated.replace(tzinfo=UTC)


def certificate_hint(error: BaseException, section: str) -> str:
    """Return what to do where a certificate could not be verified; empty where that was not what failed."""
    if not any(isinstance(one, ssl.SSLCertVerificationError) for one in _causes(error)):
        return ""
    return (
        f"If a proxy or firewall here inspects TLS, give its certificate authority by [{section}] ca_file (a PEM file, "
        'or "system"); else the connection may be intercepted.'
    )


def network_failure(error: BaseException) -> str:
    """Say in a few words what went wrong below HTTP."""
    causes = list(_causes(error))
    for cause in causes:  # the innermost, within an SSLError or two
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate cannot be verified ({cause.verify_message})"
    for cause in causes:
        text = type(cause).__name__ + str(cause)
        for mark, words in _FAILURES:
            if mark in text:
                return words
    return f"the connection failed ({type(error).__name__})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came from, the libraries' own wrapping included."""
    seen: object = error
    while isinstance(seen, BaseException):
        yield seen
        seen = getattr(seen, "reason", None) or seen.__cause__ or seen.__context__


_FAILURES = (
    ("ProxyError", "the proxy did not let the connection through"),
    ("InvalidSchema", "the proxy that the environment names cannot be used"),
    ("InvalidProxyURL", "the proxy that the environment names cannot be used"),
    ("NameResolution", "its name cannot be resolved"),
    ("Connection refused", "nothing listens there (connection refused)"),
    ("ConnectTimeout", "no connection within the time limit"),
    ("ReadTimeout", "no answer within the time limit"),
    ("TimeoutError", "no answer within the time limit"),
    ("SSLError", "the TLS connection failed"),
    ("Network is unreachable", "the network is unreachable"),
    ("RemoteDisconnected", "it closed the connection without an answer"),
    ("ConnectionResetError", "it reset the connection"),
    ("IncompleteRead", "the answer was cut short"),
)
