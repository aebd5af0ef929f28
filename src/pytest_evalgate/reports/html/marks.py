"""What a reader sees of a result: a word, a shape and a tone; never a colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from pytest_evalgate.data import Effect, Outcome, VerdictName
    from pytest_evalgate.reports.cases import Change

Tone = Literal["good", "bad", "unsure", "plain"]
"""Which colour stands beside the word: a class of the style sheet."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A word with its shape."""

    word: str
    shape: str
    tone: Tone


OUTCOMES: Final[dict[Outcome, Mark]] = {
    "passed": Mark("pass", "●", "good"),
    "missed": Mark("miss", "✕", "bad"),
    "errored": Mark("no answer", "◆", "unsure"),
    "skipped": Mark("skipped", "○", "plain"),
    "not_run": Mark("not run", "○", "plain"),
}

CHANGES: Final[dict[Change, Mark]] = {
    "regressed": Mark("regressed", "▼", "bad"),
    "fixed": Mark("fixed", "▲", "good"),
    "new": Mark("new", "+", "plain"),
    "edited": Mark("edited", "~", "plain"),
    "removed": Mark("removed", "−", "plain"),  # noqa: RUF001 - a minus sign, as wide as the plus
    "same": Mark("", "", "plain"),
    "": Mark("", "", "plain"),
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


def of_verdict(verdict: VerdictName, word: str) -> Mark:
    """Mark what a gate, a suite or a run says; ``word`` is how reports name it."""
    shape, tone = _VERDICTS.get(verdict, ("◆", "unsure"))
    return Mark(word, shape, tone)


def of_effect(effect: Effect) -> Mark:
    """Mark what a change does to the gate."""
    shape, tone = _EFFECTS[effect]
    return Mark(effect, shape, tone)
