"""Records that are newly held are told by [monitor], once, by number and code and without a name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.company import staff, user
from tests.support.monitoring import Receiver
from tests.support.office import Office

# One of Apprise's many services uses a module that Python 3.13 has no more.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(5, 0)) as made:
        yield made


def test_a_newly_held_user_is_reported_once_and_again_when_held_anew(office: Office, receiver: Receiver) -> None:
    office.settle()
    office.configure("monitor", notify=[f"json://{receiver.host}/"], notify_on=["held"])
    assert office.apply().code == 0
    assert receiver.messages == []

    office.people.set_attribute(office.duo(user(0)), "userType", "chef")
    assert office.apply().code == 0
    (first,) = receiver.messages
    assert "1 record is held that was not in the last run: invalid-user-type (1)." in first["message"]
    assert first["type"] == "warning"
    assert "@" not in first["message"]

    assert office.apply().code == 0
    assert len(receiver.messages) == 1

    office.people.set_attribute(office.duo(user(1)), "organizationID", "x")
    assert office.apply("--strict").code == 3
    assert "unknown-organization (1)" in receiver.messages[1]["message"]
    assert "invalid-user-type" not in receiver.messages[1]["message"]

    office.people.set_attribute(office.duo(user(0)), "userType", "endUser")
    assert office.apply().code == 0
    assert len(receiver.messages) == 2
    office.people.set_attribute(office.duo(user(0)), "userType", "chef")
    assert office.apply().code == 0
    assert "invalid-user-type (1)" in receiver.messages[2]["message"]
