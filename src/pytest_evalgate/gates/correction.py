"""Correction of rates and changes for the errors of a suite's judge, and the reasons why a judge cannot gate."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

from pytest_evalgate.config import BudgetGate, MeanScoreGate, MetricGate, NoRegressionGate
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.frame import first_output, frame_of
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.judged import judged_rate
from pytest_evalgate.stats.numeric import ROUNDING
from pytest_evalgate.stats.weights import relative_weights
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from pytest_evalgate.config import Gate
    from pytest_evalgate.gates.rules import JudgeRule, SuiteRules
    from pytest_evalgate.records.corrected import CorrectionMethod
    from pytest_evalgate.records.results import CaseResult, SuiteRun, Trial
    from pytest_evalgate.stats.judged import JudgedRate, JudgeErrors


def judge_problems(rules: SuiteRules) -> tuple[str, ...]:
    """Return the problems of a suite's judges and of the gates that use them, without duplicates, before a run."""
    problems = [judge.problem for judge in rules.judges.values()]
    problems += [gate_problem(gate, rules) for gate in rules.effective_gates]
    return tuple(filter(None, dict.fromkeys(problems)))


def gate_problem(gate: Gate, rules: SuiteRules, results: Iterable[CaseResult] = ()) -> str | None:
    """Return the reason why a judge that ``gate`` uses cannot gate, if any; missing verdicts are one."""
    if _counts_passes(gate):
        judges = tuple(rules.deciding_judges.values())
    else:
        scorer = gate.scorer if isinstance(gate, NoRegressionGate | MeanScoreGate) else None
        judges = tuple(judge for score, judge in rules.judges.items() if score == scorer)
    problems = filter(None, map(judge_problem, judges))
    return next(problems, None) or (ungraded(results, rules) if _counts_passes(gate) else None)


def _counts_passes(gate: Gate) -> bool:
    """Return whether a gate uses passed cases, and so every judge that decides them."""
    if isinstance(gate, NoRegressionGate):
        return gate.scorer is None
    if isinstance(gate, MetricGate):
        return gate.name in {"brier", "ece"}  # errors of a confidence that an output passes
    return not isinstance(gate, BudgetGate | MeanScoreGate)


def judge_problem(judge: JudgeRule) -> str | None:
    """Return the reason why no gate can use ``judge``, if any."""
    if judge.report_only:
        return f"judge {judge.name} is report_only, so no gate can use it: calibrate it and remove report_only"
    if judge.problem is not None:
        return judge.problem
    if judge.errors is None:
        return f"judge {judge.name} is not calibrated: pytest-evalgate calibrate {judge.name} --labels FILE"
    if judge.errors.youden_lower > 0:
        return None
    return (
        f"judge {judge.name} is not shown to be better than chance: TPR + TNR - 1 is {judge.errors.youden:.2f}, "
        f"with a lower bound of {judge.errors.youden_lower:.2f}: change its rubric or add labels"
    )


def ungraded(results: Iterable[CaseResult], rules: SuiteRules) -> str | None:
    """Return a message with the number of outputs that passed without the verdict of a deciding judge, if any."""
    if not rules.deciding_judges:
        return None
    passed = [trial for result in results for trial in result.trials if trial.value == 1]
    for name, judge in rules.deciding_judges.items():
        lacking = sum(not any(score.counts and score.is_of(name) for score in trial.scores) for trial in passed)
        if lacking:
            return f"{count(lacking, 'output')} passed without a verdict of judge {judge.name}: run the suite again"
    return None


_LARGE_N = 1e12


@dataclass(frozen=True, slots=True)
class CorrectionDetails:
    """Details of a corrected rate: ``raw`` is the rate before correction.

    ``limit`` is the lower bound with infinitely many cases: its uncertainty comes from the labels alone. A rate is not
    ``plausible`` if the judge's error rates on its labels cannot produce it.
    """

    raw: float
    limit: float
    plausible: bool
    method: CorrectionMethod


def method_of(errors: JudgeErrors, *, own_labels: bool) -> CorrectionMethod:
    """Return the method by which `judged_rate` corrects a rate."""
    if errors.design is None:
        return "rogan-gladen"
    return "ppi" if own_labels else "design" if errors.design.is_stratified else "rogan-gladen"


@dataclass(frozen=True, slots=True)
class JudgeFailures:
    """The share of each case's trials that only the judge failed, shape (n,), and the judge's error rates.

    ``own_labels`` is true if these are the cases that the judge's labels were drawn from, with the same outputs.
    """

    shares: npt.NDArray[np.float64]
    errors: JudgeErrors
    own_labels: bool = False

    def take(self, places: npt.NDArray[np.intp]) -> JudgeFailures:
        """Return the failures of the cases at ``places``."""
        return JudgeFailures(self.shares[places], self.errors)

    def correct(
        self, passed: float, n_eff: float, weights: npt.NDArray[np.float64] | None = None
    ) -> tuple[JudgedRate, CorrectionDetails]:
        """Correct the rate ``passed`` of these cases, whose effective number is ``n_eff``."""
        shares = self.shares if weights is None else relative_weights(weights) * self.shares
        refused = min(float(shares.mean()), 1 - passed)
        found = judged_rate(n=n_eff, passed=passed, refused=refused, errors=self.errors, own_labels=self.own_labels)
        limit = judged_rate(n=_LARGE_N, passed=passed, refused=refused, errors=self.errors).lower
        plausible = -ROUNDING <= found.unclipped <= found.max_rate + ROUNDING
        return found, CorrectionDetails(passed, limit, plausible, method_of(self.errors, own_labels=self.own_labels))


