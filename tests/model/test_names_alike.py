"""The one rule for names (CONTRACT 5.12), and that nothing else compares them."""

import ast
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ninjasync
from ninjasync.names_alike import alike, fitting_none, folded, matcher, spelled

BLANKS = [" ", "\t", "\u00a0", "\u2003", "\u202f", "\u3000", "\u200b", "\ufeff", "\u200e", "\u202a", "\r\n"]


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("name", ["breakglass@example.com", "Müller@example.com"])
def test_a_blank_of_any_kind_at_an_end_makes_no_other_name(name: str, blank: str) -> None:
    assert alike(name, name + blank)
    assert alike(blank + name.upper(), name)
    assert spelled(blank + name + blank) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [("groß@example.com", "gross@example.com"), ("ﬁona@example.com", "fiona@example.com"), ("Staff", "St aff")],
)
def test_only_the_case_of_a_letter_may_differ(one: str, other: str) -> None:
    assert not alike(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("josé@example.com", "jose\u0301@example.com"),
        ("JOSE\u0301@example.com", "josé@example.com"),
        ("J\u030c@example.com", "\u01f0@example.com"),
        ("\u212bngstrom", "\u00e5ngstrom"),
    ],
)
def test_a_letter_is_the_same_however_its_accent_is_written(one: str, other: str) -> None:
    assert alike(one, other)


@given(st.text())
def test_a_folded_name_folds_to_itself(name: str) -> None:
    assert folded(folded(name)) == folded(name)


@given(st.text(st.characters(max_codepoint=127)))
def test_the_quick_way_for_plain_ascii_agrees_with_the_other(name: str) -> None:
    assert folded(name + "é").removesuffix("é").strip() == folded(name)
    assert folded(name) == unicodedata.normalize("NFC", name).strip().lower()


@given(st.text())
def test_what_is_written_is_the_same_name(name: str) -> None:
    assert alike(spelled(name), name)


def test_an_entry_that_is_the_name_goes_before_a_glob_that_fits_it() -> None:
    match = matcher(["*@example.com ", "Jose\u0301@example.com"])
    assert match("JOSÉ@example.com") == "Jose\u0301@example.com"
    assert match("x@EXAMPLE.com\u00a0") == "*@example.com "
    assert match("x@example.org") is None


def test_entries_that_fit_none_are_found_in_their_order() -> None:
    names = ["a@example.com", "SVC-1@example.com"]
    assert fitting_none(["z@example.com", "A@example.com\t", "svc-*", "tmp-*"], names) == ("z@example.com", "tmp-*")


# Where ``casefold`` may stand, and why: nowhere are two names compared by it.
CASEFOLD = {
    "model.attributes": "attribute paths, and what a misspelt word is near to",
    "names_alike": "what a misspelt word is near to",
    "check.duo": "what a misspelt field is near to",
    "cli.session": "yes or no",
    "config.ninjaone": "a word of a closed set",
    "config.mapping": "the word All",
    "planning.diff": "the order of changes",
    "config.full_name": "particles and suffixes of people's names, which are words of closed sets",
    "planning.members": "the order of members",
    "runs.duo_survey": "the order of groups and names",
    "runs.questions": "a word of a closed set",
    "planning.leavers": "the order of deletions",
    "planning.attribute_rules": "the word All",
    "planning.names": "the order of a cycle",
    "planning.organizations": "the word All",
    "planning.planner": "the order of leavers",
    "check.probe": "what NinjaOne makes of a value",
    "check.probe_account": "words in an error, attribute names, and what NinjaOne makes of a value",
    "check.probe_groups": "attribute names, ids, and what NinjaOne makes of a value",
    "report.redact": "words of closed sets: user types and All",
    "planning.rights": "words of closed sets: user types and All",
    "ninjaone.user_pages": "attribute names",
    "ninjaone.scim_requests": "attribute names and words",
    "ninjaone.scim_responses": "attribute names and words",
    "model.values": "words of closed sets: user types and All",
    "config.secrets": "the word Bearer",
    "config.load": "section names",
    "config.environment": "section names",
}


def test_no_two_names_are_compared_by_another_rule() -> None:
    root = Path(ninjasync.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        tree = ast.parse(path.read_text("utf-8"))
        if any(isinstance(node, ast.Attribute) and node.attr == "casefold" for node in ast.walk(tree)):
            found.add(module)
    assert {module for module in found if not module.startswith("sandbox.")} <= CASEFOLD.keys(), (
        "Names are compared by names_alike.folded; give a reason here where no two names are compared."
    )


def test_the_places_where_names_are_compared_know_the_one_rule() -> None:
    root = Path(ninjasync.__file__).parent
    for module in (
        *(
            "planning/matching",
            "planning/names",
            "planning/users",
            "planning/groups",
            "planning/scope",
            "planning/planner",
        ),
        *("runs/freshness", "ninjaone/endpoint", "explain/search", "duo/records"),
    ):
        assert "names_alike" in (root / f"{module}.py").read_text("utf-8"), module
