"""``fleet.toml`` and the tenants that it names (CONTRACT §8).

Knows where a fleet is looked for, and how its defaults are laid under a tenant's own file. Runs nothing.
"""

import hashlib
import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from ninjasync.config.duo import Duo
from ninjasync.config.operation import Monitor
from ninjasync.config.schema import Config
from ninjasync.config.section import (
    SECRETS,
    Secret,
    Section,
    Strings,
    known_keys,
    label_of,
    what_is_allowed,
    whole_path,
)
from ninjasync.errors import ConfigurationError
from ninjasync.model.message import NOTHING, Message, counted, did_you_mean, text, word
from ninjasync.names_alike import alike, folded

FLEET_FILE = "fleet.toml"
FLEET_VARIABLE = "NINJASYNC_FLEET"
_MOST_AT_ONCE = 256
_LONGEST = 86_400.0
# Keys whose values are paths: in the defaults they start at the defaults' own folder.
_PATH_KEYS = frozenset({("duo", "ca_file"), ("ninjaone", "ca_file"), ("state", "path"), ("monitor", "metrics_file")})
_SECRET_KEYS = frozenset({"database", "integration_key", "secret_key"})  # of fleet.toml
_SYSTEM = "system"  # the one ca_file that is no path


class FleetSection(Section):
    """The table [fleet] of ``fleet.toml``."""

    tenants: Strings = ("tenants/*.toml",)
    defaults: str | None = None
    at_once: Annotated[int, Field(ge=1, le=_MOST_AT_ONCE)] = 8
    timeout: Annotated[float, Field(gt=0, le=_LONGEST)] = 3600
    canaries: Strings = ()
    stop_after: Annotated[int, Field(ge=1)] = 10
    database: Secret | None = None
    monitor: Monitor = Monitor()
    accounts: Duo | None = None

    @field_validator("tenants")
    @classmethod
    def _names_some(cls, value: Strings) -> Strings:
        if not value:
            raise ValueError('names no tenant; allowed: files or globs such as ["tenants/*.toml"]')
        for pattern in value:
            if not pattern.strip() or any("**" in part and part != "**" for part in PurePath(pattern).parts):
                raise ValueError(Message('{} is no pattern; allowed: as "tenants/*.toml"', text(repr(pattern))))
        return value

    @field_validator("defaults")
    @classmethod
    def _is_a_path(cls, value: str | None) -> str | None:
        if value is not None and "\0" in value:
            raise ValueError("holds a NUL, which no path has")
        return value

    @field_validator("database", mode="before")
    @classmethod
    def _may_be_empty(cls, value: Any) -> Any:
        return None if value == "" else value


class _FleetFile(Section):
    fleet: FleetSection = FleetSection()


@dataclass(frozen=True, slots=True)
class TenantFile:
    """One tenant of a fleet: its name in tables, its file, and its configuration or what is wrong with it."""

    name: str
    path: Path
    config: Config | None
    mistakes: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet: where its file is, what it says, and its tenants by name."""

    path: Path
    settings: FleetSection
    tenants: tuple[TenantFile, ...]

    def file(self, path: str) -> Path:
        """Resolve a path of ``fleet.toml``: a relative one starts at its folder. Raises ConfigurationError."""
        return whole_path(self.path.resolve().parent, path)


def find_fleet(named: Path | None = None) -> Path:
    """Return where the fleet is: ``named``, else $NINJASYNC_FLEET, else ./fleet.toml. Raises ConfigurationError."""
    if named is not None:
        return named
    if given := os.environ.get(FLEET_VARIABLE):
        return Path(given)
    here = Path(FLEET_FILE)
    if here.is_file():
        return here
    raise ConfigurationError(
        Message(f"No fleet found; looked at ${FLEET_VARIABLE} and {{}}.", text(here.absolute())),
        "Name one with --fleet FILE; the manual's page on many tenants shows what it holds.",
    )


def read_fleet(path: Path) -> tuple[FleetSection, tuple[Path, ...]]:
    """Return what ``fleet.toml`` says and the files of its tenants. Raises ConfigurationError with every mistake."""
    settings = read_settings(path)
    folder = path.resolve().parent
    files, idle = find_tenant_files(path, settings)
    mistakes = [Message('[fleet] tenants: "{}" fits no file below {}', text(one), text(folder)) for one in idle]
    if settings.defaults is not None and not (named := whole_path(folder, settings.defaults)).is_file():
        mistakes.append(Message("[fleet] defaults: there is no file {}", text(named)))
    if mistakes:
        raise _mistakes(path, mistakes)
    return settings, files


def find_tenant_files(path: Path, settings: FleetSection) -> tuple[tuple[Path, ...], list[str]]:
    """Return the files that the fleet in ``path`` names, and the patterns that fit none."""
    folder, own = path.resolve().parent, {path.resolve()}
    if (defaults := _defaults_file(path, settings)) is not None:
        own.add(defaults.resolve())
    files: dict[Path, None] = {}
    idle = []
    for pattern in settings.tenants:
        found = [each for each in sorted(map(_plain, _find_files(folder, pattern))) if _may_be_read(each, own)]
        found += sorted(map(_plain, _find_closed(folder, pattern)))
        files |= dict.fromkeys(found)
        idle += [] if found else [pattern]
    return tuple(files), idle


def _plain(file: Path) -> Path:
    """Return the one way to write a path: a file that two patterns name is one tenant."""
    return file.parent.resolve() / file.name


def _may_be_read(file: Path, own: Set[Path]) -> bool:
    """Whether a file is to be a tenant's; a link that leads nowhere is, so that it is told and not left out."""
    return (file.is_file() and file.resolve() not in own) or (file.is_symlink() and not file.exists())


