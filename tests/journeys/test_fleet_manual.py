"""The pages on fleets, followed as they are written: their files are laid out, and each command in them is run."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ninjasync.config.fleet import read_settings
from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.company import staff
from tests.support.documents import MANUAL
from tests.support.postgres import TestDatabase

_PROGRAMS = Path(sys.executable).parent
# What does not end by itself, with what it says once it is at work.
_SERVES = {"ninjasync sandbox --tenants": "Try: ", "ninjasync fleet work\n": "Working on "}


def fences(page: str) -> list[tuple[str, str]]:
    """Return each block of a page in order: its language, and its text."""
    found = re.findall(r"^( *)```(\w+)\n(.*?)^\1```$", MANUAL[page], re.MULTILINE | re.DOTALL)
    return [(language, textwrap.dedent(text)) for _, language, text in found]


class Machine:
    """A machine with the folders that the pages name, three customers' files, and programs that go on running."""

    def __init__(self, folder: Path) -> None:
        self.etc, self.var, self.home = folder / "etc", folder / "var", folder / "home"
        for made in (self.etc / "customers", self.var, self.home):
            made.mkdir(parents=True)
        self.running: list[subprocess.Popen[str]] = []
        self.boxes = {
            name: Sandbox(staff(2, 1, seed=seed), NinjaOne()).start() for seed, name in enumerate(("north", "west"))
        }
        for name, box in self.boxes.items():
            state = f'[state]\ntenant = "{name}"\npath = "{self.var / name}.sqlite3"\n'
            self.write(f"customers/{name}.toml{'.new' if name == 'west' else ''}", f"{box.config_toml()}\n{state}")

    def write(self, name: str, text: str) -> None:
        (self.etc / name).write_text(text, "utf-8")
        (self.etc / name).chmod(0o600)

    def here(self, text: str) -> str:
        """Return what a page says, with this machine's folders, small companies, and days that are to come."""
        said = {"/etc/ninjasync": self.etc, "/var/lib/ninjasync": self.var, "/opt/ninjasync/bin": _PROGRAMS}
        for folder, own in said.items():
            text = text.replace(folder, str(own))
        return text.replace("--tenants 10 ", "--tenants 2 --users 5 ").replace(
            "2030-", f"{datetime.now(UTC).year + 1}-"
        )

    def lay_out(self, text: str) -> None:
        """Take a block of TOML as the page means it: fleet.toml, or what is added to it or to the defaults."""
        table = tomllib.loads(text)
        if text.startswith("# fleet.toml\n[fleet]\n"):
            settings = (self.etc / "fleet.toml").read_text("utf-8")
            self.write("fleet.toml", settings.replace("[fleet]\n", text.partition("\n")[2]))
        elif text.startswith("# defaults.toml"):
            before = (self.etc / "defaults.toml").read_text("utf-8") if (self.etc / "defaults.toml").exists() else ""
            self.write("defaults.toml", f"{before}\n{text}")
        elif "tenants" in table.get("fleet", {}):
            self.write("fleet.toml", text)
        elif "fleet" in table:  # it names other people's servers
            self.write("other.toml", text)
            read_settings(self.etc / "other.toml")

    def run(self, script: str, **environment: str) -> None:
        """Run a block in a shell, with a user at the keyboard who says yes."""
        folder = self.home if "sandbox" in script else self.etc
        keyboard, terminal = pty.openpty()
        os.write(keyboard, b"y\n")
        try:
            done = subprocess.run(
                ["bash", "-euc", script],
                cwd=folder,
                env={"PATH": f"{_PROGRAMS}:/usr/bin:/bin", "HOME": str(self.home), **environment},
                stdin=terminal,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=180,
            )
        finally:
            os.close(keyboard)
            os.close(terminal)
        assert done.returncode == 0, f"{script}\n{done.stdout}"

    def serve(self, script: str, says: str) -> None:
        """Begin a program that goes on, and wait until it says that it is at work."""
        folder = self.home if "sandbox" in script else self.etc
        begun = subprocess.Popen(
            ["bash", "-euc", f"exec {script}"],
            cwd=folder,
            env={"PATH": f"{_PROGRAMS}:/usr/bin:/bin", "HOME": str(self.home), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.running.append(begun)
        assert begun.stdout is not None
        assert any(says in line for line in begun.stdout), f"{script} ended with {begun.wait()}"

    def follow(self, page: str) -> None:
        """Do what a page says, from its beginning to its end."""
        for language, text in fences(page):
            match language:
                case "toml":
                    self.lay_out(self.here(text))
                case "cron":
                    line = self.here(text).splitlines()[-1]
                    self.run(re.sub(r"^\S+ \* \* \* \* ", "", line))
                case "sh":
                    begins = [says for command, says in _SERVES.items() if text.startswith(command)]
                    if begins:
                        self.serve(self.here(text), begins[0])
                    else:
                        self.run(self.here(text))

    def stop(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.communicate(timeout=60)
        for box in self.boxes.values():
            box.stop()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.stop()


def test_the_page_on_many_tenants_can_be_followed_as_it_is_written(machine: Machine) -> None:
    machine.follow("many-tenants")
    assert all(len(box.ninjaone.users) == 3 for box in machine.boxes.values()), "the new tenant's, too"
    assert "west-gmbh" in (machine.var / "fleet.txt").read_text("utf-8"), "as cron left it"


def test_the_page_on_several_machines_can_be_followed_as_it_is_written(
    machine: Machine, database: TestDatabase
) -> None:
    for name in ("owner", "ledger", "queue"):
        machine.write(f"{name}.url", database.url)
    machine.write("defaults.toml", "")
    machine.write("fleet.toml", '[fleet]\ntenants = ["customers/*.toml"]\n')
    (machine.etc / "customers" / "west.toml.new").rename(machine.etc / "customers" / "west.toml")
    machine.run("ninjasync fleet apply --yes")
    machine.follow("several-machines")
    assert database.ask("SELECT count(*) FROM resources WHERE resource = 'user'") == [(6,)]
    assert database.ask("SELECT count(*) FROM procrastinate_jobs") == [(0,)]


def test_the_rules_for_a_fleet_s_alarms_name_metrics_that_there_are() -> None:
    page = MANUAL["many-tenants"]
    listed, rules = page.partition("Rules for Prometheus")[::2]
    named = set(re.findall(r"ninjasync_fleet_\w+", rules))
    assert len(named) >= 4
    assert all(f"| `{name}` |" in listed for name in named)
