"""The configuration's shape: every key, its default, what it may be, what it is for.

Each key is described here once: the example, the schema for editors and the file that ``init``
writes are made of it (``example``). ``load`` makes one frozen ``Config`` of TOML and
environment. Secrets appear as references only (``secrets`` reads them).
"""

import re
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ninjasync.config.expression import ExpressionError, compile_expression
from ninjasync.config.section import File, Secret, SecretReference, Section
from ninjasync.config.urls import (
    check_duo_host,
    check_optional_proxy,
    check_optional_url,
    check_path,
    check_ping_url,
    check_url,
)
from ninjasync.errors import ConfigurationError
from ninjasync.model import attributes
from ninjasync.model.message import Message
from ninjasync.model.message import text as as_text

MOST_WORKERS = 64
STATUSES = ("active", "bypass", "locked out", "disabled", "pending deletion")


def _check_account_id(text: str) -> str:
    if text.strip() and not re.fullmatch("DA[A-Za-z0-9]+", text.strip()):
        raise ValueError("allowed: the id of a child account (DA and 18 more characters), or nothing")
    return text.strip()


def _read_day(value: Any) -> Any:
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


class Duo(Section):
    """The source: a Duo Admin API application with the permission "Grant resource - Read"."""

    api_hostname: Annotated[str, AfterValidator(check_duo_host)] = Field(
        description='"API hostname" of that application', examples=["api-XXXXXXXX.duosecurity.com"]
    )
    integration_key: Annotated[str, Field(min_length=1)] = Field(
        description='"Integration key"', examples=["DIXXXXXXXXXXXXXXXXXX"]
    )
    secret_key: Secret = Field(
        description=(
            'where the "Secret key" is kept. One of\n'
            '  { env = "NAME" }                 an environment variable\n'
            '  { file = "duo.secret" }          a file that holds it alone\n'
            '  { keyring = "service/user" }     the system\'s keyring (extra "keyring")\n'
            '  { command = ["op", "read", "…"] }  what a command prints\n'
            '  "the secret itself"              if this file is for your eyes only'
        ),
        examples=[{"env": "DUO_SECRET_KEY"}],
    )
    ca_file: File = Field("", description='certificates to trust instead of Duo\'s own: a PEM file, or "system"')
    proxy: Annotated[str, AfterValidator(check_optional_proxy)] = Field(
        "", description="http://host:port; empty: HTTPS_PROXY, ALL_PROXY and NO_PROXY"
    )
    timeout: PositiveSeconds = Field(30, description="seconds to wait for a connection and for each answer")
    rate_limit: NonNegativeFloat = Field(50, description="calls a minute; the first 50 go at once. 0: no limit")
    account_id: Annotated[str, AfterValidator(_check_account_id)] = Field(
        "", description="a child account (DA…), read with the keys of its parent's Accounts API"
    )


MediaType = Literal["scim", "json"]


class Dialect(Section):
    """What a real SCIM endpoint may want otherwise."""

    discovery: Literal["auto", "list", "lookup"] = Field(
        "auto", description="list: accounts are listed; lookup: each by itself; auto: what proves right"
    )
    page_size: Annotated[int, Field(ge=1, le=10_000)] = Field(100, description="accounts asked for in one page")
    patch: Literal["patch", "put"] = Field(
        "patch", description="patch: only what changes is sent; put: the whole account or group"
    )
    group_patch: Literal["", "patch", "put"] = Field("", description="the same for groups; empty: as patch")
    patch_op_case: Literal["lower", "title"] = Field(
        "lower", description='lower: "replace"; title: "Replace", as Microsoft Entra writes it'
    )
    booleans: Literal["json", "string"] = Field("json", description='json: true; string: "True"')
    member_removal: Literal["filter", "list"] = Field(
        "filter", description="filter: a path with the member's id; list: the ids as a value"
    )
    members_per_call: Annotated[int, Field(ge=1, le=10_000)] = Field(
        100, description="group members added or removed by one request"
    )
    external_id: bool = Field(
        True, description="write the Duo id to externalId. Without it the ledger alone knows which accounts are ours"
    )
    technician_value: str = Field(
        "technician", description='spelling of the technician type: "technician" or "Technician"'
    )
    all_value: str = Field("All", description='spelling of "all organizations": "All" or "all"')
    organization_id_type: Literal["string", "number"] = Field("string", description='string: "12"; number: 12')
    media_type: MediaType = Field("scim", description="scim: application/scim+json; json: application/json")

    @field_validator("technician_value", "all_value")
    @classmethod
    def _only_case_may_differ(cls, value: str, info: Any) -> str:
        meant = {"technician_value": "technician", "all_value": "all"}[info.field_name]
        if value.casefold() != meant:
            raise ValueError(f'allowed: "{meant}" in upper or lower case, as your endpoint wants it')
        return value


