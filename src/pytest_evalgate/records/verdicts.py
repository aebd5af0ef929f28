"""Verdicts and what they are decided by: ``Run, Baseline, Calibration -> GateResult -> SuiteVerdict -> Verdict``."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - `runs.record_file` validates records by their types
from dataclasses import field
from typing import Final, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.attempts import Repeats, Reruns, TakenOver  # noqa: TC001 - as above
from pytest_evalgate.records.cases import Json, nothing
from pytest_evalgate.records.corrected import (  # noqa: TC001 - as above
    CorrectedRate,
    LabelledSample,
    MeasuredChange,
)
from pytest_evalgate.records.covered import CoveredField  # noqa: TC001 - as above
from pytest_evalgate.records.measured import MetricResult  # noqa: TC001 - as above
from pytest_evalgate.records.results import StopRule  # noqa: TC001 - as above
from pytest_evalgate.records.side_by_side import SideBySide  # noqa: TC001 - as above
from pytest_evalgate.records.weighting import Weighting  # noqa: TC001 - as above

VerdictName = Literal["pass", "fail", "inconclusive", "incomplete", "not_evaluated", "invalid"]


FindingName = Literal[
    "regressed",
    "regressed_within_margin",
    "no_regression_beyond_margin",
    "inconclusive",
]


"""The result of a delta test: the comparison of a run with its baseline."""


DeltaTest = Literal[
    "mcnemar-midp", "sign-flip-midp", "paired-t", "cluster-sign-flip-midp", "cluster-t", "run-labels-t"
]


"""Paired test of a delta."""


GateKind = Literal[
    "pass-rate",
    "no-regression",
    "slice",
    "mean-score",
    "must-pass",
    "budget",
    "metric",
    "parity",
    "invariance",
    "violation-rate",
]


Effect = Literal["weaker", "stricter", "neutral"]


"""The effect of a change of the gate. A change that is not provably stricter or neutral is weaker."""


@dataclass(frozen=True, slots=True)
class OtherModel:
    """A model that replied to ``calls`` calls in place of the one that was asked for.

    ``purpose`` is ``target``, or ``judge:NAME``.
    """

    purpose: str
    asked: str
    served: str
    calls: int


@dataclass(frozen=True, slots=True)
class BaselineCase:
    """A case of a promoted run. ``values`` has one value in [0, 1] for each trial.

    ``scores`` has the scores, one for each trial, of the scorers whose scores differ from ``values``. ``readings`` has
    the values that each metric read, by `Reading.metric`, one tuple for each trial. ``weight`` is that of the promoted
    run; comparisons use the weights of the run that is compared.
    """

    fingerprint: str
    values: tuple[float, ...]
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=nothing)
    readings: Mapping[str, tuple[tuple[str | float | None, ...], ...]] = field(default_factory=nothing)
    weight: float = 1.0

    @property
    def mean(self) -> float:
        """Mean over the trials."""
        return sum(self.values) / len(self.values)


@dataclass(frozen=True, slots=True)
class Provenance:
    """The origin of a baseline."""

    run_id: str
    created: str
    promoted: str
    commit: str | None
    reason: str
    golden_sha256: str
    scorers_sha256: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """A promoted run of one suite.

    ``source`` is the place that it was read from: ``file:PATH`` or ``git:REF``. ``scorers`` are scorer names.
    ``other_models`` replied in place of those that were asked for.
    """

    suite: str
    source: str
    provenance: Provenance
    trials: int
    cases: Mapping[str, BaselineCase]
    scorers: tuple[str, ...] = ()
    other_models: tuple[OtherModel, ...] = ()


@dataclass(frozen=True, slots=True)
class Calibration:
    """The agreement of a judge with human labels.

    ``parts`` are the digests that make up ``fingerprint`` (model, rubric, few-shots, parameters, protocol, threshold),
    so that a message can name the part that changed. Of ``human_pass`` labels that are passes, the judge passed
    ``judge_pass``; of ``human_fail`` that are fails, it failed ``judge_fail``. Both count only rows that did not
    choose the threshold; clustered or weighted labels count as their effective number, which may be fractional.
    ``measures`` are further figures, by name. ``sample`` are the labels by stratum, if they were drawn from a run.
    """

    judge: str
    fingerprint: str
    parts: Mapping[str, str]
    labels: str
    labels_sha256: str
    created: str
    human_pass: float
    judge_pass: float
    human_fail: float
    judge_fail: float
    threshold: float | None = None
    measures: Mapping[str, Json] = field(default_factory=nothing)
    sample: LabelledSample | None = None

    @property
    def label_count(self) -> int:
        """The number of labels; it differs from their effective number if they are clustered or weighted."""
        counted = [
            measured.get("n") for name in ("tpr", "tnr") if isinstance(measured := self.measures.get(name), dict)
        ]
        known = [n for n in counted if isinstance(n, int)]
        if known and len(known) == len(counted):
            return sum(known)
        return round(self.human_pass + self.human_fail)


@dataclass(frozen=True, slots=True)
class JudgeVerdict:
    """One judge of a suite.

    ``why_not`` is the reason why its scores do not count; None if they do. ``scored`` outputs were graded;
    ``unreadable`` is the number of replies without a grade. ``tpr`` and ``tnr`` are (value, lower bound) from its
    calibration.
    """

    name: str
    fingerprint: str
    calibrated: bool
    why_not: str | None
    scored: int
    unreadable: int
    pass_rate: float | None
    corrected: CorrectedRate | None = None
    tpr: tuple[float, float] | None = None
    tnr: tuple[float, float] | None = None
    labels: int = 0
    age_days: int | None = None


@dataclass(frozen=True, slots=True)
class Accounting:
    """Number of planned cases by outcome. The outcomes add up to ``planned``.

    ``unscored`` cases have an output that no scorer decides, because its judges only report.
    """

    planned: int = 0
    passed: int = 0
    missed: int = 0
    errored: int = 0
    skipped: int = 0
    not_run: int = 0
    unscored: int = 0

    def __add__(self, other: Accounting) -> Accounting:
        """Add the numbers of two suites."""
        return Accounting(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class ScoreSummary:
    """The mean of a scorer over ``n`` scored trials; None if there are none.

    ``se`` is its standard error over the cases or their clusters, if cases have several trials.
    """

    mean: float | None
    n: int
    se: float | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """The paired comparison of a run with its baseline, in shares. ``delta`` is candidate minus baseline.

    ``lower`` and ``upper`` are one-sided bounds at ``1 - alpha``. ``baseline_rate`` is over the pairs. Missing outputs
    are counted as failures. ``p_adjusted`` is adjusted for the other tests of the build and decides the finding.
    ``mde`` is the smallest drop that these pairs can detect with a power of 80 %. ``equivalent`` means that the change
    is proven to be smaller than the margin in both directions. ``p_better`` is the p of an improvement; None unless
    the change is positive. If a judge decides, the change is divided by its ``youden`` index, because a judge that
    errs shows only that share of a change; ``measured`` is the change before that, which fits ``baseline_rate``.
    """

    baseline: str
    baseline_rate: float
    pairs: int
    losses: int
    gains: int
    delta: float
    p: float
    lower: float
    upper: float
    test: DeltaTest
    finding: FindingName
    mde: float | None
    added: int = 0
    removed: int = 0
    edited: int = 0
    p_adjusted: float | None = None
    equivalent: bool | None = None
    youden: float = 1.0
    p_better: float | None = None
    measured: MeasuredChange | None = None


@dataclass(frozen=True, slots=True)
class SliceResult:
    """One slice of a suite. ``delta`` is None without a baseline or without pairs.

    ``shrunken`` is the pass rate, shrunk towards that of all slices with the same ``by``; slices with fewer cases are
    shrunk more. It is used to rank and display slices, never to gate. ``gated`` means that a gate tests the slice.
    ``n_eff`` is the effective number of cases if they do not weigh alike; None if they do.
    """

    by: str
    value: str
    n: int
    passed: int
    pass_rate: float
    interval: tuple[float, float]
    delta: Delta | None = None
    shrunken: float | None = None
    gated: bool = False
    n_eff: float | None = None


@dataclass(frozen=True, slots=True)
class GateResult:
    """The result of one gate: ``value``, or ``bound`` if it uses one, compared with ``required``.

    ``of`` distinguishes gates of one kind: the slices of a slice or parity gate, the tags of a must-pass gate, the
    scorer of a gate on scores. ``delta`` is the change that it decides on (of the cases, of the scores, of the worst
    slice), ``p`` its adjusted p, None if a bound decides. A gate that could not have failed for a drop of its margin
    (10 points without one) is blind below ``blind_below``; about ``cases_to_see`` cases detect such a drop with a
    power of 80 %.
    """

    kind: GateKind
    result: VerdictName
    value: float | None
    bound: float | None
    required: float | None
    message: str
    of: str = ""
    delta: Delta | None = None
    p: float | None = None
    blind_below: float | None = None
    cases_to_see: int | None = None


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One suite of a decided run. ``discordance`` is the share of pairs that differ from the baseline.

    ``work_sha256`` is a digest of configuration, target and uncommitted changes. The rate of a ``stopped`` suite is
    that of the cases that ran.
    """

    run_id: str
    created: str
    commit: str | None
    suite: str
    cases: int
    trials: int
    pass_rate: float
    discordance: float | None
    golden_sha256: str
    scorers_sha256: str
    baseline_run_id: str | None
    verdict: VerdictName
    work_sha256: str | None = None
    stopped: bool = False


