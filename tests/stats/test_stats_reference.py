"""Every reference case, through the function of the same name."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import stats
from pytest_evalgate.scorers import overlap, ranking, squad

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_evalgate.scorers.overlap import Overlap

CASES = json.loads(Path(__file__).with_name("stats_cases.json").read_text(encoding="utf-8"))["cases"]

EXTRAS = {"bleu": "sacrebleu", "rouge": "rouge_score"}


def verdict(**inputs: Any) -> Mapping[str, object]:
    found = stats.finding(**inputs)
    return {"verdict": found.name, "p": found.p, "lower": found.lower, "upper": found.upper}


def published_cavo2012(**inputs: int) -> Mapping[str, object]:
    test = stats.mcnemar(**inputs)
    return {
        "delta": test.delta,
        "p_two_sided_exact": test.p_two_sided_exact,
        "p_two_sided_midp": test.p_two_sided_midp,
        "tango": stats.tango_interval(**inputs),
        "newcombe": stats.newcombe_paired_interval(**inputs),
        "bonett_price": stats.bonett_price_interval(**inputs),
    }


def rogan_gladen(**inputs: int) -> object:
    try:
        return stats.rogan_gladen(**inputs)
    except stats.JudgeNotBetterThanChance:
        return {"error": "judge_not_better_than_chance"}


def rouge(predictions: list[str], references: list[str]) -> object:
    def triple(overlap: Overlap) -> tuple[float, float, float]:
        return overlap.precision, overlap.recall, overlap.f1

    return tuple(
        {"rouge1": triple(one.rouge1), "rouge2": triple(one.rouge2), "rougeL": triple(one.rouge_l)}
        for one in overlap.rouge(predictions, references)
    )


NAMED_OTHERWISE: Mapping[str, Callable[..., object]] = {
    "verdict": verdict,
    "published_cavo2012": published_cavo2012,
    "rogan_gladen": rogan_gladen,
    "bleu": overlap.bleu,
    "rouge": rouge,
    "squad": squad.squad,
    "retrieval": ranking.retrieval,
}


def compute(case: Mapping[str, Any]) -> object:
    function = NAMED_OTHERWISE.get(case["quantity"]) or getattr(stats, case["quantity"])
    result: object = function(**case["inputs"])
    return result


def leaves(expected: object, actual: object, path: str = "") -> list[tuple[str, object, object]]:
    """Pair every expected number or word with the actual one; a list stands for a tuple or an interval's two ends."""
    if isinstance(expected, dict):
        read = actual.__getitem__ if isinstance(actual, dict) else lambda name: getattr(actual, name)
        return [leaf for name, part in expected.items() for leaf in leaves(part, read(name), f"{path}.{name}")]
    if isinstance(expected, list):
        entries = (actual.lower, actual.upper) if isinstance(actual, stats.Interval) else actual
        assert isinstance(entries, tuple)
        return [
            leaf
            for i, (part, entry) in enumerate(zip(expected, entries, strict=True))
            for leaf in leaves(part, entry, f"{path}[{i}]")
        ]
    return [(path, expected, actual)]


def agree(expected: object, actual: object, tolerance: float) -> bool:
    if isinstance(expected, (bool, str)) or expected is None:
        return actual == expected
    assert isinstance(expected, (int, float))
    assert isinstance(actual, (int, float))
    return abs(actual - expected) <= tolerance


def unless_installed(library: str | None) -> pytest.MarkDecorator:
    absent = library is not None and importlib.util.find_spec(library) is None
    return pytest.mark.skipif(absent, reason=f"{library} is not installed: pip install 'pytest-evalgate[metrics]'")


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case["id"], marks=unless_installed(EXTRAS.get(case["quantity"]))) for case in CASES],
)
def test_reference_case(case: Mapping[str, Any]) -> None:
    compared = leaves(case["expected"], compute(case))
    assert compared
    assert [leaf for leaf in compared if not agree(leaf[1], leaf[2], case["tol"])] == []


def test_no_quantity_drops_out() -> None:
    assert {case["quantity"] for case in CASES} == {
        "agreement_binary",
        "agreement_graded",
        "betting_noninferiority",
        "bh_adjusted",
        "bleu",
        "bonett_price_interval",
        "by_adjusted",
        "calibration",
        "certainty",
        "certainty_pass_rate",
        "classification",
        "clopper_pearson_interval",
        "clopper_pearson_lower_one_sided",
        "cluster_delta",
        "cluster_mean_ci",
        "cusum_down",
        "eprocess_mixture",
        "ewma",
        "fallback_gate",
        "fleiss_kappa",
        "holm_adjusted",
        "icc_anova",
        "jeffreys_interval",
        "js_divergence",
        "judge_self_consistency",
        "krippendorff_missing",
        "ks_statistic",
        "mcnemar",
        "mcnemar_sample_size",
        "mde_mcnemar",
        "missing_worst_case",
        "newcombe_paired_interval",
        "obrien_fleming_constant",
        "paired_mean_sample_size",
        "paired_t",
        "pass_at_k",
        "pass_k_dataset",
        "platt",
        "position_bias",
        "ppi_mean",
        "published_cavo2012",
        "repeats_effective_n",
        "retrieval",
        "robust_z",
        "rogan_gladen",
        "rouge",
        "sign_flip",
        "slice_shrinkage",
        "squad",
        "tango_interval",
        "threshold_cost",
        "threshold_fixed_specificity",
        "threshold_youden",
        "unpaired_newcombe",
        "variance_trials",
        "verdict",
        "wilson_interval",
    }
    assert len(CASES) == 131
