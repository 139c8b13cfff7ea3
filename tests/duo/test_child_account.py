"""``[duo] account_id``: a child account is read with the keys of its parent's Accounts API application."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ninjasync.sandbox.box import Access, Sandbox
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.company import staff
from tests.support.office import Office

CHILD = "DA00000000000000CHLD"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(310, 2)) as made:  # two pages
        box = Sandbox(made.people, NinjaOne(seed=1), access=Access(account_id=CHILD)).start()
        made.configure("duo", api_hostname=box.duo_url)
        made.child = box  # type: ignore[attr-defined]  # for the tests below
        yield made
        box.stop()


def test_each_request_names_the_child_in_what_is_signed(office: Office) -> None:
    office.configure("duo", account_id=CHILD)
    assert office.apply().code == 0
    gone = office.duo("user0.two@example.com")
    del office.people.users[gone]
    done = office.apply()  # asks for who is gone by id, too
    assert (done.code, set(done.applied().values())) == (0, {"deactivate"})
    assert office.run("explain", "user1.two@example.com").code == 0
    assert office.run("check").code == 0
    box: Sandbox = office.child  # type: ignore[attr-defined]  # as above
    asked = [request for request in box.requests if request.service == "duo"]
    assert len(asked) > 6
    assert {request.query.get("account_id") for request in asked} == {CHILD}


@pytest.mark.parametrize("account", ["DA00000000000000THER", ""])
def test_another_account_is_refused_and_the_cure_speaks_of_the_keys(office: Office, account: str) -> None:
    office.configure("duo", account_id=account)
    done = office.plan()
    assert done.code == 6
    assert ("Accounts API application" in done.err) is bool(account)


@pytest.mark.parametrize("wrong", ["DI00000000000000CHLD", "child", "DA&limit=1", "DA"])
def test_what_is_no_account_id_is_a_mistake(office: Office, wrong: str) -> None:
    office.configure("duo", account_id=wrong)
    done = office.plan()
    assert done.code == 78
    assert "[duo] account_id" in done.err
