"""What the HTTP status of NinjaOne's answer says of a resource, of a list, and of a page further on.

Pure. One table for all that read, so that no two of them understand one answer differently
(CONTRACT 7.6). A 401, and anything worth another try, never comes this far: ``http`` raises it.
"""

from typing import Literal

Meaning = Literal["there", "gone", "no-list", "failed"]

# RFC 9110 §15.5.5 and §15.5.11: not found, and gone for good. Of one id that is an answer; where a whole list is
# not found, the address is wrong or SCIM is switched off.
_GONE = frozenset({404, 410})
# By which a service says that it has no list, or one too long to send (RFC 7644 §3.4.2.2 has tooMany).
_NO_LIST = frozenset({400, 405, 501})


def of_one(status: int) -> Meaning:
    """Return what a status says of one resource that was asked for, or deleted, by its id."""
    if 200 <= status < 300:
        return "there"
    return "gone" if status in _GONE else "failed"


def of_list(status: int) -> Meaning:
    """Return what a status says of the first page of a list: never that everything is gone."""
    if status == 200:
        return "there"
    return "no-list" if status in _NO_LIST else "failed"


def of_filter(status: int) -> Meaning:
    """Return what a status says of what was looked for by a filter; some servers answer no hit by 404."""
    if status == 200:
        return "there"
    return "gone" if status in _GONE else "failed"


# Refusals of which a part of the request may be the cause; 500 is one that stays after its tries.
_OF_A_PART = frozenset({400, 403, 404, 405, 409, 413, 422, 500, 501})


def may_be_of_a_part(status: int | None) -> bool:
    """Whether a part of what was sent may be the cause of a refusal, so that the other parts are worth sending."""
    return status in _OF_A_PART
