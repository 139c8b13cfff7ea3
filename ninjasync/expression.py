"""JMESPath expressions over a Duo record, compiled once and cheap to evaluate.

Pure. Knows JMESPath (https://jmespath.org/specification.html); knows nothing of
SCIM or of which expression is used for what.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Expression = Callable[[Mapping[str, Any]], Any]

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


class ExpressionError(ValueError):
    """The expression does not parse, or failed on a record; the text says why."""


def compile_expression(text: str) -> Expression:
    """Return a function from a record to the expression's value.

    Raises ExpressionError when ``text`` does not parse or calls an unknown function;
    the function raises it when the evaluation fails (a wrong type, say).
    """
    if is_bare(text):
        return _bare_path(text)
    import jmespath  # most mappings do without
    from jmespath.exceptions import JMESPathError, ParseError

    try:
        compiled = jmespath.compile(text)
    except ParseError as error:
        raise ExpressionError(f"does not parse at character {error.lex_position + 1}") from error
    except JMESPathError as error:
        raise ExpressionError(f"does not parse: {error}") from error
    _check_functions(compiled.parsed)

    def evaluate(record: Mapping[str, Any]) -> Any:
        try:
            return compiled.search(record)
        except (JMESPathError, ArithmeticError, ValueError) as error:  # ceil(to_number('inf')) overflows
            raise ExpressionError(str(error)) from error

    return evaluate


def is_bare(text: str) -> bool:
    """Whether the expression is nothing but names joined by dots."""
    return _BARE.fullmatch(text) is not None


def is_true(value: Any) -> bool:
    """Truth as JMESPath has it: null, false and everything empty are false, any number is true."""
    return value is not None and value is not False and not (hasattr(value, "__len__") and len(value) == 0)


def _bare_path(text: str) -> Expression:
    """Evaluate ``a.b.c`` by dict look-ups: most mappings are such, and a record has several."""
    first, *rest = text.split(".")
    if not rest:
        return lambda record: record.get(first)
    if len(rest) == 1:
        (second,) = rest

        def two(record: Mapping[str, Any]) -> Any:
            place = record.get(first)
            return place.get(second) if isinstance(place, dict) else None

        return two

    def evaluate(record: Mapping[str, Any]) -> Any:
        value = record.get(first)
        for name in rest:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    return evaluate


def _check_functions(node: Any) -> None:
    """Find unknown functions now, not when the first record reaches them."""
    from jmespath.functions import Functions

    if node["type"] == "function_expression" and node["value"] not in Functions.FUNCTION_TABLE:
        raise ExpressionError(f"calls {node['value']}(), which JMESPath does not have")
    for child in node["children"]:
        if isinstance(child, dict):
            _check_functions(child)


def fields_of(text: str) -> frozenset[tuple[str, ...]]:
    """Return the fields of the record that an expression reads, as ``("email",)`` or ``("custom_attributes", "x")``.

    What is read within a field, as behind a projection, is left out but for one level.
    """
    import jmespath

    found: set[tuple[str, ...]] = set()
    _note_fields(jmespath.compile(text).parsed, found)
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
