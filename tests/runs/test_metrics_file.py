"""The metrics file: what Prometheus reads of a run, also of one that failed."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from ninjasync.report.metrics import metrics
from tests.support.company import user
from tests.support.monitoring import AT, all_gone, ended, figures, nowhere, one_gone, samples, warnings, wrong_token
from tests.support.office import Office

# One of Apprise's many services uses a module that Python 3.13 has no more.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


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
