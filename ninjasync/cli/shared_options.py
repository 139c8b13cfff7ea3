"""The options that several commands share, each declared once."""

from pathlib import Path
from typing import Annotated

import typer

from ninjasync.cli.options import PlainFormat
from ninjasync.report.formats import Format

APPROVALS, RESULT = "Approvals, by number", "Result"

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
StrictOption = Annotated[bool, typer.Option("--strict", help="A held record is a refusal.")]
RedactOption = Annotated[
    bool,
    typer.Option("--redact", help="Tokens in place of people's names and addresses.", rich_help_panel=RESULT),
]
RemovalsOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="Lift the removal guard for at most N.", rich_help_panel=APPROVALS),
]
MemberRemovalsOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="The same for group memberships.", rich_help_panel=APPROVALS),
]
SourceOption = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=0, help="Accept a source that shrank to no fewer than N people.", rich_help_panel=APPROVALS
    ),
]
PrivilegesOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="The same for changes of rights.", rich_help_panel=APPROVALS),
]
HeldOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="The same for held records.", rich_help_panel=APPROVALS),
]
VanishedOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        help="The same for managed accounts that NinjaOne no longer has.",
        rich_help_panel=APPROVALS,
    ),
]
