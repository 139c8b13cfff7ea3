"""From two readers to a judged plan, with readers that are plain Python."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import msgspec
import pytest

from ninjasync.config.schema import Config
from ninjasync.errors import CommandLineError
from ninjasync.model.change import journal_diff
from ninjasync.model.directory import Directory, Group, Problem, User, Wanted
from ninjasync.model.message import Message
from ninjasync.model.outcome import exit_code
from ninjasync.model.ownership import Baseline, Owned, Ownership
from ninjasync.model.plan import Approvals, Evidence, Plan
from ninjasync.model.source import SourceUser, Standing
from ninjasync.planning.baseline import scope_digest
from ninjasync.planning.mapping import compile_mapping
from ninjasync.planning.moment import Moment
from ninjasync.planning.planner import baseline_of, make_plan
from ninjasync.planning.scope import resolve
from ninjasync.planning.source import source_reader

T = TypeVar("T")
MakeConfig = Callable[..., Config]
TODAY = datetime(2027, 1, 1, 12, tzinfo=UTC)
GROUPS = {"DG1": "Staff"}


class Duo:
    def __init__(self, *rows: Any, groups: dict[str, str] | None = None) -> None:
        self._rows, self._groups = rows, GROUPS if groups is None else groups
        self.passed_over: set[str] = set()
        self.unlisted = 0
        self.nameless: tuple[str, ...] = ()
        self.asked_for: list[str] = []

    def read_groups(self) -> dict[str, str]:
        return self._groups

    def read_users(self, convert: Callable[[list[Any]], list[T]]) -> list[T]:
        return convert(
            [row for row in self._rows if isinstance(row, str) or row.get("user_id") not in self.passed_over]
        )

    def read_users_by_id(self, ids: list[str], convert: Callable[[list[Any]], list[T]]) -> list[T]:
        self.asked_for = ids
        return convert([row for row in self._rows if isinstance(row, dict) and row.get("user_id") in ids])


class NinjaOne:
    def __init__(self, *users: User, groups: tuple[Group, ...] = (), unreadable: tuple[Problem, ...] = ()) -> None:
        self._users, self._groups, self._unreadable = users, groups, unreadable

    def read_directory(self, paths: tuple[str, ...], wanted: Wanted) -> Directory:
        self.wanted = wanted
        return Directory(paths, self._users, self._groups, self._unreadable)


def row(id_: str, **fields: Any) -> dict[str, Any]:
    return {
        "user_id": id_,
        "username": id_.lower(),
        "email": f"{id_.lower()}@example.com",
        "firstname": "Jane",
        "lastname": "Doe",
        "status": "active",
        "groups": [{"group_id": "DG1", "name": "Staff"}],
        "custom_attributes": {"userType": "endUser", "organizationID": "All"},
    } | fields


def account(id_: str, **fields: Any) -> User:
    values: tuple[str | None, ...] = ("Doe", "Jane", "All", "endUser")
    made: User = msgspec.structs.replace(User(f"{id_.lower()}@example.com", id_, True, values, f"n-{id_}"), **fields)
    return made


def plan(
    config: Config,
    duo: Duo,
    ninjaone: NinjaOne,
    approvals: Approvals | None = None,
    **moment: Any,
) -> Plan:
    owned = moment.pop("owned", Ownership(known=True))
    return make_plan(
        config, duo, ninjaone, Moment(TODAY, owned=owned, approvals=approvals or Approvals(), **moment)
    ).plan


def guard(made: Plan, name: str) -> bool:
    return next(result.tripped for result in made.guards if result.name == name)


def test_a_plan_counts_both_sides_and_changes_nothing_where_nothing_differs(make_config: MakeConfig) -> None:
    made = plan(make_config(groups={"push": []}), Duo(row("A")), NinjaOne(account("A")))
    assert made.changes == ()
    assert made.source == {"users": 1, "groups": 1, "in_scope": 1}
    assert made.target == {"users": 1, "groups": 0, "managed": 1}
    assert exit_code(made, detailed=True) == 0
    assert not made.refused


def test_a_scoped_group_that_is_gone_refuses_the_whole_plan_and_shows_it(make_config: MakeConfig) -> None:
    config = make_config(scope={"all_users": False, "groups": ["Staff", "Gone"]})
    made = plan(config, Duo(row("A")), NinjaOne())
    assert guard(made, "scoped-groups")
    assert made.refused
    assert [change.action for change in made.changes] == ["create", "create"]
    assert exit_code(made) == 3


def leavers(number: int) -> tuple[Duo, NinjaOne]:
    ids = [f"L{n}" for n in range(number)]
    duo = Duo(*(row(f"S{n}") for n in range(20)), *(row(id_, status="disabled") for id_ in ids), row("NEW"))
    return duo, NinjaOne(*(account(f"S{n}") for n in range(20)), *map(account, ids))


def test_with_withhold_everything_but_the_removals_is_left_to_write_and_the_exit_code_is_3(
    make_config: MakeConfig,
) -> None:
    config = make_config(safety={"on_refusal": "withhold"}, groups={"push": []})
    made = plan(config, *leavers(4))
    assert [change.action for change in made.writes] == ["create"]
    assert [change.action for change in made.changes] == ["create", *["deactivate"] * 4]
    assert (made.refused, len(made.withheld)) == (False, 4)
    assert exit_code(made) == 3


def test_with_stop_the_whole_plan_is_shown_and_nothing_is_withheld(make_config: MakeConfig) -> None:
    made = plan(make_config(groups={"push": []}), *leavers(4))
    assert [change.action for change in made.changes] == ["create", *["deactivate"] * 4]
    assert (made.refused, made.withheld) == (True, frozenset())


def test_an_approved_plan_goes_through(make_config: MakeConfig) -> None:
    made = plan(make_config(groups={"push": []}), *leavers(4), Approvals(removals=4))
    assert (made.refused, made.withheld, exit_code(made)) == (False, frozenset(), 0)


@pytest.mark.parametrize("on_refusal", ["stop", "withhold"])
def test_an_unreadable_record_withholds_removals_whatever_the_configuration_says_and_writes_the_rest(
    make_config: MakeConfig, on_refusal: str
) -> None:
    config = make_config(safety={"on_refusal": on_refusal}, groups={"push": []})
    duo = Duo(row("A"), row("NEW"), row("L", status="disabled"), {"username": "no id"})
    made = plan(config, duo, NinjaOne(account("A"), account("L")))
    assert [(change.action, change.external_id) for change in made.writes] == [("create", "NEW")]
    assert (made.refused, len(made.withheld), guard(made, "unreadable-records")) == (False, 1, True)
    assert exit_code(made) == 3


def test_an_unreadable_record_is_exit_0_where_there_was_nothing_to_withhold(make_config: MakeConfig) -> None:
    made = plan(make_config(groups={"push": []}), Duo(row("NEW"), "nonsense"), NinjaOne())
    assert [change.action for change in made.changes] == ["create"]
    assert exit_code(made) == 0
    assert [problem.code for problem in made.problems] == ["unreadable-record"]


def test_an_unreadable_account_withholds_removals_too(make_config: MakeConfig) -> None:
    lost = Problem("user", "?", None, "unreadable-record", Message("has no id"))
    made = plan(
        make_config(groups={"push": []}),
        Duo(row("A"), row("L", status="disabled")),
        NinjaOne(account("A"), account("L"), unreadable=(lost,)),
    )
    assert (made.writes, len(made.withheld)) == ((), 1)


def test_strict_with_withhold_writes_the_rest_and_is_still_a_refusal(make_config: MakeConfig) -> None:
    config = make_config(safety={"on_refusal": "withhold"}, groups={"push": []})
    duo = Duo(row("NEW"), row("H", custom_attributes={"userType": "x", "organizationID": "All"}))
    made = plan(config, duo, NinjaOne(), Approvals(strict=True))
    assert [change.external_id for change in made.writes] == ["NEW"]
    assert (made.refused, exit_code(made)) == (False, 3)


def test_a_change_of_privilege_that_needs_approval_is_withheld_with_the_removals(make_config: MakeConfig) -> None:
    config = make_config(
        safety={"on_refusal": "withhold", "max_privilege_changes": 0, "max_privilege_changes_percent": 0},
        groups={"push": []},
    )
    promoted = row("A", custom_attributes={"userType": "technician", "organizationID": "All"})
    made = plan(config, Duo(promoted, row("NEW")), NinjaOne(account("A")))
    assert [change.external_id for change in made.writes] == ["NEW"]


@pytest.mark.parametrize(
    ("expires", "said"),
    [
        (None, None),
        (date(2027, 2, 1), None),
        (date(2027, 1, 31), "expires in 30 days, on 2027-01-31"),
        (date(2027, 1, 1), "expires today, on 2027-01-01"),
        (date(2026, 12, 31), "expired on 2026-12-31"),
    ],
)
def test_the_token_is_warned_of_from_thirty_days_before_it_expires(
    make_config: MakeConfig, expires: date | None, said: str | None
) -> None:
    made = plan(make_config(ninjaone={"token_expires": expires}, groups={"push": []}), Duo(row("A")), NinjaOne())
    assert [said in warning for warning in made.warnings] == ([True] if said else []) if said else not made.warnings


def reading(config: Config) -> Callable[[Any], SourceUser | Problem]:
    return source_reader(
        resolve(config.scope, config.groups, GROUPS), compile_mapping(config.attributes, config.safety)
    )


def judged(make_config: MakeConfig, record: Any, **scope: Any) -> SourceUser | Problem:
    return reading(make_config(scope=scope or {"all_users": True}))(record)


@pytest.mark.parametrize("record", [None, "jane", [], {}, {"user_id": ""}, {"user_id": 7}, {"user_id": None}])
def test_a_record_without_an_id_is_an_unreadable_one(make_config: MakeConfig, record: Any) -> None:
    found = judged(make_config, record)
    assert isinstance(found, Problem)
    assert found.code == "unreadable-record"


@pytest.mark.parametrize("groups", [None, "Staff", [{"name": "Staff"}], ["DG1"], [{"group_id": ""}], {"DG1": 1}])
def test_a_user_whose_groups_cannot_be_read_is_held_and_not_taken_for_a_leaver(
    make_config: MakeConfig, groups: Any
) -> None:
    found = judged(make_config, row("A", groups=groups), all_users=False, groups=["Staff"])
    assert isinstance(found, SourceUser)
    assert found.standing is Standing.HELD
    assert [problem.code for problem in found.problems] == ["unreadable-record"]


@pytest.mark.parametrize("status", ["disabled", "pending deletion"])
def test_a_leaver_with_invalid_attributes_is_a_leaver_all_the_same(make_config: MakeConfig, status: str) -> None:
    found = judged(make_config, row("A", status=status, email="nonsense", custom_attributes="x"))
    assert isinstance(found, SourceUser)
    assert (found.standing, found.problems) == (Standing.OUT, ())


def test_a_status_unknown_to_us_holds_the_user(make_config: MakeConfig) -> None:
    found = judged(make_config, row("A", status="hibernating"))
    assert isinstance(found, SourceUser)
    assert found.standing is Standing.HELD
    assert [problem.code for problem in found.problems] == ["unknown-status"]


def test_empty_strings_are_nothing_for_expressions_too(make_config: MakeConfig) -> None:
    found = judged(make_config, row("A", lastname="", custom_attributes={"userType": "", "organizationID": ""}))
    assert isinstance(found, SourceUser)
    assert {problem.code for problem in found.problems} == {"missing-name", "missing-user-type", "missing-organization"}


# --- the figures that the guards judge by ----------------------------------------------------


def test_users_of_the_same_groups_are_judged_once_and_those_that_differ_apart(make_config: MakeConfig) -> None:
    convert = reading(make_config(scope={"all_users": False, "groups": ["Staff"]}))
    rows = [
        row("A"),
        row("B", groups=[]),
        row("C", groups={}),
        row("D"),
        row("E", status="disabled"),
        row("F", groups=[]),
    ]
    found = [convert(one) for one in rows]
    standings = [one.standing for one in found if isinstance(one, SourceUser)]
    out = Standing.OUT
    assert standings == [Standing.IN, out, Standing.HELD, Standing.IN, out, out]


def test_the_figures_are_counted_from_both_whole_directories(make_config: MakeConfig) -> None:
    promoted = row("P", custom_attributes={"userType": "technician", "organizationID": "All"})
    mistyped = row("H", custom_attributes={"userType": "x", "organizationID": "All"})
    duo = Duo(
        row("A"),
        row("LEFT", groups=[]),
        promoted,
        mistyped,
        row("L", status="disabled"),
        row("OUT", status="disabled"),
    )
    members = frozenset({"n-A", "n-LEFT", "n-L", "n-P"})
    accounts = [account("A"), account("LEFT"), account("P"), account("L"), account("OUT", active=False)]
    made = plan(make_config(), duo, NinjaOne(*accounts, groups=(Group("Staff", "DG1", members, "g"),)))
    assert made.evidence == Evidence(
        missing=(),
        in_scope=4,
        last_good=None,
        active=4,
        memberships=4,
        removals=1,
        member_removals=1,  # the leaver's does not count
        privilege_changes=1,
        held=1,
        unreadable=0,
        rights=(("to technician", 1),),
        commonest=Message(
            'The commonest problem is invalid-user-type (1): the value is not "technician" or "endUser", '
            "exactly: correct it in Duo."
        ),
    )


def test_removals_that_an_unreadable_record_withholds_are_not_held_against_the_rest(make_config: MakeConfig) -> None:
    duo = Duo(row("A"), row("LEFT", groups=[]), row("L", status="disabled"), "nonsense")
    members = frozenset({"n-A", "n-LEFT", "n-L"})
    accounts = [account("A"), account("LEFT"), account("L")]
    settings = {"safety": {"max_removals": 0, "max_removals_percent": 0, "min_source_percent": 0}}
    made = plan(make_config(**settings), duo, NinjaOne(*accounts, groups=(Group("Staff", "DG1", members, "g"),)))
    assert (made.evidence.removals, made.evidence.member_removals, made.evidence.unreadable) == (0, 0, 1)
    assert not made.refused
    assert made.withheld


BASELINE = Baseline(TODAY, 10, "", {"DG1": "Staff"})


def test_the_last_good_run_is_what_the_source_is_measured_by(make_config: MakeConfig) -> None:
    made = plan(make_config(groups={"push": []}), Duo(row("A")), NinjaOne(account("A")), baseline=BASELINE)
    assert guard(made, "source")
    assert made.evidence.last_good == 10
    approved = plan(
        make_config(groups={"push": []}), Duo(row("A")), NinjaOne(account("A")), Approvals(source=1), baseline=BASELINE
    )
    assert not guard(approved, "source")


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (
            {"DG1": "Crew"},
            'is now called "Crew" in Duo, which no entry of [scope] groups matches. Write groups = [..., "Crew"]',
        ),
        (
            {"DG1": 'Crew (from AD sync "Head Office")'},
            r'Write groups = [..., "Crew (from AD sync \"Head Office\")"] to go on with it.',
        ),
        ({"DG2": "Staff 2"}, "is gone from Duo"),
    ],
)
def test_a_group_that_was_in_scope_and_is_no_longer_reached_is_a_refusal_that_names_it(
    make_config: MakeConfig, groups: dict[str, str], said: str
) -> None:
    config = make_config(scope={"all_users": False, "groups": ["St*"], "users": ["a@example.com"]})
    baseline = Baseline(TODAY, 1, scope_digest(config), {"DG1": "Staff"})
    made = plan(config, Duo(row("A"), groups=groups), NinjaOne(account("A")), baseline=baseline)
    assert made.refused
    (missing,) = made.evidence.missing
    assert 'The group "Staff" was in scope at the last good run' in missing
    assert said in missing


def test_a_scope_that_was_changed_on_purpose_is_no_refusal(make_config: MakeConfig) -> None:
    old = make_config(scope={"all_users": False, "groups": ["Staff"]})
    new = make_config(scope={"all_users": False, "groups": ["Crew*"], "users": ["a@example.com"]})
    baseline = Baseline(TODAY, 1, scope_digest(old), {"DG1": "Staff"})
    made = plan(new, Duo(row("A"), groups={"DG9": "Crew"}), NinjaOne(account("A")), baseline=baseline)
    assert made.evidence.missing == ()


def test_a_good_run_is_remembered_with_its_scope_and_its_groups(make_config: MakeConfig) -> None:
    config = make_config(scope={"all_users": False, "groups": ["Staff"]})
    planning = make_plan(config, Duo(row("A"), row("B")), NinjaOne(), Moment(TODAY))
    assert baseline_of(config, planning, TODAY) == Baseline(TODAY, 2, scope_digest(config), {"DG1": "Staff"})
    again = plan(config, Duo(row("A"), row("B")), NinjaOne(), baseline=baseline_of(config, planning, TODAY))
    assert not again.refused


# --- narrowed --------------------------------------------------------------------------------


def busy() -> tuple[Duo, NinjaOne]:
    duo = Duo(row("A"), row("B", email="new@example.com"), row("C"), row("L", status="disabled"))
    group = Group("Old", "DG1", frozenset({"n-L"}), "g")
    return duo, NinjaOne(account("B"), account("L"), groups=(group,))


@pytest.mark.parametrize(
    ("who", "keys"),
    [
        (("a@example.com",), ["a@example.com"]),
        (("A@EXAMPLE.COM", "c"), ["a@example.com", "c@example.com"]),
        (("B",), ["new@example.com"]),
        (("n-B",), ["new@example.com"]),
        (("b@example.com",), ["new@example.com"]),
        (("L",), ["l@example.com"]),
    ],
)
def test_a_narrowed_plan_changes_these_users_and_their_own_memberships_alone(
    make_config: MakeConfig, who: tuple[str, ...], keys: list[str]
) -> None:
    made = plan(make_config(), *busy(), only=who)
    assert [change.key for change in made.changes if change.resource == "user"] == keys
    (group,) = (change for change in made.changes if change.resource == "group")
    assert group.diff == (), "no group is renamed"
    assert sorted(member.key for member in (*group.added, *group.removed)) == keys
    assert made.evidence == plan(make_config(), *busy()).evidence, "guards judge the whole world"


def test_a_narrowed_plan_creates_and_deletes_no_group(make_config: MakeConfig) -> None:
    made = plan(make_config(), Duo(row("A"), row("B")), NinjaOne(), only=("A",))
    assert [(change.resource, change.key) for change in made.changes] == [("user", "a@example.com")]


def test_a_narrowed_plan_leaves_out_a_user_that_waits_for_the_name_of_another(make_config: MakeConfig) -> None:
    duo = Duo(row("A", email="x@example.com"), row("NEW", email="a@example.com"))
    group = Group("Staff", "DG1", frozenset({"n-A"}), "g")
    made = plan(make_config(), duo, NinjaOne(account("A"), groups=(group,)), only=("NEW",))
    assert made.changes == ()


def test_an_unknown_user_is_a_mistake_on_the_command_line_and_the_nearest_is_named(make_config: MakeConfig) -> None:
    with pytest.raises(CommandLineError, match=r'called "a@exmple.com"; did you mean "a@example.com"') as caught:
        plan(make_config(), *busy(), only=("a@exmple.com",))
    assert caught.value.exit_code == 64


# --- what the ledger knows -------------------------------------------------------------------


def test_a_user_that_paging_skipped_is_read_by_id_and_is_no_leaver(make_config: MakeConfig) -> None:
    duo = Duo(row("A"), row("B"))
    duo.passed_over = {"B"}
    owned = Ownership(known=True, users={id_: Owned(f"n-{id_}", id_) for id_ in ("A", "B", "GONE")})
    accounts = (account("A"), account("B"), account("GONE"))
    made = plan(make_config(groups={"push": []}), duo, NinjaOne(*accounts), owned=owned)
    assert [(change.action, change.external_id) for change in made.changes] == [("deactivate", "GONE")]
    assert duo.asked_for == ["B", "GONE"]


def test_ninjaone_is_asked_for_every_account_in_the_ledger_and_every_desired_name(make_config: MakeConfig) -> None:
    owned = Ownership(
        known=True,
        users={"A": Owned("n-A", "a")},
        groups={"DG1": Owned("g", "Staff")},
        contested=frozenset({("user", "x@example.com")}),
    )
    target = NinjaOne(account("A"))
    plan(make_config(), Duo(row("A"), row("H", email="nonsense")), target, owned=owned)
    assert target.wanted == Wanted(
        frozenset({"n-A"}), frozenset({"g"}), {"A": "a@example.com"}, {"DG1": "Staff"}, owned.contested
    )


def test_a_change_that_the_last_two_runs_made_already_is_warned_of(make_config: MakeConfig) -> None:
    config, duo, target = make_config(groups={"push": []}), Duo(row("A")), NinjaOne(account("A", active=False))
    (change,) = plan(config, duo, target).changes
    again = plan(config, duo, target, repeated=frozenset({("user", "A", journal_diff(change))}))
    assert any("NinjaOne does not keep them: a@example.com" in warning for warning in again.warnings)
    other = plan(config, duo, target, repeated=frozenset({("user", "B", journal_diff(change))}))
    assert not any("does not keep them" in warning for warning in other.warnings)


def test_an_attribute_that_no_user_has_is_warned_of_as_its_name_may_be_misspelt(make_config: MakeConfig) -> None:
    config = make_config(attributes={"title": "titel", "nickName": "alias1"}, groups={"push": []})
    made = plan(config, Duo(row("A", alias1="J"), row("B")), NinjaOne())
    assert [warning for warning in made.warnings if "no user in scope" in warning] == [
        "[attributes] title = titel: no user in scope has a value for it, so that it is cleared nowhere: "
        'Duo has no field "titel".'
    ]
    assert not [w for w in plan(config, Duo(), NinjaOne()).warnings if "no user in scope has" in w]
