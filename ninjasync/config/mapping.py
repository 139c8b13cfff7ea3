"""[attributes] and [organizations]: names of the operator's own, and what may stand behind them."""

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from ninjasync.config.expression import ExpressionError, compile_expression, fault_of_expression
from ninjasync.config.section import MistakenLinesError, name_line
from ninjasync.model import attributes
from ninjasync.model.message import NOTHING, Message, reason_of, word
from ninjasync.model.message import text as as_text

DEFAULT_ATTRIBUTES = {
    attributes.USER_NAME: "email",
    attributes.GIVEN_NAME: "firstname || given_name(realname)",
    attributes.FAMILY_NAME: "lastname || family_name(realname)",
    attributes.USER_TYPE: "custom_attributes.userType",
    attributes.ORGANIZATION_ID: "custom_attributes.organizationID",
}


def _is_whole(value: Any) -> bool:
    """Whether a value is a whole number, as TOML or the environment write one."""
    text = str(value).strip()
    return not isinstance(value, bool | float) and text.isascii() and text.isdigit()


def _find_fault(name: str, number: Any) -> Message:
    """Say what is wrong with a line of [organizations], if anything is."""
    if not name.strip():
        return Message("the name is empty")
    if _is_whole(name) or name.strip().casefold() == "all":
        return Message("stands for itself wherever it is written; give a name")
    if _is_whole(number) or (isinstance(number, str) and number.strip().casefold() == "all"):
        return NOTHING
    return Message('found {}; allowed: the organization\'s number, or "All"', as_text(repr(number)))


# Written as a number or "All", kept as text.
OrganizationNumber = Annotated[str, WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})]


def _read_attributes(given: Any) -> Any:
    """Lay the given lines over the default ones; an empty expression maps nothing."""
    if not isinstance(given, dict):
        return given
    merged, mistakes = dict(DEFAULT_ATTRIBUTES), []
    for path, text in given.items():
        try:
            if not isinstance(text, str):
                allowed = "an expression in quotes, also for a constant: \"'x'\""
                raise ValueError(Message("found {}; allowed: {}", as_text(repr(text)), word(allowed)))
            merged[attributes.canonical(path)] = text.strip()
            if text.strip():
                compile_expression(text)
        except ExpressionError as error:
            mistakes.append(name_line(path, fault_of_expression(text, error)))
        except ValueError as error:
            mistakes.append(name_line(path, reason_of(error)))
    if not merged[attributes.USER_NAME]:
        missing = Message("must be mapped, to what holds the e-mail address")
        mistakes.append(name_line(attributes.USER_NAME, missing))
    if mistakes:
        raise MistakenLinesError(mistakes)
    return {path: text for path, text in merged.items() if text}


def _read_organizations(given: Any) -> Any:
    """Let each name stand for a whole number, or for All."""
    if not isinstance(given, dict):
        return given
    mistakes = [name_line(name, why) for name, number in given.items() if (why := _find_fault(name, number))]
    if mistakes:
        raise MistakenLinesError(mistakes)
    return {name: str(int(number)) if _is_whole(number) else "All" for name, number in given.items()}


Expressions = Annotated[dict[str, str], BeforeValidator(_read_attributes)]
Organizations = Annotated[dict[str, OrganizationNumber], BeforeValidator(_read_organizations)]
