"""Who is told how a run ended, by which way, in what words; and that none of it changes how it ends."""

from __future__ import annotations

import builtins
import io
import json
import stat
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ninjasync.cli import monitoring
from ninjasync.config.load import load
from ninjasync.config.schema import Config
from ninjasync.config.tenant import tenant_of
from ninjasync.report.metrics import Ended, metrics
from ninjasync.report.notice import TOKEN_DAYS, notice, token_stage
from ninjasync.runs import monitor, plan
from ninjasync.sandbox.exchange import HttpRequest, HttpResponse
from ninjasync.state import lock
from tests.support.command import Ran
from tests.support.company import staff, user
from tests.support.office import Office

AT = datetime(2027, 3, 1, 4, 5, 6, tzinfo=UTC)
# One of Apprise's many services uses a module that Python 3.13 has no more.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

HUSH = "hush-4d1f"  # in every address; nothing that is shown may hold it


class Ear:
    """A server on this machine that keeps what it is sent and answers as it is told to; 0 is no answer at all."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.headers: list[Mapping[str, str]] = []
        self.status = 200
        self.location = ""
        self.over = threading.Event()
        ear = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                ear.heard.append((f"{self.command} {self.path}", body))
                ear.headers.append(dict(self.headers))
                if not ear.status:
                    ear.over.wait()
                    return
                self.send_response(ear.status)
                if ear.location:
                    self.send_header("Location", ear.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.place = f"127.0.0.1:{self._server.server_port}"

    @property
    def requests(self) -> list[str]:
        """What it was sent: method and path."""
        return [request for request, _ in self.heard]

    @property
    def messages(self) -> list[dict[str, str]]:
        """What Apprise's json:// sent: title, message, type."""
        return [json.loads(body) for _, body in self.heard]

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def ear() -> Iterator[Ear]:
    made = Ear()
    yield made
    made.close()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(5, 1)) as made:
        yield made


def nowhere(office: Office) -> None:
    """From now on Duo is out of order."""
    office.box.intercept("duo", lambda request, serve: HttpResponse(503, b"", ()))


def wrong_token(office: Office) -> None:
    office.configure("ninjaone", secret_token="wrong-token")


def all_gone(office: Office) -> None:
    """Nearly all leave: more than may be removed."""
    for number in range(5):
        office.people.disable(office.duo(user(number)))


