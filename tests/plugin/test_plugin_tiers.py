"""Tiers: the sample, trials and gates of a suite, from the command line to ``verify``."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.cli import main
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.plugin.collection import planned_line
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.conftest import Project
    from tests.support.server import ScriptedServer

    from pytest_evalgate.records.results import SuitePlan

_SMOKE = ("--eval-tier", "smoke")
_HALF = '{ kind = "pass-rate", min = 0.5, bound = "point" }'
_ALL = '{ kind = "pass-rate", min = 1.0, bound = "point" }'
_SIZE = 40
_IDS = [f"case-{number:02}" for number in range(_SIZE)]
_YES: dict[str, str | None] = dict.fromkeys(_IDS, "yes")


@pytest.fixture(autouse=True)
def _here(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.path)


def _tier(project: Project, *, tier: str = "smoke", suite: str = "faq", **keys: object) -> None:
    table = "".join(f"{key} = {value}\n" for key, value in keys.items())
    project.configure(table, table=f"suites.{suite}.tiers.{tier}")


def _git(project: Project, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=project.path, check=True, capture_output=True)


def _branch(project: Project) -> None:
    """Commit the project as ``main``, and leave it."""
    project.write(".gitignore", ".evalgate/runs/\n.evalgate/verdict.json\n.evalgate/shards/\n")
    _git(project, "init", "-q", "-b", "main")
    _git(project, "add", "-A")
    _git(project, "commit", "-qm", "base")
    _git(project, "checkout", "-qb", "topic")


def _suite(project: Project) -> Any:
    return project.verdict["suites"]["faq"]


def _promote(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["baseline", "promote", "--reason", "first"])
    said = capsys.readouterr()
    return code, said.out + said.err


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=" ".join)
def test_the_sample_of_a_tier_is_its_plan(project: Project, args: tuple[str, ...]) -> None:
    project.suite(_YES)
    _tier(project, sample=10)
    result = project.run(*_SMOKE, *args)
    assert (result.ret, project.verdict["verdict"], project.verdict["tier"]) == (0, "pass", "smoke")
    assert project.verdict["accounting"] == {
        "planned": 10, "passed": 10, "missed": 0, "errored": 0, "skipped": 0, "not_run": 0,
    }  # fmt: skip
    assert _suite(project)["notes"] == ["tier smoke: 10 of 40 cases"]
    result.stdout.fnmatch_lines(["*NOTE faq: tier smoke: 10 of 40 cases"])


def _plan(project: Project, name: str = "faq", **options: object) -> SuitePlan:
    """Return the plan of a suite in the tier smoke."""
    return project.assembly(tier="smoke", **options).ready(name).plan


def _planned(project: Project) -> list[str]:
    return [case.id for case in _plan(project).cases]


def test_a_sample_is_the_same_from_run_to_run_and_beside_other_suites(project: Project) -> None:
    project.suite(_YES)
    _tier(project, sample=10)
    first = _planned(project)
    assert len(first) == 10
    assert _planned(project) == first
    project.suite({"x": "yes"}, name="law")
    assert _planned(project) == first


def test_only_what_is_planned_is_asked(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, *_IDS)
    _tier(project, sample=5)
    result = project.run(*_SMOKE, "--eval-estimate")
    result.stdout.fnmatch_lines(["faq*5*5*"])
    assert project.run(*_SMOKE).ret == 0
    assert len(project.asked(server)) == 5
    assert project.verdict["calls"]["planned"] == 5


def test_how_a_tier_is_chosen(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.suite(_YES)
    _tier(project, sample=3)
    assert len(project.assembly(tier="smoke").ready("faq").plan.cases) == 3
    monkeypatch.setenv("EVALGATE_TIER", "smoke")
    assert project.options().tier == "smoke"
    project.configure('default_tier = "smoke"')
    assert len(project.assembly().ready("faq").plan.cases) == 3


def test_a_tier_that_no_suite_defines_is_refused(project: Project) -> None:
    project.suite(_YES)
    _tier(project, sample=3)
    with pytest.raises(SettingsError, match='--eval-tier deep: no suite defines the tier "deep"; known are: default'):
        project.assembly(tier="deep")


def test_gates_and_trials_are_those_of_the_tier(project: Project) -> None:
    project.suite(_YES | {"case-00": "no"}, gates=_ALL)
    project.golden("golden/second.jsonl", *_IDS, output="yes")
    files = '{ recorded = ["golden/faq.out.jsonl", "golden/second.jsonl"] }'
    path = project.path / "evalgate.toml"
    path.write_text(path.read_text().replace('{ recorded = "golden/faq.out.jsonl" }', files))
    _tier(project, trials=1, gates=f"[{_HALF}]")
    bars = [
        (
            assembly.ready("faq").plan.trials,
            [getattr(gate, "min", None) for gate in assembly.settings.suites["faq"].gates or ()],
        )
        for assembly in (project.assembly(), project.assembly(tier="smoke"))
    ]
    assert bars == [(2, [1.0]), (1, [0.5])]
    assert _plan(project, trials=2).trials == 2


def test_a_suite_without_the_tier_runs_whole(project: Project) -> None:
    project.suite(_YES)
    project.suite(dict.fromkeys(_IDS, "no"), name="law")
    _tier(project, sample=3)
    assert [len(_plan(project, name).cases) for name in ("faq", "law")] == [3, _SIZE]


def test_a_marked_test_runs_the_sample(project: Project) -> None:
    project.suite(_YES)
    _tier(project, sample=4)
    project.test("return 'yes'", marker='suite="faq"')
    assert project.run(*_SMOKE, "test_code.py").ret == 0
    assert len(project.outcomes) == 4
    assert _suite(project)["notes"] == ["tier smoke: 4 of 40 cases"]


def test_a_marker_goes_before_the_tier(project: Project) -> None:
    project.suite(_YES)
    _tier(project, sample=4, trials=3)
    project.test("return 'yes'", marker='suite="faq", trials=2')
    assert project.run(*_SMOKE, "test_code.py").ret == 0
    assert (_suite(project)["trials"], _suite(project)["cases"]) == (2, 4)


def test_a_rule_to_stop_from_the_command_line_leaves_the_tier_as_it_is(project: Project) -> None:
    project.suite(_YES, gates=_ALL)
    _tier(project, sample=4, gates=f"[{_HALF}]")
    suite = project.decider(tier="smoke", stop="never").decider.suite_of("faq")
    assert suite is not None
    assert suite.stop == "never"
    assert [getattr(gate, "min", None) for gate in suite.gates or ()] == [0.5]


def test_cases_that_have_to_pass_are_in_every_sample(project: Project) -> None:
    project.suite(_YES | {"law": "no"})
    rows: list[dict[str, Any]] = [{"id": id_, "input": id_, "expected": "yes"} for id_ in _IDS]
    rows.append({"id": "law", "input": "law", "expected": "yes", "tags": ["safety"]})
    project.write("golden/faq.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    _tier(project, sample=2, gates='[{ kind = "must-pass", tags = ["safety"] }]')
    planned = _planned(project)
    assert (len(planned), "law" in planned) == (2, True)


def test_every_slice_is_in_the_sample(project: Project) -> None:
    project.suite(_YES, slices='["lang"]')
    rows = [
        {"id": id_, "input": id_, "expected": "yes", "tags": [f"lang:{'de' if number < 2 else 'en'}"]}
        for number, id_ in enumerate(_IDS)
    ]
    project.write("golden/faq.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    _tier(project, sample=5)
    german = sum(id_ in _IDS[:2] for id_ in _planned(project))
    assert (german, len(_planned(project))) == (1, 5)


# -- what is said


@pytest.mark.parametrize(
    ("tier", "line"),
    [
        ("smoke", "eval gate: faq 10, law 1 = 11 cases of 41 (tier smoke)"),
        (None, "eval gate: faq 40, law 1 = 41 cases"),
        ("deep", "eval gate: faq 40, law 1 = 41 cases (tier deep)"),
    ],
)
def test_the_planned_cases_are_counted(project: Project, tier: str | None, line: str) -> None:
    project.suite(_YES)
    project.suite({"x": "yes"}, name="law")
    _tier(project, sample=10)
    _tier(project, tier="deep", trials=1)
    assembly = project.assembly(tier=tier)
    plans = [assembly.ready(name).plan for name in ("faq", "law")]
    assert planned_line(plans, assembly.settings.default_tier) == line


def test_collect_only_counts_the_cases(project: Project) -> None:
    project.suite(_YES)
    _tier(project, sample=10)
    result = project.run("--collect-only", "-q", *_SMOKE)
    assert (result.ret, "eval gate: faq 10 = 10 cases of 40 (tier smoke)" in result.outlines) == (0, True)
    assert not project.has_verdict


def test_collect_only_says_nothing_where_that_is_wished(project: Project) -> None:
    project.suite(_YES)
    assert "eval gate" not in project.run("--collect-only", "-qq").stdout.str()


# -- partial samples


@pytest.mark.parametrize("args", [("--eval-sample=7",), ("--eval-sample=7", "-n2")], ids=" ".join)
def test_an_ad_hoc_sample_is_a_part_and_judges_nothing(
    project: Project, args: tuple[str, ...], last_line: Callable[[pytest.RunResult], str]
) -> None:
    project.suite(_YES)
    result = project.run(*args)
    assert (result.ret, project.verdict["verdict"]) == (12, "not_evaluated")
    accounting = project.verdict["accounting"]
    assert (accounting["planned"], accounting["passed"], accounting["not_run"]) == (_SIZE, 7, _SIZE - 7)
    assert last_line(result).endswith("(exit 12)")


def test_an_ad_hoc_sample_comes_from_the_environment_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALGATE_SAMPLE", "7")
    assert project.options().sample == 7


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=" ".join)
def test_an_ad_hoc_sample_is_estimated_as_such(
    project: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    project.model_suite(server, *_IDS)
    result = project.run("--eval-sample", "7", "--eval-estimate", *args)
    result.stdout.fnmatch_lines(["this run will make 7 calls*"])


def test_an_ad_hoc_sample_that_holds_all_is_whole(project: Project) -> None:
    project.suite(_YES)
    assert project.run("--eval-sample", "40").ret == 0


# -- baselines


def test_a_sample_is_compared_with_its_own_cases_of_the_baseline(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.suite(_YES, gates='{ kind = "no-regression" }')
    _tier(project, sample=10)
    assert project.run().ret == 0
    assert _promote(capsys)[0] == 0
    result = project.run(*_SMOKE)
    delta = _suite(project)["delta"]
    assert (result.ret, delta["pairs"], delta["removed"], delta["added"]) == (0, 10, 0, 0)
    result.stdout.no_fnmatch_line("*not paired*")


def test_a_case_that_a_sample_shares_with_the_baseline_and_that_was_edited_is_told(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.suite(_YES, gates='{ kind = "no-regression" }')
    _tier(project, sample=39)
    assert project.run().ret == 0
    _promote(capsys)
    path = project.path / "golden/faq.jsonl"
    path.write_text(path.read_text().replace('"input": "case-', '"input": "now case-', 3))
    project.run(*_SMOKE)
    delta = _suite(project)["delta"]
    assert delta["pairs"] + delta["edited"] == 39
    assert delta["edited"] in {2, 3}


def test_a_sample_is_no_baseline(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.suite(_YES)
    _tier(project, sample=10)
    project.run(*_SMOKE)
    code, said = _promote(capsys)
    assert code == 4
    assert "is of tier smoke, which runs 10 of 40 cases of suite faq" in said
    assert "run the default tier with: pytest --eval-gate, then promote" in said
    assert not (project.state / "baselines").exists()


def test_the_sample_of_the_default_tier_is_one(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.suite(_YES)
    _tier(project, sample=10)
    project.configure('default_tier = "smoke"')
    project.run()
    assert _promote(capsys)[0] == 0


def test_a_tier_that_runs_all_cases_is_one(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.suite(_YES)
    _tier(project, gates=f"[{_HALF}]")
    project.run(*_SMOKE)
    assert _promote(capsys)[0] == 0


def test_samples_have_a_trend_of_their_own(project: Project) -> None:
    project.suite(_YES)
    _tier(project, sample=10)
    for args in ((), (), _SMOKE, _SMOKE):
        project.run(*args)
    rows = [json.loads(line) for line in (project.state / "history.jsonl").read_text().splitlines()]
    assert [row["cases"] for row in rows] == [40, 40, 10, 10]
    first, again, small, small_again = (row["golden_sha256"] for row in rows)
    assert first == again != small == small_again


# -- the base branch


def test_a_smaller_sample_than_that_of_the_base_fails(
    project: Project, last_line: Callable[[pytest.RunResult], str]
) -> None:
    project.suite(_YES)
    _tier(project, sample=10)
    _branch(project)
    path = project.path / "evalgate.toml"
    path.write_text(path.read_text().replace("sample = 10", "sample = 5"))
    result = project.run(*_SMOKE, "--eval-base-ref", "main")
    assert result.ret == 1
    assert last_line(result).startswith("evalgate: FAIL  this branch weakens the gate: suites.faq.tiers.smoke.sample")
    [change] = project.verdict["changed_in_gate"]
    assert (change["what"], change["before"], change["now"]) == ("sample changed", "10 cases", "5 cases")


def test_a_tier_that_is_as_it_was_passes(project: Project) -> None:
    project.suite(_YES)
    _tier(project, sample=10, gates=f"[{_HALF}]")
    _branch(project)
    result = project.run(*_SMOKE, "--eval-base-ref", "main")
    assert (result.ret, project.verdict["changed_in_gate"]) == (0, [])


def test_a_hard_case_that_was_removed_can_still_be_drawn(project: Project) -> None:
    project.suite(_YES)
    _tier(project, sample=39)
    _branch(project)
    project.golden("golden/faq.jsonl", *_IDS[20:])
    project.run(*_SMOKE, "--eval-base-ref", "main")
    drawn = set(project.outcomes)
    assert len(drawn) == 39
    assert len([name for name in drawn if name.endswith("@base")]) in {19, 20}


# -- shards, merge, verify


def _merge(count: int) -> int:
    return main(["merge", ".evalgate/shards", "--expect-shards", str(count), "--gate"])


def test_shards_of_a_tier_are_merged_and_judged_by_it(project: Project) -> None:
    project.suite(_YES | {"case-00": "no", "case-01": "no"}, gates=_ALL)
    _tier(project, sample=12, gates=f"[{_HALF}]")
    assert project.run(*_SMOKE).ret == 0
    whole = project.verdict
    for index in (1, 2):
        assert project.run(*_SMOKE, "--eval-shard", f"{index}/2").ret == 12
    assert _merge(2) == 0
    merged = project.verdict
    volatile = {"run_id": None, "duration_s": None}
    whole["suites"]["faq"].pop("trend")
    merged["suites"]["faq"].pop("trend")
    assert merged | volatile == whole | volatile
    assert merged["tier"] == "smoke"


def test_shards_of_different_tiers_are_not_merged(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.suite(_YES)
    _tier(project, trials=1)
    project.run(*_SMOKE, "--eval-shard", "1/2")
    project.run("--eval-shard", "2/2")
    assert _merge(2) == 4
    assert "shards differ: tier: smoke in " in capsys.readouterr().err


def test_a_run_of_a_tier_is_verified_by_that_tier(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.suite(_YES | {"case-00": "no"}, gates=_ALL)
    _tier(project, sample=12, gates=f"[{_HALF}]")
    _branch(project)
    assert project.run(*_SMOKE, "--eval-base-ref", "main").ret == 0
    assert main(["verify", "--base-ref", "main", "--tier", "smoke"]) == 0
    assert "verify agrees: pass in verdict.json" in capsys.readouterr().out


def test_a_run_of_another_tier_than_is_wanted_is_an_objection(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project.suite(_YES)
    _tier(project, sample=12)
    _branch(project)
    assert project.run(*_SMOKE, "--eval-base-ref", "main").ret == 0
    assert main(["verify", "--base-ref", "main"]) == 1
    assert "ran in tier smoke, not in tier default" in capsys.readouterr().out
    monkeypatch.setenv("EVALGATE_TIER", "smoke")
    assert main(["verify", "--base-ref", "main"]) == 0


def test_a_sample_that_somebody_chose_is_an_objection(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.suite(_YES)
    _tier(project, sample=12)
    _branch(project)
    project.run(*_SMOKE, "--eval-base-ref", "main")
    (path,) = (project.state / "runs").glob("*/run.jsonl")
    run, origin = run_file.read_with_info(path)
    head, *lines = path.read_text("ascii").splitlines()
    chosen = next(name for name in _IDS if name not in project.outcomes)
    forged = lines[0].replace(json.loads(lines[0])["id"], chosen)
    head = re.sub(r',"sha256":"[0-9a-f]{64}"', "", head)  # without it, the file would be refused as damaged
    path.write_text("\n".join([head, forged, *lines[1:]]) + "\n", "ascii")
    assert (run.suites[0].plan.drawn_from, origin.tier) == (40, "smoke")
    assert main(["verify", "--base-ref", "main", "--tier", "smoke"]) == 1
    assert "mismatch: suite faq: 1 case of the base branch did not run" in capsys.readouterr().out
