"""[run], [state] and [monitor]: how a run works, what it remembers, and where its end is reported."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from ninjasync.config.section import File, Secret, Section, Strings
from ninjasync.config.urls import check_ping_url

MOST_WORKERS = 64
DATABASE_SCHEMES = ("postgresql://", "postgres://")


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
    url: Secret | None = Field(
        None,
        description=(
            'or a PostgreSQL database, for several machines (extra "postgres"):\n'
            "a postgresql:// URL, kept in any of the ways of secret_key"
        ),
    )
    tenant: str = Field("", description="a name; tells tenants apart that share an endpoint URL and a Duo account")
    keep_history_days: Annotated[int, Field(ge=1)] = Field(
        400, description="past runs are forgotten after that; which accounts are ours is kept"
    )

    @field_validator("path")
    @classmethod
    def _is_no_url(cls, value: str) -> str:
        if "://" in value:  # it may hold a password, which would become a folder's name
            raise ValueError("is a URL, not a file; that of a PostgreSQL database belongs into url")
        return value

    @field_validator("url", mode="before")
    @classmethod
    def _may_be_empty(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("url")
    @classmethod
    def _is_a_database(cls, value: Any) -> Any:
        if isinstance(value, SecretStr) and not value.get_secret_value().startswith(DATABASE_SCHEMES):
            raise ValueError("allowed: a postgresql:// URL, or where it is kept")
        return value

    @model_validator(mode="after")
    def _is_in_one_place(self) -> "State":
        if self.path and self.url is not None:
            raise ValueError("give either path or url, for a ledger is in one place")
        return self


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
