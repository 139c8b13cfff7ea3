"""The options that the commands of a fleet share, each declared once; what they say goes to the Invocation."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ninjasync.cli.options import FleetOptions, On
from ninjasync.cli.shared_options import options_of
from ninjasync.errors import CommandLineError
from ninjasync.model.message import Message
from ninjasync.model.message import text as as_text


def _keep(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> None:
    """Put an option into the Invocation, by the name of its field in FleetOptions.

    What is given and empty, as an unset variable leaves it, is not what was not given.
    """
    if value is not None:
        setattr(ctx.obj.fleet, str(param.name), value)


_option = partial(typer.Option, expose_value=False, callback=_keep)


def _declare_fleet(
    file: Annotated[
        Path | None, _option("--fleet", metavar="FILE", help="The fleet; else $NINJASYNC_FLEET, else ./fleet.toml.")
    ] = None,
) -> None:
    """Declare which fleet."""


def _declare_which(
    tenants: Annotated[
        list[str] | None, _option("--tenant", metavar="GLOB", help="Only the tenants that this fits (repeatable).")
    ] = None,
    shard: Annotated[
        str | None, _option("--shard", metavar="I/N", help="Every Nth tenant, beginning with the Ith: for CI and jobs.")
    ] = None,
) -> None:
    """Declare which of a fleet's tenants."""


def _declare_how(
    at_once: Annotated[
        int | None,
        _option("--at-once", metavar="N", min=1, max=256, help="Tenants at once, in place of the fleet's at_once."),
    ] = None,
) -> None:
    """Declare how the tenants are run."""


def _declare_where(
    on: Annotated[
        On | None,
        _option(
            "--on",
            metavar="WHERE",
            help="here (default), or workers: the machines where ninjasync fleet work runs; needs a database.",
        ),
    ] = None,
) -> None:
    """Declare where the tenants are run."""


# A command's file takes them as its ``OPTIONS``.
FLEET = options_of(_declare_fleet)
WHICH = FLEET + options_of(_declare_which)
HOW = options_of(_declare_how)
WHERE = options_of(_declare_where)


def expect_here(given: FleetOptions, reasons: Mapping[str, bool]) -> None:
    """Raise CommandLineError where something is wanted that workers cannot do; ``reasons``: what, and whether it is."""
    wanted = {**reasons, "--at-once": given.at_once is not None}
    if given.on is On.WORKERS and (what := next((name for name, is_wanted in wanted.items() if is_wanted), None)):
        raise CommandLineError(
            Message("--on workers does not go with {}.", as_text(what)),
            "Saved plans are made and applied on one machine, with --on here. Workers plan, check, or apply --yes. "
            "How many tenants go at once is for each of them: ninjasync fleet work --at-once N.",
        )
