"""Results of a run, in the order of the data flow: ``Case -> Trial(Output) -> Score -> CaseResult -> Run``."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - `runs.record_file` validates records by their types
from dataclasses import field
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.attempts import TrialAgreement  # noqa: TC001 - as below
from pytest_evalgate.records.cases import Json, Place, Side, golden_id_of, nothing
from pytest_evalgate.records.raised import Raised  # noqa: TC001 - as above
from pytest_evalgate.records.traces import Timing  # noqa: TC001 - as above
from pytest_evalgate.text.detectors import DetectedSpan  # noqa: TC001 - as above

if TYPE_CHECKING:
    from pytest_evalgate.records.calls import CallRecord, Finish
    from pytest_evalgate.records.cases import Case

Outcome = Literal["passed", "missed", "errored", "skipped", "not_run", "unscored"]


"""The outcome of a planned case. ``errored``: there is no output, so the case counts as missing. ``unscored``: there
is one, but only judges that report graded it, and nothing decides the case."""


StopRule = Literal["certainty"]


"""The rule by which a suite may end before its last case: its verdict cannot change any more."""


TRAJECTORY_KEYS: Final = ("trajectory", "messages", "tool_calls")


"""Keys of an output's metadata, or of its value, that contain the steps of an agent, in order of precedence."""


@dataclass(frozen=True, slots=True)
class Output:
    """The output of the target in one trial; ``value`` is text or any JSON value.

    ``metadata`` has what the target returned beside the value: the steps of an agent (`TRAJECTORY_KEYS`), ``context``
    (the passages that it retrieved), and anything else. ``call`` is the call that returned it, if the engine sent one.
    An output whose ``finish`` is not ``complete`` is not graded: its trial is a miss. ``reasoning`` is not part of the
    answer, and not graded. ``value_sha256`` is that of a value that has been left out, for gates that ask whether
    outputs are those that people labelled.
    """

    value: Json
    metadata: Mapping[str, Json] = field(default_factory=nothing, hash=False)
    latency_s: float | None = None
    finish: Finish = "complete"
    call: CallRecord | None = None
    reasoning: str = ""
    value_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """One scorer's value for one output, compared with that scorer's threshold.

    ``passed`` is None if ``value`` is: unknown is neither a pass nor a miss. A score that does not ``count``, such as
    that of a judge without calibration, is reported only. ``calls`` are the calls of the scorer; the trial keeps them.
    ``may_change``: a value that is None for a transient reason, such as a judge's call that timed out. ``spans`` are
    what a rule found in the graded text, such as personal data. ``rationale`` is a judge's own reason, in a sentence;
    it decides nothing.
    """

    name: str
    value: float | None
    passed: bool | None
    reason: str = ""
    weight: float | None = None
    counts: bool = True
    calls: tuple[CallRecord, ...] = field(default=(), compare=False)
    may_change: bool = field(default=False, compare=False)
    spans: tuple[DetectedSpan, ...] = ()
    rationale: str = ""

    @property
    def why(self) -> str:
        """The reason, and a judge's rationale after it."""
        return " - ".join(filter(None, (self.reason, self.rationale)))

    def is_of(self, judge: str) -> bool:
        """Return whether this is a score of the judge whose scores are called ``judge``: its own, or one of a note."""
        return self.name == judge or self.name.startswith(f"{judge}{NOTE}")


NOTE: Final = ":"


"""Separator of the name of a judge's score and the name of one of several notes in a row: ``faq:2``."""


Graded = tuple[float | None, str]


"""The value of an output in [0, 1], or None if the scorer could not tell, and the reason."""


Returned = Graded | Score | float | None