@dataclass(frozen=True, slots=True)
class Correction:
    """The only deciding judge of a suite, the name of its scores, and its error rates.

    ``frame`` identifies the outputs that its labels were drawn from; empty if they are unknown.
    """

    judge: str
    score: str
    errors: JudgeErrors
    frame: str = ""

    @classmethod
    def of(cls, score: str, judge: JudgeRule) -> Correction | None:
        """Return the correction for a judge whose scores have the name ``score``; None without error rates."""
        if judge.errors is None:
            return None
        sample = None if judge.calibration is None else judge.calibration.sample
        return cls(judge.name, score, judge.errors, "" if sample is None else sample.frame)

    def judge_failures(self, results: Sequence[CaseResult]) -> JudgeFailures:
        """Return the failures by the judge alone: if a rule failed as well, the failure needs no correction."""
        shares = (
            sum(map(self._alone_fails, result.trials)) / len(result.trials) if result.trials else 0.0
            for result in results
        )
        return JudgeFailures(
            np.fromiter(shares, np.float64, len(results)), self.errors, own_labels=self.labels_are_of(results)
        )

    def labels_are_of(self, results: Sequence[CaseResult]) -> bool:
        """Return whether the labels were drawn from the outputs of ``results`` that the judge decides.

        Never of several trials, as only the first one was labelled, or of clusters and weights, which the design
        ignores.
        """
        design = self.errors.design
        if not self.frame or design is None or len({result.case.weight for result in results}) > 1:
            return False
        if any(len(result.trials) > 1 or result.case.cluster is not None for result in results):
            return False
        decided = [
            (result.case.id, trial.output)
            for result in results
            if (trial := first_output(result)) is not None
            and trial.output is not None
            and (trial.value == 1 or self._alone_fails(trial))
        ]
        drawn_from = sum(one.outputs for one in design.strata)
        return abs(len(decided) - drawn_from) < 0.5 and frame_of(decided) == self.frame  # noqa: PLR2004 - a count

    def _alone_fails(self, trial: Trial) -> bool:
        failed = [score for score in trial.scores if score.counts and score.passed is False]
        return trial.value == 0 and len(failed) == 1 and failed[0].is_of(self.score)


def correction_of(suite: SuiteRun, rules: SuiteRules) -> Correction | None:
    """Return the correction for a suite; None if no judge decides, or if no correction is possible."""
    if not rules.deciding_judges or uncorrected(suite, rules) is not None:
        return None
    [(score, judge)] = rules.deciding_judges.items()
    if judge.errors is None or judge_problem(judge) is not None or ungraded(suite.results, rules) is not None:
        return None
    return Correction.of(score, judge)


def uncorrected(suite: SuiteRun, rules: SuiteRules) -> str | None:
    """Return the reason why the numbers of a suite with judges that may gate are not corrected, if any."""
    if len(rules.deciding_judges) > 1:
        return f"{count(len(rules.deciding_judges), 'judge')} decide together"
    if rules.deciding_judges and rules.aggregate != "mean" and suite.plan.trials > 1:
        return f"their effect on the {rules.aggregate} of a case's trials is unknown"
    judges = tuple(rules.deciding_judges)
    if judges and any(map(_has_several_verdicts, _trials(suite), repeat(judges))):
        return "the judge gives several verdicts on a case, one for each note on it"
    scores = (score for trial in _trials(suite) for score in trial.scores)
    if rules.deciding_judges and any(score.counts and score.weight is not None for score in scores):
        return "scores are weighted, so no single verdict decides a case"
    return None


def _trials(suite: SuiteRun) -> Iterator[Trial]:
    return (trial for result in suite.results for trial in result.trials)


def _has_several_verdicts(trial: Trial, judges: Sequence[str]) -> bool:
    return any(sum(score.counts and score.is_of(judge) for score in trial.scores) > 1 for judge in judges)


def correction_notes(
    suite: SuiteRun,
    rules: SuiteRules,
    correction: Correction | None,
    details: CorrectionDetails | None,
    *,
    compares: bool,
) -> Iterator[str]:
    """Iterate over the warnings about the correction of a suite's numbers, or about its absence.

    ``details`` are those of the corrected rate, if any. ``compares`` is True if the suite is compared with a baseline.
    """
    reason = uncorrected(suite, rules)
    if reason is not None:
        yield f"rates and changes are not corrected for judge errors: {reason}"
    if correction is None:
        return
    judge, errors = correction.judge, correction.errors
    if details is not None and not details.plausible:
        yield (
            f"judge {judge} passed {percent(details.raw)}, which its tpr of {errors.tpr:.2f} and tnr of "
            f"{errors.tnr:.2f} cannot produce: its error rates may differ from those on its labels; label outputs of "
            "this suite"
        )
    if compares and errors.youden < 1:
        yield (
            f"the change is the one that judge {judge} measures, divided by its TPR + TNR - 1 of {errors.youden:.2f}: "
            "this assumes equal error rates on the baseline and on this run"
        )
