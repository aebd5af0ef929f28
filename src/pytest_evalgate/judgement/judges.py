"""The judges of a suite as its gates know them: what they are, and whether they may gate."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeGuard

from pytest_evalgate.gates.rules import JudgeRule
from pytest_evalgate.judging.calibration import why_not_gate
from pytest_evalgate.judging.configured import calibration_of, drift_of, parts_of_judge
from pytest_evalgate.judging.drift_record import why_stale
from pytest_evalgate.judging.fingerprint import fingerprint
from pytest_evalgate.judging.labels import digest

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.data import Calibration
    from pytest_evalgate.settings import Settings, Suite


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
    reasons = why_not_gate(name, calibration, judge, parts, _labels_now(calibration, root), datetime.now(UTC).date())
    drifted = why_stale(drift_of(judge, root=root), calibration)
    return JudgeRule(
        name=name,
        calibration=calibration,
        fingerprint=fingerprint(parts, None if calibration is None else calibration.threshold),
        why_not="; ".join(filter(None, (*reasons, drifted))) or None,
        report_only=judge.report_only,
    )


def _labels_now(calibration: Calibration | None, root: Path) -> str | None:
    """Digest the labels as they stand; None where their file is not here."""
    if calibration is None or not (root / calibration.labels).is_file():
        return None
    return digest(root / calibration.labels)


def _is_judge(spec: str | dict[str, Any]) -> TypeGuard[dict[str, Any]]:
    return isinstance(spec, dict) and "judge" in spec


def _score_name(spec: dict[str, Any]) -> str:
    return str(spec.get("name") or spec["judge"])
