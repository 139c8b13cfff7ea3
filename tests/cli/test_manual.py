"""``ninjasync manual``: the pages that are shipped, listed, shown plain or drawn on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ninjasync.cli import run
from ninjasync.cli.commands.manual import read_pages

PAGES = read_pages()
FOLDER = Path(__file__).resolve().parents[2] / "ninjasync" / "manual"


def test_every_page_of_the_folder_is_listed_with_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["manual"]) == 0
    listed = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert list(listed) == sorted(path.stem for path in FOLDER.glob("*.md"))
    assert listed["guards"].strip() == PAGES["guards"].partition("\n")[0].removeprefix("# ")


@pytest.mark.parametrize("named", ["guards", "guards.md", "GUARDS"])
def test_a_page_that_does_not_go_to_a_terminal_is_its_markdown(named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["manual", named]) == 0
    assert capsys.readouterr().out == (FOLDER / "guards.md").read_text("utf-8")


@pytest.mark.parametrize("named", ["guard", "../../README", "", "nothing-alike"])
def test_a_page_that_is_not_there_is_a_mistake_on_the_command_line(
    named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["manual", named]) == 64
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f'The manual has no page "{named}"' in shown.err
    assert "List all with: ninjasync manual" in shown.err
    assert ('did you mean "guards"?' in shown.err) is (named == "guard")


def test_a_word_of_a_pages_name_suggests_that_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["manual", "many"]) == 64
    assert 'did you mean "many-tenants"?' in capsys.readouterr().err


@pytest.mark.parametrize("color", [True, False])
def test_on_a_terminal_a_page_is_drawn_and_goes_through_the_pager(color: bool) -> None:
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "LESS")}
    environment |= {"PAGER": "cat", "TERM": "xterm-256color", "COLUMNS": "80"} | ({} if color else {"NO_COLOR": "1"})
    process = subprocess.Popen(
        [sys.executable, "-m", "ninjasync", "manual", "guards"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not chunk:
            break
        shown += chunk
    os.close(ours)
    assert process.wait(60) == 0
    text = shown.decode()
    assert PAGES["guards"].partition("\n")[0].removeprefix("# ") in text
    assert not text.startswith("# ")
    assert "| --- |" not in text
    assert ("\x1b[" in text) is color
