"""Answers that can be copied: from the input, or from a prompt that shows golden cases."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.golden.lint.finding import Finding
from pytest_evalgate.golden.lint.texts import asked, holds, wanted, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import Case

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


def answers_in_inputs(cases: Sequence[Case]) -> Iterator[Finding]:
    """Find the cases whose input holds the answer, but not those whose input lists the choices."""
    labels = _labels(cases)
    for case in cases:
        text = asked(case).casefold()
        if any(holds(text, answer) and not _is_choice(answer, text, labels) for answer in _answers(case)):
            yield Finding(case.place, "answer-in-input", "warning", "the expected answer stands in the input")


def leaks_into_prompts(cases: Sequence[Case], prompts: Sequence[PromptText]) -> Iterator[Finding]:
    """Find the cases whose input, or whose very own answer, stands in a prompt."""
    known = Counter(answer for case in cases for answer in _answers(case))
    for prompt in prompts:
        text = prompt.text.casefold()
        found = words(prompt.text)
        grams, flowing = _grams(found), f" {' '.join(found)} "
        for case in cases:
            if (finding := _overlap(case, prompt, grams, flowing)) is not None:
                yield finding
            if prompt.answers and any(known[one] == 1 and holds(text, one) for one in _answers(case)):
                yield Finding(
                    case.place, "answer-in-prompt", "warning", f"the expected answer stands in {prompt.name}"
                )


def _answers(case: Case) -> tuple[str, ...]:
    """Return the answers that can be told from other words, case-folded."""
    texts = (text.strip().casefold() for text in wanted(case))
    return tuple(dict.fromkeys(text for text in texts if len(text) >= _SHORTEST))


def _labels(cases: Sequence[Case]) -> frozenset[str]:
    """Return the answers of a set that has few of them: labels rather than answers."""
    found = {text.strip().casefold() for case in cases for text in wanted(case)}
    return frozenset(found) if len(found) <= _MOST_CHOICES else frozenset()


def _is_choice(answer: str, text: str, labels: frozenset[str]) -> bool:
    """Tell whether the input offers another answer beside this one."""
    return any(other and other not in answer and answer not in other and holds(text, other) for other in labels)


def _overlap(case: Case, prompt: PromptText, grams: frozenset[tuple[str, ...]], flowing: str) -> Finding | None:
    found = words(asked(case))
    if len(found) >= _FEWEST_WORDS and f" {' '.join(found)} " in flowing:
        return Finding(case.place, "input-in-prompt", "error", f"the whole input stands in {prompt.name}")
    mine = _grams(found)
    if mine and len(mine & grams) >= _OVERLAP * len(mine):
        return Finding(case.place, "input-in-prompt", "warning", f"much of the input stands in {prompt.name}")
    return None


def _grams(found: Sequence[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(zip(*(found[start:] for start in range(_GRAM)), strict=False))
