"""``fleet plan``: a plan for each tenant, and one table."""

from pathlib import Path
from typing import Annotated

import typer

from ninjasync.cli import fleet_options, shared_options
from ninjasync.cli.fleet_session import open_session, plan_file
from ninjasync.cli.options import Invocation
from ninjasync.config.fleet import TenantFile
from ninjasync.report.formats import Format

OPTIONS = fleet_options.WHICH + fleet_options.HOW + fleet_options.WHERE


def plan(
    ctx: typer.Context,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Save each tenant's plan here, for fleet apply DIR.")
    ] = None,
    detailed_exitcode: Annotated[
        bool, shared_options.flag("--detailed-exitcode", help="Exit with 2 when there are changes.")
    ] = False,
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
) -> int:
    """Plan for the chosen tenants, keep the plans where that is asked for, and show the table."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(format, output)
    fleet_options.expect_here(invocation.fleet, {"--out": out is not None})
    extra = ["--detailed-exitcode"] if detailed_exitcode else []

    def arguments(file: TenantFile) -> list[str]:
        return ["plan", *extra, *(["--out", str(plan_file(out, file.name))] if out is not None else [])]

    with open_session(invocation, "plan") as session:
        if out is not None:
            out.mkdir(parents=True, exist_ok=True, mode=0o700)
            for file in session.fleet.tenants:  # where no plan comes of this run, none of an earlier one is applied
                plan_file(out, file.name).unlink(missing_ok=True)
        result = session.run("plan", arguments)
        return session.end(result)
