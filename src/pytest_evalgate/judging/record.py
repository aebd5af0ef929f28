"""From everything that labels say of a judge to the record that its gates read."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.data import Calibration
from pytest_evalgate.judging.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.data import Json
    from pytest_evalgate.judging.figures.rates import Rate
    from pytest_evalgate.judging.figures.threshold import Point
    from pytest_evalgate.judging.labels import LabelSet
    from pytest_evalgate.judging.measured import How, Measured

_LEFT_OUT = frozenset({"verdicts", "grades", "disagreements", "split", "roc"})
_CURVE = 33
"""Points of a curve that are kept at most; as a picture it needs no more."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where verdicts come from: the judge by its name, and its ``parts``, or the path in the labels they were read at.

    ``parts`` are empty where verdicts were read: nobody knows what gave them.
    """

    judge: str
    parts: Mapping[str, str]
    stored: str | None = None


def record_of(measured: Measured, labels: LabelSet, source: Source, how: How, created: str) -> Calibration:
    """Make the record of a judge held against ``labels``; ``created`` is UTC, ISO 8601.

    Its counts are those of the labels. Where rows come in clusters or are weighted, they are fewer: as many as these
    labels are worth in independent ones, rounded down.
    """
    threshold = None if measured.threshold is None else measured.threshold.value
    judge_pass, human_pass = _counts(measured.tpr)
    judge_fail, human_fail = _counts(measured.tnr)
    return Calibration(
        judge=source.judge,
        fingerprint=fingerprint(source.parts, threshold),
        parts=source.parts,
        labels=labels.name,
        labels_sha256=labels.sha256,
        created=created,
        human_pass=human_pass,
        judge_pass=judge_pass,
        human_fail=human_fail,
        judge_fail=judge_fail,
        threshold=threshold,
        measures=_measures(measured, labels, source, how),
    )


def _counts(rate: Rate | None) -> tuple[int, int]:
    return (0, 0) if rate is None else rate.whole_worth


def _measures(measured: Measured, labels: LabelSet, source: Source, how: How) -> dict[str, Json]:
    named = {field.name: getattr(measured, field.name) for field in dataclasses.fields(measured)}
    kept = {name: value for name, value in named.items() if name not in _LEFT_OUT and value not in (None, {}, ())}
    return {
        "verdicts_from": source.stored or "asked",
        "labels_that_pass": labels.counted(passed=True),
        "labels_that_fail": labels.counted(passed=False),
        "bootstrap": {"seed": how.bootstrap.seed, "draws": how.bootstrap.draws},
        **{name: _plain(value) for name, value in {**kept, **measured.verdicts, **measured.grades}.items()},
        **({"roc": _plain(_thinned(measured.roc))} if measured.threshold is not None else {}),
    }


def _thinned(curve: Sequence[Point]) -> tuple[Point, ...]:
    """Return points of a curve from end to end, evenly far apart."""
    gaps = min(len(curve), _CURVE) - 1
    return tuple(curve[round(at * (len(curve) - 1) / gaps)] for at in range(gaps + 1))


def _plain(value: object) -> Json:
    """Return a record as JSON; the whole curve is left out: it would be as long as the labels."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: _plain(item) for name, item in fields.items() if name not in _LEFT_OUT}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
