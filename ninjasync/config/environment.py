"""The configuration as environment variables hold it: ``NINJASYNC_DUO__TIMEOUT=60`` is ``timeout`` in [duo].

Pure: it is given the variables. Knows their names and how a value is written; whether a value
is allowed is decided in ``schema``.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ninjasync.config.fleet import FLEET_VARIABLE
from ninjasync.config.schema import Config
from ninjasync.config.section import section_of, show_key
from ninjasync.errors import ConfigurationError
from ninjasync.model.message import Message, did_you_mean
from ninjasync.model.message import text as as_text

PREFIX = "NINJASYNC_"
SECTIONS = tuple(Config.model_fields)
# Variables with our prefix that are not keys of the configuration.
_OTHERS = {"NINJASYNC_CONFIG", "NINJASYNC_REDACT_KEY", FLEET_VARIABLE}
# Keys as they are misspelt most: with one underscore in the place of two.
_MISSPELT = {
    f"{name}_{key}"
    for name, field in Config.model_fields.items()
    if (table := section_of(field)) is not None
    for key in table.model_fields
}


def names_keys(variables: Mapping[str, str]) -> bool:
    """Whether any variable is meant as a key of the configuration, be it misspelt."""
    return any(True for _ in _paths(variables))


def read_variables(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the tables that the variables make. An empty one counts as absent; a key goes before its whole table."""
    tables: dict[str, Any] = {}
    for path, name in sorted(_paths(variables), key=lambda each: len(each[0])):
        if path[0] not in SECTIONS or not variables[name]:
            continue
        table = tables
        for key in path[:-1]:
            if not isinstance(table.get(key), dict):
                table[key] = {}
            table = table[key]
        table[path[-1]] = _value(variables[name])
    return tables


def find_unknown(variables: Mapping[str, str]) -> list[Message]:
    """Return a sentence for each variable that belongs to no table; ``schema`` refuses unknown keys within a table."""
    known = {section.casefold(): section for section in SECTIONS}
    return [
        Message(
            "{} in the environment: no such key{}",
            *(show_key(name), did_you_mean(path[0], _as_variables(known, path[1:]))),
        )
        for path, name in sorted(_paths(variables), key=lambda each: each[1])
        if path[0] not in SECTIONS
    ]


def without_secrets(variables: Mapping[str, str], in_file: Any) -> dict[str, str]:
    """Leave out the variables in which a secret is kept: what the file, or a variable, names by ``env`` is no key."""
    named = set(_kept_in(in_file)) | set(_kept_in(read_variables(variables)))
    return {name: value for name, value in variables.items() if name not in named}


def _kept_in(value: Any) -> Iterator[str]:
    """Yield the names of variables in ``{ env = … }`` at any depth."""
    if isinstance(value, dict):
        if isinstance(name := value.get("env"), str):
            yield name
        for inner in value.values():
            yield from _kept_in(inner)


def expect_no_keys(variables: Mapping[str, str]) -> None:
    """Raise ConfigurationError where a variable would override a key of every tenant of a fleet."""
    if keys := sorted(name for path, name in _paths(variables) if path[0] in SECTIONS and variables[name]):
        raise ConfigurationError(
            Message("{} in the environment would change every tenant of the fleet.", as_text(", ".join(keys))),
            "Unset it; what all tenants share belongs into the file that [fleet] defaults names.",
        )


def _as_variables(sections: Mapping[str, str], rest: tuple[str, ...]) -> dict[str, str]:
    return {form: PREFIX + "__".join((section, *rest)).upper() for form, section in sections.items()}


def _paths(variables: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield table and keys with the variable's name; the case of letters says nothing, as on Windows.

    One that can be no key is the operator's own, as NINJASYNC_DATABASE for a secret.
    """
    for name in variables:
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in _OTHERS:
            path = tuple(upper.removeprefix(PREFIX).lower().split("__"))
            if len(path) > 1 or path[0] in SECTIONS or path[0] in _MISSPELT:
                yield path, name


def _value(text: str) -> Any:
    """Return a list or a table from JSON, else the text: a secret may look like a number, an expression like a list."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
