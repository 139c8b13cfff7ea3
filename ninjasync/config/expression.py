"""JMESPath expressions over a Duo record, compiled once and cheap to evaluate.

Pure. Knows JMESPath (https://jmespath.org/specification.html); must not know SCIM, nor which
expression is used for what. The functions beside JMESPath's own are in ``functions``.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError, ParseError
from jmespath.functions import Functions

from ninjasync.config.functions import FUNCTIONS, Function, value_of
from ninjasync.model.message import Message, counted, did_you_mean, join, reason_of, word
from ninjasync.model.message import number as as_number
from ninjasync.model.message import text as as_text

Expression = Callable[[Mapping[str, Any]], Any]

_PATH = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*"
# Nothing but names joined by dots, perhaps in the call of one function.
_OF_ONE_TEXT = "|".join(name for name, function in FUNCTIONS.items() if function.is_of_one_text)
_TERM = re.compile(rf"\s*(?:({_OF_ONE_TEXT})\(\s*)?({_PATH})(\s*\))?\s*")
_QUOTES = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`""", re.DOTALL)
# What JMESPath's own functions give, where it is one kind of value whatever they are given.
_GIVEN = {
    **dict.fromkeys(("abs", "avg", "ceil", "floor", "length", "sum"), "number"),
    **dict.fromkeys(("contains", "ends_with", "starts_with"), "boolean"),
    **dict.fromkeys(("join", "to_string", "type"), "string"),
    **dict.fromkeys(("keys", "map", "sort", "sort_by", "to_array", "values"), "array"),
    "merge": "object",
}
_LISTS = ("multi_select_list", "projection", "filter_projection", "value_projection", "flatten")


class ExpressionError(ValueError):
    """The expression does not parse, or failed on a record; the text says why."""


def compile_expression(text: str) -> Expression:
    """Return a function from a record to the expression's value.

    Raises ExpressionError when ``text`` does not parse, calls an unknown function, or calls one
    with arguments that can never do; the function raises it when the evaluation fails (a wrong
    type, say).
    """
    return _alternatives(terms) if (terms := bare_terms(text)) else _compiled(text)


def fault_of_expression(text: str, error: ExpressionError) -> Message:
    """Say what is wrong with an expression, which may hold any name or address."""
    return Message("the expression {} {}", as_text(repr(text)), reason_of(error))


def is_bare(text: str) -> bool:
    """Whether the expression needs no JMESPath: names joined by dots, functions of one of these, ``||`` between them.

    To such a one an empty or blank string and null are the same.
    """
    return bare_terms(text) is not None


def is_path(text: str) -> bool:
    """Whether the expression is nothing but names joined by dots."""
    return re.fullmatch(_PATH, text) is not None


def is_true(value: Any) -> bool:
    """Truth as JMESPath has it: null, false and everything empty are false, any number is true."""
    return value is not None and value is not False and not (hasattr(value, "__len__") and len(value) == 0)


def alternatives_of(text: str) -> tuple[str, ...]:
    """Return the parts of ``a || b || c``, of which the first with a value gives it; else ``text`` alone."""
    parts, depth, last = [], 0, 0
    # What stands in quotes is passed over, whatever it holds.
    plain = _QUOTES.sub(lambda found: "_" * len(found[0]), text)
    for at, sign in enumerate(plain):
        depth += (sign in "([{") - (sign in ")]}")
        if depth == 0 and plain.startswith("||", at):
            parts.append(text[last:at].strip())
            last = at + 2
        elif depth == 0 and sign == "|" and plain[at - 1 : at] != "|":
            return (text.strip(),)  # a pipe: what comes behind it works on whichever it was
    return (*parts, text[last:].strip())


# --- without JMESPath ----------------------------------------------------------------------------


