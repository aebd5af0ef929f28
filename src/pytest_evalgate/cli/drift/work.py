"""Recording the verdicts of anchors, and holding new ones against them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pytest_evalgate import files, jsonl
from pytest_evalgate.cli.judges import run_judge
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judging import anchors as anchor_files
from pytest_evalgate.judging import drift_record, stored_verdicts
from pytest_evalgate.judging.configured import calibration_of, parts_of_judge
from pytest_evalgate.judging.drift import Drift, Rejudged, Shift, drift, shift
from pytest_evalgate.judging.drift_record import DriftRecord
from pytest_evalgate.judging.stored_verdicts import StoredVerdicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.cli.project import Project
    from pytest_evalgate.data import Score
    from pytest_evalgate.judging.anchors import Anchors


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded: ``verdicts`` of each of ``anchors``; ``left_out`` had one that could not be read."""

    judge: str
    file: str
    anchors: int
    verdicts: int
    left_out: int


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of the anchors; ``shift`` describes grades, where the judge gives any."""

    judge: str
    file: str
    recorded: str
    drift: Drift
    shift: Shift | None


def record(project: Project, name: str, path: Path, verdicts: int) -> Recorded:
    """Have a judge grade each anchor several times, and store what it says.

    Raises:
        UserError: this is CI, the judge or the anchors cannot be used, or too few of them have all their verdicts.
        RunStopped: no call can succeed, or may be paid.

    """
    if os.environ.get("CI", "").lower() not in {"", "0", "false"}:
        raise SettingsError("verdicts are not recorded in CI: record on a branch, review the file, merge it")
    parts = _parts(project, name)
    anchors = anchor_files.load(path, root=project.root)
    now = datetime.now(UTC)
    asked = [case for trial in range(verdicts) for case in anchors.asked(f"{now:%Y-%m-%d}.{trial}")]
    scores, _ = run_judge(project, name, asked)
    by_id = {row.case.id: scores[at :: len(anchors.rows)] for at, row in enumerate(anchors.rows)}
    passed, values = stored_verdicts.of_scores(by_id)
    kept = anchors.only(passed)
    file = stored_verdicts.file_of(path, name)
    stored = StoredVerdicts(name, f"{now:%Y-%m-%dT%H:%M:%SZ}", parts, anchors.sha256, passed, values)
    stored_verdicts.write(stored, file)
    left_out = len(anchors.rows) - len(kept.rows)
    return Recorded(name, files.relative_name(file, project.root), len(kept.rows), verdicts, left_out)


def check(project: Project, name: str, path: Path) -> Checked:
    """Have a judge grade each anchor again, and test whether it flips more often than it did among itself.

    The answers of one day are remembered: a second check on it repeats the first.

    Raises:
        UserError: the judge or the anchors cannot be used, no verdicts are stored, or the judge or the anchors are
            not those of the stored verdicts.
        RunStopped: no call can succeed, or may be paid.

    """
    parts = _parts(project, name)
    anchors = anchor_files.load(path, root=project.root)
    file = stored_verdicts.file_of(path, name)
    stored = stored_verdicts.read(file, name=files.relative_name(file, project.root))
    _require_the_same(stored, anchors, parts)
    kept = anchors.only(stored.passed)
    scores, _ = run_judge(project, name, kept.asked(f"{datetime.now(UTC):%Y-%m-%d}"))
    rejudged = [
        Rejudged("pass" if row.passed else "fail", stored.passed[row.case.id], score.passed)
        for row, score in zip(kept.rows, scores, strict=True)
    ]
    found = drift(rejudged)
    _note(project, name, anchors.name, found)
    return Checked(name, anchors.name, stored.created, found, _shift(stored, scores))


def _note(project: Project, name: str, anchors: str, found: Drift) -> None:
    """Say beside the judge's calibration what was found: one that has drifted may not gate until it is calibrated."""
    calibration = project.settings.judges[name].calibration
    if calibration is not None:
        checked = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        path = drift_record.file_of(files.inside(project.root, project.root / calibration))
        drift_record.write(DriftRecord(name, checked, anchors, found.finding), path)


def _require_the_same(stored: StoredVerdicts, anchors: Anchors, parts: Mapping[str, str]) -> None:
    changed = [part for part in {**stored.parts, **parts} if stored.parts.get(part) != parts.get(part)]
    changed += ["anchors"] if stored.anchors_sha256 != anchors.sha256 else []
    if changed:
        raise SettingsError(
            f"{anchors.name}: not what it was when the verdicts were recorded on {stored.created[:10]}: "
            f"{', '.join(changed)}. That is a change and no drift: record them again with --record"
        )


def _parts(project: Project, name: str) -> dict[str, str]:
    """Return digests of all that a verdict comes of, the calibrated threshold included."""
    if name not in project.settings.judges:
        raise SettingsError(
            f"no judge is named {name!r}: {', '.join(project.settings.judges) or 'none is configured'}"
        )
    parts = parts_of_judge(name, project.settings, root=project.root)
    calibration = calibration_of(project.settings.judges[name], root=project.root)
    return {**parts, "threshold": jsonl.digest(None if calibration is None else calibration.threshold)}


def _shift(stored: StoredVerdicts, scores: Sequence[Score]) -> Shift | None:
    """Describe how grades moved; None where there are none: verdicts of pass and fail are no grades."""
    before = [value for values in stored.values.values() for value in values]
    now = [score.value for score in scores if score.value is not None]
    return shift(before, now) if now and not {*before, *now} <= {0.0, 1.0} else None
