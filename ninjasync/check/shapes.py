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

from ninjasync.model.exchange import Exchange, Service

FORMAT_VERSION = "1.0"
ABOUT = (
    "What the answers of Duo and NinjaOne look like: field names, types, counts, statuses, timings. "
    "No value of a field, no name, address, host, id or key is in it."
)


# --- what may be written out -----------------------------------------------------------------


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split("|"))


# Fields whose values are words of a closed set; any other word is counted, never written.
_WORDS: Mapping[str, frozenset[str]] = {
    "status": _words("active|bypass|disabled|locked out|pending deletion|Active|Bypass|Disabled"),
    "userType": _words("technician|Technician|TECHNICIAN|endUser|EndUser|enduser|END_USER"),
    "organizationId": _words("All|all|ALL"),
    "active": _words("true|false|True|False|TRUE|FALSE"),
    "resourceType": _words("User|Group|ResourceType|Schema|ServiceProviderConfig"),
    "type": _words("User|Group|user|group|work|home|direct|indirect"),
    "op": _words("add|remove|replace|Add|Remove|Replace"),
    "stat": _words("OK|FAIL"),
    "scimType": _words(
        "invalidFilter|tooMany|uniqueness|mutability|invalidSyntax|invalidPath|noTarget|invalidValue|invalidVers|"
        "sensitive"
    ),
    "schemas": frozenset(
        (
            *(f"urn:ietf:params:scim:schemas:core:2.0:{name}" for name in ("User", "Group", "ResourceType", "Schema")),
            "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            "urn:ietf:params:scim:schemas:extension:ninjaone:2.0:User",
            *(f"urn:ietf:params:scim:api:messages:2.0:{name}" for name in ("ListResponse", "PatchOp", "Error")),
        )
    ),
}
# Booleans and numbers that say what a service can do; all other numbers may be ids or dates.
_FEATURES = _words(
    "supported|maxResults|maxOperations|maxPayloadSize|totalResults|itemsPerPage|startIndex|total_objects|"
    "next_offset|prev_offset|active|multiValued|required|caseExact|code"
)
# Objects whose keys are data: only the keys that the configuration itself names are written.
_OPEN_OBJECTS = frozenset({"custom_attributes", "aliases"})
# What Duo's and SCIM's documents name. Another field is named where at least half of the records have it:
# then it is a field of the service, and not what one record holds.
_KNOWN_FIELDS = _words(
    "Resources|active|alias1|alias2|alias3|alias4|aliases|attributes|created|custom_attributes|date_of_birth|"
    "desc|description|desktop_authenticators|desktoptokens|detail|directory_key|displayName|email|emails|"
    "enable_auto_prompt|endpoint|entra_federated_user_id|externalId|external_id|familyName|firstname|"
    "formatted|givenName|group_id|groups|has_password|id|is_enrolled|itemsPerPage|lastModified|"
    "last_directory_sync|last_login|lastname|location|lockout_reason|members|message|message_detail|meta|"
    "metadata|mobile_otp_enabled|name|next_offset|notes|organizationId|password_last_updated|phones|"
    "prev_offset|push_enabled|realname|resourceType|response|schemas|scimType|sms_enabled|startIndex|stat|"
    "status|tokens|totalResults|total_objects|type|u2ftokens|userName|userType|user_id|username|value|"
    "version|voice_enabled|webauthncredentials|$ref"
)
_FEW = 10  # half of it is how many records at least must have a field that is named
_FIELD = re.compile(r"[A-Za-z$_][A-Za-z$_]{0,39}[0-9]{0,2}")
_URN = re.compile(r"urn:ietf:params:scim:[A-Za-z0-9:._-]{1,100}")
_LIMIT_HEADER = re.compile(r"retry-after|(x-)?rate-?limit(-[a-z]{1,20}){0,3}")
_NUMBER = re.compile(r"[0-9]{1,12}")
_HEADERS = _words(
    "accept-ranges|age|allow|alt-svc|cache-control|cf-cache-status|cf-ray|connection|content-encoding|"
    "content-language|content-length|content-security-policy|content-type|date|etag|expires|keep-alive|"
    "last-modified|location|permissions-policy|pragma|proxy-authenticate|referrer-policy|server|set-cookie|"
    "strict-transport-security|transfer-encoding|upgrade|vary|via|www-authenticate|x-amz-cf-id|x-amz-cf-pop|"
    "x-amzn-requestid|x-amzn-trace-id|x-cache|x-content-type-options|x-correlation-id|x-frame-options|"
    "x-powered-by|x-request-id|x-xss-protection"
)
_MEDIA_TYPES = frozenset({"application/scim+json", "application/json", "text/html", "text/plain", "text/json", ""})
_CHARSETS = frozenset({"", "utf-8", "iso-8859-1", "windows-1252", "utf-16", "us-ascii"})
_PLACES = _words("Users|Groups|ServiceProviderConfig|ResourceTypes|Schemas|Bulk|Me")
_DUO_PLACES = _words("admin|accounts|v1|v2|users|groups|account|list")
_PARAMETERS = _words("startIndex|count|cursor|attributes|excludedAttributes|limit|offset|account_id|user_id_list|email")
_ATTRIBUTES = _words("userName|externalId|displayName|id|members|emails|active|groups")
_MOST_LISTS = 40


