"""Which answers are tried again, and when: never sooner than the own backoff (CONTRACT 7.6)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ninjasync.net.pacing import Pacer, TransientError, may_pass
from tests.support.office import Office, Saved
from tests.support.proxy import Forward, Meddling
from tests.support.server import Hit, Reply, html_reply, json_reply

if TYPE_CHECKING:
    from tests.support.clock import Clock

LEAVER = "user1.two@example.com"


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Saved]]:
    world = Office(tmp_path_factory.mktemp("world")).start()
    world.configure("run", retries=2)
    world.proxy_scim()
    world.proxy_duo()
    world.settle()
    yield world, world.save()
    world.stop()


@pytest.fixture
def world(at_rest: tuple[Office, Saved], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT", 0.001)
    monkeypatch.setattr("ninjasync.net.pacing.FIRST_WAIT_OF_429", 0.001)
    return at_rest[0].restore(at_rest[1], tmp_path)


def failing(pacer: Pacer, status: int, pause: float | None) -> None:
    def attempt() -> None:
        raise TransientError("x", status=status, pause=pause)

    with pytest.raises(TransientError):
        pacer.call(attempt)


@pytest.mark.parametrize(("status", "first"), [(429, 1.0), (503, 0.25), (403, 0.25), (423, 0.25)])
def test_a_server_that_says_at_once_is_not_asked_again_sooner_than_by_our_own_backoff(
    clock: Clock, status: int, first: float
) -> None:
    failing(Pacer(6, stop=clock), status, 0.0)
    assert len(clock.waits) == 6
    assert all(first * 2**number <= wait for number, wait in enumerate(clock.waits))


def test_a_short_pause_does_not_cut_a_long_backoff_and_a_long_pause_is_kept(clock: Clock) -> None:
    failing(Pacer(4, stop=clock), 503, 1.5)
    assert clock.waits[0] == 1.5  # the backoff is 0.5 at most
    assert 2.0 <= clock.waits[3] <= 4.0


def test_a_429_that_says_at_once_halts_no_other_call(clock: Clock) -> None:
    pacer, other = Pacer(1, stop=clock), list[float]()
    tries = count()

    def attempt() -> None:
        if next(tries) == 0:
            raise TransientError("x", status=429, pause=0.0)
        other.append(clock.now)

    pacer.call(attempt)
    (waited,) = clock.waits
    assert waited >= 1.0


@pytest.mark.parametrize("status", [408, 423, 425, 429, 500, 502, 503, 504, 507, 509, *range(520, 531), 598, 599])
def test_these_may_pass(status: int) -> None:
    assert may_pass(status, None)


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 403, 404, 405, 409, 410, 415, 422, 501, 505, 508, 511])
def test_these_do_not_pass_by_themselves(status: int) -> None:
    assert not may_pass(status, None)


@pytest.mark.parametrize(
    ("header", "passes"), [("30", True), ("soon", True), ("", False), ("  ", False), (None, False)]
)
def test_a_403_is_no_matter_of_rights_if_it_says_when_to_come_again(header: str | None, passes: bool) -> None:
    assert may_pass(403, header) is passes
    assert not may_pass(404, header)


EDGES = {
    "522 with a page": html_reply(522),
    "530 with a page": html_reply(530),
    "403 for now": json_reply({"detail": "slow down"}, 403, **{"Retry-After": "0"}),
    "403 with a page, for now": Reply(403, b"<html>", {"Content-Type": "text/html", "Retry-After": "0"}),
    "408": json_reply({}, 408),
    "423": json_reply({}, 423),
    "425": json_reply({}, 425),
    "503 until a date gone by": Reply(503, b"", {"Retry-After": "Fri, 01 Jan 2021 12:00:00 GMT"}),
}


def stumbling(reply: Reply, methods: tuple[str, ...]) -> Meddling:
    """Answer the first request with each of these methods, for each kind of resource, like that."""
    seen: set[str] = set()

    def meddle(hit: Hit, forward: Forward) -> Reply:
        if hit.method in methods and hit.on not in seen:
            seen.add(hit.on)
            return reply
        return forward()

    return meddle


@pytest.mark.parametrize("discovery", ["auto", "lookup"])
@pytest.mark.parametrize("reply", EDGES.values(), ids=EDGES)
def test_a_passing_fault_of_an_edge_costs_nothing_in_reads_and_writes_of_both_services(
    world: Office, reply: Reply, discovery: str
) -> None:
    world.configure("ninjaone.dialect", discovery=discovery)
    hired = world.people.hire("New", "Comer", groups=["NinjaOne End Users"], user_type="endUser", organization="1")
    world.people.users[world.duo(LEAVER)]["status"] = "disabled"
    world.proxy_scim(stumbling(reply, ("GET", "POST", "PATCH", "PUT", "DELETE")))
    world.proxy_duo(stumbling(reply, ("GET",)))
    done = world.apply()
    assert done.code == 0, done.text
    assert world.account(world.people.users[hired]["email"])["active"]
    assert not world.account(LEAVER)["active"]
    assert world.plan("--detailed-exitcode").code == 0


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_403_for_now_that_stays_is_no_bad_token(world: Office, method: str) -> None:
    world.people.users[world.duo(LEAVER)]["status"] = "disabled"
    refusal = json_reply({"detail": "slow down"}, 403, **{"Retry-After": "0"})
    world.proxy_scim(lambda hit, forward: refusal if hit.method == method else forward())
    done = world.apply()
    assert done.code == (1 if method == "GET" else 4), done.text
    assert "HTTP 403, again and again" in done.text
    assert "secret_token" not in done.text


@pytest.mark.parametrize("resource", ["user", "group"])
@pytest.mark.parametrize("rests", [False, True], ids=["run after run", "with a run between that does something else"])
def test_a_500_to_the_same_item_is_told_as_lasting_in_the_third_run(world: Office, resource: str, rests: bool) -> None:
    if resource == "user":
        world.people.users[world.duo(LEAVER)]["lastname"] = "Renamed"
    else:
        (group,) = [each for each in world.people.groups.values() if each["name"] == "NinjaOne End Users"]
        group["name"] = "Renamed"
        world.configure("scope", groups=["NinjaOne Technicians", "Renamed"])
    world.proxy_scim(lambda hit, forward: json_reply({"detail": "oh"}, 500) if hit.method == "PATCH" else forward())
    said = []
    for number in range(3):
        if rests and number == 2:
            found = world.run("plan", "--format", "json")
            assert found.json["changes"]
        done = world.apply()
        assert done.code == 4, done.text
        (failed,) = [change["error"] for change in done.json["changes"] if change["outcome"] == "failed"]
        said.append(failed)
    assert all("Wait and run again" in one for one in said[:2])
    assert "it is not going to pass" in said[2]
    assert "Wait and run again" not in said[2]
    world.proxy_scim()
    assert world.apply().code == 0


def test_a_500_that_passed_between_is_told_as_passing(world: Office) -> None:
    refusing = [True]
    world.proxy_scim(lambda hit, forward: json_reply({}, 500) if hit.method == "PATCH" and refusing[0] else forward())
    for number in range(3):
        world.people.users[world.duo(LEAVER)]["lastname"] = f"Renamed{number}"
        refusing[0] = number != 1
        done = world.apply()
    (failed,) = [change["error"] for change in done.json["changes"] if change["outcome"] == "failed"]
    assert "Wait and run again" in failed
