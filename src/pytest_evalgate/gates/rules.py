"""How one suite is judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pytest_evalgate.config import NoRegressionGate
from pytest_evalgate.stats.judged import JudgeErrors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.config import Gate
    from pytest_evalgate.records.results import Baseline, Calibration

_DEFAULT = NoRegressionGate(kind="no-regression")


@dataclass(frozen=True, slots=True)
class JudgeRule:
    """One judge of a suite, as it is now: its calibration, and why it may not gate (None where it may).

    A judge that is ``report_only`` grades and decides nothing, whatever its calibration says.
    """

    name: str
    calibration: Calibration | None
    fingerprint: str
    why_not: str | None
    report_only: bool

    @property
    def problem(self) -> str | None:
        """Why gates that rest on this judge must not be judged; None where they may, or where none can rest on it."""
        if self.report_only or self.why_not is None:
            return None
        return f"judge {self.name} may not gate: {self.why_not}"

    @property
    def errors(self) -> JudgeErrors | None:
        """How it errs; None where nobody knows: without a calibration, or with labels of one kind only."""
        held = self.calibration
        if held is None or not held.human_pass or not held.human_fail:
            return None
        return JudgeErrors(held.human_pass, held.judge_pass, held.human_fail, held.judge_fail)


@dataclass(frozen=True, slots=True)
class SuiteRules:
    """How one suite is judged. ``gates`` is None where none are configured.

    A suite ``is_new`` where the base branch does not know it: its tests take no alpha from those of the others.
    ``judges`` are its judges, by the name of their scores.
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

    @property
    def effective_gates(self) -> tuple[Gate, ...]:
        """The gates: one no-regression gate where none are configured."""
        return self.gates or (_DEFAULT,)

    @property
    def comparison(self) -> NoRegressionGate:
        """The gate whose alpha and margin the suite's change is shown with: the first one on passed cases."""
        found = (gate for gate in self.effective_gates if isinstance(gate, NoRegressionGate) and gate.scorer is None)
        return next(found, _DEFAULT)

    @property
    def deciding_judges(self) -> Mapping[str, JudgeRule]:
        """The judges whose scores decide cases: all but those that only report."""
        return {score: judge for score, judge in self.judges.items() if not judge.report_only}
