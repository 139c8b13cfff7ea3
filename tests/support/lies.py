"""Services that lie, stumble and hang up, for a proxy; and what must be true of a run all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from tests.support.command import Json, Ran
from tests.support.office import Office
from tests.support.proxy import Forward, Meddling
from tests.support.server import Hit, Reply

Edit: TypeAlias = Callable[[Json], Any]
LEAVER = "user0.two@example.com"
OTHER = "user5.two@example.com"


def gone(office: Office) -> set[str]:
    """Who of the fifteen has no active account."""
    accounts = office.accounts()
    names = {f"tech{n}.one@example.com" for n in range(3)} | {f"user{n}.two@example.com" for n in range(12)}
    return {name for name in names if name not in accounts or accounts[name]["active"] is not True}


def members(office: Office) -> int:
    return sum(len(each) for each in office.groups().values())


def is_clear(result: Ran) -> None:
    """No traceback, and if it failed, one sentence that says why."""
    assert "Traceback" not in result.text
    assert "unexpected error" not in result.text
    if result.code in (1, 6, 78):
        assert sum(line.startswith("Error: ") for line in result.err.splitlines()) <= 1
        assert "Error: " in result.err or '"failed"' in result.out


def is_harmless(office: Office, result: Ran, codes: set[int]) -> None:
    is_clear(result)
    assert result.code in codes, result.text
    assert gone(office) <= {LEAVER}
    assert members(office) >= 14
    assert len(office.accounts()) == 15


def shortened(reply: Reply) -> Reply:
    return Reply(reply.status, reply.body, reply.headers, hang_up=len(reply.body) // 2)


def in_answers(edit: Edit, kind: str = "Users", methods: tuple[str, ...] = ("GET", "POST", "PATCH", "PUT")) -> Meddling:
    """Edit each resource of that kind wherever it is shown."""

    def meddle(hit: Hit, forward: Forward) -> Reply:
        reply = forward()
        if kind not in hit.path or hit.method not in methods or not reply.body or reply.status >= 300:
            return reply
        document = reply.document
        for resource in document.get("Resources", [] if "totalResults" in document else [document]):
            edit(resource)
        return reply.with_document(document)

    return meddle


def on_write(change: Callable[[Hit, Forward], Reply], *methods: str) -> Meddling:
    return lambda hit, forward: change(hit, forward) if hit.method in (methods or ("POST", "PATCH")) else forward()


def ends_well(office: Office) -> None:
    """Sound again, the next run ends where an undisturbed one would have."""
    office.proxy_scim()
    office.settle()
    assert len(office.accounts()) == 15
    assert len(office.groups()) == 2
    assert gone(office) <= {LEAVER}
    assert members(office) == 15 - len(gone(office))