def bare_terms(text: str) -> list[tuple[str | None, str]] | None:
    """Return function, if there is one, and path of each alternative of a bare expression; None where it is none."""
    terms: list[tuple[str | None, str]] = []
    for part in text.split("||"):
        found = _TERM.fullmatch(part)
        if found is None or bool(found[1]) != bool(found[3]):
            return None
        terms.append((found[1], found[2]))
    return terms


def _alternatives(terms: list[tuple[str | None, str]]) -> Expression:
    """Evaluate ``a || b``: most mappings are such, and each is evaluated once per user."""
    (name, path), *others = terms
    first = _bare_path(path) if name is None else _bare_call(name, path)
    if not others:
        return first
    rest = _alternatives(others)

    def evaluate(record: Mapping[str, Any]) -> Any:
        value = first(record)
        if type(value) is str:
            return rest(record) if value == "" or value.isspace() else value
        return value if is_true(value) else rest(record)

    return evaluate


def _bare_call(name: str, path: str) -> Expression:
    """Evaluate ``function(a.b)``. A value that is no text is left to JMESPath, which refuses it."""
    call, place = FUNCTIONS[name].call, _bare_path(path)

    def evaluate(record: Mapping[str, Any]) -> Any:
        value = place(record)
        if value is None:
            return None
        if type(value) is not str:
            return _compiled(f"{name}({path})")(record)
        return (call(value) or None) if value and not value.isspace() else None

    return evaluate


def _bare_path(text: str) -> Expression:
    """Evaluate ``a.b.c`` by dict look-ups; one name, and one within an object, are nearly all there is."""
    first, *rest = text.split(".")
    if not rest:
        return lambda record: record.get(first)
    last = rest[0] if len(rest) == 1 else None

    def evaluate(record: Mapping[str, Any]) -> Any:
        if last is not None and type(place := record.get(first)) is dict:
            return place.get(last)
        value = record.get(first)
        for name in rest:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    return evaluate


# --- with JMESPath -------------------------------------------------------------------------------


def _compiled(text: str) -> Expression:
    try:
        compiled = jmespath.compile(text)
    except ParseError as error:
        raise ExpressionError(Message("does not parse at character {}", as_number(error.lex_position + 1))) from error
    except JMESPathError as error:
        raise ExpressionError(Message("does not parse: {}", as_text(error))) from error
    if mistakes := list(_mistakes(compiled.parsed)):
        raise ExpressionError(join("; and ", mistakes))
    options = jmespath.Options(custom_functions=_AllFunctions())

    def evaluate(record: Mapping[str, Any]) -> Any:
        try:
            return compiled.search(record, options)
        except (JMESPathError, ArithmeticError, ValueError) as error:  # ceil(to_number('inf')) overflows
            raise ExpressionError(reason_of(error)) from error

    return evaluate


def _call(function: Function, _: Functions, *arguments: Any) -> Any:
    return value_of(function, arguments)


class _AllFunctions(Functions):
    """JMESPath's functions and ours; to ours any argument may be null."""


# Set from outside: their metaclass makes a table of the methods whose names begin with _func_.
_AllFunctions.FUNCTION_TABLE = Functions.FUNCTION_TABLE | {
    name: {
        "function": partial(_call, function),
        "signature": [{"types": [*kinds, "null"]} for kinds in function.takes],
    }
    for name, function in FUNCTIONS.items()
}


def _mistakes(node: Any) -> Iterator[Message]:
    """Say what is wrong with calls of functions now, not when the first record reaches them."""
    if node["type"] == "function_expression":
        yield from _mistakes_of_call(node["value"], node["children"])
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _mistakes(child)


