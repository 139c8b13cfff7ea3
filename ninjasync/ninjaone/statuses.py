"""What the HTTP status of NinjaOne's answer says of a resource, of a list, and of a page further on.

Pure. One table for all who read, so that no two of them understand one answer differently
(CONTRACT §7.6). A 401 and whatever is worth another try never come this far: ``scim_http``
raises them.
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
