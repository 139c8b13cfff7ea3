"""``sandbox``: serve a local Duo and a local NinjaOne until interrupted."""

import json
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from ninjasync.cli.shared_options import flag
from ninjasync.config.tenant import in_a_command
from ninjasync.errors import CommandLineError, NinjasyncError
from ninjasync.files import write_private
from ninjasync.model.message import Message, word
from ninjasync.model.message import text as as_text
from ninjasync.report.escape import visible
from ninjasync.sandbox.box import Behavior, Sandbox
from ninjasync.sandbox.company.events import UnknownEvent
from ninjasync.sandbox.company.staffing import existing_accounts, make_company
from ninjasync.sandbox.faults.catalogue import (
    FAULTS,
    QUIRKS,
    SERVICES,
    describe,
    describe_servers,
    parse_fault,
    parse_quirks,
)
from ninjasync.sandbox.fleet import FLEET_FILE, SandboxFleet, make_fleet

T = TypeVar("T")

_FAULTY = "Faults and quirks (listed below)"
EPILOG = "\n\n".join(
    ["NAME=VALUE for --fault:", describe(FAULTS), "NAME for --quirk:", describe(QUIRKS), describe_servers()]
)


ConfigFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write the configuration that reaches it here (mode 0600); with --tenants, a folder."
    ),
]
TenantsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=2000,
        help="Serve N companies behind one port, and write a fleet.toml with a file for each of them.",
    ),
]
AccountsOption = Annotated[
    bool,
    flag(
        "--accounts-api",
        help="With --tenants: they are child accounts of one Duo account, read with its keys; one has no file yet.",
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, max=65533, help="Serve Duo on this port, NinjaOne on the next two; else on any."),
]
FaultOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Let this go wrong (repeatable), at all services; with duo., scim. or api. before the name, at one.",
        rich_help_panel=_FAULTY,
    ),
]
QuirkOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Have the ways of another server (repeatable): one of these habits, or all of one server by its name.",
        rich_help_panel=_FAULTY,
    ),
]


def sandbox(
    users: Annotated[int, typer.Option(metavar="N", min=1, max=200_000, help="How many people Duo knows.")] = 60,
    seed: Annotated[int, typer.Option(metavar="S", help="The same seed makes the same company and faults.")] = 1,
    write_config: ConfigFileOption = None,
    tenants: TenantsOption = None,
    accounts_api: AccountsOption = False,
    port: PortOption = None,
    fault: FaultOption = None,
    quirk: QuirkOption = None,
) -> int:
    """Make a company, serve both sides until interrupted, and let events happen as they are typed."""
    faults = dict(_parse_each("--fault", parse_fault, fault))
    _parse_each("--quirk", lambda text: parse_quirks([text]), quirk)
    behavior = Behavior(faults, tuple(quirk or ()), seed)
    if tenants is not None:
        boxes = make_fleet(tenants, users, seed, behavior)
        return _serve_fleet(
            SandboxFleet(boxes, port=port or 0, by_parent=accounts_api), write_config or Path("sandbox-fleet"), port
        )
    people = make_company(users=users, seed=seed)
    ports = {} if port is None else dict(zip(SERVICES, range(port, port + 3), strict=True))
    return _serve_one(
        Sandbox(people, existing_accounts(people, seed=seed), ports=ports, behavior=behavior), write_config, ports
    )


def _serve_one(box: Sandbox, write_config: Path | None, ports: Mapping[str, int]) -> int:
    with _serve(box, tuple(ports.values())):
        text = box.config_toml()
        if write_config is None:
            typer.echo(text)
        else:
            # Beside the configuration, so that training leaves nothing in the user's own ledger.
            text += f"\n[state]\npath = {json.dumps(f'{write_config.stem}-ledger.sqlite3')}\n"
            write_private(write_config, text.encode())
        typer.echo(f"Duo at {box.duo_url}, NinjaOne at {box.scim_url} and {box.api_url}; Ctrl-C ends all.", err=True)
        if write_config is not None:
            typer.echo(f"Try: ninjasync plan --config {in_a_command(str(write_config))}", err=True)
        typer.echo(f"Type an event, such as help, or POST it to {box.events_url}", err=True)
        _start_hearing(box.events.run)
        _wait_for_interrupt()
    return 0


def _serve_fleet(fleet: SandboxFleet, folder: Path, port: int | None) -> int:
    with _serve(fleet, () if port is None else (port,)):
        for name, text in fleet.render_files().items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(folder / name, text.encode())
        many = len(fleet.boxes)
        typer.echo(f"{many} compan{'y' if many == 1 else 'ies'} at {fleet.url}; Ctrl-C ends all.", err=True)
        typer.echo(f"Try: ninjasync fleet plan --fleet {in_a_command(str(folder / FLEET_FILE))}", err=True)
        typer.echo("Type a company's name and an event, such as: alder hire", err=True)
        _start_hearing(fleet.run_event)
        _wait_for_interrupt()
    return 0


def _wait_for_interrupt() -> None:
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)  # on Windows, Ctrl-C wakes from this, and not from waiting for an event


@contextmanager
def _serve(box: Sandbox | SandboxFleet, ports: tuple[int, ...]) -> Iterator[None]:
    try:
        box.start()
    except OSError as error:
        places = ", ".join(map(str, ports)) if ports else "any port"
        raise NinjasyncError(
            Message("The sandbox cannot serve on {} of 127.0.0.1: {}.", as_text(places), as_text(error.strerror)),
            "Give another --port, or leave it out.",
        ) from error
    try:
        yield
    finally:
        box.stop()


def _start_hearing(run_event: Callable[[str], str]) -> None:
    """Let happen what is typed, where a terminal or a pipe is there to type into."""
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, OSError, ValueError):  # closed, or none at all
        return
    if os.isatty(descriptor):
        if hasattr(signal, "SIGTTIN"):
            signal.signal(signal.SIGTTIN, signal.SIG_IGN)  # in the background it serves on, unheard
    elif not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return
    threading.Thread(target=_hear_events, args=(run_event, descriptor), name="sandbox-events", daemon=True).start()


def _hear_events(run_event: Callable[[str], str], descriptor: int) -> None:
    """Answer each line; by the descriptor, as a thread that waits in sys.stdin would hold up the end."""
    left = b""
    with suppress(OSError, ValueError):
        while chunk := os.read(descriptor, 4096):
            *lines, left = (left + chunk).split(b"\n")
            for line in lines:
                if line.strip():
                    typer.echo(visible(_answer(run_event, line.decode("utf-8", "replace"))), err=True)


def _answer(run_event: Callable[[str], str], line: str) -> str:
    try:
        return run_event(line)
    except UnknownEvent as error:
        return str(error)


def _parse_each(option: str, parse: Callable[[str], T], texts: list[str] | None) -> list[T]:
    try:
        return [parse(text) for text in texts or ()]
    except ValueError as error:
        words = str(error)
        stop = "" if words.endswith("?") else "."
        raise CommandLineError(
            Message("{}: {}{}", word(option), as_text(words), as_text(stop)), "ninjasync sandbox --help lists them all."
        ) from error
