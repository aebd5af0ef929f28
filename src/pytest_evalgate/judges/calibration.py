"""Calibration of a judge: its file, and the conditions under which a judge may fail a build."""

from __future__ import annotations

import dataclasses
import shlex
from datetime import date
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import UserError
from pytest_evalgate.gates.rules import design_of
from pytest_evalgate.records.verdicts import Calibration
from pytest_evalgate.runs.record_file import RecordFile, check_filled, check_time
from pytest_evalgate.stats.judged import JudgeErrors
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate import config
    from pytest_evalgate.records.cases import Json

FEWEST: Final = 30
"""The smallest number of human passes, and of human fails, with which a judge may gate."""
_AGAIN: Final = "calibrate it again"


class CalibrationError(UserError):
    """A calibration file that cannot be read."""


def write(calibration: Calibration, path: Path) -> None:
    """Write a calibration atomically, with a digest of its content. One line per statistic keeps diffs reviewable."""
    _CALIBRATION.write(calibration, path)


def read(path: Path) -> Calibration:
    """Read a calibration. Raises CalibrationError if it is missing, unreadable, edited or of a newer schema."""
    return _CALIBRATION.read(path)


def errors_of(calibration: Calibration) -> JudgeErrors:
    """Return the error rates of the judge, with the labels by stratum if they were drawn from a run.

    Raises:
        ValueError: the calibration has no human pass, or no human fail.
    """
    return JudgeErrors(
        human_pass=calibration.human_pass,
        judge_pass=calibration.judge_pass,
        human_fail=calibration.human_fail,
        judge_fail=calibration.judge_fail,
        design=design_of(calibration.sample),
    )


def gating_problems(
    name: str,
    calibration: Calibration | None,
    judge: config.Judge,
    parts: Mapping[str, str],
    labels_sha256_now: str | None,
    today: date,
) -> tuple[str, ...]:
    """Return the reasons why the judge ``name`` may not gate, each with the next step; empty if it may.

    ``parts`` are the digests of its current parts, ``labels_sha256_now`` is that of the current labels; None if their
    file does not exist.
    """
    if calibration is None:
        command = f"pytest-evalgate calibrate {name} --labels FILE"
        if judge.calibration is None:
            return (f"it is not calibrated: run {command}, then set calibration to the file it writes",)
        return (f"{judge.calibration} does not exist: write it with {command}",)
    return (
        *calibration_problems(calibration, judge),
        *_staleness_problems(calibration, judge, parts, labels_sha256_now, today),
    )


def calibration_problems(calibration: Calibration, judge: config.Judge) -> tuple[str, ...]:
    """Return the problems of the calibration itself: too few labels, or a judge that is not accurate enough."""
    return (
        *_sample_size_problems(calibration),
        *_pass_mark_problems(calibration),
        *_accuracy_problems(calibration, judge),
        *_agreement_problems(calibration, judge),
    )


def _sample_size_problems(calibration: Calibration) -> Iterator[str]:
    for rate, counted, word, nouns in (
        ("tpr", calibration.human_pass, "pass", "human passes"),
        ("tnr", calibration.human_fail, "fail", "human fails"),
    ):
        # The counts are effective sample sizes if rows are clustered or weighted; "n" is the number of labels.
        measured = calibration.measures.get(rate)
        labelled = measured.get("n") if isinstance(measured, dict) else None
        n = labelled if isinstance(labelled, int) else counted
        if n < FEWEST:
            yield f"{n} {nouns}, but {FEWEST} are required: label {FEWEST - n} more outputs that {word}"


def _pass_mark_problems(calibration: Calibration) -> Iterator[str]:
    if (assumed := calibration.measures.get("assumed_pass_mark")) is not None:
        yield f"the lowest label that passes was assumed ({assumed:g}): calibrate it with --pass-from N"


def _agreement_problems(calibration: Calibration, judge: config.Judge) -> Iterator[str]:
    """Yield the problem of raters that do not agree: no judge can agree with labels that contradict each other."""
    if judge.min_alpha is None:
        return
    panel = calibration.measures.get("panel")
    alpha = panel["alpha"].get("value") if isinstance(panel, dict) and isinstance(panel.get("alpha"), dict) else None
    options = calibration.measures.get("label_options")
    texts = [one for one in options if isinstance(one, str)] if isinstance(options, list) else []
    check = f"pytest-evalgate label check {shlex.join([calibration.labels, *texts])}"
    if not isinstance(alpha, int | float):
        yield (
            f"the agreement of its raters is unknown, but an alpha of {judge.min_alpha:g} is required: let two people "
            f"label some of the rows ({check})"
        )
    elif alpha < judge.min_alpha:
        yield (
            f"its raters agree by an alpha of {alpha:.2f}, but {judge.min_alpha:g} is required: write the criteria "
            f"more exactly and label again ({check})"
        )