def read_settings(path: Path) -> FleetSection:
    """Return what ``fleet.toml`` says, whatever tenants there are. Raises ConfigurationError with every mistake."""
    try:
        return _FleetFile.model_validate(read_toml(path)).fleet
    except ValidationError as error:
        raise _mistakes(path, [_sentence(detail) for detail in error.errors()]) from error


def read_toml(path: Path, what: str = "file") -> dict[str, Any]:
    """Return a TOML file's table; ``what`` it is called in messages. Raises ConfigurationError in a sentence."""
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(
            Message("The {} {} cannot be read: {}.", word(what), text(path), text(error.strerror or error)),
            "Check the path and the file's permissions.",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            Message("The {} {} is not UTF-8 text.", word(what), text(path)), "Save it as UTF-8."
        ) from error
    except (ValueError, RecursionError) as error:  # ValueError: also a number with thousands of digits
        why = error if isinstance(error, tomllib.TOMLDecodeError) else "a value is too large, or too deeply nested"
        raise ConfigurationError(
            Message("The {} {} is not valid TOML: {}.", word(what), text(path), text(why)),
            "Fix that line; names with dots or colons need quotes.",
        ) from error


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a fleet lays under its tenants' files, and the file that says so; None where there is none."""

    table: Mapping[str, Any]
    path: Path | None = None


NO_DEFAULTS = Defaults({})


def holds_key(table: Mapping[str, Any], keys: Iterable[str | int]) -> bool:
    """Whether a table has this key; what is within a value that is no table is part of that value."""
    inner: Any = table
    for key in keys:
        if not isinstance(inner, Mapping):
            return True
        if key not in inner:
            return False
        inner = inner[key]
    return True


def defaults_for(config_file: Path) -> Defaults:
    """Return what a fleet lays under this tenant's file; nothing where it is in none.

    The fleet is the one of $NINJASYNC_FLEET if that names this file, else the nearest ``fleet.toml`` in the file's
    folder and those above it, if that one does. Raises ConfigurationError.
    """
    file = config_file.resolve()
    for place in _fleets_near(file):
        settings = read_settings(place)
        if names_file(place.resolve().parent, settings.tenants, file):
            return read_defaults(place, settings)
    return NO_DEFAULTS


def names_file(folder: Path, patterns: Strings, file: Path) -> bool:
    """Whether a fleet in ``folder`` has this tenant. A folder of thousands is not looked through for that."""
    return any(_fits(folder, pattern, file) for pattern in patterns)


def _fits(folder: Path, pattern: str, file: Path) -> bool:
    plain = not ("**" in pattern or ".." in pattern or PurePath(pattern).is_absolute() or pattern.startswith("~"))
    if plain and file.is_relative_to(folder):
        inside = file.relative_to(folder)
        return len(PurePath(pattern).parts) == len(inside.parts) and inside.match(pattern)
    return any(file == each.resolve() for each in _find_files(folder, pattern))


