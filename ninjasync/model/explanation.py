"""The nouns of ``explain``: one person's story, step by step, and what would be sent.

Pure. Knows what a story is made of; how it comes about is ``explain``'s affair, how it
looks the renderer's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ninjasync.model.change import Change
from ninjasync.model.directory import Problem
from ninjasync.model.plan import GuardResult, LastPlan

# What becomes of somebody: an action of the plan, or why there is none.
Outcome = Literal[
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
    "gone",  # the ledger alone knows him
]
StepName = Literal["read", "scope", "map", "match", "diff", "decide"]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was found. ``value`` is plain JSON: text, flag, number, None, or a list of these."""

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
    """What would be sent; secrets are masked. ``body`` is None where there is none."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Story:
    """One person, from Duo's record to what would happen.

    ``changes`` are the one of the account and those of groups, narrowed to this person's
    membership. ``stopped_by`` are the guards of the last full plan that would stop them,
    ``refused_now`` sentences on what would refuse any plan. ``unsure`` says what only a
    full plan can tell.
    """

    who: str
    name: str
    outcome: Outcome
    answer: str
    duo_id: str | None
    account_id: str | None
    steps: tuple[Step, ...]
    attributes: tuple[Attribute, ...]
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    shown: Mapping[str, str]
    last_plan: LastPlan | None
    stopped_by: tuple[GuardResult, ...]
    refused_now: tuple[str, ...]
    unsure: tuple[str, ...]
    requests: tuple[Request, ...] = ()
