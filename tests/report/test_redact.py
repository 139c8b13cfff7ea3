"""Redaction: names are planted everywhere in a plan, and looked for in every format."""

from dataclasses import replace

import pytest

from ninjasync.errors import CommandLineError, ConfigurationError, NinjasyncError
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Change, Delta, Member
from ninjasync.model.directory import Problem
from ninjasync.model.message import Message, group, listed, number, person, text, word
from ninjasync.model.plan import GuardResult, Leaver, Plan
from ninjasync.model.problems import CODES
from ninjasync.report.formats import Format, renderer_of
from ninjasync.report.redact import redacted, redacted_error
from tests.support.plans import AT, made, of_every_kind

_KEY = b"a key"
# Every planted name holds this, and no sentence of ours does.
_MARK = "zyx"
# Addresses and names as directories really have them, also such as break naive patterns.
_PEOPLE = (
    "jane.zyx@example.com",
    "o'zyx@example.com",
    '"zyx doe"@example.com',
    "zyx,doe(x)@example.com",
    "zyx",
    "Dr. Zyx Zyxson-Zyx",
    "zyx@büro.example",
    "{} zyx {0}",
)


def _planted(name: str) -> Plan:
    """Return a plan that names a person wherever one can be named."""
    member = (Member(name, "DU000001", "1"),)
    rows = (
        Delta("userName", f"old.{name}", name, via=name),
        Delta("name.givenName", name, name),
        Delta("externalId", name, "DU000001"),
        Delta(USER_TYPE, name, "technician"),
        Delta(ORGANIZATION_ID, name, "All"),
        Delta("urn:x:User:manager", None, name),
    )
    reasons = (
        Message('named by {} "{}"', word("users"), text(name)),
        Message("{} is not true: {}", word("[scope] where"), text(f"username != '{name}'")),
        Message("waits for {}", Message("{}, who has {}", person(name), Message("{}", text(name)))),
    )
    user = Change("user", "update", name, "1", "DU000001", rows, reasons=reasons, whole=(("userName", name),))
    team = Change("group", "update", "Team", "2", "DG000002", (Delta("externalId", name, None),), member, member)
    about = Message("the value '{}' of {}", text(name), person(name))
    return made(
        user,
        team,
        problems=(
            *(Problem("user", name, name, code, about, about) for code in CODES),
            Problem("group", "Team", name, "unreadable-record", about),
        ),
        guards=(GuardResult("scoped-groups", True, Message("Something about {}.", person(name))),),
        warnings=(
            Message("Protected, left as they are: {}.", listed([person(name), person("other.zyx")])),
            Message("{} more, among them {}.", number(2), listed([person(name)] * 5, 2)),
        ),
        leavers=(Leaver(name, "DU000003", AT.date(), deferred=False),),
    )


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("name", _PEOPLE)
def test_no_name_is_left_in_any_format(name: str, format: Format) -> None:
    plan = _planted(name)
    assert _MARK in renderer_of(format).render(plan, AT).casefold(), "nothing was planted"

    shown = renderer_of(format).render(redacted(plan, _KEY), AT)

    assert _MARK not in shown.casefold()
    assert "@example" not in shown
    assert "person-" in shown


@pytest.mark.parametrize("name", _PEOPLE)
def test_no_name_is_left_in_the_plan_itself(name: str) -> None:
    plan = redacted(_planted(name), _KEY)

    assert _MARK not in repr(plan).casefold()
    sentences = (*plan.warnings, *plan.changes[0].reasons, *(one.message for one in plan.problems))
    assert not any(_MARK in repr(piece).casefold() for sentence in sentences for piece in sentence.pieces())


def test_one_user_has_one_token_wherever_they_are_named() -> None:
    plan = redacted(_planted("jane.zyx@example.com"), _KEY)

    token = plan.changes[0].key
    assert plan.changes[1].added[0].key == plan.leavers[0].key == plan.problems[0].key == token
    assert f"left as they are: {token}, person-" in plan.warnings[0]
    assert plan.guards[0].message == f"Something about {token}."


def test_tokens_depend_on_the_key_and_not_on_letter_case() -> None:
    def key_of(name: str, key: bytes) -> str:
        return redacted(_planted(name), key).changes[0].key

    assert key_of("Jane.Zyx@example.com", _KEY) == key_of("jane.zyx@example.com", _KEY)
    assert key_of("jane.zyx@example.com", _KEY) != key_of("jane.zyx@example.com", b"another key")


def test_text_that_names_no_user_stays_readable() -> None:
    plan = of_every_kind()

    shown = redacted(plan, _KEY)

    assert [(one.action, one.id, one.external_id, one.reasons) for one in shown.changes] == [
        (one.action, one.id, one.external_id, one.reasons) for one in plan.changes
    ]
    (row,) = next(one for one in shown.changes if one.privilege).diff
    assert (row.before, row.after) == ("endUser", "technician")
    assert "Technicians" in [one.key for one in shown.changes]
    assert (shown.warnings, shown.guards) == (plan.warnings, plan.guards)


def test_two_groups_that_claim_one_duo_id_keep_their_names() -> None:
    said = Message("{} and {} both claim the Duo id {}.", group("Team A"), group("Team B"), group("DG000001"))

    assert redacted(made(warnings=(said,)), _KEY).warnings == (said,)


def test_a_withheld_change_is_still_marked_as_such() -> None:
    plan = _planted("zyx")
    plan = replace(plan, withheld=frozenset({plan.changes[0].name}))

    shown = renderer_of(Format.TEXT).render(redacted(plan, _KEY), AT)

    assert "withheld, see the guards" in shown


@pytest.mark.parametrize("format", Format)
def test_a_redacted_failure_names_no_user(format: Format) -> None:
    jane, boss = person("jane.zyx@example.com"), text("boss.zyx@example.com")
    errors = (
        NinjasyncError(Message("The account of {} is gone.", jane), Message("Ask {}.", boss)),
        CommandLineError(Message('--only: nobody is called "{}".', jane)),
        ConfigurationError("It is wrong.", mistakes=(Message('{}: "{}" is no list', word("[scope] users"), boss),)),
    )
    for error in errors:
        redacted_one = redacted_error(error, _KEY)
        assert redacted_one.exit_code == error.exit_code
        shown = renderer_of(format).render_error(redacted_one, AT)
        assert _MARK not in shown
        assert redacted_one.message.split()[0] in shown
