"""Statistics of the gates and of judges: numbers in, frozen dataclass out. Knows nothing of cases, runs or pytest.

What only the calibration of judges needs loads on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from pytest_evalgate.stats.clusters import ClusterDelta, ClusterMean, cluster_delta, cluster_mean_ci
from pytest_evalgate.stats.families import (
    FallbackGate,
    GateFamily,
    bh_adjusted,
    by_adjusted,
    fallback_gate,
    fewest_losses,
    gate_family,
    holm_adjusted,
)
from pytest_evalgate.stats.findings import (
    DeltaTest,
    Finding,
    FindingName,
    equivalent,
    finding,
    finding_name,
    finding_of_means,
)
from pytest_evalgate.stats.intervals import (
    Interval,
    clopper_pearson_interval,
    clopper_pearson_lower_one_sided,
    jeffreys_interval,
    wilson_interval,
)
from pytest_evalgate.stats.needed import cases_needed, passes_needed
from pytest_evalgate.stats.paired import McNemar, PairedT, SignFlip, mcnemar, mcnemar_midp, paired_t, sign_flip
from pytest_evalgate.stats.repeats import Icc, RepeatsRate, effective_n, icc_anova, repeats_effective_n
from pytest_evalgate.stats.scores import mean_score_ci

if TYPE_CHECKING:
    from pytest_evalgate.stats.aggregates import (
        Aggregate,
        MeanSe,
        PassAtK,
        PassKDataset,
        aggregate_values,
        pass_at_k,
        pass_k_dataset,
    )
    from pytest_evalgate.stats.agreement import AgreementBinary, AgreementGraded, agreement_binary, agreement_graded
    from pytest_evalgate.stats.bounds import (
        UnpairedDelta,
        bonett_price_interval,
        newcombe_paired_interval,
        tango_bounds,
        tango_interval,
        unpaired_newcombe,
    )
    from pytest_evalgate.stats.certainties import (
        Certainty,
        CertaintyBounds,
        CertaintyPassRate,
        certainty,
        certainty_bounds,
        certainty_pass_rate,
    )
    from pytest_evalgate.stats.changepoint import ChangePoint, change_point
    from pytest_evalgate.stats.classes import Classification, classification
    from pytest_evalgate.stats.consistency import (
        JudgeSelfConsistency,
        PositionBias,
        Winner,
        judge_self_consistency,
        position_bias,
    )
    from pytest_evalgate.stats.corrected import (
        JudgeNotBetterThanChance,
        PpiEstimate,
        PpiMean,
        RoganGladen,
        ppi_mean,
        rogan_gladen,
    )
    from pytest_evalgate.stats.distributions import JsDivergence, KsStatistic, js_divergence, ks_statistic
    from pytest_evalgate.stats.missing import MissingWorstCase, missing_worst_case
    from pytest_evalgate.stats.monitoring import (
        Betting,
        EProcess,
        Monitored,
        betting_noninferiority,
        eprocess_mixture,
        eprocess_value,
        first_crossing,
        monitored,
        noninferiority_mixture,
    )
    from pytest_evalgate.stats.planning import (
        DetectableDrop,
        SampleSize,
        drop_on_top,
        mcnemar_power,
        mcnemar_sample_size,
        mde_mcnemar,
        not_proven_sample_size,
    )
    from pytest_evalgate.stats.power import (
        MeanSampleSize,
        VarianceTrials,
        mde_mean,
        mean_power,
        paired_mean_sample_size,
        variance_clusters,
        variance_trials,
    )
    from pytest_evalgate.stats.probabilities import Calibration, Platt, calibration, platt
    from pytest_evalgate.stats.raters import Level, fleiss_kappa, krippendorff_missing
    from pytest_evalgate.stats.sequential import obrien_fleming_constant
    from pytest_evalgate.stats.slices import SliceShrinkage, slice_shrinkage
    from pytest_evalgate.stats.stability import AaRuns, FlipRate, aa_runs, flaky_case_midp, flip_rate
    from pytest_evalgate.stats.thresholds import (
        ThresholdCost,
        ThresholdFixedSpecificity,
        ThresholdYouden,
        threshold_cost,
        threshold_fixed_specificity,
        threshold_youden,
    )
    from pytest_evalgate.stats.trend import Cusum, Ewma, RobustZ, cusum_down, ewma, robust_z, run_sigma

__all__ = [
    "AaRuns",
    "Aggregate",
    "AgreementBinary",
    "AgreementGraded",
    "Betting",
    "Calibration",
    "Certainty",
    "CertaintyBounds",
    "CertaintyPassRate",
    "ChangePoint",
    "Classification",
    "ClusterDelta",
    "ClusterMean",
    "Cusum",
    "DeltaTest",
    "DetectableDrop",
    "EProcess",
    "Ewma",
    "FallbackGate",
    "Finding",
    "FindingName",
    "FlipRate",
    "GateFamily",
    "Icc",
    "Interval",
    "JsDivergence",
    "JudgeNotBetterThanChance",
    "JudgeSelfConsistency",
    "KsStatistic",
    "Level",
    "McNemar",
    "MeanSampleSize",
    "MeanSe",
    "MissingWorstCase",
    "Monitored",
    "PairedT",
    "PassAtK",
    "PassKDataset",
    "Platt",
    "PositionBias",
    "PpiEstimate",
    "PpiMean",
    "RepeatsRate",
    "RobustZ",
    "RoganGladen",
    "SampleSize",
    "SignFlip",
    "SliceShrinkage",
    "ThresholdCost",
    "ThresholdFixedSpecificity",
    "ThresholdYouden",
    "UnpairedDelta",
    "VarianceTrials",
    "Winner",
    "aa_runs",
    "aggregate_values",
    "agreement_binary",
    "agreement_graded",
    "betting_noninferiority",
    "bh_adjusted",
    "bonett_price_interval",
    "by_adjusted",
    "calibration",
    "cases_needed",
    "certainty",
    "certainty_bounds",
    "certainty_pass_rate",
    "change_point",
    "classification",
    "clopper_pearson_interval",
    "clopper_pearson_lower_one_sided",
    "cluster_delta",
    "cluster_mean_ci",
    "cusum_down",
    "drop_on_top",
    "effective_n",
    "eprocess_mixture",
    "eprocess_value",
    "equivalent",
    "ewma",
    "fallback_gate",
    "fewest_losses",
    "finding",
    "finding_name",
    "finding_of_means",
    "first_crossing",
    "flaky_case_midp",
    "fleiss_kappa",
    "flip_rate",
    "gate_family",
    "holm_adjusted",
    "icc_anova",
    "jeffreys_interval",
    "js_divergence",
    "judge_self_consistency",
    "krippendorff_missing",
    "ks_statistic",
    "mcnemar",
    "mcnemar_midp",
    "mcnemar_power",
    "mcnemar_sample_size",
    "mde_mcnemar",
    "mde_mean",
    "mean_power",
    "mean_score_ci",
    "missing_worst_case",
    "monitored",
    "newcombe_paired_interval",
    "noninferiority_mixture",
    "not_proven_sample_size",
    "obrien_fleming_constant",
    "paired_mean_sample_size",
    "paired_t",
    "pass_at_k",
    "pass_k_dataset",
    "passes_needed",
    "platt",
    "position_bias",
    "ppi_mean",
    "repeats_effective_n",
    "robust_z",
    "rogan_gladen",
    "run_sigma",
    "sign_flip",
    "slice_shrinkage",
    "tango_bounds",
    "tango_interval",
    "threshold_cost",
    "threshold_fixed_specificity",
    "threshold_youden",
    "unpaired_newcombe",
    "variance_clusters",
    "variance_trials",
    "wilson_interval",
]

_HOMES = {
    "aggregates": (
        "Aggregate",
        "MeanSe",
        "PassAtK",
        "PassKDataset",
        "aggregate_values",
        "pass_at_k",
        "pass_k_dataset",
    ),
    "bounds": (
        "UnpairedDelta",
        "bonett_price_interval",
        "newcombe_paired_interval",
        "tango_bounds",
        "tango_interval",
        "unpaired_newcombe",
    ),
    "certainties": (
        "Certainty",
        "CertaintyBounds",
        "CertaintyPassRate",
        "certainty",
        "certainty_bounds",
        "certainty_pass_rate",
    ),
    "changepoint": ("ChangePoint", "change_point"),
    "distributions": ("JsDivergence", "KsStatistic", "js_divergence", "ks_statistic"),
    "missing": ("MissingWorstCase", "missing_worst_case"),
    "monitoring": (
        "Betting",
        "EProcess",
        "Monitored",
        "betting_noninferiority",
        "eprocess_mixture",
        "eprocess_value",
        "first_crossing",
        "monitored",
        "noninferiority_mixture",
    ),
    "planning": (
        "DetectableDrop",
        "SampleSize",
        "drop_on_top",
        "mcnemar_power",
        "mcnemar_sample_size",
        "mde_mcnemar",
        "not_proven_sample_size",
    ),
    "power": (
        "MeanSampleSize",
        "VarianceTrials",
        "mde_mean",
        "mean_power",
        "paired_mean_sample_size",
        "variance_clusters",
        "variance_trials",
    ),
    "sequential": ("obrien_fleming_constant",),
    "slices": ("SliceShrinkage", "slice_shrinkage"),
    "stability": ("AaRuns", "FlipRate", "aa_runs", "flaky_case_midp", "flip_rate"),
    "trend": ("Cusum", "Ewma", "RobustZ", "cusum_down", "ewma", "robust_z", "run_sigma"),
    "agreement": ("AgreementBinary", "AgreementGraded", "agreement_binary", "agreement_graded"),
    "classes": ("Classification", "classification"),
    "consistency": ("JudgeSelfConsistency", "PositionBias", "Winner", "judge_self_consistency", "position_bias"),
    "corrected": ("JudgeNotBetterThanChance", "PpiEstimate", "PpiMean", "RoganGladen", "ppi_mean", "rogan_gladen"),
    "probabilities": ("Calibration", "Platt", "calibration", "platt"),
    "raters": ("Level", "fleiss_kappa", "krippendorff_missing"),
    "thresholds": (
        "ThresholdCost",
        "ThresholdFixedSpecificity",
        "ThresholdYouden",
        "threshold_cost",
        "threshold_fixed_specificity",
        "threshold_youden",
    ),
}

if not TYPE_CHECKING:  # so that mypy still refuses a name that does not exist

    def __getattr__(name: str) -> object:
        for home, names in _HOMES.items():
            if name in names:
                return getattr(importlib.import_module(f"{__name__}.{home}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
