"""Environment variables as tables: names in any case, JSON for lists and tables, keys over whole tables."""

from __future__ import annotations

from typing import Any

import pytest

from ninjasync.config.environment import expect_no_keys, find_unknown, names_keys, read_variables
from ninjasync.errors import ConfigurationError


@pytest.mark.parametrize(
    ("variables", "tables"),
    [
        ({"NINJASYNC_DUO__TIMEOUT": "60"}, {"duo": {"timeout": "60"}}),
        ({"ninjasync_duo__timeout": "60"}, {"duo": {"timeout": "60"}}),
        ({"NINJASYNC_NINJAONE__DIALECT__PATCH": "put"}, {"ninjaone": {"dialect": {"patch": "put"}}}),
        ({"NINJASYNC_SCOPE__GROUPS": '["A", "B"]'}, {"scope": {"groups": ["A", "B"]}}),
        ({"NINJASYNC_DUO": '{"timeout": 5}', "NINJASYNC_DUO__PROXY": "p"}, {"duo": {"timeout": 5, "proxy": "p"}}),
        ({"NINJASYNC_DUO__TIMEOUT": "6", "NINJASYNC_DUO": '{"timeout": 5}'}, {"duo": {"timeout": "6"}}),
        ({"NINJASYNC_DUO": "[broken", "NINJASYNC_DUO__TIMEOUT": "6"}, {"duo": {"timeout": "6"}}),
        ({"NINJASYNC_DUO__SECRET_KEY__ENV": "KEY"}, {"duo": {"secret_key": {"env": "KEY"}}}),
        ({"NINJASYNC_DUO__SECRET_KEY": "12345678"}, {"duo": {"secret_key": "12345678"}}),
        ({"NINJASYNC_SCOPE__WHERE": "[?x] | [0]"}, {"scope": {"where": "[?x] | [0]"}}),
        ({"NINJASYNC_STATE__TENANT": ""}, {}),
        ({"NINJASYNC_CONFIG": "x", "NINJASYNC_REDACT_KEY": "x", "NINJASYNC_FLEET": "x", "DUO__TIMEOUT": "1"}, {}),
    ],
)
def test_variables_become_tables(variables: dict[str, str], tables: dict[str, Any]) -> None:
    assert read_variables(variables) == tables
    assert find_unknown(variables) == []


def test_json_that_is_nested_without_end_is_left_for_validation_to_refuse() -> None:
    assert read_variables({"NINJASYNC_SCOPE__GROUPS": "[" * 100_000}) == {"scope": {"groups": "[" * 100_000}}


def test_a_variable_of_no_table_is_a_mistake_that_names_the_nearest() -> None:
    assert find_unknown({"NINJASYNC_DOU__TIMEOUT": "1"}) == [
        'NINJASYNC_DOU__TIMEOUT in the environment: no such key; did you mean "NINJASYNC_DUO__TIMEOUT"?'
    ]
    assert names_keys({"NINJASYNC_DOU__TIMEOUT": "1"})
    assert not names_keys({"NINJASYNC_CONFIG": "x", "HOME": "y"})


def test_a_fleet_refuses_a_key_that_would_change_all_tenants_and_nothing_else() -> None:
    expect_no_keys({"NINJASYNC_CONFIG": "x", "NINJASYNC_DUO_API": "secret of one tenant", "HOME": "y"})
    with pytest.raises(ConfigurationError, match="NINJASYNC_RUN__RETRIES in the environment"):
        expect_no_keys({"NINJASYNC_RUN__RETRIES": "1"})
    with pytest.raises(ConfigurationError, match="NINJASYNC_SCOPE in the environment"):
        expect_no_keys({"NINJASYNC_SCOPE": '{"all_users": true}'})
    expect_no_keys({"NINJASYNC_RUN__RETRIES": ""})  # counts as absent


def test_a_variable_that_can_be_no_key_may_hold_a_secret_but_not_a_key_with_one_underscore_for_two() -> None:
    secrets = {"NINJASYNC_DATABASE": "postgresql://x", "NINJASYNC_DUO_NORTH": "y"}
    assert (find_unknown(secrets), names_keys(secrets)) == ([], False)
    [mistake] = find_unknown({"NINJASYNC_DUO_SECRET_KEY": "x"})
    assert "NINJASYNC_DUO_SECRET_KEY in the environment: no such key" in mistake
