"""What a reader sees of a result: a word, a shape and a tone; never a colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from pytest_evalgate.records.results import Effect, Outcome, VerdictName
    from pytest_evalgate.reports.view import Change

Tone = Literal["good", "bad", "unsure", "plain"]
"""Which colour stands beside the word: a class of the style sheet."""


@dataclass(frozen=True, slots=True)
class Badge:
    """A word with its shape."""

    word: str
    shape: str
    tone: Tone


OUTCOMES: Final[dict[Outcome, Badge]] = {
    "passed": Badge("pass", "●", "good"),
    "missed": Badge("miss", "✕", "bad"),
    "errored": Badge("no answer", "◆", "unsure"),
    "skipped": Badge("skipped", "○", "plain"),
    "not_run": Badge("not run", "○", "plain"),
}

CHANGES: Final[dict[Change, Badge]] = {
    "regressed": Badge("regressed", "▼", "bad"),
    "fixed": Badge("fixed", "▲", "good"),
    "new": Badge("new", "+", "plain"),
    "edited": Badge("edited", "~", "plain"),
    "removed": Badge("removed", "−", "plain"),  # noqa: RUF001 - a minus sign, as wide as the plus
    "same": Badge("", "", "plain"),
    "": Badge("", "", "plain"),
}

_VERDICTS: Final[dict[VerdictName, tuple[str, Tone]]] = {
    "pass": ("●", "good"),
    "fail": ("✕", "bad"),
    "invalid": ("✕", "bad"),
}

_EFFECTS: Final[dict[Effect, tuple[str, Tone]]] = {
    "weaker": ("▼", "bad"),
    "stricter": ("▲", "good"),
    "neutral": ("○", "plain"),
}


def of_verdict(verdict: VerdictName, word: str) -> Badge:
    """Mark what a gate, a suite or a run says; ``word`` is how reports name it."""
    shape, tone = _VERDICTS.get(verdict, ("◆", "unsure"))
    return Badge(word, shape, tone)


def of_effect(effect: Effect) -> Badge:
    """Mark what a change does to the gate."""
    shape, tone = _EFFECTS[effect]
    return Badge(effect, shape, tone)
