"""Which addresses may stand in a configuration: the services', those to ping, proxies.

Pure: no address is looked up. Every check returns the address as it is used, or raises a
ValueError that says what is allowed.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from ninjasync.model.message import Message
from ninjasync.model.message import text as as_text

_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]*:[0-9a-f:.]*")
_NO_PROXY = "is no URL of a proxy; allowed: http://host:port"


def is_loopback(host: str) -> bool:
    """Whether ``host`` (no port) is this machine's own address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_url(text: str, *, query: bool = False) -> str:
    """Check an http(s) URL that a secret is sent to; return it without a trailing slash."""
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port  # a port that is no number is found when it is asked for
    except ValueError as error:
        raise ValueError(Message("is no URL: {}", as_text(error))) from error
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError("allowed: a URL that starts with https://")
    if not _HOST.fullmatch(host):
        raise ValueError("holds no valid host name")
    if parts.username or parts.password:
        raise ValueError("must hold no user name or password")
    if parts.fragment or (parts.query and not query):
        raise ValueError("must hold no #" if query else "must end with its path, without ? or #")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("plain http is allowed to this machine only (127.0.0.1); use https://")
    return text.strip() if parts.query else text.strip().rstrip("/")


def check_optional_url(text: str) -> str:
    """Check a URL that may be left empty."""
    return check_url(text) if text.strip() else ""


def check_ping_url(text: str) -> str:
    """Check a URL that may be left empty, and may have a query."""
    return check_url(text, query=True) if text.strip() else ""


def check_duo_host(text: str) -> str:
    """Check the host name that Duo's console shows; return the URL."""
    bare = text.strip()
    url = check_url(bare if "://" in bare else f"https://{bare}")
    if urlsplit(url).path:
        raise ValueError("is a host name without a path, as Duo's console shows it")
    return url


def check_proxy(text: str) -> str:
    """Check a proxy's URL; ``host:port`` means http. No error repeats the text, which may hold a password."""
    bare = text.strip()
    url = bare if "://" in bare else f"http://{bare}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(_NO_PROXY) from None
    if parts.scheme not in ("http", "https"):
        raise ValueError(
            Message("a proxy that speaks {} cannot be used; allowed: http://host:port", as_text(parts.scheme))
        )
    if not host or not _HOST.fullmatch(host) or port == 0:
        raise ValueError(_NO_PROXY)
    return url


def check_optional_proxy(text: str) -> str:
    """Check a proxy's URL that may be left empty."""
    return check_proxy(text) if text.strip() else ""


def check_path(text: str) -> str:
    """Check the path of a URL."""
    if not re.fullmatch(r"/[A-Za-z0-9/._-]*[A-Za-z0-9]", text.strip()):
        raise ValueError('allowed: a path such as "/ws/oauth/token"')
    return text.strip()
