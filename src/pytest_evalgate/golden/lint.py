"""What is worth knowing of golden sets before they gate anything: pure functions from cases to findings."""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from pytest_evalgate.config import MustPassGate, SliceGate
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.config import Model, Suite
    from pytest_evalgate.golden.load import ReadFile
    from pytest_evalgate.records.results import Case, Json, Place, PlannedCase

    _Shingles = frozenset[int]

Severity = Literal["error", "warning", "note"]
"""An error makes a verdict worthless, a warning makes it doubtful, a note is good to know."""


@dataclass(frozen=True, slots=True)
class LintFinding:
    """What was found: line 0 of ``place`` is the file as a whole, ``kind`` names the check in a word."""

    place: Place
    kind: str
    severity: Severity
    message: str

    def __str__(self) -> str:
        """Render as ``file:line: kind: message``; line 0 is left out."""
        where = str(self.place) if self.place.line else self.place.file
        return f"{where}: {self.kind}: {self.message}"


_ASKED: Final = ("input", "messages", "vars")
_ALL: Final = (
    *("id", *_ASKED, "expected", "expected_any", "rubric", "context", "reference_context", "output", "trajectory"),
    *("expected_tools", "asserts", "tags", "slice", "metadata", "human_label"),
)
_WORD: Final = re.compile(r"\w+")


def input_text(case: Case) -> str:
    """Return all that a case asks as one text; without its variables where they only repeat the input."""
    return "\n".join(dict.fromkeys(text for name in _ASKED for text in strings(getattr(case, name))))


def expected_texts(case: Case) -> tuple[str, ...]:
    """Return the texts of which one is wanted."""
    return tuple(value for value in (case.expected, *case.expected_any) if isinstance(value, str))


def fields(case: Case) -> Iterator[tuple[str, str]]:
    """Yield every text of a case with the name of its field."""
    for name in _ALL:
        if value := getattr(case, name):
            for text in strings(value):
                yield name, text


