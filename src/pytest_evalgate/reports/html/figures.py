"""The charts of the page, by the section in which they stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_evalgate.reports.sections import suite_charts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.data import Calibration
    from pytest_evalgate.reports.charts import Chart
    from pytest_evalgate.reports.view import SuiteView


@dataclass(frozen=True, slots=True)
class Figures:
    """The charts of a suite; their pictures are markup."""

    rates: tuple[Chart, ...]
    scores: tuple[Chart, ...]
    history: tuple[Chart, ...]


def suite_figures(
    suite: SuiteView,
    now: Mapping[str, Mapping[str, Sequence[float]]],
    calibrations: Mapping[str, Calibration],
) -> Figures:
    """Draw a suite's charts: ``now`` are the scores of the run by suite and scorer."""
    name, verdict = suite.name, suite.verdict
    thresholds = {judge: one.threshold for judge, one in calibrations.items() if one.threshold is not None}
    rates = suite_charts(name, verdict, {}, {}, (), {})
    spread = suite_charts(name, verdict, now.get(name, {}), suite.scores_before, (), thresholds)[len(rates) :]
    past = suite_charts(name, verdict, {}, {}, suite.history, {})[len(rates) :]
    return Figures(*(_as_markup(charts) for charts in (rates, spread, past)))


def judge_figures(calibrations: Mapping[str, Calibration]) -> dict[str, tuple[Chart, ...]]:
    """Draw the charts of each judge that has been calibrated."""
    if not calibrations:
        return {}
    from pytest_evalgate.reports.judge_sections import judge_charts  # noqa: PLC0415 - few runs have a judge

    return {name: _as_markup(judge_charts(calibration)) for name, calibration in calibrations.items()}


def _as_markup(charts: tuple[Chart, ...]) -> tuple[Chart, ...]:
    from markupsafe import Markup  # noqa: PLC0415 - only who writes a report needs it

    return tuple(replace(chart, svg=Markup(chart.svg)) for chart in charts)  # noqa: S704 - its words are escaped
