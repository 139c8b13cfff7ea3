"""Messages through Apprise: which run sends which, in what words, about the token as well."""

from __future__ import annotations

import builtins
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ninjasync.config.schema import Config
from ninjasync.report.notice import TOKEN_DAYS, notice, token_stage
from ninjasync.runs import monitor, plan
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse
from tests.support.company import user
from tests.support.monitoring import HUSH, Receiver, all_gone, ended, figures, nowhere, one_gone, warnings, wrong_token
from tests.support.office import Office

# One of Apprise's many services uses a module that Python 3.13 has no more.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


# --- messages ----------------------------------------------------------------------------------


def test_a_run_without_news_sends_no_message(office: Office, receiver: Receiver) -> None:
    office.configure("monitor", notify=[f"json://{receiver.host}/"])
    office.settle()
    assert receiver.hits == []


def test_removals_are_told_as_planned_and_as_carried_out(office: Office, receiver: Receiver) -> None:
    office.configure("monitor", notify=[f"json://{receiver.host}/{HUSH}"])
    office.configure("state", tenant="acme")
    office.settle()
    one_gone(office)
    assert office.plan().code == 0
    assert office.apply().code == 0
    planned, applied = receiver.messages
    assert planned["title"] == "ninjasync plan, acme: done"
    assert "Removals planned: deactivate 1 user." in planned["message"]
    assert "Removals: deactivate 1 user; 1 of 1 carried out." in applied["message"]
    assert (applied["type"], planned["type"]) == ("info", "info")


def test_a_refusal_is_told_with_its_guards(office: Office, receiver: Receiver) -> None:
    office.settle()
    all_gone(office)
    office.configure("monitor", notify=[f"json://{receiver.host}/"], notify_on=["refusal"])
    assert office.apply().code == 3
    (message,) = receiver.messages
    assert message["title"].endswith(": refused for safety")
    assert (
        "Guards tripped: source (--approve-source 1), removals (--approve-removals 5); nothing is written"
        in message["message"]
    )
    assert message["type"] == "warning"


def test_a_failure_is_told_with_its_reason_and_cure(office: Office, receiver: Receiver) -> None:
    office.configure("monitor", notify=[f"json://{receiver.host}/"])
    wrong_token(office)
    assert office.apply().code == 6
    (message,) = receiver.messages
    assert message["title"].endswith(": credentials refused")
    assert "NinjaOne refused the SCIM token" in message["message"]
    assert "Make a new token" in message["message"]
    assert message["type"] == "failure"


