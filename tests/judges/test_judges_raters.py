"""Raters: alpha against the krippendorff package, gold rows, the others, drift and time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import krippendorff
import numpy as np
import pytest

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges.labels import Columns, LabelsError, load
from pytest_evalgate.judges.raters import LabelCost, LabelPrice, RatersReport, check_raters
from pytest_evalgate.judges.ratings import load_ratings
from pytest_evalgate.stats.intervals import wilson_interval

if TYPE_CHECKING:
    from pathlib import Path


def _write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "l.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def _check(folder: Path, rows: list[dict[str, Any]], *pass_labels: str) -> RatersReport:
    return check_raters(load_ratings(_write(folder, rows), "l.jsonl", pass_labels))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("labels", "level"), [(["pass", "fail"], "nominal"), ([1, 2, 3, 4, 5], "ordinal")])
def test_alpha_is_that_of_the_krippendorff_package(
    tmp_path: Path, seed: int, labels: list[Any], level: Literal["nominal", "ordinal"]
) -> None:
    random = np.random.default_rng(seed)
    codes = random.integers(0, len(labels), (3, 40))
    codes[1] = np.where(random.random(40) < 0.7, codes[0], codes[1])
    rated = random.random((3, 40)) < 0.8
    rows = [
        {"id": f"r{unit}", "rater": f"p{rater}", "label": labels[codes[rater, unit]], "batch": unit // 20}
        for unit in range(40)
        for rater in range(3)
        if rated[rater, unit]
    ]
    values = np.where(rated, codes.astype(float), np.nan)
    found = _check(tmp_path, rows)
    assert found.alpha.alpha == pytest.approx(krippendorff.alpha(values, level_of_measurement=level))
    for batch, columns in zip(found.batches, (slice(0, 20), slice(20, 40)), strict=True):
        wanted = krippendorff.alpha(values[:, columns], level_of_measurement=level, value_domain=range(len(labels)))
        assert batch.alpha == pytest.approx(wanted)
        assert batch.outputs == int(np.sum(rated[:, columns].sum(axis=0) >= 2))


def test_each_rater_is_held_against_gold_labels_and_the_others(tmp_path: Path) -> None:
    rows = []
    for at in range(20):
        gold = "pass" if at % 2 else "fail"
        wrong = "fail" if at % 2 else "pass"
        given = {"anna": gold, "ben": gold if at < 10 else wrong, "cleo": gold}
        rows += [
            {"id": at, "rater": rater, "label": label, "gold": gold, "seconds": 30} for rater, label in given.items()
        ]
    found = {one.rater: one for one in _check(tmp_path, rows).raters}
    assert (found["anna"].gold.value, found["anna"].gold_labels) == (1.0, 20)
    bounds = wilson_interval(10, 20)
    assert (found["ben"].gold.value, found["ben"].gold.interval) == (0.5, (bounds.lower, bounds.upper))
    assert (found["ben"].others.value, found["ben"].other_labels) == (0.5, 20)
    assert found["anna"].other_labels == 10  # the other two differ on half of the rows
    drift = found["ben"].drift
    assert drift is not None
    assert (drift.first, drift.last) == ((10, 10), (0, 10))
    assert drift.p < 0.001
    assert drift.p_adjusted == pytest.approx(3 * drift.p)
    assert found["anna"].drift is not None
    assert found["anna"].drift.p == 1.0
    assert (found["anna"].minutes_per_row, found["anna"].median_seconds) == (0.5, 30)


def test_one_rater_alone_has_no_agreement(tmp_path: Path) -> None:
    found = _check(tmp_path, [{"id": at, "label": at % 2} for at in range(4)])
    assert (found.alpha.alpha, found.alpha.outputs, found.batches) == (None, 0, ())
    [alone] = found.raters
    assert (alone.rater, alone.gold.value, alone.others.value, alone.drift) == ("label", None, None, None)


def test_labels_by_rater_in_one_row_are_ratings_as_well(tmp_path: Path) -> None:
    rows = [{"id": at, "labels": {"anna": "pass", "ben": "pass" if at else "fail"}} for at in range(5)]
    found = _check(tmp_path, rows)
    assert [one.rater for one in found.raters] == ["anna", "ben"]
    assert found.alpha.outputs == 5


def test_unknown_labels_are_listed(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match=r'l\.jsonl:1: label: unknown label "hm": name the labels that pass'):
        _check(tmp_path, [{"id": 1, "label": "hm"}])
    with pytest.raises(LabelsError, match="none of 1 rows has a label yet"):
        _check(tmp_path, [{"id": 1, "label": None}])
    assert _check(tmp_path, [{"id": 1, "label": "hm"}, {"id": 2, "label": "no"}], "hm").outputs == 2


def test_rows_of_several_raters_become_one_row(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "output": "x", "rater": "anna", "label": "pass", "seconds": 4},
        {"id": "b", "output": "y", "rater": "anna", "label": "fail"},
        {"id": "a", "rater": "ben", "label": "fail"},
        {"id": "a", "rater": "cleo", "label": "pass"},
        {"id": "b", "rater": "ben", "label": None},
    ]
    found = load(_write(tmp_path, rows), Columns(), root=tmp_path)
    assert [(row.case.id, row.label, dict(row.raters)) for row in found.rows] == [
        ("a", "pass", {"anna": 1.0, "ben": 0.0, "cleo": 1.0}), ("b", "fail", {"anna": 0.0})
    ]  # fmt: skip
    assert [row.decided for row in found.rows] == [False, True]


def test_rows_that_contradict_each_other_are_listed(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "output": "x", "rater": "anna", "label": "pass"},
        {"id": "a", "output": "y", "rater": "ben", "label": "pass"},
        {"id": "a", "rater": "anna", "label": "fail"},
        {"id": "b", "rater": " ", "label": "fail", "seconds": 0, "sample": "?"},
    ]
    with pytest.raises(LabelsError) as caught:
        load(_write(tmp_path, rows), Columns(), root=tmp_path)
    text = str(caught.value)
    assert "l.jsonl:2: output: differs from line 1, which has the same id" in text
    assert 'l.jsonl:3: rater: "anna" has labelled "a" already' in text
    for field in ("rater", "seconds", "sample"):
        assert f"l.jsonl:4: {field}: must be" in text


def test_gold_rows_that_were_not_drawn_are_left_out_of_a_calibration(tmp_path: Path) -> None:
    drawn = "0123456789abcdef/A/40"
    rows = [
        {"id": "planted", "output": "x", "label": "pass", "gold": "pass"},
        {"id": "drawn", "output": "x", "label": "pass", "gold": "fail", "sample": drawn},
        {"id": "plain", "output": "x", "label": "pass", "sample": drawn},
    ]
    found = load(_write(tmp_path, rows), Columns(), root=tmp_path)
    assert [(row.case.id, row.passed) for row in found.rows] == [("drawn", False), ("plain", True)]
    assert found.gold == 1


def test_alpha_has_the_interval_of_a_bootstrap_of_the_outputs(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    codes = random.integers(0, 2, (2, 80))
    codes[1] = np.where(random.random(80) < 0.8, codes[0], codes[1])
    rows = [
        {"id": f"r{at}", "rater": f"p{rater}", "label": int(codes[rater, at])} for at in range(80) for rater in (0, 1)
    ]
    found = _check(tmp_path, rows).alpha
    drawn = [
        krippendorff.alpha(codes[:, random.integers(0, 80, 80)].astype(float), level_of_measurement="nominal")
        for _ in range(1500)
    ]
    assert found.interval == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])), abs=0.025)
    grouped = _check(tmp_path, [{**row, "cluster": at // 16} for at, row in enumerate(rows)]).alpha
    assert grouped.alpha == found.alpha
    assert grouped.interval != found.interval


def test_many_values_are_drawn_one_by_one_with_the_same_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(5)
    grades = random.integers(1, 6, 40).tolist()
    noise = random.integers(0, 2, 40).tolist()
    rows = [{"id": at, "labels": {"a": grade, "b": min(5, grade + noise[at])}} for at, grade in enumerate(grades)]
    found = _check(tmp_path, rows).alpha
    monkeypatch.setattr("pytest_evalgate.judges.raters._MAX_CELLS", 0)
    assert _check(tmp_path, rows).alpha.interval == pytest.approx(found.interval)


def test_repeated_rows_measure_a_rater_and_nothing_else(tmp_path: Path) -> None:
    once = [
        {"id": f"r{at}", "rater": rater, "label": "pass" if at % 3 else "fail"} for at in range(12) for rater in "ab"
    ]
    again = [
        {"id": f"r{at}x", "repeat_of": f"r{at}", "rater": "a", "label": "pass" if at else "fail"} for at in range(4)
    ]
    plain, found = _check(tmp_path, once), _check(tmp_path, [*once, *again])
    first, second = found.raters
    bounds = wilson_interval(3, 4)
    assert (first.repeats.value, first.repeat_labels) == (0.75, 4)
    assert first.repeats.interval == (bounds.lower, bounds.upper)
    assert (second.repeats.value, second.repeat_labels) == (None, 0)
    assert (found.outputs, found.alpha, first.labels) == (12, plain.alpha, 12)
    labels = load(_write(tmp_path, [*once, *again]), Columns(), root=tmp_path)
    assert (len(labels.rows), labels.gold) == (12, 4)


def test_rows_that_cannot_be_repetitions_are_listed(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "rater": "anna", "label": "pass"},
        {"id": "b", "repeat_of": "c", "rater": "anna", "label": "pass"},
        {"id": "a", "rater": "anna", "label": "pass"},
        {"id": "d", "repeat_of": [], "label": "pass"},
    ]
    with pytest.raises(LabelsError) as caught:
        _check(tmp_path, rows)
    text = str(caught.value)
    assert 'l.jsonl:2: repeat_of: no other row has the id "c"' in text
    assert 'l.jsonl:3: rater: "anna" has labelled "a" already: give a repeated row an id of its own' in text
    assert "l.jsonl:4: repeat_of: must be the id of the row that is repeated" in text


def test_the_cost_is_that_of_all_labels_for_each_accepted_output(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "agreed", "labels": {"a": "pass", "b": "pass"}},
        {"id": "divided", "labels": {"a": "pass", "b": "fail"}},
        {"id": "settled", "labels": {"a": "pass", "b": "fail"}, "adjudicated": "fail"},
        {"id": "planted", "labels": {"a": "pass"}, "gold": "pass"},
        {"id": "again", "labels": {"a": "pass"}, "repeat_of": "agreed"},
    ]
    ratings = load_ratings(_write(tmp_path, rows), "l.jsonl")
    found = check_raters(ratings, LabelPrice(per_label=1.5)).cost
    assert found == LabelCost(total=12.0, labels=8, accepted=2, per_accepted=6.0)
    assert check_raters(ratings).cost is None
    with pytest.raises(SettingsError, match=r'but 8 of 8 have no "seconds": add them, or use --cost-per-label'):
        check_raters(ratings, LabelPrice(per_hour=30))
    timed = [{"id": at, "rater": "a", "label": "pass", "seconds": 90} for at in range(4)]
    hourly = check_raters(load_ratings(_write(tmp_path, timed), "l.jsonl"), LabelPrice(per_hour=30)).cost
    assert hourly == LabelCost(total=3.0, labels=4, accepted=4, per_accepted=0.75)
    divided = load_ratings(_write(tmp_path, rows[1:2]), "l.jsonl")
    assert check_raters(divided, LabelPrice(per_label=1)).cost == LabelCost(2.0, 2, 0, None)
