"""Statistics of the gates: numbers in, frozen dataclass out. Knows nothing of cases, runs or pytest."""

from pytest_evalgate.stats.bounds import (
    UnpairedDelta,
    bonett_price_interval,
    newcombe_paired_interval,
    tango_bounds,
    tango_interval,
    unpaired_newcombe,
)
from pytest_evalgate.stats.clusters import ClusterDelta, ClusterMean, cluster_delta, cluster_mean_ci
from pytest_evalgate.stats.findings import DeltaTest, Finding, FindingName, finding, finding_name, finding_of_means
from pytest_evalgate.stats.intervals import (
    Interval,
    clopper_pearson_interval,
    clopper_pearson_lower_one_sided,
    jeffreys_interval,
    wilson_interval,
)
from pytest_evalgate.stats.missing import MissingWorstCase, missing_worst_case
from pytest_evalgate.stats.needed import cases_needed, passes_needed
from pytest_evalgate.stats.paired import McNemar, PairedT, SignFlip, mcnemar, mcnemar_midp, paired_t, sign_flip
from pytest_evalgate.stats.planning import DetectableDrop, SampleSize, mcnemar_sample_size, mde_mcnemar
from pytest_evalgate.stats.repeats import Icc, RepeatsRate, icc_anova, repeats_effective_n

__all__ = [
    "ClusterDelta",
    "ClusterMean",
    "DeltaTest",
    "DetectableDrop",
    "Finding",
    "FindingName",
    "Icc",
    "Interval",
    "McNemar",
    "MissingWorstCase",
    "PairedT",
    "RepeatsRate",
    "SampleSize",
    "SignFlip",
    "UnpairedDelta",
    "bonett_price_interval",
    "cases_needed",
    "clopper_pearson_interval",
    "clopper_pearson_lower_one_sided",
    "cluster_delta",
    "cluster_mean_ci",
    "finding",
    "finding_name",
    "finding_of_means",
    "icc_anova",
    "jeffreys_interval",
    "mcnemar",
    "mcnemar_midp",
    "mcnemar_sample_size",
    "mde_mcnemar",
    "missing_worst_case",
    "newcombe_paired_interval",
    "paired_t",
    "passes_needed",
    "repeats_effective_n",
    "sign_flip",
    "tango_bounds",
    "tango_interval",
    "unpaired_newcombe",
    "wilson_interval",
]
