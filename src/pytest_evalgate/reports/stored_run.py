"""From the folder of a judged run to the view that its reports render."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate import files
from pytest_evalgate.judging import calibration as calibrations
from pytest_evalgate.reports.cases import StoredCases
from pytest_evalgate.reports.sections import baseline_scores
from pytest_evalgate.reports.texts import SHOWN
from pytest_evalgate.reports.view import Surroundings, build_view, compared, with_cases
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.data import Calibration, Run, Verdict
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


def view_of(kept: KeptRun, setting: Setting, made: tuple[Run, Origin] | None = None) -> ReportView:
    """Build the view of a judged run.

    Args:
        kept: Its folder.
        setting: Where it is shown.
        made: The run and its origin, where they are at hand; read from the folder otherwise.

    Raises:
        UserError: a file of the folder is missing, or cannot be used.

    """
    run, origin = made or run_file.read_with_origin(kept.run_file)
    verdict = kept.verdict()
    baselines = {name: kept.baseline(verdict, name) for name in verdict.suites}
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
    found = {name: kept.calibration_file(name) for name in sorted(names)}
    return {name: calibrations.read(path) for name, path in found.items() if path.exists()}
