"""The fast way to decide on a page of users agrees with the plain one on every record."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from ninjasync.config.mapping import DEFAULT_ATTRIBUTES
from ninjasync.config.provisioning import Groups
from ninjasync.config.provisioning import Scope as Settings
from ninjasync.config.safety import Safety
from ninjasync.duo.user_pages import page_parser
from ninjasync.model.directory import Problem
from ninjasync.planning.causes import Noted
from ninjasync.planning.mapping import compile_mapping
from ninjasync.planning.scope import resolve
from ninjasync.planning.source import source_reader
from ninjasync.planning.source_pages import page_reader

GROUPS = {"DG1": "Staff", "DG2": "Others", "DG3": "Former"}
MAPPINGS: dict[str, dict[str, str]] = {
    "the default": dict(DEFAULT_ATTRIBUTES),
    "single names": {"userName": "username || email", "name.givenName": "firstname", "name.familyName": "lastname"},
    "a function first": {"userName": "lower(email)", "name.givenName": "trim(firstname) || alias1"},
    "deep": {
        "userName": "email",
        "title": "a.b.c",
        "nickName": "aliases.alias1",
        "name.givenName": "custom_attributes.x",
    },
    "not bare": {"userName": "email", "title": "join(', ', [firstname, lastname])"},
    "a userName alone": {"userName": "email"},
}
ODD: tuple[Any, ...] = ("x", "", "  ", " x ", None, 7, True, 1.5, ["x"], [], {"b": {"c": "deep"}}, "caf\u00e9")


def record_of(chance: random.Random) -> Any:
    """Return a record that is mostly as Duo sends it, and odd in every way now and then."""
    groups = chance.choice((["DG1"], ["DG1"], ["DG1", "DG2"], ["DG2"], ["DG3"], []))
    record: dict[str, Any] = {
        "user_id": f"DU{chance.randrange(10_000)}",
        "email": f"p{chance.randrange(1000)}@example.com",
        "username": f"p{chance.randrange(1000)}",
        "firstname": chance.choice(("Ann", "Bo", "")),
        "lastname": chance.choice(("Lee", "Day")),
        "realname": chance.choice(("Ann Lee", "")),
        "status": chance.choice(("active", "active", "active", "disabled", "locked out", "unheard of")),
        "groups": [{"group_id": id_, "name": GROUPS[id_]} for id_ in groups],
        "custom_attributes": {"userType": chance.choice(("technician", "endUser")), "organizationID": "7"},
    }
    if chance.random() < 0.3:
        record[chance.choice(list(record))] = chance.choice(ODD)
    if chance.random() < 0.2:
        record["custom_attributes"] = {"userType": chance.choice(ODD), "organizationID": chance.choice(ODD), "x": "y"}
    if chance.random() < 0.05:
        del record[chance.choice(list(record))]
    return record if chance.random() < 0.99 else chance.choice(("text", None, 3))


def readers(
    mapping: dict[str, str], scope: Settings
) -> tuple[Callable[[Any], Any], Callable[[list[Any]], list[Any]], Noted, Noted]:
    """Return the plain way and the fast one, and what each notes."""
    resolved = resolve(scope, Groups(), GROUPS)
    plain_notes, fast_notes = Noted(), Noted()
    compiled = [compile_mapping(mapping, Safety(), {}, None) for _ in range(2)]
    plain = source_reader(resolved, compiled[0], plain_notes)
    fast = page_reader(
        resolve(scope, Groups(), GROUPS),
        compiled[1],
        source_reader(resolve(scope, Groups(), GROUPS), compiled[1], fast_notes),
        fast_notes.custom.update,
    )
    return plain, fast, plain_notes, fast_notes


@pytest.mark.parametrize("name", MAPPINGS)
@pytest.mark.parametrize("parsed", [True, False], ids=["parsed to what is read", "whole records"])
@pytest.mark.parametrize("seed", range(4))
def test_both_ways_decide_the_same_on_every_record(name: str, seed: int, *, parsed: bool) -> None:
    chance = random.Random(seed)
    scope = Settings(groups=("Staff", "Others"), exclude_groups=("Former",))
    plain, fast, plain_notes, fast_notes = readers(MAPPINGS[name], scope)
    parse = page_parser(frozenset({"firstname", "lastname", "aliases", "alias1", "a", "title"}))
    for _ in range(40):
        rows = [record_of(chance) for _ in range(chance.choice((0, 1, 4, 8)))]
        given = rows
        if parsed and all(isinstance(row, dict) for row in rows):
            given = parse(json.dumps({"response": rows}).encode())["response"]
        assert fast(given) == [plain(row) for row in rows]
    assert (fast_notes.custom, fast_notes.full_names, fast_notes.valued) == (
        plain_notes.custom,
        plain_notes.full_names,
        plain_notes.valued,
    )


@pytest.mark.parametrize(
    "scope",
    [Settings(all_users=True), Settings(groups=("Staff",), where="firstname"), Settings(users=("p1@example.com",))],
)
def test_both_ways_agree_whatever_the_scope_is(scope: Settings) -> None:
    chance = random.Random(7)
    plain, fast, _, _ = readers(MAPPINGS["the default"], scope)
    rows = [record_of(chance) for _ in range(300)]
    assert fast(rows) == [plain(row) for row in rows]


@pytest.mark.parametrize("id_", ["", "  ", None, 7])
def test_a_record_whose_id_is_no_text_or_blank_has_none_either_way(id_: Any) -> None:
    plain, fast, _, _ = readers(MAPPINGS["the default"], Settings(groups=("Staff",)))
    row = {
        **{"email": "ann@example.com", "username": "ann", "status": "active", "groups": [{"group_id": "DG1"}]},
        **{"firstname": "Ann", "lastname": "Lee", "realname": "", "user_id": id_},
        "custom_attributes": {"userType": "technician", "organizationID": ""},
    }
    (found,) = fast([row])
    assert found == plain(row)
    assert isinstance(found, Problem)