def _find_files(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield what a pattern fits; one that is not relative starts where it says."""
    whole = whole_path(folder, pattern)
    if pattern.startswith("~") or PurePath(pattern).is_absolute():
        root = Path(whole.anchor)
        return root.glob(str(whole.relative_to(root)))
    return folder.glob(pattern)


def _find_closed(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield what a pattern would fit in folders that this user may not look into: told as files that cannot be read."""
    parts = PurePath(pattern).parts
    for length in range(1, len(parts)):
        above = PurePath(*parts[:length])
        for found in _find_files(folder, str(above)) if above.name else ():
            if found.is_dir() and not os.access(found, os.R_OK | os.X_OK):
                yield found.joinpath(*parts[length:])


def _fleets_near(file: Path) -> list[Path]:
    given = os.environ.get(FLEET_VARIABLE)
    above = [place for folder in file.parents if (place := folder / FLEET_FILE).is_file()][:1]
    return [*([Path(given)] if given and Path(given).is_file() else []), *above]


def read_defaults(fleet: Path, settings: FleetSection) -> Defaults:
    """Return the defaults, relative paths in them made absolute. Raises ConfigurationError."""
    named = _defaults_file(fleet, settings)
    return (
        NO_DEFAULTS if named is None else Defaults(_with_whole_paths(read_toml(named), named.resolve().parent), named)
    )


def _defaults_file(fleet: Path, settings: FleetSection) -> Path | None:
    named = whole_path(fleet.resolve().parent, settings.defaults if settings.defaults is not None else "defaults.toml")
    return None if settings.defaults is None and not named.is_file() else named


def make_digests(fleet: Path, settings: FleetSection, files: Iterable[Path]) -> Iterator[str]:
    """Yield for each tenant's file what tells it from another: a digest of what it and the defaults say.

    Comments, order and the folder that the fleet is in make no difference, so that machines with a
    copy each can compare them. Raises ConfigurationError where a file cannot be read.
    """
    named = _defaults_file(fleet, settings)
    defaults = {} if named is None else read_toml(named)
    for file in files:
        said = json.dumps([defaults, read_toml(file)], sort_keys=True, default=str)
        yield hashlib.sha256(said.encode()).hexdigest()


def _with_whole_paths(table: Mapping[str, Any], folder: Path, *above: str) -> dict[str, Any]:
    """Let relative paths start at the defaults' folder, also those of secrets that are kept in files."""
    made: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            made[key] = _with_whole_paths(value, folder, *above, key)
        elif isinstance(value, str) and value and _is_path((*above, key)) and value != _SYSTEM:
            made[key] = str(whole_path(folder, value))
        else:
            made[key] = value
    return made


def _is_path(keys: tuple[str, ...]) -> bool:
    return keys in _PATH_KEYS or (keys[-1] == "file" and keys[:-1] in SECRETS)


def is_canary(settings: FleetSection, name: str) -> bool:
    """Whether the tenant of this name goes first."""
    return any(alike(name, canary) for canary in settings.canaries)


def unknown_canaries(settings: FleetSection, names: list[str]) -> list[Message]:
    """Return a sentence for each canary that is no tenant."""
    there = set(map(folded, names))
    return [
        Message('[fleet] canaries: there is no tenant "{}"{}', text(name), did_you_mean(name, names, text))
        for name in settings.canaries
        if folded(name) not in there
    ]


def _sentence(detail: ErrorDetails) -> Message:
    *table, key = detail["loc"] or ("fleet",)
    item = ""
    if isinstance(key, int):
        item, key = f" (item {key + 1})", table.pop()
    where = label_of(table, key, item)
    match detail["type"]:
        case "extra_forbidden":
            return Message("{}: unknown key{}", where, did_you_mean(str(key), known_keys(_FleetFile, table)))
        case "missing":
            return Message("{}: is missing", where)
        case _:
            # Of a text it is not known whether it is a secret; a number in a secret's place may be one without quotes.
            plain = isinstance(detail["input"], bool | int | float) and key not in _SECRET_KEYS
            found = Message("found {}; ", text(repr(detail["input"]))) if plain else NOTHING
            return Message("{}: {}{}", where, found, what_is_allowed(detail))


def _mistakes(path: Path, mistakes: list[Message]) -> ConfigurationError:
    return ConfigurationError(
        Message("The fleet in {} has {}.", text(path), counted(len(mistakes), "mistake")),
        "Fix the keys named above.",
        mistakes=tuple(mistakes),
    )
