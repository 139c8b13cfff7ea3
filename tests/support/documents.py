"""README, manual, changelog and example configuration as texts, and how their parts are found."""

from __future__ import annotations

import re
from pathlib import Path

import ninjasync

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(ninjasync.__file__).parent
README = (ROOT / "README.md").read_text("utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
MANUAL = {path.stem: path.read_text("utf-8") for path in sorted((PACKAGE / "manual").glob("*.md"))}
EXAMPLE = (ROOT / "config.example.toml").read_text("utf-8")


def without_code(text: str) -> str:
    """Return ``text`` without its blocks of code, whose comments look like headings."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ .+$", without_code(text), re.MULTILINE)


def below(page: str, heading: str) -> str:
    """Return what a page of the manual says below ``heading``, up to the next one of the same or a higher level."""
    level = len(heading) - len(heading.lstrip("#"))
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", MANUAL[page], re.MULTILINE | re.DOTALL)
    assert found, f"manual/{page}.md lacks the heading {heading!r}"
    return found.group(1)


def table(text: str) -> list[list[str]]:
    """Return the rows of the first table in ``text``, a list of cells each, without its head."""
    lines = re.search(r"^\|.*\n\|(?: --- \|)+\n((?:\|.*\n)*)", text, re.MULTILINE)
    assert lines, "a table is missing"
    rows = lines.group(1).replace("\\|", "\0").splitlines()
    return [[cell.strip().replace("\0", "|") for cell in row.strip("|").split("|")] for row in rows]
