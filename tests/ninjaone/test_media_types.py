"""A server that takes another media type, or answers in another charset (CONTRACT 7.6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ninjasync.errors import UnreachableError
from ninjasync.net.connection import as_utf8
from tests.support.office import Office, Saved
from tests.support.proxy import Forward
from tests.support.server import Hit, Reply, json_reply

# The same lines of the product under one server after another: other tests measure them, which costs a third.
pytestmark = pytest.mark.no_cover

NEW = "zoë.müller@example.com"
SCIM, JSON = "application/scim+json", "application/json"


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Saved]]:
    world = Office(tmp_path_factory.mktemp("world")).start()
    world.configure("run", retries=2)
    world.people.hire("Zoë", "Müller", groups=["NinjaOne End Users"], user_type="endUser", organization="1")
    world.proxy_scim()
    world.proxy_duo()
    yield world, world.save()
    world.stop()


@pytest.fixture
def world(at_rest: tuple[Office, Saved], tmp_path: Path) -> Office:
    return at_rest[0].restore(at_rest[1], tmp_path)


def journey(world: Office) -> list[int]:
    """Apply, plan, a change, a leaver, a returner, a lost ledger; return the exit codes."""
    codes = [world.apply().code, world.plan("--detailed-exitcode").code]
    leaver = world.duo("user1.two@example.com")
    world.people.users[leaver]["status"] = "disabled"
    world.people.users[world.duo("user2.two@example.com")]["lastname"] = "Größer"
    codes += [world.apply().code, world.plan("--detailed-exitcode").code]
    assert not world.account("user1.two@example.com")["active"]
    assert world.account("user2.two@example.com")["name"]["familyName"] == "Größer"
    world.people.users[leaver]["status"] = "active"
    codes += [world.apply().code, world.plan("--detailed-exitcode").code]
    assert world.account("user1.two@example.com")["active"]
    for file in world.folder.glob("ledger*"):
        file.unlink()
    there = set(world.accounts())
    codes += [world.apply().code, world.plan("--detailed-exitcode").code]
    assert set(world.accounts()) == there
    return codes


def only(kind: str, status: int = 415, *, reads: bool = False) -> Any:
    """Takes one media type alone; with ``reads`` for what is asked for too, letter by letter."""

    def meddle(hit: Hit, forward: Forward) -> Reply:
        if hit.body and hit.headers.get("content-type") != kind:
            return json_reply({"detail": "unsupported media type"}, status)
        if reads and hit.headers.get("accept") != kind:
            return json_reply({"detail": "not acceptable"}, 406)
        return forward()

    return meddle


@pytest.mark.parametrize("discovery", ["auto", "lookup"])
@pytest.mark.parametrize("reads", [False, True], ids=["writes", "reads and writes"])
def test_a_server_that_takes_plain_json_alone_is_served_and_the_key_is_named(
    world: Office, reads: bool, discovery: str
) -> None:
    world.configure("ninjaone.dialect", discovery=discovery)
    between = world.proxy_scim(only(JSON, reads=reads))
    first = world.apply()
    assert first.code == 0, first.text
    assert first.err.count('Set [ninjaone.dialect] media_type = "json"') == 1
    wrong = [hit for hit in between.hits if hit.headers["accept"] != JSON and (hit.body or reads)]
    assert 1 <= len(wrong) <= 8  # one for each that was under way when the first was refused
    assert journey(world) == [0] * 8
    world.configure("ninjaone.dialect", media_type="json")
    between.hits.clear()
    world.people.users[world.duo("user3.two@example.com")]["lastname"] = "Other"
    last = world.apply()
    assert (last.code, "media_type" in last.err) == (0, False)
    assert {hit.headers["content-type"] for hit in between.hits} == {JSON}


def test_a_wrong_setting_is_put_right_for_the_run_and_named(world: Office) -> None:
    world.configure("ninjaone.dialect", media_type="json")
    world.proxy_scim(only(SCIM))
    done = world.apply()
    assert done.code == 0, done.text
    assert 'media_type = "scim"' in done.err


def test_where_neither_type_is_taken_the_writes_fail_and_are_not_sent_twice_each(world: Office) -> None:
    world.configure("run", parallelism=1)
    between = world.proxy_scim(
        lambda hit, forward: json_reply({"detail": "no such type"}, 415) if hit.body else forward()
    )
    done = world.apply()
    assert done.code == 4, done.text
    assert "HTTP 415" in done.text
    posts = [hit for hit in between.hits if hit.method == "POST"]
    assert len(posts) == len(done.json["changes"]) + 1


# --- charsets --------------------------------------------------------------------------------


def in_charset(charset: str, label: str | None = None, mark: bytes = b"") -> Any:
    label = charset if label is None else label

    def meddle(hit: Hit, forward: Forward) -> Reply:
        reply = forward()
        text = json.dumps(json.loads(reply.body), ensure_ascii=False) if reply.body else ""
        kind = f"application/scim+json;charset={label}" if label else "application/scim+json"
        return Reply(reply.status, mark + text.encode(charset) if text else b"", {"Content-Type": kind})

    return meddle


CHARSETS = {
    "Latin-1": in_charset("iso-8859-1", "ISO-8859-1"),
    "Latin-1 in quotes": in_charset("iso-8859-1", '"iso-8859-1"'),
    "Windows": in_charset("windows-1252"),
    "UTF-16": in_charset("utf-16"),
    "UTF-16 without a mark": in_charset("utf-16-le", "utf-16"),
    "UTF-16 without a label": in_charset("utf-16", ""),
    "UTF-8 with a mark": in_charset("utf-8", "", b"\xef\xbb\xbf"),
    "UTF-8 that a default calls Latin-1": in_charset("utf-8", "ISO-8859-1"),
}


def answers_in(world: Office, meddle: Any, service: str) -> None:
    world.proxy_duo(meddle) if service == "duo" else world.proxy_scim(meddle)
    if service == "look-ups":
        world.configure("ninjaone.dialect", discovery="lookup")


@pytest.mark.parametrize("service", ["lists", "look-ups", "duo"])
@pytest.mark.parametrize("meddle", CHARSETS.values(), ids=CHARSETS)
def test_an_answer_is_read_by_its_charset(world: Office, meddle: Any, service: str) -> None:
    answers_in(world, meddle, service)
    world.settle()
    (zoe,) = [row for row in world.accounts().values() if row["name"]["givenName"] == "Zoë"]
    assert zoe["name"]["familyName"] == "Müller"


@pytest.mark.parametrize("service", ["lists", "look-ups", "duo"])
def test_a_whole_journey_goes_through_another_charset(world: Office, service: str) -> None:
    answers_in(world, CHARSETS["Latin-1"], service)
    assert journey(world) == [0] * 8


def test_a_refusal_is_read_by_its_charset_too(world: Office) -> None:
    body = json.dumps({"detail": "Müller ist vergeben"}, ensure_ascii=False).encode("latin-1")
    refusal = Reply(400, body, {"Content-Type": "application/json; charset=latin1"})
    world.proxy_scim(lambda hit, forward: refusal if hit.method == "POST" else forward())
    assert "Müller ist vergeben" in world.run("apply", "--yes").out


@pytest.mark.parametrize("service", ["scim", "duo"])
@pytest.mark.parametrize(
    ("charset", "named"),
    [
        (in_charset("utf-8", "x-klingon"), '"x-klingon"'),
        (in_charset("utf-8", "base64"), '"base64"'),
        (in_charset("latin-1", "utf-8"), "UTF-8"),
        (in_charset("latin-1", ""), "UTF-8"),
    ],
)
def test_a_charset_that_is_not_known_or_not_kept_is_named(
    world: Office, service: str, charset: Any, named: str
) -> None:
    world.settle()
    world.proxy_scim(charset) if service == "scim" else world.proxy_duo(charset)
    before = world.snapshot()
    done = world.apply()
    assert done.code == 1
    assert named in done.err
    assert "Traceback" not in done.text
    assert world.snapshot() == before


def test_a_token_in_a_refusal_is_masked_in_any_charset(world: Office) -> None:
    body = json.dumps({"detail": f"no {world.box.token}"}).encode("utf-16")
    refusal = Reply(400, body, {"Content-Type": "application/json"})
    world.proxy_scim(lambda hit, forward: refusal if hit.method == "POST" else forward())
    done = world.apply()
    assert done.code == 4
    assert world.box.token not in done.text
    assert "no ***" in done.text


def test_plain_utf_8_is_passed_on_as_it_is() -> None:
    data = '{"name": "Zoë"}'.encode()
    assert as_utf8(data, "application/json; charset=utf-8", "x") is data
    assert as_utf8(data, None, "x") is data


def test_no_text_is_made_up_for_bytes_that_are_none() -> None:
    with pytest.raises(UnreachableError, match="x-klingon"):
        as_utf8(b"{}", "text/plain; charset=x-klingon", "x")
