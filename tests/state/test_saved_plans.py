"""A saved plan is applied exactly as it was shown, once, and only while it still stands."""

from __future__ import annotations

import copy
import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ninjasync.errors import RefusedForSafetyError
from ninjasync.state import saved_plan
from tests.support.command import Ran
from tests.support.company import END_USERS, TECHNICIANS, staff, user
from tests.support.office import Office, Saved


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Saved]]:
    """Nine people in step, then a change of every kind."""
    with Office(tmp_path_factory.mktemp("stage"), staff(8, 1)) as made:
        made.configure("safety", min_source_percent=0)
        made.configure("groups", removed="delete")
        made.configure("scope", groups=[TECHNICIANS, END_USERS, "Doomed", "Renamed"])
        doomed, renamed = made.people.add_group("Doomed"), made.people.add_group("Renamed")
        made.people.join(made.duo(user(7)), doomed)
        made.people.join(made.duo(user(7)), renamed)
        made.settle()
        made.people.disable(made.duo(user(5)))
        made.apply()
        made.configure("scope", groups=[TECHNICIANS, END_USERS, renamed])
        made.people.rename_group(renamed, "New Name")
        made.people.users[made.duo(user(0))]["lastname"] = "Changed"
        made.people.set_email(made.duo(user(1)), "one.new@example.com")
        made.people.disable(made.duo(user(2)))
        made.people.enable(made.duo(user(5)))
        made.people.hire("New", "Comer", groups=[END_USERS], user_type="endUser", organization="1")
        made.people.hire("Hand", "Made", groups=[END_USERS], user_type="endUser", organization="1")
        made.native("hand.made@example.com")
        made.people.join(made.duo(user(3)), made.people.find_group_id(TECHNICIANS))
        yield made, made.save()


