"""JMESPath expressions over a Duo record."""

from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninjasync.config.expression import ExpressionError, compile_expression, fields_of, is_true

RECORD: dict[str, Any] = {
    "email": "Jane@Example.com",
    "custom_attributes": {"userType": "technician", "deep": {"er": 7}},
    "groups": [{"name": "Ops"}, {"name": "Staff"}],
    "empty": None,
    "list": [1, 2],
    "odd": "inf",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("email", "Jane@Example.com"),
        ("custom_attributes.userType", "technician"),
        ("custom_attributes.deep.er", 7),
        ("custom_attributes.nothing", None),
        ("nothing.at.all", None),
        ("email.domain", None),
        ("list.one", None),
        ("empty.one", None),
        (" email ", "Jane@Example.com"),
        ("groups[0].name", "Ops"),
        ("groups[*].name | join(', ', @)", "Ops, Staff"),
        ("nothing || email", "Jane@Example.com"),
        ("'All'", "All"),
        ('"email"', "Jane@Example.com"),
        ("{a: email}.a", "Jane@Example.com"),
        ("groups[:1].name | [0]", "Ops"),
        ("contains(groups[].name, 'Ops') && 'technician' || 'endUser'", "technician"),
    ],
)
def test_an_expression_gives_the_value_that_it_describes(text: str, value: Any) -> None:
    assert compile_expression(text)(RECORD) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("email ||", "does not parse at character 9"),
        ("groups[", "does not parse at character 8"),
        ("email !", "does not parse at character"),
        ("", "does not parse"),
        ("'open", "does not parse at character"),
        ("uper(email)", 'calls uper(), which does not exist; did you mean "upper"?'),
        ("groups[*].{a: lowr(name)}", "calls lowr(), which does not exist"),
        ("sort_by(groups, &strip(name))", "calls strip(), which does not exist"),
    ],
)
def test_a_wrong_expression_is_found_before_any_record_is_read(text: str, why: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "starts_with(empty, 'x')",
        "join(',', email)",
        "abs(email)",
        "length(empty)",
        "ceil(to_number(odd))",
        "floor(to_number('nan'))",
    ],
)
def test_an_expression_that_fails_on_a_record_says_so_and_nothing_else_breaks(text: str) -> None:
    evaluate = compile_expression(text)
    with pytest.raises(ExpressionError):
        evaluate(RECORD)


@given(st.text(alphabet="abz_.[]*?'\"{}()|&!=<>@0123 -,:\\\n", max_size=12))
def test_whatever_is_typed_either_compiles_or_is_refused_as_an_expression(text: str) -> None:
    try:
        evaluate = compile_expression(text)
    except ExpressionError:
        return
    assert callable(evaluate)


_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join),
    st.dictionaries(st.sampled_from("abc"), _values),
)
def test_a_bare_path_gives_exactly_what_jmespath_gives(path: str, record: dict[str, Any]) -> None:
    assert compile_expression(path)(record) == jmespath.search(path, record)


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_nothing_and_everything_empty_is_false(value: Any) -> None:
    assert not is_true(value)


@pytest.mark.parametrize("value", [True, 0, 0.0, "false", " ", [None], {"a": None}])
def test_every_number_and_everything_with_content_is_true(value: Any) -> None:
    assert is_true(value)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("email", {("email",)}),
        ("custom_attributes.userType", {("custom_attributes", "userType")}),
        ("email || username", {("email",), ("username",)}),
        ("custom_attributes.a.b", {("custom_attributes", "a")}),
        ("join('@', [username, 'example.com'])", {("username",)}),
        ("groups[*].name | [0]", {("groups",)}),
        ("groups[?name == 'Ops'].group_id", {("groups",)}),
        ("sort_by(groups, &name)[0].name", {("groups",)}),
        ("{a: email}.a", {("email",)}),
        ("'All'", set()),
    ],
)
def test_it_is_known_which_fields_of_the_record_an_expression_reads(text: str, fields: set[tuple[str, ...]]) -> None:
    assert fields_of(text) == fields
