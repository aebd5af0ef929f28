"""The judges of a configuration: what each of them is, and the calibration that it points to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate import files
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judging import calibration as calibrations
from pytest_evalgate.judging import drift_record
from pytest_evalgate.judging.fewshots import few_shots_of
from pytest_evalgate.judging.fingerprint import parts_of
from pytest_evalgate.judging.rubric import load_rubric

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_evalgate import settings
    from pytest_evalgate.data import Calibration
    from pytest_evalgate.judging.drift_record import DriftRecord


def parts_of_judge(name: str, configured: settings.Settings, *, root: Path) -> dict[str, str]:
    """Return the digests that make up a judge, by the name of the part.

    Raises:
        SettingsError: its rubric or its few-shots cannot be used.

    """
    judge = configured.judges[name]
    try:
        rubric, few_shots = load_rubric(judge, root=root), few_shots_of(judge, root=root)
    except SettingsError as error:
        raise SettingsError(f"judges.{name}: {error}") from None
    return parts_of(judge, configured.models[judge.model], rubric, few_shots)


def fingerprints(names: Iterable[str], configured: settings.Settings, *, root: Path) -> dict[str, dict[str, str]]:
    """Return the parts of several judges: what makes their gradings comparable with other ones.

    Raises:
        SettingsError: a file of one of them cannot be used.

    """
    return {name: parts_of_judge(name, configured, root=root) for name in names}


def calibration_of(judge: settings.Judge, *, root: Path) -> Calibration | None:
    """Read the calibration of a judge; None where it names none, or the file is not there yet.

    Raises:
        UserError: it cannot be used.

    """
    path = _file_of(judge, root)
    return calibrations.read(path) if path is not None and path.exists() else None


def drift_of(judge: settings.Judge, *, root: Path) -> DriftRecord | None:
    """Read what the last check of a judge's anchors found; None where nobody has checked.

    Raises:
        UserError: the record cannot be used.

    """
    path = _file_of(judge, root)
    return None if path is None else drift_record.read(drift_record.file_of(path))


def _file_of(judge: settings.Judge, root: Path) -> Path | None:
    if judge.calibration is None:
        return None
    try:
        return files.inside(root, root / judge.calibration)
    except ValueError as error:
        raise SettingsError(f"calibration = {judge.calibration!r}: {error}") from None
