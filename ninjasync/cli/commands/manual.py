"""``manual``: the pages of this very version, which are shipped with it."""

import os
from importlib import resources
from typing import Annotated

import typer

from ninjasync.cli.options import Invocation
from ninjasync.errors import CommandLineError
from ninjasync.model.message import Message, did_you_mean
from ninjasync.model.message import text as as_text


def manual(
    ctx: typer.Context,
    page: Annotated[
        str | None, typer.Argument(metavar="PAGE", help="A page by its name; without one, all are listed.")
    ] = None,
) -> int:
    """Show a page: on a terminal drawn and in a pager, else as the Markdown that it is."""
    invocation: Invocation = ctx.obj
    pages = read_pages()
    if page is None:
        width = max(map(len, pages))
        invocation.deliver("".join(f"{name:{width}}  {_title(text)}\n" for name, text in pages.items()))
        return 0
    text = pages.get(page.lower().removesuffix(".md"))
    if text is None:
        raise CommandLineError(
            Message('The manual has no page "{}"{}.', as_text(page), _suggest(page, list(pages))),
            "List all with: ninjasync manual",
        )
    if invocation.writes_to_terminal():
        _page(text, color=invocation.color())
    else:
        invocation.deliver(text)
    return 0


def read_pages() -> dict[str, str]:
    """Return the text of each page by its name, in the order of the names."""
    files = [file for file in (resources.files("ninjasync") / "manual").iterdir() if file.name.endswith(".md")]
    return {
        file.name.removesuffix(".md"): file.read_text("utf-8") for file in sorted(files, key=lambda file: file.name)
    }


def _suggest(page: str, pages: list[str]) -> Message:
    """Name the one page with that word in its name, else the one that is spelled most like it."""
    holding = [name for name in pages if page.lower() in name.split("-")]
    return did_you_mean(holding[0], holding) if len(holding) == 1 else did_you_mean(page, pages)


def _title(text: str) -> str:
    return text.partition("\n")[0].removeprefix("# ")


def _page(text: str, *, color: bool) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    # What less needs so that it shows colours as such, and ends at once where a page fits.
    os.environ.setdefault("LESS", "-FRX")
    console = Console(no_color=not color, highlight=False)
    with console.pager(styles=color):
        console.print(Markdown(text, hyperlinks=False))
