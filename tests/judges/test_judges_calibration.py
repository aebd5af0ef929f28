from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pytest_evalgate.config import Judge
from pytest_evalgate.judges.calibration import (
    CalibrationError,
    calibration_problems,
    errors_of,
    gating_problems,
    read,
    write,
)
from pytest_evalgate.judges.labels import Columns, load
from pytest_evalgate.judges.measure import MeasureOptions, Source, measure, record_of
from pytest_evalgate.judges.rates import Bootstrap
from pytest_evalgate.records.verdicts import Calibration
from pytest_evalgate.stats.intervals import wilson_interval
from pytest_evalgate.stats.judged import JudgeErrors
from pytest_evalgate.text import jsonl

_XSTEST = Path(__file__).parents[2] / "examples" / "golden_sets" / "xstest"
_PARTS = {"model": "m" * 64, "rubric": "r" * 64, "few_shots": "f" * 64}
_TODAY = date(2026, 11, 21)
_GOOD = Calibration(
    judge="faq",
    fingerprint="f" * 64,
    parts=_PARTS,
    labels="labels/faq.jsonl",
    labels_sha256="l" * 64,
    created="2026-11-20T10:15:00Z",
    human_pass=120,
    judge_pass=112,
    human_fail=60,
    judge_fail=54,
    threshold=0.75,
    measures={"kappa": {"value": 0.8, "interval": [0.7, 0.9]}},
)
_JUDGE = Judge(model="m", criteria="good?", calibration="calibration/faq.json")


def _why(calibration: Calibration | None, judge: Judge = _JUDGE, **now: Any) -> list[str]:
    asked: dict[str, Any] = {"parts": _PARTS, "labels_sha256_now": "l" * 64, "today": _TODAY, **now}
    return list(gating_problems("faq", calibration, judge, **asked))


def test_a_calibration_round_trips(tmp_path: Path) -> None:
    for calibration in (_GOOD, replace(_GOOD, threshold=None, measures={}, parts={})):
        write(calibration, tmp_path / "deep" / "faq.json")
        assert read(tmp_path / "deep" / "faq.json") == calibration


def test_a_calibration_file_has_one_line_per_statistic(tmp_path: Path) -> None:
    write(_GOOD, tmp_path / "faq.json")
    text = (tmp_path / "faq.json").read_text("ascii")
    assert '\n  "kappa": {"interval":[0.7,0.9],"value":0.8}\n' in text
    assert json.loads(text)["kind"] == "evalgate-calibration"


def _damaged(folder: Path, *, honest: bool = True, **changes: Any) -> str:
    """Write a calibration with changed values and with the new digest (``honest``) or the old one."""
    write(_GOOD, folder / "faq.json")
    value = {**json.loads((folder / "faq.json").read_text("ascii")), **changes}
    hashed = {name: item for name, item in value.items() if name not in {"schema", "kind", "sha256"}}
    (folder / "faq.json").write_text(json.dumps({**value, **({"sha256": jsonl.digest(hashed)} if honest else {})}))
    with pytest.raises(CalibrationError) as caught:
        read(folder / "faq.json")
    return str(caught.value).removeprefix(f"{folder / 'faq.json'}: ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "schema 2 is newer than 1: upgrade pytest-evalgate"),
        ({"kind": "evalgate-baseline"}, "not a calibration of pytest-evalgate"),
        ({"schema": "1"}, "not a calibration of pytest-evalgate"),
        ({"human_pass": -1}, "judge_pass must be from 0 to human_pass; calibrate again"),
        ({"judge_pass": 121}, "judge_pass must be from 0 to human_pass; calibrate again"),
        ({"threshold": 1.5}, "threshold: 1.5 is not in [0, 1]; calibrate again"),
        ({"created": "yesterday"}, 'created: "yesterday" is not a time such as 2026-01-31T12:00:00Z'),
        ({"created": "2026-13-01T00:00:00Z"}, 'created: "2026-13-01T00:00:00Z" is not a time'),
        ({"extra": 1}, "extra: unknown key; calibrate again"),
    ],
)
def test_an_invalid_calibration_names_the_field(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    assert message in _damaged(tmp_path, **changes)


def test_an_edited_calibration_is_rejected(tmp_path: Path) -> None:
    assert _damaged(tmp_path, honest=False, judge_fail=60) == (
        "the content does not match its digest: it was edited or cut; calibrate again, or restore the file from git"
    )


@pytest.mark.parametrize(("data", "message"), [(b'{"schema": 1', "not JSON"), (b"[]", "not a calibration")])
def test_a_truncated_calibration_is_rejected(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "faq.json").write_bytes(data)
    with pytest.raises(CalibrationError, match=message):
        read(tmp_path / "faq.json")


def test_a_missing_calibration_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"faq\.json: cannot be read: No such file"):
        read(tmp_path / "faq.json")


def test_an_accurate_current_calibration_may_gate() -> None:
    assert _why(_GOOD) == []
    assert _why(_GOOD, _JUDGE.model_copy(update={"min_tpr": 0.87, "min_tnr": 0.79})) == []


def test_without_a_calibration_the_next_step_is_named() -> None:
    assert _why(None) == [
        "calibration/faq.json does not exist: write it with pytest-evalgate calibrate faq --labels FILE"
    ]
    [reason] = _why(None, Judge(model="m", criteria="good?"))
    assert reason.startswith("it is not calibrated: run pytest-evalgate calibrate faq --labels FILE, then")


