"""[scope], [groups] and [deprovision]: who gets an account, which groups go along, and what becomes of leavers."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ninjasync.config.expression import ExpressionError, compile_expression, fault_of_expression
from ninjasync.config.section import Section, Strings
from ninjasync.model.message import Message, word

STATUSES = ("active", "bypass", "locked out", "disabled", "pending deletion")


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
                raise ValueError(fault_of_expression(text, error)) from error
        return text.strip()

    @field_validator("statuses")
    @classmethod
    def _check_statuses(cls, statuses: tuple[str, ...]) -> tuple[str, ...]:
        if not statuses:
            raise ValueError(
                Message("lets no user in; allowed: one or more of {}", word(", ".join(map(repr, STATUSES))))
            )
        return statuses

    @model_validator(mode="after")
    def _check_users(self) -> "Scope":
        if not (self.groups or self.users or self.all_users):
            raise ValueError("lets no user in; give groups or users, or set all_users = true")
        return self


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
