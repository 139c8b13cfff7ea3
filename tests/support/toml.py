"""TOML, written: the standard library reads it only."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any


def toml(value: Any) -> str:
    """Return one value as TOML writes it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, datetime.date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)


def toml_document(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a document of these sections; a dot in a section's name leads into another one."""
    return "\n".join(
        f"[{section}]\n" + "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in keys.items())
        for section, keys in sections.items()
    )
