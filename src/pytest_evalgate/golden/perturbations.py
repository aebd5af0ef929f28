"""Perturbations of a question that keep its meaning by construction: typos, case, white space, look-alikes and others.

Only free words are changed: words of lower-case letters outside of what carries meaning by its exact characters
(`protected`). So names, acronyms, numbers, negations, identifiers, code, addresses and quoted texts stay as they are.
Each perturbation returns None if it has nothing to change. All choices come from a digest of the seed, so the same
seed gives the same text on every machine and version of Python.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_FREE_WORD: Final = re.compile(r"[^\W\d_]+")
_PROTECTED: Final = re.compile(
    r"""
    ```.*?```|~~~.*?~~~|`[^`\n]+`          # code
    | \{\{.*?\}\}|\{[^{}\n]*\}|<[^<>\n]+>|\$\w+ # placeholders and tags
    | \w+://\S+|www\.\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+ # addresses
    | "[^"\n]*"|\u201c[^\u201d\n]*\u201d|\u201e[^\u201c\u201d\n]*[\u201c\u201d]|«[^»\n]*»
    | \u2018[^\u2019\n]*\u2019|(?<!\w)'[^'\n]*'(?!\w) # quoted texts
    | [~.]{0,2}/[\w./-]+|\b[A-Za-z]:\\\S+     # paths
    | [@\#]\w+                              # mentions and tags
    | \S*[\d_]\S*                           # numbers, and identifiers with a digit or an underscore
    | [^\W\d_]+(?:[.:/\\=&+*][^\W\d_]+)+     # dotted names, and-or, formulas
    """,
    re.VERBOSE | re.DOTALL,
)
"""What stays as it is, beside words with a capital letter."""

_EXACT_WORDS: Final = """
    no not none never nothing nobody neither nor without except unless only zero one two three four five six seven
    eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty
    fifty sixty seventy eighty ninety hundred thousand million billion once twice thrice half third quarter first
    second fourth fifth sixth seventh eighth ninth tenth last dozen double triple single kein keine nicht nie ohne
    nur null eins zwei drei vier sechs sieben acht neun zehn pas jamais sans ninguno nunca sin
"""
_EXACT: Final = frozenset(_EXACT_WORDS.split())
"""Words for numbers and negations, which stay as they are."""

_CODE_LINE: Final = re.compile(r"^(?: {4}|\t).*$|^.*[;{}=]\s*$", re.MULTILINE)
"""Lines that are indented or end as code does."""


@dataclass(frozen=True, slots=True)
class Dice:
    """Source of choices: a digest of the seed, the kind and the id of the case."""

    seed: str

    def below(self, number: int, *what: object) -> int:
        """Return a whole number from 0 to ``number - 1``, the same for the same ``what``."""
        text = "\0".join([self.seed, *map(str, what)])
        return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8]) % number

    def pick(self, places: Sequence[int], share: int, *what: object) -> list[int]:
        """Return one of ``share`` of the places, at least one, in their order."""
        wanted = max(1, len(places) // share)
        return sorted(sorted(places, key=lambda place: self.below(1 << 62, *what, place))[:wanted])


@dataclass(frozen=True, slots=True)
class PerturbableText:
    """The text of a question, the exact texts that must stay in it, and words that a typo may not produce."""

    text: str
    kept: tuple[str, ...] = ()
    vocabulary: frozenset[str] = frozenset()

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The protected parts."""
        return list(protected(self.text, self.kept))

    def free_words(self) -> list[re.Match[str]]:
        """Return the words of lower-case letters outside of the protected parts."""
        spans = self.spans
        words = (word for word in _FREE_WORD.finditer(self.text) if word[0].islower() and word[0] not in _EXACT)
        return [word for word in words if self._is_free(word, spans)]

    def _is_free(self, word: re.Match[str], spans: Iterable[tuple[int, int]]) -> bool:
        after = self.text[word.end() : word.end() + 1]
        is_whole = not (after and (unicodedata.combining(after) or after in "'\u2019"))  # e + accent, don't
        before = self.text[word.start() - 1 : word.start()] if word.start() else ""
        return (
            is_whole
            and before not in ("'", "\u2019")
            and not any(a < word.end() and word.start() < b for a, b in spans)
        )


Perturbation = Callable[[PerturbableText, Dice], str | None]


def protected(text: str, kept: Iterable[str] = ()) -> Iterator[tuple[int, int]]:
    """Yield the spans of ``text`` that carry meaning by their exact characters; ``kept`` are further texts that do."""
    yield from (found.span() for pattern in (_PROTECTED, _CODE_LINE) for found in pattern.finditer(text))
    for one in kept:
        start = text.find(one) if one.strip() else -1
        while start >= 0:
            yield start, start + len(one)
            start = text.find(one, start + 1)


def _replaced(text: str, changes: Mapping[tuple[int, int], str]) -> str:
    for (start, end), new in sorted(changes.items(), reverse=True):
        text = text[:start] + new + text[end:]
    return text


_SHORTEST: Final = 5
_ONE_TYPO_IN: Final = 8  # words
_WORDS_BY_SWAP: Final = """
    bards barely barley barns blots board boards bolts brads brans broad broads brunt burnt calms carbs carve
    casual causal clams clots colts complaint complaints compliant corps crabs crave crops crust curst dairies
    dairy diaries diary field fields filed fired fires forth fried fries froth gaols goals lairs liars marital
    martial parts perfect prats prefect resigned resinged sacred salve satin satins scared signed signer signers
    signing silver singed singer singers singing slave sliver spilt split stain stains there three tiers tired
    tires trail trails trial trials tried tries unite united untie untied warps worth wraps wroth
"""
_REAL_WORDS: Final = frozenset(_WORDS_BY_SWAP.split())
"""English words that a swap of two inner letters makes of another word."""


def typo(question: PerturbableText, dice: Dice) -> str | None:
    """Swap two neighbouring inner letters of one free word in eight, of at least five letters.

    Never into another word: neither one of the golden set nor one of a list of English pairs such as trial and trail.
    """
    places: dict[int, tuple[re.Match[str], list[str]]] = {}
    for number, word in enumerate(question.free_words()):
        if made := list(_swaps(word[0], question.vocabulary)):
            places[number] = word, made
    if not places:
        return None
    chosen = dice.pick(list(places), _ONE_TYPO_IN, "word")
    changes = {places[at][0].span(): places[at][1][dice.below(len(places[at][1]), "swap", at)] for at in chosen}
    return _replaced(question.text, changes)


def _swaps(word: str, vocabulary: frozenset[str]) -> Iterator[str]:
    if len(word) < _SHORTEST or word in _REAL_WORDS:
        return
    for at in range(1, len(word) - 2):
        swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        if swapped != word and swapped not in vocabulary and swapped not in _REAL_WORDS:
            yield swapped


def upper_case(question: PerturbableText, _dice: Dice) -> str | None:
    """Write the free words in capitals. Words that have a capital letter already stay."""
    words = [word for word in question.free_words() if word[0].upper().lower() == word[0]]
    text = _replaced(question.text, {word.span(): word[0].upper() for word in words})
    return text if text != question.text else None


_ONE_SPACE_IN: Final = 4


def white_space(question: PerturbableText, dice: Dice) -> str | None:
    """Double one in four single spaces between free words, and add spaces at both ends. Lines and indents stay."""
    pairs = pairwise(question.free_words())
    gaps = [word.end() for word, after in pairs if question.text[word.end() : after.start()] == " "]
    if not gaps:
        return None
    chosen = dice.pick(gaps, _ONE_SPACE_IN, "space")
    return f" {_replaced(question.text, {(at, at + 1): '  ' for at in chosen})}  "


_END: Final = re.compile(r"(?<=[^\W_])([.?!])\s*\Z")


def punctuation(question: PerturbableText, dice: Dice) -> str | None:
    """Remove or repeat the mark at the very end. Marks inside stay, since a comma can carry meaning."""
    found = _END.search(question.text)
    if found is None or any(start <= found.start() < end for start, end in question.spans):
        return None
    new = "" if dice.below(2, "mark") else found[1] * 2
    return _replaced(question.text, {found.span(1): new})


_LOOK_ALIKES: Final = {
    "a": "\u0430",
    "c": "\u0441",
    "e": "\u0435",
    "i": "\u0456",
    "o": "\u043e",
    "p": "\u0440",
    "x": "\u0445",
    "y": "\u0443",
}
"""Cyrillic letters that look like Latin ones."""

_ONE_WORD_IN: Final = 4


def homoglyph(question: PerturbableText, dice: Dice) -> str | None:
    """Replace one letter of one free word in four by a Cyrillic letter that looks the same."""
    words = [word for word in question.free_words() if word[0].isascii() and set(word[0]) & set(_LOOK_ALIKES)]
    if not words:
        return None
    changes: dict[tuple[int, int], str] = {}
    for at in dice.pick(range(len(words)), _ONE_WORD_IN, "word"):
        word = words[at]
        letters = [place for place, letter in enumerate(word[0]) if letter in _LOOK_ALIKES]
        place = word.start() + letters[dice.below(len(letters), "letter", at)]
        changes[place, place + 1] = _LOOK_ALIKES[question.text[place]]
    return _replaced(question.text, changes)


_ASIDES: Final = (
    "My desk stands next to the window.",
    "The kettle is in the kitchen.",
    "There is a tree in front of the building.",
    "This message was typed on a keyboard.",
    "The curtains in this room are grey.",
    "A bicycle is leaning against the wall outside.",
)
"""English sentences without a number, a name, a question, a request or an opinion."""


def distractor(question: PerturbableText, dice: Dice) -> str | None:
    """Add a sentence before the question that has nothing to do with it: no number, name, request or opinion."""
    return f"{_ASIDES[dice.below(len(_ASIDES), 'aside')]}\n\n{question.text}" if question.text.strip() else None


PERTURBATIONS: Final[Mapping[str, Perturbation]] = {
    "typo": typo,
    "case": upper_case,
    "whitespace": white_space,
    "punctuation": punctuation,
    "homoglyph": homoglyph,
    "distractor": distractor,
}
"""Perturbations of a text by kind. ``order`` changes passages, see `golden.case_variants`."""
