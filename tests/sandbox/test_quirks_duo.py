"""Each quirk of the Duo side does what its name says, seen by the stock client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import duo_client
import pytest

from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.company.staffing import make_company
from ninjasync.sandbox.ninjaone.store import NinjaOne

Page: TypeAlias = tuple[list[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(make_company(users=25, seed=3), NinjaOne()) as box:
        yield box


@pytest.fixture
def ask(box: Sandbox) -> Callable[..., Page]:
    """One page of users, or of another path, with its metadata, under these quirks."""

    def ask(*quirks: str, path: str = "/admin/v1/users", **params: str) -> Page:
        box.set_behavior(quirks=quirks)
        port = int(box.duo_url.rpartition(":")[2])
        admin = duo_client.Admin(box.integration_key, box.secret_key, "127.0.0.1", ca_certs="HTTP", port=port)
        answer = admin.api_call("GET", path, {"limit": "300", **params})
        rows, metadata = admin.parse_json_response_and_metadata(*answer)
        return rows, metadata

    return ask


def test_the_total_may_be_missing(ask: Callable[..., Page]) -> None:
    rows, metadata = ask("duo.no-total")
    assert (len(rows), metadata) == (25, {})
    assert ask("duo.no-total", path="/admin/v1/groups")[1] == {}


def test_offsets_may_be_null(ask: Callable[..., Page]) -> None:
    assert ask("duo.null-offsets")[1] == {"total_objects": 25, "next_offset": None, "prev_offset": None}
    assert ask("duo.null-offsets", limit="10")[1] == {"total_objects": 25, "next_offset": 10, "prev_offset": None}


def test_custom_attributes_may_be_missing_or_have_lists_for_values(box: Sandbox, ask: Callable[..., Page]) -> None:
    assert not any("custom_attributes" in row for row in ask("duo.no-custom-attributes")[0])
    for row in ask("duo.list-values")[0]:
        kept = box.company.users[row["user_id"]]["custom_attributes"]
        assert row["custom_attributes"] == {name: [value] for name, value in kept.items()}


def test_a_group_may_have_null_for_a_name(box: Sandbox, ask: Callable[..., Page]) -> None:
    names = [row["name"] for row in ask("duo.null-group-name", path="/admin/v1/groups")[0]]
    assert (names.count(None), names[-1]) == (1, None)
    embedded = [group["name"] for row in ask("duo.null-group-name")[0] for group in row["groups"]]
    assert 0 < embedded.count(None) < len(embedded)


def test_the_trash_may_be_counted_and_not_listed(box: Sandbox, ask: Callable[..., Page]) -> None:
    rows, metadata = ask("duo.trash-unlisted")
    assert (len(rows) < 25, metadata["total_objects"]) == (True, 25)
    assert not any(row["status"] == "pending deletion" for row in rows)


def test_the_total_may_shrink_while_it_is_read(ask: Callable[..., Page]) -> None:
    pages = [ask("duo.shrinking-total", offset=str(offset)) for offset in (0, 10, 20)]
    assert [len(rows) for rows, _ in pages] == [10, 10, 5]
    assert [metadata for _, metadata in pages] == [
        {"total_objects": 25, "next_offset": 10},
        {"total_objects": 23, "next_offset": 20},
        {"total_objects": 21},
    ]


def test_the_next_offset_may_stand_still(ask: Callable[..., Page]) -> None:
    assert ask("duo.standing-offset")[1]["next_offset"] == 0
    assert ask("duo.standing-offset", limit="10", offset="10")[1]["next_offset"] == 10


def test_a_page_may_lack_its_last_row(ask: Callable[..., Page]) -> None:
    rows, metadata = ask("duo.short-page")
    assert (len(rows), metadata) == (24, {"total_objects": 25})


def test_one_record_may_be_malformed_or_of_an_unknown_status(box: Sandbox, ask: Callable[..., Page]) -> None:
    last = [id_ for id_, user in box.company.users.items() if user["status"] == "active"][-1]
    for quirk, field, value in (("duo.malformed-row", "groups", "n/a"), ("duo.unknown-status", "status", "frozen")):
        plain, odd = ask()[0], ask(quirk)[0]
        changed = [row for row, before in zip(odd, plain, strict=True) if row != before]
        assert [(row["user_id"], row[field]) for row in changed] == [(last, value)]


def test_the_trash_may_be_listed_and_not_counted(box: Sandbox, ask: Callable[..., Page]) -> None:
    trashed = sum(user["status"] == "pending deletion" for user in box.company.users.values())
    rows, metadata = ask("duo.trash-uncounted")
    assert (len(rows), metadata["total_objects"]) == (25, 25 - trashed)
    assert trashed > 0
    assert ask("duo.trash-uncounted", path="/admin/v1/groups")[1] == {"total_objects": 5}
