"""Readings: the few values that a metric of the suite needs of one output.

They are read when the output is graded, and stored with its trial, so that a stored run can be decided without its
golden set. A prediction that cannot be read is None, and its metric counts it; a label that cannot be read is refused
before the run.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.config import (
    ClassificationMetric,
    ConfidenceMetric,
    RankingMetric,
    RegressionMetric,
    SpansMetric,
)
from pytest_evalgate.errors import ScorerError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.results import Output, Reading
from pytest_evalgate.scorers.compare import comparable
from pytest_evalgate.scorers.part import NoPartError, part_of
from pytest_evalgate.scorers.text import format_value
from pytest_evalgate.text.jsonl import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_evalgate.config import Metric
    from pytest_evalgate.records.cases import Case, Json

Values = tuple[str | float | None, ...]

SPAN_VALUES: Final = 6
"""Values of each label of spans: the label, and its five counts."""

_LONGEST_CLASS: Final = 100
"""Characters of a class; a longer text is an answer in prose, not a class."""


@dataclass(frozen=True, slots=True)
class MetricReader:
    """Reader of the values of one metric."""

    metric: Metric

    @property
    def name(self) -> str:
        """Name of the metric, for messages about a case."""
        return f"metric {self.metric.title}"

    def read(self, case: Case, output: Output | None) -> Reading:
        """Return the values of a trial; ``output`` is None if there is none that could be read.

        Raises:
            ScorerError: The case has no usable label.
        """
        return Reading(self.metric.key, _read(self.metric, case, output))

    def case_problem(self, case: Case, output: Output | None = None) -> str | None:  # noqa: ARG002 - as for a scorer
        """Return why the label of ``case`` cannot be used, if it cannot."""
        try:
            self.read(case, None)
        except ScorerError as error:
            return str(error)
        return None

    def reads(self, case: Case) -> frozenset[str]:  # noqa: ARG002 - as for a scorer
        """Return the field of a case that has the label."""
        return frozenset(_label_fields(self.metric))


def metric_readers(metrics: Iterable[Metric]) -> tuple[MetricReader, ...]:
    """Return a reader for each metric of a suite."""
    return tuple(map(MetricReader, metrics))


def labels_of(metric: Metric, cases: Iterable[Case]) -> frozenset[str]:
    """Return the classes, or the labels of spans, that cases have; a case whose label cannot be read is left out."""
    places = {"classification": slice(0, 1), "spans": slice(1, None, SPAN_VALUES)}.get(metric.kind)
    if places is None:
        return frozenset()
    found: set[str] = set()
    for case in cases:
        with contextlib.suppress(ScorerError):
            found.update(map(str, _read(metric, case, None)[places]))
    return frozenset(found)


def label_outside_of_content(metric: Metric, case: Case) -> Json:
    """Return the label of a case if it is not part of the content by which cases are compared; else None."""
    path = getattr(metric, "label", None) or getattr(metric, "relevant", None) or ""
    return _at(case, path) if path.startswith(("metadata.", "slice.")) else None


def _label_fields(metric: Metric) -> tuple[str, ...]:
    if isinstance(metric, ConfidenceMetric):
        return ()
    path = metric.relevant if isinstance(metric, RankingMetric) else metric.label
    return ("reference_context", "expected") if path is None else (path.partition(".")[0],)


def _read(metric: Metric, case: Case, output: Output | None) -> Values:
    match metric:
        case ClassificationMetric():
            return _classes(metric, case, output)
        case RegressionMetric():
            return _numbers(metric, case, output)
        case ConfidenceMetric():
            return (_probability(_predicted(output, metric.confidence, case)),)
        case RankingMetric():
            return _ranked(metric, case, output)
        case SpansMetric():
            return tuple(_spans(metric, case, output))


def _classes(metric: ClassificationMetric, case: Case, output: Output | None) -> Values:
    label = class_name(_at(case, metric.label))
    if label is None:
        raise ScorerError(
            f"{_without(case, metric.label)}, not a class: a text of at most {_LONGEST_CLASS} characters"
        )
    if metric.labels and label not in metric.labels:
        raise ScorerError(f"{metric.label} is {format_value(label)}, which is not in labels: add it there")
    return label, class_name(_predicted(output, metric.predicted, case))


def class_name(value: Json) -> str | None:
    """Return a class as text, without white space around it; None for what cannot be one. true is ``"true"``."""
    if isinstance(value, bool | int | float):
        return canonical(value)
    if not isinstance(value, str):
        return None
    text = comparable(value).strip()
    return text if 0 < len(text) <= _LONGEST_CLASS else None


def _numbers(metric: RegressionMetric, case: Case, output: Output | None) -> Values:
    label = _number(_at(case, metric.label))
    if label is None:
        raise ScorerError(f"{_without(case, metric.label)}, not one number")
    return label, _number(_predicted(output, metric.predicted, case))


def _number(value: Json) -> float | None:
    """Return the last number of a value, as the rule ``number`` reads it; None without one, or if it is ambiguous."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    from pytest_evalgate.scorers.number_reader import read_value  # noqa: PLC0415 - 10 ms, for numbers in texts only

    found = read_value(value)
    if not found or len(found[-1].values) != 1:
        return None
    try:
        return float(found[-1].values[0])
    except OverflowError:  # more than 300 digits
        return None


