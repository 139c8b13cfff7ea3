"""Text by the columns of a terminal, held against rich, which counts them by tables of its own."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ninjasync.report.columns import columns, pad, wrap
from ninjasync.report.escape import visible

LETTERS = st.sampled_from("ab é漢字ไทย้ำ한국ᄀ\u1161e\u0301👩\u200d👧नि-—…\u00a0|")
TEXTS = st.text(LETTERS)


@pytest.mark.parametrize(
    "text", ["north", "漢字会社", "e\u0301" * 9, "\u0e19\u0e49\u0e33", "한국", "\u1112\u1161\u11ab", "¡ñ!"]
)
def test_a_letter_takes_what_a_terminal_gives_to_it(text: str) -> None:
    assert columns(text) == cell_len(text)


@given(TEXTS)
def test_no_text_takes_more_than_is_counted(text: str) -> None:
    assert columns(text) >= cell_len(text)


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
