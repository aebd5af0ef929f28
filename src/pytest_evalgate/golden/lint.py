"""Checks of golden sets before they decide a run: pure functions from cases to findings.

The checks in order: duplicates, leaked answers, secrets and personal data, floating models, small slices. Then the
summary of a file, and the access to the texts of a case that the checks share.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from pytest_evalgate.config import ParityGate, SliceGate
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.near_texts import NearTexts, words
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.personal import personal_in
from pytest_evalgate.text.secret_kinds import secrets_in
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.config import Model, Suite
    from pytest_evalgate.golden.load import ReadFile
    from pytest_evalgate.records.cases import Case, Json, Place
    from pytest_evalgate.records.results import PlannedCase

Severity = Literal["error", "warning", "note"]
"""An error makes a verdict meaningless, a warning makes it doubtful, a note is information."""


KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "malformed": ("error", "a line that does not load, or an id that occurs twice in a suite"),
    "secret": ("error", "an API key, token or private key, detected by its format"),
    "gate": (
        "error or warning",
        "a gate that cannot pass, or that detects only large drops; a judge that cannot gate",
    ),
    "unfit": ("error", "a case that a scorer of its suite cannot grade, or whose input does not reach the target"),
    "unknown-name": (
        "error",
        "a slice or a must-pass tag that no case has, or a gate on a scorer that the suite lacks",
    ),
    "unusable": ("error", "a scorer, a target or a file of recorded outputs that cannot be used"),
    "input-in-prompt": (
        "error or warning",
        "a prompt or the few-shots of a judge that contain an input, or much of it",
    ),
    "answer-in-prompt": ("warning", "a prompt that contains the expected answer of exactly one case"),
    "answer-in-input": ("warning", "an input that contains the expected answer and does not list the choices"),
    "duplicate": ("warning", "two cases with the same input and the same expected value"),
    "contradiction": ("warning", "two cases with the same input and different expected values"),
    "near-duplicate": ("warning", "two cases that share 80 % of their word pairs, and of those of their context"),
    "split-leak": ("warning", "two cases of different splits with the same input, or nearly the same"),
    "contamination": (
        "error or warning",
        "with `--against`: a file that has 13 words in a row of an input or an expected value, or all of a short one",
    ),
    "coverage": ("error or note", "a value that `coverage` of the suite wants, and no case has"),
    "stale": ("warning", "cases older than `max_age_days` of the suite, by `metadata.created`, else by git"),
    "data-card": ("warning", "a data card (`x.card.toml`) with empty texts, or of another version of its golden set"),
    "personal-data": (
        "warning",
        "an e-mail address, a phone number, a US social security number, an IBAN or card number (check digits valid)",
    ),
    "floating-model": ("warning", "`...-latest`, or a hosted model without a date or version in its name"),
    "ungraded": ("warning", "a field that describes how to grade the case, and that no suite reads"),
    "placeholder": ("warning", "`{input}` and the like in a prompt or a body: only `{{ input }}` is replaced"),
    "tiny-slice": ("warning or note", "slices below a gate's `min_n`, or with fewer than 20 cases"),
}
"""Kinds of findings, with their severity and what they find."""


@dataclass(frozen=True, slots=True)
class LintFinding:
    """A finding of the check ``kind``. Line 0 of ``place`` is the whole file."""

    place: Place
    kind: str
    severity: Severity
    message: str

    def __str__(self) -> str:
        """Format as ``file:line: kind: message``, without line 0."""
        where = str(self.place) if self.place.line else self.place.file
        return f"{where}: {self.kind}: {self.message}"


PERSONAL: Final = "personal-data"


def duplicates(cases: Iterable[Case]) -> Iterator[LintFinding]:
    """Find the cases with the same input as an earlier case, or nearly the same, except variants of a case."""
    first: dict[str, Case] = {}
    for case in cases:
        if not input_text(case).strip():
            continue
        key = jsonl.digest([case.input, case.messages, case.vars, case.context])
        if key not in first:
            first[key] = case
            continue
        earlier = first[key]
        where = f"{jsonl.quote_text(earlier.id)} ({earlier.place})"
        if case.expected != earlier.expected or case.expected_any != earlier.expected_any:
            message = f"same input as {where}, but another expected value: correct one of them"
            yield LintFinding(case.place, "contradiction", "warning", message)
        else:
            message = f"same input as {where}, so it counts twice: remove one"
            yield LintFinding(case.place, _leak_or("duplicate", case, earlier), "warning", message)
    yield from _near_duplicates([case for case in first.values() if "variant_of" not in case.metadata])


def _leak_or(kind: str, case: Case, other: Case) -> str:
    """Return the kind of two similar cases: a leak if they are of different splits, such as train and test."""
    return "split-leak" if case.split and other.split and case.split != other.split else kind


def _near_duplicates(cases: Sequence[Case]) -> Iterator[LintFinding]:
    """Compare each case with the earlier ones."""
    texts = NearTexts([(input_text(case), "\n".join(case.context)) for case in cases])
    for index, case in enumerate(cases):
        if (found := texts.find(index)) is not None:
            other, similarity = cases[found[0]], found[1]
            where = f"{jsonl.quote_text(other.id)} ({other.place})"
            message = f"nearly the same input as {where}: {percent(similarity)} of the word pairs are the same"
            yield LintFinding(case.place, _leak_or("near-duplicate", case, other), "warning", message)
        texts.add(index)


_SHORTEST: Final = 4
"""Fewest characters of an answer that is searched for; many texts contain shorter ones by chance."""

_MOST_CHOICES: Final = 50
_GRAM: Final = 8  # words
_FEWEST_WORDS: Final = 4
_OVERLAP: Final = 0.5


@dataclass(frozen=True, slots=True)
class PromptText:
    """A text that the model reads in addition to the case. If ``answers`` is False, answers in it are no leak."""

    name: str
    text: str
    answers: bool = True


def expected_in_inputs(cases: Sequence[Case]) -> Iterator[LintFinding]:
    """Find the cases whose input contains the expected answer, except if the input lists the choices."""
    expected = {text.strip().casefold() for case in cases for text in expected_texts(case)}
    choices = expected if len(expected) <= _MOST_CHOICES else set()  # a small number of values are labels
    for case in cases:
        text = input_text(case).casefold()
        if any(contains_words(text, answer) and not _is_choice(answer, text, choices) for answer in _answers(case)):
            yield LintFinding(case.place, "answer-in-input", "warning", "the input contains the expected answer")


def _is_choice(answer: str, text: str, choices: Iterable[str]) -> bool:
    """Return whether the input contains another one of the choices as well."""
    return any(
        other and other not in answer and answer not in other and contains_words(text, other) for other in choices
    )


def leaks_into_prompts(cases: Sequence[Case], prompts: Sequence[PromptText]) -> Iterator[LintFinding]:
    """Find the cases whose input, or whose expected answer if no other case has the same, is in a prompt."""
    known = Counter(answer for case in cases for answer in _answers(case))
    for prompt in prompts:
        text = prompt.text.casefold()
        prompt_words = words(prompt.text)
        grams, joined = _grams(prompt_words), f" {' '.join(prompt_words)} "
        for case in cases:
            if (finding := _input_leak(case, prompt, grams, joined)) is not None:
                yield finding
            unique = (answer for answer in _answers(case) if known[answer] == 1)
            if prompt.answers and any(contains_words(text, answer) for answer in unique):
                message = f"{prompt.name} contains the expected answer"
                yield LintFinding(case.place, "answer-in-prompt", "warning", message)


def _answers(case: Case) -> tuple[str, ...]:
    """Return the expected texts that are long enough for a search, case-folded."""
    texts = (text.strip().casefold() for text in expected_texts(case))
    return tuple(dict.fromkeys(text for text in texts if len(text) >= _SHORTEST))


def _input_leak(case: Case, prompt: PromptText, grams: frozenset[tuple[str, ...]], joined: str) -> LintFinding | None:
    found = words(input_text(case))
    if len(found) >= _FEWEST_WORDS and f" {' '.join(found)} " in joined:
        return LintFinding(case.place, "input-in-prompt", "error", f"{prompt.name} contains the whole input")
    own = _grams(found)
    if own and len(own & grams) >= _OVERLAP * len(own):
        return LintFinding(case.place, "input-in-prompt", "warning", f"{prompt.name} contains much of the input")
    return None


def _grams(found: Sequence[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(zip(*(found[start:] for start in range(_GRAM)), strict=False))


def private_data(cases: Iterable[Case]) -> Iterator[LintFinding]:
    """Find secrets (errors) and personal data (warnings), once for each case, field and kind.

    The messages name the kind and the field, and never repeat the value.
    """
    for case in cases:
        found: dict[tuple[str, str], LintFinding] = {}
        for name, text in fields(case):
            for kind in secrets_in(text):
                message = f"{kind} in {name}: revoke it, and replace it with an invented one"
                found[kind, name] = LintFinding(case.place, "secret", "error", message)
            for kind in personal_in(text):
                message = f"{kind} in {name}: replace it with an invented one, unless you may store it"
                found[kind, name] = LintFinding(case.place, PERSONAL, "warning", message)
        yield from found.values()


_FLOATING: Final = re.compile(r"(?:^|[-_:.@/])latest$", re.IGNORECASE)
_DATED: Final = re.compile(
    r"(?<!\d)(?:20\d{6}|20\d\d-\d\d(?:-\d\d)?|\d\d-20\d\d|\d{3,4}(?=$|[-@:]))(?!\d)|[-@:]v\d+(?:[.:]\d+)*$|@\S+$"
)
_LOCAL: Final = ("localhost", ".localhost", ".local", ".internal", ".lan")


def floating_models(models: Mapping[str, Model], place: Place) -> Iterator[LintFinding]:
    """Find the models whose behaviour may change under the same name; ``place`` is that of their configuration.

    These are all ``...-latest`` models, and hosted models without a date or version in their name: the host may
    replace them. A model on the user's own network does not change by itself.
    """
    for name, model in models.items():
        named = f"models.{name}: {model.model}"
        if _FLOATING.search(model.model):
            message = f"{named} changes when its host releases a new version: name a dated version"
            yield LintFinding(place, "floating-model", "warning", message)
        elif _is_hosted(model.base_url) and not _DATED.search(model.model):
            message = f"{named} has no date or version, so its host may replace it: name a dated version"
            yield LintFinding(place, "floating-model", "warning", message)


def _is_hosted(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_LOCAL)


FEW: Final = 20
"""Smallest slice without a finding: in a smaller one, one changed case changes the rate by more than five points."""

_MAX_NAMED: Final = 5  # slices or tags that a line names; the rest are counted


def small_slices(name: str, suite: Suite, cases: Sequence[PlannedCase], place: Place) -> Iterator[LintFinding]:
    """Find the small slices of suite ``name``; ``place`` is that of its configuration."""
    counted = [case for case in cases if case.skip is None]
    for by in suite.slices:
        sizes = Counter(value for case in counted for key, value in case.slices if key == by)
        gates = [gate for gate in suite.gates or () if isinstance(gate, SliceGate | ParityGate) and gate.by == by]
        decided = (gate.min_n for gate in gates if isinstance(gate, ParityGate) or not gate.compares_baseline)
        least = max(decided, default=0)
        yield from _tiny(f"suites.{name}: slices by {by}", sizes, least, place)


def _tiny(which: str, sizes: Mapping[str, int], least: int, place: Place) -> Iterator[LintFinding]:
    if below := {value: size for value, size in sizes.items() if size < least}:
        message = f"{which} below min_n = {least} are reported, but no gate decides them: {_smallest(below)}"
        yield LintFinding(place, "tiny-slice", "warning", message)
    if few := {value: size for value, size in sizes.items() if least <= size < FEW}:
        yield LintFinding(place, "tiny-slice", "note", f"{which} with fewer than {FEW} cases: {_smallest(few)}")


def _smallest(sizes: Mapping[str, int]) -> str:
    by_size = sorted(sizes.items(), key=lambda item: (item[1], item[0]))
    return _name_some([f"{value} ({count(size, 'case')})" for value, size in by_size])


def _name_some(names: Sequence[str]) -> str:
    more = [f"{len(names) - _MAX_NAMED:,} more"] if len(names) > _MAX_NAMED else []
    return ", ".join([*names[:_MAX_NAMED], *more])


@dataclass(frozen=True, slots=True)
class FileSummary:
    """The dialect and the counts of one file.

    ``tags`` counts the cases of each tag, the most frequent first; ``trials`` counts the cases that set their own
    number of trials.
    """

    file: str
    dialect: str
    mapping: tuple[tuple[str, str], ...]
    cases: int
    skipped: int
    trials: int
    tags: tuple[tuple[str, int], ...]

    def lines(self) -> tuple[str, str]:
        """Return two lines: the dialect with its renamed fields, and the counts."""
        mapping = ", ".join(f"{name} -> {field}" for name, field in self.mapping)
        counts = [
            count(self.cases, "case"),
            *([f"{self.skipped:,} skipped"] if self.skipped else []),
            *([f"{self.trials:,} with trials set"] if self.trials else []),
            f"tags: {_name_some([f'{tag} {number:,}' for tag, number in self.tags])}" if self.tags else "no tags",
        ]
        return (
            f"{self.file}: dialect: {self.dialect}{f' ({mapping})' if mapping else ''}",
            f"{self.file}: counts: {', '.join(counts)}",
        )

    def as_json(self) -> dict[str, Json]:
        """Return the summary as JSON."""
        return {
            "file": self.file,
            "dialect": self.dialect,
            "mapping": [{"name": name, "field": field} for name, field in self.mapping],
            "cases": self.cases,
            "skipped": self.skipped,
            "with_trials": self.trials,
            "tags": dict(self.tags),
        }


def summarise_file(read: ReadFile) -> FileSummary:
    """Return the summary of a file."""
    cases = read.golden.cases
    tags = Counter(tag for case in cases for tag in dict.fromkeys(case.tags))
    return FileSummary(
        file=read.golden.path,
        dialect=read.dialect or "canonical",
        mapping=read.mapping,
        cases=len(cases),
        skipped=sum(case.skip is not None for case in cases),
        trials=sum(case.trials is not None for case in cases),
        tags=tuple(sorted(tags.items(), key=lambda item: (-item[1], item[0]))),
    )


_INPUTS: Final = ("input", "messages", "vars")
_ALL: Final = (
    *("id", *_INPUTS, "expected", "expected_any", "rubric", "context", "reference_context", "output", "trajectory"),
    *("expected_tools", "asserts", "tags", "slice", "metadata", "human_label"),
)
_WORD: Final = re.compile(r"\w+")


def input_text(case: Case) -> str:
    """Return the input, messages and variables of a case as one text; repeated texts occur once."""
    return "\n".join(dict.fromkeys(text for name in _INPUTS for text in strings(getattr(case, name))))


def expected_texts(case: Case) -> tuple[str, ...]:
    """Return the expected values that are text."""
    return tuple(value for value in (case.expected, *case.expected_any) if isinstance(value, str))


def fields(case: Case) -> Iterator[tuple[str, str]]:
    """Yield (field name, text) for every text of a case."""
    for name in _ALL:
        if value := getattr(case, name):
            for text in strings(value):
                yield name, text


def strings(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON value, without the keys of its objects."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from strings(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from strings(member)


def contains_words(text: str, part: str) -> bool:
    """Return whether ``text`` contains ``part`` as whole words; both are already case-folded."""
    start = text.find(part)
    while start >= 0:
        end = start + len(part)
        if not (_joins(text[start - 1 : start], part[:1]) or _joins(part[-1:], text[end : end + 1])):
            return True
        start = text.find(part, start + 1)
    return False


def _joins(left: str, right: str) -> bool:
    """Return whether two neighbouring characters belong to the same word."""
    return bool(left and right and _WORD.match(left) and _WORD.match(right))
