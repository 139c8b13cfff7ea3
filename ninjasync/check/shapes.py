"""What two services' answers look like, without anything that they say (CONTRACT 7.8).

Pure. Takes exchanges and sums them up: field names, types, how often a field is absent,
null, empty or full, the words of closed sets, counts, page sizes, statuses, and whether a
value that was sent came back the same. A value of any other field, a name, an address, a
host, an id or a key goes in, is compared, and never comes out.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ninjasync.check.shape_values import Shape, type_of
from ninjasync.check.shape_words import (
    ATTRIBUTES,
    CHARSETS,
    DIRECTORIES,
    DUO_PLACES,
    FEATURES,
    HEADERS,
    KNOWN_FIELDS,
    LIMIT_HEADER,
    MEDIA_TYPES,
    NUMBER,
    PARAMETERS,
    PLACES,
    WORDS,
)
from ninjasync.model.exchange import Exchange, Service

FORMAT_VERSION = "1.0"
ABOUT = (
    "What the answers of Duo and NinjaOne look like: field names, types, counts, statuses, timings. "
    "No value of a field, no name, address, host, id or key is in it."
)

# So many pages of a list are written out at most.
_MOST_LISTS = 40


@dataclass(slots=True)
class _Request:
    """All exchanges of one kind, by method, place and parameters."""

    statuses: Counter[str] = field(default_factory=Counter)
    bodies: Counter[str] = field(default_factory=Counter)
    media_types: Counter[str] = field(default_factory=Counter)
    headers: Counter[str] = field(default_factory=Counter)
    limits: dict[str, Counter[str]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    shape: dict[str, Shape] = field(default_factory=dict)
    lists: list[dict[str, Any]] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)
    kept: dict[str, Counter[str]] = field(default_factory=dict)
    names: Counter[str] = field(default_factory=Counter)

    def document(self) -> dict[str, Any]:
        """Return this as JSON; what was never seen is left out."""
        waits = sorted(self.seconds)
        found: dict[str, Any] = {
            "answers": dict(sorted(self.statuses.items())),
            "bodies": dict(sorted(self.bodies.items())),
            "media_types": dict(sorted(self.media_types.items())),
            "headers": dict(sorted(self.headers.items())),
            "limits": {name: dict(sorted(values.items())) for name, values in sorted(self.limits.items())},
            "seconds": {"median": round(waits[len(waits) // 2], 2), "most": round(waits[-1], 2)},
            "lists": self.lists,
            "hits": dict(sorted(self.hits.items())),
            "kept": {name: dict(sorted(how.items())) for name, how in sorted(self.kept.items())},
            "names": dict(sorted(self.names.items())),
            "body": {name: shape.document(shape.seen) for name, shape in sorted(self.shape.items())},
        }
        return {name: value for name, value in found.items() if value}


class Shapes:
    """Hears exchanges and sums them up. ``named`` are the keys of custom attributes that the configuration names."""

    def __init__(self, named: Iterable[str] = ()) -> None:
        self._named = frozenset(named)
        self._requests: dict[tuple[Service, str], _Request] = {}
        # What was sent last, and which ids were shown: compared with what comes, and never written out.
        self._sent: dict[str, dict[str, Any]] = {}
        self._ids: set[str] = set()
        self._rows: dict[str, set[str]] = {}

    def hear(self, exchange: Exchange) -> None:
        """Take one exchange into account."""
        key = (exchange.service, _kind_of(exchange))
        request = self._requests.setdefault(key, _Request())
        body, kind = _body_of(exchange)
        request.statuses[str(exchange.status)] += 1
        request.bodies[kind] += 1
        request.media_types[_media_type(exchange.headers)] += 1
        request.seconds.append(exchange.seconds)
        self._take_headers(request, exchange.headers)
        if isinstance(body, dict | list):
            name = "answer" if exchange.status < 300 else "error"
            request.shape.setdefault(name, Shape()).take(body, "", self._named)
        if isinstance(body, dict) and exchange.status < 300:
            self._take_list(request, exchange, body)
        if exchange.service == "Duo" and isinstance(body, dict):
            request.names.update(_name_kinds(body))
        if exchange.service == "NinjaOne":
            self._compare(request, exchange, body)

    def document(self) -> dict[str, Any]:
        """Return everything, by service and kind of request."""
        found: dict[str, Any] = {}
        for (service, kind), request in sorted(self._requests.items()):
            found.setdefault(service, {})[kind] = request.document()
        return found

    @staticmethod
    def _take_headers(request: _Request, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            folded = name.lower()
            if LIMIT_HEADER.fullmatch(folded):
                shown = value if NUMBER.fullmatch(value.strip()) else "(no number)"
                request.limits.setdefault(folded, Counter())[shown] += 1
            else:
                request.headers[folded if folded in HEADERS else "(another)"] += 1

    def _take_list(self, request: _Request, exchange: Exchange, body: Mapping[str, Any]) -> None:
        """Put down how a page relates to what was asked for and to the pages before it."""
        rows = body.get("Resources", body.get("resources", body.get("response")))
        if not isinstance(rows, list):
            if "totalResults" not in body:
                return
            rows = []
        ids = {str(row.get("id", row.get("user_id", row.get("group_id")))) for row in rows if isinstance(row, dict)}
        if "filter" in exchange.params:
            request.hits["none" if not rows else "one" if len(rows) == 1 else "more"] += 1
            return
        before = self._rows.setdefault(exchange.path, set())
        metadata = body.get("metadata")
        totals = metadata if isinstance(metadata, dict) else body
        page: dict[str, Any] = {
            name: value for name, value in exchange.params.items() if name in PARAMETERS and NUMBER.fullmatch(value)
        }
        page |= {"came": len(rows), "seen_before": len(ids & before)}
        page |= {name: totals[name] for name in sorted(FEATURES & totals.keys()) if _is_count(totals[name])}
        if len(request.lists) < _MOST_LISTS:
            request.lists.append(page)
        before |= ids

    def _compare(self, request: _Request, exchange: Exchange, body: Any) -> None:
        """Compare what an answer shows with what was sent of that resource, attribute by attribute."""
        place = exchange.path.strip("/").partition("/")[0]
        id_ = exchange.path.rpartition("/")[2] if exchange.path.strip("/").count("/") else ""
        sent = _values_sent(exchange)
        if exchange.status < 300 and isinstance(body, dict) and isinstance(body.get("id"), str | int):
            id_ = str(body["id"])
        if sent and exchange.status < 300:
            self._sent.setdefault(f"{place}/{id_}", {}).update(sent)
        known = self._sent.get(f"{place}/{id_}")
        if known and isinstance(body, dict) and exchange.status < 300:
            shown = dict(_flat(body))
            for name, value in known.items():
                request.kept.setdefault(_public(name), Counter())[_how_kept(value, shown.get(name, _ABSENT))] += 1
        for row in _rows_of(body):
            self._note_row(request, row)

    def _note_row(self, request: _Request, row: Mapping[str, Any]) -> None:
        """Put down how a group's members name the users that were shown before."""
        if isinstance(id_ := row.get("id"), str | int):
            self._ids.add(str(id_))
        members = row.get("members")
        for member in members if isinstance(members, list) else ():
            value = member.get("value") if isinstance(member, dict) else member
            how = request.kept.setdefault("members", Counter())
            if value is None:
                how["without a value"] += 1
            elif str(value) in self._ids:
                how["a known id"] += 1
            elif str(value).lower() in {one.lower() for one in self._ids}:
                how["a known id in another case"] += 1
            else:
                how["another id"] += 1


