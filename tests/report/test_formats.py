"""The four formats on the command line: where they go, what they say on refusal and failure, what they cost."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninjasync.config.schema import Config
from ninjasync.config.section import section_of
from tests.support.company import staff
from tests.support.office import Office

_BEGINNINGS = {"text": "Tenant ", "json": "{\n", "markdown": "## Plan: ", "html": "<!doctype html>\n"}
_ERRORS = {
    "text": "Error: ",
    "json": '"error": {',
    "markdown": "## ninjasync failed",
    "html": "<h1>ninjasync failed</h1>",
}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(5, 0)) as office:
        yield office


@pytest.mark.parametrize(("format", "beginning"), _BEGINNINGS.items())
def test_a_plan_and_the_same_plan_saved_are_shown_in_every_format(
    office: Office, tmp_path: Path, format: str, beginning: str
) -> None:
    planned = office.run("plan", "--format", format, "--out", tmp_path / "saved")
    shown = office.run("show", tmp_path / "saved", "--format", format)

    assert (planned.code, shown.code) == (0, 0)
    assert planned.out.startswith(beginning)
    assert _without_time(planned.out) == _without_time(shown.out)
    assert planned.err == ""


def _without_time(text: str) -> str:
    return re.sub(r"\d\d:\d\d:\d\d", "", text)


@pytest.mark.parametrize("format", _BEGINNINGS)
def test_output_is_written_on_success_refusal_and_failure_alike(office: Office, tmp_path: Path, format: str) -> None:
    report = tmp_path / "report"

    done = office.run("apply", "--yes", "--format", format, "--output", report)
    assert (done.code, done.out) == (0, "")
    applied = report.read_text("utf-8")
    assert "applied" in applied
    if format != "json":  # there it would be no part of the document
        assert "Give a role to" in applied

    office.configure("scope", groups=["Nobody has this"])
    refused = office.run("apply", "--yes", "--format", format, "--output", report)
    assert (refused.code, refused.out) == (3, "")
    assert "Nobody has this" in report.read_text("utf-8").replace("`", "")

    office.configure("ninjaone", endpoint_url="http://127.0.0.1:9/scim")
    failed = office.run("plan", "--format", format, "--output", report)
    assert (failed.code, failed.out) == (1, "")
    assert _ERRORS[format] in report.read_text("utf-8")


@pytest.mark.parametrize("format", ["markdown", "html"])
def test_without_output_a_failure_goes_to_standard_output_in_the_format(office: Office, format: str) -> None:
    office.configure("nonsense", key=1)

    ran = office.run("plan", "--format", format)

    assert ran.code == 78
    assert _ERRORS[format] in ran.out
    assert "nonsense" in ran.out


@pytest.mark.parametrize("format", _BEGINNINGS)
def test_redact_leaves_no_name_in_any_format(office: Office, format: str) -> None:
    office.configure("safety", protected_users=["user1.*"])

    clear, ran = office.run("plan", "--format", format), office.run("plan", "--redact", "--format", format)

    assert "user0" in clear.out
    assert not re.search(r"user\d", ran.out)
    assert "person-" in ran.out


@pytest.mark.parametrize("format", _BEGINNINGS)
def test_a_redacted_failure_does_not_name_the_user_nearest_to_a_typo(office: Office, format: str) -> None:
    ran = office.run("plan", "--redact", "--only", "user0.two@exampel.com", "--format", format)

    assert ran.code == 64
    assert not re.search(r"user\d", ran.printed)


_JANE = "jane.zyx@example.com"
# What may stand behind a key by mistake; each holds a name.
_MISTAKES: dict[str, object] = {
    "a text": _JANE,
    "a list": [_JANE],
    "a table": {_JANE: _JANE},
    "an expression": f"lower('{_JANE}', ) == {_JANE}(@)",
}


@pytest.mark.parametrize("wrong", _MISTAKES)
@pytest.mark.parametrize("format", _BEGINNINGS)
def test_no_mistake_in_the_configuration_names_a_user_under_redact(office: Office, format: str, wrong: str) -> None:
    for section, key in _each_key():
        table = office.config.setdefault(section, {})
        if (section, key) != ("state", "tenant"):  # every output names the tenant
            table[key] = _MISTAKES[wrong]
        table[_JANE] = _MISTAKES[wrong]
    office.config["organizations"] = {_JANE: _JANE, "All": _JANE}
    office.config["attributes"] = {_JANE: _JANE, "userName": f"split('{_JANE}')", "title": _MISTAKES[wrong]}

    clear, ran = office.run("plan", "--format", format), office.run("plan", "--redact", "--format", format)

    assert (clear.code, ran.code) == (78, 78), clear.printed
    assert "zyx" in clear.printed
    assert "zyx" not in ran.printed
    assert ran.printed.count("(redacted)") > 10
    assert "unknown key" in ran.printed.replace("\\", "")


def _each_key() -> Iterator[tuple[str, str]]:
    for section, field in Config.model_fields.items():
        if (model := section_of(field)) is not None:
            yield from ((section, key) for key, inner in model.model_fields.items() if section_of(inner) is None)


def test_an_unexpected_error_in_a_redacted_run_tells_its_kind_alone(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("jane@example.com")

    monkeypatch.setattr("ninjasync.cli.commands.plan.plan_run", fail)

    ran = office.run("plan", "--redact", "--format", "markdown")

    assert ran.code == 1
    assert "KeyError" in ran.printed
    assert "jane" not in ran.printed


def test_history_has_text_and_json_only(office: Office) -> None:
    assert office.run("history", "--format", "json").code == 0
    assert office.run("history", "--format", "text").code == 0
    assert office.run("history", "--format", "html").code == 64


def test_jinja_is_imported_for_html_alone() -> None:
    code = "import sys, ninjasync.report.formats, ninjasync.report.{0}; sys.exit('jinja2' in sys.modules)"

    for name in ("text", "json", "markdown"):
        assert subprocess.run([sys.executable, "-c", code.format(name)], check=False).returncode == 0, name
    assert subprocess.run([sys.executable, "-c", code.format("html")], check=False).returncode == 1
