"""``demo --fleet``: four companies at once, told as a story. Each command is run as a user would run it."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import fill

from ninjasync.cli.options import Invocation
from ninjasync.errors import NinjasyncError
from ninjasync.files import write_private
from ninjasync.model.message import Message, number
from ninjasync.model.message import text as as_text
from ninjasync.report import text
from ninjasync.sandbox.fleet import SandboxFleet, make_fleet

_TENANTS = 4
_FEWEST_USERS = 30  # of fewer, so many leavers would be a large share of all, which another guard refuses, too


def show_fleet(invocation: Invocation, users: int, seed: int) -> int:
    """Bring four companies into step, let one lose more people than a guard allows, and settle that."""
    users = max(users, _FEWEST_USERS)
    leavers = max(4, users // 10 + 1)  # one more than the guard lets pass
    boxes = make_fleet(_TENANTS, users, seed)
    with SandboxFleet(boxes) as fleet, TemporaryDirectory() as folder:
        for name, content in fleet.render_files().items():
            (Path(folder) / name).parent.mkdir(exist_ok=True)
            write_private(Path(folder) / name, content.encode())
        show = _Show(invocation, Path(folder), seed)
        show.say(
            f"{_TENANTS} make-believe companies of {users} people each, on this machine only. Each has a Duo",
            "and a NinjaOne of its own, and a file in tenants/. A fleet.toml names them all.",
        )
        show.tell("Day one: one command for all of them", "fleet", "apply", "--yes")
        show.tell("After it, there is nothing to do anywhere", "fleet", "plan")
        names = list(boxes)
        unlucky = names[2]
        events = [f"{names[0]} hire Mia Lang", f"{names[1]} rename", *[f"{unlucky} leave"] * leavers]
        show.head("Some days go by")
        happened = (f"  * {line.partition(' ')[0]}: {fleet.run_event(line)}" for line in events)
        show.say(*(fill(line, 80, subsequent_indent="    ") for line in happened))
        show.tell(
            f"A guard refuses {unlucky}: too many would be removed. It holds up no other",
            "fleet",
            "apply",
            "--yes",
            allowed=(3,),
        )
        show.tell(
            "They did leave. An approval is for one tenant, with the number that was seen:",
            *("apply", "--yes", "--config", f"tenants/{unlucky}.toml", "--approve-removals", str(leavers)),
        )
        show.tell("And the fleet is in step again", "fleet", "plan")
        show.say("", "To try it by hand: ninjasync sandbox --tenants 4.")
    return 0


class _Show:
    """Runs commands in the fleet's folder, and shows what they print."""

    def __init__(self, invocation: Invocation, folder: Path, seed: int) -> None:
        self._invocation, self._folder, self._seed = invocation, folder, seed

    def say(self, *lines: str) -> None:
        self._invocation.deliver("\n".join([*lines, ""]))

    def head(self, title: str) -> None:
        self.say("", text.heading(title, color=self._invocation.color()), "")

    def tell(self, title: str, *arguments: str, allowed: tuple[int, ...] = (0,)) -> None:
        """Run a command; raises NinjasyncError where it ends with another exit code than is allowed."""
        self.head(title)
        self.say(f"$ ninjasync {' '.join(arguments)}", "")
        # Nothing of the user's own settings may reach the companies of the demo.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NINJASYNC_")}
        done = subprocess.run(  # noqa: S603 - the arguments are written above
            [sys.executable, "-m", "ninjasync", *arguments],
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        self.say(done.stdout.strip("\n"))
        if done.returncode not in allowed:
            raise NinjasyncError(
                Message(
                    "ninjasync {} ended with exit code {}: {}",
                    as_text(arguments[0]),
                    number(done.returncode),
                    as_text(done.stderr.strip()),
                ),
                Message("Please report it, with seed {}.", as_text(self._seed)),
            )
