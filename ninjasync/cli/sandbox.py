"""``sandbox``: serve a local Duo and a local NinjaOne until interrupted."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from ninjasync.cli.options import Invocation, quoted
from ninjasync.cli.private import write_private
from ninjasync.sandbox.weather import FAULTS, QUIRKS, describe, describe_servers, parse_fault, parse_quirks

T = TypeVar("T")

_WEATHER = "Bad weather"


def sandbox(
    invocation: Invocation,
    users: Annotated[int, typer.Option(metavar="N", min=1, max=200_000, help="How many people Duo knows.")] = 60,
    seed: Annotated[int, typer.Option(metavar="S", help="The same seed makes the same company and weather.")] = 1,
    write_config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the configuration that reaches it here (mode 0600).")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Let this go wrong (repeatable), at both services or, with duo. or scim. before the name, at one."
            f"\n\n{describe(FAULTS)}",
            rich_help_panel=_WEATHER,
        ),
    ] = None,
    quirk: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Have the ways of another server (repeatable): one of these habits,"
            f" or all of one server by its name.\n\n{describe(QUIRKS)}\n\n{describe_servers()}",
            rich_help_panel=_WEATHER,
        ),
    ] = None,
) -> int:
    """Serve a local Duo Admin API and a local NinjaOne SCIM endpoint, for training and CI."""
    faults = dict(_each("--fault", parse_fault, fault))
    _each("--quirk", lambda text: parse_quirks([text]), quirk)
    from ninjasync.sandbox import Sandbox, company, existing_accounts

    people = company(users=users, seed=seed)
    there = existing_accounts(people, seed=seed)
    with Sandbox(people, there, faults=faults, quirks=quirk or (), fault_seed=seed) as box:
        text = box.config_toml()
        if write_config is None:
            typer.echo(text)
        else:
            # Beside the configuration, so that training leaves nothing in the user's own ledger.
            text += f"\n[state]\npath = {json.dumps(f'{write_config.stem}-ledger.sqlite3')}\n"
            write_private(write_config, text.encode())
        typer.echo(f"Duo at {box.duo_url}, NinjaOne at {box.scim_url}; Ctrl-C ends both.", err=True)
        if write_config is not None:
            typer.echo(f"Try: ninjasync plan --config {quoted(write_config)}", err=True)
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)  # on Windows, Ctrl-C wakes from this, and not from waiting for an event
    return 0


def _each(option: str, parse: Callable[[str], T], texts: list[str] | None) -> list[T]:
    from ninjasync.errors import CommandLineError

    try:
        return [parse(text) for text in texts or ()]
    except ValueError as error:
        words = str(error)
        stop = "" if words.endswith("?") else "."
        raise CommandLineError(f"{option}: {words}{stop}", "ninjasync sandbox --help lists them all.") from error
