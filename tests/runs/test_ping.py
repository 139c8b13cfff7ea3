"""The ping: one request at the end of a run, which says whether it went well, and harms nothing."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from ninjasync.cli import monitoring
from ninjasync.config.load import load
from ninjasync.config.tenant import tenant_of
from ninjasync.runs import listeners, plan
from ninjasync.runs.listeners import failure_url
from ninjasync.state import lock
from tests.support.company import user
from tests.support.monitoring import AT, HUSH, Receiver, all_gone, figures, nowhere, warnings, wrong_token
from tests.support.office import Office

# One of Apprise's many services uses a module that Python 3.13 has no more.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def test_a_good_run_is_pinged_at_the_address_itself_and_a_bad_one_below_it(office: Office, receiver: Receiver) -> None:
    office.configure("monitor", ping_url=f"http://{receiver.host}/ping/{HUSH}?rid=1&x=/")
    office.settle()
    assert receiver.requests == [f"GET /ping/{HUSH}?rid=1&x=/"] * 2
    receiver.hits.clear()
    all_gone(office)
    assert office.plan().code == 3
    nowhere(office)
    assert office.apply().code == 1
    wrong_token(office)
    assert office.apply().code in (1, 6)
    assert receiver.requests == [f"GET /ping/{HUSH}/fail?rid=1&x=/"] * 3


@pytest.mark.parametrize(
    ("url", "fails_at"),
    [
        ("https://hc.example/uuid", "https://hc.example/uuid/fail"),
        ("https://hc.example/uuid?a=b", "https://hc.example/uuid/fail?a=b"),
        ("https://hc.example/uuid/?a=b", "https://hc.example/uuid/fail?a=b"),
        ("https://hc.example", "https://hc.example/fail"),
    ],
)
def test_a_failure_ends_the_path_of_the_ping_and_leaves_its_query(url: str, fails_at: str) -> None:
    assert failure_url(url) == fails_at


def deaf(receiver: Receiver) -> str:
    receiver.status = 0
    return "no answer within the time limit"


def broken(receiver: Receiver) -> str:
    receiver.status = 500
    return "HTTP 500"


def elsewhere(receiver: Receiver) -> str:
    receiver.status, receiver.location = 302, f"http://{receiver.host}/elsewhere"
    return "HTTP 302"


def absent(receiver: Receiver) -> str:
    receiver.host = "127.0.0.1:1"
    return "connection refused"


@pytest.mark.parametrize("spoil", [deaf, broken, elsewhere, absent])
def test_a_ping_that_fails_is_one_warning_without_its_address(
    office: Office, receiver: Receiver, spoil: Callable[[Receiver], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if spoil is deaf:
        monkeypatch.setattr(listeners, "_PING_SECONDS", 0.05)
    why = spoil(receiver)
    office.configure("monitor", ping_url=f"http://{receiver.host}/{HUSH}")
    good = office.apply("--log-level", "debug")
    nowhere(office)
    bad = office.apply("--log-level", "debug", "--log-format", "json")
    assert (good.code, bad.code) == (0, 1)
    (line,) = warnings(good)
    assert why in line
    assert HUSH not in good.out + good.err + bad.out + bad.err
    assert "GET /elsewhere" not in receiver.requests


def test_a_run_does_not_wait_long_for_a_slow_ping(
    office: Office, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "_MOST_SECONDS", 0.05)
    receiver.status = 0
    office.configure(
        "monitor", ping_url=f"http://{receiver.host}/{HUSH}", notify=[f"json://{receiver.host}/{HUSH}?rto=60"]
    )
    nowhere(office)
    done = office.apply()
    assert done.code == 1
    assert [line.split(":")[1].strip() for line in warnings(done)] == [
        "[monitor] ping_url",
        "[monitor] notify (item 1)",
    ]
    assert "no answer within" in done.err


def test_an_interrupt_ends_the_waiting_and_not_otherwise_the_run(
    office: Office, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(listeners, "_result", interrupted)
    office.configure("monitor", ping_url=f"http://{receiver.host}/")
    done = office.apply()
    assert done.code == 0
    assert len(warnings(done)) == 1


def test_a_ping_sends_no_password_that_netrc_has(
    office: Office, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n", "utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    office.configure("monitor", ping_url=f"http://{receiver.host}/")
    assert office.apply().code == 0
    (hit,) = receiver.hits
    assert "authorization" not in hit.headers


def test_a_run_that_finds_the_lock_taken_pings_nothing(office: Office, receiver: Receiver) -> None:
    office.configure("monitor", ping_url=f"http://{receiver.host}/", metrics_file="n.prom")
    tenant = tenant_of(load(Path(office.write_config())))
    with lock.hold_lock(office.ledger, tenant, 0, AT):
        assert office.apply().code == 5
    assert receiver.requests == []
    assert figures(office, "apply")["last_run_exit_code"] == 5


def test_an_interrupted_run_is_a_failure(office: Office, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plan, "make_plan", interrupted)
    office.configure("monitor", ping_url=f"http://{receiver.host}/")
    assert office.apply().code == 130
    assert receiver.requests == ["GET /fail"]


def test_a_run_with_only_says_nothing_of_the_job_that_keeps_all_in_step(office: Office, receiver: Receiver) -> None:
    office.configure("monitor", ping_url=f"http://{receiver.host}/ping", metrics_file="n.prom")
    office.configure("monitor", notify=[f"json://{receiver.host}/message"])
    assert office.apply("--only", user(0)).code == 0
    assert office.apply("--only", "nobody").code == 64
    assert receiver.requests == ["POST /message"], "but of what went wrong there are messages"
    assert not (office.folder / "n.prom").exists()


def test_a_plan_on_a_terminal_sends_nothing(
    office: Office, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.configure("monitor", ping_url=f"http://{receiver.host}/", metrics_file="n.prom")
    monkeypatch.setattr(monitoring, "sys", SimpleNamespace(stderr=SimpleNamespace(isatty=lambda: True)))
    assert office.plan("--quiet").code == 0
    assert receiver.requests == []
    assert not (office.folder / "n.prom").exists()
    assert office.apply("--quiet").code == 0
    assert receiver.requests == ["GET /"], "what was written is told, whoever wrote it"


def test_an_apply_that_the_operator_declined_is_not_reported(
    office: Office, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("no\n"))
    office.configure("monitor", ping_url=f"http://{receiver.host}/")
    assert office.run("apply").code == 3
    assert receiver.requests == []
