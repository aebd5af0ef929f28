"""The records, in the order in which they flow.

``GoldenSet -> Case -> Trial(Output) -> Score -> CaseResult -> Run -> Verdict``. All are frozen; nothing flows back.
"""

from __future__ import annotations

from collections.abc import (
    Iterator,  # noqa: TC003 - verdict_file reads the records by their types
    Mapping,  # noqa: TC003 - verdict_file reads the records by their types
)
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pytest_evalgate.records.calls import CallRecord, Finish

Json = Any
"""A value that JSON can hold: None, bool, int, float, str, list or dict with str keys."""

Outcome = Literal["passed", "missed", "errored", "skipped", "not_run"]
"""What became of a planned case. ``errored`` means: no answer, so the case is missing."""

VerdictName = Literal["pass", "fail", "inconclusive", "incomplete", "not_evaluated", "invalid"]

FindingName = Literal[
    "regressed",
    "regressed_within_margin",
    "no_regression_beyond_margin",
    "inconclusive",
]
"""What a delta test says (STATISTICS section 2)."""

DeltaTest = Literal["mcnemar-midp", "sign-flip-midp", "paired-t", "cluster-sign-flip-midp", "cluster-t"]
"""Paired test of a delta."""

GateKind = Literal["pass-rate", "no-regression", "slice", "mean-score", "must-pass", "budget"]

StopRule = Literal["certainty"]
"""Why a suite may end before its last case: its verdict cannot change any more."""

Side = Literal["both", "head", "base"]
"""Where a case stands: on this branch and at its base, or on one of them only."""

BASE_SUFFIX = "@base"

