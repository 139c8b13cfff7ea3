"""``apply --redact``: no output of a run names anybody, in any format, and the run itself is the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninjasync.sandbox.exchange import HttpRequest, HttpResponse, Service
from tests.support.company import END_USERS, staff
from tests.support.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(4, 2)) as made:
        yield made


def refuse_one(request: HttpRequest, serve: Service) -> HttpResponse:
    """Refuse one account, and repeat in the error who it is."""
    if request.method == "POST" and b"quillfeather.marker" in request.body:
        said = {"detail": "no account for quillfeather.marker@example.com", "status": "400"}
        return HttpResponse(400, json.dumps(said).encode(), (("content-type", "application/scim+json"),))
    return serve(request)


@pytest.mark.parametrize("format", ["text", "json", "markdown", "html"])
@pytest.mark.parametrize("saved", [False, True])
def test_a_redacted_run_names_no_user_and_does_the_same(office: Office, format: str, saved: bool) -> None:
    hired = office.people.hire("Quillfeather", "Marker", groups=[END_USERS], user_type="endUser", organization="4")
    office.people.users[hired]["email"] = "quillfeather.marker@example.com"
    office.box.intercept("scim", refuse_one)
    more: tuple[str | Path, ...] = ()
    if saved:
        assert office.run("plan", "--out", office.folder / "saved.plan").code == 0
        more = (office.folder / "saved.plan",)
    done = office.run("apply", *more, "--yes", "--redact", "--format", format, "--log-level", "info")
    assert done.code == 4
    assert len(office.accounts().keys()) == 6
    said = done.printed.casefold()
    for row in office.people.users.values():
        for name in (row["email"], row["firstname"], row["realname"]):
            assert not name or name.casefold() not in said, name
    assert "person-" in said
    if format == "json":
        assert {one["outcome"] for one in done.json["changes"]} == {"applied", "failed"}


def test_the_tokens_of_a_run_are_those_of_its_plan(office: Office) -> None:
    assert office.apply().code == 0  # makes the ledger, which keeps the key
    office.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="4")
    planned = office.run("plan", "--redact", "--format", "json").json
    applied = office.run("apply", "--yes", "--redact", "--format", "json").json
    keys = [{one["key"] for one in told["changes"]} for told in (planned, applied)]
    assert keys[0] == keys[1]
