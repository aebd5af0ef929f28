"""Plan of a sample: how many cases each stratum gives, and the record of the draw beside the golden set.

The record is deterministic: the same log, options and seed give the same bytes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pytest_evalgate.curation.drawing import results_of
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.allocation import PilotStratum, allocate, pilot_strata
from pytest_evalgate.stats.weights import kish_n
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.curation.drawing import DrawnSet
    from pytest_evalgate.curation.log_files import LogFile
    from pytest_evalgate.curation.strata import LogScan, StratumKey
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.stats.allocation import Allocation

SCHEMA: Final = 1

PilotSums = tuple[float, float, float]
"""Number of results of a stratum, their sum and the sum of their squares."""


@dataclass(frozen=True, slots=True)
class SampleDesign:
    """Size, allocation and seed of a sample, and the name of the pilot: a field of the log, or ``run:ID``.

    ``lowest`` and ``only`` are as the user wrote them.
    """

    n: int
    by: tuple[str, ...]
    minimum: int
    rule: Allocation
    seed: int
    pilot: str | None = None
    lowest: str | None = None
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AllocatedScan:
    """Cases of each stratum, in the order of the scan, and the pilot's results of each if there is one."""

    cases: tuple[int, ...]
    pilot: tuple[PilotStratum, ...] | None


def plan_sample(
    scan: LogScan, design: SampleDesign, run: Mapping[StratumKey, PilotSums] | None = None
) -> AllocatedScan:
    """Divide the cases among the strata. The pilot's results are those of ``run``, an earlier run, else of the log.

    Raises:
        SettingsError: The size does not suffice, or Neyman's rule has no result to go by.
    """
    if not scan.strata:  # every row is drawn for its low score
        return AllocatedScan((), None)
    pilot = None
    if design.pilot is not None:
        sums = [one.pilot if run is None else run.get(one.key, (0.0, 0.0, 0.0)) for one in scan.strata]
        if not any(count for count, _, _ in sums):
            of = "no row has this field" if run is None else f"it has no result in a stratum by {', '.join(design.by)}"
            raise SettingsError(f"--pilot {design.pilot}: {of}")
        pilot = pilot_strata(*zip(*sums, strict=True))
    elif design.rule == "neyman":
        raise SettingsError(
            "--allocation neyman needs results: name their field with --pilot FIELD, or --pilot run:ID"
        )
    left = design.n - len(scan.lowest)
    if left <= 0:
        raise SettingsError(
            f"--n {design.n}: {count(len(scan.lowest), 'row')} with the lowest score leave none to draw at random: "
            "raise --n, or lower N of --lowest"
        )
    try:
        cases = allocate(
            [one.rows for one in scan.strata],
            left,
            design.rule,
            deviations=None if pilot is None else [one.deviation for one in pilot],
            minimum=design.minimum,
        )
    except ValueError as error:
        raise SettingsError(
            f"--n {design.n}: {error}: raise --n, lower --min, or name fewer fields with --by"
        ) from None
    return AllocatedScan(tuple(cases), None if pilot is None else tuple(pilot))


@dataclass(frozen=True, slots=True)
class PilotCheck:
    """Mean of the pilot's results in the whole log, and as the weighted sample estimates it."""

    log: float
    sample: float


def check_pilot(scan: LogScan, drawn: DrawnSet, field: str | None) -> PilotCheck | None:
    """Compare the mean of a field of the log with its weighted mean in the sample; None without results."""
    results, total = scan.pilot
    pairs = list(results_of(drawn.cases, field)) if field is not None else []
    if not results or not pairs:
        return None
    weighted = math.fsum(weight * value for weight, value in pairs) / math.fsum(weight for weight, _ in pairs)
    return PilotCheck(total / results, weighted)


def effective_cases(drawn: DrawnSet) -> float:
    """Return Kish's effective number of cases."""
    return kish_n([case.weight for case in drawn.cases])


def plan_record(
    logs: Sequence[LogFile], scan: LogScan, design: SampleDesign, allocated: AllocatedScan, drawn: DrawnSet
) -> dict[str, Json]:
    """Return the record of a draw as JSON: sources, strata, what was merged, and each case's inclusion probability."""
    pilot = allocated.pilot or (None,) * len(drawn.strata)
    return {
        "schema": SCHEMA,
        "n": design.n,
        "by": list(design.by),
        "minimum": design.minimum,
        "allocation": design.rule,
        "pilot": design.pilot,
        "lowest": design.lowest,
        "only": list(design.only),
        "seed": design.seed,
        "sources": [
            {"file": log.name, "container": log.container, "format": log.format.name, "bytes": log.path.stat().st_size}
            for log in logs
        ],
        "rows": scan.rows,
        "skipped": scan.skipped,
        "malformed": [str(problem) for problem in scan.problems],
        "columns": [{"name": name, "field": field} for name, field in drawn.columns],
        "strata": [
            {
                "values": dict(zip(design.by, one.key, strict=True)),
                "rows": one.rows,
                "allocated": one.allocated,
                "cases": one.cases,
                "candidates": one.candidates,
                "probability": _rounded(one.candidates / one.rows),
                **({} if result is None else {"pilot": _pilot(result)}),
            }
            for one, result in zip(drawn.strata, pilot, strict=True)
        ],
        "edge_cases": sum(case.is_edge for case in drawn.cases),
        "merged": [
            {"place": one.place, "case": one.case_id, "similarity": _rounded(one.similarity)} for one in drawn.merged
        ],
        "masked": dict(drawn.masked),
        "effective_cases": _rounded(effective_cases(drawn)),
        "cases": [
            {
                "id": case.row["id"],
                "place": case.place,
                "probability": case.probability,
                "weight": case.weight,
                "rows": case.rows,
            }
            for case in drawn.cases
        ],
    }


def _pilot(one: PilotStratum) -> dict[str, Json]:
    return {"n": one.n, "mean": _rounded(one.mean), "deviation": _rounded(one.deviation)}


def _rounded(value: float) -> float:
    return float(f"{value:.8g}")
