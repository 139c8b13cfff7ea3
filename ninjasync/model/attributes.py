"""SCIM attribute paths: which ones a mapping may name, their spelling and short names.

Pure. Knows RFC 7643's User attributes and NinjaOne's extension; knows nothing of
values, of the wire or of Duo.
"""

import json
from collections.abc import Iterable

from ninjasync.model.message import Message, did_you_mean, word

CORE_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
NINJAONE = "urn:ietf:params:scim:schemas:extension:ninjaone:2.0:User"

USER_NAME = "userName"
GIVEN_NAME = "name.givenName"
FAMILY_NAME = "name.familyName"
USER_TYPE = f"{NINJAONE}:userType"
ORGANIZATION_ID = f"{NINJAONE}:organizationId"

# What ninjasync writes by itself, so that a mapping must not.
ACTIVE = "active"
# What the public API calls it; nothing is written to it.
ENABLED = "enabled"
EXTERNAL_ID = "externalId"
MEMBERS = "members"
DISPLAY_NAME = "displayName"

_NAME_PARTS = ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")
_SINGULAR = (
    USER_NAME,
    *(f"name.{part}" for part in _NAME_PARTS),
    DISPLAY_NAME,
    "nickName",
    "profileUrl",
    "title",
    "preferredLanguage",
    "locale",
    "timezone",
)
_ENTERPRISE = ("employeeNumber", "costCenter", "organization", "division", "department")
_KNOWN = {
    path.casefold(): path
    for path in (*_SINGULAR, USER_TYPE, ORGANIZATION_ID, *(f"{ENTERPRISE}:{name}" for name in _ENTERPRISE))
}
_KEPT_BACK = {
    ACTIVE: "ninjasync sets it itself",
    EXTERNAL_ID: "ninjasync sets it itself, to the Duo user id",
    "id": "only NinjaOne sets it",
    "meta": "only NinjaOne sets it",
    "schemas": "ninjasync sets it itself",
    "groups": "NinjaOne computes it from the groups; see [groups]",
    "password": "NinjaOne takes no passwords over SCIM",
}
_MULTI_VALUED = (
    "emails phoneNumbers ims photos addresses entitlements roles x509Certificates members".casefold().split()
)


def canonical(path: str) -> str:
    """Give ``path`` its canonical spelling (names and URNs ignore case, RFC 7643 §2.1).

    Raises ValueError with what is allowed when a mapping cannot set that attribute.
    """
    folded = path.strip().casefold()
    if known := _KNOWN.get(folded):
        return known
    for name, why in _KEPT_BACK.items():
        if folded == name.casefold():
            raise ValueError(Message("{} cannot be mapped: {}", word(name), word(why)))
    if folded.split(".")[0].split("[")[0] in _MULTI_VALUED:
        raise ValueError("an attribute with several values cannot be mapped, only one with a single value")
    if folded.startswith("urn:"):
        urn, _, name = path.strip().rpartition(":")
        if urn.count(":") >= 3 and name and not set(name) & set(" []\"'"):
            return _canonical_urn(urn, name)
        raise ValueError("an extension attribute is written <schema URN>:<attribute>")
    raise ValueError(Message("no SCIM User attribute of that name{}", did_you_mean(path, _suggestions())))


def _canonical_urn(urn: str, name: str) -> str:
    if urn.casefold() == CORE_USER.casefold():
        return canonical(name)
    if urn.casefold() in (NINJAONE.casefold(), ENTERPRISE.casefold()):
        known = [path for path in _KNOWN.values() if path.casefold().startswith(urn.casefold())]
        raise ValueError(Message("that schema has no such attribute{}", did_you_mean(f"{urn}:{name}", known)))
    return f"{urn}:{name}"


def _suggestions() -> dict[str, str]:
    # A bare "userType" most likely means NinjaOne's extension attribute, not RFC 7643's core one.
    return {name.casefold(): path for path in _KNOWN.values() for name in (path, path.rpartition(":")[2])}


def split(path: str) -> tuple[str, tuple[str, ...]]:
    """Split a canonical path into its extension's schema URN ("" for core) and its attribute names."""
    if path.startswith("urn:"):
        urn, _, name = path.rpartition(":")
        # "urn:…:ninjaone:2.0:User:x" splits at the last colon; a version's dot lies before it.
        return urn, tuple(name.split("."))
    return "", tuple(path.split("."))


def line_for(path: str, text: str) -> str:
    """Return the line of [attributes] that maps ``path`` to the expression ``text``."""
    key = path if path.isidentifier() else f'"{path}"'
    return f"{key} = {json.dumps(text, ensure_ascii=False)}"


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Map each path to the name that people read: an extension attribute's own, where unambiguous."""
    every = list(paths)
    last = [path.rpartition(":")[2] for path in every]
    return {path: name if last.count(name) == 1 else path for path, name in zip(every, last, strict=True)}
