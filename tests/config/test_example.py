"""The example and a filled-in file are made of what the schema says of each key."""

from __future__ import annotations

import tomllib

from ninjasync.config.example import example, fill_in, toml


def test_a_filled_in_file_differs_from_the_example_in_its_values_and_marks_alone() -> None:
    values = {("duo", "timeout"): "7", ("attributes", "userName"): '"username"', ("organizations", "A B"): "12"}
    made = tomllib.loads(fill_in(values, "# head"))
    given = tomllib.loads(example())
    assert (made["duo"].pop("timeout"), given["duo"].pop("timeout")) == (7, 30)
    assert (made["attributes"].pop("userName"), given["attributes"].pop("userName")) == ("username", "email")
    assert (made.pop("organizations"), given.pop("organizations")) == ({"A B": 12}, {})
    assert made == given
    assert "FILL IN: " not in fill_in(values, "# head")


def test_every_kind_of_value_is_written_as_toml() -> None:
    value = {"a b": [1, 2.5, True, 'x"\\\x7f', {}], "c": {"d": "é\n"}}
    assert tomllib.loads(f"x = {toml(value)}")["x"] == value
