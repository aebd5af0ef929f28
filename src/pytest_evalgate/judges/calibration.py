"""The record of a judge held against people, as a file; and what it has to show before the judge may gate."""

from __future__ import annotations

import dataclasses
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from pytest_evalgate.config.tables import Table
from pytest_evalgate.errors import UserError
from pytest_evalgate.judges.labels import digest
from pytest_evalgate.records.results import Calibration
from pytest_evalgate.stats.judged import JudgeErrors
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate import config
    from pytest_evalgate.records.results import Json

SCHEMA: Final = 1
FEWEST: Final = 30
"""Human passes, and human fails, that a judge has to be held against before it may gate."""
_KIND: Final = "evalgate-calibration"
_AGAIN: Final = "calibrate it again"
_Count = Annotated[int, Field(ge=0)]


class CalibrationError(UserError):
    """A calibration that cannot be read."""


def write(calibration: Calibration, path: Path) -> None:
    """Write a calibration whole or not at all, with a digest of all that it says, one line a figure for reviews."""
    value = {field.name: getattr(calibration, field.name) for field in dataclasses.fields(calibration)}
    head = {"schema": SCHEMA, "kind": _KIND, **value, "sha256": jsonl.digest(value)}
    measures = head.pop("measures")
    lines = [f" {jsonl.canonical(name)}: {jsonl.canonical(item)}" for name, item in head.items()]
    rows = [f"  {jsonl.canonical(name)}: {jsonl.canonical(item)}" for name, item in measures.items()]
    text = "{\n" + ",\n".join(lines) + ',\n "measures": {\n' + ",\n".join(rows) + "\n }\n}\n"
    files.write_atomically(path, text.encode("ascii"))


def read(path: Path) -> Calibration:
    """Read a calibration.

    Raises:
        CalibrationError: it is missing, cannot be read, is of a newer schema, or was edited or torn.

    """
    try:
        value = jsonl.loads(path.read_bytes())
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CalibrationError(f"{path}: {error}; calibrate again, or restore the file from git") from None
    return _parse(value, str(path))


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


class _StoredCalibration(Table):
    """What the file of a calibration may hold: it also comes from other machines, so every value is looked at."""

    model_config = ConfigDict(strict=True)

    judge: str
    fingerprint: str
    parts: dict[str, str]
    labels: str
    labels_sha256: str
    created: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
    human_pass: _Count
    judge_pass: _Count
    human_fail: _Count
    judge_fail: _Count
    threshold: Annotated[float, Field(ge=0, le=1)] | None
    measures: dict[str, Any]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        date.fromisoformat(self.created[:10])
        if self.judge_pass > self.human_pass or self.judge_fail > self.human_fail:
            raise ValueError("the judge is right more often than it was asked")
        return self


def _parse(value: Json, name: str) -> Calibration:
    if not isinstance(value, dict) or value.get("kind") != _KIND or not isinstance(value.get("schema"), int):
        raise CalibrationError(f"{name}: not a calibration of pytest-evalgate")
    if value["schema"] > SCHEMA:
        raise CalibrationError(f"{name}: schema {value['schema']} is newer than {SCHEMA}: upgrade pytest-evalgate")
    said = {field: item for field, item in value.items() if field not in {"schema", "kind", "sha256"}}
    if jsonl.digest(said) != value.get("sha256"):
        raise CalibrationError(f"{name}: does not match its digest: it was edited or torn; calibrate again")
    try:
        return Calibration(**_StoredCalibration.model_validate(said).model_dump())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = jsonl.escape_text(".".join(map(str, first["loc"])))
        raise CalibrationError(f"{name}: {place}: {first['msg']}; calibrate again") from None
