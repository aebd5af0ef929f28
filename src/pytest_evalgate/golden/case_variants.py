"""Variants of the cases of a golden set: the same question in another form, which should get the same answer.

A variant has the id ``CASE~KIND``, ``metadata.variant_of`` with the id of its case, and ``metadata.cluster`` in common
with it. What is expected stays the same; recorded outputs and human labels are left out, as they belong to the
original question.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.perturbations import PERTURBATIONS, Dice, PerturbableText
from pytest_evalgate.records.cases import Case
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.cases import Json

KINDS: Final = (*PERTURBATIONS, "order")
"""All kinds of variants."""

SEPARATOR: Final = "~"
_WORD: Final = re.compile(r"[^\W\d_]+")
_NUMBERED: Final = re.compile(
    r"\[\d+\]|\b(?:first|second|third|fourth|last|former|latter|above|below|previous|next|following|preceding)\b"
    r"|\b(?:passage|document|paragraph|context|source|section|chunk)s?\s+\d",
    re.IGNORECASE,
)
"""References by position, with which the order of passages matters."""


@dataclass(frozen=True, slots=True)
class VariantSet:
    """The cases of a golden set, each followed by its variants. ``unchanged`` counts, by kind, cases without one."""

    cases: tuple[Case, ...]
    made: Mapping[str, int]
    unchanged: Mapping[str, int]


def with_variants(cases: Sequence[Case], kinds: Sequence[str], seed: int) -> VariantSet:
    """Return ``cases`` with a variant of each kind. Skipped cases, and variants made earlier, are kept without one."""
    vocabulary = frozenset(word.lower() for case in cases for text in _texts_of(case) for word in _WORD.findall(text))
    found: list[Case] = []
    made: Counter[str] = Counter()
    unchanged: Counter[str] = Counter()
    for case in cases:
        found.append(replace(case, metadata={**case.metadata, "cluster": _cluster(case)}))
        if case.skip is not None or "variant_of" in case.metadata:
            continue
        for kind in kinds:
            variant = variant_of_kind(case, kind, seed, vocabulary)
            if variant is None:
                unchanged[kind] += 1
            else:
                found.append(variant)
                made[kind] += 1
    return VariantSet(tuple(found), made, unchanged)


def _cluster(case: Case) -> str:
    given = (case.metadata.get(key) for key in ("cluster", "variant_of"))
    return next((name for name in given if isinstance(name, str) and name), case.id)


def variant_of_kind(case: Case, kind: str, seed: int, vocabulary: frozenset[str] = frozenset()) -> Case | None:
    """Return the variant of one kind; None if there is nothing to change in the case."""
    dice = Dice(f"{seed}\0{kind}\0{case.id}")
    changed = _reordered(case, dice) if kind == "order" else _perturbed(case, kind, dice, vocabulary)
    if changed is None:
        return None
    metadata = {**case.metadata, "variant_of": case.id, "perturbation": kind, "cluster": _cluster(case)}
    nothing = Case("")
    return replace(
        changed,
        id=f"{case.id}{SEPARATOR}{kind}",
        metadata=metadata,
        output=nothing.output,
        trajectory=nothing.trajectory,
        human_label=nothing.human_label,
    )


def _perturbed(case: Case, kind: str, dice: Dice, vocabulary: frozenset[str]) -> Case | None:
    """Return the case with a perturbed question: its input, or the last message of its user."""
    if isinstance(case.input, str):
        text = _new_text(case.input, case, kind, dice, vocabulary)
        return None if text is None else replace(case, input=text)
    place = next((at for at in reversed(range(len(case.messages))) if case.messages[at].get("role") == "user"), None)
    if place is None or not isinstance(content := case.messages[place].get("content"), str):
        return None
    text = _new_text(content, case, kind, dice, vocabulary)
    if text is None:
        return None
    messages = (*case.messages[:place], {**case.messages[place], "content": text}, *case.messages[place + 1 :])
    return replace(case, messages=messages)


def _new_text(text: str, case: Case, kind: str, dice: Dice, vocabulary: frozenset[str]) -> str | None:
    kept = tuple(dict.fromkeys(_strings([case.expected, *case.expected_any, *case.asserts])))
    made = PERTURBATIONS[kind](PerturbableText(text, kept, vocabulary), dice)
    return made if made != text else None


def _reordered(case: Case, dice: Dice) -> Case | None:
    """Return the case with its context passages in another order; None if a text refers to them by position."""
    passages = case.context
    asked = (*_texts_of(case), *passages, *_strings([case.expected, *case.expected_any]))
    if len(set(passages)) < 2 or any(_NUMBERED.search(text) for text in asked):  # noqa: PLR2004 - two to exchange
        return None
    shift = 1 + dice.below(len(passages) - 1, "shift")
    rotated = (*passages[shift:], *passages[:shift])
    if rotated == passages:
        rotated = passages[::-1]
    return replace(case, context=rotated) if rotated != passages else None


def _texts_of(case: Case) -> Iterator[str]:
    yield from _strings([case.input, *(message.get("content") for message in case.messages)])


def _strings(values: Iterable[Json]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, bool) or value is None:
            continue
        elif isinstance(value, int | float):
            yield jsonl.canonical(value)
        else:
            members: Iterable[Any] = value.values() if hasattr(value, "values") else value
            yield from _strings(members)
