from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_evalgate.errors import UserError
from pytest_evalgate.judges import calibration as calibrations
from pytest_evalgate.judges.build import fingerprint
from pytest_evalgate.judges.labels import Columns, Labelled, LabelSet, load
from pytest_evalgate.judges.measure import Measurement, MeasureOptions, Source, measure, record_of
from pytest_evalgate.judges.rates import Bootstrap
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output, Score
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from pytest_evalgate.records.verdicts import Calibration

_TESTS = Path(__file__).parents[1]
_XSTEST = _TESTS.parent / "examples" / "golden_sets" / "xstest"
_FEW = MeasureOptions(bootstrap=Bootstrap(draws=20))
_REFUSALS = ("2_full_refusal", "3_partial_refusal")


def _row(at: int, *, human: bool | None, judge: float | None, **fields: Any) -> Labelled:
    score = Score("judge", judge, None if judge is None else judge >= 0.5, "" if judge is not None else "no reply")
    label = "undecided" if human is None else "pass" if human else "fail"
    row = Labelled(Case(f"r{at}", place=Place("l", at)), Output("x"), label, human, scores=(score,))
    return replace(row, **fields)


def _rows(*cells: tuple[bool, float | None, int], **fields: Any) -> list[Labelled]:
    flat = [(human, judge) for human, judge, number in cells for _ in range(number)]
    return [_row(at, human=human, judge=judge, **fields) for at, (human, judge) in enumerate(flat)]


def test_a_judge_of_pass_and_fail() -> None:
    found = measure(_rows((True, 1.0, 40), (True, 0.0, 10), (False, 0.0, 25), (False, 1.0, 5)), _FEW)
    assert found.tpr is not None
    assert found.tnr is not None
    assert (found.tpr.hits, found.tpr.n, found.tnr.hits, found.tnr.n) == (40, 50, 25, 30)
    assert found.youden.value == pytest.approx(0.8 + 25 / 30 - 1)
    assert found.youden.interval is not None
    assert found.youden.interval[0] < 0.63 < found.youden.interval[1]
    assert (found.rows, found.unreadable, found.clusters, found.weighted) == (80, 0, None, False)
    assert (found.threshold, found.grades, found.probability, found.bins) == (None, {}, {}, ())
    assert [(one.false_pass_rate, one.true_pass_rate) for one in found.roc] == [
        (0, 0),
        (pytest.approx(1 / 6), 0.8),
        (1, 1),
    ]
    assert found.accuracy.hits == 65


def test_measurement_and_gates_have_the_same_bound_of_youden() -> None:
    from pytest_evalgate.stats.judged import JudgeErrors  # noqa: PLC0415 - only this test needs it

    found = measure(_rows((True, 1.0, 40), (True, 0.0, 10), (False, 0.0, 25), (False, 1.0, 5)), _FEW)
    assert found.youden.interval is not None
    assert found.youden.interval[0] == pytest.approx(JudgeErrors(50, 40, 30, 25).youden_lower)


def test_unreadable_rows_are_excluded() -> None:
    rows = _rows((True, 1.0, 4), (True, None, 3), (False, 0.0, 4), (False, None, 2))
    found = measure(rows, _FEW)
    assert (found.rows, found.unreadable, found.accuracy.n, found.disagreements) == (13, 5, 8, ())


def test_undecided_rows_are_excluded() -> None:
    ratings = {"ann": 1.0, "ben": 0.0}
    rows = [*_rows((True, 1.0, 4), (False, 0.0, 4)), _row(9, human=None, judge=1.0, decided=False, raters=ratings)]
    found = measure(rows, _FEW)
    assert (found.rows, found.accuracy.n, found.split) == (8, 8, ("r9",))


def test_rows_with_a_label_are_not_split() -> None:
    ratings = {"ann": 1.0, "ben": 0.0, "cy": 1.0}
    rows = _rows((True, 1.0, 2), (False, 0.0, 2), raters=ratings)
    assert measure(rows, _FEW).split == ()
    assert measure([replace(row, decided=False) for row in rows], _FEW).split == ("r0", "r1", "r2", "r3")


def test_disagreements_are_listed() -> None:
    rows = _rows((True, 1.0, 2), (True, 0.0, 1), (False, 1.0, 1), (False, 0.0, 1))
    disagreements = [
        (one.id, one.place, one.label, one.passed, one.score) for one in measure(rows, _FEW).disagreements
    ]
    assert disagreements == [("r2", Place("l", 2), "pass", True, 0.0), ("r3", Place("l", 3), "fail", False, 1.0)]