@pytest.fixture
def office(stage: tuple[Office, Saved], tmp_path: Path) -> Office:
    return stage[0].restore(stage[1], tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "the.plan"


def save(office: Office, file: Path, *arguments: str) -> Ran:
    planned = office.plan("--out", file, *arguments)
    office.box.forget()
    return planned


EVERYTHING = {
    user(0): "update",
    "one.new@example.com": "update",
    user(2): "deactivate",
    user(5): "reactivate",
    "new.comer@example.com": "create",
    "hand.made@example.com": "adopt",
}
EVERY_GROUP = {TECHNICIANS: "update", END_USERS: "update", "New Name": "update", "Doomed": "delete"}


def test_a_saved_plan_is_applied_exactly_as_it_was_shown(office: Office, file: Path) -> None:
    planned = save(office, file)
    assert (planned.actions(), planned.actions("group")) == (EVERYTHING, EVERY_GROUP)
    # What happens in Duo after it was made is none of its business.
    office.people.set_email(office.duo(user(4)), "four.new@example.com")
    office.people.hire("Even", "Newer", groups=[END_USERS], user_type="endUser", organization="1")

    done = office.run("apply", file, "--format", "json")

    assert done.code == 0, done.printed
    strip = [{k: v for k, v in one.items() if k not in ("outcome", "error")} for one in done.json["changes"]]
    assert strip == planned.json["changes"]
    assert done.json["result"] == {"applied": 10, "failed": 0, "skipped": 0, "exit_code": 0}
    assert user(4) in office.accounts()
    assert "even.newer@example.com" not in office.accounts()
    assert office.account(user(0))["name"]["familyName"] == "Changed"
    assert office.account(user(2))["active"] is False
    assert office.account(user(5))["active"] is True
    assert office.account("hand.made@example.com")["externalId"] == office.duo("hand.made@example.com")
    assert user(3) in office.members(TECHNICIANS)
    assert {one["displayName"] for one in office.ninjaone.groups.values()} == {TECHNICIANS, END_USERS, "New Name"}
    # No question was asked of Duo at all.
    assert not [one for one in office.box.requests if one.service == "duo"]


def test_after_it_the_next_plan_holds_only_what_has_happened_since(office: Office, file: Path) -> None:
    save(office, file)
    office.people.hire("Even", "Newer", groups=[END_USERS], user_type="endUser", organization="1")
    assert office.run("apply", file).code == 0

    assert office.plan().actions() == {"even.newer@example.com": "create"}


def by_account(who: str, **fields: object) -> Callable[[Office], None]:
    return lambda office: office.edit(who, **fields)


def drop(name: str) -> Callable[[Office], None]:
    from ninjasync.sandbox.ninjaone.schema import USER

    return lambda office: office.ninjaone.delete(USER, office.account(name)["id"])


def add_member(office: Office) -> None:
    members = office.group(TECHNICIANS)["members"]
    office.edit_group(TECHNICIANS, members=[*members, {"value": office.account(user(6))["id"]}])


def rename(old: str, new: str) -> Callable[[Office], None]:
    return lambda office: office.edit_group(old, displayName=new)


MOVES: dict[str, tuple[Callable[[Office], None], str]] = {
    "an updated account's name": (by_account(user(0), name={"givenName": "U", "familyName": "V"}), user(0)),
    "an updated account's userName": (by_account(user(0), userName="zero@example.com"), user(0)),
    "a renamed account's activity": (by_account(user(1), active=False), "one.new@example.com"),
    "a leaver's activity": (by_account(user(2), active=False), user(2)),
    "a returner's activity": (by_account(user(5), active=True), user(5)),
    "an adopted account's owner": (by_account("hand.made@example.com", externalId="DUX"), "hand.made@example.com"),
    "an account that is gone": (drop(user(0)), user(0)),
    "a new account's name is taken": (lambda office: _native(office, "New.Comer@example.com"), "new.comer@example.com"),
    "a group's members": (add_member, TECHNICIANS),
    "a group's name": (rename("Renamed", "Else"), "New Name"),
    "a doomed group's name": (rename("Doomed", "Needed"), "Doomed"),
}


def _native(office: Office, name: str) -> None:
    office.native(name)


@pytest.mark.parametrize(
    ("what", "page_size"),
    [(what, 500) for what in MOVES]
    + [(what, 1) for what in ("a new account's name is taken", "an account that is gone", "a group's members")],
)
def test_a_saved_plan_is_stale_once_anything_that_it_touches_has_moved_and_names_it(
    office: Office, file: Path, what: str, page_size: int
) -> None:
    office.configure("ninjaone.dialect", page_size=page_size)
    move, name = MOVES[what]
    save(office, file)
    move(office)
    before = office.snapshot()

    done = office.run("apply", file, "--format", "json")

    assert done.code == 3
    assert name in done.json["error"]["message"]
    assert "stale" in done.json["error"]["message"]
    # It names that alone; a user who is gone has left the groups.
    groups = EVERY_GROUP.keys() if "is gone" in what else set()
    others = (EVERYTHING.keys() | EVERY_GROUP.keys()) - {name} - groups
    assert [other for other in others if other in done.json["error"]["message"]] == []
    assert office.snapshot() == before
    assert office.writes() == []


def test_each_object_that_moved_is_named(office: Office, file: Path) -> None:
    save(office, file)
    for what in ("an updated account's name", "a group's members", "a leaver's activity"):
        MOVES[what][0](office)

    done = office.run("apply", file)

    for what in ("an updated account's name", "a group's members", "a leaver's activity"):
        assert MOVES[what][1] in done.printed


def test_what_a_plan_does_not_touch_may_move(office: Office, file: Path) -> None:
    save(office, file)
    office.edit(user(6), name={"givenName": "Some", "familyName": "Body"})
    office.native("stranger@example.com")

    assert office.run("apply", file).code == 0


def test_a_plan_is_applied_once(office: Office, file: Path) -> None:
    save(office, file)
    assert office.run("apply", file).code == 0
    office.box.forget()
    before = office.snapshot()

    again = office.run("apply", file)

    assert again.code == 3
    assert "already" in again.printed
    assert (office.writes(), office.snapshot()) == ([], before)


def test_a_copy_of_an_applied_plan_is_no_other_plan(office: Office, file: Path) -> None:
    office.people.erase_group(office.people.add_group("nothing to see"))
    save(office, file)
    copy = file.with_name("copy")
    copy.write_bytes(file.read_bytes())
    assert office.run("apply", file).code == 0

    assert office.run("apply", copy).code == 3


def test_a_plan_without_changes_is_applied_once_too(office: Office, file: Path) -> None:
    office.apply()
    assert save(office, file).json["changes"] == []
    assert office.run("apply", file).code == 0

    assert office.run("apply", file).code == 3


def test_a_plan_in_which_any_byte_was_changed_is_refused(office: Office, file: Path) -> None:
    save(office, file)
    good = file.read_bytes()
    saved_plan.load(good, "it")
    positions = range(0, len(good), 7)
    blanks = [number for number, byte in enumerate(good) if byte in b" \n"][::29]

    for position in (*positions, *blanks, len(good) - 1):
        old = good[position]
        for new in {ord(" ") if old != ord(" ") else ord("\t"), ord("0") if old != ord("0") else ord("1")}:
            with pytest.raises(RefusedForSafetyError):
                saved_plan.load(good[:position] + bytes([new]) + good[position + 1 :], "it")
    for other in (
        good + b"\n",
        b" " + good,
        good[:-1],
        good[1:],
        good + good,
        b"",
        b"{}",
        good.replace(b"\n", b"\r\n"),
    ):
        with pytest.raises(RefusedForSafetyError):
            saved_plan.load(other, "it")


def test_every_byte_of_its_digest_counts(office: Office, file: Path) -> None:
    save(office, file)
    good = file.read_bytes()
    start = good.rindex(b'"file_digest"')

    for position in range(start, len(good)):
        for new in {good[position] ^ 1, good[position] ^ 0x20}:
            with pytest.raises(RefusedForSafetyError):
                saved_plan.load(good[:position] + bytes([new]) + good[position + 1 :], "it")


def test_apply_and_show_exit_with_3_on_a_changed_plan(office: Office, file: Path) -> None:
    save(office, file)
    good = file.read_bytes()
    for where in (0.1, 0.5, 0.9):
        bad = bytearray(good)
        bad[int(len(bad) * where)] ^= 1
        file.write_bytes(bad)
        for command in ("apply", "show"):
            done = office.run(command, file)

            assert (done.code, done.out) == (3, "")
            assert "changed" in done.printed or "no saved plan" in done.printed
    assert not office.asked_anything()


def test_what_is_no_plan_or_not_there_is_refused_or_fails(office: Office, file: Path) -> None:
    file.write_text('{"format_version": "1.0"}')
    assert office.run("apply", file).code == 3
    assert office.run("apply", file.with_name("nowhere")).code == 1
    assert office.run("show", file.with_name("nowhere")).code == 1
    assert not office.asked_anything()


OTHERS: dict[str, Callable[[Office], None]] = {
    "tenant": lambda office: office.configure("state", tenant="north"),
    "Duo account": lambda office: office.configure("duo", api_hostname="https://api-2.duosecurity.com"),
    "endpoint": lambda office: office.configure("ninjaone", endpoint_url=office.box.scim_url + "/other"),
    "[scope]": lambda office: office.configure("scope", exclude_users=["nobody@example.com"]),
    "[attributes]": lambda office: office.configure("attributes", title="notes"),
    "[groups]": lambda office: office.configure("groups", removed="keep"),
    "[deprovision]": lambda office: office.configure("deprovision", delete_after_days=31),
    "[safety]": lambda office: office.configure("safety", max_removals=4),
    "[ninjaone.dialect]": lambda office: office.configure("ninjaone.dialect", patch_op_case="title"),
}


def test_a_plan_of_another_tenant_endpoint_or_configuration_is_refused(office: Office, file: Path) -> None:
    save(office, file)
    as_it_was = copy.deepcopy(office.config)
    for what, change in OTHERS.items():
        change(office)

        done = office.run("apply", file)

        assert done.code == 3, what
        tenant = what in ("tenant", "Duo account", "endpoint")
        assert ("another tenant" if tenant else "another configuration") in done.printed
        office.config = copy.deepcopy(as_it_was)
    assert not office.asked_anything()
    assert office.run("apply", file).code == 0  # none of these used it up


def test_settings_that_no_plan_depends_on_may_change(office: Office, file: Path) -> None:
    save(office, file)
    office.configure("run", parallelism=2, retries=3)
    office.configure("ninjaone", timeout=11, rate_limit=1000)
    office.configure("state", keep_history_days=9)
    office.configure("duo", timeout=11)

    assert office.run("apply", file).code == 0


# --- refusals and approvals ------------------------------------------------------------------


def too_many_leavers(office: Office) -> None:
    office.configure("safety", max_removals=0, max_removals_percent=0)


def test_a_refused_plan_is_saved_too_and_can_be_shown_but_not_applied(office: Office, file: Path) -> None:
    too_many_leavers(office)

    assert save(office, file).code == 3

    shown = office.run("show", file, "--format", "json")
    assert shown.code == 0
    assert list(shown.tripped()) == ["removals"]
    assert shown.actions() == EVERYTHING
    done = office.run("apply", file, "--format", "json")
    assert (done.code, list(done.tripped())) == (3, ["removals"])
    assert office.writes() == []


def test_an_approval_on_the_command_line_lifts_the_guard_of_a_saved_plan(office: Office, file: Path) -> None:
    too_many_leavers(office)
    save(office, file)

    assert office.run("apply", file, "--approve-member-removals", "9").code == 3
    assert office.run("apply", file, "--approve-removals", "0").code == 3
    assert office.only_read() or not office.asked_anything()
    # A refusal does not use it up.
    assert office.run("apply", file, "--approve-removals", "1").code == 0
    assert office.account(user(2))["active"] is False


def test_an_approval_in_the_file_counts_when_it_is_applied(office: Office, file: Path) -> None:
    too_many_leavers(office)
    assert save(office, file, "--approve-removals", "1").code == 0
    assert json.loads(file.read_bytes())["approvals"]["removals"] == 1

    assert office.run("apply", file).code == 0


def test_strict_in_the_file_and_on_the_command_line(office: Office, file: Path) -> None:
    office.people.set_attribute(office.duo(user(4)), "userType", "chef")
    assert save(office, file).code == 0
    assert office.run("apply", file, "--strict").code == 3
    assert save(office, file.with_name("strict"), "--strict").code == 3
    assert office.run("apply", file.with_name("strict")).code == 3
    assert office.writes() == []
    assert office.run("apply", file).code == 0


def test_a_plan_that_withholds_says_so_again_when_it_is_applied(office: Office, file: Path) -> None:
    office.configure("safety", max_removals=0, max_removals_percent=0, on_refusal="withhold")
    assert save(office, file).code == 3

    done = office.run("apply", file, "--format", "json")

    assert done.code == 3
    assert user(2) not in done.applied()
    assert user(0) in done.applied()
    assert office.account(user(2))["active"] is True
    assert "new.comer@example.com" in office.accounts()


def test_only_with_a_plan_file_is_64(office: Office, file: Path) -> None:
    save(office, file)

    done = office.run("apply", file, "--only", user(0))

    assert done.code == 64
    assert not office.asked_anything()


def test_a_plan_narrowed_by_only_is_applied_as_narrow(office: Office, file: Path) -> None:
    assert save(office, file, "--only", user(0)).actions() == {user(0): "update"}

    assert office.run("apply", file).code == 0

    assert [write[0] for write in office.writes()] == ["PATCH"]
    assert office.account(user(2))["active"] is True


# --- show ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "json"])
def test_show_renders_the_very_plan_in_both_formats_also_a_stale_one(office: Office, file: Path, form: str) -> None:
    planned = office.run("plan", "--out", file, "--format", form)
    assert office.run("apply", file).code == 0
    office.configure("scope", groups=[END_USERS])
    office.box.forget()

    shown = office.run("show", file, "--format", form)

    assert shown.code == 0
    assert not office.asked_anything()
    if form == "text":
        assert shown.out == planned.out
    else:
        assert {**shown.json, "created_at": 0} == {**planned.json, "created_at": 0}
        assert shown.json["created_at"] == json.loads(file.read_bytes())["created_at"]


def test_show_needs_no_configuration(office: Office, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(office, file)
    office.config["duo"] = {}

    assert office.run("show", file).code == 0


# --- the file --------------------------------------------------------------------------------


def test_the_file_is_the_plans_json_with_what_the_contract_adds(office: Office, file: Path) -> None:
    planned = save(office, file)

    whole = json.loads(file.read_bytes())

    assert {name: whole[name] for name in planned.json if name != "created_at"} == {
        name: value for name, value in planned.json.items() if name != "created_at"
    }
    assert {"tenant", "config_digest", "approvals", "file_digest"} <= whole.keys()


def test_the_file_has_mode_0600_also_where_another_was_there(office: Office, file: Path) -> None:
    file.write_text("older")
    file.chmod(0o644)

    save(office, file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in file.parent.glob(".*")] == []


def test_the_file_holds_no_secret(office: Office, file: Path) -> None:
    save(office, file)

    text = file.read_text()

    assert office.box.secret_key not in text
    assert office.box.token not in text
    assert office.box.secret_key.encode() not in office.ledger.read_bytes()
    assert office.box.token.encode() not in office.ledger.read_bytes()


def test_a_file_that_cannot_be_written_is_exit_1(office: Office, tmp_path: Path) -> None:
    planned = office.plan("--out", tmp_path / "no such folder" / "plan")

    assert planned.code == 1
    assert "could not be written" in planned.err
