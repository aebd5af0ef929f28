"""Badges of results: a word, a shape and a tone, because colour alone is not accessible (WCAG 1.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from pytest_evalgate.records.results import Outcome
    from pytest_evalgate.records.verdicts import Effect, VerdictName
    from pytest_evalgate.reports.view import Change

Tone = Literal["good", "bad", "unsure", "plain"]
"""CSS class that sets the colour of a badge."""


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
    "unscored": Badge("not decided", "○", "plain"),
}

UNCOVERED: Final = Badge("no case", "✕", "bad")
"""A wanted value that no case has."""

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
    """Return the badge of the result of a gate, a suite or a run; ``word`` is its text."""
    shape, tone = _VERDICTS.get(verdict, ("◆", "unsure"))
    return Badge(word, shape, tone)


def of_effect(effect: Effect) -> Badge:
    """Return the badge of the effect of a change in the gate."""
    shape, tone = _EFFECTS[effect]
    return Badge(effect, shape, tone)
