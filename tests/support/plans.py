"""Plans for tests of reports: one of every kind of thing, and names that want to be obeyed.

Knows what a plan is made of; knows nothing of how one is made or shown.
"""

from datetime import UTC, date, datetime

from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.change import Change, Delta, Member, count
from ninjasync.model.directory import Observation, Problem
from ninjasync.model.message import Message, group, number, text
from ninjasync.model.outcome import Outcome, Result
from ninjasync.model.plan import Counts, Evidence, GuardResult, Leaver, Plan

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
NAMES = (
    "a|b | c",
    "`tick` ``two`` ```three```",
    "<script>document.title='ran'</script>",
    "<img src=x onerror=\"document.title='ran'\">",
    "</style></script><h1>big</h1>",
    "first\n## second\r\n- third",
    "@octocat and @org/team",
    "[click](https://evil.example/x)",
    "![pixel](https://evil.example/x.png)",
    "https://evil.example/ www.evil.example",
    "#1 GH-2 octo/repo#3",
    "**bold** _thin_ ~~gone~~ $x$ :smile:",
    "&lt;b&gt; &#64;octocat",
    "right\u202eto\u2066left\x1b[31m",
    "{{ 7 * 7 }} {% raw %}",
    "\\`back\\|slash\\",
    "   ",
    "x" * 5000,
)


def person(number: int, name: str | None = None) -> Change:
    """Return the creation of one user."""
    key = name or f"user{number}@example.com"
    rows = (
        Delta("userName", None, key),
        Delta("name.givenName", None, f"Given{number}"),
        Delta(USER_TYPE, None, "endUser"),
        Delta(ORGANIZATION_ID, None, "7"),
    )
    return Change("user", "create", key, None, f"DU{number:06}", rows, reasons=(Message('member of "People"'),))


def made(*changes: Change, **more: object) -> Plan:
    """Return a plan of these changes."""
    values: dict[str, object] = {
        "paths": ("name.givenName", USER_TYPE, ORGANIZATION_ID),
        "source": {"users": 30, "groups": 3, "in_scope": 20},
        "target": {"users": 25, "groups": 2, "managed": 18},
        "users": Counts(count(changes, "user"), 5, 2, 1),
        "groups": Counts(count(changes, "group"), 0, None),
        "changes": changes,
        "problems": (),
        "guards": (
            GuardResult("removals", False, Message("0 of 18 accounts would be removed."), "--approve-removals 0"),
        ),
        "warnings": (),
        "leavers": (),
        "evidence": Evidence((), 20, 20, 18, 10, 0, 0, 0, 1, 0),
        "refused": False,
    }
    return Plan(**(values | more))  # type: ignore[arg-type]  # the fields are those of a plan


def of_every_kind() -> Plan:
    """Return a refused plan with each action, a held user, a leaver and a warning."""
    return made(
        *_changes_of_every_kind(),
        problems=(
            Problem(
                "user",
                "chef@example.com",
                "DU000009",
                "invalid-user-type",
                Message("the user type {} is not valid", text("'chef'")),
            ),
        ),
        guards=(
            GuardResult(
                "removals",
                True,
                Message("{} of {} accounts would be removed.", number(2), number(18)),
                "--approve-removals 2",
            ),
            GuardResult("held", False, Message("1 records are held.")),
        ),
        warnings=(Message("The SCIM token expires in {} days.", number(5)),),
        leavers=(Leaver("leaver@example.com", "DU000010", date(2026, 4, 1), deferred=False),),
        refused=True,
    )


def _changes_of_every_kind() -> tuple[Change, ...]:
    technician = (Delta(USER_TYPE, "endUser", "technician"),)
    inactive = (Delta("active", before=True, after=False),)
    return (
        person(1),
        Change("user", "adopt", "adopted@example.com", "2", "DU000002", (Delta("externalId", None, "DU000002"),)),
        Change("user", "update", "promoted@example.com", "3", "DU000003", technician, privilege=True),
        Change(
            "user",
            "update",
            "renamed@example.com",
            "4",
            "DU000004",
            (Delta("userName", "old@example.com", "renamed@example.com", via="ninjasync-DU000004@example.com"),),
        ),
        Change("user", "reactivate", "back@example.com", "5", "DU000005", (Delta("active", before=False, after=True),)),
        Change(
            "group",
            "update",
            "Technicians",
            "6",
            "DG000006",
            added=(Member("promoted@example.com", "DU000003", "3"),),
            removed=(Member("gone@example.com", "DU000007", "7"),),
        ),
        Change(
            "user", "deactivate", "gone@example.com", "7", "DU000007", inactive, reasons=(Message("disabled in Duo"),)
        ),
        Change(
            "user", "delete", "deleted@example.com", "8", "DU000008", reasons=(Message("inactive since 2026-01-01"),)
        ),
    )


def hostile() -> Plan:
    """Return a plan in which every text that a directory or a server can choose wants to be obeyed."""
    changes = []
    for place, name in enumerate(NAMES):
        members = (Member(name, f"DU{place:06}", None),)
        reasons = (Message('member of "{}"', group(name)), Message("{}", text(name)))
        rows = (Delta(USER_TYPE, name, name, via=name), Delta(f"urn:x:y:z:{name}", None, name))
        changes += [
            person(place, name),
            Change("user", "update", name, f"u{place}", f"DU1{place:05}", rows, reasons=reasons, privilege=True),
            Change("group", "update", name, f"g{place}", f"DG{place:06}", (), members, members, reasons=reasons),
        ]
    return made(
        *changes,
        problems=tuple(Problem("user", name, None, "invalid-user-type", Message("{}", text(name))) for name in NAMES),
        guards=tuple(
            GuardResult("scoped-groups", True, Message('Duo has no group "{}"', group(name))) for name in NAMES
        ),
        warnings=tuple(Message("{}", text(name)) for name in NAMES),
        leavers=tuple(Leaver(name, "DU000001", date(2026, 4, 1), deferred=True) for name in NAMES),
    )


def failing(plan: Plan) -> Result:
    """Return a result with one of each status, and with a value that was not kept."""
    outcomes = [Outcome(change, "applied") for change in plan.changes]
    first, second, third = plan.changes[:3]
    outcomes[0] = Outcome(first, "applied", observed=(Observation(USER_TYPE, "endUser", "<b>guest</b>"),))
    outcomes[1] = Outcome(second, "failed", Message("NinjaOne said no to {}.", second.subject))
    outcomes[2] = Outcome(third, "skipped", Message("not tried: too many failures"))
    return Result(tuple(outcomes))
