"""[fleet.monitor]: one file of metrics, one ping, one message for the whole; none of them can make a run fail."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.report.test_fleet_metrics import values
from tests.support.fleet import NAMES, ServedFleet, outcomes
from tests.support.monitoring import HUSH, Receiver

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # of Apprise


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def monitored(fleet: ServedFleet, receiver: Receiver, more: str = "") -> None:
    url = receiver.url
    host = url.removeprefix("http://")
    fleet.settings(
        f'[fleet.monitor]\nmetrics_file = "fleet.prom"\nping_url = "{url}/{HUSH}"\n'
        f'notify = ["json://{host}/{HUSH}"]\n{more}'
    )


def pings(receiver: Receiver) -> list[str]:
    return [line for line in receiver.requests if line.startswith("GET")]


def messages(receiver: Receiver) -> list[dict[str, str]]:
    return [json.loads(hit.body) for hit in receiver.hits if hit.method == "POST"]


def test_one_file_one_ping_and_one_message_tell_of_all_tenants(fleet: ServedFleet, receiver: Receiver) -> None:
    monitored(fleet, receiver)
    fleet.write("alpha", token="another-token-altogether")
    fleet.boxes["bravo"].company.users.clear()
    own = f'[monitor]\nping_url = "{receiver.url}/own-{HUSH}"\n'
    fleet.write("delta", own)
    code, rows, said = fleet.run("apply", "--yes")
    assert (code, outcomes(rows)["bravo"]) == (6, "refused")
    assert sorted(pings(receiver)) == [f"GET /{HUSH}/fail", f"GET /own-{HUSH}"], "a tenant's own goes on working"
    (message,) = messages(receiver)
    assert message["title"] == "ninjasync fleet apply: 1 credentials, 1 refused, 2 done"
    assert "Credentials: alpha." in message["message"]
    assert "Refused: bravo (source" in message["message"]
    text = (fleet.folder / "fleet.prom").read_text("utf-8")
    assert {tenant for tenant, *_ in values(text, "ninjasync_fleet_tenant_outcome")} == set(NAMES)
    assert HUSH not in said

    fleet.write("alpha")
    fleet.settings((fleet.folder / "fleet.toml").read_text("utf-8").removeprefix("[fleet]\n"))
    assert fleet.run("apply", "--yes", "--tenant", "[!b]*")[0] == 0
    assert len(pings(receiver)) == 3, "of some tenants alone, chosen by hand, only their own monitors hear"
    assert (fleet.folder / "fleet.prom").read_text("utf-8") == text


def test_what_is_held_and_what_a_token_has_left_is_told_once(fleet: ServedFleet, receiver: Receiver) -> None:
    monitored(fleet, receiver)
    first, second, *_ = fleet.boxes["alpha"].company.users.values()
    first["email"] = "no address"
    assert fleet.run("apply", "--yes")[0] == 0
    assert pings(receiver) == [f"GET /{HUSH}"]
    (message,) = messages(receiver)
    assert "Held: alpha 1." in message["message"].splitlines(), "of a last run nothing is known"
    assert fleet.run("apply", "--yes")[0] == 0
    assert len(messages(receiver)) == 1, "nothing new"
    second["email"] = "no address either"
    assert fleet.run("apply", "--yes")[0] == 0
    assert "Held that were not in the last run: alpha 1." in messages(receiver)[1]["message"].splitlines()


def test_no_listener_that_fails_makes_the_run_fail(fleet: ServedFleet, receiver: Receiver) -> None:
    receiver.status = 500
    monitored(fleet, receiver)
    (fleet.folder / "fleet.prom").mkdir()
    fleet.write("alpha", token="another-token-altogether")
    code, rows, said = fleet.run("apply", "--yes")
    assert (code, outcomes(rows)["bravo"]) == (6, "done")
    for listener in ("metrics_file", "ping_url", "notify (item 1)"):
        assert f"[fleet.monitor] {listener}" in said
    assert HUSH not in said


def test_a_check_and_a_status_tell_nobody(fleet: ServedFleet, receiver: Receiver) -> None:
    monitored(fleet, receiver)
    fleet.run("check")
    fleet.run("status")
    assert receiver.hits == []
