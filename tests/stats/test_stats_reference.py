"""Every reference case, through the function of the same name."""

from __future__ import annotations

import importlib.util
import json
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import stats
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import likeness, retrieval
from pytest_evalgate.scorers.rouge import rouge_f1
from pytest_evalgate.stats import agreement, clusters, families, intervals, judged, paired, planning, stability, trend

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CASES = json.loads(Path(__file__).with_name("stats_cases.json").read_text(encoding="utf-8"))["cases"]

EXTRAS = {"bleu": "sacrebleu", "rouge": "rouge_score"}


def verdict(**inputs: Any) -> Mapping[str, object]:
    found = paired.finding(**inputs)
    return {"verdict": found.name, "p": found.p, "lower": found.lower, "upper": found.upper}


def mcnemar(*, losses: int, gains: int, **_unchanged: int) -> Mapping[str, object]:
    return {"p_regress_midp": paired.mcnemar_midp(losses, gains)}


def sign_flip(**sides: list[float]) -> Mapping[str, object]:
    return {"p_regress_midp": paired.sign_flip_midp(paired.paired_differences(**sides))}


def tango_interval(
    *, both_pass: int, losses: int, gains: int, both_fail: int, confidence: float = 0.95
) -> intervals.Interval:
    return paired.tango_bounds(losses, gains, both_pass + losses + gains + both_fail, (1 - confidence) / 2)


def published_cavo2012(**table: int) -> Mapping[str, object]:
    return {"tango": tango_interval(**table)}


def rogan_gladen(
    *,
    n: int,
    judged_pass: int,
    human_pass: int,
    judge_pass_given_human_pass: int,
    human_fail: int,
    judge_fail_given_human_fail: int,
) -> Mapping[str, object]:
    errors = judged.JudgeErrors(human_pass, judge_pass_given_human_pass, human_fail, judge_fail_given_human_fail)
    try:
        found = judged.judged_rate(n=n, passed=judged_pass / n, refused=1 - judged_pass / n, errors=errors)
    except ValueError:
        return {"error": "judge_not_better_than_chance"}
    return {"theta": found.value, "theta_unclipped": found.unclipped}


def bleu(predictions: list[str], references: list[str]) -> Mapping[str, object]:
    pairs = zip(predictions, references, strict=True)
    return {"sentence_bleu": tuple(100 * likeness.sentence_bleu(one, [reference]) for one, reference in pairs)}


def rouge(predictions: list[str], references: list[str]) -> Mapping[str, object]:
    return {"f1": tuple(rouge_f1("rougeL", *pair) for pair in zip(predictions, references, strict=True))}


def squad(prediction: str, reference: str) -> Mapping[str, object]:
    case, output = Case("q", expected=reference), Output(prediction)
    return {"em": likeness.squad_em(case, output)[0], "f1": likeness.squad_f1(case, output)[0]}


ESTIMATORS: Mapping[str, Callable[..., object]] = {
    "agreement_binary": agreement.agreement_binary,
    "agreement_graded": agreement.agreement_graded,
    "bleu": bleu,
    "calibration": judged.calibration_errors,
    "classification": agreement.classification,
    "clopper_pearson_interval": intervals.clopper_pearson_interval,
    "clopper_pearson_lower_one_sided": intervals.clopper_pearson_lower_one_sided,
    "cluster_delta": clusters.cluster_delta,
    "cluster_mean_ci": clusters.cluster_mean_ci,
    "cusum_down": trend.cusum_down,
    "ewma": trend.ewma,
    "fleiss_kappa": agreement.fleiss_kappa,
    "holm_adjusted": families.holm_adjusted,
    "icc_anova": clusters.icc_anova,
    "js_divergence": trend.js_divergence,
    "judge_self_consistency": agreement.judge_self_consistency,
    "krippendorff_missing": agreement.krippendorff_missing,
    "ks_statistic": trend.ks_statistic,
    "mcnemar": mcnemar,
    "mcnemar_sample_size": planning.mcnemar_sample_size,
    "mde_mcnemar": planning.mde_mcnemar,
    "paired_mean_sample_size": planning.paired_mean_sample_size,
    "pass_at_k": stability.pass_at_k,
    "position_bias": agreement.position_bias,
    "ppi_mean": judged.ppi_mean,
    "published_cavo2012": published_cavo2012,
    "repeats_effective_n": clusters.repeats_effective_n,
    "retrieval": retrieval.retrieval,
    "robust_z": trend.robust_z,
    "rogan_gladen": rogan_gladen,
    "rouge": rouge,
    "sign_flip": sign_flip,
    "slice_shrinkage": families.slice_shrinkage,
    "squad": squad,
    "tango_interval": tango_interval,
    "threshold_cost": judged.threshold_cost,
    "threshold_fixed_specificity": judged.threshold_fixed_specificity,
    "threshold_youden": judged.threshold_youden,
    "unpaired_newcombe": paired.unpaired_newcombe,
    "variance_trials": planning.variance_trials,
    "verdict": verdict,
    "wilson_interval": intervals.wilson_interval,
}
"""The function that computes each quantity of the file."""

