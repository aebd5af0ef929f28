"""Data card of a golden set: where its cases come from, how they were chosen and labelled, and what they lack.

The card of ``golden/faq.jsonl`` is ``golden/faq.card.toml``, a file that people fill in. `card_text` writes its first
version::

    source = ""             # the system and the period that the cases come from
    cases = 500
    golden_sha256 = "9f2c..."
    ...
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.lint import LintFinding
from pytest_evalgate.records.cases import Place
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.records.cases import GoldenSet

_ABOUT: Final[Mapping[str, str]] = {
    "source": "the system and the period that the cases come from",
    "selection": "how they were chosen",
    "labelling": "who wrote or checked the expected values, and by which instructions",
    "licence": "what others may do with them",
    "personal_data": "whether there is any, and how it was removed",
    "intended_use": "the decisions that the set is meant for",
    "known_gaps": "what it does not represent",
}
"""Texts that people write, each with what it is about."""

_FIGURES: Final = ("cases", "golden_sha256")
_SLICES: Final = "slices"
_MOST_VALUES: Final = 20


@dataclass(frozen=True, slots=True)
class DataCard:
    """A card as it is read: the texts, and the number of cases and the digest of the set that it was written for."""

    texts: Mapping[str, str]
    cases: int
    golden_sha256: str


def card_path(golden: Path) -> Path:
    """Return the path of the card of a golden set."""
    return golden.with_suffix(".card.toml")


def card_text(golden: GoldenSet, known: Mapping[str, str] | None = None) -> str:
    """Return the first version of a card; ``known`` are texts that need not be written by a person."""
    known = known or {}
    lines = [f"# Data card of {golden.path}. Fill in every text; lint warns of empty ones and of an old card."]
    lines += [f"{name} = {json.dumps(known.get(name, ''), ensure_ascii=False)}  # {_ABOUT[name]}" for name in _ABOUT]
    lines += [f"cases = {len(golden)}", f'golden_sha256 = "{golden.sha256}"', "", "[slices]"]
    counts: dict[str, Counter[str]] = {}
    for case in golden:
        tagged = (tag.partition(":")[::2] for tag in case.tags if ":" in tag)
        for by, value in {*case.slice.items(), *tagged}:
            counts.setdefault(by, Counter())[value] += 1
    for by in sorted(counts):
        if len(counts[by]) <= _MOST_VALUES:
            values = ", ".join(f"{_quoted(one)} = {number}" for one, number in sorted(counts[by].items()))
            lines.append(f"{_quoted(by)} = {{ {values} }}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def read_card(text: str) -> DataCard:
    """Read a card.

    Raises:
        ValueError: It is no TOML, or a key is unknown, missing or of the wrong type; the message names it.
    """
    values: dict[str, Any] = tomllib.loads(text)
    known = (*_ABOUT, *_FIGURES, _SLICES)
    for name in values:
        if name not in known:
            raise ValueError(f'unknown key "{name}"{did_you_mean(name, known)}')
    for name in (*_ABOUT, "golden_sha256"):
        if not isinstance(values.get(name), str):
            raise ValueError(f"{name}: must be a text in quotes")  # noqa: TRY004 - one error type for all problems
    if not isinstance(values.get("cases"), int) or isinstance(values["cases"], bool):
        raise ValueError("cases: must be a whole number")  # noqa: TRY004 - the same
    return DataCard({name: values[name] for name in _ABOUT}, values["cases"], values["golden_sha256"])


def card_findings(golden: GoldenSet, text: str, name: str) -> Iterator[LintFinding]:
    """Find what a card lacks; ``name`` is its file."""
    place = Place(name, 0)
    try:
        card = read_card(text)
    except ValueError as error:
        yield LintFinding(place, "data-card", "warning", f"not a data card: {error}")
        return
    if empty := [key for key, value in card.texts.items() if not value.strip()]:
        yield LintFinding(place, "data-card", "warning", f"empty: {', '.join(empty)}: fill them in")
    if card.golden_sha256 != golden.sha256:
        message = (
            f"written for another version of {golden.path} ({card.cases:,} cases, now {len(golden):,}): check it, "
            f'then set cases = {len(golden)} and golden_sha256 = "{golden.sha256}"'
        )
        yield LintFinding(place, "data-card", "warning", message)
