"""The configuration's shape: every key, its default, what it may be, what it is for.

``settings`` makes one frozen ``Config`` of TOML and environment; here is what a valid
one looks like. Secrets appear as references only (``secrets`` reads them).
"""

import ipaddress
import re
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    SecretStr,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ninjasync.config.expression import ExpressionError, compile_expression
from ninjasync.errors import ConfigurationError
from ninjasync.model import attributes

MOST_WORKERS = 64
STATUSES = ("active", "bypass", "locked out", "disabled", "pending deletion")


class Section(BaseModel):
    """One table of the configuration; unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


class SecretReference(Section):
    """Where a secret is kept: exactly one of the four."""

    env: str = ""
    file: str = ""
    keyring: str = ""
    command: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _exactly_one(self) -> "SecretReference":
        if sum(map(bool, (self.env, self.file, self.keyring, self.command))) != 1:
            raise ValueError("name exactly one of env, file, keyring, command")
        _file(self.file)
        if self.keyring and not all(self.keyring.partition("/")):
            raise ValueError('keyring is written "service/user"')
        return self


def _secret(value: Any) -> Any:
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
        why = "; ".join(str(one["loc"][0]) if one["loc"] else one["msg"] for one in error.errors())
        raise ValueError(
            f'allowed: a string, or one of {{ env = "…" }}, {{ file = "…" }}, '
            f'{{ keyring = "service/user" }}, {{ command = ["…"] }} (wrong here: {why})'
        ) from None


Secret = Annotated[SecretStr | SecretReference, BeforeValidator(_secret)]


_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]*:[0-9a-f:.]*")


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` (no port) is this machine's own address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _url(text: str, *, query: bool = False) -> str:
    """Check an http(s) URL that a secret will be sent to; return it without a trailing slash."""
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"is no URL: {error}") from error
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError("allowed: a URL that starts with https://")
    if not _HOST.fullmatch(host):
        raise ValueError("holds no valid host name")
    if parts.username or parts.password:
        raise ValueError("must hold no user name or password")
    if parts.fragment or (parts.query and not query):
        raise ValueError("must hold no #" if query else "must end with its path, without ? or #")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("plain http is allowed to this machine only (127.0.0.1); use https://")
    return text.strip() if parts.query else text.strip().rstrip("/")


def _duo_host(text: str) -> str:
    bare = text.strip()
    url = _url(bare if "://" in bare else f"https://{bare}")
    if urlsplit(url).path:
        raise ValueError("is a host name without a path, as Duo's console shows it")
    return url


def _ping_url(text: str) -> str:
    return _url(text, query=True) if text.strip() else ""


def proxy_url(text: str) -> str:
    """Return the URL of a proxy; ``host:port`` means http. Raises ValueError without the text, for passwords."""
    bare = text.strip()
    url = bare if "://" in bare else f"http://{bare}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no URL of a proxy; allowed: http://host:port") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"a proxy that speaks {parts.scheme} cannot be used; allowed: http://host:port")
    if not host or not _HOST.fullmatch(host) or port == 0:
        raise ValueError("is no URL of a proxy; allowed: http://host:port")
    return url


def _proxy(text: str) -> str:
    return proxy_url(text) if text.strip() else ""


def _account_id(text: str) -> str:
    if text.strip() and not re.fullmatch("DA[A-Za-z0-9]+", text.strip()):
        raise ValueError("allowed: the id of a child account (DA and 18 more characters), or nothing")
    return text.strip()


def _file(text: str) -> str:
    """Refuse what no system takes as a path."""
    if "\0" in text:
        raise ValueError("a path holds no null character")
    return text


def _day(value: Any) -> Any:
    return value.date() if isinstance(value, datetime) else value or None


def share(percent: float, whole: int) -> float:
    """Return so many percent of ``whole``, rounded once: 2.3 % of 3,000 are 69, which 2.3 * 3000 / 100 misses."""
    return float(Fraction(str(percent)) * whole / 100)


def is_left_from_example(text: str) -> bool:
    """Whether a value is that of config.example.toml, or a part of it was left in place."""
    return _PLACEHOLDER.search(text) is not None


# No host and no key has that by chance: of 40 letters and digits one in a million has a run of four X.
_PLACEHOLDER = re.compile(r"(?i:fill[-_ ]in)|X{4}")


PositiveSeconds = Annotated[float, Field(gt=0, le=3600)]
Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0)]
Strings = tuple[str, ...]
File = Annotated[str, AfterValidator(_file)]


class Duo(Section):
    """The source: a Duo Admin API application with the permission "Grant resource - Read"."""

    api_hostname: Annotated[str, AfterValidator(_duo_host)]
    integration_key: Annotated[str, Field(min_length=1)]
    secret_key: Secret
    ca_file: File = ""
    proxy: Annotated[str, AfterValidator(_proxy)] = ""
    timeout: PositiveSeconds = 30
    rate_limit: NonNegativeFloat = 50
    account_id: Annotated[str, AfterValidator(_account_id)] = ""


MediaType = Literal["scim", "json"]


class Dialect(Section):
    """What a real SCIM endpoint may want otherwise."""

    discovery: Literal["auto", "list", "lookup"] = "auto"
    page_size: Annotated[int, Field(ge=1, le=10_000)] = 100
    patch: Literal["patch", "put"] = "patch"
    group_patch: Literal["", "patch", "put"] = ""
    patch_op_case: Literal["lower", "title"] = "lower"
    booleans: Literal["json", "string"] = "json"
    member_removal: Literal["filter", "list"] = "filter"
    members_per_call: Annotated[int, Field(ge=1, le=10_000)] = 100
    external_id: bool = True
    technician_value: str = "technician"
    all_value: str = "All"
    organization_id_type: Literal["string", "number"] = "string"
    media_type: MediaType = "scim"

    @field_validator("technician_value", "all_value")
    @classmethod
    def _only_case_may_differ(cls, value: str, info: Any) -> str:
        meant = {"technician_value": "technician", "all_value": "all"}[info.field_name]
        if value.casefold() != meant:
            raise ValueError(f'allowed: "{meant}" in upper or lower case, as your endpoint wants it')
        return value


def _console_url(text: str) -> str:
    return _url(text) if text.strip() else ""


def _path(text: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9/._-]*[A-Za-z0-9]", text.strip()):
        raise ValueError('allowed: a path such as "/ws/oauth/token"')
    return text.strip()


class Api(Section):
    """NinjaOne's public API, a second witness beside SCIM: read only, and off without a ``url``."""

    url: Annotated[str, AfterValidator(_console_url)] = ""
    client_id: str = ""
    client_secret: Secret = SecretReference(env="NINJAONE_API_SECRET")
    token_path: Annotated[str, AfterValidator(_path)] = "/ws/oauth/token"  # noqa: S105 - a path

    @model_validator(mode="after")
    def _has_a_client(self) -> "Api":
        if self.url and not self.client_id.strip():
            raise ValueError("client_id is missing; make a client app in the NinjaOne console, see the manual")
        return self


