"""From the folder of a judged run to the view that its reports render."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate import files
from pytest_evalgate.reports.cases import StoredCases
from pytest_evalgate.reports.sections import baseline_scores
from pytest_evalgate.reports.texts import SHOWN
from pytest_evalgate.reports.view import Surroundings, build_view, compared, with_cases
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_evalgate.data import Baseline, Calibration, Run, Verdict
    from pytest_evalgate.reports.links import Links
    from pytest_evalgate.reports.texts import Texts
    from pytest_evalgate.reports.view import ReportView
    from pytest_evalgate.runs.kept import KeptRun
    from pytest_evalgate.runs.origin import Origin


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a run is shown: the root folder that files are named from, and what may be shown of the cases."""

    root: Path
    texts: Texts = SHOWN
    links: Links | None = None
    report_file: str | None = None


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """A run, how it came about, what its gates said, and what it was compared with."""

    run: Run
    origin: Origin
    verdict: Verdict
    baselines: Mapping[str, Baseline | None]


def read_judged(kept: KeptRun) -> JudgedRun:
    """Read a judged run from its folder.

    Raises:
        UserError: a file of the folder is missing, or cannot be used.

    """
    run, origin = run_file.read_with_origin(kept.run_file)
    verdict = kept.verdict()
    return JudgedRun(run, origin, verdict, {name: kept.baseline(verdict, name) for name in verdict.suites})


def view_of(kept: KeptRun, judged: JudgedRun, setting: Setting) -> ReportView:
    """Build the view of a judged run.

    Args:
        kept: Its folder.
        judged: What stands there, as it was made or as it was read.
        setting: Where it is shown.

    Raises:
        UserError: a file of the folder is missing, or cannot be used.

    """
    run, origin, verdict, baselines = judged.run, judged.origin, judged.verdict, judged.baselines
    outputs = {name: kept.outputs(verdict, name) for name, found in baselines.items() if found is not None}
    around = Surroundings(
        facts=tuple(sorted(origin.facts.items())),
        calibrations=_calibrations(kept, verdict),
        history={name: kept.history(verdict, name) for name in verdict.suites},
        scores_before={name: baseline_scores(found) for name, found in baselines.items() if found is not None},
        links=setting.links,
        report_file=setting.report_file,
        notes=origin.notes,
    )
    view = build_view(
        verdict,
        run,
        baselines,
        run_file=files.relative_name(kept.run_file, setting.root),
        verdict_file=files.relative_name(kept.verdict_file, setting.root),
        around=around,
        texts=setting.texts,
    )
    return with_cases(view, StoredCases(kept.run_file, compared(run, baselines, outputs), setting.texts))


def _calibrations(kept: KeptRun, verdict: Verdict) -> dict[str, Calibration]:
    names = {judge.name for suite in verdict.suites.values() for judge in suite.judges}
    if not names:
        return {}
    from pytest_evalgate.judging import calibration as calibrations  # noqa: PLC0415 - few runs have a judge

    found = {name: kept.calibration_file(name) for name in sorted(names)}
    return {name: calibrations.read(path) for name, path in found.items() if path.exists()}
