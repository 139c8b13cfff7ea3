"""Who gets which name, and in which order names move. The first part is decided without a world of records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninjasync.model.change import Change, Delta
from ninjasync.planning.names import Assigned, assign_names, order_renames


def assign(
    wanted: dict[str, str],
    held: dict[str, str],
    unmanaged: dict[str, str] | None = None,
    *,
    adopt: bool = True,
    unreadable: tuple[str, ...] = (),
) -> Assigned:
    """``held`` says which name each Duo id's own account ``n-ID`` has; ``unmanaged`` are unmanaged accounts."""
    return assign_names(
        wanted,
        own={duo_id: f"n-{duo_id}" for duo_id in held},
        names={f"n-{duo_id}": name for duo_id, name in held.items()} | (unmanaged or {}),
        adoptable=lambda _: adopt,
        unreadable=set(unreadable),
    )


def test_a_free_name_and_the_users_present_name_are_assigned() -> None:
    assert assign({"A": "a", "B": "b"}, {"B": "b"}) == Assigned({}, {}, {})


def test_a_name_that_its_holder_gives_up_is_assigned() -> None:
    assert assign({"A": "x", "B": "a"}, {"A": "a", "B": "b"}).taken == {}


def test_two_users_that_swap_names_both_get_them() -> None:
    assert assign({"A": "b", "B": "a"}, {"A": "a", "B": "b"}) == Assigned({}, {}, {})


def test_an_unmanaged_account_with_the_name_of_a_user_without_an_account_is_adopted() -> None:
    assert assign({"A": "a"}, {}, {"s": "a"}) == Assigned({"A": "s"}, {}, {})


@pytest.mark.parametrize(("adopt", "own"), [(False, {}), (True, {"A": "old"}), (False, {"A": "old"})])
def test_an_unmanaged_account_keeps_its_name_if_adopting_is_off_or_the_user_has_an_account_already(
    adopt: bool, own: dict[str, str]
) -> None:
    assert assign({"A": "a"}, own, {"s": "a"}, adopt=adopt) == Assigned({}, {"A": ("s",)}, {})


def test_no_account_is_adopted_where_two_hold_the_name() -> None:
    assert assign({"A": "a"}, {}, {"s": "a", "t": "a"}) == Assigned({}, {"A": ("s", "t")}, {})


def test_an_account_of_another_user_is_not_adopted() -> None:
    assert assign({"A": "b"}, {"B": "b"}) == Assigned({}, {"A": ("n-B",)}, {})


def test_users_with_the_same_name_are_all_duplicates_and_none_gets_it() -> None:
    found = assign({"A": "x", "B": "x", "C": "c"}, {"A": "x"})
    assert found.duplicates == {"A": ("A", "B"), "B": ("A", "B")}
    assert (found.taken, found.adopted) == ({}, {})


def test_a_duplicate_keeps_its_old_name_so_that_no_other_user_gets_it() -> None:
    found = assign({"A": "x", "B": "x", "C": "a"}, {"A": "a"})
    assert set(found.duplicates) == {"A", "B"}
    assert found.taken == {"C": ("n-A",)}


def test_an_account_that_keeps_its_name_blocks_every_rename_that_waits_for_it() -> None:
    found = assign({"A": "z", "B": "a", "C": "b", "D": "c"}, {"A": "a", "B": "b", "C": "c"}, {"s": "z"})
    assert found.taken == {"A": ("s",), "B": ("n-A",), "C": ("n-B",), "D": ("n-C",)}


def test_a_user_that_keeps_its_name_blocks_no_other() -> None:
    assert assign({"A": "z", "B": "y"}, {"A": "a", "B": "b"}, {"s": "z"}).taken == {"A": ("s",)}


def test_a_name_that_an_unreadable_record_holds_is_taken() -> None:
    assert assign({"A": "a"}, {}, unreadable=("a",)).taken == {"A": ()}
    assert assign({"A": "a"}, {"A": "a"}, unreadable=("a",)).taken == {}


def test_an_account_that_has_its_name_already_keeps_it_even_where_another_account_has_it_too() -> None:
    # A server that heeds letter case may hold Jane@ and jane@; A is to give its name up, but cannot.
    found = assign({"A": "z", "B": "a"}, {"A": "a", "B": "a"}, {"s": "z"})
    assert found.taken == {"A": ("s",)}


