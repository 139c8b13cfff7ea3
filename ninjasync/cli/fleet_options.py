"""The options that the commands of a fleet share, each declared once; what they say goes to the Invocation."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ninjasync.cli.shared_options import options_of


def _keep(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> None:
    """Put an option into the Invocation, by the name of its field in FleetOptions."""
    if value:
        setattr(ctx.obj.fleet, str(param.name), value)


_option = partial(typer.Option, expose_value=False, callback=_keep)


def _declare_which(
    file: Annotated[
        Path | None, _option("--fleet", metavar="FILE", help="The fleet; else $NINJASYNC_FLEET, else ./fleet.toml.")
    ] = None,
    tenants: Annotated[
        list[str] | None, _option("--tenant", metavar="GLOB", help="Only the tenants that this fits (repeatable).")
    ] = None,
    shard: Annotated[
        str | None, _option("--shard", metavar="I/N", help="Every Nth tenant, beginning with the Ith: for CI and jobs.")
    ] = None,
) -> None:
    """Declare which fleet, and which of its tenants."""


def _declare_how(
    at_once: Annotated[
        int | None,
        _option("--at-once", metavar="N", min=1, max=256, help="Tenants at once, in place of the fleet's at_once."),
    ] = None,
) -> None:
    """Declare how the tenants are run."""


# A command's file takes them as its ``OPTIONS``.
WHICH = options_of(_declare_which)
HOW = options_of(_declare_how)
