"""What is an e-mail address, and what sticks to one that was copied with more than itself (CONTRACT 7.2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninjasync.planning.email_address import find_fault, is_usual
from tests.support.office import Office


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path).start()
    yield made
    made.stop()


GOOD = [
    "jane@example.com",
    "Jane.O'Neil+x@sub.example.co.uk",
    "žofie@müller.example",
    "a@b.c",
    "_svc-backup@example.com",
    "user=tag@example.com",
    "x@a.b.c.d.example.com",
    "x@exa-mple.example",
    "x@xn--mller-kva.example",
    "user%host@example.com",
    "jane.@example.com",
    "7@7.example",
]
STICKING = [
    *("jane@example.com;", ";jane@example.com", "jane@example.com,", "<jane@example.com>", "jane@example.com>"),
    *("mailto:jane@example.com", "MAILTO:jane@example.com", "smtp:jane@example.com", "SIP:jane@example.com"),
    *('"jane@example.com"', "'jane@example.com'", "`jane@example.com`", "“jane@example.com”", "‘jane@example.com’"),
    *("«jane@example.com»", "jane@example.com:", "jane@example.com.", ".jane@example.com", "(jane@example.com)"),
    *("[jane@example.com]", "{jane@example.com}", "*jane@example.com*", "|jane@example.com|", "jane@example.com/"),
    *(
        "jane@example.com\\",
        "jane@example.com!",
        "jane@example.com?",
        "jane@example.com?subject=x",
        "=jane@example.com",
    ),
    *("jane@example.com#", "jane@example.com…", "jane@example.com、", "jane@example.com；", "jane@example.com&gt;"),
    *("jane@example.com-", "jane@example.com_", "jane@example.com'", "jane@example.com%20", "/jane@example.com"),
    *("mailto:jane@example.com;", "<mailto:jane@example.com>", "jane@example.com\u200bx", "jane@example.com\x00"),
    *("Jane Doe <jane@example.com>", "Jane jane@example.com", "jane@example.com (work)", "jane@example.com jane"),
]
NONE = [
    *("jane", "jane@", "@example.com", "jane@localhost", "jane@@example.com", "jane doe@", "jane@example..com"),
    *("jane@.example.com", "jane@-example.com", "jane@example.123", "jane@[10.0.0.1]", "jane@10.0.0.1"),
    *("jane@example.com;joe@example.com", "jane@example.com joe@example.com", "jane@example.com,joe@example.com"),
    *(
        "o’neil@exam’ple.com",
        "jane@exa mple.com",
        "jane\n@example.com",
        "x" * 243 + "@example.com",
        "@",
        "jane at example.com",
    ),
]


@pytest.mark.parametrize("text", GOOD)
def test_an_address_is_one(text: str) -> None:
    assert find_fault(text) == ""


@pytest.mark.parametrize("text", STICKING)
def test_what_sticks_to_an_address_makes_it_invalid_and_is_named(text: str) -> None:
    fault = find_fault(text)
    assert fault.startswith("is not an e-mail address: ")
    assert fault.endswith((" sticks to it", " stick to it"))
    found = [piece for piece in (text.partition("jane@example.com")[0], text.partition("jane@example.com")[2]) if piece]
    assert any(repr(piece) in fault for piece in found) or text in (".jane@example.com", "jane@example.com_")


@pytest.mark.parametrize("text", NONE)
def test_what_holds_no_address_or_several_is_none(text: str) -> None:
    assert find_fault(text).startswith(("is not an e-mail address", "is not one e-mail address", "is 255 characters"))


_SIGNS = st.sampled_from(sorted(";,<>:\"'`()[]{}|*=/\\?!…“”‘’«»；、.- \t"))


@given(st.sampled_from(GOOD), st.text(_SIGNS, max_size=3), st.text(_SIGNS, max_size=3))
def test_no_address_with_a_sign_at_its_end_or_most_signs_before_it_is_one(good: str, before: str, after: str) -> None:
    text = f"{before}{good}{after}"
    # A hyphen may begin an address, and what stands behind an address may not be its last letter.
    if text.strip() == good or (not after and set(before) <= {"-"}):
        return
    assert find_fault(text) != ""


@given(
    st.from_regex(r"[a-zA-Z0-9.+_;-]{1,66}@([a-z0-9-]{1,61}\.){1,3}[a-z0-9-]{1,61}", fullmatch=True)
    | st.text(max_size=30)
)
def test_what_the_short_rule_lets_pass_the_whole_one_does_too(text: str) -> None:
    if is_usual(text):
        assert find_fault(text) == ""


def test_a_copied_address_is_held_by_plan_and_apply_and_the_message_says_what_sticks(world: Office) -> None:
    person = world.duo("user1.two@example.com")
    world.settle()
    for wrong in ("user1.two@example.com;", "User One <user1.two@example.com>", "mailto:user1.two@example.com"):
        world.people.users[person]["email"] = wrong
        done = world.apply()
        (problem,) = done.json["problems"]
        assert (done.code, problem["code"], done.json["changes"]) == (0, "invalid-user-name", [])
        assert "sticks to it" in problem["message"] or "stick to it" in problem["message"]
        assert "user1.two@example.com" in world.accounts()
    world.people.users[person]["email"] = " user1.two@example.com\u00a0"
    assert world.plan("--detailed-exitcode").code == 0
    assert world.writes() == []
