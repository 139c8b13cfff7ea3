"""``pause`` and ``resume``: let no apply of a tenant begin, on any machine that shares its ledger."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from ninjasync.cli import clock
from ninjasync.cli.options import Invocation
from ninjasync.cli.session import load_config, name_tenant
from ninjasync.config.tenant import write_command
from ninjasync.errors import CommandLineError
from ninjasync.model.message import Message, number, text, word
from ninjasync.model.pause import Pause, shown_time
from ninjasync.report.escape import visible
from ninjasync.runs import pausing

_LONGEST_REASON = 500


def pause(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; everyone whose apply is refused reads it.")],
    until: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="When it ends by itself: 2027-01-15 (as the day begins, UTC), 2027-01-15T08:00+01:00.",
        ),
    ] = None,
) -> int:
    """Pause the tenant, and say what that means."""
    invocation: Invocation = ctx.obj
    now = clock.now()
    why, end = _read_reason(reason), _read_end(until, now)
    config = load_config(invocation)
    made, before = pausing.pause(config, why, end, now)
    resume_it = write_command(config, "resume")
    ends = f"It ends by itself at {shown_time(made.until)}." if made.until else f"It ends with: {resume_it}"
    paused = "Paused: no apply of this tenant begins; one that is under way goes on."
    lines = [name_tenant(paused, invocation.tenant), ends]
    invocation.deliver(_visible_lines(*lines, *_former(before)))
    return 0


def resume(ctx: typer.Context) -> int:
    """Let the tenant go on."""
    invocation: Invocation = ctx.obj
    before = pausing.resume(load_config(invocation), clock.now())
    if before is None:
        invocation.deliver(_visible_lines(name_tenant("This tenant was not paused.", invocation.tenant)))
    else:
        resumed = name_tenant("Resumed: the next apply begins as usual.", invocation.tenant)
        invocation.deliver(_visible_lines(resumed, *_former(before)))
    return 0


def _visible_lines(*lines: str) -> str:
    """Return lines of which none can hold what a terminal obeys."""
    return "".join(f"{visible(line)}\n" for line in lines)


def _former(before: Pause | None) -> list[str]:
    return [f"Until now: {before.told}"] if before is not None else []


def _read_reason(given: str) -> str:
    """Return the reason on one line. Raises CommandLineError where it says nothing or too much."""
    reason = " ".join(given.split())
    if not reason:
        raise CommandLineError("--reason says nothing.", "Write why, as: --reason 'Duo import is broken, ticket 4711'")
    if len(reason) > _LONGEST_REASON:
        raise CommandLineError(
            Message("--reason is longer than {} characters.", number(_LONGEST_REASON)), "Name a ticket in place of it."
        )
    return reason


def _read_end(given: str | None, now: datetime) -> datetime | None:
    """Return the time that was given, UTC where it has no zone. Raises CommandLineError."""
    if given is None:
        return None
    try:
        end = datetime.fromisoformat(given.strip())
        end = end if end.tzinfo else end.replace(tzinfo=UTC)
        end = end.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise CommandLineError(
            Message('--until: "{}" is no date.', text(given)), "Write 2027-01-15, or 2027-01-15T08:00+01:00."
        ) from error
    if end <= now:
        raise CommandLineError(
            Message("--until: {} is over already.", word(shown_time(end))), "Give a time that is still to come."
        )
    return end