_ABSENT = object()


def _kind_of(exchange: Exchange) -> str:
    """Return the kind of a request: method, place without ids, names of parameters, what a filter asks for."""
    parts = [part for part in exchange.path.split("/") if part]
    if exchange.service == "NinjaOne":
        shown = [part if number == 0 and part in PLACES else "{id}" for number, part in enumerate(parts)]
    else:
        shown = [part if part in DUO_PLACES else "{id}" for part in parts]
    asked = [name for name in sorted(exchange.params) if name in PARAMETERS]
    if "filter" in exchange.params:
        asked.append(f"filter: {_filter_kind(exchange.params['filter'])}")
    behind = f" ({', '.join(asked)})" if asked else ""
    patched = f" [{', '.join(sorted(_patched(exchange.sent)))}]" if exchange.method in ("PATCH", "PUT", "POST") else ""
    return f"{exchange.method} /{'/'.join(shown)}{behind}{patched}"


def _filter_kind(text: str) -> str:
    """Return a filter without its values: attribute and operator of each part."""
    found = re.findall(r"([A-Za-z]+) (eq|pr|co|sw|ne)\b", re.sub(r'"(?:[^"\\]|\\.)*"', '""', text))
    kind = " and ".join(f"{name if name in ATTRIBUTES else '(another)'} {operator}" for name, operator in found)
    # Of our own making: an address that no one has (RFC 2606), and a name in capitals.
    values = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    if any(".invalid" in value for value in values):
        return f"{kind} for no one"
    return f"{kind} in capitals" if values and all(value.isupper() for value in values) else kind


