"""What the page knows of a case: a line of its index, and the texts that are unpacked when somebody asks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.reports.html.marks import CHANGES, OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.data import Json, Score
    from pytest_evalgate.reports.cases import CaseView, TrialView
    from pytest_evalgate.reports.links import Links

_REASON: Final = 120
"""Characters of a reason in the index; the whole of it stands with the texts."""

_OUTCOME: Final = {name: number for number, name in enumerate(OUTCOMES)}
_CHANGE: Final = {name: number for number, name in enumerate(CHANGES)}


@dataclass(frozen=True, slots=True)
class Names:
    """Names that stand in the index once, in the order in which they came, and are numbers elsewhere."""

    numbers: dict[Any, int] = field(default_factory=dict)

    def number(self, name: Any) -> int:
        """Return the number of a name, a new one for a new name."""
        return self.numbers.setdefault(name, len(self.numbers))


@dataclass(frozen=True, slots=True)
class Index:
    """Writes the lines of the index. ``judges`` are the names of each suite's judges."""

    judges: Mapping[str, frozenset[str]]
    suites: Names = field(default_factory=Names)
    tags: Names = field(default_factory=Names)
    slices: Names = field(default_factory=Names)

    def line(self, case: CaseView) -> list[Json]:
        """Return a case as a list: the names of its parts are `FIELDS` of the script."""
        return [
            case.id,
            self.suites.number(case.suite),
            _OUTCOME[case.outcome],
            _CHANGE[case.change],
            _short(case.value),
            _short(case.before),
            [self.tags.number(tag) for tag in case.tags],
            [self.slices.number(pair) for pair in case.slices],
            int(case.flaky),
            int(disagree(case, self.judges.get(case.suite, frozenset()))),
            case.reason[:_REASON],
        ]

    def names(self) -> dict[str, Json]:
        """Return what the numbers of the lines stand for, and how results are shown."""
        return {
            "suites": list(self.suites.numbers),
            "tags": list(self.tags.numbers),
            "slices": list(self.slices.numbers),
            "outcomes": [{"name": name, **asdict(mark)} for name, mark in OUTCOMES.items()],
            "changes": [{"name": name, **asdict(mark)} for name, mark in CHANGES.items()],
        }


def disagree(case: CaseView, judges: frozenset[str]) -> bool:
    """Tell whether in any trial a judge says pass where another judge or a rule says miss, or the other way round."""
    return bool(judges) and any(_differ(trial.scores, judges) for trial in case.trials)


def _differ(scores: tuple[Score, ...], judges: frozenset[str]) -> bool:
    told = [score for score in scores if score.passed is not None]
    return len({score.passed for score in told}) > 1 and any(score.name in judges for score in told)


def texts(case: CaseView, links: Links | None) -> dict[str, Json]:
    """Return all that is told of a case when it is opened; what is empty is left out."""
    where = case.place.file
    before = {} if case.baseline_output is None else {"before": case.baseline_output}
    return before | _given(
        {
            "place": str(case.place) if where else "",
            "url": links.line(case.place) if links is not None and where else "",
            "input": case.input,
            "expected": case.expected,
            "reason": case.reason,
            "trials": [_trial(trial) for trial in case.trials],
        }
    )


def _trial(trial: TrialView) -> dict[str, Json]:
    return {
        "value": trial.value,
        **_given(
            {
                "output": trial.output,
                "reason": trial.reason,
                "scores": [_score(score) for score in trial.scores],
                "latency_s": trial.latency_s,
                "cost_usd": trial.cost_usd,
                "tokens": trial.tokens,
            }
        ),
    }


def _score(score: Score) -> dict[str, Json]:
    counts = {} if score.counts else {"counts": False}
    return {"name": score.name, "value": _short(score.value), "passed": score.passed, "reason": score.reason, **counts}


def _given(values: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in values.items() if value not in (None, "", [])}


def _short(value: float | None) -> float | None:
    """Return a share with four digits, 0 and 1 as integers: most are, and they take less room."""
    return int(value) if value in {0, 1} else None if value is None else round(value, 4)
