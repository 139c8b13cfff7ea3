"""``init``: a first configuration from a few questions; the example; the schema for editors."""

import getpass
import json
import sys
import textwrap
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ninjasync.cli import clock
from ninjasync.cli.shared_options import flag
from ninjasync.config import example as shipped
from ninjasync.config.tenant import in_a_command
from ninjasync.errors import CommandLineError
from ninjasync.files import write_private
from ninjasync.model.message import Message, word
from ninjasync.model.message import text as as_text
from ninjasync.report import plan_schema
from ninjasync.report.escape import visible
from ninjasync.runs.interview import interview


class _Schema(StrEnum):
    """The documents that have a JSON schema."""

    CONFIG = "config"
    PLAN = "plan"


def init(
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it; default: ./config.toml.")
    ] = None,
    example: Annotated[bool, flag("--example", help="Give the example with every key; no questions.")] = False,
    schema: Annotated[bool, flag("--schema", help="Give a JSON schema; no questions.")] = False,
    what: Annotated[
        _Schema | None,
        typer.Argument(
            metavar="WHAT", help="With --schema: config (default), for editors, or plan: of its JSON document."
        ),
    ] = None,
) -> int:
    """Give the example or a schema; else ask, and write the configuration and the secrets' files."""
    asks = not (example or schema)
    if what is not None and not schema:
        raise CommandLineError(
            Message('"{}" says which schema, and none is asked for.', word(what)), "Give --schema, or leave it away."
        )
    if example and schema:
        raise CommandLineError("--example and --schema exclude one another.", "Give one of them.")
    if asks and not sys.stdin.isatty():
        raise CommandLineError("There is no terminal to ask on.", "Give --example or --schema, or run it on one.")
    if not asks:
        return _write(output, _schema(what) if schema else shipped.example())
    output = output or Path("config.toml")
    if not _may_write(output):
        return 3
    answers = interview(_Terminal(), output.resolve().parent, clock.now().astimezone())
    for path, secret in answers.files.items():
        write_private(path, f"{secret.get_secret_value()}\n".encode())
    _save(output, answers.config_toml())
    place = "" if output == Path("config.toml") else f" --config {in_a_command(str(output))}"
    typer.echo(f"Next: ninjasync check{place}", err=True)
    return 0


def _schema(what: _Schema | None) -> str:
    return json.dumps(plan_schema.schema() if what is _Schema.PLAN else shipped.schema(), indent=2) + "\n"


def _write(output: Path | None, text: str) -> int:
    """Write to a file, else to standard output; return the exit code."""
    if output is None:
        typer.echo(text, nl=False)
    elif _may_write(output):
        _save(output, text)
    else:
        return 3
    return 0


def _save(path: Path, text: str) -> None:
    write_private(path, text.encode())
    typer.echo(f"Written: {path}", err=True)


def _may_write(path: Path) -> bool:
    """Ask, if a file exists, whether to overwrite it. Raises CommandLineError without a terminal to ask on."""
    if not path.exists():
        return True
    if not sys.stdin.isatty():
        raise CommandLineError(
            Message("{} is there already.", as_text(path)), "Give another --output, or move it away."
        )
    return bool(typer.confirm(f"{path} is there already. Overwrite it?", default=False, err=True))


class _Terminal:
    """Asks on the terminal; questions go to standard error."""

    def say(self, text: str) -> None:
        indent = " " * (len(text) - len(text.lstrip()))
        lines = textwrap.wrap(visible(text), 80, subsequent_indent=indent, break_long_words=False)
        typer.echo("\n".join(lines), err=True)

    def text(self, question: str, default: str = "") -> str:
        return str(typer.prompt(question, default=default, show_default=bool(default), err=True))

    def secret(self, question: str) -> str:
        # typer.prompt asks first and stops the echo then, so that what is pasted at once would be shown.
        try:
            return getpass.getpass(f"{question} (not shown): ")
        except EOFError as error:
            raise typer.Abort from error
