"""A fleet on disk, each of its companies served by a sandbox of its own.

Knows the files of a fleet and the table as JSON. Must not know how ninjasync comes by it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.exchange import Request
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.command import Ran, run
from tests.support.company import staff
from tests.support.forked import start_server

NAMES = ("alpha", "bravo", "charlie", "delta")


class ServedFleet:
    """So many companies, each served by a sandbox of its own, and the folder of their fleet."""

    def __init__(self, folder: Path, names: tuple[str, ...] = NAMES) -> None:
        start_server()
        self.folder, self.names = folder, names
        self.boxes = {name: Sandbox(staff(4, 1, seed=number), NinjaOne()).start() for number, name in enumerate(names)}
        (folder / "tenants").mkdir()
        for name in names:
            self.write(name)
        self.settings("")

    def write(self, name: str, more: str = "", **replaced: str) -> None:
        text = self.boxes[name].config_toml() + f'\n[state]\npath = "../{name}.sqlite"\n[run]\nretries = 0\n{more}'
        for old, new in replaced.items():
            text = text.replace(getattr(self.boxes[name], old), new)
        (self.folder / "tenants" / f"{name}.toml").write_text(text, "utf-8")
        (self.folder / "tenants" / f"{name}.toml").chmod(0o600)

    def settings(self, more: str) -> None:
        (self.folder / "fleet.toml").write_text(f"[fleet]\n{more}\n", "utf-8")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "ninjasync", "fleet", *arguments, "--fleet", str(self.folder / "fleet.toml")]

    def run(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        """Run a fleet command as JSON; return its exit code, the rows by tenant, and standard error."""
        done = self.show(*arguments, "--format", "json")
        document = done.json if done.out else {}
        return done.code, {row["tenant"]: row for row in document.get("tenants", [])}, done.err

    def show(self, *arguments: str) -> Ran:
        """Run a fleet command; the tenants' own processes are forked from a server, as always."""
        return run("fleet", *arguments, "--fleet", str(self.folder / "fleet.toml"))

    def accounts(self, name: str) -> int:
        return len(self.boxes[name].ninjaone.users)

    def writes(self, name: str) -> list[Request]:
        """Return what was sent to that company's SCIM endpoint to change something."""
        return [one for one in self.boxes[name].requests if one.service == "scim" and one.method != "GET"]

    def stop(self) -> None:
        for box in self.boxes.values():
            box.stop()


def outcomes(rows: dict[str, Any]) -> dict[str, str]:
    """Return each tenant's outcome by name."""
    return {name: row["outcome"] for name, row in rows.items()}
