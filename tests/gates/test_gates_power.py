from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import MetricGate, NoRegressionGate, Suite
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.power import check_power, discordance_of
from pytest_evalgate.stats.planning import mcnemar_power

if TYPE_CHECKING:
    from tests.gates.conftest import Build

    from pytest_evalgate.gates.power import PowerCheck
    from pytest_evalgate.records.verdicts import GateResult


def _foresee(build: Build, letters: str, *gates: dict[str, Any], fields: Any = None, **rules: Any) -> PowerCheck:
    by = sorted({gate["by"] for gate in gates if "by" in gate})
    found = Suite.model_validate({"golden": "g", "gates": gates or None, "slices": by}).gates
    return check_power(build.suite(letters, fields=fields).plan, SuiteRules(gates=found or None, **rules))


def test_a_rate_that_no_number_of_passes_can_reach_is_a_problem(build: Build) -> None:
    seen = _foresee(build, "P" * 20, {"kind": "pass-rate", "min": 0.9})
    assert seen.problems[0].startswith("pass-rate >= 90.0% cannot pass with 20 cases, even if all pass")


@pytest.mark.parametrize(("cases", "problems"), [(51, 1), (52, 0)])
def test_a_margin_that_no_change_would_clear_is_a_problem(build: Build, cases: int, problems: int) -> None:
    gate = {"kind": "no-regression", "fail_on": "not_proven", "margin": 0.05}
    seen = _foresee(build, "P" * cases, gate)
    assert len(seen.problems) == problems
    decided = build.seen(build.suite("P" * cases), build.baseline("P" * cases)).pairs.finding(0.05)
    assert (decided.lower > -0.05) == (problems == 0)  # what is foreseen is what the gate would say
    if problems:
        assert "cannot pass with 51 cases, even if none changes: use at least 52" in seen.problems[0]


def test_an_aggregate_without_its_trials_is_a_problem(build: Build) -> None:
    trials = " ".join(["PPP"] * 60)
    message = "pass^4 needs 4 trials of a case, but the suite has 3: set trials = 4"
    assert _foresee(build, trials, aggregate="pass^4").problems == (message,)
    assert _foresee(build, trials, aggregate="pass^3").problems == ()


def test_an_aggregate_of_trials_counts_one_value_per_case(build: Build) -> None:
    gate, trials = {"kind": "pass-rate", "min": 0.9}, " ".join(["PPPPP"] * 20)
    assert _foresee(build, trials, gate).problems == ()
    assert "cannot pass with 20 cases" in _foresee(build, trials, gate, aggregate="pass^5").problems[0]


@pytest.mark.parametrize(
    ("gate", "problems"),
    [
        ({"kind": "pass-rate", "min": 0.5}, 1),
        ({"kind": "pass-rate", "min": 0.5, "bound": "point"}, 0),
        ({"kind": "mean-score", "scorer": "tone", "min": 0.5}, 1),
        ({"kind": "no-regression"}, 1),
        ({"kind": "must-pass"}, 0),
    ],
)
def test_a_single_cluster_is_a_problem_for_bounds_and_tests(build: Build, gate: dict[str, Any], problems: int) -> None:
    one = {index: {"cluster": "d"} for index in range(60)}
    assert len(_foresee(build, "P" * 60, gate, fields=one).problems) == problems
    assert _foresee(build, "P" * 60, gate, fields={**one, 0: {"cluster": "e"}}).problems == ()


def test_the_units_are_clusters_if_there_are_any(build: Build) -> None:
    gate = {"kind": "no-regression", "fail_on": "not_proven", "margin": 0.05}
    fields = {index: {"cluster": f"d{index // 2}"} for index in range(60)}
    assert "with 30 clusters" in _foresee(build, "P" * 60, gate, fields=fields).problems[0]


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        (3, "3 cases cannot prove any drop: a build cannot fail with fewer than 4 losses"),
        (40, "40 cases can detect only drops of about 21.5 pp or more (80% power, if 10% of them flip between runs)"),
        (400, None),
    ],
)
def test_a_set_that_detects_only_large_drops_is_a_warning(build: Build, cases: int, message: str | None) -> None:
    seen = _foresee(build, "P" * cases)
    assert seen.problems == ()
    assert [text.partition(": pytest-evalgate")[0] for text in seen.warnings] == ([message] if message else [])


def test_the_warning_uses_the_flips_of_the_baseline(build: Build) -> None:
    baseline = build.baseline(" ".join(["PP"] * 35 + ["Pm"] * 5))
    assert discordance_of(baseline) == pytest.approx(5 / 40)
    seen = _foresee(build, " ".join(["PP"] * 40), baseline=baseline)
    assert len(seen.warnings) == 1
    assert "if 10%" not in seen.warnings[0]
    assert discordance_of(build.baseline("PPm")) is None
    assert discordance_of(None) is None


def test_trials_make_a_small_set_see_more(build: Build) -> None:
    one = _foresee(build, "P" * 60).warnings
    assert len(one) == 1
    five = _foresee(build, " ".join(["PPPPP"] * 60), baseline=build.baseline(" ".join(["PPPPP"] * 60)))
    assert five.warnings == ()


