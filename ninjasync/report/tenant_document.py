"""A tenant's own JSON document as a fleet's table keeps it: what a page shows of it, compressed.

Pure. A first plan of 500 users is a megabyte of Python's objects, and 11 KB here; a fleet's table
keeps thousands. The page holds the same bytes, which browsers can read, too (zlib, RFC 1950).
"""

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

from ninjasync.report.escape import visible

_KEPT = (
    "tenant",
    "created_at",
    "organizations",
    "source",
    "target",
    "summary",
    "problems",
    "warnings",
    "result",
    "error",
    "checks",
)
_KEPT_OF_CHANGE = ("resource", "action", "key", "privilege", "withheld", "diff", "reasons", "outcome", "error")
_LEFT_OUT: tuple[object, ...] = (None, False, [])
# How JSON in ASCII writes a character that may be hidden or obeyed; but DEL, which it leaves as it is.
_ESCAPE = re.compile(r"\\(?:ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|u[0-9a-f]{4}|.)")
_DEL = "\x7f"


def pack(document: Mapping[str, Any]) -> bytes:
    """Return what a page, a message and the monitor need of a tenant's document."""
    kept = {name: document[name] for name in _KEPT if name in document}
    kept["guards"] = [guard for guard in document.get("guards", ()) if guard["tripped"]]
    kept["changes"] = [
        {name: change[name] for name in _KEPT_OF_CHANGE if change.get(name) not in _LEFT_OUT}
        for change in document.get("changes", ())
    ]
    return pack_text(_to_json(kept))


def unpack(packed: bytes) -> dict[str, Any]:
    """Return the document that was packed."""
    found: dict[str, Any] = json.loads(unpack_text(packed))
    return found


def pack_text(text: str) -> bytes:
    """Return a document that ``unpack_text`` gave, packed again."""
    return zlib.compress(text.encode())


def unpack_text(packed: bytes) -> str:
    """Return the document that was packed as JSON, in ASCII."""
    return zlib.decompress(packed).decode()


def pack_visible(packed: bytes) -> bytes:
    """Return a document fit to be shown: no text in it reorders or hides another."""
    text = unpack_text(packed)
    return pack_text(_to_json(_visible(json.loads(text)))) if _hides(text) else packed


def _hides(text: str) -> bool:
    """Whether some text in a document may have to be changed to be shown: a look at each kind of escape is enough."""
    letters = (json.loads(f'"{escape}"') for escape in set(_ESCAPE.findall(text)))
    return _DEL in text or any(visible(letter) != letter for letter in letters)


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def _visible(value: object) -> object:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {key: _visible(inner) for key, inner in value.items()}
    return [_visible(inner) for inner in value] if isinstance(value, list) else value
