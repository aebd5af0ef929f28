from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import NoRegressionGate
from pytest_evalgate.gates import SuiteRules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.gates.conftest import Build


def _notes(build: Build, trials: Sequence[str], clusters: Sequence[str] = (), **rules: Any) -> tuple[str, ...]:
    suite = build.suite(" ".join([*trials, ""]), fields={i: {"cluster": name} for i, name in enumerate(clusters)})
    return decide_suite(suite, SuiteRules(**rules)).notes


@pytest.mark.parametrize(("clusters", "noted"), [(9, True), (10, False)])
def test_few_clusters_are_noted(build: Build, clusters: int, noted: bool) -> None:  # noqa: FBT001 - a column of a table
    notes = _notes(build, ["P", "m"] * 10, [str(case % clusters) for case in range(20)])
    assert notes == (("only 9 clusters: bounds are rough with fewer than 10",) if noted else ())


def test_a_single_cluster_is_noted_too(build: Build) -> None:
    assert _notes(build, ["P", "m"], ["a", "a"])[0].startswith("only 1 cluster:")


@pytest.mark.parametrize(
    ("trials", "noted"),
    [
        (["PPm"] * 5 + ["PPP"] * 45, None),
        (["PPm"] * 5 + ["PPP"] * 44, "several trials of 49 cases, 5 of them with a failure"),
        (["PPm"] * 4 + ["PPP"] * 60, "several trials of 64 cases, 4 of them with a failure"),
        (["P"] * 20, None),
    ],
)
def test_trials_of_few_cases_are_noted(build: Build, trials: list[str], noted: str | None) -> None:
    notes = _notes(build, trials)
    assert len(notes) == (noted is not None)
    assert noted is None or notes[0].startswith(noted)
    assert noted is None or notes[0].endswith("add cases rather than trials")


@pytest.mark.parametrize("aggregate", ["majority", "pass^3"])
def test_other_aggregates_are_bounded_by_their_cases_and_not_noted(build: Build, aggregate: str) -> None:
    assert _notes(build, ["PPm"] * 20, aggregate=aggregate) == ()


def test_clusters_bound_their_trials(build: Build) -> None:
    assert _notes(build, ["PPm"] * 20, [str(case) for case in range(20)]) == ()


@pytest.mark.parametrize(
    ("cases", "margin", "before", "noted"),
    [
        (199, 0.05, "PP", ("only 199 pairs of means: below 200 a margin may be cleared too easily",)),
        (200, 0.05, "PP", ()),
        (199, None, "PP", ()),
        (199, 0.05, "P", ()),
    ],
)
def test_a_margin_on_few_means_is_noted(
    build: Build, cases: int, margin: float | None, before: str, noted: tuple[str, ...]
) -> None:
    baseline = build.baseline(" ".join([before] * cases))
    gates = (NoRegressionGate(kind="no-regression", margin=margin),)
    assert _notes(build, ["P"] * cases, gates=gates, baseline=baseline) == noted


def test_a_part_of_a_suite_has_no_notes(build: Build) -> None:
    assert _notes(build, ["PPm", "-"]) == ()


def test_a_corrected_change_says_what_it_assumes(build: Build) -> None:
    rules = SuiteRules(baseline=build.baseline("P" * 40), judges={"faq": build.judge()})
    [note] = decide_suite(build.judged("P" * 32 + "m" * 8), rules).notes
    assert note.startswith("the change is the one that judge faq measures, divided by its TPR + TNR - 1 of 0.70")
    assert note.endswith("assumes equal error rates on the baseline and on this run")


@pytest.mark.parametrize("judge", [{"passes": (50, 50), "fails": (50, 50)}, {"report_only": True}])
def test_a_change_that_is_not_divided_assumes_nothing(build: Build, judge: dict[str, Any]) -> None:
    rules = SuiteRules(baseline=build.baseline("P" * 40), judges={"faq": build.judge(**judge)})
    assert decide_suite(build.judged("P" * 32 + "m" * 8), rules).notes == ()


@pytest.mark.parametrize(("letters", "noted"), [("P" * 18 + "m" * 2, False), ("P" * 19 + "m", True), ("m" * 20, True)])
def test_a_rate_that_the_judge_cannot_come_to_is_noted(build: Build, letters: str, noted: bool) -> None:  # noqa: FBT001 - a column of a table
    notes = decide_suite(build.judged(letters), SuiteRules(judges={"faq": build.judge()})).notes
    assert bool(notes) == noted
    assert not noted or "which its tpr of 0.90 and tnr of 0.80 cannot produce: its error rates may differ" in notes[0]
