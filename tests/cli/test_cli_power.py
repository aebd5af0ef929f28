from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import stdtr

from pytest_evalgate.stats.intervals import passes_needed
from pytest_evalgate.stats.paired import tango_bounds
from pytest_evalgate.stats.planning import (
    mcnemar_power,
    mcnemar_sample_size,
    mde_mcnemar,
    mde_mean,
    mde_with_flips,
    not_proven_sample_size,
    variance_clusters,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Project

_RUN = "20260102T000000Z-bbbb"
_BASELINE = ".evalgate/baselines/faq.json"
_GATES = """
[suites.faq]
golden = "g.jsonl"
gates = [
  { kind = "pass-rate", min = 0.85 },
  { kind = "no-regression", alpha = 0.01, margin = 0.03, fail_on = "not_proven" },
]
"""


@pytest.fixture
def project(project_of: Callable[[str], Project]) -> Project:
    return project_of("power")


def _say(project: Project, *arguments: str) -> str:
    """Return the screen as one line."""
    return " ".join(project.call(*arguments)[1].split())


def test_the_screen(project: Project, assert_screen: Callable[[str, str], None]) -> None:
    project.configure(_GATES)
    project.store(["P"] * 180 + ["m"] * 20)
    code, out, err = project.call("faq")
    assert (code, err) == (0, "")
    assert_screen("power", out)


def test_nothing_has_to_be_configured(project: Project) -> None:
    plan = project.only("--cases", "200", "--drop", "5")
    assert (plan["suite"], plan["cases"], plan["cases_source"], plan["trials"]) == (None, 200, "as given", 1)
    assert (plan["discordance"], plan["discordance_source"]) == (
        0.1,
        "an assumption; to measure it: pytest --eval-gate --eval-trials 3",
    )


@pytest.mark.parametrize(("cases", "points"), [(100, 7.8), (200, 5.5), (500, 3.5), (1000, 2.5), (2000, 1.8)])
def test_the_smallest_drop_is_that_of_the_verdict(project: Project, cases: int, points: float) -> None:
    [one, *_] = project.only("--cases", str(cases))["columns"]
    assert one["smallest_drop_points"]["flipping"] == pytest.approx(points, abs=0.05)
    assert one["smallest_drop_points"]["flipping"] == pytest.approx(100 * mde_mcnemar(cases, 0.1).mde)


def test_fifty_cases_with_one_trial_cannot_detect_a_drop_of_cases_that_flip(project: Project) -> None:
    [one, three, _] = project.only("--cases", "50")["columns"]
    assert one["smallest_drop_points"]["flipping"] is None
    assert three["smallest_drop_points"]["flipping"] < 10


def test_cases_needed_are_those_of_the_reference_formula(project: Project) -> None:
    [one, *_] = project.only("--cases", "200")["columns"]
    assert one["cases_needed"] == {
        "flipping": mcnemar_sample_size(0.075, 0.025).n,
        "steady": mcnemar_sample_size(0.1, 0.05).n,
    }
    assert one["smallest_drop_points"]["steady"] == pytest.approx(100 * (mde_with_flips(200, 0.1) or 0))
    assert one["cases_not_proven"] == 248


def test_no_number_of_trials_makes_up_for_too_few_cases_to_prove_a_margin(project: Project) -> None:
    *_, many = project.only("--cases", "200", "--trials", "500")["columns"]
    fewest = many["cases_not_proven"]
    assert tango_bounds(0, 0, fewest).lower > -0.05 >= tango_bounds(0, 0, fewest - 1).lower


def test_trials_do_most_for_cases_that_flip(project: Project) -> None:
    one, three, five = project.only("--cases", "200")["columns"]
    assert [column["trials"] for column in (one, three, five)] == [1, 3, 5]
    assert three["cases_needed"]["flipping"] < one["cases_needed"]["flipping"] / 2
    assert one["cases_needed"]["steady"] / 2 < three["cases_needed"]["steady"]
    assert three["cases_needed"]["steady"] / 2 < five["cases_needed"]["steady"] < three["cases_needed"]["steady"]


def test_the_probability_of_detection_is_exact(project: Project) -> None:
    assert project.only("--cases", "200")["found_percent"] == {
        "flipping": pytest.approx(100 * mcnemar_power(200, 0.075, 0.025)),
        "steady": pytest.approx(100 * mcnemar_power(200, 0.1, 0.05)),
    }


def test_further_trials_get_a_column_and_count_for_the_power(project: Project) -> None:
    plan = project.only("--cases", "200", "--trials", "8")
    assert [column["trials"] for column in plan["columns"]] == [1, 3, 5, 8]
    assert plan["found_percent"]["flipping"] > 99
    assert "Student's test" in project.call("--cases", "200", "--trials", "8")[1]


def test_power_and_alpha_are_those_of_the_options(project: Project) -> None:
    [one, *_] = project.only("--cases", "200", "--power", "90", "--alpha", "0.01")["columns"]
    assert one["cases_needed"]["flipping"] == mcnemar_sample_size(0.075, 0.025, 0.01, 0.9).n


def test_a_drop_larger_than_the_discordance_affects_steady_cases(project: Project) -> None:
    plan = project.only("--cases", "20", "--drop", "30")
    assert plan["columns"][0]["cases_needed"]["flipping"] is None
    assert plan["found_percent"]["flipping"] is None
    assert plan["found_percent"]["steady"] == pytest.approx(100 * mcnemar_power(20, 0.35, 0.05))


def test_an_impossible_drop_is_reported(project: Project) -> None:
    out = project.call("--cases", "20", "--drop", "90", "--discordance", "0.5")[1]
    assert "a drop of 90 points is impossible when so many cases differ between identical runs" in out
    assert "choose a smaller one" in out


def test_no_plan_has_fewer_cases_than_can_fail(project: Project) -> None:
    plan = project.only("--cases", "1", "--drop", "99", "--discordance", "0.0001")
    assert plan["columns"][0]["cases_needed"]["steady"] == plan["fewest_losses"] == 4


def test_a_drop_that_cannot_be_missed_is_certain(project: Project) -> None:
    plan = project.only("--cases", "1000", "--drop", "50", "--trials", "100", "--discordance", "0.6")
    assert plan["found_percent"] == {"flipping": pytest.approx(100), "steady": None}
    assert plan["columns"][-1]["cases_needed"]["flipping"] == 4


@pytest.mark.parametrize("trials", ["1", "3"])
def test_one_case_detects_nothing(project: Project, trials: str) -> None:
    plan = project.only("--cases", "1", "--trials", trials)
    assert plan["found_percent"]["steady"] == 0
    assert plan["columns"][0]["smallest_drop_points"] == {"flipping": None, "steady": None}


def test_the_gates_of_the_suite_are_planned_for(project: Project) -> None:
    project.configure(_GATES)
    plan = project.only("faq", "--cases", "200")
    assert (plan["alpha"], plan["fewest_losses"]) == (0.01, 6)
    assert plan["margin_points"] == pytest.approx(3)
    assert plan["columns"][0]["cases_not_proven"] == not_proven_sample_size(0.1, 0.03, 0.01)
    assert plan["pass_rate_gates"] == [{"minimum_percent": 85.0, "passes": passes_needed(200, 0.85)}]
    assert project.only("faq", "--cases", "200", "--alpha", "0.05")["alpha"] == 0.05


def test_half_of_the_alpha_goes_to_slices_that_are_tested(project: Project) -> None:
    project.configure(
        '[suites.faq]\ngolden = "g.jsonl"\nslices = ["lang"]\n'
        'gates = [{ kind = "no-regression" }, { kind = "slice", by = "lang" }]\n'
    )
    assert project.only("--cases", "200")["alpha"] == 0.025


def test_a_gate_that_cannot_be_met_is_reported(project: Project) -> None:
    project.configure(_GATES)
    out = project.call("--cases", "10")[1]
    assert "pass-rate >= 85% cannot be met with 10 cases of one trial, even if all of them pass" in out


def test_a_point_gate_requires_no_more_than_its_minimum(project: Project) -> None:
    project.configure(
        '[suites.faq]\ngolden = "g.jsonl"\ngates = [{ kind = "pass-rate", min = 0.85, bound = "point" }]\n'
    )
    assert "pass-rate >= 85% requires 17 passes of 20" in project.call("--cases", "20")[1]


def test_trials_of_the_baseline_are_the_first_source_of_the_discordance(project: Project) -> None:
    project.baseline(_BASELINE, ["PPPPP"] * 15 + ["PPPmm"] * 5)
    project.store(["PP"] * 20)
    plan = project.only("faq")
    assert plan["discordance"] == pytest.approx(0.6 / 4)
    assert plan["discordance_source"] == "the baseline's own trials, 5 of each of 20 cases"


def test_the_run_compared_with_the_baseline_is_the_second_source(project: Project) -> None:
    project.baseline(_BASELINE, ["P"] * 18 + ["m", "P"])
    project.store(["P"] * 19 + ["?"])
    plan = project.only("faq")
    assert plan["discordance"] == pytest.approx((1 + 1) / (19 + 2))
    assert plan["discordance_source"] == f"run {_RUN} compared with the baseline, 19 pairs"


def test_several_trials_against_one_count_how_often_they_differ(project: Project) -> None:
    project.baseline(_BASELINE, ["P"] * 4)
    project.store(["PP", "PP", "Pm", "mm"])
    assert project.only("faq")["discordance"] == pytest.approx((1.5 + 1) / (4 + 2))


def test_a_run_is_not_compared_with_itself(project: Project) -> None:
    project.baseline(_BASELINE, ["P"] * 20, run_id=_RUN)
    project.store(["PP"] * 10 + ["Pm"] * 10, run_id=_RUN)
    plan = project.only("faq")
    assert plan["discordance"] == pytest.approx(0.5)
    assert plan["discordance_source"] == f"the trials of run {_RUN}, 2 of each of 20 cases"


def test_a_baseline_without_a_pair_is_no_source(project: Project) -> None:
    project.baseline(_BASELINE, ["P"])
    project.store(["?"])
    assert project.only("faq")["discordance_source"].startswith("an assumption")


def test_the_discordance_of_steady_cases_is_not_zero(project: Project) -> None:
    project.store(["PPP"] * 8 + ["PP"] * 2)
    plan = project.only("faq")
    assert plan["discordance"] == pytest.approx(1 / 12)
    assert plan["discordance_source"].endswith("2 to 3 of each of 10 cases")


def test_a_given_discordance_comes_before_any_evidence(project: Project) -> None:
    project.store(["PPP"] * 10)
    plan = project.only("faq", "--discordance", "0.2")
    assert (plan["discordance"], plan["discordance_source"]) == (0.2, "as given")


def test_cases_and_trials_are_those_of_the_newest_run(project: Project) -> None:
    project.store(["P"] * 3, run_id="20260101T000000Z-aaaa")
    project.store(["PPP"] * 7)
    plan = project.only()
    assert (plan["suite"], plan["cases"], plan["cases_source"]) == ("faq", 7, f"run {_RUN}")
    assert plan["trials"] == 3


def test_trials_of_one_measurement_are_not_those_of_the_suite(project: Project) -> None:
    project.configure(_GATES)
    project.store(["PPPP"] * 5 + ["PPmm"] * 5)
    plan = project.only()
    assert (plan["trials"], plan["discordance"]) == (1, pytest.approx(1 / 3))


def test_without_a_run_the_baseline_is_counted(project: Project) -> None:
    project.configure(_GATES)
    project.baseline(_BASELINE, ["P"] * 30)
    plan = project.only()
    assert (plan["cases"], plan["cases_source"]) == (30, "baseline")


def test_without_a_baseline_the_golden_set_is_counted(project: Project) -> None:
    project.configure(_GATES)
    rows = [{"id": "a", "input": "x"}, {"id": "b", "input": "y"}, {"id": "c", "input": "z", "skip": "later"}]
    (project.root / "g.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = project.only()
    assert (plan["cases"], plan["cases_source"]) == (2, "golden set")


def test_every_configured_suite_has_its_plan(project: Project) -> None:
    project.configure('[suites.faq]\ngolden = "g.jsonl"\n[suites.sql]\ngolden = "h.jsonl"\ntrials = 4\n')
    plans = project.json("--cases", "40")
    assert [(plan["suite"], plan["trials"]) for plan in plans] == [("faq", 1), ("sql", 4)]
    assert project.call("--cases", "40")[1].count("advice: ") == 2


_CLUSTERED = '[suites.faq]\ngolden = "g.jsonl"\ncluster = "metadata.document"\n'


def test_an_unknown_number_of_clusters_is_warned_of(project: Project) -> None:
    project.configure(_CLUSTERED)
    assert project.only("--cases", "40")["clusters"] == {
        "key": "metadata.document",
        "number": None,
        "smallest_drop_points": None,
    }
    assert "the effective sample is smaller, so plan for more cases than this" in _say(project, "--cases", "40")


def test_clusters_count_rather_than_cases(project: Project) -> None:
    project.configure(_CLUSTERED)
    project.store(["P"] * 40, clusters=10)
    plan = project.only("--discordance", "0.1")
    expected = mde_mean(variance_clusters(0.1, 40, 10, 0.2) ** 0.5, 9)
    assert plan["clusters"] == {
        "key": "metadata.document",
        "number": 10,
        "smallest_drop_points": pytest.approx(100 * expected),
    }
    sentence = f"with an intra-cluster correlation of 0.2, the smallest detectable drop is {100 * expected:.1f}"
    assert f"in 10 clusters: {sentence}" in _say(project, "--discordance", "0.1")


def test_one_cluster_detects_nothing(project: Project) -> None:
    project.configure(_CLUSTERED)
    project.store(["P"] * 40, clusters=1)
    assert "in 1 cluster: too few to detect a drop" in _say(project)


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("--cases", "400"), "these cases are enough to detect a drop of 5 points, of either kind"),
        (
            ("--cases", "210"),
            "--eval-trials 3 in both runs detects a drop of 5 points, of either kind, with the present cases",
        ),
        (
            ("--cases", "100"),
            "269 more cases (369 in all) detect a drop of 5 points, of either kind; with 5 trials",
        ),
        (
            ("--cases", "100", "--trials", "5"),
            "69 more cases (169 in all) detect a drop of 5 points, of either kind",
        ),
    ],
)
def test_the_advice(project: Project, arguments: tuple[str, ...], advice: str) -> None:
    assert _say(project, *arguments).partition("advice: ")[2].startswith(advice)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no suite is configured and no run is stored: add the number of cases, --cases 200"),
        (("fax", "--cases", "9"), "no suite 'fax' is configured or in the newest run (known: none)"),
    ],
)
def test_unknown_cases_or_suites_exit_4(project: Project, arguments: tuple[str, ...], message: str) -> None:
    assert project.call(*arguments) == (4, "", f"pytest-evalgate: {message}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--drop", "0"),
        ("--drop", "five"),
        ("--drop", "nan"),
        ("--power", "100"),
        ("--alpha", "0.5"),
        ("--cases", "0"),
        ("--cases", "1e3"),
        ("--cases", "9" * 5000),
        ("--discordance", "1"),
        ("--trials", "1001"),
    ],
)
def test_numbers_out_of_range_are_an_error(
    project: Project, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as caught:
        project.call(*arguments)
    assert caught.value.code == 2
    assert "number from" in capsys.readouterr().err


def test_the_chance_by_trials_contains_what_was_simulated(project: Project) -> None:
    """Detection at -5 points, n = 200, 10 % flips, 5 % false alarms: 60, 74 and 83 to 95 % (simulated elsewhere)."""
    plan = project.only("--cases", "200", "--drop", "5", "--discordance", "0.1")
    one = plan["found_percent"]
    by_trials = {(row["baseline_trials"], row["candidate_trials"]): row["found_percent"] for row in plan["by_trials"]}
    assert one["steady"] < 60 < one["flipping"]
    assert by_trials[5, 1]["steady"] < 74 < by_trials[5, 1]["flipping"]
    assert by_trials[3, 3]["steady"] < 83
    assert by_trials[3, 3]["flipping"] > 95
    assert "trials of the candidate help most" in _say(project, "--cases", "200", "--discordance", "0.1")


def test_the_chance_by_trials_is_that_of_a_simulation(project: Project) -> None:
    """Of 200 cases drawn for each build 20 % flip evenly, and 5 % that always passed break; three trials in both."""
    rng, shape = np.random.default_rng(11), (4_000, 200)
    n, kind = 200, rng.uniform(size=shape)
    rates = np.where(kind < 0.2, 0.5, 1.0)  # 10 % of the cases differ between two runs
    change = (rng.binomial(3, np.where(kind > 0.95, 0.0, rates)) - rng.binomial(3, rates)) / 3
    t = change.mean(axis=1) / (change.std(axis=1, ddof=1) / np.sqrt(n))
    found = float(np.mean(stdtr(n - 1, t) <= 0.05))
    plan = project.only("--cases", "200", "--drop", "5", "--discordance", "0.1")
    [row] = [row for row in plan["by_trials"] if row["candidate_trials"] == 3]
    assert row["found_percent"]["steady"] == pytest.approx(100 * found, abs=4)
