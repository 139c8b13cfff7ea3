"""Events in the company while the sandbox serves: a line in, a line out.

Knows the words for events and the users they are for. Must not know where a line comes from (a terminal, a
POST), nor what NinjaOne makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import NamedTuple

from ninjasync.sandbox.company import year
from ninjasync.sandbox.company.people import Company
from ninjasync.sandbox.company.staffing import make_rng


class Word(NamedTuple):
    """An event that happens to one user: what it means, and how it comes about."""

    meaning: str
    event: year.Event


ON_ONE: Mapping[str, Word] = {
    "leave": Word("leaves the company and is in Duo's trash", year.trash),
    "disable": Word("is disabled in Duo", year.disable),
    "promote": Word("becomes a technician", year.promote),
    "rename": Word("marries: another family name and address", year.marry),
    "move": Word("leaves all groups for NinjaOne", year.move),
    "return": Word("is active and in a group for NinjaOne again", year.return_to_work),
}
WORDS: Mapping[str, str] = {
    "hire": "hire [FIRST LAST]: an end user is taken on",
    **{word: f"{word} [WHO]: the user {entry.meaning}" for word, entry in ON_ONE.items()},
    "rename-group": "rename-group: the synchronised group in scope gets another name",
    "year": "year: a whole year goes by, as in ninjasync demo",
    "help": "help: lists these; WHO is an e-mail address, a Duo username or id; without it the sandbox chooses a user",
}


class UnknownEvent(ValueError):
    """There is no such event or no such user; the sentence names the nearest."""


class Events:
    """The events of one company. The same seed and lines lead to the same events."""

    def __init__(self, people: Company, seed: int = 1) -> None:
        self._people = people
        self._seed = seed
        self._rng = make_rng(seed, "events")
        self._years = 0

    def run(self, line: str) -> str:
        """Let the event in this line happen, and return what happened in one line. On UnknownEvent nothing happens."""
        word, *rest = line.split() or ["help"]
        with self._people.lock:
            match word.lower():
                case "help":
                    return "; ".join(WORDS.values()) + "."
                case "hire":
                    return year.hire(self._people, self._rng, rest)
                case "rename-group":
                    return year.rename_group(self._people)
                case "year":
                    self._years += 1
                    return " ".join(year.live_a_year(self._people, self._seed + self._years - 1))
                case known if known in ON_ONE:
                    user_id = self._user(" ".join(rest)) if rest else self._any_user(known)
                    return ON_ONE[known].event(self._people, user_id, self._rng)
                case _:
                    raise UnknownEvent(f'There is no event "{word}"{_suggest(word, WORDS)} "help" lists them.')

    def _user(self, who: str) -> str:
        names: dict[str, str] = {}
        for user_id, user in self._people.users.items():
            names |= {name.casefold(): user_id for name in (user_id, user["username"], user["email"]) if name}
        try:
            return names[who.casefold()]
        except KeyError:
            raise UnknownEvent(f'Duo has no user "{who}"{_suggest(who, names)}') from None

    def _any_user(self, word: str) -> str:
        users = self._people.users
        if word == "return":
            gone = [key for key, user in users.items() if user["status"] in ("disabled", "pending deletion")]
            chosen = self._rng.choice(gone) if gone else None
        else:
            staff = year.Staff.shuffled(self._people, self._rng)
            chosen = staff.draw(end_user=word == "promote") if len(staff) else None
        if chosen is None:
            raise UnknownEvent(f"There is no user left who could {word}; name one.")
        return chosen


def _suggest(wrong: str, known: Mapping[str, str]) -> str:
    hits = get_close_matches(wrong.casefold(), known, n=1, cutoff=0.5)
    return f"; did you mean {hits[0]}?" if hits else "."
