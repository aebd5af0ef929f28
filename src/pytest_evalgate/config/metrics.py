"""Metrics of a suite in the configuration, and the gate on one of their figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from pytest_evalgate.config.tables import Alpha, Names, Table, TextForm
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import did_you_mean

_PATH_ADVICE: Final = "write a dotted path"
CasePath = Annotated[
    str,
    TextForm(
        r"^(expected|human_label|reference_context|input|(expected|human_label|metadata|slice|vars)(\.[^.\s]+)+)$",
        f'{_PATH_ADVICE} into the case, such as "expected", "expected.label" or "metadata.intent"',
    ),
]
OutputPath = Annotated[
    str,
    TextForm(
        r"^(output(\.[^.\s]+)*|metadata(\.[^.\s]+)+)$",
        f'{_PATH_ADVICE} into the output, such as "output", "output.label" or "metadata.confidence"',
    ),
]
MetricName = Annotated[
    str, TextForm(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$", "use letters, digits, '-' and '_', at most 40")
]
TopK = Annotated[int, Field(strict=True, ge=1, le=1000)]
BinCount = Annotated[int, Field(strict=True, ge=2, le=50)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Metric(Table):
    """What all metrics have in common; the keys that ``_DECIDED_LATER`` names do not change what is read."""

    _DECIDED_LATER: ClassVar[frozenset[str]] = frozenset()

    kind: str
    name: MetricName | None = None

    @property
    def title(self) -> str:
        """The name in reports and gates: ``name``, else the kind."""
        return self.name or self.kind

    @property
    def key(self) -> str:
        """The name of the values that are read from each output; another definition has another key.

        Values of a baseline that were read by another definition are so never compared. Keys with their default do
        not count, so that a key of a later version does not change it.
        """
        left_out = {"name", *self._DECIDED_LATER}
        parts = {
            key: value
            for key, value in self.model_dump(mode="json", exclude_defaults=True).items()
            if key not in left_out
        }
        return f"{self.title}:{jsonl.digest(parts)[:8]}"

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures over all cases, by the names that gates use."""
        raise NotImplementedError

    @property
    def class_figures(self) -> tuple[str, ...]:
        """The figures of one class or label; none for most kinds."""
        return ()


class ClassificationMetric(_Metric):
    """Confusion matrix, accuracy, precision, recall, F1 and MCC of an application that returns a class.

    ``labels`` are the classes; any other prediction is then unreadable, which counts as wrong. Without it, the classes
    are all labels and predictions that occur.
    """

    _DECIDED_LATER = frozenset({"labels"})

    kind: Literal["classification"]
    label: CasePath = "expected"
    predicted: OutputPath = "output"
    labels: Names = ()

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures over all cases."""
        return ("accuracy", "balanced-accuracy", "macro-f1", "weighted-f1", "mcc")

    @property
    def class_figures(self) -> tuple[str, ...]:
        """The figures of one class."""
        return ("precision", "recall", "f1")


class RegressionMetric(_Metric):
    """Errors and correlations of an application that returns a number.

    ``unreadable`` is the number that counts in place of a prediction that is not one. Without it, a gate fails if
    there are any.
    """

    kind: Literal["regression"]
    label: CasePath = "expected"
    predicted: OutputPath = "output"
    unreadable: Finite | None = None

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures over all cases."""
        return ("mae", "rmse", "r2", "pearson", "spearman")


class ConfidenceMetric(_Metric):
    """Calibration of the confidence that the application states: how often outputs of each confidence pass.

    ``confidence`` is a number in [0, 1]. One that cannot be read counts as the worst possible one.
    """

    _DECIDED_LATER = frozenset({"bins"})

    kind: Literal["confidence"]
    confidence: OutputPath
    bins: BinCount = 10

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures over all cases."""
        return ("brier", "ece")


class RankingMetric(_Metric):
    """Means of nDCG, MRR, precision and recall of ranked documents, at the cutoff ``k``.

    ``relevant`` are the ids of the relevant documents, or their grades by id. Without it, they are the case's
    ``reference_context``, or else its ``expected``.
    """

    kind: Literal["ranking"]
    relevant: CasePath | None = None
    predicted: OutputPath = "output"
    k: TopK = 10

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures over all cases."""
        return (f"ndcg@{self.k}", "mrr", f"precision@{self.k}", f"recall@{self.k}")