class NinjaOne(Section):
    """The target: the SCIM endpoint of an identity provider's entry in NinjaOne."""

    endpoint_url: Annotated[str, AfterValidator(_url)]
    secret_token: Secret
    token_expires: Annotated[date | None, BeforeValidator(_day)] = None
    ca_file: File = ""
    proxy: Annotated[str, AfterValidator(_proxy)] = ""
    timeout: PositiveSeconds = 30
    rate_limit: NonNegativeFloat = 0
    dialect: Dialect = Dialect()
    api: Api = Api()


class Scope(Section):
    """Who is provisioned."""

    groups: Strings = ()
    all_users: bool = False
    users: Strings = ()
    exclude_groups: Strings = ()
    exclude_users: Strings = ()
    statuses: tuple[Literal["active", "bypass", "locked out", "disabled", "pending deletion"], ...] = (
        "active",
        "bypass",
        "locked out",
    )
    where: str = ""

    @field_validator("where")
    @classmethod
    def _parses(cls, text: str) -> str:
        if text.strip():
            try:
                compile_expression(text)
            except ExpressionError as error:
                raise ValueError(f"the expression {text!r} {error}") from error
        return text.strip()

    @field_validator("statuses")
    @classmethod
    def _lets_some_in(cls, statuses: tuple[str, ...]) -> tuple[str, ...]:
        if not statuses:
            raise ValueError(f"names nobody; allowed: one or more of {', '.join(map(repr, STATUSES))}")
        return statuses

    @model_validator(mode="after")
    def _names_somebody(self) -> "Scope":
        if not (self.groups or self.users or self.all_users):
            raise ValueError("names nobody; give groups or users, or set all_users = true")
        return self


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


def _organization_fault(name: str, number: Any) -> str:
    """Say what is wrong with a line of [organizations], if anything is."""
    if not name.strip():
        return "the name is empty"
    if _is_whole(name) or name.strip().casefold() == "all":
        return "stands for itself wherever it is written; give a name"
    if _is_whole(number) or (isinstance(number, str) and number.strip().casefold() == "all"):
        return ""
    return f'found {number!r}; allowed: the organization\'s number, or "All"'


# Written as a number or "All", kept as text.
OrganizationNumber = Annotated[str, WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})]


class Groups(Section):
    """Which groups NinjaOne gets, and under which names."""

    push: Strings = ("*",)
    rename: dict[str, str] = {}
    strip_sync_suffix: bool = True
    removed: Literal["keep", "delete"] = "keep"