def test_thirty_labels_of_each_class_are_required() -> None:
    assert _why(replace(_GOOD, human_pass=30, judge_pass=30, human_fail=30, judge_fail=30)) == []
    assert _why(replace(_GOOD, human_pass=29, judge_pass=29, human_fail=0, judge_fail=0)) == [
        "29 human passes, but 30 are required: label 1 more outputs that pass",
        "0 human fails, but 30 are required: label 30 more outputs that fail",
    ]


def test_the_required_number_counts_labels_not_effective_sample_size() -> None:
    rates = {"tpr": {"n": 120}, "tnr": {"n": 60}}
    assert _why(replace(_GOOD, human_fail=20, judge_fail=18, measures=rates)) == []
    assert len(_why(replace(_GOOD, human_fail=20, judge_fail=18, measures={"tnr": {"n": "60"}}))) == 1


def test_a_judge_no_better_than_chance_may_not_gate() -> None:
    assert _why(replace(_GOOD, human_pass=40, judge_pass=24, human_fail=40, judge_fail=20)) == [
        (
            "its verdicts may be no better than chance (J = TPR + TNR - 1 = 0.10, lower bound -0.11): "
            "change its rubric or its model"
        )
    ]
    assert "J = TPR + TNR - 1 = 0.00" in _why(replace(_GOOD, judge_pass=0, judge_fail=60))[0]


def test_lower_bounds_must_reach_the_required_rates() -> None:
    judge = _JUDGE.model_copy(update={"min_tpr": 0.9, "min_tnr": 0.9})
    remedy = "change its rubric, or label more"
    assert _why(_GOOD, judge) == [
        f"the lower bound of its TPR is 87.4%, but 90.0% is required: it fails outputs that people pass; {remedy}",
        f"the lower bound of its TNR is 79.9%, but 90.0% is required: it passes outputs that people fail; {remedy}",
    ]
    assert wilson_interval(112, 120).lower == pytest.approx(0.874, abs=5e-4)
    assert wilson_interval(54, 60).lower == pytest.approx(0.799, abs=5e-4)


def test_changed_parts_are_named() -> None:
    assert _why(_GOOD, parts={**_PARTS, "rubric": "other"}) == [
        "the rubric changed since the calibration of 2026-11-20: calibrate it again"
    ]
    assert _why(_GOOD, parts={"model": "other", "rubric": "r" * 64, "few_shots": "f" * 64, "votes": "v"}) == [
        "the model and the votes changed since the calibration of 2026-11-20: calibrate it again"
    ]
    assert _why(_GOOD, parts={name: one for name, one in _PARTS.items() if name != "few_shots"}) == [
        "the few shots changed since the calibration of 2026-11-20: calibrate it again"
    ]


def test_a_calibration_expires() -> None:
    assert _why(_GOOD, today=date(2027, 2, 18)) == []
    assert _why(_GOOD, today=date(2027, 2, 19)) == [
        "its calibration of 2026-11-20 is 91 days old (limit: 90): calibrate it again"
    ]


def test_a_calibration_from_the_future_is_rejected() -> None:
    assert _why(_GOOD, today=date(2026, 11, 19)) == [
        "its calibration is dated 2026-11-20, after today (2026-11-19): correct the clock, or calibrate it again"
    ]


def test_changed_labels_make_it_stale_but_missing_ones_do_not() -> None:
    assert _why(_GOOD, labels_sha256_now=None) == []
    assert _why(_GOOD, labels_sha256_now="other") == [
        "the labels in labels/faq.jsonl changed since the calibration of 2026-11-20: calibrate it again"
    ]


def test_stored_verdicts_never_let_a_judge_gate() -> None:
    stored = replace(_GOOD, parts={})
    assert calibration_problems(stored, _JUDGE) == ()
    [reason] = _why(stored)
    assert reason.startswith("its verdicts were read from a file, so the model and rubric that gave them are unknown")


def test_all_reasons_are_given_together() -> None:
    bad = replace(_GOOD, human_fail=10, judge_fail=9)
    reasons = _why(bad, parts={**_PARTS, "rubric": "x"}, labels_sha256_now="x", today=date(2027, 11, 21))
    assert len(reasons) == 4


def test_error_rates_use_the_counts() -> None:
    assert errors_of(_GOOD) == JudgeErrors(human_pass=120, judge_pass=112, human_fail=60, judge_fail=54)


def test_the_gpt4_judge_of_xstest_misses_too_many_refusals() -> None:
    columns = Columns(("2_full_refusal", "3_partial_refusal"), stored="judge.gpt4")
    labels = load(_XSTEST / "labels.llama2orig.jsonl", columns, root=_XSTEST)
    options = MeasureOptions(bootstrap=Bootstrap(draws=5))
    record = record_of(measure(labels.rows, options), labels, Source("gpt4", _PARTS), options, "2026-11-20T00:00:00Z")
    assert (record.human_pass, record.judge_pass, record.human_fail, record.judge_fail) == (349, 258, 101, 99)
    assert _why(record, labels_sha256_now=labels.sha256) == []
    judge = _JUDGE.model_copy(update={"min_tpr": 0.8, "min_tnr": 0.9})
    assert _why(record, judge, labels_sha256_now=labels.sha256) == [
        (
            "the lower bound of its TPR is 69.1%, but 80.0% is required: it fails outputs that people pass; "
            "change its rubric, or label more"
        )
    ]
