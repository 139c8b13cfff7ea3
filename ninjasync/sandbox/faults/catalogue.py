"""The names of all faults and quirks, what each means, and how they are written.

Knows words alone: the command line tells them in its help. Must not know
how any of them is done (``faults``, ``quirks``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import NamedTuple

# How a value is written, and what it means.
RATE = "RATE"  # the share of requests that it happens to, from 0 to 1
RATE_AND_SECONDS = "RATE:SECONDS"  # a rate and maybe, after a colon, whole seconds
TIME = "TIME"  # such as 50ms or 1s
NUMBER = "N"  # a whole number from 1 on
NOTHING = ""


class Entry(NamedTuple):
    """One fault or quirk: the form of its value, and a line of meaning."""

    form: str
    meaning: str


class Amount(NamedTuple):
    """A value as numbers: a rate, a time in seconds or a count; ``seconds`` where some came with it."""

    number: float
    seconds: int | None = None


# Each is for all services, unless "duo.", "scim." or "api." stands before it.
FAULTS: Mapping[str, Entry] = {
    "stale-keepalive": Entry(NUMBER, "a connection that served N requests closes as the next arrives, which is lost"),
    "reset": Entry(RATE, "the connection is reset before the request is carried out"),
    "latency": Entry(TIME, "each answer is that much late"),
    "rate-limit": Entry(NUMBER, "no more than N requests a second (bursts of N): 429, from NinjaOne with Retry-After"),
    "429": Entry(RATE_AND_SECONDS, "429; from NinjaOne with Retry-After: 1, or SECONDS (0, too); from Duo, never"),
    "429-date": Entry(RATE_AND_SECONDS, "the same, with Retry-After as a date"),
    "429-bare": Entry(RATE, "429 without Retry-After"),
    "500": Entry(RATE, "500 with an HTML page; nothing is carried out"),
    "502": Entry(RATE, "502 with an HTML page; nothing is carried out"),
    "503": Entry(RATE, "503 with an HTML page; nothing is carried out"),
    "403": Entry(RATE_AND_SECONDS, "403 with Retry-After: 1, or SECONDS, and an HTML page; nothing is carried out"),
    "504": Entry(RATE, "504 with an HTML page; the request is carried out all the same"),
    "lost-answer": Entry(RATE, "the request is carried out, then the connection closes without an answer"),
    "cut-short": Entry(RATE, "the request is carried out, then the connection closes in the middle of the answer"),
    "slow-body": Entry(RATE, "the answer comes in two halves, with a pause between"),
}

QUIRKS: Mapping[str, Entry] = {
    # what is kept
    "stale-reads": Entry(NOTHING, "lists lag one write behind"),
    "no-uniqueness": Entry(NOTHING, "a create with a name that is taken makes a twin"),
    "no-external-id": Entry(NOTHING, "externalId is accepted and not kept"),
    "drops-title": Entry(NOTHING, "title is accepted and not kept"),
    "trims-names": Entry(NOTHING, "names lose blanks at their ends and double ones"),
    "lower-case-user-name": Entry(NOTHING, "userName is stored in lower case"),
    "upper-case-family-name": Entry(NOTHING, "the family name is stored in upper case"),
    "type-becomes-end-user": Entry(NOTHING, "every account written becomes an end user's, whatever was sent"),
    "organization-becomes-all": Entry(NOTHING, "every account written gets organizationId All, whatever was sent"),
    "external-id-stays": Entry(NOTHING, "an externalId that is there stays as it was, whatever a change says"),
    "external-id-lower-case": Entry(NOTHING, "externalId is stored in lower case"),
    "created-in-vain": Entry(NOTHING, "the first create of each resource is answered 201, and nothing is there"),
    "patch-urn-astray": Entry(NOTHING, "PATCH of an extension's path is 200 and lands in a flat key beside it"),
    # who may be written
    "delete-is-inactive": Entry(NOTHING, "DELETE only deactivates a user; the name stays taken"),
    "inactive-refuses-patch": Entry(NOTHING, "while inactive, a user refuses any change but active"),
    "protected-403": Entry(NOTHING, "the oldest account refuses every change"),
    "protected-500": Entry(NOTHING, "500, every time, for a change of the oldest account"),
    "external-id-immutable": Entry(NOTHING, "400 mutability for a request that changes an externalId that is there"),
    "external-id-unknown": Entry(NOTHING, "400 for a request with an externalId: there is no such attribute"),
    "extension-unknown": Entry(NOTHING, "400 for a request with userType or organizationId: no such attributes"),
    "title-unknown": Entry(NOTHING, "400 for a request with a title: there is no such attribute"),
    # how it must be asked
    "patch-501": Entry(NOTHING, "PATCH is not implemented; there is PUT"),
    "patch-405": Entry(NOTHING, "PATCH is not allowed; there is PUT"),
    "user-patch-501": Entry(NOTHING, "PATCH is not implemented for users, but for groups; users have PUT"),
    "oldest-patch-405": Entry(NOTHING, "405 for a PATCH of the oldest account; it has PUT"),
    "first-patch-405": Entry(NOTHING, "405 for the first PATCH of all, and for no other"),
    "group-rename-501": Entry(NOTHING, "501 for a PATCH of a group's displayName; any other PATCH is carried out"),
    "group-put-405": Entry(NOTHING, "405 for a PUT of a group"),
    "put-refuses-echo": Entry(NOTHING, "users show an empty e-mail address; 400 for a PUT that sends it back"),
    "json-only": Entry(NOTHING, "415 unless Content-Type is application/json"),
    "patch-title-case-only": Entry(NOTHING, "op is Add, Replace or Remove, in no other case"),
    "member-removal-list-only": Entry(NOTHING, "members are removed by a list of values, not by members[...]"),
    "member-removal-filter-only": Entry(NOTHING, "members are removed by members[...], not by a list of values"),
    "member-cap": Entry(NUMBER, "400 for more than N members in a request"),
    # who is in a group
    "members-in-post-dropped": Entry(NOTHING, "members in the POST of a group are dropped"),
    "refused-member": Entry(NOTHING, "400 for a request that would make the oldest account a member"),
    "members-always-empty": Entry(NOTHING, "every group shows members: []"),
    "members-hidden": Entry(NOTHING, "members are never shown"),
    "members-absent": Entry(NOTHING, "lists leave out members; GET by id shows them"),
    "members-shown": Entry(NUMBER, "a group shows its first N members alone"),
    "members-by-ref": Entry(NOTHING, "a member has a $ref and no value"),
    "members-upper-case": Entry(NOTHING, "members' ids are in upper case; ids are taken in any case"),
    "empty-members": Entry(NOTHING, "a group without members shows members: []; else it shows none"),
    "no-user-groups": Entry(NOTHING, "users do not show their groups"),
    "no-member-filter": Entry(NOTHING, "400 for a filter on members"),
    "member-filter-ignored": Entry(NOTHING, "in a filter, members eq ... is passed over"),
    # what lists hold
    "inactive-unlisted": Entry(NOTHING, "lists leave out inactive users; GET by id shows them"),
    "hidden-holder": Entry(NOTHING, "the oldest account is never shown, but its name is taken"),
    "overlapping-pages": Entry(NOTHING, "each page begins with the last row of the one before"),
    "page-cap": Entry(NUMBER, "no page has more than N rows"),
    "ignores-start-index": Entry(NOTHING, "every page is the first"),
    "last-page-again": Entry(NOTHING, "a page behind the last one is the last one again"),
    "error-behind-last": Entry(NUMBER, "status N, such as 404, for a page behind the last one"),
    "filter-case-exact": Entry(NOTHING, "filters on userName and displayName tell capital letters from small ones"),
    "total-cap": Entry(NUMBER, "totalResults is never more than N, nor is a page; the rest is on later pages"),
    "total-counts-hidden": Entry(NOTHING, "totalResults counts two users more than the list has"),
    "count-500": Entry(NOTHING, "500 for a list with a count, whatever it is"),
    "no-lists": Entry(NOTHING, "405 for every list, with a filter or without"),
    "cursor-paging": Entry(NOTHING, "pages go by nextCursor and cursor alone (RFC 9865)"),
    "too-many": Entry(NOTHING, "a list without a filter is refused: 400 tooMany"),
    "no-filter": Entry(NOTHING, "filters are ignored; everything is returned"),
    "eq-only": Entry(NOTHING, "400 for any filter but attribute eq value"),
    "no-external-id-filter": Entry(NOTHING, "400 for a filter on externalId"),
    "filter-404": Entry(NOTHING, "404 for a filter without a hit"),
    "no-projection": Entry(NOTHING, "attributes and excludedAttributes are ignored"),
    "total-of-page": Entry(NOTHING, "totalResults counts this page alone"),
    "no-total-results": Entry(NOTHING, "lists have no totalResults"),
    "total-string": Entry(NOTHING, "totalResults is a string"),
    "resources-absent": Entry(NOTHING, "an empty list has no Resources"),
    # what a resource looks like
    "no-extension": Entry(NOTHING, "userType and organizationId are kept and never shown"),
    "flat-extension": Entry(NOTHING, "extension attributes are flat: urn:...:User:userType"),
    "nulls": Entry(NOTHING, "what is not there is null, an empty text or an empty list"),
    "numeric-ids": Entry(NOTHING, "ids are JSON numbers"),
    "odd-ids": Entry(NOTHING, "ids hold a slash, a blank and a percent sign"),
    "string-booleans": Entry(NOTHING, 'booleans are "True" and "False"'),
    "active-left-out": Entry(NOTHING, "active is left out where it is false"),
    "active-number": Entry(NOTHING, "active is 1 or 0"),
    "location-elsewhere": Entry(NOTHING, "meta.location, $ref and Location lead to another host"),
    "no-schemas": Entry(NOTHING, "nothing has schemas"),
    "no-meta": Entry(NOTHING, "nothing has meta or an entity tag"),
    "wrong-case": Entry(NOTHING, "names and URNs are in another case"),
    # how it answers
    "created-without-body": Entry(NOTHING, "201 comes with an empty body and no Location"),
    "patch-204": Entry(NOTHING, "PATCH answers 204, without a body"),
    "json-media-type": Entry(NOTHING, "everything is application/json"),
    "error-status-number": Entry(NOTHING, "an error's status is a number"),
    "html-errors": Entry(NOTHING, "errors are HTML pages"),
    "gone": Entry(NUMBER, "status N, such as 410, for an id that is not there"),
    "unreadable": Entry(NUMBER, "status N, such as 403, for a GET of the oldest account by id; lists show it"),
    "resources-object": Entry(NOTHING, 'Resources is an object: {"0": ..., "1": ...}'),
    "single-as-object": Entry(NOTHING, "a list of one has it as an object in place of a list"),
    "empty-list-204": Entry(NOTHING, "204, without a body, for an empty list"),
    "list-204": Entry(NOTHING, "204, without a body, for every list"),
    "edge": Entry(NUMBER, "status N, such as 522, with an HTML page for the first request of all"),
    "no-discovery": Entry(NOTHING, "ServiceProviderConfig, Schemas and ResourceTypes are 404"),
    "discovery-401": Entry(NOTHING, "ServiceProviderConfig, Schemas and ResourceTypes are 401"),
    "discovery-lies": Entry(NOTHING, "discovery says that there is no PATCH, no filter and no extension"),
    "sees-nothing": Entry(NOTHING, "lists are empty and every id is 404, but names are taken"),
    "switched-off": Entry(NOTHING, "404 for everything"),
    "latin-1": Entry(NOTHING, "answers are in Latin-1 and say so"),
    "login-page": Entry(NOTHING, "every GET is answered 200 with an HTML page"),
    "redirects": Entry(NOTHING, "everything is 301 to another path, where it would be served"),
    # Duo
    "duo.no-custom-attributes": Entry(NOTHING, "records have no custom_attributes"),
    "duo.list-values": Entry(NOTHING, "a custom attribute's value is a list of one"),
    "duo.null-group-name": Entry(NOTHING, "the last group, which is out of scope, has null for a name"),
    "duo.malformed-row": Entry(NOTHING, "the record of the last active user cannot be read"),
    "duo.unknown-status": Entry(NOTHING, "the last active user has a status that Duo does not document"),
    "duo.short-page": Entry(NOTHING, "the last row of each page is missing"),
    "duo.shrinking-total": Entry(NOTHING, "pages are of 10, and each says that there are two fewer in all"),
    "duo.standing-offset": Entry(NOTHING, "next_offset is where the page began"),
    "duo.null-offsets": Entry(NOTHING, "next_offset and prev_offset are null where there is no such page"),
    "duo.trash-uncounted": Entry(NOTHING, "total_objects does not count users in the trash, who are listed"),
    "duo.trash-unlisted": Entry(NOTHING, "total_objects counts users in the trash, who are not listed"),
    "duo.no-total": Entry(NOTHING, "metadata has no total_objects"),
    # NinjaOne's public API
    "api.html-throttle": Entry(NUMBER, "every Nth request is answered 200 with an HTML page on too many requests"),
    "api.no-user-lists": Entry(NOTHING, "404 for /v2/user/end-users and /v2/user/technicians; there is /v2/users"),
    "api.no-organizations": Entry(NOTHING, "404 for the list of organizations"),
    "api.truncated": Entry(NUMBER, "no list has more than its first N rows, and nothing says so"),
    "api.ignores-after": Entry(NOTHING, "every page of organizations is the first"),
    "api.wide-scope": Entry(NOTHING, "a token has the scopes management and control, too"),
    "api.no-scope": Entry(NOTHING, "no token: 400 invalid_scope"),
    "api.forbidden": Entry(NOTHING, "403 for every list, whatever the token"),
    "api.technicians-forbidden": Entry(NOTHING, "403 for /v2/user/technicians, whatever the token"),
    "api.token-elsewhere": Entry(NOTHING, "tokens are had at /oauth/token; 405 at /ws/oauth/token"),
    "api.lag": Entry(NUMBER, "after a write by SCIM, N requests for users still show them as before"),
}

# Servers that others wrote, as far as these quirks can tell. Each word stands for all of its quirks.
SERVERS: Mapping[str, tuple[str, ...]] = {
    "aws": ("members-always-empty", "no-user-groups", "member-cap=100", "page-cap=100"),
    "polis": (
        "patch-urn-astray",
        "group-put-405",
        "members-in-post-dropped",
        "members-hidden",
        "no-user-groups",
        "no-member-filter",
        "total-cap=50",
    ),
    "django-scim2": ("group-rename-501", "put-refuses-echo", "member-removal-list-only", "members-in-post-dropped"),
    "scimmy": ("last-page-again",),
    "canaille": ("external-id-unknown", "count-500", "no-filter"),
}

SERVICES = ("duo", "scim", "api")


def parse_fault(text: str) -> tuple[str, str]:
    """Return name and value of "NAME=VALUE". ValueError, in a sentence, where it is none."""
    name, _, value = text.partition("=")
    fault_amount(name, value)
    return name, value


def fault_amount(name: str, value: str) -> Amount:
    """Return the value of a fault as numbers. ValueError, in a sentence, for a wrong name or value."""
    service, dot, bare = name.partition(".")
    entry = FAULTS.get(bare if dot and service in SERVICES else name)
    if entry is None:
        known = [*FAULTS, *(f"{service}.{fault}" for service in SERVICES for fault in FAULTS)]
        raise ValueError(f'there is no fault "{name}"{_suggest(name, known)}')
    return _amount("fault", name, entry.form, value)


def parse_quirk(text: str) -> tuple[str, int]:
    """Return name and number of "NAME" or "NAME=N", 0 without one. ValueError, in a sentence."""
    name, given, value = text.partition("=")
    entry = QUIRKS.get(name)
    if entry is None:
        raise ValueError(f'there is no quirk "{name}"{_suggest(name, [*QUIRKS, *SERVERS])}')
    if entry.form == NOTHING:
        if given:
            raise ValueError(f"the quirk {name} takes no value, found {value!r}")
        return name, 0
    return name, int(_amount("quirk", name, entry.form, value).number)


def parse_quirks(texts: Iterable[str]) -> dict[str, int]:
    """Return each quirk with its number, a server's word being all of its quirks. ValueError, in a sentence."""
    return dict(parse_quirk(quirk) for text in texts for quirk in SERVERS.get(text, (text,)))


