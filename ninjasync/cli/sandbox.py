"""``sandbox``: serve a local Duo and a local NinjaOne until interrupted."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from ninjasync.cli.options import Invocation
from ninjasync.cli.private import write_private


def sandbox(
    invocation: Invocation,
    users: Annotated[int, typer.Option(metavar="N", min=1, max=200_000, help="How many people Duo knows.")] = 60,
    seed: Annotated[int, typer.Option(metavar="S", help="The same seed makes the same company.")] = 1,
    write_config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the configuration that reaches it here (mode 0600).")
    ] = None,
) -> int:
    """Serve a local Duo Admin API and a local NinjaOne SCIM endpoint, for training and CI."""
    from ninjasync.sandbox import Sandbox, company, existing_accounts

    people = company(users=users, seed=seed)
    with Sandbox(people, existing_accounts(people, seed=seed)) as box:
        text = box.config_toml()
        if write_config is None:
            typer.echo(text)
        else:
            write_private(write_config, text.encode())
        typer.echo(f"Duo at {box.duo_url}, NinjaOne at {box.scim_url}; Ctrl-C ends both.", err=True)
        if write_config is not None:
            typer.echo(f"Try: ninjasync plan --config {write_config}", err=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0