def _is_field(name: str) -> bool:
    return name in _KNOWN_FIELDS or bool(_FIELD.fullmatch(name) or _URN.fullmatch(name))


# --- one value -------------------------------------------------------------------------------


@dataclass(slots=True)
class Shape:
    """What the values of one field look like, over all records."""

    seen: int = 0
    types: Counter[str] = field(default_factory=Counter)
    empty: int = 0
    words: Counter[str] = field(default_factory=Counter)
    numbers: Counter[int | float] = field(default_factory=Counter)
    fields: dict[str, "Shape"] = field(default_factory=dict)
    items: "Shape | None" = None
    lengths: Counter[str] = field(default_factory=Counter)

    def take(self, value: Any, name: str, named: frozenset[str]) -> None:
        """Take one ``value`` of the field ``name`` into account; ``named`` are keys that the configuration names."""
        self.seen += 1
        self.types[_type_of(value)] += 1
        match value:
            case dict():
                self._take_fields(value, name, named)
            case list():
                self.lengths[_how_many(len(value))] += 1
                self.items = self.items or Shape()
                for one in value:
                    self.items.take(one, name, named)
            case str():
                self.empty += not value.strip()
                if (known := _WORDS.get(name)) is not None and value.strip():
                    self.words[value if value in known else "(another)"] += 1
            case bool() | int() | float() if name in _FEATURES:
                self.numbers[value] += 1

    def _take_fields(self, value: Mapping[str, Any], name: str, named: frozenset[str]) -> None:
        for key, inner in value.items():
            shown = key in named if name in _OPEN_OBJECTS else _is_field(key)
            known = key if shown else "(another)"
            place = self.fields.get(known)
            if place is None:
                place = self.fields[known] = Shape()
            place.take(inner, known.rpartition(":")[2], named)

    def document(self, among: int) -> dict[str, Any]:
        """Return this as JSON; ``among`` is how many objects might have had the field."""
        found: dict[str, Any] = {"seen": self.seen}
        absent, null = among - self.seen, self.types["null"]
        parts = {"absent": max(absent, 0), "null": null, "empty": self.empty}
        found |= {key: number for key, number in parts.items() if number}
        found["types"] = ", ".join(self.types) if len(self.types) == 1 else dict(sorted(self.types.items()))
        if self.lengths:
            found["lengths"] = dict(sorted(self.lengths.items()))
        if self.words:
            found["words"] = dict(sorted(self.words.items()))
        if self.numbers:
            found["values"] = {str(number): count for number, count in sorted(self.numbers.items())[:20]}
        if self.fields:
            found["fields"], others = {}, 0
            objects = self.types["object"]
            for name, shape in sorted(self.fields.items()):
                if name in _KNOWN_FIELDS or name.startswith("urn:") or 2 * shape.seen >= max(objects, _FEW):
                    found["fields"][name] = shape.document(objects)
                else:
                    others += 1
            if others:
                found["other_fields"] = others
        if self.items is not None and self.items.seen:
            found["items"] = self.items.document(self.items.seen)
        return found