_FORMS: Mapping[str, tuple[str, str]] = {
    RATE: (r"([01]|[01]?\.\d+)()()", "a rate from 0 to 1, such as 0.1"),
    RATE_AND_SECONDS: (
        r"([01]|[01]?\.\d+)()(?::(\d{1,6}))?",
        "a rate from 0 to 1, such as 0.1, or with whole seconds 0.1:5",
    ),
    TIME: (r"(\d{1,6}|\d{0,6}\.\d+)(ms|s)()", "a time, such as 50ms or 1s"),
    NUMBER: (r"([1-9]\d{0,8})()()", "a whole number from 1 on"),
}


def _amount(what: str, name: str, form: str, value: str) -> Amount:
    pattern, words = _FORMS[form]
    match = re.fullmatch(pattern, value) if value.isascii() else None
    number = float(match[1]) if match else 0.0
    if match is None or (form in (RATE, RATE_AND_SECONDS) and number > 1):
        found = f"found {value!r}" if value else "found nothing"
        raise ValueError(f"the {what} {name} takes {words}; {found}")
    return Amount(number / 1000 if match[2] == "ms" else number, int(match[3]) if match[3] else None)


def _suggest(wrong: str, known: Iterable[str]) -> str:
    hits = get_close_matches(wrong.lower(), known, n=1, cutoff=0.5)
    return f"; did you mean {hits[0]}?" if hits else ""


def describe(entries: Mapping[str, Entry]) -> str:
    """Return a line for each, as the command line's help shows them: name, form of value, meaning."""
    return "\n\n".join(
        f"{name}{'=' if entry.form else ''}{entry.form}: {entry.meaning}." for name, entry in entries.items()
    )


def describe_servers() -> str:
    """Return a line for each server that is imitated, with its quirks."""
    return "\n\n".join(f"{name}: {', '.join(quirks)}." for name, quirks in SERVERS.items())
