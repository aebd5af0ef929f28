"""The cases of a run as reports show them, drawn from the run file one by one: a hundred thousand do not fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pytest_evalgate.data import Place, Score, golden_id_of
from pytest_evalgate.reports.texts import SHOWN, Texts
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.data import Json, Outcome, Side

Change = Literal["regressed", "fixed", "same", "new", "edited", "removed", ""]
"""What became of a case since the baseline; "" where there is none to compare with."""

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial: ``value`` is 1.0, 0.0 or None for no answer. Texts are as the configuration lets them be seen."""

    value: float | None
    output: str
    reason: str = ""
    scores: tuple[Score, ...] = ()
    latency_s: float | None = None
    cost_usd: float | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case of a suite, with all that is known of it.

    ``value`` is the mean over its trials (None: no answer, or not run), ``before`` the baseline's mean; ``reason``
    says why it is missed, ``baseline_output`` what the baseline's first trial answered, None where that was not kept.
    """

    suite: str
    id: str
    place: Place
    outcome: Outcome
    tags: tuple[str, ...] = ()
    slices: tuple[tuple[str, str], ...] = ()
    side: Side = "both"
    change: Change = ""
    before: float | None = None
    value: float | None = None
    reason: str = ""
    input: str = ""
    expected: str = ""
    trials: tuple[TrialView, ...] = ()
    baseline_output: str | None = None

    @property
    def flaky(self) -> bool:
        """Tell whether it passed in some of its trials and missed in others."""
        return len({trial.value for trial in self.trials}) > 1


@dataclass(frozen=True, slots=True)
class Compared:
    """What is known of one suite's cases from its baseline: change and mean by id, and its outputs by golden id."""

    changes: Mapping[str, tuple[Change, float | None]] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    outputs: Mapping[str, Json] = field(default_factory=dict)


_ALONE = Compared()


@dataclass(frozen=True, slots=True)
class StoredCases:
    """The cases of a run file in the order of its plans, each suite's removed ones behind; can be drawn again."""

    path: Path
    compared: Mapping[str, Compared] = field(default_factory=dict)
    texts: Texts = SHOWN

    def __iter__(self) -> Iterator[CaseView]:
        """Draw them from the file."""
        suite = None
        for row in run_file.rows(self.path):
            if suite is not None and row["suite"] != suite:
                yield from self._removed(suite)
            suite = row["suite"]
            yield self._case(row, self.compared.get(suite, _ALONE))
        if suite is not None:
            yield from self._removed(suite)

    def _case(self, row: Mapping[str, Json], compared: Compared) -> CaseView:
        trials = tuple(self._trial(trial) for trial in row.get("trials", ()))
        change, before = compared.changes.get(row["id"], ("", None))
        question = row.get("question", _NOTHING)
        side = row.get("side", "both")
        output = compared.outputs.get(golden_id_of(row["id"], side))
        return CaseView(
            suite=row["suite"],
            id=row["id"],
            place=Place(row["file"], row["line"]),
            outcome=row["outcome"],
            tags=tuple(row.get("tags", ())),
            slices=tuple((by, value) for by, value in row.get("slices", ())),
            side=side,
            change=change,
            before=before,
            value=_mean(trials),
            reason=self.texts.reason(row.get("reason") or next((one.reason for one in trials if not one.value), "")),
            input=self.texts.of("input", question.get("input")),
            expected=self.texts.of("expected", question.get("expected")),
            trials=trials,
            baseline_output=None if output is None else self.texts.of("output", output),
        )

    def _trial(self, trial: Mapping[str, Json]) -> TrialView:
        calls = trial.get("calls", ())
        return TrialView(
            value=trial["value"],
            output=self.texts.of("output", trial.get("output", _NOTHING).get("value")),
            reason=self.texts.reason(trial.get("reason", "")),
            scores=tuple(self._score(score) for score in trial.get("scores", ())),
            latency_s=trial.get("latency_s"),
            cost_usd=_sum(call.get("cost_usd") for call in calls),
            tokens=_sum(call.get(name) for call in calls for name in ("tokens_in", "tokens_out")),
        )

    def _score(self, score: Mapping[str, Json]) -> Score:
        reason, counts = self.texts.reason(score.get("reason", "")), score.get("counts", True)
        return Score(score["name"], score["value"], score["passed"], reason, score.get("weight"), counts)

    def _removed(self, suite: str) -> Iterator[CaseView]:
        compared = self.compared.get(suite, _ALONE)
        for case_id in compared.removed:
            before = compared.changes.get(case_id, ("", None))[1]
            yield CaseView(suite, case_id, Place("", 0), "not_run", change="removed", before=before)


def _mean(trials: tuple[TrialView, ...]) -> float | None:
    values = [trial.value for trial in trials if trial.value is not None]
    return sum(values) / len(values) if values else None


def _sum(values: Iterator[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
