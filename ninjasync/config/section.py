"""What every table of a configuration is made of: its base, a file's path, and where a secret is kept."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ninjasync.errors import ConfigurationError
from ninjasync.model.message import NOTHING, Argument, Message, join, reason_of, word
from ninjasync.model.message import text as as_text

PositiveSeconds = Annotated[float, Field(gt=0, le=3600)]
Strings = tuple[str, ...]


class Section(BaseModel):
    """One table of the configuration; unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the table that a field of another table is, None where it is a key."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


_BARE_KEY = re.compile(r"[A-Za-z0-9_.:-]+")


def show_key(key: object) -> Argument:
    """Mark the name of a key: a word where it looks like one of ours, be it misspelt; else it may name anyone."""
    return word(str(key)) if _BARE_KEY.fullmatch(str(key)) else as_text(key)


def label_of(tables: Sequence[object], key: object, item: str = "") -> Message:
    """Return a key as the file has it: ``[table] key``, or ``[table]``, and which ``item`` of a list."""
    if not tables:
        return Message("[{}]{}", show_key(key), word(item))
    return Message("[{}] {}{}", join(".", map(show_key, tables)), show_key(key), word(item))


def what_is_allowed(detail: ErrorDetails) -> Message:
    """Return what one of pydantic's errors says of the values that a key may have."""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return reason_of(context["error"])
        case "literal_error":
            return Message("allowed: {}", word(context["expected"]))
        case "tuple_type":
            return Message('allowed: a list, as in ["…"]')
        case "dict_type" | "model_type":
            return Message("allowed: a table")
        case _:
            return Message("allowed: {}", word(detail["msg"].removeprefix("Input should be ")))


def known_keys(model: type[BaseModel], table: Sequence[object]) -> list[str]:
    """List the keys that a table below ``model`` may have."""
    for name in table:
        model = section_of(model.model_fields[str(name)]) or model
    return list(model.model_fields)


def name_line(key: str, why: Message) -> Message:
    """Say what is wrong with one line of a table in which every key is the operator's own."""
    return Message('"{}": {}', show_key(key), why)


class MistakenLinesError(ValueError):
    """Lines of such a table are wrong; ``mistakes`` has a sentence for each."""

    def __init__(self, mistakes: Iterable[Message]) -> None:
        super().__init__()
        self.mistakes = tuple(mistakes)


def _check_file(text: str) -> str:
    """Refuse what no system takes as a path."""
    if "\0" in text:
        raise ValueError("a path holds no null character")
    return text


File = Annotated[str, AfterValidator(_check_file)]


def whole_path(base: Path, path: str) -> Path:
    """Resolve ``path``: ``~`` is the home folder, a relative one starts at ``base``, which has no links in it.

    Raises ConfigurationError where this user has no home folder.
    """
    try:
        named = Path(path).expanduser()
    except RuntimeError:
        raise ConfigurationError(
            Message("There is no home folder, which the path {} begins with.", as_text(path)),
            "Set HOME, or give the whole path.",
        ) from None
    while base.is_absolute() and named.parts[:1] == ("..",):  # as people write the path, and as it fits a line
        base, named = base.parent, Path(*named.parts[1:])
    return base / named


class SecretReference(Section):
    """Where a secret is kept: exactly one of the four."""

    env: str = ""
    file: File = ""
    keyring: str = ""
    command: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> "SecretReference":
        if sum(map(bool, (self.env, self.file, self.keyring, self.command))) != 1:
            raise ValueError("name exactly one of env, file, keyring, command")
        if self.keyring and not all(self.keyring.partition("/")):
            raise ValueError('keyring is written "service/user"')
        return self


def _read_secret(value: Any) -> Any:
    """Accept a plain string as the secret itself, a table as where it is kept."""
    if isinstance(value, str):
        if not value.strip():
            raise ValueError("is empty; give the secret or say where it is kept")
        return SecretStr(value.strip())
    if isinstance(value, SecretStr | SecretReference):
        return value
    try:
        return SecretReference.model_validate(value)
    except ValidationError as error:
        # What is no table at all is told enough by what is allowed.
        details = [detail for detail in error.errors() if detail["type"] != "model_type"]
        why = "; ".join(str(detail["loc"][0]) if detail["loc"] else detail["msg"] for detail in details)
        allowed = '{ env = "…" }, { file = "…" }, { keyring = "service/user" }, { command = ["…"] }'
        raise ValueError(
            Message(
                "allowed: a string, or one of {}{}",
                word(allowed),
                Message(" (wrong here: {})", as_text(why)) if why else NOTHING,
            )
        ) from None


Secret = Annotated[SecretStr | SecretReference, BeforeValidator(_read_secret)]
# Where a configuration has one: its table's and its own key. A test compares this with the schema.
SECRETS = frozenset(
    {("duo", "secret_key"), ("ninjaone", "secret_token"), ("ninjaone", "api", "client_secret"), ("state", "url")}
)