"""Return type of a scorer's function. To a type checker, a bool is a float."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The values that a metric of the suite needs of one trial: the label and the prediction, for example.

    ``metric`` is `Metric.key`. A value that could not be read is None.
    """

    metric: str
    values: tuple[str | float | None, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one case: the output, its scores and the result.

    ``value`` is 1.0 or 0.0. It is None if the trial has no result; ``reason`` explains it. ``calls`` are the calls of
    the target and the judges, failed ones included. ``is_final``: a trial without a result would have none in another
    run either, until something is changed. ``raised``: where the target's own exception was raised. ``readings`` are
    the values of the metrics of the suite. ``score_s``: seconds of the scorers, judges included. ``timing`` is None if
    the run has no trace.
    """

    index: int
    value: float | None
    output: Output | None = None
    scores: tuple[Score, ...] = ()
    reason: str = ""
    calls: tuple[CallRecord, ...] = ()
    is_final: bool = False
    raised: Raised | None = None
    readings: tuple[Reading, ...] = ()
    score_s: float | None = field(default=None, compare=False)
    timing: Timing | None = field(default=None, compare=False)

    @property
    def is_unscored(self) -> bool:
        """Whether the output was graded, and no score of it decides anything."""
        return self.value is None and bool(self.scores) and not any(score.counts for score in self.scores)


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """A case in a plan: the fields to account for it, to slice it, and to pair it with a baseline.

    ``fingerprint`` covers the content of the case and the scorers of its suite: cases that differ in it are not
    paired. ``slices`` contains (by, value) pairs. ``cluster`` is the value that dependent cases have in common.
    ``side`` is "head" or "base" if the branch added, removed or edited the case. The form at the base still runs, with
    an id that ends in ``@base``. ``weight`` is its importance in rates and changes. ``trials`` is its own number of
    trials, None for that of its suite. ``variant_of`` is the id of the case that this one is a variant of.
    """

    id: str
    place: Place
    fingerprint: str
    tags: tuple[str, ...] = ()
    slices: tuple[tuple[str, str], ...] = ()
    skip: str | None = None
    cluster: str | None = None
    side: Side = "both"
    variant_of: str | None = None
    weight: float = 1.0
    trials: int | None = None

    @property
    def golden_id(self) -> str:
        """The id in the golden set, which baselines use."""
        return golden_id_of(self.id, self.side)


@dataclass(frozen=True, slots=True)
class PlanPart:
    """The position of one shard's cases in the plan of their suite.

    ``size`` is the number of cases of the whole plan, ``at`` the position of each own case in it, ascending.
    ``plan_sha256`` is the digest of the whole plan. It is empty if the shard has not read the other cases. Then
    ``rows_sha256`` has the digest of each own row, from which a merge computes the digest of the golden sets, and the
    digest of the golden sets in the plan is that of the bytes of their files.
    """

    size: int
    at: tuple[int, ...]
    plan_sha256: str = ""
    rows_sha256: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SuitePlan:
    """The cases of a suite that a run must account for, in the order of the golden sets.

    ``trials`` is the number of trials of each case without its own. If the tier runs a sample, ``drawn_from`` is the
    number of cases from which it was drawn. ``part`` is set if ``cases`` are those of one shard only.
    """

    name: str
    golden: tuple[str, ...]
    golden_sha256: str
    scorers_sha256: str
    trials: int
    cases: tuple[PlannedCase, ...]
    drawn_from: int | None = None
    part: PlanPart | None = None

    @property
    def size(self) -> int:
        """The number of its cases, those of other shards included."""
        return len(self.cases) if self.part is None else self.part.size

    def trials_of(self, case: Case | PlannedCase) -> int:
        """Return the number of trials of a case: its own, else that of the suite."""
        return case.trials or self.trials

    @property
    def fewest_trials(self) -> int:
        """The smallest number of trials of a case."""
        return min(map(self.trials_of, self.cases), default=self.trials)

    @property
    def most_trials(self) -> int:
        """The largest number of trials of a case."""
        return max(map(self.trials_of, self.cases), default=self.trials)

    @property
    def is_uniform(self) -> bool:
        """Whether all cases have the weight 1 and the trials of the suite."""
        return all(case.weight == 1 and case.trials is None for case in self.cases)


@dataclass(frozen=True, slots=True)
class CaseResult:
    """All trials of one planned case in one run. ``question`` is `Case.question`.

    ``is_final``: an errored case would be errored in another run as well, until something is changed. ``agreement``
    is that of its trials, if their outputs were left out.
    """

    case: PlannedCase
    outcome: Outcome
    trials: tuple[Trial, ...] = ()
    reason: str = ""
    question: Mapping[str, Json] = field(default_factory=nothing, compare=False)
    is_final: bool = False
    agreement: TrialAgreement | None = field(default=None, compare=False)

    def with_question(self, question: Mapping[str, Json]) -> CaseResult:
        """Return the result with the question of its case; `dataclasses.replace` takes three times as long."""
        return CaseResult(self.case, self.outcome, self.trials, self.reason, question, self.is_final, self.agreement)

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

    ``stopped`` is the stop rule that ended the suite before its last case.
    """

    plan: SuitePlan
    results: tuple[CaseResult, ...]
    stopped: StopRule | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """All results of one session.

    ``created`` is UTC, ISO 8601. ``problems`` make the run invalid. ``refused`` is the reason why calls were not sent;
    the run is then not evaluated.
    """

    id: str
    created: str
    commit: str | None
    suites: tuple[SuiteRun, ...]
    duration_s: float = 0.0
    problems: tuple[str, ...] = ()
    refused: str | None = None