def one_gone(office: Office) -> None:
    office.people.disable(office.duo(user(0)))


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Read a file of metrics as Prometheus would; no series may be there twice."""
    found = [
        ((sample.name, frozenset(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    assert max(Counter(key for key, _ in found).values(), default=0) <= 1
    return dict(found)


def figures(office: Office, command: str) -> dict[str, float]:
    """The metrics of one command by name and the labels that only some have."""
    shared = {"tenant", "tenant_id", "command"}
    return {
        " ".join(
            [name.removeprefix("ninjasync_"), *(value for key, value in sorted(labels) if key not in shared)]
        ): value
        for (name, labels), value in samples((office.folder / "n.prom").read_text("utf-8")).items()
        if ("command", command) in labels
    }


def warnings(ran: Ran) -> list[str]:
    return [line for line in ran.err.splitlines() if line.startswith("warning: [monitor]")]


# --- the metrics file ------------------------------------------------------------------------


def test_the_metrics_of_an_apply_tell_what_it_did(office: Office) -> None:
    office.configure("monitor", metrics_file="n.prom")
    office.configure("ninjaone", token_expires="2040-05-06")
    office.people.set_attribute(office.duo(user(4)), "userType", "nonsense")
    assert office.apply().code == 0
    told = figures(office, "apply")
    assert told["last_run_exit_code"] == 0
    assert told["token_expires_timestamp_seconds"] == datetime(2040, 5, 6, tzinfo=UTC).timestamp()
    assert told["held user"] == 1
    assert told["planned_changes create user"] == 5
    assert told["changes create applied user"] == 5
    assert told["changes create applied group"] == 2
    assert told["changes create failed user"] == told["changes delete skipped group"] == 0
    assert told["removals_pending"] == told["changes_withheld"] == told["guard_tripped removals"] == 0
    assert told["last_run_timestamp_seconds"] == told["last_success_timestamp_seconds"]
    assert abs(told["last_run_timestamp_seconds"] - datetime.now(UTC).timestamp()) < 600
    assert 0 < told["last_run_duration_seconds"] < 600


def test_a_plan_tells_what_is_to_be_done_and_leaves_the_lines_of_the_last_apply(office: Office) -> None:
    office.configure("monitor", metrics_file="n.prom")
    office.settle()
    applied = figures(office, "apply")
    one_gone(office)
    assert office.plan("--detailed-exitcode").code == 2
    told = figures(office, "plan")
    assert told["last_run_exit_code"] == 2
    assert told["last_run_timestamp_seconds"] == told["last_success_timestamp_seconds"]
    assert told["planned_changes deactivate user"] == told["removals_pending"] == 1
    assert not [name for name in told if name.startswith("changes ")], "a plan changes nothing"
    assert figures(office, "apply") == applied


BAD_ENDS: dict[str, tuple[Callable[[Office], None], int]] = {
    "a service that cannot be reached": (nowhere, 1),
    "refused credentials": (wrong_token, 6),
    "a guard": (all_gone, 3),
}


@pytest.mark.parametrize(("spoil", "code"), BAD_ENDS.values(), ids=BAD_ENDS)
def test_a_failed_run_keeps_the_time_of_the_last_success(
    office: Office, spoil: Callable[[Office], None], code: int
) -> None:
    office.configure("monitor", metrics_file="n.prom")
    office.settle()
    before = figures(office, "apply")
    spoil(office)
    office.days_pass(1)
    assert office.apply().code == code
    told = figures(office, "apply")
    assert told["last_run_exit_code"] == code
    assert told["last_success_timestamp_seconds"] == before["last_success_timestamp_seconds"]
    assert told["last_run_timestamp_seconds"] > before["last_run_timestamp_seconds"] + 80_000
    known = code == 3
    assert ("held user" in told) is known, "what was not read is not told as none"
    if known:
        assert told["guard_tripped removals"] == 1
        assert told["removals_pending"] == told["changes deactivate skipped user"] == 5


def test_a_first_run_that_fails_tells_no_success(office: Office) -> None:
    office.configure("monitor", metrics_file="n.prom")
    nowhere(office)
    assert office.apply().code == 1
    assert "last_success_timestamp_seconds" not in figures(office, "apply")


def test_removals_that_are_withheld_are_pending(office: Office) -> None:
    office.configure("monitor", metrics_file="n.prom")
    office.configure("safety", on_refusal="withhold")
    office.settle()
    all_gone(office)
    assert office.apply().code == 3
    told = figures(office, "apply")
    assert told["removals_pending"] == 5
    assert told["changes_withheld"] >= 5


def test_deletions_that_are_due_and_deferred_are_pending(office: Office) -> None:
    office.configure("monitor", metrics_file="n.prom")
    office.configure("safety", max_removals=1, max_removals_percent=0)
    office.settle()
    for number in range(2):
        office.people.disable(office.duo(user(number)))
        assert office.apply().code == 0
    office.days_pass(31)
    assert office.apply().code == 0
    told = figures(office, "apply")
    assert told["changes delete applied user"] == 1
    assert told["removals_pending"] == 1


def test_the_metrics_file_is_readable_by_all_and_leaves_no_draft(office: Office) -> None:
    office.configure("monitor", metrics_file="metrics/n.prom")
    folder = office.folder / "metrics"
    folder.mkdir()
    assert office.apply().code == 0
    assert [path.name for path in folder.iterdir()] == ["n.prom"]
    assert stat.S_IMODE((folder / "n.prom").stat().st_mode) == 0o644


UNWRITABLE = {
    "a folder that is not there": "nowhere/n.prom",
    "a folder": "taken",
    "a file for a folder": "config.toml/n",
}


@pytest.mark.parametrize("path", UNWRITABLE.values(), ids=UNWRITABLE)
def test_a_metrics_file_that_cannot_be_written_is_one_warning(office: Office, path: str) -> None:
    (office.folder / "taken").mkdir()
    office.configure("monitor", metrics_file=path)
    for done, code in ((office.apply(), 0), (office.plan("--detailed-exitcode"), 0)):
        assert done.code == code
        assert len(warnings(done)) == 1
        assert str(office.folder / path) in done.err
    assert not list(office.folder.glob("**/.*"))


HOSTILE = (
    "acme",
    'a "quoted" one',
    "back\\slash\\",
    "two\nlines",
    'x",command="apply"} 1\nevil 2',
    "ÄÖ 日本\r\u2028",
    "{}",
    "",
)


def ended(**fields: Any) -> Ended:
    made: dict[str, Any] = {
        "tenant": "acme",
        "tenant_id": "0123",
        "command": "apply",
        "exit_code": 0,
        "begun": AT,
        "ended": AT,
    }
    return Ended(**(made | fields))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_tenant_of_any_name_is_told_by_that_name(name: str) -> None:
    again = ended(tenant=name, exit_code=1, ended=AT + timedelta(hours=1))
    text = metrics(again, metrics(ended(tenant=name), ""))
    told = samples(text)
    assert {dict(labels)["tenant"] for _, labels in told} == {name}
    (success,) = (value for (series, _), value in told.items() if series.startswith("ninjasync_last_success"))
    assert success == AT.timestamp()


def test_files_of_two_tenants_side_by_side_share_no_series_and_agree_on_every_help() -> None:
    one, other = metrics(ended(), ""), metrics(ended(tenant_id="4567", exit_code=6, token_expires=date(2027, 2, 1)), "")
    assert samples(one).keys().isdisjoint(samples(other).keys())
    heads = [line for line in (one + other).splitlines() if line.startswith("#")]
    assert len({line.split(" ")[2] for line in heads}) == len(set(heads)) / 2
    samples(one + other)


def test_what_an_old_file_holds_besides_is_dropped() -> None:
    garbage = 'nonsense\nninjasync_evil{tenant="acme"} 1\nninjasync_last_run_exit_code{} 7\n\x00\n'
    renamed = metrics(ended(tenant="acme before"), "")
    assert metrics(ended(), garbage + renamed) == metrics(ended(), "")


def test_a_clock_that_was_set_back_makes_no_negative_duration() -> None:
    text = metrics(ended(ended=AT - timedelta(hours=1)), "")
    assert [value for (name, _), value in samples(text).items() if name.endswith("duration_seconds")] == [0]


# --- the ping --------------------------------------------------------------------------------


def test_a_good_run_is_pinged_at_the_address_itself_and_a_bad_one_below_it(office: Office, ear: Ear) -> None:
    office.configure("monitor", ping_url=f"http://{ear.place}/ping/{HUSH}?rid=1&x=/")
    office.settle()
    assert ear.requests == [f"GET /ping/{HUSH}?rid=1&x=/"] * 2
    ear.heard.clear()
    all_gone(office)
    assert office.plan().code == 3
    nowhere(office)
    assert office.apply().code == 1
    wrong_token(office)
    assert office.apply().code in (1, 6)
    assert ear.requests == [f"GET /ping/{HUSH}/fail?rid=1&x=/"] * 3


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
    assert monitor.failure_url(url) == fails_at


def deaf(ear: Ear) -> str:
    ear.status = 0
    return "no answer within the time limit"


def broken(ear: Ear) -> str:
    ear.status = 500
    return "HTTP 500"


def elsewhere(ear: Ear) -> str:
    ear.status, ear.location = 302, f"http://{ear.place}/elsewhere"
    return "HTTP 302"


def absent(ear: Ear) -> str:
    ear.place = "127.0.0.1:1"
    return "connection refused"


@pytest.mark.parametrize("spoil", [deaf, broken, elsewhere, absent])
def test_a_ping_that_fails_is_one_warning_without_its_address(
    office: Office, ear: Ear, spoil: Callable[[Ear], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if spoil is deaf:
        monkeypatch.setattr(monitor, "_PING_SECONDS", 0.05)
    why = spoil(ear)
    office.configure("monitor", ping_url=f"http://{ear.place}/{HUSH}")
    good = office.apply("--log-level", "debug")
    nowhere(office)
    bad = office.apply("--log-level", "debug", "--log-format", "json")
    assert (good.code, bad.code) == (0, 1)
    (line,) = warnings(good)
    assert why in line
    assert HUSH not in good.out + good.err + bad.out + bad.err
    assert "GET /elsewhere" not in ear.requests


def test_nobody_waits_long_for_a_server_that_dawdles(office: Office, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "_MOST_SECONDS", 0.05)
    ear.status = 0
    office.configure("monitor", ping_url=f"http://{ear.place}/{HUSH}", notify=[f"json://{ear.place}/{HUSH}?rto=60"])
    nowhere(office)
    done = office.apply()
    assert done.code == 1
    assert [line.split(":")[1].strip() for line in warnings(done)] == [
        "[monitor] ping_url",
        "[monitor] notify (item 1)",
    ]
    assert "no answer within" in done.err


def test_an_interrupt_ends_the_waiting_and_not_otherwise_the_run(
    office: Office, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(monitor, "_result", interrupted)
    office.configure("monitor", ping_url=f"http://{ear.place}/")
    done = office.apply()
    assert done.code == 0
    assert len(warnings(done)) == 1


def test_a_ping_sends_no_password_that_netrc_has(
    office: Office, ear: Ear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n", "utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    office.configure("monitor", ping_url=f"http://{ear.place}/")
    assert office.apply().code == 0
    (headers,) = ear.headers
    assert "Authorization" not in headers


def test_a_run_that_finds_the_lock_taken_pings_nothing(office: Office, ear: Ear) -> None:
    office.configure("monitor", ping_url=f"http://{ear.place}/", metrics_file="n.prom")
    tenant = tenant_of(load(Path(office.write_config())))
    with lock.held(office.ledger, tenant, 0, AT):
        assert office.apply().code == 5
    assert ear.requests == []
    assert figures(office, "apply")["last_run_exit_code"] == 5


def test_an_interrupted_run_is_a_failure(office: Office, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plan, "make_plan", interrupted)
    office.configure("monitor", ping_url=f"http://{ear.place}/")
    assert office.apply().code == 130
    assert ear.requests == ["GET /fail"]


def test_a_run_for_single_people_says_nothing_of_the_job_that_keeps_everybody_in_step(office: Office, ear: Ear) -> None:
    office.configure("monitor", ping_url=f"http://{ear.place}/ping", metrics_file="n.prom")
    office.configure("monitor", notify=[f"json://{ear.place}/message"])
    assert office.apply("--only", user(0)).code == 0
    assert office.apply("--only", "nobody").code == 64
    assert ear.requests == ["POST /message"], "but of what went wrong there are messages"
    assert not (office.folder / "n.prom").exists()


def test_a_plan_on_a_terminal_tells_nobody(office: Office, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    office.configure("monitor", ping_url=f"http://{ear.place}/", metrics_file="n.prom")
    monkeypatch.setattr(monitoring, "sys", SimpleNamespace(stderr=SimpleNamespace(isatty=lambda: True)))
    assert office.plan("--quiet").code == 0
    assert ear.requests == []
    assert not (office.folder / "n.prom").exists()
    assert office.apply("--quiet").code == 0
    assert ear.requests == ["GET /"], "what was written is told, whoever wrote it"


def test_nobody_is_told_that_the_operator_said_no(office: Office, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("no\n"))
    office.configure("monitor", ping_url=f"http://{ear.place}/")
    assert office.run("apply").code == 3
    assert ear.requests == []


# --- messages --------------------------------------------------------------------------------


def test_a_run_without_anything_to_tell_sends_no_message(office: Office, ear: Ear) -> None:
    office.configure("monitor", notify=[f"json://{ear.place}/"])
    office.settle()
    assert ear.heard == []


def test_removals_are_told_as_planned_and_as_carried_out(office: Office, ear: Ear) -> None:
    office.configure("monitor", notify=[f"json://{ear.place}/{HUSH}"])
    office.configure("state", tenant="acme")
    office.settle()
    one_gone(office)
    assert office.plan().code == 0
    assert office.apply().code == 0
    planned, applied = ear.messages
    assert planned["title"] == "ninjasync plan, acme: done"
    assert "Removals planned: deactivate 1 user." in planned["message"]
    assert "Removals: deactivate 1 user; 1 of 1 carried out." in applied["message"]
    assert (applied["type"], planned["type"]) == ("info", "info")


def test_a_refusal_is_told_with_its_guards(office: Office, ear: Ear) -> None:
    office.settle()
    all_gone(office)
    office.configure("monitor", notify=[f"json://{ear.place}/"], notify_on=["refusal"])
    assert office.apply().code == 3
    (message,) = ear.messages
    assert message["title"].endswith(": refused for safety")
    assert (
        "Guards tripped: source (--approve-source 1), removals (--approve-removals 5); nothing is written"
        in message["message"]
    )
    assert message["type"] == "warning"


def test_a_failure_is_told_with_its_reason_and_cure(office: Office, ear: Ear) -> None:
    office.configure("monitor", notify=[f"json://{ear.place}/"])
    wrong_token(office)
    assert office.apply().code == 6
    (message,) = ear.messages
    assert message["title"].endswith(": credentials refused")
    assert "NinjaOne refused the SCIM token" in message["message"]
    assert "Make a new token" in message["message"]
    assert message["type"] == "failure"


def test_a_run_that_was_applied_in_part_is_told_in_numbers(office: Office, ear: Ear) -> None:
    def refuse_one(request: HttpRequest, serve: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        if request.method == "POST" and user(0).encode() in request.body:
            return HttpResponse(400, b"{}", ())
        return serve(request)

    office.box.intercept("scim", refuse_one)
    office.configure("monitor", notify=[f"json://{ear.place}/"], metrics_file="n.prom")
    assert office.apply().code == 4
    (message,) = ear.messages
    assert "6 changes applied, 2 failed, 0 skipped" in message["message"]
    assert user(0) not in json.dumps(message)
    assert figures(office, "apply")["changes create failed user"] == 1


def test_a_message_names_nobody(office: Office, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    office.configure("monitor", notify=[f"json://{ear.place}/"])
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
    told = json.dumps(ear.messages)
    assert len(ear.messages) == 3
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
    office: Office, ear: Ear, address: str, why: str
) -> None:
    office.settle()
    one_gone(office)
    office.configure("monitor", notify=[address, f"json://{ear.place}/{HUSH}"])
    good = office.apply("--log-level", "debug")
    nowhere(office)
    bad = office.apply("--log-level", "debug", "--log-format", "json")
    assert (good.code, bad.code) == (0, 1)
    (line,) = warnings(good)
    assert "notify (item 1)" in line
    assert why in line
    assert HUSH not in good.out + good.err + bad.out + bad.err
    assert len(ear.messages) == 2, "the other one is told"


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


def test_a_bug_in_here_is_one_warning_too(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise KeyError(HUSH)

    monkeypatch.setattr(monitor, "_ended", failing)
    office.configure("monitor", metrics_file="n.prom")
    done = office.apply()
    assert done.code == 0
    assert warnings(done) == ["warning: [monitor]: nobody could be told of this run (KeyError)."]


def test_a_run_without_apprise_wanted_never_loads_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = builtins.__import__

    def watching(name: str, *more: Any) -> Any:
        asked.append(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", watching)
    office.configure("monitor", notify=["json://127.0.0.1:1"])
    assert office.apply().code == 0
    assert asked, "no import was watched"
    assert "apprise" not in asked


# --- the token -------------------------------------------------------------------------------


def test_the_token_is_told_of_once_at_each_stage_however_often_there_is_a_run(office: Office, ear: Ear) -> None:
    left = 32
    office.configure("ninjaone", token_expires=str((datetime.now(UTC) + timedelta(days=left)).date()))
    office.configure("monitor", notify=[f"json://{ear.place}/"])
    told = []
    while left > -3:
        for _ in range(2 if left < 8 else 1):
            assert office.apply().code == 0
        told += [left] * len(ear.heard)
        ear.heard.clear()
        # Not every run comes on the day of a stage.
        step = 11 if left > 10 else 1
        left -= step
        office.days_pass(step)
    assert told == [21, 10, 7, 3, 2, 1, 0, -1, -2]


def test_a_message_on_the_token_says_when_and_what_to_do(office: Office, ear: Ear) -> None:
    office.configure("monitor", notify=[f"json://{ear.place}/"])
    for days in (3, -1):
        office.configure("ninjaone", token_expires=str((datetime.now(UTC) + timedelta(days=days)).date()))
        assert office.plan().code == 0
    soon, late = ear.messages
    assert "The SCIM token expires in 3 days. Make a new one" in soon["message"]
    assert "has expired" in late["message"]


def test_without_a_ledger_the_token_is_told_of_on_the_days_of_the_stages(office: Office, ear: Ear) -> None:
    office.configure("state", path="config.toml/ledger")
    office.configure("monitor", notify=[f"json://{ear.place}/"])
    for days in (30, 29, 14):
        office.configure("ninjaone", token_expires=str((datetime.now(UTC) + timedelta(days=days)).date()))
        assert office.plan().code == 0
    assert len(ear.messages) == 2


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


# --- what the configuration takes, and what check says ---------------------------------------


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
def test_check_has_a_line_on_monitoring_and_tells_nobody(
    office: Office, keys: dict[str, Any], color: str, told: str
) -> None:
    office.configure("monitor", **keys)
    done = office.run("check", "--format", "json")
    (line,) = (one for one in done.json["checks"] if one["name"] == "monitoring")
    assert line["color"] == color
    assert told in json.dumps(line)
    assert HUSH not in done.out + done.err
    assert not (office.folder / "n.prom").exists()
