"""The example configuration, and what is made of it: a filled-in one, and descriptions for editors.

The example is the one place where every key is described for people. Knows its form: a
table's head, then ``key = value   # what it is for``.
"""

import json
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from ninjasync.config.schema import Config

_NAME = "config.example.toml"
_TABLE = re.compile(r"\[([a-z.]+)\]\s*(?:#\s*(.*))?")
_KEY = re.compile(r'("[^"]+"|[A-Za-z_]+) = (.*?)(\s*#\s*(.*))?')
_MARK = "FILL IN: "


def text() -> str:
    """Return the example, as it is shipped; in a checkout, as it lies at the top."""
    shipped = resources.files("ninjasync") / _NAME
    if shipped.is_file():
        return shipped.read_text("utf-8")
    return (Path(__file__).resolve().parents[2] / _NAME).read_text("utf-8")


def filled_in(values: Mapping[tuple[str, str], str], head: str) -> str:
    """Return the example with ``values`` (table and key to a value as TOML) and another ``head``, of comments."""
    _, _, body = text().partition("\n\n")
    lines = []
    for table, key, line in _lines(body):
        if line.startswith("[organizations]"):
            lines.append(line)
            lines += [f"{toml(name)} = {number}" for (at, name), number in values.items() if at == "organizations"]
            continue
        found = _KEY.fullmatch(line) if (table, key) in values else None
        if found is None:
            lines.append(line.replace(_MARK, ""))
            continue
        said = found[4].replace(_MARK, "") if found[4] else ""
        start = f"{found[1]} = {values[table, key]}"
        lines.append(f"{start.ljust(39)} # {said}".rstrip(" #"))
    return f"{head}\n\n" + "\n".join(lines) + "\n"


def schema() -> dict[str, Any]:
    """Return the configuration's JSON schema, each key described as in the example."""
    made: dict[str, Any] = Config.model_json_schema()
    made["properties"].pop("base")
    made["title"] = "The configuration of ninjasync"
    tables = {"": made}
    for table, key, line in _lines(text()):
        if (found := _TABLE.fullmatch(line)) is not None:
            above, _, name = table.rpartition(".")
            place = tables[above]["properties"].get(name, {})
            tables[table] = made["$defs"].get(place.get("$ref", "").rpartition("/")[2], place)
            if found[2]:
                place["description"] = found[2]
        elif key and (described := _KEY.fullmatch(line)) is not None and described[4]:
            properties = tables[table].get("properties", {})
            if key in properties:
                properties[key]["description"] = described[4].replace(_MARK, "")
    return made


def toml(value: str | list[str] | dict[str, str]) -> str:
    """Write a value as TOML, on one line."""
    if isinstance(value, str):
        # JSON's strings are TOML's, but that TOML wants this one control character escaped too.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return f"{{ {', '.join(f'{key} = {toml(one)}' for key, one in value.items())} }}"


def _lines(body: str) -> Iterator[tuple[str, str, str]]:
    """Yield each line with the table that it is in and the key that it sets, empty where it sets none."""
    table = ""
    for line in body.splitlines():
        if (head := _TABLE.fullmatch(line)) is not None:
            table = head[1]
        key = _KEY.fullmatch(line)
        yield table, key[1].strip('"') if key else "", line
