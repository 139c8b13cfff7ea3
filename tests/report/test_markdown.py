"""Markdown reports: their order, what stands in them, and that no name in them is obeyed."""

import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ninjasync.errors import ConfigurationError, NinjasyncError
from ninjasync.model.change import Change, Member
from ninjasync.model.message import Message, number, text, word
from ninjasync.model.outcome import Result
from ninjasync.report.markdown import LIMIT, code, prose, render, render_error
from tests.support.plans import AT, NAMES, failing, hostile, made, of_every_kind, person

_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_OURS = {"<details>", "</details>", "<summary>", "</summary>", "<b>", "</b>", "<sub>", "</sub>"}


def tokens(text: str) -> list[Token]:
    flat = []
    for token in _PARSER.parse(text):
        flat += [token, *(token.children or ())]
    return flat


def bare_text(text: str) -> str:
    """Return all that a reader sees outside of code."""
    return "\n".join(token.content for token in tokens(text) if token.type == "text")


def headings(text: str) -> list[str]:
    return re.findall(r"^(?:## |### |<summary><b>)(.*?)(?:</b></summary>)?$", text, re.MULTILINE)


def test_guards_come_first_then_privilege_changes_then_removals_then_the_other_actions() -> None:
    report = render(of_every_kind(), AT)

    assert headings(report) == [
        "Plan: users: 1 to create, 1 to adopt, 3 to update, 1 to deactivate, 1 to delete, 1 held; groups: 1 to update.",
        "Changes of rights (1)",
        "Deletions (1)",
        "Deactivations (1)",
        "Creations (1)",
        "Adoptions (1)",
        "Updates (2)",
        "Reactivations (1)",
        "Held, left exactly as they are",
        "Warnings",
        "Leavers, inactive until they are deleted (1)",
    ]
    assert report.index("> [!CAUTION]") < report.index("| | create |") < report.index("### Changes of rights")


def test_a_tripped_guard_says_what_it_means_and_how_to_approve_it_and_the_others_are_silent() -> None:
    report = render(of_every_kind(), AT)

    assert "> **Refused: nothing is written.**" in report
    assert "- **removals**: 2 of 18 accounts would be removed. If that is meant: `--approve-removals 2`" in report
    assert "**held**" not in report


def test_the_counts_are_a_table_that_tells_users_from_groups() -> None:
    rows = [line for line in render(of_every_kind(), AT).splitlines() if line.startswith("| **")]

    assert rows == [
        "| **users** | 1 | 1 | 2 | 1 | 1 | 1 | 5 | 1 | 2 |",
        "| **groups** | 0 | 0 | 1 |  |  | 0 | 0 | 0 | unknown |",
    ]


def test_each_change_has_its_before_and_after_its_members_and_its_reasons() -> None:
    report = render(of_every_kind(), AT)

    assert '`userType`: `"endUser"` → `"technician"`' in report
    assert 'by way of `"ninjasync-DU000004@example.com"`' in report
    assert "1 member added: `promoted@example.com`" in report
    assert "1 member removed: `gone@example.com`" in report
    assert "because: disabled in Duo" in report


def test_a_held_user_comes_with_the_cure() -> None:
    report = render(of_every_kind(), AT)

    assert '**`invalid-user-type`** (1): Write "technician" or "endUser" in Duo, exactly so.' in report
    assert "- user `chef@example.com`: the user type `'chef'` is not valid" in report


def test_an_empty_plan_says_so() -> None:
    report = render(made(), AT)

    assert "No changes. NinjaOne is what Duo implies." in report
    assert "CAUTION" not in report


def test_a_run_tells_every_outcome_what_was_not_kept_and_what_is_left_for_a_person() -> None:
    plan = of_every_kind()
    result = failing(plan)

    report = render(plan, AT, result, 4, (Message("Give a role to {}.", text("<b>Techs</b>")),))

    assert "**Applied: 6 applied, 1 failed, 1 skipped.** Exit code 4." in report
    assert "**adopt** user `adopted@example.com` — **failed**: NinjaOne said no to `adopted@example.com`." in report
    assert "— **skipped**: not tried: too many failures" in report
    assert 'NinjaOne made `"<b>guest</b>"` of `userType` `"endUser"`' in report
    assert "- Give a role to `<b>Techs</b>`." in report


def test_a_run_that_was_stopped_says_by_what() -> None:
    stopped = replace(
        Result.skipped(made(person(1)), Message("x")), interrupted=True, fatal=NinjasyncError("All is lost.")
    )

    report = render(made(person(1)), AT, stopped, 130)

    assert "The run was interrupted; the next one goes on from here." in report
    assert "The run was stopped: All is lost." in report


