"""Rules of a suite: its gates, its baseline and its judges."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from pytest_evalgate.config import NoRegressionGate
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.design import LabelDesign, LabelStratum
from pytest_evalgate.stats.judged import JudgeErrors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.config import Gate, Metric
    from pytest_evalgate.gates.run_labels import RunLabels
    from pytest_evalgate.records.corrected import LabelledSample
    from pytest_evalgate.records.verdicts import Baseline, Calibration

_DEFAULT = NoRegressionGate(kind="no-regression")


@dataclass(frozen=True, slots=True)
class JudgeRule:
    """One judge of a suite: its calibration, and the reason why it may not gate (None if it may).

    A judge that is ``report_only`` grades but decides no case, even if it is calibrated.
    """

    name: str
    calibration: Calibration | None
    fingerprint: str
    why_not: str | None
    report_only: bool

    @property
    def problem(self) -> str | None:
        """The reason why gates that use this judge are invalid; None if they are not, or if no gate can use it."""
        if self.report_only or self.why_not is None:
            return None
        return f"judge {self.name} may not gate: {self.why_not}"

    @property
    def errors(self) -> JudgeErrors | None:
        """The judge's error rates; None without a calibration, or with labels of one class only."""
        counts = self.calibration
        if counts is None or not counts.human_pass or not counts.human_fail:
            return None
        return JudgeErrors(
            counts.human_pass, counts.judge_pass, counts.human_fail, counts.judge_fail, design_of(counts.sample)
        )


def design_of(sample: LabelledSample | None) -> LabelDesign | None:
    """Return the design of labels that were drawn from a run; None if they were not.

    Raises:
        ValueError: its strata are not valid.
    """
    if sample is None:
        return None
    return LabelDesign(
        tuple(LabelStratum(one.outputs, one.both, one.human, one.judge, one.neither) for one in sample.strata)
    )


@dataclass(frozen=True, slots=True)
class SuiteRules:
    """The rules by which one suite is decided.

    ``gates`` is None if none are configured. ``looked_for`` is added to the message about a missing baseline. A suite
    ``is_new`` if the base branch does not have it. The keys of ``judges`` are the names of their scores.
    ``run_labels`` are people's labels of pairs of a run and its baseline.
    """

    gates: tuple[Gate, ...] | None = None
    baseline: Baseline | None = None
    advisory: bool = False
    record_without_baseline: bool = True
    max_error_rate: float = 0.0
    aggregate: str = "mean"
    stop: Literal["certainty", "never"] = "certainty"
    is_new: bool = False
    judges: Mapping[str, JudgeRule] = field(default_factory=dict)
    looked_for: str = ""
    metrics: tuple[Metric, ...] = ()
    run_labels: RunLabels | None = None

    @property
    def effective_gates(self) -> tuple[Gate, ...]:
        """The configured gates, or one no-regression gate."""
        return self.gates or (_DEFAULT,)

    @property
    def comparison(self) -> NoRegressionGate:
        """The gate whose alpha and margin the suite's delta is reported with: the first one on passed cases."""
        found = (gate for gate in self.effective_gates if isinstance(gate, NoRegressionGate) and gate.scorer is None)
        return next(found, _DEFAULT)

    @property
    def compares_outputs(self) -> bool:
        """Whether labels were drawn from outputs, so that they apply to a run with the same ones."""
        calibrations = [judge.calibration for judge in self.judges.values() if judge.calibration is not None]
        return self.run_labels is not None or any(one.sample is not None for one in calibrations)

    @property
    def deciding_judges(self) -> Mapping[str, JudgeRule]:
        """The judges whose scores decide cases: all that are not report_only."""
        return {score: judge for score, judge in self.judges.items() if not judge.report_only}
