"""A message remembers what was filled in, and no sentence of the package is made in another way."""

import ast
import copy
import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ninjasync
from ninjasync import errors
from ninjasync.model.message import (
    KINDS,
    Argument,
    Message,
    as_message,
    counted,
    did_you_mean,
    from_data,
    group,
    join,
    listed,
    number,
    person,
    text,
    to_data,
    word,
)
from ninjasync.model.problems import CODES, PROBLEMS
from ninjasync.report.redact import make_tokens, redact_message

_ROOT = Path(ninjasync.__file__).parent
_ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type) and name.endswith("Error")}
_ERRORS |= {"TransientError", "NoListError", "ExpressionError", "ValueError"}
# What may stand within an f-string that is a template: words of closed sets, which name nobody.
_CLOSED = {"resource", "what", "why", "since", "status", "how", "method", "sticks", "_BLANK"}

_ARGUMENTS = st.builds(Argument, st.sampled_from(KINDS), st.text())


def messages(depth: int = 2) -> st.SearchStrategy[Message]:
    """Make messages with arguments of every kind, other messages among them."""
    arguments: st.SearchStrategy[Argument | Message] = _ARGUMENTS
    if depth:
        arguments = st.one_of(_ARGUMENTS, messages(depth - 1))
    words = st.text(st.characters(codec="utf-8", exclude_characters="{}"), max_size=8)
    return st.lists(arguments, max_size=4).flatmap(
        lambda some: st.lists(words, min_size=len(some) + 1, max_size=len(some) + 1).map(
            lambda parts: Message("{}".join(parts), *some)
        )
    )


def test_a_message_is_its_sentence_and_knows_what_was_filled_in() -> None:
    said = Message('{} has "{}", {} times', person("jane"), Message("x{}", text("{}")), number(2))

    assert said == 'jane has "x{}", 2 times'
    assert json.dumps(said) == '"jane has \\"x{}\\", 2 times"'
    assert list(said.pieces()) == [person("jane"), ' has "', "x", text("{}"), '", ', number(2), " times"]


def test_the_number_of_arguments_fits_the_template() -> None:
    with pytest.raises(ValueError, match="1 arguments for 2 places"):
        Message("{} and {}", word("a"))


@given(messages())
def test_a_message_survives_being_copied_pickled_and_saved(said: Message) -> None:
    for again in (copy.deepcopy(said), pickle.loads(pickle.dumps(said)), from_data(to_data(said))):
        assert again == said
        assert (again.template, again.arguments) == (said.template, said.arguments)


@given(messages())
def test_the_pieces_are_the_sentence(said: Message) -> None:
    assert said.rendered(str, lambda argument: argument.value) == said


def test_a_sentence_has_one_end_mark_whatever_is_filled_in_at_its_end() -> None:
    near = did_you_mean("userNane", ["userName"])

    assert Message("There is none{}. Look again{}.", near, Message("")) == (
        'There is none; did you mean "userName"? Look again.'
    )
    assert Message("It said: {}.", text("Not now!")) == "It said: Not now!"
    assert Message("{}.", Message("It ends.")) == "It ends."
    assert Message("{}.toml", Message("It ends.")) == "It ends..toml"
    assert redact_message(Message("It said: {}.", text("Not now!")), make_tokens(b"key")) == "It said: (redacted)."


@given(messages())
def test_redaction_leaves_no_name_and_no_text_of_another_author(said: Message) -> None:
    token = make_tokens(b"key")
    kept = [piece for piece in redact_message(said, token).pieces() if isinstance(piece, Argument)]
    given_in = [piece for piece in said.pieces() if isinstance(piece, Argument)]
    for before, after in zip(given_in, kept, strict=True):
        expected = {"person": token(before.value), "text": "(redacted)"}.get(before.kind, before.value)
        assert (after.kind, after.value) == (before.kind, expected)


def test_parts_are_put_together_as_messages() -> None:
    assert listed([group("A"), group("B"), group("C")], 2) == "A, B and 1 more"
    assert join(" and ", [word("a"), Message("b")]).arguments == (word("a"), Message("b"))
    assert (counted(1, "user"), counted(0, "user"), counted(2, "change is", "changes are")) == (
        "1 user",
        "0 users",
        "2 changes are",
    )
    assert did_you_mean("userNane", ["userName"], text) == '; did you mean "userName"?'
    assert did_you_mean("zzz", ["userName"]) == ""
    assert as_message("Set {} in place of {}.") == "Set {} in place of {}."


@pytest.mark.parametrize("said", ["It ends.", "It ends"])
def test_a_full_stop_is_taken_off_wherever_it_is(said: str) -> None:
    assert Message("{}", Message(said)).without_stop() == "It ends"


def test_every_problem_code_has_a_meaning_and_a_cure() -> None:
    assert PROBLEMS.keys() == set(CODES)
    assert all(one.meaning and one.cure.endswith(".") for one in PROBLEMS.values())


# --- how sentences are made -----------------------------------------------------------------------


def _calls() -> Iterator[tuple[str, str, ast.expr]]:
    """Yield each sentence that is handed to an error, and each template of a message: place, maker, argument."""
    for path in sorted(_ROOT.rglob("*.py")):
        if "sandbox" in path.parts or path == _ROOT / "model" / "message.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = f"{path.relative_to(_ROOT)}:{node.lineno}"
                if node.func.id == "Message" and node.args:
                    yield place, "Message", node.args[0]
                elif node.func.id in _ERRORS:
                    lists = [keyword.value for keyword in node.keywords if keyword.arg == "mistakes"]
                    yield from ((place, node.func.id, argument) for argument in (*node.args[:2], *lists))


def _filled(argument: ast.expr) -> bool:
    """Whether text is put together here, other than of words of closed sets."""
    for node in ast.walk(argument):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Message", "join"):
            return False
    match argument:
        case ast.JoinedStr():
            inner = [value.value for value in argument.values if isinstance(value, ast.FormattedValue)]
            return not all(_is_closed(expression) for expression in inner)
        case ast.BinOp() | ast.Call(func=ast.Attribute(attr="join" | "format")) | ast.Call(func=ast.Name(id="str")):
            return True
    return False


def _is_closed(expression: ast.expr) -> bool:
    match expression:
        case ast.Name(id=name):
            return name in _CLOSED or name.isupper()
        case ast.IfExp(body=ast.Constant(), orelse=ast.Constant()) | ast.BinOp(left=ast.Constant(value="s")):
            return True
    return False


def test_no_sentence_is_made_by_filling_text_in() -> None:
    found = [
        f"{place} {maker}: {ast.unparse(argument)[:80]}" for place, maker, argument in _calls() if _filled(argument)
    ]

    assert not found, "make it a Message with arguments, so that redaction knows what was filled in"


@pytest.mark.parametrize(
    "data",
    [
        {"template": None, "arguments": []},
        {"template": ["x"], "arguments": []},
        {"template": "{}", "arguments": [{"kind": "text", "value": 7}]},
        {"template": "{}", "arguments": [{"kind": "else", "value": "x"}]},
        {"template": "{}", "arguments": [{"template": 7, "arguments": []}]},
        {"template": "{}", "arguments": [7]},
    ],
)
def test_data_that_is_no_message_is_refused(data: object) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        from_data(data)
