"""From a TOML file and the environment to one ``Config``, with every mistake reported at once.

Knows where a configuration is looked for, which of its sources goes first, and how a mistake
is worded. What a key may be is in ``schema``.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from ninjasync.config.environment import find_unknown, names_keys, read_variables, without_secrets
from ninjasync.config.example import is_left_from_example
from ninjasync.config.fleet import NO_DEFAULTS, Defaults, defaults_for, holds_key, read_toml
from ninjasync.config.schema import Config
from ninjasync.config.section import (
    SECRETS,
    MistakenLinesError,
    SecretReference,
    known_keys,
    label_of,
    section_of,
    show_key,
    what_is_allowed,
)
from ninjasync.errors import ConfigurationError
from ninjasync.model.message import NOTHING, Message, did_you_mean, number, word
from ninjasync.model.message import text as as_text

# What of a URL may be a secret: what stands before the host, and what follows a question mark.
_PASSWORD = re.compile(r"//[^/]*@|[?#][^']*")
_KEPT_KEYS = frozenset(keys[-1] for keys in SECRETS)
# The address of a ping or a notification is enough to use it.
_HIDDEN_KEYS = (_KEPT_KEYS - {"url"}) | {"integration_key", "ping_url", "notify"}
# Their value may hold a user name and a password, with or without a scheme before them.
_URL_KEYS = {"api_hostname", "endpoint_url", "proxy"}
# Keys of former versions, and what says the same now.
_REPLACED = {
    "[safety] privilege_changes": "max_privilege_changes and max_privilege_changes_percent; with both 0 each change "
    'needs --approve-privilege-changes, as with "confirm"',
}
_REQUIRED_SECTIONS = ("duo", "ninjaone", "scope")


def load(path: Path | None = None, defaults: Defaults | None = None) -> Config:
    """Return the configuration from ``path``, else from where one is looked for, and the environment.

    ``defaults`` are laid under the file; without them those of the fleet that names the
    file, if one does. Raises ConfigurationError with a sentence for each mistake, which names the defaults' file
    where it is in there.
    """
    file = path or find()
    own = read_toml(file, "configuration file") if file else {}
    if defaults is None:
        defaults = defaults_for(file) if file else NO_DEFAULTS
    in_files = _lay(defaults.table, own)
    variables = without_secrets(os.environ, in_files)
    mistakes: list[Message] = find_unknown(variables)
    given = read_variables(variables)
    merged = _lay(in_files, given)
    for section in _REQUIRED_SECTIONS:
        merged.setdefault(section, {})
    try:
        config = Config.model_validate(merged)
    except ValidationError as error:
        mistakes += [sentence for detail in error.errors() for sentence in _placed(detail, defaults, (own, given))]
    if mistakes:
        where = str(file) if file else "the environment"
        raise ConfigurationError(
            Message(
                f"The configuration in {{}} has {{}} mistake{'s' * (len(mistakes) > 1)}.",
                as_text(where),
                number(len(mistakes)),
            ),
            "Fix the keys named above; ninjasync init --example shows every key.",
            mistakes=tuple(mistakes),
        )
    base = file.resolve().parent if file else Path.cwd()
    return config.with_place(base, path)


def expect_filled_in(config: Config) -> None:
    """Raise ConfigurationError where a key still holds the example's value; a secret's text is not shown."""
    given: list[tuple[str, str | SecretStr | SecretReference, str]] = [
        ("[duo] api_hostname", config.duo.api_hostname, _DUO_PAGE),
        ("[duo] integration_key", config.duo.integration_key, _DUO_PAGE),
        ("[duo] secret_key", config.duo.secret_key, _DUO_PAGE),
        ("[ninjaone] endpoint_url", config.ninjaone.endpoint_url, _NINJAONE_PAGE),
        ("[ninjaone] secret_token", config.ninjaone.secret_token, _NINJAONE_PAGE),
    ]
    left = []
    for key, value, where in given:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value if isinstance(value, str) else ""
        if is_left_from_example(text):
            left.append(Message("{}: still holds the example's value; it is on {}", word(key), word(where)))
    if left:
        raise ConfigurationError(
            Message(
                f"The configuration is not filled in yet: {{}} value{'s' * (len(left) > 1)} left from the example.",
                number(len(left)),
            ),
            "Write your own values there, or let ninjasync init ask for them.",
            mistakes=tuple(left),
        )


_DUO_PAGE = "the page of the Admin API application in the Duo Admin Panel"
_NINJAONE_PAGE = "the provider's page in NinjaOne, under Administration, Accounts, Identity Providers"


def find() -> Path | None:
    """Return the first configuration file that exists; None if the environment alone is to do."""
    if named := os.environ.get("NINJASYNC_CONFIG"):
        return Path(named)
    places = [Path("config.toml")]
    with suppress(RuntimeError):  # there is no home folder
        places.append(Path(platformdirs.user_config_dir("ninjasync", appauthor=False)) / "config.toml")
    for place in places:
        if place.is_file():
            return place
    if names_keys(os.environ):
        return None
    looked = ", ".join(str(place.absolute()) for place in places)
    raise ConfigurationError(
        Message("No configuration found; looked at $NINJASYNC_CONFIG, {}.", as_text(looked)),
        "Name one with --config FILE, or write one with: ninjasync init.",
    )


def _lay(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one source over another; where it says where the ledger is, the other's place counts no more."""
    merged, below, above = _merge(under, over), under.get("state"), over.get("state")
    if isinstance(below, dict) and isinstance(above, dict):
        for given, other in (("url", "path"), ("path", "url")):
            if above.get(given) and other not in above:
                merged["state"].pop(other, None)
    return merged


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        # Where a secret is kept is one value, though written as a table.
        mergeable = isinstance(value, dict) and key not in _KEPT_KEYS
        merged[key] = _merge(below, value) if mergeable and isinstance(below, dict) else value
    return merged


