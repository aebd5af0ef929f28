from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.judges.rates import Bootstrap
from pytest_evalgate.judges.threshold import (
    FOLDS,
    Aim,
    AimName,
    Threshold,
    _folds,
    bins_of,
    choose,
    probability_metrics,
)
from pytest_evalgate.stats.judged import (
    calibration_errors,
    threshold_cost,
    threshold_fixed_specificity,
    threshold_youden,
)

_FEW = Bootstrap(draws=20)


def _drawn(n: int, seed: int = 0) -> tuple[list[float], list[bool]]:
    random = np.random.default_rng(seed)
    human = random.random(n) < 0.6
    scores = np.clip(np.where(human, 0.65, 0.35) + random.normal(0, 0.2, n), 0, 1)
    return np.round(scores, 2).tolist(), human.tolist()


def _chosen(scores: list[float], human: list[bool], aim: Aim, clusters: list[int] | None = None) -> Threshold:
    found = choose(scores, human, clusters or range(len(human)), aim, _FEW)
    assert found is not None
    return found[0]


def test_the_threshold_is_chosen_from_all_labels() -> None:
    scores, human = _drawn(200)
    labels = [float(one) for one in human]
    wanted: dict[AimName, float] = {
        "specificity": threshold_fixed_specificity(scores, labels, 0.9).threshold,
        "youden": threshold_youden(scores, labels).threshold,
        "cost": threshold_cost(scores, labels, 5.0, 1.0).threshold,
    }
    for name, threshold in wanted.items():
        assert _chosen(scores, human, Aim(name, false_pass_cost=5.0)).value == threshold
    assert wanted["cost"] > wanted["youden"]


def test_each_fold_uses_the_threshold_of_the_others() -> None:
    scores, human = _drawn(60)
    found = choose(scores, human, range(60), Aim(), Bootstrap(7, 5))
    assert found is not None
    values, labels = np.array(scores), np.array(human, dtype=np.float64)
    fold_of = _folds(labels, np.arange(60), seed=7)
    assert fold_of is not None
    thresholds = [Aim().choose(values[fold_of != fold], labels[fold_of != fold]) for fold in range(FOLDS)]
    assert list(found[1]) == [score >= thresholds[fold] for score, fold in zip(scores, fold_of, strict=True)]
    assert (found[0].least, found[0].most) == (min(thresholds), max(thresholds))


def test_out_of_fold_rates_are_lower() -> None:
    """Chosen and measured on the same few labels a threshold looks better than it is."""
    gained = 0.0
    for seed in range(30):
        scores, human = _drawn(50, seed)
        found = choose(scores, human, range(50), Aim("youden"), Bootstrap(draws=2))
        assert found is not None
        threshold, verdicts = found
        assert threshold.value is not None
        same = [score >= threshold.value for score in scores]
        gained += _youden(human, same) - _youden(human, list(verdicts))
    assert gained / 30 > 0.05


def _youden(human: list[bool], judge: list[bool]) -> float:
    pairs = list(zip(human, judge, strict=True))
    passed, failed = ([other for one, other in pairs if one is kind] for kind in (True, False))
    return sum(passed) / len(passed) - sum(failed) / len(failed)


def test_folds_are_stratified() -> None:
    labels = np.array([1.0] * 33 + [0.0] * 12)
    fold_of = _folds(labels, np.arange(45), seed=0)
    assert fold_of is not None
    for kind, sizes in ((1.0, {6, 7}), (0.0, {2, 3})):
        assert set(np.bincount(fold_of[labels == kind], minlength=FOLDS).tolist()) <= sizes


def test_clusters_stay_whole() -> None:
    random = np.random.default_rng(0)
    labels, codes = (random.random(100) < 0.5).astype(float), np.repeat(np.arange(20), 5)
    fold_of = _folds(labels, codes, seed=1)
    assert fold_of is not None
    assert all(len(set(fold_of[codes == code].tolist())) == 1 for code in range(20))
    assert set(np.bincount(fold_of).tolist()) == {20}


def test_few_labels_of_a_class_give_fewer_folds() -> None:
    assert _chosen([0.1, 0.2, 0.3, 0.7, 0.8, 0.9], [False] * 3 + [True] * 3, Aim()).folds == 3


@pytest.mark.parametrize(
    ("human", "clusters"),
    [([True] * 6, [0, 1, 2, 3, 4, 5]), ([True] * 5 + [False], [0, 1, 2, 3, 4, 5]), ([True, False] * 3, [0, 1] * 3)],
    ids=["one class", "one label of a class", "a class in one cluster"],
)
def test_too_few_labels_give_no_threshold(human: list[bool], clusters: list[int]) -> None:
    assert choose([0.1, 0.9, 0.2, 0.8, 0.3, 0.7], human, clusters, Aim(), _FEW) is None


def test_nothing_passes_if_no_threshold_is_specific_enough() -> None:
    scores, human = [0.9] * 10 + [0.1] * 10, [False] * 10 + [True] * 10
    found = choose(scores, human, range(20), Aim(), _FEW)
    assert found is not None
    threshold, verdicts = found
    assert (threshold.value, threshold.least, threshold.most) == (None, None, None)
    assert not any(verdicts)


def test_the_roc_curve_runs_from_nothing_to_everything() -> None:
    found = _chosen([0.1, 0.4, 0.4, 0.8], [False, False, True, True], Aim())
    assert [(one.threshold, one.false_pass_rate, one.true_pass_rate) for one in found.roc] == [
        (None, 0.0, 0.0), (0.8, 0.0, 0.5), (0.4, 0.5, 1.0), (0.1, 1.0, 1.0)
    ]  # fmt: skip
    assert found.auc.value == 0.875


def test_the_seed_determines_the_folds() -> None:
    scores, human = _drawn(80)
    first, again, other = (choose(scores, human, range(80), Aim(), Bootstrap(seed, 5)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_probability_metrics_are_those_of_the_statistics() -> None:
    random = np.random.default_rng(0)
    scores = random.random(200)
    human = random.random(200) < scores
    found = probability_metrics(scores.tolist(), human.tolist(), range(200), Bootstrap(draws=40))
    wanted = calibration_errors(scores, human.astype(float))
    assert {name: one.value for name, one in found.items()} == {
        "brier": wanted.brier, "log_loss": wanted.log_loss, "ece": wanted.ece
    }  # fmt: skip
    assert all(one.interval is not None for one in found.values())


def test_bins_are_closed_above_and_the_first_one_below() -> None:
    scores = [0.0, 0.1, 0.1000001, 0.2, 0.95, 1.0]
    found = bins_of(scores, [False, False, True, True, True, False])
    assert [(one.low, one.high, one.n) for one in found] == [(0, 0.1, 2), (0.1, 0.2, 2), (0.9, 1.0, 2)]
    assert [(one.score, one.passed) for one in found[::2]] == [(0.05, 0.0), (0.975, 0.5)]


@given(rows=st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_bins_add_up_to_the_calibration_error(rows: list[tuple[float, bool]]) -> None:
    scores, human = [score for score, _ in rows], [passed for _, passed in rows]
    found = bins_of(scores, human)
    assert sum(one.n for one in found) == len(rows)
    error = sum(one.n * abs(one.score - one.passed) for one in found) / len(rows)
    assert error == pytest.approx(calibration_errors(scores, [float(one) for one in human]).ece, abs=1e-9)
    assert all(one.interval[0] <= one.passed <= one.interval[1] for one in found)