def _mistakes_of_call(name: str, arguments: list[Any]) -> Iterator[Message]:
    table = _AllFunctions.FUNCTION_TABLE
    if name not in table:
        near = did_you_mean(name, list(table)) or Message("; there are {}", word(", ".join(sorted(table))))
        yield Message("calls {}(), which does not exist{}", as_text(name), near)
        return
    signature = table[name]["signature"]
    least, many = len(signature), bool(signature[-1].get("variadic"))
    if len(arguments) < least or (len(arguments) > least and not many):
        wants = Message("{}{}", as_number(least), word(" or more" * many))
        yield Message("calls {}() with {}, which takes {}", word(name), counted(len(arguments), "argument"), wants)
        return
    for number, (argument, wanted) in enumerate(zip(arguments, signature, strict=False), 1):
        given = _kind(argument)
        kinds = {kind.partition("-")[0] for kind in wanted["types"]}
        if given and kinds and given not in kinds:
            shown = " or ".join(_A[kind] for kind in _A if kind in kinds - {"null"})
            yield Message(
                "calls {}() with {} as argument {}, where it takes {}",
                *(word(name), word(_A[given]), as_number(number), word(shown)),
            )
            return
    if name in ("replace", "split", "word") and arguments[1]["type"] == "literal":
        yield from _failing(name, *(node["value"] if node["type"] == "literal" else "x" for node in arguments))


def _failing(name: str, *arguments: Any) -> Iterator[Message]:
    """Try a call with the arguments that the expression spells out: what fails with them fails for every user."""
    try:
        value_of(FUNCTIONS[name], arguments)
    except (ArithmeticError, ValueError) as error:
        yield Message("cannot work: {}", reason_of(error))


_A = {
    "array": "a list",
    "object": "an object",
    "string": "a text",
    "number": "a number",
    "boolean": "a truth value",
    "null": "null",
    "expref": "an expression (&)",
}


def _kind(node: Any) -> str:
    """Return the JMESPath type of what a node gives, where it is one and the same for every record; else nothing."""
    match node:
        case {"type": "literal", "value": value}:
            return _type_of(value)
        case {"type": "function_expression", "value": name}:
            given = FUNCTIONS[name].gives if name in FUNCTIONS else _GIVEN.get(name, "")
            return "" if given == "any" else given
        case {"type": "comparator" | "not_expression"}:
            return "boolean"
        case {"type": "multi_select_dict"}:
            return "object"
        case {"type": "expref"}:
            return "expref"
        case {"type": kind} if kind in _LISTS:
            return "array"
        case _:
            return ""


def _type_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int() | float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"


def fields_of(text: str) -> frozenset[tuple[str, ...]]:
    """Return the fields of the record that an expression reads, as ``("email",)`` or ``("custom_attributes", "x")``.

    What is read within a field, as behind a projection, is left out but for one level.
    """
    found: set[tuple[str, ...]] = set()
    _note_fields(jmespath.compile(text).parsed, found)
    return frozenset(found)


def fields_within(texts: Iterable[str]) -> frozenset[str] | None:
    """Return the names that expressions mention; None where one takes the record as a whole, whatever is in it."""
    found: set[str] = set()
    nodes = [jmespath.compile(text).parsed for text in texts if text]
    while nodes:
        node = nodes.pop()
        if node["type"] == "current" or (
            node["type"].endswith("projection") and node["children"][0]["type"] == "identity"
        ):
            return None
        if node["type"] == "field":
            found.add(node["value"])
        nodes += [child for child in node["children"] if isinstance(child, dict)]
    return frozenset(found)


def _note_fields(node: Any, found: set[tuple[str, ...]]) -> None:
    """Walk what is evaluated on the record itself; what comes behind a pipe or a dot is evaluated on something else."""
    match node["type"]:
        case "field":
            found.add((node["value"],))
        case "subexpression":
            first, second, *_ = node["children"]
            if first["type"] == second["type"] == "field":
                found.add((first["value"], second["value"]))
            else:
                _note_fields(first, found)
        case "pipe" | "index_expression" | "projection" | "filter_projection" | "value_projection" | "flatten":
            _note_fields(node["children"][0], found)
        case "expref":
            pass
        case _:
            for child in node["children"]:
                if isinstance(child, dict):
                    _note_fields(child, found)