def _placed(detail: ErrorDetails, defaults: Defaults, over: Iterable[Mapping[str, Any]]) -> Iterator[Message]:
    """Yield the sentences on a mistake, with the defaults' file where it is in there and in nothing laid over it."""
    keys = detail["loc"]
    there = holds_key(defaults.table, keys) and not any(holds_key(table, keys) for table in over)
    where = Message(" (in {})", as_text(defaults.path)) if there else NOTHING
    for sentence in _sentences(detail):
        yield Message("{}{}", sentence, where)


def _sentences(detail: ErrorDetails) -> Iterator[Message]:
    """Turn one of pydantic's errors into sentences: the key, what was found, what is allowed."""
    *table, key = detail["loc"] or ("",)
    item = ""
    if isinstance(key, int):
        item, key = f" (item {key + 1})", table.pop() if table else ""
    if isinstance(error := detail.get("ctx", {}).get("error"), MistakenLinesError):
        for line in error.mistakes:
            yield Message("[{}] {}", show_key(key), line)
        return
    label = label_of(table, key, item)
    match detail["type"]:
        case "extra_forbidden":
            if label in _REPLACED:
                yield Message("{}: is replaced by {}", label, word(_REPLACED[label]))
                return
            known = known_keys(Config, table)
            near = did_you_mean(str(key), known) or did_you_mean(str(key), _every_key())
            yield Message("{}: unknown key{}", label, near or Message("; known are {}", word(", ".join(known))))
        case "missing":
            yield Message("{}: is missing", label)
        case _:
            shown = _PASSWORD.sub("***", repr(detail["input"]))
            found = NOTHING if _hidden(table, key, detail["input"]) else Message("found {}; ", as_text(shown))
            yield Message("{}: {}{}", label, found, what_is_allowed(detail))


def _hidden(table: list[Any], key: int | str, found: Any) -> bool:
    """Whether what was found may hold a secret: a whole table (that did not parse, say) may, too."""
    table_like = not table or isinstance(found, dict | BaseModel)
    bare_password = key in _URL_KEYS and "@" in _PASSWORD.sub("", str(found))
    return table_like or key in _HIDDEN_KEYS or (table, key) == (["state"], "url") or bare_password


def _every_key(model: type[BaseModel] = Config, table: str = "") -> dict[str, str]:
    """Map every key below ``model`` to the form that shows where it belongs."""
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        if inner := section_of(field):
            found |= _every_key(inner, f"{table}.{name}".lstrip("."))
        elif table:
            found[name] = f"[{table}] {name}"
    return found