TREND_MIN_RUNS: Final = 7


"""Fewest earlier runs of a trend: those that a median and a MAD need."""


@dataclass(frozen=True, slots=True)
class Trend:
    """The trend of the last runs of a suite. It is advice and never fails a build.

    ``runs`` is the number of runs since the golden set, the scorers or the baseline changed, this one included.
    ``alarm`` means that the pass rate fell by more than chance explains, from the run ``since`` on.
    """

    runs: int
    level: float
    cusum: float
    limit: float
    alarm: bool
    since: str | None
    z: float | None
    message: str


@dataclass(frozen=True, slots=True)
class GateChange:
    """A change of the gate compared with the base branch.

    ``where`` is a key of the configuration (``suites.support.gates[0].min``), or ``file:line`` and the id of a case.
    ``acknowledged`` is the reason and owner of its acknowledgement; None if it has none.
    """

    what: str
    where: str
    before: str
    now: str
    effect: Effect
    acknowledged: str | None = None


@dataclass(frozen=True, slots=True)
class SuiteVerdict:
    """One suite of the verdict.

    ``cases`` is the number of cases without the skipped ones; ``passed`` is the number of cases that pass in most of
    their trials. ``corrected`` is the pass rate, corrected for the errors of the judge that decides it. ``reruns``
    is None for the first attempt at a commit. ``notes`` are warnings about the numbers. ``other_models`` replied in
    place of those that were asked for. ``weighting`` is None if all cases weigh alike. ``coverage`` is empty if the
    suite wants no values.
    """

    cases: int
    trials: int
    passed: int
    pass_rate: float | None
    interval: tuple[float, float] | None
    golden_sha256: str
    verdict: VerdictName
    mode: Literal["blocking", "advisory"]
    accounting: Accounting
    scores: Mapping[str, ScoreSummary]
    delta: Delta | None
    slices: tuple[SliceResult, ...]
    gates: tuple[GateResult, ...]
    judges: tuple[JudgeVerdict, ...] = ()
    repeats: Repeats | None = None
    stopped: StopRule | None = None
    trend: Trend | None = None
    notes: tuple[str, ...] = ()
    other_models: tuple[OtherModel, ...] = ()
    corrected: CorrectedRate | None = None
    reruns: Reruns | None = None
    metrics: tuple[MetricResult, ...] = ()
    weighting: Weighting | None = None
    coverage: tuple[CoveredField, ...] = ()


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls to models and endpoints, and their cost. All are zero if outputs were recorded.

    ``planned = sent + cached``. ``retried`` is the number of requests beyond the first of each call. ``unknown_price``
    is the number of calls whose price is unknown; ``cost_usd`` does not include them. ``local`` is the number of sent
    calls of functions and commands on this machine, whose cost is unknown.
    """

    planned: int = 0
    sent: int = 0
    cached: int = 0
    retried: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    unknown_price: int = 0
    local: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of the build: the content of ``verdict.json``. ``resumed`` is an interrupted run that it resumed.

    ``changed_in_gate`` is None if the base branch of a pull request could not be read; ``base_problem`` is the reason.
    ``side_by_side`` compares the candidates of each suite that ran with several targets.
    """

    verdict: VerdictName
    exit_code: int
    run_id: str
    commit: str | None
    tier: str
    accounting: Accounting
    suites: Mapping[str, SuiteVerdict]
    suites_not_run: tuple[str, ...]
    calls: Calls
    duration_s: float
    changed_in_gate: tuple[GateChange, ...] | None = ()
    problems: tuple[str, ...] = ()
    refused: str | None = None
    base_problem: str | None = None
    resumed: TakenOver | None = None
    side_by_side: tuple[SideBySide, ...] = ()
