"""How ``--help`` looks: options and commands under the headings of their ``rich_help_panel``, plain, in 80 columns.

Typer's own boxes give half of 80 columns to types that its users need not know, and its
plain help has no headings.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

GLOBAL_PANEL = "Global options, before or after the command"
_OPTIONS, _COMMANDS = "Options", "Every day"
# Those that Typer adds by itself cannot say where they belong.
_PANELS = {"help": GLOBAL_PANEL, "install_completion": "Shell completion", "show_completion": "Shell completion"}

_Rows = dict[str, list[tuple[str, str]]]


class Command(TyperCommand):
    """A command with such a help."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options."""
        _write(ctx, formatter, _sections(self.get_params(ctx)))


class Group(TyperGroup):
    """The program itself: its commands, then its options."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write commands and options."""
        sections: _Rows = {}
        width = max(map(len, self.commands))
        for name, command in self.commands.items():
            panel = getattr(command, "rich_help_panel", None) or _COMMANDS
            sections.setdefault(panel, []).append((name.ljust(width), command.help or ""))
        _write(ctx, formatter, sections | _sections(self.get_params(ctx)))


def _sections(params: Iterable[Any]) -> _Rows:
    """Return a row for each option under its heading, the global ones last; then what may be given for them."""
    found: _Rows = {"Arguments": [], _OPTIONS: []}
    values: _Rows = {}
    for param in params:
        meaning, *listed = (param.help or "").split("\n\n")
        if param.param_type_name == "argument":
            panel, names = "Arguments", param.metavar
        else:
            panel = getattr(param, "rich_help_panel", None) or _PANELS.get(param.name, _OPTIONS)
            names = ", ".join(sorted(param.opts, key=len)) + ("" if param.is_flag else f" {param.metavar}")
        default = getattr(param.default, "value", param.default)
        if default is not None and default is not False:
            meaning = f"{meaning} Default: {default}."
        found.setdefault(panel, []).append((names, meaning))
        if listed:
            rows = [text.partition(": ") for text in listed]
            values[f"{param.metavar} for {param.opts[0]}"] = [(name, said) for name, _, said in rows]
    last = {GLOBAL_PANEL: found.pop(GLOBAL_PANEL, [])}
    return found | last | values


def _write(ctx: Any, formatter: Any, sections: _Rows) -> None:
    for heading, rows in sections.items():
        if not rows:
            continue
        with formatter.section(typer.style(heading, bold=True) if ctx.obj.color() else heading):
            formatter.write_dl(_aligned(rows))


def _aligned(rows: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Put the long names of options below each other where some have a short one before it."""
    short = any(names.startswith("-") and ", " in names for names, _ in rows)
    return [(f"    {names}" if short and names.startswith("--") else names, meaning) for names, meaning in rows]
