"""The configuration as a commented file and as a schema for editors, both made of what ``schema`` says of each key."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ninjasync.config.schema import Config
from ninjasync.config.section import section_of

# Values as TOML, by table and key: those of a file that is filled in.
Values = Mapping[tuple[str, str], str]

# No host and no key has that by chance: of 40 letters and digits one in a million has a run of four X.
_PLACEHOLDER = re.compile(r"(?i:fill[-_ ]in)|X{4}")

_HEAD = """\
# The configuration of ninjasync. Copy this file to config.toml and fill in the lines marked FILL IN.
# Every other line holds the default and may be left out.
#
# Each key can also come from the environment, which goes before this file:
#   NINJASYNC_DUO__TIMEOUT=60    NINJASYNC_SCOPE__GROUPS='["A", "B"]'    (lists and tables as JSON)
# A relative path starts at the folder of this file, and ~ is your home folder."""


def is_left_from_example(text: str) -> bool:
    """Whether a value is that of config.example.toml, or a part of it was left in place."""
    return _PLACEHOLDER.search(text) is not None


def example() -> str:
    """Return a file with every key: its default, or a value to fill in where there is none."""
    return "\n".join([_HEAD, *_tables(Config, "", {}, "FILL IN: "), ""])


def fill_in(values: Values, head: str) -> str:
    """Return a file with every key: that of ``values``, else the default. ``head`` is the comment that begins it."""
    return "\n".join([head, *_tables(Config, "", values, ""), ""])


def schema() -> dict[str, Any]:
    """Return the configuration's JSON schema, each key described as in the example."""
    made: dict[str, Any] = Config.model_json_schema()
    made["title"] = "The configuration of ninjasync"
    return made


def toml(value: Any) -> str:
    """Write a value as TOML, on one line."""
    match value:
        case None:
            return '""'
        case str():
            # JSON's strings are TOML's, but that TOML wants this one control character escaped too.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | tuple():
            return f"[{', '.join(map(toml, value))}]"
        case BaseModel():
            return toml(value.model_dump(exclude_defaults=True))
        case dict():
            pairs = ", ".join(f"{_key(key)} = {toml(item)}" for key, item in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case _:
            return json.dumps(value)


def _tables(model: type[BaseModel], above: str, values: Values, mark: str) -> Iterator[str]:
    """Yield the lines of the tables in a model, each after an empty one, and of the tables in them."""
    for name, field in model.model_fields.items():
        table = f"{above}.{name}".lstrip(".")
        if inner := section_of(field):
            yield from ("", *_comment(f"[{table}]", field.description))
            for key, setting in inner.model_fields.items():
                if not section_of(setting):
                    yield from _setting(table, key, setting, values, mark)
            yield from _tables(inner, table, values, mark)
        elif not above:  # names of the operator's own, with values that are alike
            yield from ("", *_comment(f"[{table}]", field.description))
            given = {key: value for (place, key), value in values.items() if place == table}
            lines = {key: toml(value) for key, value in field.default.items()} | given
            yield from (f"{_key(key)} = {value}" for key, value in lines.items())


def _setting(table: str, key: str, field: FieldInfo, values: Values, mark: str) -> Iterator[str]:
    """Yield a key with its value and comment; a field with examples is one that has to be filled in."""
    default = field.examples[0] if field.examples else field.default
    value = values.get((table, key), toml(default))
    return _comment(f"{key} = {value}", f"{mark if field.examples else ''}{field.description}")


def _comment(start: str, description: str | None) -> Iterator[str]:
    """Yield a line with a comment; what goes on in the comment stands on lines of its own below it."""
    first, *rest = (description or "").split("\n")
    yield f"{start:39} # {first}"
    for line in rest:
        yield f"{'':39} # {line}".rstrip()


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml(name)
