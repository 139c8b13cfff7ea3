"""``plan`` and ``show``: what would change, made now or saved before."""

import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ninjasync.cli import clock, shared_options
from ninjasync.cli.options import Invocation
from ninjasync.cli.session import context_of, loaded, reading, tell_refusal, watched
from ninjasync.files import write_private
from ninjasync.report.formats import Format, rendered_plan

if TYPE_CHECKING:
    from ninjasync.model.plan import Plan


def plan(
    invocation: Invocation,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Save the plan, for apply FILE (mode 0600).", rich_help_panel=shared_options.RESULT
        ),
    ] = None,
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
    detailed_exitcode: Annotated[
        bool,
        typer.Option(
            "--detailed-exitcode", help="Exit with 2 when there are changes.", rich_help_panel=shared_options.RESULT
        ),
    ] = False,
    only: shared_options.OnlyOption = None,
    strict: shared_options.StrictOption = False,
    redact: shared_options.RedactOption = False,
    approve_removals: shared_options.RemovalsOption = None,
    approve_member_removals: shared_options.MemberRemovalsOption = None,
    approve_source: shared_options.SourceOption = None,
    approve_privilege_changes: shared_options.PrivilegesOption = None,
    approve_vanished: shared_options.VanishedOption = None,
    approve_held: shared_options.HeldOption = None,
) -> int:
    """Show what would change in NinjaOne. Writes nothing there."""
    invocation.result_goes(format, output)
    invocation.redact = redact
    from ninjasync.model.outcome import exit_code
    from ninjasync.model.plan import Approvals
    from ninjasync.runs.plan import plan_run

    approvals = Approvals(
        removals=approve_removals,
        member_removals=approve_member_removals,
        source=approve_source,
        privilege_changes=approve_privilege_changes,
        held=approve_held,
        vanished=approve_vanished,
        strict=strict,
    )
    config, watch = watched(invocation, "plan", whole=not only)
    with reading(invocation) as tell:
        planned = plan_run(context_of(invocation, config, tell), approvals, tuple(only or ()))
    watch.plan = planned.plan
    if out is not None:
        write_private(out, planned.file())
    shown = _redacted(planned.plan, planned.redaction_key) if redact else planned.plan
    _deliver(invocation, shown, clock.now())
    tell_refusal(invocation, shown)
    return exit_code(planned.plan, detailed=detailed_exitcode)


def show(
    invocation: Invocation,
    planfile: Annotated[Path, typer.Argument(metavar="PLANFILE", help="A plan that plan --out saved.")],
    format: shared_options.FormatOption = Format.TEXT,
    output: shared_options.OutputOption = None,
    redact: shared_options.RedactOption = False,
) -> int:
    """Show a saved plan again, also one that is out of date."""
    invocation.result_goes(format, output)
    invocation.redact = redact
    from ninjasync.runs import plan
    from ninjasync.state import saved_plan

    found = saved_plan.read(planfile)
    shown = _redacted(found.plan, plan.redaction_key(loaded(invocation), clock.now())) if redact else found.plan
    _deliver(invocation, shown, found.created_at)
    return 0


def _deliver(invocation: Invocation, made: "Plan", created_at: datetime) -> None:
    invocation.deliver(rendered_plan(made, created_at, invocation.format, color=invocation.color()))


def redaction_key(key: bytes | None = None) -> bytes:
    """Return the key from the environment, else ``key``, else one for this run alone."""
    if given := os.environ.get("NINJASYNC_REDACT_KEY"):
        return os.fsencode(given)
    return secrets.token_bytes(32) if key is None else key


def _redacted(made: "Plan", key: bytes | None) -> "Plan":
    from ninjasync.report.redact import redacted

    if key is None and not os.environ.get("NINJASYNC_REDACT_KEY"):
        typer.echo("warning: no ledger and no NINJASYNC_REDACT_KEY: the tokens will differ in the next run.", err=True)
    return redacted(made, redaction_key(key))
