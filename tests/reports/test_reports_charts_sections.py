"""The charts of a suite and of a judge."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.app.view import baseline_scores
from pytest_evalgate.judges.rates import rate_of
from pytest_evalgate.judges.threshold import bins_of
from pytest_evalgate.records.verdicts import (
    Accounting,
    Baseline,
    BaselineCase,
    Calibration,
    Delta,
    GateResult,
    HistoryRow,
    Provenance,
    SliceResult,
    SuiteVerdict,
)
from pytest_evalgate.reports.charts.sections import judge_charts, suite_chart_set
from pytest_evalgate.reports.view import SuiteView
from pytest_evalgate.text.jsonl import canonical, loads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.reports.charts.svg import Chart

_DELTA = Delta("b", 0.92, 240, 19, 4, -0.0625, 0.001, -0.1, -0.02, "mcnemar-midp", "no_regression_beyond_margin", 0.05)
_DROP = replace(_DELTA, baseline_rate=0.9, finding="regressed")
_VERDICT = SuiteVerdict(
    cases=240,
    trials=1,
    passed=207,
    pass_rate=0.8625,
    interval=(0.813, 0.9),
    golden_sha256="g",
    verdict="fail",
    mode="blocking",
    accounting=Accounting(240, 207, 33),
    scores={},
    delta=_DELTA,
    slices=(
        SliceResult("lang", "en", 178, 157, 0.882, (0.826, 0.922), _DELTA),
        SliceResult("lang", "de", 62, 50, 0.806, (0.691, 0.886), _DROP),
        SliceResult("len", "long", 9, 6, 0.667, (0.354, 0.879)),
    ),
    gates=(
        GateResult("pass-rate", "pass", 0.8625, 0.82, 0.8, ""),
        GateResult("pass-rate", "pass", 0.8625, None, 0.85, ""),
        GateResult("slice", "fail", 0.806, None, 0.83, "", "lang"),
        GateResult("mean-score", "pass", 0.9, None, 0.7, "", "faq"),
    ),
)
_NONE: Mapping[str, Sequence[float]] = {}
_ROW = HistoryRow("r0", "2026-11-01T10:00:00Z", "8c1f2d0", "support", 240, 1, 0.9, None, "g", "s", "b", "pass")


def _charts(
    verdict: SuiteVerdict,
    now: Mapping[str, Sequence[float]] = _NONE,
    before: Mapping[str, Sequence[float]] = _NONE,
    history: tuple[HistoryRow, ...] = (),
    threshold: float | None = None,
) -> tuple[Chart, ...]:
    suite = SuiteView("support", verdict, history=history, scores_before=before)
    charts = suite_chart_set(suite, {"support": now}, {"faq": replace(_record(), threshold=threshold)})
    return (*charts.rates, *charts.scores, *charts.history)


def _titles(charts: tuple[Chart, ...]) -> list[str]:
    return [chart.title for chart in charts]


def _rates(verdict: SuiteVerdict) -> Mapping[str, tuple[str, ...]]:
    [chart] = _charts(verdict)
    return {row[0]: row for row in chart.rows}


def test_a_suite_has_its_rates_the_scores_of_each_scorer_and_its_history() -> None:
    charts = _charts(_VERDICT, {"faq": [0.2, 0.9], "exact": [1.0]}, {"faq": [0.3]}, (_ROW,))
    assert _titles(charts) == [
        "support: pass rates",
        "support: scores of faq",
        "support: scores of exact",
        "support: history",
    ]


def test_an_empty_suite_has_no_charts() -> None:
    empty = replace(_VERDICT, pass_rate=None, interval=None)
    assert _charts(empty, {"faq": []}) == ()


def test_slices_that_dropped_are_first_below_the_whole() -> None:
    assert list(_rates(_VERDICT)) == ["all cases", "lang=de", "lang=en", "len=long"]


def test_each_rate_is_compared_with_its_own_baseline_and_gate() -> None:
    rates = _rates(_VERDICT)
    assert rates["all cases"][4:] == ("92.0%", "85.0%", ""), "the higher of two gates"
    assert rates["lang=de"][4:] == ("90.0%", "83.0%", "dropped")
    assert rates["len=long"][4:] == ("-", "-", ""), "no gate slices by len"


def test_a_slice_gate_on_changes_requires_no_rate() -> None:
    gates = (GateResult("slice", "fail", -0.1, None, None, "", "lang"),)
    assert _rates(replace(_VERDICT, gates=gates))["lang=de"][5] == "-"


def test_a_suite_that_dropped_is_marked() -> None:
    assert _rates(replace(_VERDICT, delta=_DROP))["all cases"][6] == "dropped"


def test_a_suite_without_a_baseline_has_no_baseline_rate() -> None:
    assert _rates(replace(_VERDICT, delta=None, slices=()))["all cases"][4] == "-"


def test_the_chart_of_scores_shows_baseline_and_threshold() -> None:
    [_, chart] = _charts(_VERDICT, {"faq": [0.2, 0.9]}, {"faq": [0.3]}, threshold=0.75)
    assert "baseline" in chart.headings
    assert "passes from 0.75" in chart.svg


def test_the_chart_of_the_history_shows_the_gate() -> None:
    [_, chart] = _charts(_VERDICT, history=(_ROW, replace(_ROW, run_id="r2")))
    assert [row[0] for row in chart.rows] == ["r0", "r2"]
    assert "gate 85.0%" in chart.svg


def test_the_scores_of_a_baseline_are_its_values_if_they_do_not_differ() -> None:
    cases = {"a": BaselineCase("f", (1.0,), {"faq": (0.75,)}), "b": BaselineCase("f", (0.0,))}
    source = Provenance("r", "c", "p", None, "first", "g", "s")
    found = baseline_scores(Baseline("s", "b.json", source, 1, cases, ("faq", "exact")))
    assert found == {"faq": [0.75, 0.0], "exact": [1.0, 0.0]}


def _record(**measures: Any) -> Calibration:
    return Calibration("faq", "f", {}, "labels.jsonl", "l", "2026-11-01T00:00:00Z", 40, 30, 20, 15, measures=measures)


def _stored(value: Any) -> Any:
    """Return a record as it comes back from its file."""
    fields = {name: getattr(value, name) for name in value.__slots__}
    return loads(canonical({name: list(one) if isinstance(one, tuple) else one for name, one in fields.items()}))


_RATES = {
    "tpr": _stored(rate_of([True] * 30 + [False] * 10)),
    "tnr": _stored(rate_of([True] * 15 + [False] * 5)),
}
_BINS = [_stored(one) for one in bins_of([0.05] * 10 + [0.95] * 30, [False] * 10 + [True] * 30)]
_POINTS = [
    {"threshold": threshold, "false_pass_rate": wrong, "true_pass_rate": right}
    for threshold, wrong, right in ((None, 0.0, 0.0), (0.8, 0.25, 0.75), (0.2, 1.0, 1.0))
]
_GRADED = {"threshold": {"value": 0.8, "auc": {"value": 0.75, "interval": None}}}


def test_the_curve_of_a_judge_that_passes_or_fails_follows_from_its_rates() -> None:
    [chart] = judge_charts(_record(**_RATES))
    assert chart.title == "faq: ROC"
    assert [row[1:] for row in chart.rows] == [("0.0%", "0.0%"), ("25.0%", "75.0%"), ("100.0%", "100.0%")]
    assert "AUC" not in chart.svg


def test_the_curve_of_a_graded_judge_is_drawn_if_it_is_stored() -> None:
    assert judge_charts(_record(**_RATES, **_GRADED)) == ()
    [chart] = judge_charts(_record(**_RATES, **_GRADED, roc=_POINTS))
    assert "AUC 0.750" in chart.svg
    assert chart.rows[1] == ("0.8", "25.0%", "75.0%")


def test_the_reliability_of_a_graded_judge_is_drawn_if_its_bins_are_stored() -> None:
    [chart] = judge_charts(_record(bins=_BINS))
    assert chart.title == "faq: reliability of its scores"
    assert [row[1] for row in chart.rows] == ["10", "30"]


@pytest.mark.parametrize(("measures", "dashed"), [({"probability": {"brier": {}}}, True), ({}, False)])
def test_only_probabilities_have_a_diagonal(measures: dict[str, Any], dashed: bool) -> None:  # noqa: FBT001
    [chart] = judge_charts(_record(bins=_BINS, **measures))
    assert ('class="even"' in chart.svg) is dashed


def test_a_record_without_a_class_of_labels_has_no_curve() -> None:
    assert judge_charts(_record(tpr=_RATES["tpr"])) == ()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["bins", "roc", "tpr", "tnr", "threshold", "probability"]), _JSON)
def test_malformed_measures_are_left_out(name: str, value: Any) -> None:
    whole = {**_RATES, **_GRADED, "bins": _BINS, "roc": _POINTS, "probability": {}}
    titles = _titles(judge_charts(_record(**{**whole, name: value})))
    assert set(titles) <= {"faq: ROC", "faq: reliability of its scores"}


@given(
    st.lists(
        st.fixed_dictionaries(
            {name: st.integers() | st.floats(allow_nan=False) for name in _BINS[0] if name != "interval"}
        )
    )
)
def test_impossible_numbers_do_not_raise(bins: list[dict[str, Any]]) -> None:
    judge_charts(_record(bins=[{**one, "interval": [0.0, 1.0]} for one in bins]))
