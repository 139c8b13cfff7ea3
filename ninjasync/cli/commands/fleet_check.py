"""``fleet check``: of each tenant's check the worst line."""

from dataclasses import replace

import typer

from ninjasync.check.local import judge_monitor
from ninjasync.cli import fleet_options, shared_options
from ninjasync.cli.fleet_session import open_session
from ninjasync.cli.options import Invocation
from ninjasync.cli.session import remark
from ninjasync.config.fleet import Fleet
from ninjasync.report.escape import visible
from ninjasync.report.formats import Format

OPTIONS = fleet_options.WHICH + fleet_options.HOW + fleet_options.WHERE


def check(
    ctx: typer.Context,
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
) -> int:
    """Check each of the chosen tenants, whatever the others' checks find, and show the table."""
    invocation: Invocation = ctx.obj
    invocation.take_result_options(format, output)
    fleet_options.expect_here(invocation.fleet, {})
    with open_session(invocation, "check") as session:
        # All are asked for: neither canaries nor failures in a row keep a tenant from being checked.
        settings = session.fleet.settings.model_copy(update={"canaries": (), "stop_after": len(session.fleet.tenants)})
        session = replace(session, fleet=replace(session.fleet, settings=settings))
        result = session.run("check", lambda file: ["check"])
        code = session.end(result)
        _tell_of_monitor(invocation, session.fleet)
        return code


def _tell_of_monitor(invocation: Invocation, fleet: Fleet) -> None:
    """Say on standard error what keeps [fleet.monitor] from telling, which is no tenant's."""
    wanted = fleet.settings.monitor
    path = fleet.file(wanted.metrics_file) if wanted.metrics_file else None
    found = judge_monitor(wanted, path, "[fleet.monitor]")
    if found.color != "green":
        remark(invocation, visible(f"[fleet.monitor]: {found.text} {found.cure}"))