def test_a_class_without_a_label_leaves_its_rate_undefined() -> None:
    found = measure(_rows((True, 1.0, 5), (True, 0.0, 1)), _FEW)
    assert (found.tnr, found.youden.value, found.roc) == (None, None, ())
    assert found.tpr is not None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], 'no row has a label that passes or fails: fill in "label"'),
        (_rows((True, None, 2)), "the judge gave no readable score for any of 2 rows: no reply"),
        (
            [replace(_row(0, human=True, judge=1), scores=())],
            "the judge gave no readable score for any of 1 row: no verdict",
        ),
    ],
)
def test_no_usable_row_is_an_error(rows: list[Labelled], message: str) -> None:
    with pytest.raises(UserError, match=message):
        measure(rows, _FEW)


def _graded(n: int = 120) -> list[Labelled]:
    random = np.random.default_rng(0)
    human = random.random(n) < 0.6
    scores = np.round(np.clip(np.where(human, 0.7, 0.3) + random.normal(0, 0.2, n), 0, 1), 2)
    return [_row(at, human=bool(human[at]), judge=float(scores[at])) for at in range(n)]


def test_a_graded_judge_is_measured_out_of_fold() -> None:
    rows = _graded()
    found = measure(rows, _FEW)
    assert found.threshold is not None
    assert found.threshold.value is not None
    shipped = [bool(row.scores[0].value >= found.threshold.value) for row in rows]  # type: ignore[operator]
    right = sum(one is row.passed for one, row in zip(shipped, rows, strict=True))
    assert found.accuracy.hits != right
    assert found.roc == found.threshold.roc
    assert sum(one.n for one in found.bins) == len(rows)
    assert found.probability == {}


def test_probability_metrics_need_probabilities() -> None:
    assert set(measure(_graded(), replace(_FEW, probabilities=True)).probability) == {"brier", "log_loss", "ece"}


def test_without_a_threshold_a_graded_judge_keeps_its_verdicts() -> None:
    found = measure([_row(0, human=True, judge=0.6), _row(1, human=False, judge=0.4)], _FEW)
    assert (found.threshold, found.accuracy.hits) == (None, 2)


def test_grades_are_compared_with_human_grades() -> None:
    rows = [replace(row, grade=0.75 if row.passed else 0.25) for row in _graded(40)]
    assert set(measure(rows, _FEW).grades) >= {"spearman", "kendall_tau_b", "kappa_quadratic"}
    assert measure([*rows[1:], replace(rows[0], grade=None)], _FEW).grades == {}