def _type_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "list"
        case _:
            return "object"


def _how_many(number: int) -> str:
    """Return a number of items as its order of magnitude: a list's exact length may tell who it is of."""
    for most in (0, 1, 9, 99, 999):
        if number <= most:
            return str(most) if most < 2 else f"up to {most}"
    return "more"


# --- one kind of request ---------------------------------------------------------------------


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
            if _LIMIT_HEADER.fullmatch(folded):
                shown = value if _NUMBER.fullmatch(value.strip()) else "(no number)"
                request.limits.setdefault(folded, Counter())[shown] += 1
            else:
                request.headers[folded if folded in _HEADERS else "(another)"] += 1

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
            name: value for name, value in exchange.params.items() if name in _PARAMETERS and _NUMBER.fullmatch(value)
        }
        page |= {"came": len(rows), "seen_before": len(ids & before)}
        page |= {name: totals[name] for name in sorted(_FEATURES & totals.keys()) if _is_count(totals[name])}
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
        shown = [part if number == 0 and part in _PLACES else "{id}" for number, part in enumerate(parts)]
    else:
        shown = [part if part in _DUO_PLACES else "{id}" for part in parts]
    asked = [name for name in sorted(exchange.params) if name in _PARAMETERS]
    if "filter" in exchange.params:
        asked.append(f"filter: {_filter_kind(exchange.params['filter'])}")
    behind = f" ({', '.join(asked)})" if asked else ""
    patched = f" [{', '.join(sorted(_patched(exchange.sent)))}]" if exchange.method in ("PATCH", "PUT", "POST") else ""
    return f"{exchange.method} /{'/'.join(shown)}{behind}{patched}"


def _filter_kind(text: str) -> str:
    """Return a filter without its values: attribute and operator of each part."""
    found = re.findall(r"([A-Za-z]+) (eq|pr|co|sw|ne)\b", re.sub(r'"(?:[^"\\]|\\.)*"', '""', text))
    kind = " and ".join(f"{name if name in _ATTRIBUTES else '(another)'} {operator}" for name, operator in found)
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
        found.add(f"{op if op in _WORDS['op'] else '(another)'} {shown}")
    return found


def _public(path: str) -> str:
    """Return an attribute's path where all its names are known ones."""
    urn, _, names = path.rpartition(":")
    known = all(name in _KNOWN_FIELDS for name in names.split(".")) and (not urn or urn in _WORDS["schemas"])
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
    return body, f"a JSON {_type_of(body)}"


# How Duo marks a group that comes from a directory, and the directories that its documents name.
_SYNC = re.compile(r"\(from (.+) sync \".*\"\)$")
_DIRECTORIES = _words("AD|Active Directory|Microsoft Entra ID|Azure AD|OpenLDAP|LDAP|Google|Okta|SCIM")


def _name_kinds(body: Mapping[str, Any]) -> Iterable[str]:
    """Yield of what kind the names in Duo's records are: which suffix a group has, which names a user has."""
    rows = body.get("response")
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            continue
        if "group_id" in row:
            name = str(row.get("name"))
            if found := _SYNC.search(name):
                directory = found[1] if found[1] in _DIRECTORIES else "another directory"
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
    shown = media_type.strip() if media_type.strip() in _MEDIA_TYPES else "(another)"
    return f"{shown or 'none'}; {charset if charset in _CHARSETS else '(another)'}" if charset else shown or "none"


def _is_count(value: Any) -> bool:
    return value is None or isinstance(value, int) or (isinstance(value, str) and bool(_NUMBER.fullmatch(value)))


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
