"""[ninjaone], its dialect and its public API: where accounts go, and how that server wants to be spoken to."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeFloat, field_validator, model_validator

from ninjasync.config.section import File, PositiveSeconds, Secret, SecretReference, Section
from ninjasync.config.urls import check_optional_proxy, check_optional_url, check_path, check_url
from ninjasync.model.message import Message, word

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
            raise ValueError(Message('allowed: "{}" in upper or lower case, as your endpoint wants it', word(meant)))
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


def _read_day(value: Any) -> Any:
    return value.date() if isinstance(value, datetime) else value or None


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
