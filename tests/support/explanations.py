"""What ``ninjasync explain`` says, for tests: as JSON, as text, and step by step."""

from __future__ import annotations

from tests.support.command import Json
from tests.support.office import Office


def told(world: Office, who: str) -> Json:
    """Return the explanation as JSON; see that there is one, and that nothing but GET was sent."""
    world.box.forget()
    ran = world.run("explain", who, "--format", "json")
    assert ran.code == 0, ran.text
    assert {one.method for one in world.box.requests} == {"GET"}
    return ran.json


def text(world: Office, who: str) -> str:
    """Return the explanation as text, on one line, so that wrapping does not matter."""
    ran = world.run("explain", who)
    assert ran.code == 0, ran.text
    assert all(len(line) <= 80 for line in ran.out.splitlines() if "urn:ietf" not in line), ran.out
    return " ".join(ran.out.split())


def step(story: Json, name: str) -> Json:
    """Return one step of an explanation."""
    (found,) = (one for one in story["steps"] if one["step"] == name)
    return dict(found)
