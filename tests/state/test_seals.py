"""A saved plan is sealed with a key that lies in the ledger alone: altered on its way, it is refused."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninjasync.errors import RefusedForSafetyError
from ninjasync.runs.sealing import expect_seal
from ninjasync.state import saved_plan
from tests.support.company import staff, user
from tests.support.office import Office
from tests.support.postgres import TestDatabase

BLANK = "0" * 64


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path, staff(4, 1)) as made:
        yield made


@pytest.fixture
def file(office: Office) -> Path:
    path = office.folder / "the.plan"
    assert office.plan("--out", path).code == 0
    return path


def with_a_new_digest(text: str) -> str:
    """What an attacker can do without the key: make the digest fit."""
    blank = re.sub(r'("file_digest": "sha256:)[0-9a-f]{64}', rf"\g<1>{BLANK}", text)
    return blank.replace(
        f'"file_digest": "sha256:{BLANK}', f'"file_digest": "sha256:{hashlib.sha256(blank.encode()).hexdigest()}'
    )


def without_seal(text: str) -> str:
    return with_a_new_digest(re.sub(r' "seal": "hmac-sha256:[0-9a-f]{64}",\n', "", text))


@pytest.mark.parametrize("command", ["apply", "show"])
@pytest.mark.parametrize(
    ("old", "new"),
    [(user(0), "mallory@example.com"), ('"removals": null', '"removals": 500'), ('"endUser"', '"technician"')],
)
def test_a_plan_that_was_altered_and_given_a_new_digest_is_refused(
    office: Office, file: Path, command: str, old: str, new: str
) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(with_a_new_digest(text.replace(old, new)))
    office.box.forget()

    done = office.run(command, file)

    assert done.code == 3, done.printed
    assert "was altered" in done.err
    assert not office.writes()


def test_a_sealed_plan_is_applied_without_a_word(office: Office, file: Path) -> None:
    done = office.run("apply", file)
    assert done.code == 0, done.printed
    assert "seal" not in done.text
    shown = office.run("show", file)
    assert (shown.code, shown.err) == (0, "")


@pytest.mark.parametrize("seal", ['"hmac-sha256:\\u00e9"', '"\\udc00"', "7", "[]", "{}"])
def test_what_is_no_seal_counts_as_altered_or_as_none(office: Office, file: Path, seal: str) -> None:
    file.write_text(with_a_new_digest(re.sub(r'"hmac-sha256:[0-9a-f]{64}"', lambda _: seal, file.read_text())))
    assert office.apply(file).code == office.run("show", file).code == 3


def test_the_seal_of_another_ledger_counts_as_altered(office: Office, file: Path) -> None:
    office.lose_ledger()
    assert office.plan("--out", office.folder / "other.plan").code == 0, "the new ledger has a key of its own"

    done = office.run("apply", file)

    assert done.code == 3, done.printed
    assert "another ledger" in done.err


def test_where_the_ledger_has_no_key_the_digest_serves_and_apply_says_so_once(office: Office, file: Path) -> None:
    office.lose_ledger()
    shown = office.run("show", file)
    assert shown.code == 0
    assert "counts as unsealed" in shown.err

    done = office.apply(file)

    assert done.code == 0, done.printed
    assert [warning for warning in done.json["warnings"] if "seal" in warning] == [
        "The saved plan counts as unsealed, as this ledger has no key to check its seal with."
    ]


def test_a_plan_without_a_seal_as_of_an_earlier_version_is_applied_with_a_warning(office: Office, file: Path) -> None:
    file.write_text(without_seal(file.read_text()))

    done = office.apply(file)

    assert done.code == 0, done.printed
    assert any("is unsealed" in warning for warning in done.json["warnings"])


def test_where_seals_are_required_a_plan_without_a_valid_one_is_refused(office: Office, file: Path) -> None:
    key = bytes.fromhex(office.ask_ledger("SELECT value FROM meta WHERE key LIKE 'seal_key %'")[0][0])
    sealed = saved_plan.read(file)
    bare = saved_plan.load(without_seal(file.read_text()).encode(), "it")

    assert not expect_seal(sealed, key, file, required=True)
    for saved, with_key in ((bare, key), (bare, None), (sealed, None), (sealed, b"another" * 5)):
        with pytest.raises(RefusedForSafetyError):
            expect_seal(saved, with_key, file, required=True)


def test_the_key_is_random_belongs_to_one_tenant_and_is_in_no_output(office: Office, file: Path) -> None:
    office.configure("state", tenant="another")
    other = office.folder / "other.plan"
    assert office.plan("--out", other).code == 0
    keys = [value for (value,) in office.ask_ledger("SELECT value FROM meta WHERE key LIKE 'seal_key %'")]
    assert len(set(keys)) == 2
    assert {len(key) for key in keys} == {64}
    said = [office.run(*command).text for command in (("ledger", "show"), ("history",), ("show", other))]
    for text in (*said, file.read_text(), other.read_text()):
        assert not any(key in text for key in keys)


def test_a_plan_whose_ledger_cannot_be_written_is_saved_without_a_seal(office: Office, tmp_path: Path) -> None:
    office.ledger.write_bytes(b"")
    office.configure("state", path=str(tmp_path / "no" / "such"))
    (tmp_path / "no").write_text("a file in the way")
    file = tmp_path / "bare.plan"
    planned = office.plan("--out", file)
    assert planned.code == 0, planned.printed
    assert "seal" not in json.loads(file.read_text())


def test_with_a_ledger_in_postgresql_a_plan_without_a_valid_seal_is_refused_and_one_with_it_applied(
    office: Office, database: TestDatabase
) -> None:
    office.configure("state", path=None, url=database.url)
    file, bare = office.folder / "the.plan", office.folder / "bare.plan"
    assert office.plan("--out", file).code == 0
    bare.write_text(without_seal(file.read_text()))
    office.box.forget()

    refused = office.run("apply", bare)
    assert refused.code == 3, refused.printed
    assert "has no seal of this ledger" in refused.err
    assert not office.writes()
    shown = office.run("show", bare)
    assert (shown.code, "is unsealed" in shown.err) == (0, True)

    done = office.run("apply", file)
    assert done.code == 0, done.printed
    assert "seal" not in done.text