def strings(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON value, but not the keys of its objects."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from strings(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from strings(member)


def words(text: str) -> list[str]:
    """Return the words of a text, whatever their case and what stands between them."""
    return _WORD.findall(text.casefold())


def contains_words(text: str, part: str) -> bool:
    """Tell whether ``part`` stands in ``text`` as whole words; both are case-folded already."""
    start = text.find(part)
    while start >= 0:
        end = start + len(part)
        if not (_joins(text[start - 1 : start], part[:1]) or _joins(part[-1:], text[end : end + 1])):
            return True
        start = text.find(part, start + 1)
    return False


def _joins(left: str, right: str) -> bool:
    """Tell whether a word goes on from one character to the next."""
    return bool(left and right and _WORD.match(left) and _WORD.match(right))


MIN_SIMILARITY: Final = 0.8
"""Cases are almost the same where so large a share of their word pairs is common to both (Jaccard index)."""

_BITS: Final = 32
_LONGEST_LIST: Final = 32
"""A pair that stands in more cases than this belongs to a template: it leads to the first ones only."""


def duplicates(cases: Iterable[Case]) -> Iterator[LintFinding]:
    """Find the cases that ask what an earlier one asks, and those that ask almost that."""
    first: dict[str, Case] = {}
    for case in cases:
        if not input_text(case).strip():
            continue
        key = jsonl.digest([case.input, case.messages, case.vars, case.context])
        if key in first:
            yield _same(case, first[key])
        else:
            first[key] = case
    yield from _almost(list(first.values()))


def _same(case: Case, earlier: Case) -> LintFinding:
    where = f"{jsonl.quote_text(earlier.id)} ({earlier.place})"
    if case.expected != earlier.expected or case.expected_any != earlier.expected_any:
        return LintFinding(case.place, "contradiction", "warning", f"asks what {where} asks, and wants something else")
    return LintFinding(case.place, "duplicate", "warning", f"asks what {where} asks, so that it counts twice")


def _almost(cases: Sequence[Case]) -> Iterator[LintFinding]:
    """Find near-duplicates by a join on the rarest pairs: of two that are alike, one of these is common to both."""
    numbers = _Numbers()
    shingles = [_shingles(input_text(case), numbers) for case in cases]
    shown = [_shingles("\n".join(case.context), numbers) for case in cases]
    frequency = Counter(pair for held in shingles for pair in held)
    lists: dict[int, list[int]] = defaultdict(list)
    for index, held in enumerate(shingles):
        prefix = _rarest(held, frequency)
        for other in dict.fromkeys(other for pair in prefix for other in lists[pair]):
            likeness = _similarity(held, shingles[other])
            if likeness >= MIN_SIMILARITY and _similarity(shown[index], shown[other]) >= MIN_SIMILARITY:
                yield _near(cases[index], cases[other], likeness)
                break
        for pair in prefix:
            if frequency[pair] > 1 and len(lists[pair]) < _LONGEST_LIST:
                lists[pair].append(index)


def _rarest(held: _Shingles, frequency: Mapping[int, int]) -> list[int]:
    """Return so many of the rarest pairs that what holds none of them is too different; none where all else is."""
    if sum(frequency[pair] > 1 for pair in held) < MIN_SIMILARITY * len(held):
        return []
    by_rarity = sorted(held, key=lambda pair: (frequency[pair], pair))
    return by_rarity[: len(held) - math.ceil(MIN_SIMILARITY * len(held)) + 1]


def _near(case: Case, earlier: Case, likeness: float) -> LintFinding:
    message = (
        f"almost what {jsonl.quote_text(earlier.id)} ({earlier.place}) asks: {percent(likeness)} of the word pairs"
    )
    return LintFinding(case.place, "near-duplicate", "warning", message)


class _Numbers(dict[str, int]):
    """Numbers words as they are met: a pair of them is one integer, which is faster to sort and to count."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self) + 1
        return number


def _shingles(text: str, numbers: _Numbers) -> _Shingles:
    found = [numbers[word] for word in words(text)]
    return frozenset(one << _BITS | two for one, two in pairwise(found)) or frozenset(found)


def _similarity(one: _Shingles, other: _Shingles) -> float:
    """Return the Jaccard index: the share of all pairs of two texts that both of them hold."""
    both = len(one & other)
    return both / (len(one) + len(other) - both) if one or other else 1.0


_MAX_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What a file holds.

    ``tags`` counts the cases of each tag, the most frequent first; ``trials`` counts those that say how often they
    run.
    """

    file: str
    dialect: str
    mapping: tuple[tuple[str, str], ...]
    cases: int
    skipped: int
    trials: int
    tags: tuple[tuple[str, int], ...]

    def lines(self) -> tuple[str, str]:
        """Say which dialect was read how, and what was counted."""
        told = ", ".join(f"{name} -> {field}" for name, field in self.mapping)
        return (
            f"{self.file}: dialect: {self.dialect}{f' ({told})' if told else ''}",
            f"{self.file}: counts: {', '.join(self._counts())}",
        )

    def as_json(self) -> dict[str, Json]:
        """Return the facts as JSON."""
        return {
            "file": self.file,
            "dialect": self.dialect,
            "mapping": [{"name": name, "field": field} for name, field in self.mapping],
            "cases": self.cases,
            "skipped": self.skipped,
            "with_trials": self.trials,
            "tags": dict(self.tags),
        }

    def _counts(self) -> list[str]:
        some = [f"{tag} {number:,}" for tag, number in self.tags[:_MAX_NAMED]]
        more = [f"{len(self.tags) - _MAX_NAMED:,} more"] if len(self.tags) > _MAX_NAMED else []
        return [
            count(self.cases, "case"),
            *([f"{self.skipped:,} skipped"] if self.skipped else []),
            *([f"{self.trials:,} with trials of their own"] if self.trials else []),
            f"tags: {', '.join([*some, *more])}" if self.tags else "no tags",
        ]


def summarise_file(read: ReadFile) -> FileSummary:
    """Count what a file holds."""
    cases = read.golden.cases
    tags = Counter(tag for case in cases for tag in dict.fromkeys(case.tags))
    return FileSummary(
        file=read.golden.path,
        dialect=read.dialect or "canonical",
        mapping=read.mapping,
        cases=len(cases),
        skipped=sum(case.skip is not None for case in cases),
        trials=sum(case.trials is not None for case in cases),
        tags=tuple(sorted(tags.items(), key=lambda held: (-held[1], held[0]))),
    )


_SHORTEST: Final = 4
"""Characters of an answer; shorter ones stand in many texts by chance."""

_MOST_CHOICES: Final = 50
_GRAM: Final = 8
_FEWEST_WORDS: Final = 4
_OVERLAP: Final = 0.5


@dataclass(frozen=True, slots=True)
class PromptText:
    """What a model is shown beside the case; ``answers`` tells whether an answer in it would give a case away."""

    name: str
    text: str
    answers: bool = True


def expected_in_inputs(cases: Sequence[Case]) -> Iterator[LintFinding]:
    """Find the cases whose input holds the answer, but not those whose input lists the choices."""
    labels = _labels(cases)
    for case in cases:
        text = input_text(case).casefold()
        if any(contains_words(text, answer) and not _is_choice(answer, text, labels) for answer in _answers(case)):
            yield LintFinding(case.place, "answer-in-input", "warning", "the expected answer stands in the input")


def leaks_into_prompts(cases: Sequence[Case], prompts: Sequence[PromptText]) -> Iterator[LintFinding]:
    """Find the cases whose input, or whose very own answer, stands in a prompt."""
    known = Counter(answer for case in cases for answer in _answers(case))
    for prompt in prompts:
        text = prompt.text.casefold()
        found = words(prompt.text)
        grams, flowing = _grams(found), f" {' '.join(found)} "
        for case in cases:
            if (finding := _overlap(case, prompt, grams, flowing)) is not None:
                yield finding
            if prompt.answers and any(known[one] == 1 and contains_words(text, one) for one in _answers(case)):
                yield LintFinding(
                    case.place, "answer-in-prompt", "warning", f"the expected answer stands in {prompt.name}"
                )


def _answers(case: Case) -> tuple[str, ...]:
    """Return the answers that can be told from other words, case-folded."""
    texts = (text.strip().casefold() for text in expected_texts(case))
    return tuple(dict.fromkeys(text for text in texts if len(text) >= _SHORTEST))


def _labels(cases: Sequence[Case]) -> frozenset[str]:
    """Return the answers of a set that has few of them: labels rather than answers."""
    found = {text.strip().casefold() for case in cases for text in expected_texts(case)}
    return frozenset(found) if len(found) <= _MOST_CHOICES else frozenset()


def _is_choice(answer: str, text: str, labels: frozenset[str]) -> bool:
    """Tell whether the input offers another answer beside this one."""
    return any(
        other and other not in answer and answer not in other and contains_words(text, other) for other in labels
    )


def _overlap(case: Case, prompt: PromptText, grams: frozenset[tuple[str, ...]], flowing: str) -> LintFinding | None:
    found = words(input_text(case))
    if len(found) >= _FEWEST_WORDS and f" {' '.join(found)} " in flowing:
        return LintFinding(case.place, "input-in-prompt", "error", f"the whole input stands in {prompt.name}")
    mine = _grams(found)
    if mine and len(mine & grams) >= _OVERLAP * len(mine):
        return LintFinding(case.place, "input-in-prompt", "warning", f"much of the input stands in {prompt.name}")
    return None


def _grams(found: Sequence[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(zip(*(found[start:] for start in range(_GRAM)), strict=False))


_MOVING: Final = re.compile(r"(?:^|[-_:.@/])latest$", re.IGNORECASE)
_DATED: Final = re.compile(
    r"(?<!\d)(?:20\d{6}|20\d\d-\d\d(?:-\d\d)?|\d\d-20\d\d|\d{3,4}(?=$|[-@:]))(?!\d)|[-@:]v\d+(?:[.:]\d+)*$|@\S+$"
)
_LOCAL: Final = ("localhost", ".localhost", ".local", ".internal", ".lan")


def floating_models(models: Mapping[str, Model], place: Place) -> Iterator[LintFinding]:
    """Find the models that change under their name; ``place`` is where they are configured.

    Anybody's ``...-latest`` moves. A hosted model without a date or a version in its name is moved by its host; what
    runs on a machine of one's own is as one left it.
    """
    for name, model in models.items():
        told = f"models.{name}: {model.model}"
        if _MOVING.search(model.model):
            message = f"{told} is another model whenever its host says so: name a dated version"
            yield LintFinding(place, "floating-model", "warning", message)
        elif _is_hosted(model.base_url) and not _DATED.search(model.model):
            message = f"{told} has no date or version: a run next month may ask another model; name a dated version"
            yield LintFinding(place, "floating-model", "warning", message)


def _is_hosted(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_LOCAL)


_SECRETS: Final = {
    "an API key": re.compile(
        r"\b(?:sk-[A-Za-z0-9_-]{20,}|AIza[0-9A-Za-z_-]{35}|hf_[A-Za-z0-9]{30,}|[rs]k_live_\w{16,})"
    ),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a token of GitHub or GitLab": re.compile(r"\b(?:gh[opsur]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,})"),
    "a token of Slack": re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]{2,12} ){0,2}PRIVATE KEY-----"),
    "a JSON Web Token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
}
_MAIL: Final = re.compile(r"[\w.%+-]{1,64}@((?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24})\b")
_RESERVED: Final = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)$", re.IGNORECASE)
_PHONE: Final = re.compile(
    r"""(?<![\w.+]) (?:
        \+\d{1,3} [ .()/-]{0,2} (?:\d[ .()/-]{0,2}){6,12} \d   # +49 30 1234567
        | \(\d{3}\)[ ]? \d{3} [ .-] \d{4}                      # (212) 555-4321
        | \d{3} ([.-]) \d{3} \1 \d{4}                          # 212-555-4321
    ) (?!\w)""",
    re.VERBOSE,
)
_FICTIONAL: Final = re.compile(r"555[ .-]?01\d\d$")
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD: Final = re.compile(r"(?<![\w.+-])[2-6]\d{3}(?:[ -]?\d){9,12}(?![ .-]?\d|\w)")