class SpansMetric(_Metric):
    """Precision, recall and F1 of spans that the application finds in a text, overall and by label.

    Both sides are lists of ``{ start, end, label }``. An exact match has both ends and the label; a partial match has
    the label, and overlaps.
    """

    kind: Literal["spans"]
    label: CasePath = "expected"
    predicted: OutputPath = "output"

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures over all cases."""
        return tuple(f"{match}-{figure}" for match in ("exact", "partial") for figure in ("precision", "recall", "f1"))

    @property
    def class_figures(self) -> tuple[str, ...]:
        """The figures of one label."""
        return self.figures


METRICS: Final[dict[str, type[_Metric]]] = {
    "classification": ClassificationMetric,
    "regression": RegressionMetric,
    "confidence": ConfidenceMetric,
    "ranking": RankingMetric,
    "spans": SpansMetric,
}
"""Metric tables by kind."""

_AnyMetric = Annotated[
    ClassificationMetric | RegressionMetric | ConfidenceMetric | RankingMetric | SpansMetric,
    Field(discriminator="kind"),
]


def _with_kind(value: Any) -> Any:
    example = 'such as { kind = "classification" }'
    if not isinstance(value, dict | Table):
        raise ValueError(f"a metric is a table with a kind, {example}")  # noqa: TRY004 - pydantic takes ValueError
    if isinstance(value, dict) and "kind" not in value:
        raise ValueError(f"a metric needs a kind, {example}; the kinds are: {', '.join(METRICS)}")
    return value


Metric = Annotated[_AnyMetric, BeforeValidator(_with_kind, json_schema_input_type=_AnyMetric)]

LOWER_IS_BETTER: Final = frozenset({"mae", "rmse", "brier", "ece"})
"""Figures that are errors: their gate has a ``max`` in place of a ``min``."""


class MetricGate(Table):
    """One figure of a metric, ``name``, is at least ``min``, or an error at most ``max``.

    ``of`` is the class or label of the figure; ``metric`` names the metric if several have the figure. With ``bound =
    "ci"`` the one-sided 95 % bound of the figure must reach the limit; with "point", the figure itself. ``max_drop``
    is the largest accepted change for the worse against the baseline: a larger one that is proven at ``alpha`` fails.
    """

    kind: Literal["metric"]
    name: str
    of: str = ""
    metric: str | None = None
    min: Finite | None = None
    max: Finite | None = None
    bound: Literal["ci", "point"] = "ci"
    max_drop: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    alpha: Alpha = 0.05

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        wrong, right = ("min", "max") if self.name in LOWER_IS_BETTER else ("max", "min")
        if getattr(self, wrong) is not None:
            which = "an error, so lower is better" if right == "max" else "better if it is higher"
            raise ValueError(f"{self.name} is {which}: write {right} in place of {wrong}")
        if self.limit is None and self.max_drop is None:
            raise ValueError(f"a metric gate needs {right}, max_drop, or both")
        return self

    @property
    def limit(self) -> float | None:
        """The limit of the figure itself; None if only its change is gated."""
        return self.max if self.name in LOWER_IS_BETTER else self.min

    @property
    def subject(self) -> str:
        """The figure in reports: ``macro-f1``, ``recall of urgent``."""
        return f"{self.name} of {self.of}" if self.of else self.name

    def of_metrics(self, metrics: Iterable[Metric]) -> Metric | None:
        """Return the metric that has the figure of this gate; the configuration has checked that there is one."""
        return next(iter(self._candidates(metrics)), None)

    def problem(self, metrics: Sequence[Metric]) -> str | None:
        """Return the reason why no single metric has the figure of this gate, if any."""
        if not metrics:
            return 'the suite has no metrics: add metrics = [{ kind = "classification" }]'
        titles = [metric.title for metric in metrics]
        if self.metric is not None and self.metric not in titles:
            return f'no metric is named "{self.metric}"{did_you_mean(self.metric, titles)}: {", ".join(titles)}'
        found = self._candidates(metrics)
        if len(found) > 1:
            named = ", ".join(metric.title for metric in found)
            return f'"{self.name}" is a figure of several metrics: add metric = "..." ({named})'
        if not found:
            known = dict.fromkeys(name for metric in metrics for name in self._figures(metric))
            of = " of one class" if self.of else ""
            return f'no metric has a figure "{self.name}"{of}{did_you_mean(self.name, known)}: {", ".join(known)}'
        return None

    def _candidates(self, metrics: Iterable[Metric]) -> list[Metric]:
        return [
            metric for metric in metrics if self.metric in (None, metric.title) and self.name in self._figures(metric)
        ]

    def _figures(self, metric: Metric) -> tuple[str, ...]:
        return metric.class_figures if self.of else metric.figures


def metric_list(value: Any) -> Any:
    """Refuse a table, as ``[suites.NAME.metrics]`` and ``metrics = {}`` write it."""
    if isinstance(value, dict):
        raise ValueError('metrics is a list of tables: write metrics = [{ kind = "classification" }]')  # noqa: TRY004 - pydantic takes ValueError
    return value


def unique_titles(metrics: Sequence[Metric]) -> None:
    """Raise ValueError if two metrics have the same name."""
    titles = [metric.title for metric in metrics]
    twice = next((title for title in titles if titles.count(title) > 1), None)
    if twice is not None:
        raise ValueError(f'two metrics are named "{twice}": give one of them another name, such as name = "second"')