class Deprovision(Section):
    """What becomes of a managed account whose user is gone."""

    users: Literal["deactivate", "delete", "keep"] = "deactivate"
    delete_after_days: Annotated[int, Field(ge=-1)] = 30
    adopt: bool = True
    adopt_foreign: bool = False

    @model_validator(mode="after")
    def _zero_days(self) -> "Deprovision":
        if self.users == "deactivate" and self.delete_after_days == 0:
            raise ValueError(
                'delete_after_days = 0 would delete at once; say so with users = "delete", or give at least 1'
            )
        return self


class Safety(Section):
    """The limits beyond which nothing is written."""

    max_removals: Count = 3
    max_removals_percent: Percent = 10
    max_member_removals_percent: Percent = 25
    min_source_percent: Percent = 80
    on_refusal: Literal["stop", "withhold"] = "stop"
    protected_users: Strings = ()
    max_vanished: Count = 3
    max_vanished_percent: Percent = 10
    max_privilege_changes: Count = 3
    max_privilege_changes_percent: Percent = 10
    max_held: Count = 5
    max_held_percent: Percent = 20
    allow_missing_user_type: bool = False
    allow_missing_organization: bool = False

    def removal_limit(self, active: int) -> float:
        """Return how many of ``active`` managed accounts one run may deactivate or delete."""
        return max(self.max_removals, share(self.max_removals_percent, active))

    def privilege_limit(self, active: int) -> float:
        """Return how many changes of rights one run may make where ``active`` accounts are managed."""
        return max(self.max_privilege_changes, share(self.max_privilege_changes_percent, active))

    def held_limit(self, in_scope: int) -> float:
        """Return how many records may be held where ``in_scope`` users are in scope."""
        return max(self.max_held, share(self.max_held_percent, in_scope))


class Run(Section):
    """How a run works."""

    parallelism: Annotated[int, Field(ge=1, le=MOST_WORKERS)] = 8
    retries: Annotated[int, Field(ge=0, le=50)] = 6


class State(Section):
    """Where ninjasync keeps what it knows."""

    path: File = ""
    tenant: str = ""
    keep_history_days: Annotated[int, Field(ge=1)] = 400


class Monitor(Section):
    """Who is told of a run; none of these can make a run fail."""

    metrics_file: File = ""
    ping_url: Annotated[str, AfterValidator(_ping_url)] = ""
    notify: Strings = ()
    notify_on: tuple[Literal["failure", "refusal", "removals", "held", "token"], ...] = (
        "failure",
        "refusal",
        "removals",
        "held",
        "token",
    )

    @property
    def has_listeners(self) -> bool:
        """Whether anybody is told."""
        return bool(self.metrics_file or self.ping_url or self.notify)


class Config(Section):
    """A whole valid configuration. ``base`` is the folder that relative paths start from."""

    duo: Duo
    ninjaone: NinjaOne
    scope: Scope
    attributes: dict[str, str] = DEFAULT_ATTRIBUTES
    organizations: dict[str, OrganizationNumber] = {}
    groups: Groups = Groups()
    deprovision: Deprovision = Deprovision()
    safety: Safety = Safety()
    run: Run = Run()
    state: State = State()
    monitor: Monitor = Monitor()
    base: Path = Field(default=Path(), exclude=True)

    @field_validator("attributes", mode="before")
    @classmethod
    def _maps(cls, given: Any) -> Any:
        """Lay the given lines over the default ones; an empty expression maps nothing."""
        if not isinstance(given, dict):
            return given
        merged, mistakes = dict(DEFAULT_ATTRIBUTES), []
        for path, text in given.items():
            try:
                if not isinstance(text, str):
                    raise ValueError(f"found {text!r}; allowed: an expression in quotes, also for a constant: \"'x'\"")
                merged[attributes.canonical(path)] = text.strip()
                if text.strip():
                    compile_expression(text)
            except ExpressionError as error:
                mistakes.append(f'"{path}": the expression {text!r} {error}')
            except ValueError as error:
                mistakes.append(f'"{path}": {error}')
        if not merged[attributes.USER_NAME]:
            mistakes.append(f'"{attributes.USER_NAME}": must be mapped, to what holds the e-mail address')
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return {path: text for path, text in merged.items() if text}

    @field_validator("organizations", mode="before")
    @classmethod
    def _numbers(cls, given: Any) -> Any:
        """Let each name stand for a whole number, or for All."""
        if not isinstance(given, dict):
            return given
        mistakes = [f'"{name}": {why}' for name, number in given.items() if (why := _organization_fault(name, number))]
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return {name: str(int(number)) if _is_whole(number) else "All" for name, number in given.items()}

    def file(self, path: str) -> Path:
        """Resolve ``path``: ``~`` is the home folder, a relative one starts at the configuration file.

        Raises ConfigurationError where this user has no home folder.
        """
        try:
            return self.base / Path(path).expanduser()
        except RuntimeError:
            raise ConfigurationError(
                f"There is no home folder, which the path {path} begins with.",
                "Set HOME, or give the whole path.",
            ) from None
