"""Rules by which gates may use a judge: its calibration, its fingerprint, and the reasons why it may not gate."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeGuard

from pytest_evalgate.gates.rules import JudgeRule
from pytest_evalgate.judges.build import calibration_of, drift_of, fingerprint, parts_of_judge
from pytest_evalgate.judges.calibration import gating_problems
from pytest_evalgate.judges.drift import drift_problem
from pytest_evalgate.judges.labels import digest

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.config import Settings, Suite
    from pytest_evalgate.records.results import Calibration


def judge_rules(suite: Suite, settings: Settings, *, root: Path) -> dict[str, JudgeRule]:
    """Return the rule of each judge of a suite, by the name of its scores.

    Raises:
        UserError: a rubric or a calibration cannot be used.

    """
    return {_score_name(spec): _rule(spec["judge"], settings, root) for spec in suite.scorers if _is_judge(spec)}


def _rule(name: str, settings: Settings, root: Path) -> JudgeRule:
    judge = settings.judges[name]
    parts = parts_of_judge(name, settings, root=root)
    calibration = calibration_of(judge, root=root)
    labels = _labels_sha256(calibration, root)
    reasons = gating_problems(name, calibration, judge, parts, labels, datetime.now(UTC).date())
    drifted = drift_problem(drift_of(judge, root=root), calibration)
    return JudgeRule(
        name=name,
        calibration=calibration,
        fingerprint=fingerprint(parts, None if calibration is None else calibration.threshold),
        why_not="; ".join(filter(None, (*reasons, drifted))) or None,
        report_only=judge.report_only,
    )


def _labels_sha256(calibration: Calibration | None, root: Path) -> str | None:
    """Return the current digest of the labels; None if their file is not in this checkout."""
    if calibration is None or not (root / calibration.labels).is_file():
        return None
    return digest(root / calibration.labels)


def _is_judge(spec: str | dict[str, Any]) -> TypeGuard[dict[str, Any]]:
    return isinstance(spec, dict) and "judge" in spec


def _score_name(spec: dict[str, Any]) -> str:
    return str(spec.get("name") or spec["judge"])