Effect = Literal["weaker", "stricter", "neutral"]
"""What a change of the gate does to it. What is not provably stricter or neutral is weaker."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return _NOTHING


def golden_id_of(case_id: str, side: Side) -> str:
    """Return the id by which the golden set knows a case that a run knows as ``case_id``."""
    return case_id.removesuffix(BASE_SUFFIX) if side == "base" else case_id


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case stands: a file, relative to the root folder, and a 1-based line."""

    file: str
    line: int

    def __str__(self) -> str:
        """Render as ``file:line``."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Case:
    """One line of a golden set.

    ``fingerprint`` is the SHA-256 of what is asked and what is wanted (input, messages, vars, expected, rubric,
    contexts, expected tools, asserts): two runs pair on it. Tags, metadata and the line number are not part of it.
    ``side`` is "base" where the case stands so at the base branch only; its id then ends in ``@base``.
    """

    id: str
    input: Json = None
    messages: tuple[Mapping[str, Json], ...] = ()
    vars: Mapping[str, Json] = field(default_factory=_nothing)
    expected: Json = None
    expected_any: tuple[Json, ...] = ()
    rubric: str | None = None
    context: tuple[str, ...] = ()
    reference_context: tuple[str, ...] = ()
    output: Json = None
    trajectory: tuple[Json, ...] = ()
    expected_tools: tuple[Json, ...] = ()
    asserts: tuple[Mapping[str, Json], ...] = ()
    tags: tuple[str, ...] = ()
    slice: Mapping[str, str] = field(default_factory=_nothing)
    metadata: Mapping[str, Json] = field(default_factory=_nothing)
    split: str | None = None
    weight: float = 1.0
    trials: int | None = None
    skip: str | None = None
    human_label: Json = None
    place: Place = Place("", 0)
    fingerprint: str = ""
    side: Side = "both"

    @property
    def golden_id(self) -> str:
        """The id in the golden set: what targets and recordings know the case by."""
        return golden_id_of(self.id, self.side)

    @property
    def question(self) -> dict[str, Json]:
        """What is asked and what is wanted, as reports show them: ``input`` and ``expected``, where there are any."""
        asked = self.input if self.input is not None else [*self.messages] or dict(self.vars) or None
        wanted = self.expected if self.expected is not None else [*self.expected_any] or self.rubric
        return {name: value for name, value in (("input", asked), ("expected", wanted)) if value is not None}


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """The cases of one JSONL file, in line order; ``sha256`` does not depend on line or key order."""

    path: str
    cases: tuple[Case, ...]
    sha256: str

    def __iter__(self) -> Iterator[Case]:
        """Iterate over the cases in line order."""
        return iter(self.cases)

    def __len__(self) -> int:
        """Count the cases."""
        return len(self.cases)


@dataclass(frozen=True, slots=True)
class Output:
    """What the target returned in one trial; ``value`` is text or any JSON value.

    ``call`` is the call that brought it, where the engine made one. An output whose ``finish`` is not ``complete``
    is not graded: its trial is a miss.
    """

    value: Json
    metadata: Mapping[str, Json] = field(default_factory=_nothing, hash=False)
    latency_s: float | None = None
    finish: Finish = "complete"
    call: CallRecord | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """One scorer's value for one output, compared with that scorer's threshold.

    ``passed`` is None where ``value`` is: unknown is neither a pass nor a miss. What does not ``count`` is reported
    and decides nothing: a judge that may not gate. ``calls`` are those that it took, kept with the trial.
    """

    name: str
    value: float | None
    passed: bool | None
    reason: str = ""
    weight: float | None = None
    counts: bool = True
    calls: tuple[CallRecord, ...] = field(default=(), compare=False)


Graded = tuple[float | None, str]
"""The value of an output in [0, 1], or None if the scorer could not tell, and the reason."""

Returned = Graded | Score | float | None
"""What the function of a scorer may return; a bool is a float to a type checker."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one case: the output, its scores, and what they add up to.

    ``value`` is 1.0 or 0.0; None means that the trial is missing, and ``reason`` says why. ``calls`` are the
    target's and the judges' calls, those in vain included.
    """

    index: int
    value: float | None
    output: Output | None = None
    scores: tuple[Score, ...] = ()
    reason: str = ""
    calls: tuple[CallRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """A case as the plan knows it: enough to account for it, to slice it and to pair it with a baseline.

    ``fingerprint`` covers the case's content and the suite's scorers: cases that differ in it are not paired.
    ``slices`` holds (by, value) pairs. ``cluster`` names what the case shares with others, where the suite says so.
    ``side`` is "head" or "base" where the branch added, removed or edited the case: what stands at the base branch
    still runs, under an id that ends in ``@base``.
    """

    id: str
    place: Place
    fingerprint: str
    tags: tuple[str, ...] = ()
    slices: tuple[tuple[str, str], ...] = ()
    skip: str | None = None
    cluster: str | None = None
    side: Side = "both"

    @property
    def golden_id(self) -> str:
        """The id in the golden set, which is the one that a baseline knows."""
        return golden_id_of(self.id, self.side)


@dataclass(frozen=True, slots=True)
class SuitePlan:
    """What a run of one suite has to account for, in golden set order.

    Of a tier that plans a sample, ``drawn_from`` is the number of cases that it was drawn from.
    """

    name: str
    golden: tuple[str, ...]
    golden_sha256: str
    scorers_sha256: str
    trials: int
    cases: tuple[PlannedCase, ...]
    drawn_from: int | None = None


@dataclass(frozen=True, slots=True)
class CaseResult:
    """All trials of one planned case in one run; ``question`` is the case's own, kept for reports."""

    case: PlannedCase
    outcome: Outcome
    trials: tuple[Trial, ...] = ()
    reason: str = ""
    question: Mapping[str, Json] = field(default_factory=_nothing, compare=False)

    @property
    def lowest(self) -> float:
        """Mean over the trials with every missing one counted as 0 (the worst completion)."""
        return self._completed_with(0.0)

    @property
    def highest(self) -> float:
        """Mean over the trials with every missing one counted as 1 (the best completion)."""
        return self._completed_with(1.0)

    def _completed_with(self, value: float) -> float:
        if not self.trials:
            return value
        return sum(value if trial.value is None else trial.value for trial in self.trials) / len(self.trials)


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """One suite of a run: its plan and one result for every planned case, in plan order.

    ``stopped`` names the rule by which the suite ended before its last case: its verdict was certain.
    """

    plan: SuitePlan
    results: tuple[CaseResult, ...]
    stopped: StopRule | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """All results of one session. ``created`` is UTC, ISO 8601; ``problems`` make the run invalid.

    ``refused`` says why calls were not sent that would have been needed: the run is then not evaluated.
    """

    id: str
    created: str
    commit: str | None
    suites: tuple[SuiteRun, ...]
    duration_s: float = 0.0
    problems: tuple[str, ...] = ()
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class BaselineCase:
    """A case of a promoted run; ``values`` holds one value in [0, 1] a trial.

    ``scores`` holds the marks of those scorers that differ from ``values``, one a trial.
    """

    fingerprint: str
    values: tuple[float, ...]
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=_nothing)

    @property
    def mean(self) -> float:
        """Mean over the trials."""
        return sum(self.values) / len(self.values)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a baseline came from."""

    run_id: str
    created: str
    promoted: str
    commit: str | None
    reason: str
    golden_sha256: str
    scorers_sha256: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """A promoted run of one suite; ``source`` is the file (or ``git:REF``) that it was read from.

    ``scorers`` names those that graded it.
    """

    suite: str
    source: str
    provenance: Provenance
    trials: int
    cases: Mapping[str, BaselineCase]
    scorers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Calibration:
    """A judge held against people: the counts that correct its pass rate, and what it was when they were made.

    ``parts`` are the digests that make up ``fingerprint`` (model, rubric, few-shots, parameters, protocol, threshold),
    so that a change can be named. Of ``human_pass`` labels that passed the judge passed ``judge_pass``, of
    ``human_fail`` that failed it failed ``judge_fail``, both on rows that did not choose the threshold, and as many as
    the labels are worth where they come in clusters or are weighted. ``measures`` are the further figures, by name, as
    the record file holds them.
    """

    judge: str
    fingerprint: str
    parts: Mapping[str, str]
    labels: str
    labels_sha256: str
    created: str
    human_pass: int
    judge_pass: int
    human_fail: int
    judge_fail: int
    threshold: float | None = None
    measures: Mapping[str, Json] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class CorrectedRate:
    """A judge's pass rate with its errors taken out; ``lower`` is one-sided at 95 %, ``interval`` two-sided."""

    value: float
    interval: tuple[float, float]
    lower: float
    method: Literal["rogan-gladen", "ppi"]


