"""Plans as commands show them: rendered, and redacted where that is asked for."""

import os
from datetime import datetime

import typer

from ninjasync.cli.options import Invocation
from ninjasync.cli.session import choose_redaction_key
from ninjasync.model.plan import Plan
from ninjasync.report.formats import rendered_plan
from ninjasync.report.redact import redacted


def deliver_plan(invocation: Invocation, plan: Plan, created_at: datetime) -> None:
    """Render a plan and write it to where the result goes."""
    invocation.deliver(rendered_plan(plan, created_at, invocation.format, color=invocation.color()))


def redact_plan(plan: Plan, key: bytes | None) -> Plan:
    """Return a plan with tokens for people; ``key`` is the ledger's, None where there is none."""
    if key is None and not os.environ.get("NINJASYNC_REDACT_KEY"):
        typer.echo("warning: no ledger and no NINJASYNC_REDACT_KEY: the tokens will differ in the next run.", err=True)
    return redacted(plan, choose_redaction_key(key))