def test_a_run_that_was_applied_in_part_is_told_in_numbers(office: Office, receiver: Receiver) -> None:
    def refuse_one(request: HttpRequest, serve: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        if request.method == "POST" and user(0).encode() in request.body:
            return HttpResponse(400, b"{}", ())
        return serve(request)

    office.box.intercept("scim", refuse_one)
    office.configure("monitor", notify=[f"json://{receiver.host}/"], metrics_file="n.prom")
    assert office.apply().code == 4
    (message,) = receiver.messages
    assert "6 changes applied, 2 failed, 0 skipped" in message["message"]
    assert user(0) not in json.dumps(message)
    assert figures(office, "apply")["changes create failed user"] == 1


def test_a_message_names_no_user(office: Office, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    office.configure("monitor", notify=[f"json://{receiver.host}/"])
    assert office.run("plan", "--out", office.folder / "saved").code == 0
    office.native(user(0))
    stale = office.run("apply", office.folder / "saved")
    assert stale.code == 3
    assert user(0) in stale.err
    unknown = office.apply("--only", "mallory")
    assert unknown.code == 64

    def failing(*_: object) -> None:
        raise RuntimeError("mallory@example.com")

    monkeypatch.setattr(plan, "make_plan", failing)
    assert office.apply().code == 1
    told = json.dumps(receiver.messages)
    assert len(receiver.messages) == 3
    assert "stale" in told
    assert "RuntimeError" in told
    assert not [name for name in (user(0), "mallory") if name in told]


NOBODY_THERE: dict[str, tuple[str, str]] = {
    "nothing listens": (f"json://127.0.0.1:1/{HUSH}", "did not take the message"),
    "no such service": (f"nonsense://{HUSH}", "nothing can be sent"),
    "no address": (HUSH, "nothing can be sent"),
}


@pytest.mark.parametrize(("address", "why"), NOBODY_THERE.values(), ids=NOBODY_THERE)
def test_a_message_that_fails_is_one_warning_without_its_address(
    office: Office, receiver: Receiver, address: str, why: str
) -> None:
    office.settle()
    one_gone(office)
    office.configure("monitor", notify=[address, f"json://{receiver.host}/{HUSH}"])
    good = office.apply("--log-level", "debug")
    nowhere(office)
    bad = office.apply("--log-level", "debug", "--log-format", "json")
    assert (good.code, bad.code) == (0, 1)
    (line,) = warnings(good)
    assert "notify (item 1)" in line
    assert why in line
    assert HUSH not in good.out + good.err + bad.out + bad.err
    assert len(receiver.messages) == 2, "the other one is told"


def test_without_apprise_one_warning_says_how_to_install_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    office.configure("monitor", notify=["json://127.0.0.1:1", "json://127.0.0.1:2"])
    (line,) = warnings(office.apply())
    wrong_token(office)
    done = office.apply()
    assert done.code == 6
    assert warnings(done) == [line], "also before there is anything to tell"
    assert "pip install '.[notify]'" in line
    assert "pip install '.[notify]'" in office.run("check").printed


def test_a_bug_in_monitoring_is_one_warning_too(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise KeyError(HUSH)

    monkeypatch.setattr(monitor, "_ended", failing)
    office.configure("monitor", metrics_file="n.prom")
    done = office.apply()
    assert done.code == 0
    assert warnings(done) == ["warning: [monitor]: no listener could be told of this run (KeyError)."]


def test_a_run_without_apprise_wanted_never_loads_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = builtins.__import__

    def watching(name: str, *more: Any) -> Any:
        asked.append(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", watching)
    office.configure("monitor", notify=["json://127.0.0.1:1"])
    assert office.apply().code == 0
    assert asked, "imports are watched"
    assert "apprise" not in asked


# --- the token ---------------------------------------------------------------------------------


def test_the_token_is_told_of_once_at_each_stage_however_often_there_is_a_run(
    office: Office, receiver: Receiver
) -> None:
    left = 32
    office.configure("ninjaone", token_expires=str((datetime.now(UTC) + timedelta(days=left)).date()))
    office.configure("monitor", notify=[f"json://{receiver.host}/"])
    told = []
    while left > -3:
        for _ in range(2 if left < 8 else 1):
            assert office.apply().code == 0
        told += [left] * len(receiver.hits)
        receiver.hits.clear()
        # Not every run comes on the day of a stage.
        step = 11 if left > 10 else 1
        left -= step
        office.days_pass(step)
    assert told == [21, 10, 7, 3, 2, 1, 0, -1, -2]


def test_a_message_on_the_token_says_when_and_what_to_do(office: Office, receiver: Receiver) -> None:
    office.configure("monitor", notify=[f"json://{receiver.host}/"])
    for days in (3, -1):
        office.configure("ninjaone", token_expires=str((datetime.now(UTC) + timedelta(days=days)).date()))
        assert office.plan().code == 0
    soon, late = receiver.messages
    assert "The SCIM token expires in 3 days. Make a new one" in soon["message"]
    assert "has expired" in late["message"]


def test_without_a_ledger_the_token_is_told_of_on_the_days_of_the_stages(office: Office, receiver: Receiver) -> None:
    office.configure("state", path="config.toml/ledger")
    office.configure("monitor", notify=[f"json://{receiver.host}/"])
    for days in (30, 29, 14):
        office.configure("ninjaone", token_expires=str((datetime.now(UTC) + timedelta(days=days)).date()))
        assert office.plan().code == 0
    assert len(receiver.messages) == 2


def test_the_stages_of_the_token_go_down_to_its_last_day_and_then_by_days() -> None:
    assert [token_stage(days) for days in (31, 30, 29, 15, 14, 8, 7, 4, 3, 2, 1, 0, -1, -9)] == [
        *(None, 30, 30, 30, 14, 14, 7, 7, 3, 2, 1, 0, -1, -9)
    ]
    assert sorted(TOKEN_DAYS, reverse=True) == list(TOKEN_DAYS)


@pytest.mark.parametrize("code", [1, 4, 5, 6, 64, 78, 130])
def test_every_exit_code_that_is_no_success_and_no_refusal_is_a_failure(code: int) -> None:
    made = notice(ended(exit_code=code), ["failure"], "It did not work.", token_due=False)
    assert made is not None
    assert "It did not work." in made.body
    assert notice(ended(exit_code=code), ["refusal", "removals", "token"], "It did not work.", token_due=False) is None


# --- what the configuration takes, and what check says -----------------------------------------


@pytest.mark.parametrize("url", ["https://hc.example/x?y=z", "http://127.0.0.1:8000/", ""])
def test_a_ping_url_may_have_a_query(make_config: Callable[..., Config], url: str) -> None:
    assert make_config(monitor={"ping_url": url}).monitor.ping_url == url.rstrip("/")


@pytest.mark.parametrize(
    ("keys", "color", "told"),
    [
        ({}, "green", "No run is reported"),
        ({"metrics_file": "n.prom", "ping_url": "http://127.0.0.1:1/"}, "green", "a metrics file, a ping."),
        ({"notify": ["json://127.0.0.1:1"]}, "green", "messages"),
        ({"metrics_file": "nowhere/n.prom"}, "yellow", "cannot be written"),
        ({"metrics_file": "n.txt"}, "yellow", "ends with .prom"),
        ({"notify": ["json://127.0.0.1:1", f"nonsense://{HUSH}"]}, "yellow", "item 2"),
    ],
)
def test_check_has_a_line_on_monitoring_and_sends_nothing(
    office: Office, keys: dict[str, Any], color: str, told: str
) -> None:
    office.configure("monitor", **keys)
    done = office.run("check", "--format", "json")
    (line,) = (one for one in done.json["checks"] if one["name"] == "monitoring")
    assert line["color"] == color
    assert told in json.dumps(line)
    assert HUSH not in done.out + done.err
    assert not (office.folder / "n.prom").exists()
