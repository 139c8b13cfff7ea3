"""The functions that expressions have beside JMESPath's own: what they give, and mistakes found before any record."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ninjasync
from ninjasync.config.expression import ExpressionError, alternatives_of, compile_expression, is_bare
from ninjasync.config.expression import _compiled as with_jmespath
from ninjasync.config.functions import FUNCTIONS
from ninjasync.config.load import load
from ninjasync.duo.records import clean
from ninjasync.errors import ConfigurationError

PAGE = (Path(ninjasync.__file__).parent / "manual" / "expressions.md").read_text("utf-8")

RECORD: dict[str, Any] = {
    "realname": "Jan van der Berg",
    "email": " Jan@Example.COM ",
    "username": "jan@old.example",
    "none": None,
    "empty": "",
    "blank": "\u00a0 ",
    "number": 7,
    "list": ["a"],
    "custom_attributes": {"site": "Berlin", "code": 12},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("given_name(realname)", "Jan"),
        ("family_name(realname)", "van der Berg"),
        ("family_name(username)", None),
        ("lower(trim(email))", "jan@example.com"),
        ("upper(username)", "JAN@OLD.EXAMPLE"),
        ("replace(username, '@old.', '@new.')", "jan@new.example"),
        ("replace(username, '@old.example', '')", "jan"),
        ("replace(username, username, '')", None),
        ("split(username, '@')[0]", "jan"),
        ("split(username, none)", None),
        ("word(realname, `1`)", "Jan"),
        ("word(realname, `4`)", "Berg"),
        ("word(realname, `5`)", None),
        ("word(realname, to_number('2'))", "van"),
        ("strip_accents('Ångström Łódź ß')", "Angstrom Lodz ss"),
        ("lookup(custom_attributes.site, {Berlin: '12'})", "12"),
        ("lookup(custom_attributes.site, {Paris: '12'})", None),
        ('lookup(custom_attributes.code, `{"12": "Contoso"}`)', "Contoso"),
        ("lookup(none, {Berlin: '12'})", None),
        ("lookup(custom_attributes.site, none)", None),
        ("blank || realname", "Jan van der Berg"),
    ],
)
def test_a_function_gives_what_it_says(text: str, value: Any) -> None:
    assert compile_expression(text)(clean(RECORD)) == value


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("nothing", ["none", "empty", "blank", "not_there"])
def test_of_nothing_each_function_makes_null_with_any_argument_that_is_nothing(name: str, nothing: str) -> None:
    fitting = {"string": "'x'", "number": "`1`", "object": "`{}`"}
    usual = [fitting[kinds[0]] for kinds in FUNCTIONS[name].takes]
    for at in range(len(usual)):
        if at and nothing in ("empty", "blank"):
            continue  # to replace something by nothing is a wish of its own
        arguments = ", ".join([*usual[:at], nothing, *usual[at + 1 :]])
        assert compile_expression(f"{name}({arguments})")(RECORD) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("uper(email)", 'calls uper(), which does not exist; did you mean "upper"?'),
        ("givenname(realname)", 'did you mean "given_name"?'),
        ("frobnicate(email)", "there are abs, avg,"),
        ("lower()", "calls lower() with 0 arguments, which takes 1"),
        ("lower(email, email)", "calls lower() with 2 arguments, which takes 1"),
        ("replace(email, 'a')", "calls replace() with 2 arguments, which takes 3"),
        ("starts_with(email)", "calls starts_with() with 1 argument, which takes 2"),
        ("not_null()", "calls not_null() with 0 arguments, which takes 1 or more"),
        ("upper(`5`)", "calls upper() with a number as argument 1, where it takes a text"),
        ("lower(split(email, ','))", "with a list as argument 1, where it takes a text"),
        ("lower(groups[*].name)", "with a list as argument 1"),
        ("word(realname, '1')", "with a text as argument 2, where it takes a number"),
        ("word(realname, `0`)", "counts from 1 on"),
        ("word(realname, `1.5`)", "in whole numbers"),
        ("word(realname, `1e999`)", "cannot work"),
        ("split(email, '')", "needs a separator"),
        ("replace(email, '', 'x')", "needs a text to be replaced"),
        ("lookup(email, 'x')", "with a text as argument 2, where it takes an object"),
        ("lookup(email, [username])", "with a list as argument 2"),
        ("trim(email == 'x')", "with a truth value as argument 1"),
        ("email || (groups[?uper(name) == 'X'] && lower())", "calls lower() with 0 arguments"),
    ],
)
def test_a_call_that_can_never_do_is_found_before_any_record_is_read(text: str, why: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "text", ["lower(number)", "lower(number) || email", "given_name(list)", "split(email, username[0])"]
)
def test_what_only_a_record_can_show_fails_on_that_record(text: str) -> None:
    evaluate = compile_expression(text)
    if text.startswith("split"):
        assert evaluate(RECORD) is None
        return
    with pytest.raises(ExpressionError):
        evaluate(RECORD)


def test_every_mistake_is_told_by_its_line_when_the_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        "[duo]\napi_hostname='api-1.duosecurity.com'\nintegration_key='k'\nsecret_key='secret-secret'\n"
        "[ninjaone]\nendpoint_url='https://x.example/scim'\nsecret_token='token-token'\n"
        "[scope]\nall_users=true\nwhere=\"lower(username, 'x')\"\n"
        "[attributes]\nuserName='lowr(email)'\n'name.givenName'='word(realname)'\ntitle='''split(notes, '')'''\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    told = "\n".join(caught.value.mistakes)
    assert caught.value.exit_code == 78
    assert '[attributes] "userName"' in told
    assert 'did you mean "lower"?' in told
    assert '[attributes] "name.givenName"' in told
    assert '[attributes] "title"' in told
    assert "[scope] where" in told


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ["a"]),
        ("a || b", ["a", "b"]),
        ("a||b || lower(c)", ["a", "b", "lower(c)"]),
        ("a && b || c", ["a && b", "c"]),
        ("(a || b)", ["(a || b)"]),
        ("a || (b || c)", ["a", "(b || c)"]),
        ("a || 'x || y'", ["a", "'x || y'"]),
        ('a || "x || y"', ["a", '"x || y"']),
        ('a || `"x || y"`', ["a", '`"x || y"`']),
        ("a[?x || y].b || c", ["a[?x || y].b", "c"]),
        ("a || b | [0]", ["a || b | [0]"]),
        (r"a || 'it\'s || so'", ["a", r"'it\'s || so'"]),
    ],
)
def test_the_alternatives_of_an_expression_are_told_apart(text: str, parts: list[str]) -> None:
    assert list(alternatives_of(text)) == parts


_path = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join)
_one_text = sorted(name for name, one in FUNCTIONS.items() if one.is_of_one_text)
_term = _path | st.builds("{}({})".format, st.sampled_from(_one_text), _path)
_value: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", " ", "Jan Berg", "x"]) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


def _evaluated(expression: Any, record: dict[str, Any]) -> Any:
    try:
        value = expression(record)
    except ExpressionError:
        return ExpressionError
    return None if isinstance(value, str) and not value.strip() else value


@given(st.lists(_term, min_size=1, max_size=3).map(" || ".join), st.dictionaries(st.sampled_from("abc"), _value))
def test_a_bare_expression_gives_what_jmespath_gives_but_that_blanks_count_as_nothing(
    text: str, record: dict[str, Any]
) -> None:
    def cleaned(value: Any) -> Any:
        match value:
            case dict():
                return {name: cleaned(one) for name, one in value.items()}
            case str() if not value.strip():
                return None
            case _:
                return value

    assert is_bare(text)
    assert _evaluated(compile_expression(text), record) == _evaluated(with_jmespath(text), cleaned(record))


def test_the_manual_documents_each_function_with_an_example_that_gives_what_it_says() -> None:
    section = PAGE.partition("| function | gives | example | which gives |")[2].partition("\n\n")[0]
    rows = [
        [cell.strip().replace("\0", "|").strip("`") for cell in line.strip("|").replace("\\|", "\0").split("|")]
        for line in section.splitlines()[2:]
    ]
    documented = {re.match(r"\w+", name)[0]: (name, example, value) for name, _, example, value in rows}  # type: ignore[index]  # each begins with one
    assert set(documented) == set(FUNCTIONS)
    for name, (call, example, value) in documented.items():
        assert call.count(",") + 1 == len(FUNCTIONS[name].takes)
        assert example == FUNCTIONS[name].example
        assert str(compile_expression(example)({})) == value
