"""The nouns of ``explain``: one user's case, step by step, and what would be sent.

Pure. Knows what an explanation consists of; must not know how it comes about, nor how
it looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ninjasync.model.change import Change
from ninjasync.model.directory import Problem
from ninjasync.model.plan import GuardResult

# What becomes of a user or an account: an action of the plan, or why there is none.
Conclusion = Literal[
    "create",
    "adopt",
    "update",
    "reactivate",
    "deactivate",
    "delete",
    "unchanged",
    "held",
    "left-alone",
    "protected",
    "out-of-scope",
    "inactive",  # a leaver's account, until it is deleted, or for good
    "kept",  # a leaver's account that the configuration keeps
    "unmanaged",
    "gone",  # known to the ledger alone
]
StepName = Literal["read", "scope", "map", "match", "diff", "decide"]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was read. ``value`` is plain JSON: text, flag, number, None, or a list of these."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Attribute:
    """How one attribute came about: what ``expression`` gave, and the valid ``value``, None where there is none.

    ``source`` says which part of ``a || b`` gave it; empty where there is one part only.
    """

    path: str
    expression: str
    given: Any
    value: str | None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way. ``settings`` are the lines of the configuration that led to it."""

    name: StepName
    text: str
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What would be sent; secrets are masked. ``body`` is None where there is none.

    ``note`` says why it would not be sent after all.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: Any
    note: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One user, from Duo's record to what would happen.

    ``changes`` are the one of the account and those of groups, narrowed to this user's
    membership; ``withheld`` names those that the plan withholds. ``guards`` are the
    plan's verdicts, ``refused`` whether it may be written at all, and ``stopped_by`` the
    guards that stop these very changes. ``shown`` gives attributes' names for people, and
    ``organizations`` names by number.
    """

    who: str
    name: str
    conclusion: Conclusion
    answer: str
    duo_id: str | None
    account_id: str | None
    steps: tuple[Step, ...]
    attributes: tuple[Attribute, ...]
    changes: tuple[Change, ...]
    withheld: frozenset[str]
    problems: tuple[Problem, ...]
    shown: Mapping[str, str]
    guards: tuple[GuardResult, ...]
    refused: bool
    stopped_by: tuple[GuardResult, ...]
    requests: tuple[Request, ...] = ()
    organizations: Mapping[str, str] = field(default_factory=dict)
