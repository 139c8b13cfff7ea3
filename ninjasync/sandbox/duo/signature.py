"""Who signed a request to the Duo Admin API, and whether rightly.

Knows signature versions 2 and 5 as the Duo Admin API documents them ("Authentication"). Must not
know endpoints or users; written from the description alone, so that it checks any client's code.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, quote

from ninjasync.sandbox.exchange import HttpRequest

MAX_SKEW_SECONDS = 300
_FORM_METHODS = ("POST", "PUT", "PATCH")
_DIGEST_BY_LENGTH = {128: "sha512", 40: "sha1"}  # length of the hex signature; version 2 allows both


class Unauthorized(Exception):
    """The request is refused with that Duo error code (HTTP status 401)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def require_signature(request: HttpRequest, integration_key: str, secret_key: str, *, now: datetime) -> None:
    """Raise Unauthorized unless the holder of the keys signed this very request about now.

    The host may have been signed with or without its port: official clients differ in that.
    """
    key, signature = _credentials(request.headers.get("authorization", ""))
    if not hmac.compare_digest(key.encode(), integration_key.encode()):
        raise Unauthorized(40102, "Invalid integration key in request credentials")
    date = request.headers.get("x-duo-date") or request.headers.get("date") or ""
    _require_fresh(date, now)
    digest = _DIGEST_BY_LENGTH.get(len(signature))
    expected = [
        hmac.new(secret_key.encode(), canonical.encode("utf-8", "surrogateescape"), digest).hexdigest()
        for canonical in _canonical_forms(request, date)
        if digest is not None
    ]
    if not any(hmac.compare_digest(each.encode(), signature.encode()) for each in expected):
        raise Unauthorized(40103, "Invalid signature in request credentials")


def _credentials(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise Unauthorized(40101, "Missing request credentials")
    try:
        key, colon, signature = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        key, colon, signature = "", "", ""
    if not colon:
        raise Unauthorized(40101, "Missing request credentials")
    return key, signature


def _require_fresh(date: str, now: datetime) -> None:
    try:
        signed_at = parsedate_to_datetime(date)
    except ValueError:
        raise Unauthorized(40104, "Missing or bad date in request") from None
    if signed_at.tzinfo is None:
        signed_at = signed_at.replace(tzinfo=UTC)
    if abs((now - signed_at).total_seconds()) > MAX_SKEW_SECONDS:
        raise Unauthorized(40105, "Bad request timestamp")


def _canonical_forms(request: HttpRequest, date: str) -> Iterator[str]:
    """Every text whose signature is accepted: version 2 and 5, host with and without port."""
    host = request.host.lower()
    body = request.body.decode("utf-8", "surrogateescape")
    in_body = request.method in _FORM_METHODS
    query = _canonical_params(request.query)
    form = _canonical_params(body) if in_body else query
    body_hash = hashlib.sha512(request.body).hexdigest()
    for name in dict.fromkeys((host.rpartition(":")[0] or host, host)):
        lines = [date, request.method, name, request.path]
        yield "\n".join([*lines, form])
        yield "\n".join([*lines, "" if in_body else query, body_hash, _header_hash(request)])


def _canonical_params(encoded: str) -> str:
    """Pairs in order of their encoded names, then values; all but letters, digits and ``_.~-`` encoded."""
    pairs = parse_qsl(encoded, keep_blank_values=True, errors="surrogateescape")
    quoted = sorted(
        (quote(name, safe="~", errors="surrogateescape"), quote(value, safe="~", errors="surrogateescape"))
        for name, value in pairs
    )
    return "&".join(f"{name}={value}" for name, value in quoted)


def _header_hash(request: HttpRequest) -> str:
    signed = sorted((n, v) for n, v in request.headers.items() if n.startswith("x-duo-") and n != "x-duo-date")
    return hashlib.sha512("\0".join(part for pair in signed for part in pair).encode()).hexdigest()