NO_ESTIMATOR = frozenset(
    {
        "betting_noninferiority",
        "bh_adjusted",
        "bonett_price_interval",
        "by_adjusted",
        "certainty",
        "certainty_pass_rate",
        "eprocess_mixture",
        "fallback_gate",
        "jeffreys_interval",
        "missing_worst_case",
        "newcombe_paired_interval",
        "obrien_fleming_constant",
        "paired_t",
        "pass_k_dataset",
        "platt",
    }
)
"""Quantities of the file that the package does not compute: no gate and no report needs them."""

IN_PART: Mapping[str, frozenset[str]] = {
    "bleu": frozenset({"sentence_bleu"}),
    "squad": frozenset({"em", "f1"}),
    "mcnemar": frozenset({"p_regress_midp"}),
    "published_cavo2012": frozenset({"tango"}),
    "rogan_gladen": frozenset({"theta", "theta_unclipped", "error"}),
    "sign_flip": frozenset({"p_regress_midp"}),
}
"""The computed fields of a quantity, if not all of them are."""


def wanted(case: Mapping[str, Any]) -> object:
    expected: object = case["expected"]
    if isinstance(expected, list) and case["quantity"] == "rouge":  # precision, recall, F1
        return {"f1": [one["rougeL"][2] for one in expected]}
    if isinstance(expected, dict) and case["quantity"] in IN_PART:
        return {name: value for name, value in expected.items() if name in IN_PART[case["quantity"]]}
    return expected


def leaves(expected: object, actual: object, path: str = "") -> list[tuple[str, object, object]]:
    """Pair every expected value with the actual one; a list means a tuple or the two limits of an interval."""
    if isinstance(expected, dict):
        read = actual.__getitem__ if isinstance(actual, dict) else lambda name: getattr(actual, name)
        return [leaf for name, part in expected.items() for leaf in leaves(part, read(name), f"{path}.{name}")]
    if isinstance(expected, list):
        entries = (actual.lower, actual.upper) if isinstance(actual, intervals.Interval) else actual
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


def skipped_if_absent(quantity: str) -> pytest.MarkDecorator:
    if quantity in NO_ESTIMATOR:
        return pytest.mark.skip(reason=f"{quantity} has no estimator: see NO_ESTIMATOR")
    library = EXTRAS.get(quantity)
    absent = library is not None and importlib.util.find_spec(library) is None
    return pytest.mark.skipif(absent, reason=f"{library} is not installed: pip install 'pytest-evalgate[metrics]'")


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case["id"], marks=skipped_if_absent(case["quantity"])) for case in CASES]
)
def test_reference_case(case: Mapping[str, Any]) -> None:
    compared = leaves(wanted(case), ESTIMATORS[case["quantity"]](**case["inputs"]))
    assert compared
    assert [leaf for leaf in compared if not agree(leaf[1], leaf[2], case["tol"])] == []


def test_every_quantity_has_an_estimator_or_is_listed_as_having_none() -> None:
    assert len(CASES) == 131
    assert ESTIMATORS.keys().isdisjoint(NO_ESTIMATOR)
    assert {case["quantity"] for case in CASES} == ESTIMATORS.keys() | NO_ESTIMATOR


def test_what_is_listed_as_having_no_estimator_has_none() -> None:
    modules = [
        importlib.import_module(f"{stats.__name__}.{found.name}") for found in pkgutil.iter_modules(stats.__path__)
    ]
    assert [name for name in sorted(NO_ESTIMATOR) if any(hasattr(module, name) for module in modules)] == []
