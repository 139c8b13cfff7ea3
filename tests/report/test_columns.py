"""Text in lines of so many columns of a terminal: nothing too long, nothing lost, marks with their letters."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ninjasync.report.columns import columns, pad, wrap
from ninjasync.report.escape import visible

LETTERS = st.sampled_from("ab é漢字ไทย้ำ한국ᄀ\u1161e\u0301👩\u200d👧नि-—…\u00a0|")
TEXTS = st.text(LETTERS)


@given(TEXTS, st.integers(2, 20))
def test_lines_are_never_too_long_and_lose_nothing_but_blanks(text: str, width: int) -> None:
    shown = visible(text)
    lines = list(wrap(shown, width + 2, "  "))
    assert all(line.startswith("  ") and columns(line) <= width + 2 for line in lines)
    assert "".join(lines).replace(" ", "") == shown.replace(" ", "")
    assert not any(unicodedata.combining(line[2]) for line in lines[1:]), "a mark stays with its letter"


def test_words_are_kept_whole_where_a_line_has_room_for_them() -> None:
    text = "give --approve-member-removals 7 to it"
    assert list(wrap(text, 28)) == ["give", "--approve-member-removals 7", "to it"]
    assert list(wrap("", 28)) == []


def test_what_is_padded_ends_where_it_should() -> None:
    assert {cell_len(pad(name, 12)) for name in ("", "north", "漢字", "e\u0301")} == {12}
