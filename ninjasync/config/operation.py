"""[run], [state] and [monitor]: how a run works, what it remembers, and where its end is reported."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ninjasync.config.section import File, Section, Strings
from ninjasync.config.urls import check_ping_url

MOST_WORKERS = 64


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
