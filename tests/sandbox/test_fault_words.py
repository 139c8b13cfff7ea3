"""How faults and quirks are written, on the command line and in its help."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from ninjasync import __version__
from ninjasync.cli import run
from ninjasync.sandbox.box import Behavior, Sandbox
from ninjasync.sandbox.company.staffing import make_company
from ninjasync.sandbox.faults.catalogue import (
    FAULTS,
    QUIRKS,
    SERVERS,
    fault_amount,
    parse_fault,
    parse_quirk,
    parse_quirks,
)
from ninjasync.sandbox.faults.faults import _FAULTS
from ninjasync.sandbox.faults.quirks import SCIM
from ninjasync.sandbox.faults.quirks_api import API
from ninjasync.sandbox.faults.quirks_duo import DUO
from ninjasync.sandbox.ninjaone.store import NinjaOne


def test_every_name_in_the_tables_is_built_and_nothing_else() -> None:
    assert set(_FAULTS) == set(FAULTS)
    assert set(SCIM) | set(DUO) | set(API) == set(QUIRKS)
    assert all(name.startswith("duo.") for name in DUO)
    assert not any(name.startswith("duo.") for name in SCIM)


def test_faults_are_read_as_they_are_written() -> None:
    assert parse_fault("429=0.1:5") == ("429", "0.1:5")
    assert fault_amount("429", "0.1:5") == (0.1, 5)
    assert fault_amount("scim.lost-answer", ".25") == (0.25, None)
    assert fault_amount("duo.latency", "50ms") == (0.05, None)
    assert fault_amount("latency", "1.5s") == (1.5, None)
    assert fault_amount("rate-limit", "50") == (50, None)
    assert parse_quirk("numeric-ids") == ("numeric-ids", 0)
    assert parse_quirk("page-cap=50") == ("page-cap", 50)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lost-anser=0.1", 'there is no fault "lost-anser"; did you mean lost-answer?'),
        ("duo.lost-anser=0.1", 'there is no fault "duo.lost-anser"; did you mean duo.lost-answer?'),
        ("scm.429=1", 'there is no fault "scm.429"; did you mean scim.429?'),
        ("429", "the fault 429 takes a rate from 0 to 1, such as 0.1, or with whole seconds 0.1:5; found nothing"),
        ("500=1.5", "the fault 500 takes a rate from 0 to 1, such as 0.1; found '1.5'"),
        ("500=0.1:5", "the fault 500 takes a rate from 0 to 1, such as 0.1; found '0.1:5'"),
        ("latency=50", "the fault latency takes a time, such as 50ms or 1s; found '50'"),
        ("rate-limit=0", "the fault rate-limit takes a whole number from 1 on; found '0'"),
        ("zzzzzz=1", 'there is no fault "zzzzzz"'),
    ],
)
def test_a_fault_that_cannot_be_read_is_refused_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="fault") as caught:
        parse_fault(text)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("numeric-id", 'there is no quirk "numeric-id"; did you mean numeric-ids?'),
        ("no-total", 'there is no quirk "no-total"; did you mean duo.no-total?'),
        ("scimy", 'there is no quirk "scimy"; did you mean scimmy?'),
        ("page-cap", "the quirk page-cap takes a whole number from 1 on; found nothing"),
        ("page-cap=many", "the quirk page-cap takes a whole number from 1 on; found 'many'"),
        ("no-meta=1", "the quirk no-meta takes no value, found '1'"),
    ],
)
def test_a_quirk_that_cannot_be_read_is_refused_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="quirk") as caught:
        parse_quirk(text)
    assert str(caught.value) == words
    with pytest.raises(ValueError, match="quirk"):
        Sandbox(make_company(users=1), NinjaOne(), behavior=Behavior(quirks=(text,)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--quirk", "numeric-id"], 'Error: --quirk: there is no quirk "numeric-id"; did you mean numeric-ids?\n'),
        (["--fault", "500=2"], "Error: --fault: the fault 500 takes a rate from 0 to 1, such as 0.1; found '2'.\n"),
    ],
)
def test_the_command_line_refuses_what_it_does_not_know(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sandbox", *arguments]) == 64
    assert capsys.readouterr().err.startswith(words)


def test_the_help_lists_every_fault_and_quirk_with_its_meaning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["sandbox", "--help"]) == 0
    shown = "".join(capsys.readouterr().out.split())  # wherever its lines are broken
    entries: dict[str, Any] = {**FAULTS, **QUIRKS}
    for name, entry in entries.items():
        form = f"={entry.form}" if entry.form else ""
        assert "".join(f"{name}{form}: {entry.meaning}.".split()) in shown
    for name, quirks in SERVERS.items():
        assert "".join(f"{name}: {', '.join(quirks)}.".split()) in shown


def test_a_server_by_name_has_all_of_its_quirks() -> None:
    assert not set(SERVERS) & set(QUIRKS)
    assert parse_quirks(["aws", "no-meta"]) == {**parse_quirks(SERVERS["aws"]), "no-meta": 0}
    assert all(parse_quirks([name]) for name in SERVERS)


def test_the_version_is_told_without_the_servers() -> None:
    script = (
        "import sys\nfrom ninjasync.cli import run\nrun(['--version'])\n"
        "print(*[name for name in sys.modules if name.startswith('ninjasync.sandbox')])"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == [f"ninjasync {__version__}", ""]
