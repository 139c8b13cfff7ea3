"""A tenant's document as a fleet's table keeps it: small, whole in what is shown, and with nothing that hides."""

from __future__ import annotations

import zlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ninjasync.report.escape import visible
from ninjasync.report.tenant_document import pack, pack_text, pack_visible, unpack, unpack_text

CHANGE = {"resource": "user", "action": "create", "key": "kim@example.com", "id": None, "external_id": "DU1",
          "diff": [{"path": "userName", "before": None, "after": "kim@example.com"}], "reasons": []}  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "format_version": "1.0",
    "tenant": "north",
    "changes": [CHANGE] * 500,
    "problems": [
        {"resource": "user", "key": "lee", "external_id": "DU2", "code": "missing-name", "message": "no name"}
    ],
    "guards": [
        {"name": "removals", "tripped": True, "message": "7 of 60", "approve": "--approve-removals 7"},
        {"name": "held", "tripped": False, "message": "none", "approve": ""},
    ],
}
ANY_TEXT = st.text(st.characters() | st.sampled_from('\\"\x7f\u202e\u2028\n🎉\U000e0041\ud83c'))


def test_what_is_shown_or_counted_is_kept_and_nothing_else() -> None:
    found = unpack(pack(DOCUMENT))
    assert found["problems"] == DOCUMENT["problems"]
    assert [guard["name"] for guard in found["guards"]] == ["removals"]
    assert found["changes"][0] == {name: CHANGE[name] for name in ("resource", "action", "key", "diff")}
    assert "format_version" not in found
    assert len(pack(DOCUMENT)) < 2_000
    assert unpack(pack({"error": {"message": "no"}})) == {"error": {"message": "no"}, "guards": [], "changes": []}


@given(ANY_TEXT)
def test_what_is_packed_to_be_shown_has_no_text_that_a_browser_would_obey_or_hide(text: str) -> None:
    packed = pack({"warnings": [text], "changes": [CHANGE | {"key": text}]})
    shown = unpack(pack_visible(packed))
    assert (shown["warnings"], shown["changes"][0]["key"]) == ([visible(text)], visible(text))
    assert unpack(packed)["warnings"] == [text], "what is counted and remembered is left as it was"


def test_it_goes_through_the_queue_as_ascii_and_is_what_browsers_call_deflate() -> None:
    packed = pack(DOCUMENT | {"tenant": "\ud800\x00é"})
    assert unpack_text(packed).isascii()
    assert unpack(pack_text(unpack_text(packed))) == unpack(packed)
    assert zlib.decompress(packed, wbits=zlib.MAX_WBITS)