def private_data(cases: Iterable[Case]) -> Iterator[LintFinding]:
    """Find secrets (errors) and personal data (warnings), once a case, field and kind."""
    for case in cases:
        found: dict[tuple[str, str], LintFinding] = {}
        for name, text in fields(case):
            for kind in secrets_in(text):
                told = f"{kind} in {name}: withdraw it where it was issued, and put an invented one there"
                found[kind, name] = LintFinding(case.place, "secret", "error", told)
            for kind in personal_in(text):
                told = f"{kind} in {name}: put an invented one there, unless you may keep it"
                found[kind, name] = LintFinding(case.place, "personal-data", "warning", told)
        yield from found.values()


def secrets_in(text: str) -> Iterator[str]:
    """Yield the kinds of secrets that a text holds."""
    return (kind for kind, pattern in _SECRETS.items() if pattern.search(text))


def personal_in(text: str) -> Iterator[str]:
    """Yield the kinds of personal data that a text holds; what is reserved for examples is none."""
    if "@" in text and any(not _RESERVED.search(found[1]) for found in _MAIL.finditer(text)):
        yield "an e-mail address"
    if any(not _FICTIONAL.search(found[0]) for found in _PHONE.finditer(text)):
        yield "a phone number"
    if any(_is_iban(found[0]) for found in _IBAN.finditer(text)):
        yield "an IBAN"
    if any(_is_card(found[0]) for found in _CARD.finditer(text)):
        yield "a card number"


