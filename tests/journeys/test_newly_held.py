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


def test_what_was_held_before_anything_was_monitored_is_told_once_and_not_called_new(
    office: Office, receiver: Receiver
) -> None:
    office.people.set_attribute(office.duo(user(0)), "userType", "chef")
    office.settle()
    office.configure("monitor", notify=[f"json://{receiver.host}/"], notify_on=["held"])
    assert office.apply().code == 0
    (told,) = receiver.messages
    assert "1 record is held: invalid-user-type (1)." in told["message"]
    assert office.apply().code == 0
    office.people.set_attribute(office.duo(user(1)), "userType", "chef")
    assert office.apply().code == 0
    assert "1 record is held that was not in the last run" in receiver.messages[1]["message"]
    assert len(receiver.messages) == 2


def test_where_no_ledger_remembers_a_last_run_nothing_is_called_new(
    office: Office, receiver: Receiver, tmp_path: Path
) -> None:
    office.people.set_attribute(office.duo(user(0)), "userType", "chef")
    (tmp_path / "a-file").write_text("")
    office.configure("state", path=str(tmp_path / "a-file" / "ledger.sqlite3"))
    office.configure("monitor", notify=[f"json://{receiver.host}/"], notify_on=["held"])
    for _ in range(2):
        assert office.plan().code == 0
    assert len(receiver.messages) == 2
    assert all("1 record is held: invalid-user-type (1)." in told["message"] for told in receiver.messages)


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
