"""The nouns of ``check``: what a check or a step of a probe found, and all of them together.

Pure. Knows colours and exit codes; knows nothing of what is looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Color = Literal["green", "yellow", "red"]

# Which exit code stands for several red findings: without a configuration nothing else can be judged,
# and refused credentials explain the rest (CONTRACT §2).
_PRECEDENCE = (78, 6, 1)


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence on what was found and, where it is not green, the cure.

    ``details`` are further sentences, where one is not enough; ``exit_code`` is what a
    red one leads to.
    """

    color: Color
    text: str
    cure: str = ""
    details: tuple[str, ...] = ()
    exit_code: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one check. ``waits_for`` names the failed check without which it could not be made."""

    name: str
    finding: Finding
    waits_for: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """What writing to a throw-away account showed.

    ``dialect`` has the keys of [ninjaone.dialect] that should be otherwise; ``left`` names
    what could not be removed again.
    """

    account: str
    steps: tuple[Line, ...]
    dialect: Mapping[str, str | int]
    left: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """130 where it was interrupted, 1 where a step failed or something is left, else 0."""
        if self.interrupted:
            return 130
        return exit_code(self.steps) or int(bool(self.left))


def green(text: str) -> Finding:
    """Return a finding: all is well."""
    return Finding("green", text)


def yellow(text: str, cure: str, *, details: tuple[str, ...] = ()) -> Finding:
    """Return a finding: it works, but the operator should know."""
    return Finding("yellow", text, cure, details)


def red(text: str, cure: str, *, exit_code: int = 1, details: tuple[str, ...] = ()) -> Finding:
    """Return a finding: it does not work."""
    return Finding("red", text, cure, details, exit_code)


def exit_code(lines: Sequence[Line]) -> int:
    """Return the exit code of these findings: 0 where none is red."""
    codes = {line.finding.exit_code for line in lines if line.finding.color == "red"}
    return next((code for code in _PRECEDENCE if code in codes), 1 if codes else 0)


def overall(lines: Sequence[Line], probe: Probe | None, not_probed: int) -> int:
    """Return the exit code of it all; ``not_probed`` counts where a probe was asked for and not made."""
    if probe is None:
        return exit_code(lines) or not_probed
    return 130 if probe.interrupted else exit_code(lines) or probe.exit_code
