"""[safety]: the limits beyond which nothing is written, and how many each of them lets pass."""

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from ninjasync.config.section import Section, Strings

Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0)]


def share(percent: float, whole: int) -> float:
    """Return so many percent of ``whole``, rounded once: 2.3 % of 3,000 are 69, which 2.3 * 3000 / 100 misses."""
    return float(Fraction(str(percent)) * whole / 100)


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
