"""The fast way to parse Duo's pages of users agrees with the plain one on what is read of them."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from ninjasync.config.expression import fields_within
from ninjasync.duo.records import group_ids, group_reader
from ninjasync.duo.user_pages import page_parser

READ = ("custom_attributes", "email", "realname", "status", "user_id", "username")


def record_of(chance: random.Random) -> dict[str, Any]:
    """Return a record with most of what Duo sends, now and then of another type."""
    groups = [{"group_id": f"DG{number}", "name": "Gr\u00fcn \\"} for number in range(chance.randrange(3))]
    record: dict[str, Any] = {
        "user_id": f"DU{chance.randrange(100)}",
        "groups": chance.choice(
            (
                groups,
                groups,
                groups,
                None,
                [],
                [{}],
                ["x"],
                [{"group_id": 7}],
                "DG1",
                "",
                {},
                {"DG1": 1},
                [{"group_id": ""}],
            )
        ),
        "custom_attributes": chance.choice(({"userType": "endUser"}, [{"name": "a", "value": "b"}], None, {})),
        "phones": [{"number": "+1"}],
        "aliases": {"alias1": "x"},
    }
    record |= {
        name: chance.choice(("x", "", None, 3, ["y"])) for name in ("email", "realname", "status", "username", "notes")
    }
    for name in chance.sample(list(record), chance.randrange(3)):
        del record[name]
    return record


@pytest.mark.parametrize("seed", range(10))
def test_what_is_read_of_a_record_is_the_same_either_way(seed: int) -> None:
    chance = random.Random(seed)
    parse, read_groups = page_parser(frozenset({"aliases", "notes"})), group_reader()
    for _ in range(200):
        rows = [record_of(chance) for _ in range(3)]
        body = {"stat": "OK", "response": rows, "metadata": {"total_objects": 3, "next_offset": None}, "more": 1}
        parsed = parse(json.dumps(body).encode())
        assert (parsed["stat"], parsed["metadata"]) == (body["stat"], body["metadata"])
        for row, given in zip(rows, parsed["response"], strict=True):
            for name in (*READ, "aliases", "notes"):
                assert (name in given, given.get(name)) == (name in row, row.get(name))
            assert read_groups(given) == group_ids(given) == group_ids(row) == read_groups(row)


def test_groups_that_an_expression_reads_are_parsed() -> None:
    fields = fields_within(["groups[?name == 'Admins'].name | [0]"])
    assert fields is not None
    record = {"groups": [{"group_id": "DG1", "name": "Admins"}]}
    parsed = page_parser(fields)(json.dumps({"stat": "OK", "response": [record], "metadata": {}}).encode())
    assert parsed["response"] == [record]


@pytest.mark.parametrize("response", [[1], ["x"], {}, None, [[]]])
def test_a_page_of_another_shape_is_refused(response: Any) -> None:
    with pytest.raises(ValueError, match="Expected"):
        page_parser(frozenset())(json.dumps({"stat": "OK", "response": response}).encode())


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("email", {"email"}),
        ("firstname || given_name(realname)", {"firstname", "realname"}),
        ("custom_attributes.userType", {"custom_attributes", "userType"}),
        ("phones[?type == 'Mobile'] | [0].number", {"phones", "type", "number"}),
        ("{a: email, b: [notes, length(tokens)]}.a", {"email", "notes", "tokens", "a"}),
        ("", set()),
        ("@", None),
        ("keys(@)", None),
        ("*.x", None),
        ("*", None),
        ("to_array(@)[0].email", None),
        ("email && @.notes", None),
    ],
)
def test_the_fields_of_an_expression_are_known_but_where_it_takes_the_whole_record(
    text: str, fields: set[str] | None
) -> None:
    found = fields_within([text])
    assert found is None if fields is None else found is not None and found >= fields