class Api(Section):
    """NinjaOne's public API, a second witness beside SCIM: read only, and off without a ``url``."""

    url: Annotated[str, AfterValidator(check_optional_url)] = Field(
        "", description="the console's address, as https://app.ninjarmm.com; empty: not used"
    )
    client_id: str = Field("", description='of a client app of the platform "API Services" with the scope monitoring')
    client_secret: Secret = Field(SecretReference(env="NINJAONE_API_SECRET"), description="its secret")
    token_path: Annotated[str, AfterValidator(check_path)] = Field(
        "/ws/oauth/token", description="where tokens are asked for; some consoles have /oauth/token"
    )

    @model_validator(mode="after")
    def _has_a_client(self) -> "Api":
        if self.url and not self.client_id.strip():
            raise ValueError("client_id is missing; make a client app in the NinjaOne console, see the manual")
        return self


class NinjaOne(Section):
    """The target: the SCIM endpoint of an identity provider's entry in NinjaOne."""

    endpoint_url: Annotated[str, AfterValidator(check_url)] = Field(
        description="the API endpoint URL that the console shows, unchanged", examples=["https://FILL-IN.example/scim"]
    )
    secret_token: Secret = Field(
        description="where the SCIM token is kept; as for secret_key", examples=[{"env": "NINJAONE_SCIM_TOKEN"}]
    )
    token_expires: Annotated[date | None, BeforeValidator(_read_day)] = Field(
        None, description="the day on which the token expires, as 2027-05-01: warned of 30 days before"
    )
    ca_file: File = Field("", description='certificates to trust: a PEM file, or "system"')
    proxy: Annotated[str, AfterValidator(check_optional_proxy)] = Field(
        "", description="http://host:port; empty: HTTPS_PROXY, ALL_PROXY and NO_PROXY"
    )
    timeout: PositiveSeconds = Field(30, description="seconds to wait for a connection and for each answer")
    rate_limit: NonNegativeFloat = Field(0, description="requests a second. 0: as many as NinjaOne allows")
    dialect: Dialect = Field(
        Dialect(), description="what your endpoint may want otherwise; leave it alone while all goes well"
    )
    api: Api = Field(Api(), description="NinjaOne's public API, a second witness beside SCIM; optional, and only read")


class Scope(Section):
    """Who is provisioned."""

    groups: Strings = Field(
        (),
        description="Duo groups by name, pattern (*, ?) or id",
        examples=[["NinjaOne End Users", "NinjaOne Technicians"]],
    )
    all_users: bool = Field(False, description="true: every user in Duo, whatever the groups")
    users: Strings = Field((), description="and these users: e-mail, username, user id or a pattern")
    exclude_groups: Strings = Field((), description="but no member of these groups")
    exclude_users: Strings = Field((), description='and none of these users, as ["svc-*@example.com"]')
    statuses: tuple[Literal["active", "bypass", "locked out", "disabled", "pending deletion"], ...] = Field(
        (
            "active",
            "bypass",
            "locked out",
        ),
        description=(
            'the Duo statuses that count as working here; also "disabled",\n'
            '"pending deletion". Without "locked out", a user who is locked out stays as is'
        ),
    )
    where: str = Field("", description='a JMESPath condition over the Duo user, as "is_enrolled"')

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
    def _check_statuses(cls, statuses: tuple[str, ...]) -> tuple[str, ...]:
        if not statuses:
            raise ValueError(f"lets no user in; allowed: one or more of {', '.join(map(repr, STATUSES))}")
        return statuses

    @model_validator(mode="after")
    def _check_users(self) -> "Scope":
        if not (self.groups or self.users or self.all_users):
            raise ValueError("lets no user in; give groups or users, or set all_users = true")
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


def _find_fault(name: str, number: Any) -> str:
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

    push: Strings = Field(("*",), description="patterns choose among the groups in scope; a name or id, any Duo group")
    rename: dict[str, str] = Field({}, description='as { "IT-Tier1" = "Helpdesk" }: Duo\'s name, then NinjaOne\'s')
    strip_sync_suffix: bool = Field(True, description="'Helpdesk (from AD sync \"corp\")' becomes 'Helpdesk'")
    removed: Literal["keep", "delete"] = Field(
        "keep", description="keep or delete a group that left the scope; its role mapping goes with it"
    )


class Deprovision(Section):
    """What becomes of a managed account whose user is gone."""

    users: Literal["deactivate", "delete", "keep"] = Field("deactivate", description="deactivate, delete or keep")
    delete_after_days: Annotated[int, Field(ge=-1)] = Field(
        30, description="with deactivate: deleted that many days later; -1: never"
    )
    adopt: bool = Field(True, description="take over an account that has the same userName; false: hold that user")
    adopt_foreign: bool = Field(
        False, description="also one with the Duo id of a user that neither this Duo nor the ledger knows"
    )

    @model_validator(mode="after")
    def _zero_days(self) -> "Deprovision":
        if self.users == "deactivate" and self.delete_after_days == 0:
            raise ValueError(
                'delete_after_days = 0 would delete at once; say so with users = "delete", or give at least 1'
            )
        return self


