"""Commands and groups of them as Typer makes them, but imported late and with the global options on both sides."""

import sys
from contextlib import redirect_stdout
from functools import partial
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from ninjasync.cli.commands import COMMANDS
from ninjasync.errors import InterruptedRunError

SETTINGS: dict[str, Any] = {"help_option_names": ["--help", "-h"]}
_PANEL = "Global options, before or after the command"


def _keep(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> None:
    """Put a global option into the Invocation. What comes later wins: that after the command."""
    if value is not None:
        setattr(ctx.obj, str(param.name), value)


# An option that no command's function takes: its value goes to the Invocation, wherever it stands.
global_option = partial(typer.Option, expose_value=False, callback=_keep, rich_help_panel=_PANEL)


class Command(TyperCommand):
    """One command."""

    def invoke(self, ctx: Any) -> Any:
        """Run it; an interrupt becomes an error that says what it left."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            left = "What was applied by then is recorded; the next run goes on from there."
            raise InterruptedRunError("Interrupted.", left if ctx.info_name == "apply" else "") from None


class Group(TyperGroup):
    """The commands of the table whose names begin with ``prefix``, a word and a blank or nothing."""

    def __init__(self, *, prefix: str = "", **settings: Any) -> None:
        """Take what Typer gives; ``commands`` lists each by its help alone, for ``--help`` and for completion."""
        super().__init__(**settings)
        self._prefix = prefix
        self._loaded: dict[str, Any] = {}
        names = [name.removeprefix(prefix) for name in COMMANDS if name.startswith(prefix)]
        self.commands = {
            name: TyperCommand(name, help=COMMANDS[prefix + name].help, rich_help_panel=COMMANDS[prefix + name].panel)
            for name in names
            if " " not in name
        }

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show the help where nothing is given, on standard error: a command line without a command is wrong."""
        if not args and not ctx.resilient_parsing:
            with redirect_stdout(sys.stderr):
                typer.echo(self.get_help(ctx))
            ctx.exit(64)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Find the command and run it; an interrupt before that has begun would else be an exit without a word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise InterruptedRunError("Interrupted.") from None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Import the command that is called."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, self.load(str(listed.name)) if listed else None, rest

    def load(self, name: str) -> Any:
        """Return a command, or a group, made once, with its options and those that this group has: the global ones."""
        if name not in self._loaded:
            self._loaded[name] = self._make(name)
        return self._loaded[name]

    def _make(self, name: str) -> Any:
        entry = COMMANDS[self._prefix + name]
        options = [param for param in self.params if getattr(param, "rich_help_panel", "") == _PANEL]
        if not entry.module:
            return Group(
                prefix=f"{self._prefix}{name} ",
                name=name,
                help=entry.help,
                params=options,
                rich_markup_mode="rich",
                context_settings=SETTINGS,
            )
        module = import_module(f"ninjasync.cli.commands.{entry.module}")
        alone = typer.Typer(add_completion=False, rich_markup_mode="rich", context_settings=SETTINGS)
        alone.command(name, cls=Command, help=entry.help, epilog=getattr(module, "EPILOG", None))(
            getattr(module, entry.function)
        )
        command: Any = typer.main.get_command(alone)
        command.params += getattr(module, "OPTIONS", []) + options
        return command