def _is_iban(text: str) -> bool:
    """Check the two digits that ISO 7064 derives from the rest: the number that the letters make is 1 modulo 97."""
    plain = text.replace(" ", "")
    return int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1


def _is_card(text: str) -> bool:
    """Check the last digit as Luhn did: from the right, every second digit counts double."""
    digits = [int(one) for one in text if one.isdecimal()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


FEW: Final = 20
"""With fewer cases the rate of a slice jumps by more than five points when one of them changes."""


def small_slices(name: str, suite: Suite, cases: Sequence[PlannedCase], place: Place) -> Iterator[LintFinding]:
    """Find the slices of suite ``name`` that are empty or tiny; ``place`` is where it is configured."""
    counted = [case for case in cases if case.skip is None]
    for by in suite.slices:
        sizes = Counter(value for case in counted for key, value in case.slices if key == by)
        gates = [gate for gate in suite.gates or () if isinstance(gate, SliceGate) and gate.by == by]
        if sizes:
            least = max((gate.min_n for gate in gates if gate.min is not None), default=0)
            yield from _tiny(f"suites.{name}: slices by {by}", sizes, least, place)
        else:
            told = f"suites.{name}: no case has a slice by {by}: tag the cases, or take it out of the suite"
            yield LintFinding(place, "empty-slice", "error" if gates else "warning", told)
    for gate in suite.gates or ():
        if isinstance(gate, MustPassGate) and gate.tags and not any(set(gate.tags) & set(case.tags) for case in cases):
            told = f"suites.{name}: no case carries a tag of the must-pass gate: {', '.join(gate.tags)}"
            yield LintFinding(place, "empty-slice", "error", told)


def _tiny(which: str, sizes: Mapping[str, int], least: int, place: Place) -> Iterator[LintFinding]:
    """Name the slices that no gate judges for want of cases, and those that are judged on very few."""
    if unjudged := {value: size for value, size in sizes.items() if size < least}:
        told = f"{which} below min_n = {least} are shown and not judged: {_named(unjudged)}"
        yield LintFinding(place, "tiny-slice", "warning", told)
    if few := {value: size for value, size in sizes.items() if least <= size < FEW}:
        yield LintFinding(place, "tiny-slice", "note", f"{which} with fewer than {FEW} cases: {_named(few)}")


def _named(sizes: Mapping[str, int]) -> str:
    smallest = sorted(sizes.items(), key=lambda one: (one[1], one[0]))
    some = [f"{value} ({count(size, 'case')})" for value, size in smallest[:_MAX_NAMED]]
    more = [f"{len(sizes) - _MAX_NAMED:,} more"] if len(sizes) > _MAX_NAMED else []
    return ", ".join([*some, *more])
