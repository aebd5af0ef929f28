"""The record of a judge held against people, as a file; and what it has to show before the judge may gate."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import UserError
from pytest_evalgate.judges.labels import digest
from pytest_evalgate.records.results import Calibration
from pytest_evalgate.runs.record_file import RecordFile
from pytest_evalgate.stats.judged import JudgeErrors
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate import config
    from pytest_evalgate.records.results import Json

FEWEST: Final = 30
"""Human passes, and human fails, that a judge has to be held against before it may gate."""
_AGAIN: Final = "calibrate it again"
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


class CalibrationError(UserError):
    """A calibration that cannot be read."""


def write(calibration: Calibration, path: Path) -> None:
    """Write a calibration whole or not at all, one line for each measure so that a review shows what changed."""
    _CALIBRATION.write(calibration, path)


def read(path: Path) -> Calibration:
    """Read a calibration.

    Raises:
        CalibrationError: It is missing, cut, edited, malformed or of a newer schema.

    """
    return _CALIBRATION.read(path)


def digest_of(labels: Path) -> str | None:
    """SHA-256, in hexadecimal, of the labels of a file as they stand; None where it is not there.

    Raises:
        LabelsError: it cannot be read any more.

    """
    return digest(labels) if labels.exists() else None


def errors_of(calibration: Calibration) -> JudgeErrors:
    """Return how the judge errs on its labels.

    Raises:
        ValueError: it has no human pass, or no human fail.

    """
    return JudgeErrors(
        human_pass=calibration.human_pass,
        judge_pass=calibration.judge_pass,
        human_fail=calibration.human_fail,
        judge_fail=calibration.judge_fail,
    )


def gating_problems(
    name: str,
    calibration: Calibration | None,
    judge: config.Judge,
    parts: Mapping[str, str],
    labels_sha256_now: str | None,
    today: date,
) -> tuple[str, ...]:
    """Say why a judge may not gate, each reason with the next step; nothing where it may.

    Args:
        name: The judge's, for the command that calibrates it.
        calibration: Its calibration, None where there is none.
        judge: The judge as it is configured.
        parts: The digests of what it is now.
        labels_sha256_now: The digest of the labels as they stand, None where their file is not there.
        today: The date of the run.

    """
    if calibration is None:
        return (_no_calibration(name, judge),)
    return (
        *calibration_problems(calibration, judge),
        *_staleness_problems(calibration, judge, parts, labels_sha256_now, today),
    )


def calibration_problems(calibration: Calibration, judge: config.Judge) -> tuple[str, ...]:
    """Say what a calibration lacks to let its judge gate, whatever became of the judge since."""
    return (*_sample_size_problems(calibration), *_accuracy_problems(calibration, judge))


def _no_calibration(name: str, judge: config.Judge) -> str:
    command = f"pytest-evalgate calibrate {name} --labels FILE"
    if judge.calibration is None:
        return f"nobody has held it against people: run {command}, then name the record as its calibration"
    return f"{judge.calibration} does not exist yet: {command} writes it"


def _sample_size_problems(calibration: Calibration) -> Iterator[str]:
    for n, word, nouns in (
        (_labelled(calibration, "tpr", calibration.human_pass), "pass", "human passes"),
        (_labelled(calibration, "tnr", calibration.human_fail), "fail", "human fails"),
    ):
        if n < FEWEST:
            yield f"{n} {nouns}, {FEWEST} are needed: label {FEWEST - n} more outputs that {word}"


def _labelled(calibration: Calibration, rate: str, counted: int) -> int:
    """Return how many labels a rate comes from: in clusters, or weighted, they are worth less than they are."""
    measured = calibration.measures.get(rate)
    labelled = measured.get("n") if isinstance(measured, dict) else None
    return labelled if isinstance(labelled, int) else counted


def _accuracy_problems(calibration: Calibration, judge: config.Judge) -> Iterator[str]:
    if not (calibration.human_pass and calibration.human_fail):
        return
    errors = errors_of(calibration)
    if errors.youden_lower <= 0:
        j = f"J = TPR + TNR - 1 = {errors.youden:.2f}, at least {errors.youden_lower:.2f}"
        yield f"it cannot be told from chance ({j}): change its rubric or its model"
    for name, lower, wanted, problem in (
        ("TPR", errors.tpr_lower, judge.min_tpr, "it fails outputs that people pass"),
        ("TNR", errors.tnr_lower, judge.min_tnr, "it passes outputs that people fail"),
    ):
        if wanted is not None and lower < wanted:
            held = f"{name} is at least {percent(lower)}, {percent(wanted)} is required"
            yield f"{held}: {problem}; change its rubric, or label more"


def _staleness_problems(
    calibration: Calibration,
    judge: config.Judge,
    parts: Mapping[str, str],
    labels_sha256_now: str | None,
    today: date,
) -> Iterator[str]:
    made = calibration.created[:10]
    if not calibration.parts:
        unknown = "nobody knows which model and rubric gave them"
        yield f"its verdicts were read from a file, and {unknown}: calibrate it without --stored"
    elif changed := _changed(calibration.parts, parts):
        yield f"the {' and the '.join(changed)} changed since the calibration of {made}: {_AGAIN}"
    if labels_sha256_now not in (None, calibration.labels_sha256):
        yield f"the labels in {calibration.labels} changed since the calibration of {made}: {_AGAIN}"
    age = (today - date.fromisoformat(made)).days
    if age > judge.max_age_days:
        yield f"its calibration of {made} is {count(age, 'day')} old, {judge.max_age_days} are allowed: {_AGAIN}"
    if age < 0:
        yield f"its calibration is dated {made}, after today, {today}: set the clock right, or calibrate it again"


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    names = dict.fromkeys((*now, *before))
    return [name.replace("_", " ") for name in names if before.get(name) != now.get(name)]


def _encode(calibration: Calibration) -> dict[str, Json]:
    return {field.name: getattr(calibration, field.name) for field in dataclasses.fields(calibration)}


def _check(calibration: Calibration) -> None:
    if datetime.strptime(calibration.created, _TIME).strftime(_TIME) != calibration.created:  # noqa: DTZ007 - Z is UTC
        raise ValueError(f"created: {calibration.created!r} is not a time such as 2026-01-31T12:00:00Z")
    if not (0 <= calibration.judge_pass <= calibration.human_pass):
        raise ValueError("judge_pass must be from 0 to human_pass")
    if not (0 <= calibration.judge_fail <= calibration.human_fail):
        raise ValueError("judge_fail must be from 0 to human_fail")
    if calibration.threshold is not None and not 0 <= calibration.threshold <= 1:
        raise ValueError(f"threshold: {calibration.threshold} is not in [0, 1]")


_CALIBRATION: Final = RecordFile(
    Calibration,
    noun="a calibration",
    kind="evalgate-calibration",
    error=CalibrationError,
    next_step="calibrate again, or restore the file from git",
    rows="measures",
    digest="all",
    extra="forbid",
    encode=_encode,
    check=_check,
)
