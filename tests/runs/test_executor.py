"""Carrying out a plan against a writer that lives in memory and refuses what a real one would refuse."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from ninjasync.errors import (
    CredentialsError,
    InterruptedRunError,
    LedgerError,
    NotKeptError,
    RefusedRequestError,
    RefusedRowError,
    UnreachableError,
)
from ninjasync.model.change import Change, Delta, Member
from ninjasync.model.directory import Observation
from ninjasync.model.outcome import Result
from ninjasync.runs.executor import Attempt, Step, apply_plan
from ninjasync.threads import Stop
from tests.support.memory import Memory, Notebook, applied, create, plan_of


def statuses(result: Result) -> dict[str, str]:
    return {outcome.change.key: outcome.status for outcome in result.outcomes}


def rename(before: str, after: str, *, needs: tuple[str, ...] = (), via: str | None = None) -> Change:
    row = Delta("userName", before, after, via)
    return Change("user", "update", after, f"n-{before}", f"DU-{before}", (row,), needs=needs)


def test_an_empty_plan_writes_nothing() -> None:
    writer = Memory()
    assert applied(plan_of(), writer) == Result(())
    assert writer.calls == []


def test_users_go_before_groups_and_removals_come_last_users_then_groups() -> None:
    writer = Memory()
    member = Member("jane", "DU-jane", None)
    result = applied(
        plan_of(
            Change("group", "delete", "old", "g-old", "DG-old"),
            Change("user", "deactivate", "bob", "n-bob", "DU-bob", (Delta("active", True, False),)),
            Change("group", "create", "staff", None, "DG-staff", (Delta("displayName", None, "staff"),), (member,)),
            create("jane"),
        ),
        writer,
    )
    assert writer.calls == [
        *("create jane", "create staff", "members new-DG-staff +new-DU-jane -"),
        *("patch n-bob False", "delete g-old"),
    ]
    assert writer.members == {"new-DG-staff": {"new-DU-jane"}}
    assert result.count("applied") == 4


def test_a_group_waits_for_its_own_members_alone_and_removals_wait_for_the_group() -> None:
    writer = Memory()
    staff = Change("group", "update", "staff", "g", "DG", added=(Member("jane", "DU-jane", None),))
    leaver = Change("user", "deactivate", "bob", "n-bob", "DU-bob", (Delta("active", True, False),))
    others = [rename(f"was{number}", f"is{number}") for number in range(4)]
    result = applied(plan_of(create("jane"), *others, staff, leaver), writer)
    assert result.count("applied") == 7
    changes = [call for call in writer.calls if call.startswith(("create", "patch n-", "members"))]
    first, *_, last = changes
    assert (first, last) == ("create jane", "patch n-bob False")
    assert changes.index("members g +new-DU-jane -") < changes.index("patch n-was3 is3")


def test_users_that_a_group_waits_for_go_first_so_that_it_need_not_wait_for_all_others() -> None:
    writer = Memory()
    staff = Change("group", "update", "staff", "g", "DG", added=(Member("zoe", "DU-zoe", None),))
    others = [rename(f"was{number}", f"is{number}") for number in range(4)]
    assert applied(plan_of(*others, create("zoe"), staff), writer).count("applied") == 6
    changes = [call for call in writer.calls if call.startswith(("create", "patch n-", "members"))]
    assert changes[0] == "create zoe"
    assert changes.index("members g +new-DU-zoe -") < changes.index("patch n-was3 is3")


def test_a_group_changes_its_name_then_its_members_and_some_were_just_created() -> None:
    writer = Memory()
    group = Change(
        "group",
        "update",
        "staff",
        "g",
        "DG",
        (Delta("displayName", "old", "staff"),),
        added=(Member("jane", "DU-jane", None), Member("pat", "DU-pat", "n-pat")),
        removed=(Member("bob", "DU-bob", "n-bob"),),
    )
    applied(plan_of(create("jane"), group), writer)
    assert writer.calls == ["create jane", "patch g staff", "members g +new-DU-jane,n-pat -n-bob"]


@pytest.mark.parametrize("parallelism", [1, 8])
def test_two_users_that_swap_names_go_by_way_of_a_temporary_one(parallelism: int) -> None:
    writer = Memory()
    writer.names = {"a": "n-a", "b": "n-b"}
    result = applied(
        plan_of(
            rename("b", "a", needs=("user:n-a",), via="tmp"),
            rename("a", "b", needs=("user:n-b",)),
        ),
        writer,
        parallelism=parallelism,
    )
    assert writer.calls == ["patch n-b tmp", "patch n-a b", "patch n-b a"]
    assert writer.names == {"b": "n-a", "a": "n-b"}
    assert result.count("applied") == 2


@pytest.mark.parametrize("parallelism", [1, 8])
def test_a_chain_of_names_is_freed_from_its_end_whatever_the_order_of_the_plan(parallelism: int) -> None:
    writer = Memory()
    writer.names = {letter: f"n-{letter}" for letter in "abcde"}
    chain = [rename(letter, after, needs=(f"user:n-{after}",)) for letter, after in zip("abcd", "bcde", strict=True)]
    result = applied(
        plan_of(*chain, rename("e", "f"), create("a", needs=("user:n-a",))), writer, parallelism=parallelism
    )
    assert set(statuses(result).values()) == {"applied"}
    assert writer.names == {"f": "n-e", "e": "n-d", "d": "n-c", "c": "n-b", "b": "n-a", "a": "new-DU-a"}


def test_every_write_is_journaled_before_it_is_sent_and_after_with_its_id_or_its_error() -> None:
    notes = Notebook()
    writer = Memory(create__b=RefusedRequestError("no", status=400))
    writer.names = {"x": "n-x", "y": "n-y"}
    applied(
        plan_of(
            create("a"),
            create("b"),
            rename("y", "x", needs=("user:n-x",), via="tmp"),
            rename("x", "y", needs=("user:n-y",)),
            Change("user", "delete", "z", "n-z", "DU-z"),
        ),
        writer,
        journal=notes,
    )
    assert sorted(notes.lines) == sorted(
        [
            ("intend", "a", "whole", ""),
            ("conclude", "a", "whole", "new-DU-a"),
            ("intend", "b", "whole", ""),
            ("conclude", "b", "whole", "RefusedRequestError"),
            ("intend", "x", "free", ""),
            ("conclude", "x", "free", "n-y"),
            ("intend", "x", "whole", ""),
            ("conclude", "x", "whole", "n-y"),
            ("intend", "y", "whole", ""),
            ("conclude", "y", "whole", "n-x"),
            ("intend", "z", "whole", ""),
            ("conclude", "z", "whole", "n-z"),
        ]
    )


def test_what_ninjaone_shows_otherwise_is_in_the_outcome_and_in_the_journal() -> None:
    writer, notes = Memory(), Notebook()
    writer.observed = (Observation("title", "Boss", None),)
    result = applied(plan_of(create("a"), rename("b", "c")), writer, journal=notes)
    assert [outcome.observed for outcome in result.outcomes] == [writer.observed, writer.observed]
    assert [line[3] for line in notes.lines if line[0] == "conclude"] == ["new-DU-a title", "n-b title"]


def test_an_account_that_was_created_otherwise_than_sent_is_failed_but_there_and_joins_its_groups() -> None:
    writer, notes = Memory(create__jane=NotKeptError("made an end user of it", id_="n-jane")), Notebook()
    group = Change("group", "update", "staff", "g", "DG", added=(Member("jane", "DU-jane", None),))
    result = applied(plan_of(create("jane"), group), writer, journal=notes)
    assert statuses(result) == {"jane": "failed", "staff": "applied"}
    assert writer.members == {"g": {"n-jane"}}
    assert ("conclude", "jane", "whole", "n-jane NotKeptError") in notes.lines


def test_a_server_that_replaces_gets_the_whole_user_but_not_for_the_temporary_name() -> None:
    writer = Memory()
    writer.names = {"a": "n-a", "b": "n-b"}
    everything = (("userName", "a"), ("title", "Boss"))
    first = replace(rename("b", "a", needs=("user:n-a",), via="tmp"), whole=everything)
    applied(plan_of(first, rename("a", "b", needs=("user:n-b",))), writer)
    assert writer.whole == [(), (), everything]


def test_what_cannot_be_journaled_is_not_sent() -> None:
    writer = Memory()
    result = applied(plan_of(create("a")), writer, journal=Notebook(LedgerError("disk full", "make room")))
    assert [(one.status, one.error) for one in result.outcomes] == [
        ("skipped", "not tried, as the run stopped: disk full")
    ]
    assert writer.calls == []


def test_only_what_may_be_written_is_written_and_the_rest_is_named() -> None:
    gone = Change("user", "deactivate", "b", "n-b", "DU-b", (Delta("active", True, False),))
    plan = replace(plan_of(create("a"), gone), writes=(create("a"),), withheld=frozenset({gone.name}))
    writer = Memory()
    result = apply_plan(plan, writer, Notebook(), parallelism=1, stop=Stop())
    assert writer.calls == ["create a"]
    assert statuses(result) == {"a": "applied", "b": "skipped"}
    assert result.outcomes[1].error == "withheld by a guard"


def test_a_failure_stays_with_its_change_and_the_rest_goes_on() -> None:
    writer = Memory(create__a=RefusedRequestError("no", "do this", status=400))
    result = applied(plan_of(create("a"), create("b")), writer)
    assert [(one.status, one.error) for one in result.outcomes] == [("failed", "no do this"), ("applied", "")]
    assert result.fatal is None


def test_a_user_whose_name_did_not_become_free_is_skipped_with_the_reason() -> None:
    writer = Memory()
    writer.fails = {"patch n-a": RefusedRequestError("no", status=400)}
    result = applied(
        plan_of(rename("a", "x"), rename("b", "a", needs=("user:n-a",)), create("b", needs=("user:n-b",))), writer
    )
    assert statuses(result) == {"x": "failed", "a": "skipped", "b": "skipped"}
    assert "waits for a name that x did not give up" in result.outcomes[1].error
    assert writer.calls == ["patch n-a x"]


def test_a_cycle_whose_temporary_name_is_refused_leaves_every_account_as_it_was() -> None:
    writer = Memory()
    writer.names = {"a": "n-a", "b": "n-b"}
    writer.fails = {"patch n-b tmp": RefusedRequestError("no", status=400)}
    result = applied(
        plan_of(rename("b", "a", needs=("user:n-a",), via="tmp"), rename("a", "b", needs=("user:n-b",))), writer
    )
    assert statuses(result) == {"a": "failed", "b": "skipped"}
    assert writer.names == {"a": "n-a", "b": "n-b"}
    assert writer.calls == ["patch n-b tmp"]


def test_a_user_left_with_the_temporary_name_is_named() -> None:
    writer = Memory()
    writer.names = {"a": "n-a", "b": "n-b"}
    writer.fails = {"patch n-a": RefusedRequestError("no", status=400)}
    result = applied(
        plan_of(rename("b", "a", needs=("user:n-a",), via="tmp"), rename("a", "b", needs=("user:n-b",))), writer
    )
    assert writer.names == {"a": "n-a", "tmp": "n-b"}
    assert statuses(result) == {"a": "skipped", "b": "failed"}
    assert "tmp" in result.outcomes[0].error, "nothing was written, or the message says exactly what was"


def test_a_group_whose_new_member_could_not_be_created_gets_the_others_and_names_the_missing_one() -> None:
    writer = Memory(create__jane=RefusedRequestError("no", status=400))
    members = (Member("jane", "DU-jane", None), Member("pat", "DU-pat", "n-pat"))
    groups = (
        Change("group", "update", "staff", "g", "DG", added=members),
        Change("group", "create", "new", None, "DG2", (Delta("displayName", None, "new"),), added=members),
    )
    result = applied(plan_of(create("jane"), *groups), writer)
    assert writer.calls[1:] == ["patch g", "members g +n-pat -", "create new", "members new-DG2 +n-pat -"]
    assert writer.members["new-DG2"] == {"n-pat"}
    for outcome in result.outcomes[1:]:
        assert outcome.status == "failed"
        assert "the rest is done, but jane could not be added" in outcome.error
        assert "The next run adds them" in outcome.error


def test_an_unexpected_error_is_one_failed_change_and_no_end(caplog: pytest.LogCaptureFixture) -> None:
    writer = Memory(create__a=ZeroDivisionError("oops"))
    result = applied(plan_of(create("a"), create("b")), writer)
    assert statuses(result) == {"a": "failed", "b": "applied"}
    assert "unexpected error: ZeroDivisionError('oops')" in result.outcomes[0].error


def test_refused_credentials_stop_the_run_and_the_rest_is_skipped() -> None:
    writer = Memory(create__a=CredentialsError("token refused", "renew it"))
    result = applied(plan_of(create("a"), create("b"), Change("user", "delete", "c", "c", "C")), writer)
    assert statuses(result) == {"a": "failed", "b": "skipped", "c": "skipped"}
    assert isinstance(result.fatal, CredentialsError)
    assert "not tried, as the run stopped: token refused" in result.outcomes[1].error
    assert writer.calls == ["create a"]


def test_ten_failures_to_reach_ninjaone_in_a_row_stop_the_run() -> None:
    writer = Memory(create=UnreachableError("gone"))
    result = applied(plan_of(*(create(f"u{n:02}") for n in range(15))), writer)
    assert (result.count("failed"), result.count("skipped")) == (10, 5)
    assert isinstance(result.fatal, UnreachableError)


def test_nine_failures_and_a_success_do_not_stop_the_run() -> None:
    writer = Memory(create__bad=UnreachableError("gone"))
    changes = [create(f"bad{n}") for n in range(9)] + [create("good")] + [create(f"bad{n}") for n in range(10, 19)]
    result = applied(plan_of(*changes), writer)
    assert (result.count("failed"), result.count("applied"), result.fatal) == (18, 1, None)


def test_refusals_however_many_do_not_stop_the_run() -> None:
    writer = Memory(create=RefusedRequestError("no", status=400))
    result = applied(plan_of(*(create(f"u{n}") for n in range(30))), writer)
    assert (result.count("failed"), result.fatal) == (30, None)


def test_a_conclusion_that_cannot_be_kept_ends_the_run_and_what_was_done_counts_as_done() -> None:
    class Failing(Notebook):
        def conclude(self, attempt: Attempt) -> None:
            super().conclude(attempt)
            raise LedgerError("the disk is full")

    stop = Stop()
    result = applied(plan_of(create("a"), create("b")), Memory(), stop=stop, journal=Failing())
    assert statuses(result) == {"a": "applied", "b": "skipped"}
    assert str(result.fatal) == "the disk is full"
    assert stop.cause is result.fatal
    assert not result.interrupted


def test_a_change_that_the_ledger_does_not_take_is_not_sent_and_holds_up_no_other() -> None:
    class Refusing(Notebook):
        def intend(self, change: Change, step: Step) -> int:
            if change.key == "a":
                raise RefusedRowError("The ledger did not take a row: it is too long.")
            return super().intend(change, step)

    writer = Memory()
    result = applied(plan_of(create("a"), create("b")), writer, journal=Refusing())
    assert statuses(result) == {"a": "failed", "b": "applied"}
    assert writer.calls == ["create b"]
    assert result.fatal is None


def test_an_abort_from_elsewhere_is_the_one_cause_and_what_is_cut_off_stays_pending() -> None:
    stop, notes = Stop(), Notebook()

    class CutOff(Memory):
        def create_user(self, change: Change) -> tuple[str, tuple[Observation, ...]]:
            stop.abort(LedgerError("the connection is gone"))
            raise InterruptedRunError("stopped before this was sent")

    plan = plan_of(create("a"), create("b"))
    result = apply_plan(plan, CutOff(), notes, parallelism=1, stop=stop)
    assert statuses(result) == {"a": "skipped", "b": "skipped"}
    assert [line[0] for line in notes.lines] == ["intend"]
    assert str(result.fatal) == "the connection is gone"


def test_a_stop_lets_the_call_under_way_finish_and_skips_the_rest() -> None:
    stop = Stop()

    class Stopping(Memory):
        def create_user(self, change: Change) -> tuple[str, tuple[Observation, ...]]:
            stop.set()
            return super().create_user(change)

    result = applied(plan_of(create("a"), create("b")), Stopping(), stop=stop)
    assert statuses(result) == {"a": "applied", "b": "skipped"}
    assert result.interrupted
    assert result.outcomes[1].error == "not tried, as the run was interrupted"


def test_a_call_that_was_waiting_to_try_again_when_the_run_was_stopped_is_skipped() -> None:
    stop = Stop()
    stop.set()
    writer = Memory()
    assert applied(plan_of(create("a")), writer, stop=stop).interrupted
    assert writer.calls == []
    interrupted = Memory(create__a=InterruptedRunError("stopped"))
    assert applied(plan_of(create("a")), interrupted).outcomes[0].status == "skipped"


@pytest.mark.parametrize("parallelism", [1, 3])
def test_no_more_calls_are_under_way_than_allowed(parallelism: int) -> None:
    lock, under_way, most = threading.Lock(), 0, 0
    full = threading.Barrier(parallelism)

    class Watching(Memory):
        def create_user(self, change: Change) -> tuple[str, tuple[Observation, ...]]:
            nonlocal under_way, most
            with lock:
                under_way += 1
                most = max(most, under_way)
            full.wait(10)
            with lock:
                under_way -= 1
            return super().create_user(change)

    result = applied(plan_of(*(create(f"u{n}") for n in range(parallelism * 4))), Watching(), parallelism=parallelism)
    assert result.count("applied") == parallelism * 4
    assert most == parallelism
