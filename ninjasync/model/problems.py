"""Why a record is held: every code (CONTRACT §4) with what it says, what most likely causes it, and its cure.

Pure. The one table of problem codes. What is wrong with one record in particular is its ``Problem.message``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ninjasync.model.message import Message

Code = Literal[
    "missing-user-name",
    "invalid-user-name",
    "duplicate-user-name",
    "missing-name",
    "missing-user-type",
    "invalid-user-type",
    "unknown-status",
    "missing-organization",
    "invalid-organization",
    "unknown-organization",
    "name-taken",
    "expression-failed",
    "unreadable-record",
    "duplicate-group-name",
]
CODES: tuple[Code, ...] = get_args(Code)


@dataclass(frozen=True, slots=True)
class HeldNews:
    """Which records a message tells of, counted by code: those that were not held in the last run.

    Unless ``compared``, nothing is known of a last run, and all that are held count.
    """

    codes: tuple[tuple[str, int], ...]
    compared: bool

    @property
    def number(self) -> int:
        """How many records it are."""
        return sum(count for _, count in self.codes)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means for any record. ``meaning`` follows "the record" or "the user".

    ``cure`` is what to do about one record; ``common_cause`` what is likely wrong, and what to do, where most records
    are held for it, unless the configuration tells better (``planning.causes``). ``allowed_by`` is the key of [safety]
    that lets such a record pass.
    """

    meaning: str
    cure: str
    common_cause: str = ""
    allowed_by: str = ""


_NEXT = "The next run goes on with the user."

PROBLEMS: Mapping[Code, Explanation] = {
    "missing-user-name": Explanation(
        "has no e-mail address to be the userName",
        f"Give the user an e-mail address in Duo, or map userName to what holds one. {_NEXT}",
    ),
    "invalid-user-name": Explanation(
        "has a userName that is not an e-mail address",
        f"Correct the address in Duo: NinjaOne takes an e-mail address alone as userName. {_NEXT}",
        "what is mapped to userName is no e-mail address: map what holds one, or correct it in Duo",
    ),
    "duplicate-user-name": Explanation(
        "wants the same userName as another user",
        "Give each of them an e-mail address of their own in Duo.",
        "several users of Duo share an address: give each an address of their own",
    ),
    "missing-name": Explanation(
        "has a name that is missing or too long",
        f"Enter first and last name in Duo, 1 to 150 characters each. {_NEXT}",
    ),
    "missing-user-type": Explanation(
        "has no user type",
        f'Set the attribute to "technician" or "endUser" in Duo. {_NEXT}',
        allowed_by="allow_missing_user_type",
    ),
    "invalid-user-type": Explanation(
        "has a user type that is not one of those allowed",
        f'Write "technician" or "endUser" in Duo, exactly so. {_NEXT}',
        'the value is not "technician" or "endUser", exactly: correct it in Duo',
    ),
    "unknown-status": Explanation(
        "has a status in Duo that is not documented",
        "Look at the user's status in Duo; where it is a new one, update ninjasync or report it.",
        "Duo gives a status that ninjasync does not know: look at these users in Duo",
    ),
    "missing-organization": Explanation(
        "has no organization",
        f'Set the number of the user\'s organization in Duo, or "All" for every one. {_NEXT}',
        allowed_by="allow_missing_organization",
    ),
    "invalid-organization": Explanation(
        'has an organization that is neither a whole number nor "All"',
        f'Write the number of the user\'s organization in Duo, or "All" for every one. {_NEXT}',
        'the value is neither a number nor "All": correct it in Duo',
    ),
    "unknown-organization": Explanation(
        "has an organization that NinjaOne does not have",
        "Write its name or number in Duo as NinjaOne has it, or name it in [organizations].",
        "NinjaOne has no such organization: correct the value in Duo or in [organizations]",
    ),
    "name-taken": Explanation(
        "wants a userName that another account holds",
        "Rename or delete the account that holds the name in NinjaOne, or change the address in Duo.",
        "other accounts in NinjaOne hold their names: rename or delete those, or change the address in Duo",
    ),
    "expression-failed": Explanation(
        "makes an expression of the configuration fail",
        "Fix the expression in the configuration, or the record in Duo that it fails on.",
        "an expression of the configuration fails on the records: correct it",
    ),
    "unreadable-record": Explanation(
        "could not be read",
        "Look at the record in its console and fix what is odd; until then no account is removed.",
        "records could not be read: look at them in their console, and run again",
    ),
    "duplicate-group-name": Explanation(
        "would get the name of another group",
        "Give one of the groups another name, in Duo or with [groups] rename.",
        "several groups would get one name: rename them in Duo or with [groups] rename",
    ),
}


def cure(code: Code) -> Message:
    """Return what to do about a held record."""
    return Message(PROBLEMS[code].cure)