def _accuracy_problems(calibration: Calibration, judge: config.Judge) -> Iterator[str]:
    if not (calibration.human_pass and calibration.human_fail):
        return
    errors = errors_of(calibration)
    if errors.youden_lower <= 0:
        j = f"J = TPR + TNR - 1 = {errors.youden:.2f}, lower bound {errors.youden_lower:.2f}"
        yield f"its verdicts may be no better than chance ({j}): change its rubric or its model"
    for name, lower, required, problem in (
        ("TPR", errors.tpr_lower, judge.min_tpr, "it fails outputs that people pass"),
        ("TNR", errors.tnr_lower, judge.min_tnr, "it passes outputs that people fail"),
    ):
        if required is not None and lower < required:
            shortfall = f"the lower bound of its {name} is {percent(lower)}, but {percent(required)} is required"
            yield f"{shortfall}: {problem}; change its rubric, or label more"


def _staleness_problems(
    calibration: Calibration,
    judge: config.Judge,
    parts: Mapping[str, str],
    labels_sha256_now: str | None,
    today: date,
) -> Iterator[str]:
    created = calibration.created[:10]
    if not calibration.parts:
        yield (
            "its verdicts were read from a file, so the model and rubric that gave them are unknown: "
            "calibrate it without --stored"
        )
    elif changed := [
        part.replace("_", " ")
        for part in dict.fromkeys((*parts, *calibration.parts))
        if calibration.parts.get(part) != parts.get(part)
    ]:
        yield f"the {' and the '.join(changed)} changed since the calibration of {created}: {_AGAIN}"
    if labels_sha256_now not in (None, calibration.labels_sha256):
        yield f"the labels in {calibration.labels} changed since the calibration of {created}: {_AGAIN}"
    age = (today - date.fromisoformat(created)).days
    if age > judge.max_age_days:
        yield f"its calibration of {created} is {count(age, 'day')} old (limit: {judge.max_age_days}): {_AGAIN}"
    if age < 0:
        yield f"its calibration is dated {created}, after today ({today}): correct the clock, or calibrate it again"


def _check(calibration: Calibration) -> None:
    check_time("created", calibration.created)
    check_filled(judge=calibration.judge, fingerprint=calibration.fingerprint, labels=calibration.labels)
    check_filled(labels_sha256=calibration.labels_sha256)
    if "" in (*calibration.parts, *calibration.parts.values()):
        raise ValueError("parts: a name or a digest is empty")
    for rate in ("tpr", "tnr"):
        measured = calibration.measures.get(rate, {})
        n = measured.get("n", 0) if isinstance(measured, dict) else None
        if type(n) is not int or n < 0:
            raise ValueError(f"measures.{rate}.n must be a whole number from 0")
    if not (0 <= calibration.judge_pass <= calibration.human_pass):
        raise ValueError("judge_pass must be from 0 to human_pass")
    if not (0 <= calibration.judge_fail <= calibration.human_fail):
        raise ValueError("judge_fail must be from 0 to human_fail")
    design_of(calibration.sample)
    if calibration.threshold is not None and not 0 <= calibration.threshold <= 1:
        raise ValueError(f"threshold: {calibration.threshold} is not in [0, 1]")


def _encode(calibration: Calibration) -> dict[str, Json]:
    """Return the fields as JSON: whole counts without decimals, and no sample if there is none."""
    fields = {field.name: getattr(calibration, field.name) for field in dataclasses.fields(calibration)}
    sample = fields.pop("sample")
    for name in ("human_pass", "judge_pass", "human_fail", "judge_fail"):
        fields[name] = _plain(fields[name])
    if sample is None:
        return fields
    strata = [{name: _plain(value) for name, value in dataclasses.asdict(one).items()} for one in sample.strata]
    return {**fields, "sample": {"frame": sample.frame, "strata": strata}}


def _plain(number: float) -> float:
    return int(number) if float(number).is_integer() else number


_CALIBRATION: Final = RecordFile(
    Calibration,
    noun="a calibration",
    kind="evalgate-calibration",
    error=CalibrationError,
    next_step="calibrate again, or restore the file from git",
    rows="measures",
    seal="required",
    extra="forbid",
    encode=_encode,
    check=_check,
)