def rename(who: str, before: str | None, after: str) -> Change:
    """``who`` takes the name ``after``; with no ``before`` the account is created."""
    return Change(
        "user",
        "update" if before else "create",
        after,
        f"n-{who}" if before else None,
        who,
        (Delta("userName", before, after),),
    )


def ordered(*changes: Change) -> dict[str, Change]:
    """The changes by Duo id, after ordering."""
    names = {
        change.id: str(change.diff[0].before).casefold() for change in changes if change.id and change.diff[0].before
    }
    found = order_renames(list(changes), "userName", names, lambda change, wanted: f"tmp-{change.external_id}-{wanted}")
    return {change.external_id or "": change for change in found}


def test_a_rename_waits_for_the_rename_that_frees_its_name() -> None:
    found = ordered(rename("A", "a", "x"), rename("B", "b", "a"), rename("C", None, "b"))
    assert [found[who].needs for who in "ABC"] == [(), ("user:n-A",), ("user:n-B",)]
    assert not any(change.via for change in found.values())


def test_names_free_one_another_without_regard_to_letter_case() -> None:
    found = ordered(rename("A", "Ann@X", "x"), rename("B", "b", "aNN@x"))
    assert found["B"].needs == ("user:n-A",)


def test_a_change_of_letter_case_alone_waits_for_no_other_rename() -> None:
    found = ordered(rename("A", "staff", "Staff"))
    assert (found["A"].needs, found["A"].via) == ((), None)


def test_a_swap_of_names_uses_one_temporary_name_and_the_reason_says_so() -> None:
    found = ordered(rename("B", "b", "a"), rename("A", "a", "b"))
    # The first by key gives way: B wants "a".
    assert found["B"].via == "tmp-B-a"
    assert found["B"].reasons == ("goes by way of a temporary name",)
    assert found["A"].via is None
    assert (found["A"].needs, found["B"].needs) == (("user:n-B",), ("user:n-A",))


@pytest.mark.parametrize("length", [2, 3, 7])
def test_a_cycle_of_any_length_has_one_temporary_name(length: int) -> None:
    letters = "abcdefg"[:length]
    found = ordered(*(rename(c.upper(), c, letters[i - 1]) for i, c in enumerate(letters)))
    assert sum(change.via is not None for change in found.values()) == 1


def test_two_cycles_have_one_temporary_name_each_and_a_newcomer_waits_at_neither() -> None:
    found = ordered(
        rename("A", "a", "b"),
        rename("B", "b", "a"),
        rename("C", "c", "d"),
        rename("D", "d", "c"),
        rename("E", None, "e"),
    )
    assert [who for who in "ABCDE" if found[who].via] == ["B", "D"]
    assert found["E"].needs == ()


def test_the_order_of_records_decides_nothing() -> None:
    changes = [rename("A", "a", "b"), rename("B", "b", "c"), rename("C", "c", "a"), rename("D", "d", "e")]
    assert ordered(*changes) == ordered(*reversed(changes))


@given(st.permutations(range(7)), st.integers(0, 6))
def test_whatever_names_move_each_is_freed_before_it_is_taken(targets: list[int], leaving: int) -> None:
    """Carry the renames out one by one in the order that ``needs`` and ``via`` give; no name is ever held twice."""
    changes = [
        rename(str(who), f"name{who}", f"name{targets[who]}" if who != leaving else "elsewhere") for who in range(7)
    ]
    found = ordered(*changes)
    holder = {f"name{who}": str(who) for who in range(7)}

    def move(who: str, to: str) -> None:
        assert holder.get(to, who) == who, "the name is held by another"
        for name in [name for name, other in holder.items() if other == who]:
            del holder[name]
        holder[to] = who

    by_name = {change.name: change for change in found.values()}
    for change in found.values():
        if change.via:
            move(change.external_id or "", change.via)
    done: set[str] = set()

    def carry_out(change: Change) -> None:
        if change.name in done:
            return
        done.add(change.name)
        for need in change.needs:
            if not by_name[need].via:
                carry_out(by_name[need])
        move(change.external_id or "", str(change.diff[0].after))

    for change in sorted(found.values(), key=lambda one: bool(one.via)):
        carry_out(change)
    assert holder == {str(change.diff[0].after): change.external_id for change in found.values()}
