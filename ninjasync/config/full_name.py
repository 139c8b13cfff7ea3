"""A full name as two parts, the given and the family name, neither of which loses a word.

Pure. Knows how people of many cultures write their names, as far as the text alone tells
it; knows nothing of directories. Own code and no library: nameparser (2.6, LGPL) had 50 of
the 64 names in tests/test_full_name.py right, and took 0.3 ms for each, longer than a plan
takes for everything else about a user.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

_BRACKETS = r"(?:\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|\"[^\"]+\"|“[^”]+”|„[^“”]+[“”]|«[^»]+»)"
_COMMAS = frozenset(",،、，")
# A word, a comma, or what stands in brackets between blanks, whatever it holds.
_TOKEN = re.compile(rf"(?<![^\s,،、，]){_BRACKETS}(?=[\s,،、，]|$)|[,،、，]|[^\s,،、，]+")
_NICKNAME = re.compile(_BRACKETS)
# Two plain words: nearly all names. Each of these is split as the rules below would.
_PLAIN = re.compile(
    r"([A-Z][a-zà-öø-ÿ]{2,})(-[A-Z][a-zà-öø-ÿ]+)? ([A-Z][a-zà-öø-ÿ]{3,}(?:-[A-Z][a-zà-öø-ÿ]+)?)"
).fullmatch


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What belongs to the family name that follows it.
_PARTICLES = _words(
    # Dutch, German, Nordic
    "van von vom zu zum zur vande vanden vander van't der den het de ter ten te op 't 's aan in't in uit uijt auf "
    "af av  freiherr freifrau graf gräfin baron "
    # Romance
    "du des d' d’ di da do das dos del della dello delle degli dei de' de’ dal dalla lo la le les las los li dela "
    "delos  delas san "
    # Arabic, Hebrew, Malay, Indian
    "al el ul ur bin ibn ben bar bat bint binte binti bte abu abou umm aït ait ould a/l a/p s/o d/o بن ابن بنت "
    "أبو ابو آل בן בת "
    # Irish, Scottish, Welsh
    "mac mc ó o' o’ ní nic uí ap st st. saint"
)
# Words of these that are first or middle names, too, or titles: a particle only in lower case.
_LOWER_ONLY = _words("in auf te do das des lo li les bar bat san den ap baron")
_AND = _words("y e i und en")
_TITLES = _words(
    "dr prof professor mr mrs ms mx miss herr frau hr fr sir dame lord lady rev reverend father sister ing mag "
    "dipl-ing  dipling doc mudr judr phdr don doña dña sra sr señor señora mme mlle m monsieur madame sig sigra "
    "dott dottssa avv  arch eng engr hon capt cpt col gen lt maj sgt sheikh datuk dato tan pan pani shri smt"
)
# Of these, the ones that are names when they have no dot.
_TITLES_BY_DOT = _words("fr mag doc don m sig arch eng hon col gen lt tan pan sr ing")
_SUFFIXES = _words(
    "jr sr junior senior ii iii iv phd dphil md dds dvm dmd mba msc bsc meng beng llm llb jd esq cpa pmp cissp "
    "cfa obe mbe  cbe jun sen frs frcp edd psyd pharmd rn filho neto"
)
# Only behind a comma, and in capitals: elsewhere they are names.
_SUFFIXES_IN_CAPITALS = _words("ma ba pe do ed se dc pa np it ra")
# Frequent family names of countries where people have two: the father's, then the mother's.
_IBERIAN = _words(
    "garcia gonzalez rodriguez fernandez lopez martinez sanchez perez gomez jimenez hernandez diaz moreno munoz "
    "alvarez  romero gutierrez navarro torres dominguez vazquez ramos ramirez serrano molina morales suarez "
    "ortega delgado castro  ortiz marin sanz nunez medina castillo cortes guerrero lozano cano cruz mendez flores "
    "herrera pena cabrera vega fuentes  carrasco reyes aguilar vargas rojas mendoza salazar contreras guzman "
    "velasquez velazquez chavez rivera juarez espinoza  sandoval figueroa acosta ruiz silva santos oliveira souza "
    "sousa pereira ferreira costa rodrigues almeida carvalho gomes  martins araujo ribeiro barbosa rocha alves "
    "lima fernandes goncalves cardoso teixeira correia moreira nogueira"
)
_MARY = _words("maria mª ma.")
_DEVOTIONS = _words(
    "carmen pilar rosario angeles dolores luz mercedes concepcion conceicao carmo graca gloria mar soledad nieves "
    "lourdes paz  fatima socorro consuelo rocio remedios guadalupe amparo esperanza sagrario milagros"
)
_KOREAN = _words(
    "kim lee yi park pak bak choi choe jung jeong chung kang cho jo yoon yun jang chang lim im han oh seo suh "
    "shin sin kwon  hwang ahn an song yoo yu hong moon bae baek noh roh ban bong jeon heo nam shim chae tsai chen "
    "lin huang wang wu"
)
_VIETNAMESE = _words("nguyễn trần lê phạm huỳnh hoàng võ vũ đặng bùi đỗ hồ ngô dương lý nguyen pham huynh")
_PATRONYMIC = re.compile(r".+(?:ович|евич|ьич|овна|евна|ична|інічна|івна|ївна|йович)", re.IGNORECASE).fullmatch
_LATIN_PATRONYMIC = re.compile(r".+(?:[oe]vich|[oe]vna|ichna)", re.IGNORECASE).fullmatch
_SLAVIC = re.compile(r".+(?:ov|ev|ova|eva|in|ina|sky|skiy|skaya|ski|ska|enko)", re.IGNORECASE).fullmatch
_EAST_ASIAN = re.compile(r"[㐀-鿿豈-﫿々가-힣ぁ-ゖ𠀀-𯿿]+").fullmatch
_DOTTED_WORD = re.compile(r"[a-zäöü]+\.").fullmatch


def split_name(text: str) -> tuple[str, str] | None:
    """Return given and family name; None where the text is but one name.

    Each word of ``text`` is in one of the two. A comma is none: "Lang, Mia" is Mia Lang.
    Titles and middle names stay with the given name, particles ("van der") and suffixes
    ("Jr.") with the family name.
    """
    if (plain := _PLAIN(text)) is not None:
        first, more, last = plain.groups()
        if not _is_special(first.lower()) and not _is_special(last.lower()):
            return first + (more or ""), last
    return _split(text)


@lru_cache(maxsize=8192)
def _is_special(word: str) -> bool:
    """Whether a word, in lower case, may be something else than a name."""
    return any(
        word in some for some in (_PARTICLES, _AND, _TITLES, _SUFFIXES, _SUFFIXES_IN_CAPITALS, _VIETNAMESE, _DEVOTIONS)
    )


@lru_cache(maxsize=256)  # the two names of a user are asked for one after the other
def _split(text: str) -> tuple[str, str] | None:
    tokens = _TOKEN.findall(text)
    parts: list[list[str]] = [[]]
    for token in tokens:
        if token in _COMMAS:
            parts.append([])
        else:
            parts[-1].append(token)
    first, *others = [part for part in parts if part] or [[]]
    tail: list[str] = []
    while others and _are_suffixes(others[-1]) and (len(others) > 1 or len(_names_in(first)) > 1):
        tail = [*others.pop(), *tail]
    if not others:
        return _in_order(first, tail)
    given, *rest = others
    return _by_comma(first, [*given, *(word for part in rest for word in part)], tail)


def _by_comma(family: list[str], given: list[str], tail: list[str]) -> tuple[str, str] | None:
    """Return the parts of "Family, Given"; Dutch lists write "Berg, Jan van der"."""
    at = len(given)
    while at > 1 and _is_particle(given[at - 1]) and given[at - 1].islower():
        at -= 1
    family, given = [*given[at:], *family], given[:at]
    if not any(map(_has_letters, family)) or not any(map(_has_letters, given)):
        return None
    return " ".join(given), " ".join([*family, *tail])


def _in_order(words: list[str], tail: list[str]) -> tuple[str, str] | None:
    """Return the parts of a name as it is spoken, with what stands behind it."""
    # "Anna Huber - Contractor", "Anna Huber | IT": from the lone sign on it is no name.
    sign = next((at for at, word in enumerate(words) if not _has_letters(word)), len(words))
    if len(_names_in(words[:sign])) > 1:
        words, tail = words[:sign], [*words[sign:], *tail]
    while len(_names_in(words[:-1])) > 1 and (_is_suffix(words[-1]) or _NICKNAME.fullmatch(words[-1])):
        words, tail = words[:-1], [words[-1], *tail]
    start = 0
    while start < len(words) - 1 and _is_before_name(words, start):
        start += 1
    before, names = words[:start], words[start:]
    if len(_names_in(names)) < 2:
        return _at_last_word([*words, *tail])
    found = next(filter(None, (rule(names) for rule in _ORDERS)))
    given, family = found
    return " ".join([*before, *given]), " ".join([*family, *tail])


def _at_last_word(words: list[str]) -> tuple[str, str] | None:
    """Return the parts of what is hardly a name, as "Dr. House": two words are two names."""
    lettered = [at for at, word in enumerate(words) if _has_letters(word)]
    if len(lettered) < 2:
        return None
    return " ".join(words[: lettered[-1]]), " ".join(words[lettered[-1] :])


_Parts = tuple[list[str], list[str]]


def _by_script(names: list[str]) -> _Parts | None:
    """Read Chinese, Japanese and Korean names in their own script: the family name goes first."""
    return (names[1:], names[:1]) if all(map(_EAST_ASIAN, names)) else None


def _by_capitals(names: list[str]) -> _Parts | None:
    """Take words in capitals at the beginning for the family name: "ZHANG Wei"."""
    high = [_is_in_capitals(word) for word in names]
    at = high.index(False) if False in high else 0
    if at and not any(high[at:]) and all(len(word) > 2 for word in names[:at]):
        return names[at:], names[:at]
    return None


def _by_people(names: list[str]) -> _Parts | None:
    """Read names whose words show that the family name goes first."""
    first, last = names[0].casefold(), names[-1].casefold()
    others = names[1:]
    if (
        first in _VIETNAMESE
        and (first not in ("nguyen", "pham", "huynh") or len(others) > 1)
        and last not in _VIETNAMESE
    ):
        return others, names[:1]
    half, hyphen, more = names[-1].partition("-")
    if len(names) == 2 and first in _KOREAN and hyphen and half.istitle() and more.islower() and not _is_particle(half):
        return others, names[:1]
    if len(names) == 3 and not _PATRONYMIC(names[1]) and _PATRONYMIC(names[2]):
        return others, names[:1]
    if len(names) == 3 and _SLAVIC(first) and not _LATIN_PATRONYMIC(names[1]) and _LATIN_PATRONYMIC(names[2]):
        return others, names[:1]
    return None


def _by_particle(names: list[str]) -> _Parts | None:
    """Read a name that begins with a particle in lower case: "van der Berg Jan"."""
    at = 0
    while at < len(names) - 1 and names[at].islower() and _is_particle(names[at]):
        at += 1
    return (names[at + 1 :], names[: at + 1]) if 0 < at < len(names) - 1 else None


def _by_place(names: list[str]) -> _Parts:
    """Take the last word, with the particles before it, for the family name."""
    least = _given_at_least(names)
    at = len(names) - 1
    if names[-1].casefold() not in _VIETNAMESE:
        at = next((place for place in range(least, at) if _is_particle(names[place])), at)
        at = next((place - 1 for place in range(least + 1, at) if names[place] in _AND), at)
    if at > least and (_plainly(names[at - 1]) in _IBERIAN or names[at - 1].casefold() == "abd"):
        at -= 1
    return names[:at], names[at:]


_ORDERS: tuple[Callable[[list[str]], _Parts | None], ...] = (
    _by_script,
    _by_capitals,
    _by_people,
    _by_particle,
    _by_place,
)


def _given_at_least(names: list[str]) -> int:
    """Return how many words at the beginning are one given name: "María del Carmen", "Abd El Rahman"."""
    first, at = names[0].casefold(), 1
    if _plainly(first) in _MARY or first == "abd":
        while at < len(names) - 1 and _is_particle(names[at]):
            at += 1
        devoted = first == "abd" or _plainly(names[at]) in _DEVOTIONS
        if 1 < at < len(names) - 1 and devoted:
            return at + 1
    return 1


def _is_before_name(words: list[str], at: int) -> bool:
    """Whether the word at the beginning is a title, or goes with one: "Prof. Dr. med."."""
    word = words[at]
    form = word.casefold().replace(".", "")
    if form in _TITLES and (form not in _TITLES_BY_DOT or word.endswith(".")):
        return True
    return at > 0 and bool(_DOTTED_WORD(word)) and not _is_particle(word)


def _names_in(words: list[str]) -> list[str]:
    """Return those of ``words`` that are names: no title at the beginning, suffix, nickname or sign."""
    start = 0
    while start < len(words) and _is_before_name(words, start):
        start += 1
    named = [word for word in words[start:] if _has_letters(word) and not _NICKNAME.fullmatch(word)]
    return [word for at, word in enumerate(named) if not (at and _is_suffix(word)) and not _is_particle_alone(word)]


def _has_letters(word: str) -> bool:
    return any(map(str.isalnum, word))


def _is_particle_alone(word: str) -> bool:
    return word.islower() and _is_particle(word)


def _is_particle(word: str) -> bool:
    folded = word.casefold()
    return folded in _PARTICLES and (folded not in _LOWER_ONLY or word.islower())


def _is_suffix(word: str) -> bool:
    return word.casefold().replace(".", "") in _SUFFIXES


def _are_suffixes(words: list[str]) -> bool:
    """Whether a part behind a comma holds nothing but suffixes: ", PhD", ", M.A."."""
    return all(
        _is_suffix(word) or (word.isupper() and word.casefold().replace(".", "") in _SUFFIXES_IN_CAPITALS)
        for word in words
    )


def _is_in_capitals(word: str) -> bool:
    return word.isupper() and sum(map(str.isalpha, word)) > 1 and "." not in word


def _plainly(word: str) -> str:
    """Return a word in lower case and without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(c))