@dataclass(frozen=True, slots=True)
class JudgeVerdict:
    """One judge of a suite: whether it gates, what it says, and what that is worth.

    ``why_not`` says why it may not gate, None where it may. ``scored`` outputs were graded, ``unreadable`` were not.
    ``tpr`` and ``tnr`` are (value, lower bound) of its calibration.
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
    """How many of the planned cases ended in which way; they add up."""

    planned: int = 0
    passed: int = 0
    missed: int = 0
    errored: int = 0
    skipped: int = 0
    not_run: int = 0

    def __add__(self, other: Accounting) -> Accounting:
        """Add case by case."""
        return Accounting(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class ScoreSummary:
    """A scorer's mean over ``n`` scored trials; None where nothing was scored."""

    mean: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Delta:
    """The paired comparison of a run with a baseline; shares, ``delta = candidate - baseline``.

    ``lower`` and ``upper`` are one-sided bounds at ``1 - alpha``; ``baseline_rate`` is over the pairs. Where answers
    are missing, the numbers are those of the worst completion. ``p_adjusted`` allows for the other tests of the build,
    and decides the finding. ``mde`` is the smallest drop that these pairs could have shown with a power of 80 %.
    ``equivalent`` says that the change is proven to be smaller than the margin in both directions. ``youden`` is what
    the change was divided by where a judge decides: it shows that share of a change.
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


@dataclass(frozen=True, slots=True)
class SliceResult:
    """One slice of a suite; ``delta`` is None without a baseline or without pairs.

    ``shrunken`` is the rate drawn towards that of all slices of this kind, the more the fewer cases it has: for
    ranking and display, never for gating. ``gated`` says whether a gate tests the slice.
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


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one gate says. ``value`` is held against ``required``; ``bound`` is the bound that was used, if any.

    ``of`` tells gates of one kind apart: what a slice gate slices by, the scorer of a gate on scores.
    """

    kind: GateKind
    result: VerdictName
    value: float | None
    bound: float | None
    required: float | None
    message: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class Repeats:
    """What the trials of a suite say beside its rate.

    ``flip_rate`` is the chance that two trials of one case differ; ``icc`` how alike the trials of a case are, and
    ``design_effect`` how much less they are worth than as many cases (both None where undefined). ``n_eff`` is the
    number of independent cases that the rate is worth.
    """

    flip_rate: float
    flaky: int
    icc: float | None
    design_effect: float | None
    n_eff: float


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One suite of one judged, whole run, as the history keeps it. ``discordance`` is that against its baseline."""

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


@dataclass(frozen=True, slots=True)
class Trend:
    """What the last runs of a suite say together; advice, never a reason to fail.

    ``runs`` are those since the golden set, the scorers or the baseline changed, this one included. ``alarm`` says
    that they slid by more than chance explains, ``since`` is the run where the slide began.
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
    """Something of the gate itself that differs from the base branch.

    ``where`` is a key of the configuration (``suites.support.gates[0].min``), or ``file:line`` and the id of a case.
    ``acknowledged`` is the reason and owner of the acknowledgement, None without one.
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

    ``cases`` are those that the gates count, the skipped ones left out; ``passed`` counts cases that pass in most of
    their trials. ``notes`` are warnings that belong to the numbers.
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


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls to models and endpoints, and what they cost; all zero where outputs were recorded.

    ``planned = sent + cached``; ``retried`` counts the requests beyond the first of each call that was sent.
    ``unknown_price`` counts the sent calls that ``cost_usd`` leaves out, because nobody knows their price.
    """

    planned: int = 0
    sent: int = 0
    cached: int = 0
    retried: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    unknown_price: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The build's answer, field for field what ``verdict.json`` holds."""

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
    changed_in_gate: tuple[GateChange, ...] = ()
    problems: tuple[str, ...] = ()
    refused: str | None = None
