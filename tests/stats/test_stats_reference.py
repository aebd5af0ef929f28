"""Every reference case of sections 1 to 5, 7 and 8, through the function of the same name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ALL_CASES = json.loads(Path(__file__).with_name("stats_cases.json").read_text(encoding="utf-8"))["cases"]

SECTIONS = {1, 2, 3, 4, 5, 7, 8}  # 6 belongs to the judges, 9 to the scorers

CASES = [case for case in ALL_CASES if case["section"] in SECTIONS]


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


NAMED_OTHERWISE: Mapping[str, Callable[..., object]] = {
    "verdict": verdict,
    "published_cavo2012": published_cavo2012,
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


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_reference_case(case: Mapping[str, Any]) -> None:
    compared = leaves(case["expected"], compute(case))
    assert compared
    assert [leaf for leaf in compared if not agree(leaf[1], leaf[2], case["tol"])] == []


def test_no_quantity_of_these_sections_drops_out() -> None:
    assert {case["quantity"] for case in CASES} == {
        "betting_noninferiority",
        "bh_adjusted",
        "bonett_price_interval",
        "by_adjusted",
        "certainty",
        "certainty_pass_rate",
        "clopper_pearson_interval",
        "clopper_pearson_lower_one_sided",
        "cluster_delta",
        "cluster_mean_ci",
        "cusum_down",
        "eprocess_mixture",
        "ewma",
        "fallback_gate",
        "holm_adjusted",
        "icc_anova",
        "jeffreys_interval",
        "js_divergence",
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
        "published_cavo2012",
        "repeats_effective_n",
        "robust_z",
        "sign_flip",
        "slice_shrinkage",
        "tango_interval",
        "unpaired_newcombe",
        "variance_trials",
        "verdict",
        "wilson_interval",
    }
    assert len(CASES) == 104
