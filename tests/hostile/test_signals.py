"""Signals and closed pipes in the middle of a run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from itertools import count

import pytest

from ninjasync.cli.signals import stop_on_signals
from ninjasync.sandbox.ninjaone.schema import USER
from tests.support.command import Json, end_of
from tests.support.lies import OTHER, ends_well, in_answers
from tests.support.office import Office
from tests.support.proxy import Forward
from tests.support.server import Hit, Reply
from tests.support.urns import CORE_USER, EXTENSION


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_an_apply_stops_it_and_the_next_run_continues(office: Office, wanted: signal.Signals) -> None:
    busy, release, number = threading.Event(), threading.Event(), count()

    def slow(hit: Hit, forward: Forward) -> Reply:
        if hit.method != "GET" and next(number) >= 3:
            busy.set()
            release.wait(20)
        return forward()

    office.configure("ninjaone", timeout=20)
    office.proxy_scim(slow)
    process = office.fork("apply", "--yes", "--parallelism", "2", "--format", "json")
    assert busy.wait(20)
    process.send_signal(wanted)
    # The signal is taken while a request is under way; that request may still end.
    threading.Timer(0.2, release.set).start()
    result = end_of(process)
    assert result.code == 130
    assert "Traceback" not in result.text
    assert "interrupted" in result.text
    counted = result.json["result"]
    assert counted["exit_code"] == 130
    assert counted["skipped"] > 0
    assert 3 <= counted["applied"] <= len(office.accounts()) < 15
    ends_well(office)


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_plan_ends_it_in_one_sentence(office: Office, wanted: signal.Signals) -> None:
    busy, release = threading.Event(), threading.Event()

    def slow(hit: Hit, forward: Forward) -> Reply:
        busy.set()
        release.wait(20)
        return forward()

    office.configure("duo", timeout=20)
    office.proxy_duo(slow)
    process = office.fork("plan")
    assert busy.wait(20)
    process.send_signal(wanted)
    threading.Timer(0.2, release.set).start()
    done = end_of(process)
    assert done.code == 130
    assert "Traceback" not in done.err
    assert "nterrupted" in done.err


def test_a_second_sigterm_is_the_same_request_and_a_second_ctrl_c_is_not() -> None:
    stop, announced = threading.Event(), []
    with stop_on_signals(stop, lambda: announced.append(stop.is_set())):
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert announced == [True]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_closed_pipe_gives_no_traceback(office: Office) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "ninjasync", "plan", "--config", office.write_config()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        process.wait(60)
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err


def test_a_native_account_is_adopted_though_the_server_omits_all_optional_fields(office: Office) -> None:
    """Nothing but id, userName and active is shown of an account that nobody manages."""
    body = {"schemas": [CORE_USER], "userName": OTHER, "name": {"givenName": "N", "familyName": "N"}}
    same = office.ninjaone.create(USER, body)["id"]

    def bare(resource: Json) -> None:
        if not resource.get("externalId"):
            for name in set(resource) - {"id", "userName", "active", "schemas"}:
                del resource[name]

    office.proxy_scim(in_answers(bare))
    assert office.plan().actions()[OTHER] == "adopt"
    office.settle()
    assert office.account(OTHER)["id"] == same
    assert json.dumps(office.account(OTHER)[EXTENSION], sort_keys=True) == json.dumps(
        {"organizationId": "6", "userType": "endUser"}
    )
