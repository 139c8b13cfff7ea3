"""Plans as commands show them: rendered, and redacted where that is asked for."""

import os
from datetime import datetime

import typer

from ninjasync.cli.options import Invocation, choose_redaction_key
from ninjasync.model.plan import Plan
from ninjasync.report import text
from ninjasync.report.formats import Format, renderer_of
from ninjasync.report.redact import redacted


def deliver_plan(invocation: Invocation, plan: Plan, created_at: datetime) -> None:
    """Render a plan and write it to where the result goes."""
    if invocation.format is Format.TEXT:
        invocation.deliver(text.render_plan(plan, color=invocation.color()))
    else:
        invocation.deliver(renderer_of(invocation.format).render(plan, created_at))


def redact_plan(plan: Plan, key: bytes | None) -> Plan:
    """Return a plan with tokens for people; ``key`` is the ledger's, None where there is none."""
    if key is None and not os.environ.get("NINJASYNC_REDACT_KEY"):
        typer.echo("warning: no ledger and no NINJASYNC_REDACT_KEY: the tokens will differ in the next run.", err=True)
    return redacted(plan, choose_redaction_key(key))