def test_slices_that_can_never_fail_are_named(build: Build) -> None:
    fields = {index: {"slices": (("lang", "de" if index < 4 else "en"),)} for index in range(400)}
    seen = _foresee(build, "P" * 400, {"kind": "no-regression"}, {"kind": "slice", "by": "lang"}, fields=fields)
    assert seen.warnings == ("slices by lang with fewer than 5 cases are too small to gate: de",)


def test_a_suite_that_skips_everything_has_no_power_check(build: Build) -> None:
    seen = _foresee(build, "SS", {"kind": "pass-rate", "min": 0.9})
    assert (seen.problems, seen.warnings) == ((), ())


def _gate_of(build: Build, before: str, now: str, **fields: Any) -> GateResult:
    rules = SuiteRules(
        gates=(NoRegressionGate.model_validate({"kind": "no-regression", **fields}),), baseline=build.baseline(before)
    )
    [gate] = decide_suite(build.suite(now), rules).gates
    return gate


@pytest.mark.parametrize(
    ("before", "now", "fields", "below"),
    [
        pytest.param("P" * 5, "m" + "P" * 4, {}, 0.8, id="four of five losses are the fewest that fail"),
        pytest.param("P" * 3, "PPP", {}, 1.0, id="three pairs"),
        pytest.param("m" * 20 + "PPP", "m" * 20 + "PPP", {}, 1.0, id="three that could get worse"),
        pytest.param("P" * 39, "P" * 39, {}, 4 / 39, id="39 pairs"),
        pytest.param("P" * 40, "P" * 40, {}, None, id="40 pairs: 10 points"),
        pytest.param("P" * 60, "m" + "P" * 59, {"margin": 0.02}, 4 / 60, id="a drop of the margin"),
        pytest.param("P" * 60, "m" + "P" * 59, {"margin": 0.07}, None, id="a drop of a larger margin"),
        pytest.param("P" * 60, "m" + "P" * 59, {"alpha": 0.01}, None, id="six losses of 60 are 10 points"),
        pytest.param("P" * 50, "m" + "P" * 49, {"alpha": 0.01}, 6 / 50, id="six losses of 50"),
        pytest.param("P" * 30, "P" * 30, {"margin": 0.05, "fail_on": "tolerance"}, 5 / 30, id="tolerance"),
        pytest.param("P" * 100, "P" * 100, {"margin": 0.03}, None, id="a drop of the margin is ruled out"),
    ],
)
def test_a_gate_that_could_not_have_failed_is_blind(
    build: Build, before: str, now: str, fields: dict[str, Any], below: float | None
) -> None:
    gate = _gate_of(build, before, now, **fields)
    assert gate.result == "pass"
    assert gate.blind_below == (None if below is None else pytest.approx(below))
    assert ("; blind: no drop" in gate.message) is (below is not None)


@pytest.mark.parametrize("n", range(4, 40))
def test_no_smaller_drop_fails_a_blind_gate(build: Build, n: int) -> None:
    """Try every number of losses."""
    failing = [
        losses / n
        for losses in range(n + 1)
        if _gate_of(build, "P" * n, "m" * losses + "P" * (n - losses)).result == "fail"
    ]
    assert _gate_of(build, "P" * n, "P" * n).blind_below == pytest.approx(failing[0])


def test_the_cases_that_open_its_eyes_detect_the_drop(build: Build) -> None:
    gate = _gate_of(build, "P" * 5, "m" + "P" * 4)
    assert gate.cases_to_see is not None
    assert mcnemar_power(gate.cases_to_see, 0.2, 0.1) == pytest.approx(0.8, abs=0.02)  # 20 % flip, and 10 points drop
    assert f"about {gate.cases_to_see} cases detect a drop of 10.0 pp (80% power)" in gate.message


def test_a_gate_that_failed_or_proves_is_not_blind(build: Build) -> None:
    assert _gate_of(build, "P" * 5, "m" * 4 + "P").blind_below is None
    proving = _gate_of(build, "P" * 60, "P" * 60, margin=0.05, fail_on="not_proven")
    assert (proving.result, proving.blind_below) == ("pass", None)


def test_a_few_means_are_blind(build: Build) -> None:
    gate = _gate_of(build, "PPP PPP PPP", "PPP PPm PPP")
    assert (gate.result, gate.blind_below) == ("pass", 1.0)


def test_an_accuracy_that_cannot_be_proven_is_a_problem(build: Build) -> None:
    gate = MetricGate(kind="metric", name="accuracy", min=0.95)
    suite = build.suite("P" * 20)
    [problem] = check_power(suite.plan, SuiteRules((gate,))).problems
    assert problem.startswith("accuracy >= 95.0% cannot pass with 20 cases, even if all are right: use at least")
    assert check_power(build.suite("P" * 60).plan, SuiteRules((gate,))).problems == ()
    assert check_power(suite.plan, SuiteRules((gate.model_copy(update={"bound": "point"}),))).problems == ()
