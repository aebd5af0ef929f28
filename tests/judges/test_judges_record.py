from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_evalgate.judges import calibration as calibrations
from pytest_evalgate.judges.build import fingerprint
from pytest_evalgate.judges.labels import Columns, LabelSet, load
from pytest_evalgate.judges.measure import MeasureOptions, Source, measure, record_of
from pytest_evalgate.judges.rates import Bootstrap
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.results import Calibration

_HOW = MeasureOptions(bootstrap=Bootstrap(seed=4, draws=20))
_PARTS = {"model": "m", "rubric": "r"}
_NOW = "2026-11-21T00:00:00Z"


def _labels(folder: Path, *, judged: str = "judge", **fields: Any) -> LabelSet:
    rows = [
        {"id": at, "label": at % 3 != 0, "judge": at % 4 != 0, "score": (at * 7 % 20) / 20, **fields}
        for at in range(60)
    ]
    path = folder / "l.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return load(path, Columns(stored=judged), root=folder)


def _record(labels: LabelSet, source: Source | None = None, options: MeasureOptions = _HOW) -> Calibration:
    return record_of(measure(labels.rows, options), labels, source or Source("faq", _PARTS), options, _NOW)


def test_the_record_holds_the_counts_and_what_the_judge_was(tmp_path: Path) -> None:
    labels = _labels(tmp_path)
    found = _record(labels)
    assert (found.judge, found.parts, found.labels, found.labels_sha256) == ("faq", _PARTS, "l.jsonl", labels.sha256)
    assert (found.human_pass, found.judge_pass, found.human_fail, found.judge_fail) == (40, 30, 20, 5)
    assert (found.created, found.threshold, found.fingerprint) == (_NOW, None, fingerprint(_PARTS, None))


def test_every_figure_is_named(tmp_path: Path) -> None:
    measures = _record(_labels(tmp_path)).measures
    assert measures["kappa"]["value"] is not None
    assert len(measures["kappa"]["interval"]) == 2
    assert measures["tpr"]["n"] == 40
    assert measures["labels_that_pass"] == {"true": 40}
    assert (measures["verdicts_from"], measures["bootstrap"]) == ("asked", {"seed": 4, "draws": 20})
    assert not {"disagreements", "split", "roc", "bins", "threshold", "clusters"} & measures.keys()


def test_a_threshold_is_part_of_the_judge(tmp_path: Path) -> None:
    found = _record(_labels(tmp_path, judged="score"))
    assert found.threshold is not None
    assert found.fingerprint == fingerprint(_PARTS, found.threshold) != fingerprint(_PARTS, None)
    assert found.measures["threshold"]["folds"] == 5
    assert "roc" not in found.measures["threshold"]


def test_a_record_can_be_written_and_read(tmp_path: Path) -> None:
    for judged in ("judge", "score"):
        options = replace(_HOW, probabilities=judged == "score")
        found = _record(_labels(tmp_path, judged=judged), options=options)
        calibrations.write(found, tmp_path / "faq.json")
        assert jsonl.canonical(calibrations.read(tmp_path / "faq.json").measures) == jsonl.canonical(found.measures)


def test_stored_verdicts_say_where_they_come_from(tmp_path: Path) -> None:
    found = _record(_labels(tmp_path), Source("faq", {}, "judge"))
    assert (found.parts, found.measures["verdicts_from"]) == ({}, "judge")


def test_clustered_labels_count_as_what_they_are_worth(tmp_path: Path) -> None:
    labels = _labels(tmp_path)
    rows = tuple(replace(row, cluster=str(at // 6)) for at, row in enumerate(labels.rows))
    found = _record(replace(labels, rows=rows))
    tpr = found.measures["tpr"]
    assert (tpr["n"], found.measures["clusters"]) == (40, 10)
    assert found.human_pass == int(tpr["worth"]) <= 40
    assert found.judge_pass == round(tpr["value"] * found.human_pass)


def test_a_class_without_a_label_counts_nothing(tmp_path: Path) -> None:
    labels = _labels(tmp_path)
    found = _record(replace(labels, rows=tuple(row for row in labels.rows if row.passed)))
    assert (found.human_pass, found.human_fail, found.judge_fail) == (40, 0, 0)
    assert "tnr" not in found.measures
