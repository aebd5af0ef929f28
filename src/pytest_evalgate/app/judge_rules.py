"""Rules by which gates may use a judge: its calibration, its fingerprint, and the reasons why it may not gate."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pytest_evalgate.gates.rules import JudgeRule
from pytest_evalgate.judges.build import calibration_of, drift_of, fingerprint, parts_of_judge
from pytest_evalgate.judges.calibration import gating_problems
from pytest_evalgate.judges.drift import drift_problem
from pytest_evalgate.judges.labels import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_evalgate.config import Settings, Suite


def judge_rules(
    suite: Suite, settings: Settings, *, root: Path, root_of_records: Callable[[str], Path] | None = None
) -> dict[str, JudgeRule]:
    """Return the rule of each judge of a suite, by the name of its scores.

    ``root_of_records`` returns the folder of a judge's calibration and drift record, by default ``root``.

    Raises:
        UserError: a rubric or a calibration cannot be used.
    """
    specs = [spec for spec in suite.scorers if isinstance(spec, dict) and "judge" in spec]
    return {
        str(spec.get("name") or spec["judge"]): _rule(
            spec, settings, root, root if root_of_records is None else root_of_records(spec["judge"])
        )
        for spec in specs
    }


def _rule(spec: Mapping[str, Any], settings: Settings, root: Path, records: Path) -> JudgeRule:
    name = spec["judge"]
    judge = settings.judges[name]
    parts = parts_of_judge(name, settings, root=root)
    calibration = calibration_of(judge, root=records)
    labels = None  # also if their file is not in this checkout
    if calibration is not None and (root / calibration.labels).is_file():
        labels = digest(root / calibration.labels)
    reasons = gating_problems(name, calibration, judge, parts, labels, datetime.now(UTC).date())
    drifted = drift_problem(drift_of(judge, root=records), calibration)
    return JudgeRule(
        name=name,
        calibration=calibration,
        fingerprint=fingerprint(parts, None if calibration is None else calibration.threshold),
        why_not="; ".join(filter(None, (*reasons, drifted))) or None,
        report_only=judge.report_only or spec.get("severity") == "warn",
    )
