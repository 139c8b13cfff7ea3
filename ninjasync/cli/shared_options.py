"""The options that several commands share, each declared once."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ninjasync.cli.options import PlainFormat
from ninjasync.report.formats import Format

RESULT = "Result"

# An option without a value. An empty metavar, as help would call it <bool> otherwise.
flag = partial(typer.Option, metavar="")

FormatOption = Annotated[
    Format,
    typer.Option("--format", metavar="FORMAT", help="text, json, markdown or html.", rich_help_panel=RESULT),
]
PlainFormatOption = Annotated[
    PlainFormat, typer.Option("--format", metavar="FORMAT", help="text or json.", rich_help_panel=RESULT)
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write the result here, on success, refusal and failure alike.", rich_help_panel=RESULT
    ),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(metavar="WHO", help="Narrow to this user (repeatable): e-mail, Duo username or user id."),
]
StrictOption = Annotated[bool, flag("--strict", help="A held record is a refusal.")]
RedactOption = Annotated[
    bool,
    flag("--redact", help="Tokens in place of people's names and addresses.", rich_help_panel=RESULT),
]


def _keep(ctx: typer.Context, param: typer.CallbackParam, value: int | None) -> None:
    """Put an approval into the Invocation."""
    if value is not None:
        ctx.obj.approvals[str(param.name)] = value


_approval = partial(
    typer.Option, metavar="N", min=0, rich_help_panel="Approvals, by number", expose_value=False, callback=_keep
)


def _declare_approvals(
    removals: Annotated[
        int | None, _approval("--approve-removals", help="Lift the removal guard for at most N.")
    ] = None,
    member_removals: Annotated[
        int | None, _approval("--approve-member-removals", help="The same for group memberships.")
    ] = None,
    source: Annotated[
        int | None, _approval("--approve-source", help="Accept a source that shrank to no fewer than N people.")
    ] = None,
    privilege_changes: Annotated[
        int | None, _approval("--approve-privilege-changes", help="The same for changes of rights.")
    ] = None,
    vanished: Annotated[
        int | None,
        _approval("--approve-vanished", help="The same for managed accounts that NinjaOne no longer has."),
    ] = None,
    held: Annotated[int | None, _approval("--approve-held", help="The same for held records.")] = None,
) -> None:
    """Declare the options that approve by number: named as in Approvals, they go to the Invocation."""


def options_of(declare: Callable[..., None]) -> list[Any]:
    """Return what a function declares, for the ``OPTIONS`` of a command's file."""
    alone = typer.Typer(add_completion=False)
    alone.command()(declare)
    command: Any = typer.main.get_command(alone)
    return list(command.params)


# A command's file takes them as its ``OPTIONS``.
APPROVALS = options_of(_declare_approvals)