def test_what_a_guard_withholds_is_marked() -> None:
    plan = made(person(1), person(2))
    plan = replace(plan, withheld=frozenset({plan.changes[0].name}), guards=of_every_kind().guards)

    report = render(plan, AT)

    assert "**create** user `user1@example.com` — **withheld**, see the guards" in report
    assert "**create** user `user2@example.com`\n" in report
    assert "> **1 change is withheld.**" in report


def test_no_name_becomes_a_link_an_image_html_a_heading_or_a_table() -> None:
    report = render(hostile(), AT, failing(hostile()), 4, tuple(Message("{}", text(name)) for name in NAMES))

    found = tokens(report)
    assert not {"link_open", "image", "em_open", "s_open", "fence", "code_block", "hr"} & {
        token.type for token in found
    }
    blocks = [line for token in found if token.type == "html_block" for line in token.content.split("\n")]
    inline = [token.content for token in found if token.type == "html_inline"]
    assert {tag for line in (*blocks, *inline) for tag in re.findall(r"<[^>]*>", line)} <= _OURS
    assert [token.tag for token in found if token.type == "heading_open"].count("h2") == 1
    assert sum(token.type == "table_open" for token in found) == 1
    assert not any(token.type == "ordered_list_open" for token in found)


def test_outside_of_code_stands_nothing_that_github_makes_a_reference_of() -> None:
    shown = bare_text(render(hostile(), AT, failing(hostile()), 4, tuple(Message("{}", text(name)) for name in NAMES)))

    assert not re.findall(r"@|#|://|www\.|GH-|\$|:[a-z]\w*:", shown)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stands_in_one_code_span_and_on_one_line(name: str) -> None:
    (inline,) = (token for token in _PARSER.parse(f"- **create** user {code(name)} end") if token.type == "inline")

    kinds = [token.type for token in inline.children or () if token.type != "text"]
    assert kinds == ["strong_open", "strong_close", "code_inline"]
    assert "\n" not in code(name)


@pytest.mark.parametrize(
    "written", ["1. no list", "2) none", "- no", "+ no", "> no", "# no", "a_b_c", "[x]: y", "~~~ no", "---"]
)
def test_what_is_filled_in_cannot_begin_a_block(written: str) -> None:
    found = [token.type for token in tokens(f"- {prose(Message('{}', text(written)))}")]

    assert found.count("bullet_list_open") == 1
    assert not {"ordered_list_open", "blockquote_open", "heading_open", "em_open", "hr", "fence"} & set(found)


def test_plain_words_stay_plain_and_tokens_become_code() -> None:
    said = Message(
        'the limit is {} % ({}), "as_said": {}.', number("33.3"), word("[safety] x"), text("jane@example.com")
    )

    assert prose(said) == r'the limit is 33.3 % (`[safety] x`), "as\_said": `jane@example.com`.'


def test_a_long_report_is_cut_between_entries_below_the_limit_and_points_to_the_full_one() -> None:
    plan = made(*(person(number) for number in range(20_000)))

    report = render(plan, AT)

    assert LIMIT - 1_000 < len(report) <= LIMIT
    assert report.count("<details>") == report.count("</details>") == 1
    assert report.count("\n- **create**") == report.count("because:")
    (left,) = re.findall(r"Cut here: (\d+) more entries .* `ninjasync show PLANFILE --format html`", report)
    assert int(left) + report.count("\n- **create**") == 20_000


def test_what_must_be_seen_survives_the_cut() -> None:
    removals = (Change("user", "delete", f"gone{number}@example.com", str(number), None) for number in range(5))
    plan = replace(made(*(person(number) for number in range(5_000)), *removals), guards=of_every_kind().guards)

    report = render(plan, AT)

    assert "Cut here" in report
    assert all(f"gone{number}@example.com" in report for number in range(5))
    assert "--approve-removals 2" in report


def test_one_huge_entry_does_not_use_up_the_report() -> None:
    members = tuple(Member(f"user{number}@example.com", None, None) for number in range(10_000))
    everybody = Change("group", "update", "Everybody", "1", "DG000001", added=members)
    plan = made(everybody, person(1), warnings=("x y " * 50_000,))

    report = render(plan, AT)

    assert "10000 members added" in report
    assert "and 9960 more" in report
    assert "user1@example.com" in report
    assert len(report) < 10_000


def test_the_same_plan_gives_the_same_bytes() -> None:
    assert render(hostile(), AT) == render(hostile(), AT)


def test_a_failure_is_a_small_document_with_every_mistake() -> None:
    error = ConfigurationError("It is wrong: @octocat.", "Mend <it>.", mistakes=("duo: [a](b)", "scope: none"))

    report = render_error(error, AT)

    assert headings(report) == ["ninjasync failed", "Mistakes in the configuration"]
    assert "`It is wrong: @octocat.`" in report
    assert r"Mend \<it\>." in report
    assert "- scope: none" in report
    assert "Exit code 78." in report
    assert "link_open" not in {token.type for token in tokens(report)}
