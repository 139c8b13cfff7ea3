"""Reading Duo: complete or not at all, and every refusal with its cure."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import certifi
import pytest
import urllib3
from pydantic import SecretStr

from ninjasync.config.schema import Config
from ninjasync.duo.reader import DuoReader
from ninjasync.duo.records import clean, group_ids
from ninjasync.errors import ConfigurationError, CredentialsError, IncompleteReadError, UnreachableError
from ninjasync.sandbox.box import Access, Sandbox
from ninjasync.sandbox.company.staffing import make_company
from ninjasync.sandbox.ninjaone.store import NinjaOne
from tests.support.contexts import context_of
from tests.support.server import HANG_UP, Hit, LoopbackServer, Reply, json_reply

if TYPE_CHECKING:
    from tests.support.clock import Clock

MakeConfig = Callable[..., Config]


@pytest.fixture
def script() -> Iterator[LoopbackServer]:
    with LoopbackServer(lambda hit: page([], 0)) as server:
        yield server


@pytest.fixture
def reader(script: LoopbackServer, make_config: MakeConfig, clock: Clock) -> Iterator[DuoReader]:
    config = make_config(duo={"api_hostname": script.url}, run={"retries": 3})
    with closing(DuoReader(context_of(config, stop=clock), SecretStr("secret"))) as made:
        yield made


def page(rows: list[Any], total: Any, following: Any = None) -> Reply:
    metadata = {"total_objects": total, "next_offset": following}
    present = {name: value for name, value in metadata.items() if value is not None}
    return json_reply({"stat": "OK", "response": rows, "metadata": present})


def fail(status: int, code: int, message: str = "No", detail: str | None = None) -> Reply:
    return json_reply({"stat": "FAIL", "code": code, "message": message, "message_detail": detail}, status)


def users(*ids: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"user_id": id_, "status": "active"} | fields for id_ in ids]


def ids(reader: DuoReader) -> list[Any]:
    return reader.read_users(lambda rows: [row.get("user_id") if isinstance(row, dict) else row for row in rows])


# --- against the sandbox ---------------------------------------------------------------------


def test_every_user_and_group_of_a_real_account_is_read_page_by_page(make_config: MakeConfig) -> None:
    people = make_company(users=650, seed=2)
    with Sandbox(people, NinjaOne()) as box:
        # With one thread the pages come in order, over one connection.
        duo = {"api_hostname": box.duo_url, "integration_key": box.integration_key}
        config = make_config(duo=duo, run={"parallelism": 1})
        with closing(DuoReader(context_of(config), SecretStr(box.secret_key))) as reader:
            assert reader.read_groups() == {id_: group["name"] for id_, group in people.groups.items()}
            assert ids(reader) == list(people.users)
        sent = [(request.path, request.query.get("limit"), request.query.get("offset")) for request in box.requests]
        assert sent == [
            ("/admin/v1/groups", "500", "0"),
            ("/admin/v1/users", "300", "0"),
            ("/admin/v1/users", "300", "300"),
            ("/admin/v1/users", "300", "600"),
        ]
        assert {request.method for request in box.requests} == {"GET"}
        assert len({request.connection for request in box.requests}) == 1


@pytest.mark.parametrize(
    ("setting", "wrong", "cure"),
    [
        ("integration_key", "DIWRONG0000000000000", "Check [duo] integration_key"),
        ("secret_key", "wrong-secret", "Check [duo] secret_key, and that this machine's clock is right"),
        ("permissions", (), 'Give the Admin API application the permission "Grant resource - Read"'),
    ],
)
def test_refused_credentials_are_told_with_the_cure(
    make_config: MakeConfig, setting: str, wrong: Any, cure: str
) -> None:
    access = Access(permissions=wrong) if setting == "permissions" else Access()
    with Sandbox(make_company(users=1), NinjaOne(), access=access) as box:
        given = {"integration_key": box.integration_key, "secret_key": box.secret_key, setting: wrong}
        config = make_config(duo={"api_hostname": box.duo_url, "integration_key": given["integration_key"]})
        with (
            closing(DuoReader(context_of(config), SecretStr(str(given["secret_key"])))) as reader,
            pytest.raises(CredentialsError) as caught,
        ):
            reader.read_groups()
    assert cure in caught.value.hint
    assert caught.value.exit_code == 6
    assert len(box.requests) == 1, "it is not tried again"


# --- completeness ----------------------------------------------------------------------------


def test_an_empty_account_is_read_completely(script: LoopbackServer, reader: DuoReader) -> None:
    assert ids(reader) == []
    assert len(script.hits) == 1


def test_pages_follow_the_offsets_that_duo_gives(script: LoopbackServer, reader: DuoReader) -> None:
    pages = {"0": page(users("A", "B"), 3, 7), "7": page(users("C"), 3)}
    script.answer = lambda hit: pages[hit.query["offset"]]
    assert ids(reader) == ["A", "B", "C"]
    assert [hit.query for hit in script.hits] == [
        {"limit": "300", "offset": "0"},
        {"limit": "300", "offset": "7"},
    ]


@pytest.mark.parametrize("total", [0, 1])
def test_a_read_that_does_not_add_up_is_tried_once_more_and_then_refused(
    script: LoopbackServer, reader: DuoReader, total: int
) -> None:
    script.answer = lambda hit: page(users("A", "B"), total)
    with pytest.raises(IncompleteReadError, match=f"Duo says that it has {total} users, but sent 2"):
        ids(reader)
    assert len(script.hits) == 2


def test_a_user_who_was_created_during_the_read_costs_one_more_read(script: LoopbackServer, reader: DuoReader) -> None:
    answers = [page(users("A"), 2), page(users("A", "B"), 2)]
    script.answer = lambda hit: answers.pop(0)
    assert ids(reader) == ["A", "B"]


def test_a_user_listed_twice_counts_once_so_that_a_skipped_user_is_noticed(
    script: LoopbackServer, reader: DuoReader
) -> None:
    pages = {"0": page(users("A", "B"), 3, 2), "2": page(users("B"), 3)}
    script.answer = lambda hit: pages[hit.query["offset"]]
    with pytest.raises(IncompleteReadError, match="has 3 users, but sent 2"):
        ids(reader)


@pytest.mark.parametrize("total", [3, 2])
def test_users_in_the_trash_may_or_may_not_be_counted_by_duo(
    script: LoopbackServer, reader: DuoReader, total: int
) -> None:
    rows = [*users("A", "B"), *users("T", status="pending deletion")]
    script.answer = lambda hit: page(rows, total)
    assert ids(reader) == ["A", "B", "T"]


@pytest.mark.parametrize("total", [None, "2", True, 2.0, [2]])
def test_without_a_total_the_read_cannot_be_proven(script: LoopbackServer, reader: DuoReader, total: Any) -> None:
    script.answer = lambda hit: page(users("A", "B"), total)
    with pytest.raises(IncompleteReadError, match="did not say how many users"):
        ids(reader)


@pytest.mark.parametrize("following", [0, -1, "300", [1], 300.0])
def test_paging_that_stands_still_is_an_error_and_no_loop(
    script: LoopbackServer, reader: DuoReader, following: Any
) -> None:
    script.answer = lambda hit: page(users("A"), 5, following)
    with pytest.raises(IncompleteReadError, match="paging of users stands still"):
        ids(reader)


def test_offsets_that_grow_over_empty_pages_are_an_error_and_no_loop(script: LoopbackServer, reader: DuoReader) -> None:
    def endless(hit: Hit) -> Reply:
        if len(script.hits) > 20:
            return fail(400, 40002, "the test has seen enough")
        return page([], 5, int(hit.query["offset"]) + 300)

    script.answer = endless
    with pytest.raises(IncompleteReadError, match="an empty page of users, and says that more follow"):
        ids(reader)


def test_a_number_of_users_that_changes_between_pages_is_read_once_more(
    script: LoopbackServer, reader: DuoReader
) -> None:
    answers = [page(users("A", "B"), 3, 2), page(users("C"), 4), page(users("A", "B", "C", "D"), 4)]
    script.answer = lambda hit: answers.pop(0)
    assert ids(reader) == ["A", "B", "C", "D"]
    script.answer = lambda hit: page(users("A"), len(script.hits), 2 if hit.query["offset"] == "0" else None)
    with pytest.raises(IncompleteReadError, match="changed from"):
        ids(reader)


def test_users_are_read_by_id_a_hundred_at_a_time_and_others_in_the_answer_are_ignored(
    script: LoopbackServer, reader: DuoReader
) -> None:
    def answer(hit: Hit) -> Reply:
        asked = json.loads(hit.query["user_id_list"])
        return page([*users(asked[0], "STRANGER"), "nonsense"], 2)

    script.answer = answer
    wanted = [f"DU{number:03}" for number in range(150)]
    assert reader.read_users_by_id(wanted, lambda rows: [row["user_id"] for row in rows]) == ["DU000", "DU100"]
    assert [len(json.loads(hit.query["user_id_list"])) for hit in script.hits] == [100, 50]
    assert reader.read_users_by_id([], lambda rows: rows) == []


def test_a_record_without_an_id_does_not_lose_the_page(script: LoopbackServer, reader: DuoReader) -> None:
    rows: list[Any] = [*users("A"), {"username": "nobody"}, "nonsense", {"user_id": ""}, *users("B")]
    script.answer = lambda hit: page(rows, 5)
    assert ids(reader) == ["A", None, "nonsense", "", "B"]


@pytest.mark.parametrize("row", ["x", None, {}, {"group_id": "", "name": "x"}, {"group_id": 1, "name": "x"}])
def test_a_group_that_cannot_be_read_ends_the_run_as_the_scope_depends_on_it(
    script: LoopbackServer, reader: DuoReader, row: Any
) -> None:
    script.answer = lambda hit: page([{"group_id": "DG0", "name": "Ok"}, row], 2)
    with pytest.raises(IncompleteReadError, match="a group without an id"):
        reader.read_groups()


# --- failures --------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "tries"), [(500, 3), (502, 4), (503, 4), (504, 4), (429, 4), (0, 4)])
def test_a_failure_that_may_pass_is_tried_again_and_then_told(
    script: LoopbackServer, reader: DuoReader, status: int, tries: int
) -> None:
    script.answer = lambda hit: Reply(status) if status else HANG_UP
    with pytest.raises(UnreachableError) as caught:
        reader.read_groups()
    assert len(script.hits) == tries
    assert ("cannot be reached" if status == 0 else f"HTTP {status}") in caught.value.message
    assert caught.value.hint


def test_a_call_succeeds_after_a_failure_that_passed(script: LoopbackServer, reader: DuoReader, clock: Clock) -> None:
    answers = [Reply(503), fail(429, 42901, "Too Many Requests"), page(users("A"), 1)]
    script.answer = lambda hit: answers.pop(0)
    assert ids(reader) == ["A"]
    assert [hit.query for hit in script.hits] == [{"limit": "300", "offset": "0"}] * 3


def test_nothing_listening_is_told(make_config: MakeConfig, clock: Clock) -> None:
    with LoopbackServer(lambda hit: HANG_UP) as gone:
        url = gone.url
    config = make_config(duo={"api_hostname": url}, run={"retries": 0})
    with (
        closing(DuoReader(context_of(config, stop=clock), SecretStr("secret"))) as reader,
        pytest.raises(UnreachableError, match="nothing listens there"),
    ):
        reader.read_groups()


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (40101, "integration_key and secret_key"),
        (40102, "Admin API application of this Duo account"),
        (40103, "clock"),
        (40104, "Duo could not read the date"),
        (40105, "Set this machine's clock: Duo refuses"),
        (40301, "Grant resource - Read"),
        (40399, "integration_key and secret_key"),
    ],
)
def test_each_of_duos_refusals_has_its_own_cure(
    script: LoopbackServer, reader: DuoReader, code: int, cure: str
) -> None:
    script.answer = lambda hit: fail(code // 100, code, "Refused", "because")
    with pytest.raises(CredentialsError) as caught:
        reader.read_groups()
    assert cure in caught.value.hint
    assert f"{code} Refused (because)" in caught.value.message
    assert len(script.hits) == 1


def test_a_bad_request_is_told_with_duos_words_and_not_tried_again(script: LoopbackServer, reader: DuoReader) -> None:
    script.answer = lambda hit: fail(400, 40002, "Invalid request parameters", "limit")
    with pytest.raises(UnreachableError, match=r"HTTP 400, 40002 Invalid request parameters \(limit\)"):
        reader.read_groups()
    assert len(script.hits) == 1


def test_an_error_that_repeats_the_secret_key_does_not_show_it(make_config: MakeConfig, script: LoopbackServer) -> None:
    script.answer = lambda hit: fail(400, 40002, "No such key: a-secret-of-duo")
    config = make_config(duo={"api_hostname": script.url})
    with (
        closing(DuoReader(context_of(config), SecretStr("a-secret-of-duo"))) as reader,
        pytest.raises(UnreachableError, match=r"40002 No such key: \*\*\*\."),
    ):
        reader.read_groups()


@pytest.mark.parametrize(
    "answer",
    [
        Reply(200, b"<html>Sign in</html>"),
        Reply(404, b"<html>Not found</html>"),
        Reply(302, headers={"Location": "/elsewhere"}),
        Reply(200),
        json_reply([], 200),
        json_reply({}, 200),
        json_reply({"stat": "OK", "response": {"a": 1}, "metadata": {}}, 200),
        json_reply({"stat": "OK", "response": [], "metadata": 3}, 200),
        json_reply({"stat": "FAIL"}, 200),
        json_reply({"stat": "OK"}, 200),
        Reply(200, b"null"),
        Reply(200, b"\xff"),
        json_reply({"stat": "FAIL"}, 400),
        Reply(400, b"null"),
        Reply(400, b"[]"),
    ],
)
def test_what_is_no_answer_of_duo_is_told_as_such_and_no_redirect_is_followed(
    script: LoopbackServer, reader: DuoReader, answer: Reply
) -> None:
    script.answer = lambda hit: answer
    with pytest.raises((UnreachableError, IncompleteReadError)) as caught:
        reader.read_groups()
    assert caught.value.hint
    assert all(hit.path == "/admin/v1/groups" for hit in script.hits)


def test_every_message_is_free_of_the_secret(script: LoopbackServer, reader: DuoReader) -> None:
    script.answer = lambda hit: fail(401, 40103, "Invalid signature")
    with pytest.raises(CredentialsError) as caught:
        reader.read_groups()
    assert "secret" not in caught.value.message
    assert "'secret'" not in repr(caught.value.__cause__)


# --- connections -----------------------------------------------------------------------------


def pool(config: Config) -> Any:
    reader = DuoReader(context_of(config), SecretStr("secret"))
    made = reader._client._pool
    reader.close()
    return made


def test_duos_certificates_are_pinned_unless_another_bundle_is_named(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    class Context(ssl.SSLContext):
        def load_verify_locations(self, cafile: Any = None, *args: Any, **kwargs: Any) -> None:
            loaded.append(str(cafile))

        def load_default_certs(self, *args: Any) -> None:
            loaded.append("system")

    monkeypatch.setattr(urllib3.util, "create_urllib3_context", lambda: Context(ssl.PROTOCOL_TLS_CLIENT))
    duo = {"api_hostname": "api-1.duosecurity.com"}
    for ca_file in ("", "system", certifi.where()):
        found = pool(make_config(duo=duo | {"ca_file": ca_file}))
        assert isinstance(found, urllib3.HTTPSConnectionPool)
        assert (found.host, found.port) == ("api-1.duosecurity.com", 443)
    assert loaded[0].endswith("ca_certs.pem")
    assert loaded[1:] == ["system", certifi.where()]


def test_a_bundle_that_is_not_there_is_a_mistake_in_the_configuration(make_config: MakeConfig) -> None:
    with pytest.raises(ConfigurationError, match=r"\[duo\] ca_file"):
        pool(make_config(duo={"api_hostname": "api-1.duosecurity.com", "ca_file": "/no/such/file"}))


def test_a_proxy_is_used_with_its_credentials(make_config: MakeConfig) -> None:
    found = pool(
        make_config(duo={"api_hostname": "api-1.duosecurity.com", "proxy": "http://me:p%40ss@proxy.example:3128"})
    )
    assert isinstance(found, urllib3.ProxyManager)
    assert found.proxy is not None
    assert (found.proxy.host, found.proxy.port) == ("proxy.example", 3128)
    assert (
        found.proxy_headers["proxy-authorization"]
        == urllib3.make_headers(proxy_basic_auth="me:p@ss")["proxy-authorization"]
    )


def test_a_proxy_without_credentials_gets_none(make_config: MakeConfig) -> None:
    found = pool(make_config(duo={"api_hostname": "api-1.duosecurity.com", "proxy": "http://proxy.example"}))
    assert "proxy-authorization" not in found.proxy_headers


# --- records ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("custom", "plain"),
    [
        ({"userType": "technician", "x": ""}, {"userType": "technician", "x": None}),
        (
            [{"name": "userType", "value": ""}, {"name": "x", "value": "y"}, {"value": "z"}, 3],
            {"userType": None, "x": "y"},
        ),
        ([], {}),
        (None, None),
        ("odd", "odd"),
    ],
)
def test_custom_attributes_become_plain_in_whatever_shape_they_come(custom: Any, plain: Any) -> None:
    assert clean({"user_id": "A", "email": "", "custom_attributes": custom}) == {
        "user_id": "A",
        "email": None,
        "custom_attributes": plain,
    }


@pytest.mark.parametrize(
    ("groups", "ids"),
    [
        ([], ()),
        ([{"group_id": "DG1", "name": "x"}, {"group_id": "DG2"}], ("DG1", "DG2")),
        (None, None),
        ({}, None),
        ([{"group_id": None}], None),
        ([{"group_id": "DG1"}, "DG2"], None),
        ([{"group_id": ""}], None),
    ],
)
def test_groups_that_cannot_be_read_are_unknown_and_not_none(groups: Any, ids: tuple[str, ...] | None) -> None:
    assert group_ids({"groups": groups}) == ids