def _patched(sent: Any) -> set[str]:
    """Return what a write changes: operation and attribute of each, in the spelling that was sent."""
    if not isinstance(sent, dict):
        return set()
    operations = sent.get("Operations")
    if not isinstance(operations, list):
        return {_public(name) for name, _ in _flat(sent) if name not in ("schemas", "id")}
    found = set()
    for operation in operations:
        op, path = str(operation.get("op", "")), str(operation.get("path", ""))
        shown = "members[value eq]" if path.startswith("members[") else _public(path) if path else "without a path"
        found.add(f"{op if op in WORDS['op'] else '(another)'} {shown}")
    return found


def _public(path: str) -> str:
    """Return an attribute's path where all its names are known ones."""
    urn, _, names = path.rpartition(":")
    known = all(name in KNOWN_FIELDS for name in names.split(".")) and (not urn or urn in WORDS["schemas"])
    return path if known else "(another)"


def _body_of(exchange: Exchange) -> tuple[Any, str]:
    """Return the JSON body, or None, and what kind of body it is."""
    text = exchange.content.strip()
    if not text:
        return None, "none"
    if text.startswith(b"\xef\xbb\xbf"):
        return None, "with a byte order mark"
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        if text[:1] in b"{[":
            return None, "JSON in another charset, or broken"
        return None, "HTML" if b"<html" in text[:2000].lower() or text[:1] == b"<" else "text"
    if isinstance(body, dict) and exchange.status < 300 and ("Resources" in body or "totalResults" in body):
        return body, "a list"
    return body, f"a JSON {type_of(body)}"


# How Duo marks a group that comes from a directory.
_SYNC = re.compile(r"\(from (.+) sync \".*\"\)$")


def _name_kinds(body: Mapping[str, Any]) -> Iterable[str]:
    """Yield of what kind the names in Duo's records are: which suffix a group has, which names a user has."""
    rows = body.get("response")
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            continue
        if "group_id" in row:
            name = str(row.get("name"))
            if found := _SYNC.search(name):
                directory = found[1] if found[1] in DIRECTORIES else "another directory"
                yield f"group from {directory} sync"
            else:
                yield "group formerly from a sync" if "(formerly from" in name else "group of Duo's own"
        elif "user_id" in row:
            words = len(str(row.get("realname") or "").split())
            parts = [part for part in ("firstname", "lastname", "email") if row.get(part)]
            yield f"user with {', '.join(parts) or 'neither name nor address'}; realname of {min(words, 3)} words"
            if "@" in str(row.get("username")):
                yield "username that is an address"


def _media_type(headers: Mapping[str, str]) -> str:
    stated = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    media_type, _, rest = stated.lower().partition(";")
    charset = rest.partition("charset=")[2].strip(' "').partition(";")[0]
    shown = media_type.strip() if media_type.strip() in MEDIA_TYPES else "(another)"
    return f"{shown or 'none'}; {charset if charset in CHARSETS else '(another)'}" if charset else shown or "none"


def _is_count(value: Any) -> bool:
    return value is None or isinstance(value, int) or (isinstance(value, str) and bool(NUMBER.fullmatch(value)))


def _rows_of(body: Any) -> list[Mapping[str, Any]]:
    if not isinstance(body, dict):
        return []
    rows = body.get("Resources", [body])
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _flat(body: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    """Yield each simple value with its path, an extension's behind its URN, as a PATCH names it."""
    for key, value in body.items():
        path = f"{before}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{path}:" if key.startswith("urn:") else f"{path}.")
        elif not isinstance(value, list):
            yield path, value


def _values_sent(exchange: Exchange) -> dict[str, Any]:
    """Return the simple values that a write sets, by path."""
    if not isinstance(exchange.sent, dict) or exchange.method not in ("POST", "PUT", "PATCH"):
        return {}
    operations = exchange.sent.get("Operations")
    if not isinstance(operations, list):
        return dict(_flat(exchange.sent))
    pairs = ((str(one.get("path", "")), one.get("value")) for one in operations if isinstance(one, dict))
    return {path: value for path, value in pairs if path and not isinstance(value, dict | list)}


def _how_kept(sent: Any, shown: Any) -> str:
    if shown is _ABSENT:
        return "absent"
    if shown == sent and type(shown) is type(sent):
        return "same"
    if shown is None:
        return "null"
    one, other = str(shown), str(sent)
    if one == other:
        return "same, in another type"
    if one.lower() == other.lower():
        return "same, in another case" if type(shown) is type(sent) else "same, in another type"
    if one.split() == other.split():
        return "same, but for blanks"
    return "another value"
