from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.config import Suite
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.power import check_power, discordance_of

if TYPE_CHECKING:
    from tests.gates.conftest import Build

    from pytest_evalgate.gates.power import PowerCheck


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