def _probability(value: Json) -> float | None:
    """Return a number in [0, 1], also written as text or in percent; None for anything else."""
    if isinstance(value, str):
        text, divisor = (value.strip()[:-1], 100) if value.strip().endswith("%") else (value, 1)
        try:
            value = float(text) / divisor
        except ValueError:
            return None
    number = _number(value)
    return number if number is not None and 0 <= number <= 1 else None


def _ranked(metric: RankingMetric, case: Case, output: Output | None) -> Values:
    from pytest_evalgate.scorers.retrieval import ranked_documents, retrieval, wanted_documents  # noqa: PLC0415 - few suites rank

    if metric.relevant is not None:
        case = replace(case, reference_context=(), expected=_at(case, metric.relevant))
    relevance = wanted_documents(case)
    if not any(grade > 0 for grade in relevance.values()):
        return ()
    try:
        ranked = ranked_documents(Output(_predicted(output, metric.predicted, case)))
    except ValueError:
        return (None,) * 4
    found = retrieval(ranked, relevance, metric.k)
    return () if found is None else (found.ndcg_at_k, found.mrr, found.precision_at_k, found.recall_at_k)


def _spans(metric: SpansMetric, case: Case, output: Output | None) -> Iterable[str | float | None]:
    """Yield six values for each label: the label and its counts. A list that cannot be read begins with None."""
    from pytest_evalgate.scorers.spans import count_spans, read_spans  # noqa: PLC0415 - few suites have spans

    try:
        gold = read_spans(_at(case, metric.label))
    except ValueError as error:
        raise ScorerError(f"{metric.label}: {error}") from None
    try:
        predicted = read_spans(_predicted(output, metric.predicted, case))
    except ValueError:
        predicted = []
        yield None
    for one in count_spans(gold, predicted):
        yield one.label
        yield from map(float, (one.gold, one.predicted, one.exact, one.gold_met, one.predicted_met))


def _at(case: Case, path: str) -> Json:
    """Return the value at a dotted path into a case; None if there is none."""
    first, *rest = path.split(".")
    value: Any = getattr(case, first)
    for key in rest:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _without(case: Case, path: str) -> str:
    value = _at(case, path)
    return f'the case has no "{path}"' if value is None else f"{path} is {format_value(value)}"


def _predicted(output: Output | None, path: str, case: Case) -> Json:
    """Return the value at a path into an output; None if there is none. A whole output is not parsed."""
    if output is None or path == "output":
        return None if output is None else output.value
    try:
        return part_of(output, path, case).value
    except NoPartError:
        return None