class Safety(Section):
    """The limits beyond which nothing is written."""

    max_removals: Count = Field(3, description="accounts deactivated or deleted in one run: the larger of this")
    max_removals_percent: Percent = Field(10, description="and of this share of the active managed accounts")
    max_member_removals_percent: Percent = Field(
        25, description="group memberships removed in one run, of all (from 20 on)"
    )
    min_source_percent: Percent = Field(80, description="users in scope, compared with the last good run")
    on_refusal: Literal["stop", "withhold"] = Field(
        "stop", description="stop: nothing is written; withhold: everything but removals is"
    )
    protected_users: Strings = Field(
        (), description='userNames never touched, as ["breakglass@example.com", "admin-*@example.com"]'
    )
    max_vanished: Count = Field(3, description="managed accounts that NinjaOne no longer has: the larger of this")
    max_vanished_percent: Percent = Field(10, description="and of this share of the active managed accounts")
    max_privilege_changes: Count = Field(
        3, description="other user types, and end users' organizations: the larger of this"
    )
    max_privilege_changes_percent: Percent = Field(
        10, description="and of this share of the active managed accounts; both 0: each needs approval"
    )
    max_held: Count = Field(5, description="held records: the larger of this")
    max_held_percent: Percent = Field(20, description="and of this share of the users in scope")
    protect_administrators: bool = Field(
        True, description="with [ninjaone.api]: system administrators count as protected"
    )
    allow_missing_user_type: bool = Field(
        False, description="true: no user type is no mistake (NinjaOne makes an end user)"
    )
    allow_missing_organization: bool = Field(
        False, description="true: no organization is no mistake (NinjaOne makes a global end user)"
    )

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

    parallelism: Annotated[int, Field(ge=1, le=MOST_WORKERS)] = Field(
        8, description="requests to NinjaOne under way at once while applying"
    )
    retries: Annotated[int, Field(ge=0, le=50)] = Field(
        6, description="how often a request that failed for a passing reason is sent again"
    )


class State(Section):
    """Where ninjasync keeps what it knows."""

    path: File = Field("", description="the ledger's file; empty: in your user's state folder")
    tenant: str = Field("", description="a name; tells tenants apart that share an endpoint URL and a Duo account")
    keep_history_days: Annotated[int, Field(ge=1)] = Field(
        400, description="past runs are forgotten after that; which accounts are ours is kept"
    )


class Monitor(Section):
    """Where a run is reported to; none of these can make a run fail."""

    metrics_file: File = Field(
        "", description='a file of metrics for Prometheus\' node_exporter, as "/var/lib/…/ninjasync.prom"'
    )
    ping_url: Annotated[str, AfterValidator(check_ping_url)] = Field(
        "", description="fetched after a good run; with /fail (before a query) after a bad one"
    )
    notify: Strings = Field(
        (), description='Apprise URLs that get a message (extra "notify"); keep them like passwords'
    )
    notify_on: tuple[Literal["failure", "refusal", "removals", "held", "token"], ...] = Field(
        (
            "failure",
            "refusal",
            "removals",
            "held",
            "token",
        ),
        description="what they get a message about",
    )

    @property
    def has_listeners(self) -> bool:
        """Whether a run is reported anywhere."""
        return bool(self.metrics_file or self.ping_url or self.notify)


class Config(Section):
    """A whole valid configuration. ``base`` is the folder that relative paths start from."""

    duo: Duo = Field(description="where users come from: an Admin API application in Duo")
    ninjaone: NinjaOne = Field(description="where accounts go to: the SCIM endpoint of an identity provider")
    scope: Scope = Field(description="who gets an account")
    attributes: dict[str, str] = Field(
        DEFAULT_ATTRIBUTES,
        description=(
            "what an account is made of: SCIM attribute = JMESPath over the Duo user.\n"
            "userName must give an e-mail address. The user type and the organization are the two\n"
            "custom attributes of NinjaOne's guide; a Duo name with blanks is quoted, as in\n"
            "'custom_attributes.\"User Type\"'"
        ),
    )
    organizations: dict[str, OrganizationNumber] = Field(
        {},
        description=(
            "names that may stand in Duo in place of an organization's number,\n"
            'a line each: the name as it is written in Duo, then the number, or "All":\n'
            '"Contoso Ltd" = 12'
        ),
    )
    groups: Groups = Field(Groups(), description="which Duo groups NinjaOne gets, for its role mapping")
    deprovision: Deprovision = Field(
        Deprovision(), description="what becomes of the account of a user who left the scope"
    )
    safety: Safety = Field(Safety(), description="beyond these limits nothing is written, unless approved by number")
    run: Run = Field(Run(), description="how a run works")
    state: State = Field(State(), description="what ninjasync remembers between runs")
    monitor: Monitor = Field(
        Monitor(), description="where the end of a run is reported; none of these can make it fail"
    )
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
        mistakes = [f'"{name}": {why}' for name, number in given.items() if (why := _find_fault(name, number))]
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
                Message("There is no home folder, which the path {} begins with.", as_text(path)),
                "Set HOME, or give the whole path.",
            ) from None
