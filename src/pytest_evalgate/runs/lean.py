"""Decoder of results without texts, for gates over many cases: equal parts of cases and trials are one object.

Without outputs, most trials of a run are equal: of 1,000,000 cases with one rule, a few hundred differ. Decoding each
of them once saves half of the time and 0.6 KB a case.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, get_args

from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import CaseResult, Outcome, PlannedCase
from pytest_evalgate.runs import codec

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import Trial

_OUTCOMES: Final = frozenset(get_args(Outcome))
_TRIAL: Final = frozenset({"value", "reason", "output", "latency_s", "scores", "is_final", "score_s"})
_SCORE: Final = frozenset({"name", "value", "passed", "reason", "rationale", "weight"})
_PLAIN: Final = frozenset({"cluster", "planned_trials", "side", "skip", "variant_of", "weight"})
_NO_TRIALS: Final[tuple[Trial, ...]] = ()


class LeanDecoder:
    """Decoder of the cases and results of one suite. ``digests`` keeps the digests of outputs."""

    def __init__(self, *, digests: bool = False) -> None:
        """Start with no known parts."""
        self._digests = digests
        self._trials: dict[Hashable, tuple[Trial, ...]] = {}
        self._tags: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._slices: dict[tuple[str, ...], tuple[tuple[str, str], ...]] = {}

    def case(self, row: Mapping[str, Json]) -> PlannedCase:
        """Decode a planned case, like `codec.decode_case`."""
        if not _PLAIN.isdisjoint(row):
            return codec.decode_case(row)
        tags, written = tuple(row.get("tags", ())), row.get("slices", ())
        key = tuple([text for pair in written for text in pair])
        slices = self._slices.get(key)
        if slices is None:
            slices = self._slices[key] = tuple((by, value) for by, value in written)
        place = Place(sys.intern(row["file"]), row["line"])
        return PlannedCase(row["id"], place, row["fingerprint"], self._tags.setdefault(tags, tags), slices)

    def result(self, row: Mapping[str, Json], case: PlannedCase) -> CaseResult:
        """Decode a result without its texts, like `codec.decode_result`.

        Raises:
            ValueError: A value is unknown, or an output names a call that does not exist.
        """
        written = row.get("trials", _NO_TRIALS)
        key = None if self._digests else _key(written)
        known = None if key is None else self._trials.get(key)
        if known is None or row["outcome"] not in _OUTCOMES:
            decoded = codec.decode_result(row, case, texts=False, digests=self._digests)
            known = self._trials.setdefault(decoded.trials if key is None else key, decoded.trials)
        outcome: Outcome = row["outcome"]
        return CaseResult(case, outcome, known, row.get("reason", ""), is_final=row.get("is_final", False))


def _key(trials: Sequence[Mapping[str, Json]]) -> Hashable | None:
    """Return what decides the trials without texts; None if they have calls, readings or other rare parts."""
    parts: list[Any] = []
    for trial in trials:
        if not trial.keys() <= _TRIAL:
            return None
        output = trial.get("output")
        parts += (trial["value"], trial.get("reason"), trial.get("latency_s"), trial.get("is_final"))
        parts.append(None if output is None else output.get("finish", "complete"))
        for score in trial.get("scores", ()):
            if not score.keys() <= _SCORE:
                return None
            parts += (score["name"], score["value"], score["passed"], score.get("weight"))
        parts.append(_NO_TRIALS)  # ends the scores of the trial
    return tuple(parts)
