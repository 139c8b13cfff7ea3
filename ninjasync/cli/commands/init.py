"""``init``: a first configuration from a few questions; the example; the schema for editors."""

import getpass
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ninjasync.cli import clock
from ninjasync.cli.options import Invocation, quoted
from ninjasync.files import write_private


class _Schema(StrEnum):
    """What a JSON schema may be asked for of."""

    CONFIG = "config"
    PLAN = "plan"


class _Terminal:
    """Asks on the terminal; questions go to standard error."""

    def say(self, text: str) -> None:
        import textwrap

        from ninjasync.report.escape import visible

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


def init(
    invocation: Invocation,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it; default: ./config.toml.")
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="Give the example with every key; no questions.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Give a JSON schema; no questions.")] = False,
    what: Annotated[
        _Schema | None,
        typer.Argument(
            metavar="WHAT", help="With --schema: config (default), for editors, or plan: of its JSON document."
        ),
    ] = None,
) -> int:
    """Write a commented config.toml from a few questions (mode 0600)."""
    from ninjasync.config import example as shipped
    from ninjasync.errors import CommandLineError

    asks = not (example or schema)
    if what is not None and not schema:
        raise CommandLineError(
            f'"{what}" says which schema, and none is asked for.', "Give --schema, or leave it away."
        )
    if example and schema:
        raise CommandLineError("--example and --schema exclude one another.", "Give one of them.")
    if asks and not sys.stdin.isatty():
        raise CommandLineError("There is no terminal to ask on.", "Give --example or --schema, or run it on one.")
    if asks and output is None:
        output = Path("config.toml")
    if output is not None and output.exists() and not _may_go(output):
        return 3
    if asks:
        from ninjasync.runs.interview import interview

        assert output is not None
        answers = interview(_Terminal(), output.resolve().parent, clock.now().astimezone())
        for path, secret in answers.files.items():
            write_private(path, f"{secret.get_secret_value()}\n".encode())
        text = answers.config_toml()
    elif schema:
        import json

        from ninjasync.report import plan_schema

        found = plan_schema.schema() if what is _Schema.PLAN else shipped.schema()
        text = json.dumps(found, indent=2) + "\n"
    else:
        text = shipped.text()
    if output is None:
        typer.echo(text, nl=False)
        return 0
    write_private(output, text.encode())
    typer.echo(f"Written: {output}", err=True)
    if asks:
        place = "" if output == Path("config.toml") else f" --config {quoted(output)}"
        typer.echo(f"Next: ninjasync check{place}", err=True)
    return 0


def _may_go(path: Path) -> bool:
    """Ask whether a file may be overwritten. Raises CommandLineError where nobody can be asked."""
    from ninjasync.errors import CommandLineError

    if not sys.stdin.isatty():
        raise CommandLineError(f"{path} is there already.", "Give another --output, or move it away.")
    return bool(typer.confirm(f"{path} is there already. Overwrite it?", default=False, err=True))