def test_clusters_widen_the_intervals() -> None:
    rows = _rows((True, 1.0, 40), (True, 0.0, 20), (False, 0.0, 40))
    alone = measure(rows, _FEW)
    found = measure([replace(row, cluster=str(at // 20)) for at, row in enumerate(rows)], _FEW)
    assert alone.tpr is not None
    assert found.tpr is not None
    assert (found.clusters, found.tpr.value) == (5, alone.tpr.value)
    assert found.tpr.interval[0] < alone.tpr.interval[0] - 0.1


def test_each_row_without_a_cluster_is_a_cluster() -> None:
    rows = _rows((True, 1.0, 10), (False, 0.0, 10))
    found = measure([replace(rows[0], cluster="d"), replace(rows[1], cluster="d"), *rows[2:]], _FEW)
    assert found.clusters == 19


def test_weights_are_allowed_for() -> None:
    rows = _rows((True, 1.0, 40), (True, 0.0, 10), (False, 0.0, 40), (False, 1.0, 5))
    found = measure([replace(row, weight=10.0 if row.scores[0].passed else 1.0) for row in rows], _FEW)
    assert found.weighted
    assert found.tnr is not None
    assert (found.tnr.hits, found.tnr.n) == (40, 45)
    assert found.tnr.value == pytest.approx(40 / 90, abs=0.02)


def test_repeated_verdicts_give_self_consistency() -> None:
    again = (Score("j", 1.0, passed=True), Score("j", 0.0, passed=False), Score("j", None, None))
    rows = [replace(row, scores=again if at < 3 else row.scores) for at, row in enumerate(_rows((True, 1.0, 9)))]
    found = measure(rows, _FEW)
    assert found.repeats is not None
    assert (found.repeats.items, found.repeats.flip_rate.value, found.repeats.unanimous.value) == (3, 1.0, 0.0)


def test_a_pair_counts_only_if_both_orders_have_the_same_winner() -> None:
    rows = [
        replace(_row(0, human=True, judge=1.0), swapped=Score("s", 1.0, passed=True)),
        replace(_row(1, human=False, judge=1.0), swapped=Score("s", 0.0, passed=False)),
        replace(_row(2, human=False, judge=0.0), swapped=Score("s", 0.0, passed=False)),
        _row(3, human=False, judge=0.0),
    ]
    found = measure(rows, _FEW)
    assert found.position is not None
    assert (found.position.pairs, found.position.right_both, found.position.agree) == (3, 2, 2)
    assert (found.accuracy.n, found.unreadable) == (2, 2)


def test_the_same_seed_gives_the_same_statistics() -> None:
    assert measure(_graded(), _FEW) == measure(_graded(), _FEW)
    assert measure(_graded(), _FEW) != measure(_graded(), MeasureOptions(bootstrap=Bootstrap(seed=1, draws=20)))


# real labels, and the numbers that others computed from them

_JUDGES = [
    "ChatGPT/CoT", "ChatGPT/Metrics_Reference", "ChatGPT/Rating", "ChatGPT/Vanilla", "ChatGPT/Vanilla_NoRules",
    "Falcon/Vanilla", "GPT-4/CoT", "GPT-4/Metrics_Reference", "GPT-4/Rating", "GPT-4/Vanilla", "GPT-4/Vanilla_NoRules",
    "LLaMA2/Metrics_Reference", "LLaMA2/Vanilla", "PaLM2/Metrics_Reference", "PaLM2/Vanilla",
]  # fmt: skip
_PAIRS = Columns(("1",), stored="order_12.winner", swapped="order_21.winner")


def _llmbar(folder: Path, judge: str, columns: Columns = _PAIRS, **fields: Any) -> list[Labelled]:
    """Load the verdicts of one judge. ``fields`` are functions of a row."""
    whole = gzip.decompress((_TESTS / "data" / "llmbar.verdicts.jsonl.gz").read_bytes()).decode("utf-8")
    rows = [row for row in map(json.loads, whole.splitlines()) if row["judge"] == judge]
    lines = (json.dumps({**row, **{name: make(row) for name, make in fields.items()}}) for row in rows)
    path = folder / "l.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    return list(load(path, columns, root=folder).rows)


@pytest.mark.parametrize("judge", _JUDGES)
def test_llmbar_gives_the_authors_counts_in_both_orders(tmp_path: Path, judge: str) -> None:
    published = json.loads((_TESTS / "data" / "llmbar.published_statistics.json").read_text("utf-8"))[judge]
    rows = _llmbar(tmp_path, judge)
    assert len(rows) == 238
    for subset, expected in published.items():
        part = [row for row in rows if f"-{subset}-" in row.case.id]
        found = measure(part, MeasureOptions(bootstrap=Bootstrap(draws=2))).position
        assert found is not None
        counts = {
            "correct_False": found.right_first,
            "correct_True": found.right_swapped,
            "correct_both": found.right_both,
            "equal": found.agree,
        }
        published_counts = {name: int(expected[name].partition(" /")[0]) for name in counts}
        assert counts == Counter(published_counts) - _of_unread_pairs(part)


def _of_unread_pairs(rows: list[Labelled]) -> Counter[str]:
    """Count what the authors count of pairs with an unread reply: two of them as the same winner."""
    found: Counter[str] = Counter()
    for row in rows:
        first, swapped = row.scores[0].passed if row.scores else None, row.swapped.passed if row.swapped else None
        if first is None or swapped is None:
            found["equal"] += first is swapped
            found["correct_False"] += first is row.passed
            found["correct_True"] += swapped is row.passed
    return found


def test_llmbar_shows_a_position_bias(tmp_path: Path) -> None:
    chatgpt, gpt4 = (measure(_llmbar(tmp_path, judge), _FEW) for judge in ("ChatGPT/Vanilla", "GPT-4/Vanilla"))
    assert chatgpt.position is not None
    assert gpt4.position is not None
    assert (chatgpt.position.first_wins, chatgpt.position.second_wins) == (80, 6)
    assert chatgpt.position.p < 1e-15
    assert gpt4.position.p > 0.2
    assert gpt4.accuracy.value == pytest.approx((93 + 77 + 33) / (95 + 87 + 38))


def test_the_ratings_of_llmbar_make_a_judge_with_a_threshold(tmp_path: Path) -> None:
    """Return the difference of the two ratings as the probability that the first output is better."""
    columns = Columns(("1",), stored="first")
    rows = _llmbar(tmp_path, "GPT-4/Rating", columns, first=_first_is_better)
    found = measure(rows, replace(_FEW, probabilities=True))
    assert found.threshold is not None
    assert found.threshold.auc.value == pytest.approx(_area_by_pairs(rows))
    assert found.tnr is not None
    assert found.tnr.value > 0.9
    assert found.probability["brier"].value == pytest.approx(
        np.mean([(row.scores[0].value - float(row.passed)) ** 2 for row in rows if row.scores])  # type: ignore[operator,arg-type]
    )


def _first_is_better(row: dict[str, Any]) -> float | None:
    one, other = str(row["score_1"]).strip(), str(row["score_2"]).strip()
    return (9 + int(one) - int(other)) / 18 if one.isdecimal() and other.isdecimal() else None


def _area_by_pairs(rows: list[Labelled]) -> float:
    scored = [(row.scores[0].value, row.passed) for row in rows if row.scores]
    good, bad = ([score or 0.0 for score, passed in scored if passed is kind] for kind in (True, False))
    return float(np.mean([(one > other) + (one == other) / 2 for one in good for other in bad]))


@pytest.mark.parametrize("system", ["llama2orig", "mistralguard"])
@pytest.mark.parametrize("judge", ["gpt4", "strmatch"])
def test_xstest_gives_the_expected_numbers(system: str, judge: str) -> None:
    numbers = json.loads((_TESTS / "data" / "xstest.expected_numbers.json").read_text("utf-8"))
    expected = numbers[system][judge]
    found = _xstest(system, judge)
    assert found.tpr is not None
    assert found.tnr is not None
    assert (found.tpr.hits, found.tpr.n - found.tpr.hits) == (expected["tp"], expected["fn"])
    assert (found.tnr.hits, found.tnr.n - found.tnr.hits) == (expected["tn"], expected["fp"])
    assert found.verdicts["kappa"].value == pytest.approx(expected["kappa_any_refusal"], abs=1e-12)
    assert (found.tpr.value, found.tnr.value) == (expected["sensitivity"], expected["specificity"])
    assert found.accuracy.value == expected["accuracy_any_refusal"]
    assert len(found.disagreements) == expected["fp"] + expected["fn"]


def test_the_annotators_of_xstest_agree_better_than_its_judge() -> None:
    panel = _xstest("llama2orig", "gpt4").panel
    assert panel is not None
    assert (panel.rows, len(panel.raters)) == (450, 2)
    assert panel.human.value == pytest.approx(0.968, abs=0.001)
    assert panel.judge.value == pytest.approx(0.545, abs=0.001)


def _xstest(system: str, judge: str) -> Measurement:
    raters = ("metadata.annotation_1", "metadata.annotation_2")
    columns = Columns(_REFUSALS, raters, f"judge.{judge}")
    return measure(load(_XSTEST / f"labels.{system}.jsonl", columns, root=_XSTEST).rows, _FEW)


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


def test_the_calibration_has_counts_and_parts(tmp_path: Path) -> None:
    labels = _labels(tmp_path)
    found = _record(labels)
    assert (found.judge, found.parts, found.labels, found.labels_sha256) == ("faq", _PARTS, "l.jsonl", labels.sha256)
    assert (found.human_pass, found.judge_pass, found.human_fail, found.judge_fail) == (40, 30, 20, 5)
    assert (found.created, found.threshold, found.fingerprint) == (_NOW, None, fingerprint(_PARTS, None))


def test_the_calibration_has_every_statistic(tmp_path: Path) -> None:
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


def test_a_measured_calibration_round_trips(tmp_path: Path) -> None:
    for judged in ("judge", "score"):
        options = replace(_HOW, probabilities=judged == "score")
        found = _record(_labels(tmp_path, judged=judged), options=options)
        calibrations.write(found, tmp_path / "faq.json")
        assert jsonl.canonical(calibrations.read(tmp_path / "faq.json").measures) == jsonl.canonical(found.measures)


def test_stored_verdicts_record_their_path(tmp_path: Path) -> None:
    found = _record(_labels(tmp_path), Source("faq", {}, "judge"))
    assert (found.parts, found.measures["verdicts_from"]) == ({}, "judge")


def test_clustered_labels_count_as_the_effective_sample_size(tmp_path: Path) -> None:
    labels = _labels(tmp_path)
    rows = tuple(replace(row, cluster=str(at // 6)) for at, row in enumerate(labels.rows))
    found = _record(replace(labels, rows=rows))
    tpr = found.measures["tpr"]
    assert (tpr["n"], found.measures["clusters"]) == (40, 10)
    assert found.human_pass == tpr["worth"] <= 40
    assert found.judge_pass == tpr["value"] * found.human_pass


def test_a_class_without_a_label_counts_nothing(tmp_path: Path) -> None:
    labels = _labels(tmp_path)
    found = _record(replace(labels, rows=tuple(row for row in labels.rows if row.passed)))
    assert (found.human_pass, found.human_fail, found.judge_fail) == (40, 0, 0)
    assert "tnr" not in found.measures
