"""The fast way to read pages of users agrees with the plain one, on whatever a server may send."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from ninjasync.model.attributes import CORE_USER, FAMILY_NAME, GIVEN_NAME, NINJAONE, ORGANIZATION_ID
from ninjasync.ninjaone.scim_responses import UnreadableResourceError, read_page, read_user
from ninjasync.ninjaone.user_pages import UnusualPageError, UserPages

PATHS = (GIVEN_NAME, FAMILY_NAME, "title", ORGANIZATION_ID, f"{NINJAONE}:userType", "a.b")
VALUES: tuple[Any, ...] = (
    *("x", " x ", "", "  ", "False", "inactive"),
    *(None, 7, 7.0, 1.5, True, False),
    *([], ["x"], {}, {"value": "x"}),
)
NAMES = (
    *("id", "userName", "externalId", "active", "title", "name", "schemas", "a"),
    *(NINJAONE, CORE_USER, f"{NINJAONE}:userType"),
)
INNER = ("givenName", "familyName", "organizationId", "userType", "b", "c")


def row_of(chance: random.Random) -> Any:
    """Return a row that is mostly as it should be, and odd in every way now and then."""
    row: dict[str, Any] = {"id": "1", "userName": "jane@example.com", "active": True}
    for name in chance.sample(NAMES, chance.randrange(len(NAMES))):
        row[spelled(chance, name)] = object_of(chance) if chance.random() < 0.5 else chance.choice(VALUES)
    for name in chance.sample(list(row), chance.randrange(2)):
        del row[name]
    return row if chance.random() < 0.97 else chance.choice(VALUES)


def object_of(chance: random.Random) -> dict[str, Any]:
    names = chance.sample(INNER, chance.randrange(len(INNER)))
    return {spelled(chance, name): chance.choice((*VALUES, {"c": "deep"})) for name in names}


def spelled(chance: random.Random, name: str) -> str:
    return chance.choice((name, name, name, name.lower(), name.upper()))


def plain(body: Any, paths: tuple[str, ...]) -> Any:
    """Return what the plain way reads of a page, a text in place of what it cannot read."""
    page = read_page(body)
    return page and ([outcome(row, paths) for row in page.resources], page.total)


def outcome(row: Any, paths: tuple[str, ...]) -> Any:
    try:
        return read_user(row, paths)
    except UnreadableResourceError as error:
        return str(error)


def page_of(chance: random.Random, rows: list[Any]) -> dict[str, Any]:
    """Return a page that is mostly as it should be."""
    body: dict[str, Any] = {"Resources": rows, "totalResults": chance.choice((7, 7, 7, "7", None, 1.5, True))}
    if chance.random() < 0.1:
        del body[chance.choice(list(body))]
    if chance.random() < 0.1:
        body[chance.choice(("resources", "totalresults", "other"))] = chance.choice(([], 3, None))
    return body


@pytest.mark.parametrize("seed", range(20))
def test_both_ways_read_the_same_of_every_page(seed: int) -> None:
    chance, quickly = random.Random(seed), 0
    for _ in range(300):
        bodies = [page_of(chance, [row_of(chance) for _ in range(chance.choice((0, 1, 1, 2)))]) for _ in range(2)]
        fast = UserPages(PATHS)
        for body in bodies[: chance.choice((1, 2))]:
            fast.learn(body)
        for body in bodies:
            try:
                page = fast.parse(json.dumps(body).encode())
            except UnusualPageError:
                continue
            assert (list(page.resources), page.total) == plain(body, PATHS), body
            quickly += 1
    assert quickly > 20, "pages must be among them that are read the fast way"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("paths", [PATHS, (), ("title",), (GIVEN_NAME,)])
def test_pages_of_a_server_that_spells_names_right_are_all_read_the_fast_way(seed: int, paths: tuple[str, ...]) -> None:
    chance, fast, quickly = random.Random(seed), UserPages(paths), 0
    values: tuple[Any, ...] = ("x", " x ", "", None, 7, True, ["x"], "\u00e9", "caf\u00e9")
    for number in range(60):
        rows = []
        for at in range(3):
            row: dict[str, Any] = {
                "id": f"{number}-{at}",
                "userName": f" j{at}@example.com",
                "active": chance.choice((True, False, "no")),
            }
            row |= {"name": {"givenName": chance.choice(values), "familyName": chance.choice(values)}}
            row |= {"meta": {"version": number, "deep": [1, {"x": None}]}}
            if chance.random() < 0.7:
                row[NINJAONE] = {"userType": chance.choice(values)}
            if chance.random() < 0.5:
                row |= {"externalId": chance.choice(values), "title": chance.choice(values)}
            rows.append(row)
        body = {"Resources": rows, "totalResults": 180, "startIndex": 1}
        try:
            page = fast.parse(json.dumps(body).encode())
        except UnusualPageError:
            fast.learn(body)
            continue
        assert (list(page.resources), page.total) == plain(body, paths)
        quickly += 1
    assert quickly > 50


@pytest.mark.parametrize(
    "odd",
    [
        {"username": "other@example.com"},
        {f"{NINJAONE}:userType": "technician"},
        {NINJAONE: {"USERTYPE": "technician"}},
        {NINJAONE: None},
        {"name": "Jane Doe"},
        {"id": None},
        {"userName": "  "},
        {"unknown": 1},
    ],
)
def test_a_page_with_a_row_that_is_written_otherwise_is_read_the_plain_way(odd: dict[str, Any]) -> None:
    usual = {"id": "1", "userName": "jane@example.com", NINJAONE: {"userType": "endUser"}, "name": {}}
    fast = UserPages(PATHS)
    fast.learn({"Resources": [usual], "totalResults": 2})
    assert [one.id for one in fast.parse(json.dumps({"Resources": [usual], "totalResults": 2}).encode()).resources] == [
        "1"
    ]
    with pytest.raises(UnusualPageError):
        fast.parse(json.dumps({"Resources": [usual, {**usual, **odd}], "totalResults": 2}).encode())


def test_a_page_that_is_not_utf_8_is_left_to_the_plain_way_which_says_so_also_where_it_is_in_what_is_not_read() -> None:
    fast = UserPages(("title",))
    fast.learn({"Resources": [{"id": "1", "userName": "x", "displayName": "y"}], "totalResults": 1})
    page = '{"Resources": [{"id": "1", "userName": "x", "displayName": "Grün"}], "totalResults": 1}'
    assert fast.parse(page.encode()).total == 1
    with pytest.raises(UnusualPageError):
        fast.parse(page.encode("latin-1"))


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "\x00", "\ud800"])
@pytest.mark.parametrize("place", ["page", "user", "name"])
def test_a_name_that_no_field_can_have_leaves_every_page_to_the_plain_way(name: str, place: str) -> None:
    usual: dict[str, Any] = {"id": "1", "userName": "jane@example.com", "name": {"givenName": "Jane"}}
    body: dict[str, Any] = {"Resources": [usual], "totalResults": 1}
    {"page": body, "user": usual, "name": usual["name"]}[place][name] = "x"
    fast = UserPages(PATHS)
    fast.learn(body)
    with pytest.raises(UnusualPageError):
        fast.parse(json.dumps(body).encode())


def test_a_server_with_names_of_its_own_for_each_user_is_read_the_plain_way() -> None:
    fast = UserPages(("title",))
    usual = {"Resources": [{"id": "1", "userName": "x"}], "totalResults": 1}
    fast.learn(usual)
    assert fast.parse(json.dumps(usual).encode()).total == 1
    for number in range(10):
        row = {"id": "1", "userName": "x"} | {f"x-{number}-{at}": 1 for at in range(100)}
        fast.learn({"Resources": [row], "totalResults": 1})
    fast.learn(usual)
    with pytest.raises(UnusualPageError):
        fast.parse(json.dumps(usual).encode())


def test_nothing_is_parsed_before_a_page_was_learned_from_nor_paths_that_are_too_deep() -> None:
    with pytest.raises(UnusualPageError):
        UserPages(PATHS).parse(b"{}")
    deep = UserPages(("a.b.c",))
    deep.learn({"Resources": [{"id": "1", "userName": "x", "a": {"b": {"c": "d"}}}], "totalResults": 1})
    with pytest.raises(UnusualPageError):
        deep.parse(b'{"Resources": [], "totalResults": 1}')
