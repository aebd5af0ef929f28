from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import baseline_of, planned, suite_of

from pytest_evalgate.app.compared_sides import comparable, newer_of, older_of
from pytest_evalgate.errors import BaselineError
from pytest_evalgate.records.results import CaseResult, Run, Score, SuiteRun, Trial
from pytest_evalgate.records.verdicts import BaselineCase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cli.conftest import CompareProject

    from pytest_evalgate.records.cases import Side
    from pytest_evalgate.records.results import Outcome

_FIRST, _SECOND, _THIRD = "20260101T000000Z-aaaa", "20260102T000000Z-bbbb", "20260103T000000Z-cccc"


@pytest.fixture
def three(sides: CompareProject) -> CompareProject:
    """Three runs: the first passed everything, each later one missed one case more."""
    sides.run(_FIRST, "PPPP")
    sides.run(_SECOND, "mPPP")
    sides.run(_THIRD, "mmPP")
    return sides


def _regressed(sides: CompareProject, *arguments: str) -> list[str]:
    return [row["case"] for row in sides.json(*arguments, "--regressed")]


@pytest.mark.parametrize(
    ("arguments", "regressed"),
    [
        ((_FIRST,), ["c0", "c1"]),
        (("previous",), ["c1"]),
        ((_FIRST, "previous"), ["c0"]),
        ((_FIRST, _SECOND), ["c0"]),
        (("newest", "newest"), []),
        ((f".evalgate/runs/{_FIRST}/run.jsonl", _SECOND), ["c0"]),
    ],
)
def test_runs_are_named_by_id_by_age_or_by_file(
    three: CompareProject, arguments: tuple[str, ...], regressed: list[str]
) -> None:
    assert _regressed(three, *arguments) == regressed


def test_of_runs_of_one_second_the_one_written_last_is_the_newest(sides: CompareProject) -> None:
    for age, (run_id, words) in enumerate([(f"{_FIRST[:-4]}zzzz", "PPP"), (_FIRST, "mPP"), (f"{_FIRST}1", "mmP")]):
        sides.run(run_id, words)
        os.utime(sides.root / ".evalgate" / "runs" / run_id / "run.jsonl", ns=(0, age))
    assert _regressed(sides, "previous") == ["c1"]


def test_previous_needs_two_runs(sides: CompareProject) -> None:
    sides.run(_FIRST, "P")
    code, _, err = sides.compare("previous")
    assert code == 4
    assert "only one run is stored in" in err
    assert "run again, or name another side" in err


def test_the_older_side_is_each_suites_own_baseline_unless_another_is_named(three: CompareProject) -> None:
    three.baseline("baselines/faq.json", "PPPm")
    assert _regressed(three) == _regressed(three, "baseline", "newest") == ["c0", "c1"]
    assert three.faq()["older"]["name"] == "file:baselines/faq.json"


def test_a_run_is_compared_with_a_baseline_file_and_the_other_way_round(three: CompareProject) -> None:
    three.baseline("other.json", "PPPm")
    assert _regressed(three, "other.json", _SECOND) == ["c0"]
    assert _regressed(three, _SECOND, "other.json") == ["c3"]


def test_two_baseline_files_need_no_run_and_no_configuration(sides: CompareProject) -> None:
    sides.configure("")
    sides.baseline("a.json", ["PP", "PP"])
    sides.baseline("b.json", ["PP", "Pm"])
    found = sides.faq("a.json", "b.json")
    assert (found["delta"]["pairs"], found["delta"]["losses"], found["delta"]["delta"]) == (2, 1, -0.25)
    assert [found["older"]["name"], found["newer"]["name"]] == ["file:a.json", "file:b.json"]


def test_files_are_found_from_the_working_folder_and_from_the_root_folder(
    three: CompareProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    three.baseline("a.json", "PPPP")
    three.baseline("below/b.json", "PPPP")
    monkeypatch.chdir(three.root / "below")
    assert _regressed(three, "a.json") == _regressed(three, "b.json") == ["c0", "c1"]


@pytest.mark.parametrize("spec", ["v1", "git:v1", "git:HEAD", "HEAD"])
def test_a_commit_names_the_baselines_that_it_holds(three: CompareProject, spec: str) -> None:
    three.baseline("baselines/faq.json", "PPPm")
    three.commit("v1")
    three.baseline("baselines/faq.json", "mmmm")
    assert _regressed(three, spec) == ["c0", "c1"]
    assert three.faq(spec)["older"]["name"] == f"git:{spec.removeprefix('git:')}"


def test_two_commits(sides: CompareProject) -> None:
    sides.baseline("baselines/faq.json", "PPP")
    sides.commit("v1")
    sides.baseline("baselines/faq.json", "PmP")
    sides.commit("v2")
    assert _regressed(sides, "v1", "v2") == ["c1"]


def test_a_commit_is_not_taken_for_a_file_of_the_same_name(three: CompareProject) -> None:
    three.baseline("baselines/faq.json", "PPPP")
    three.commit("faq")
    (three.root / "faq").write_text("x = 1\n", "utf-8")
    assert _regressed(three, "git:faq") == ["c0", "c1"]
    assert "faq: the file is neither a run nor a baseline" in three.compare("faq")[2]
    assert three.compare("faq")[2].endswith("to name a branch: git:faq\n")


def test_a_suite_that_a_commit_lacks_is_on_one_side_only(sides: CompareProject) -> None:
    sides.configure('[suites.faq]\ngolden = "g.jsonl"\n[suites.sql]\ngolden = "h.jsonl"\n')
    sides.baseline(".evalgate/baselines/faq.json", "PP")
    sides.commit("v1")
    sides.run(_FIRST, {"faq": "PP", "sql": "PP"})
    found = sides.json("v1")
    assert ([suite["suite"] for suite in found["suites"]], found["only_newer"]) == (["faq"], ["sql"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere", "nowhere: there is no run .evalgate/runs/nowhere, no file of this name, and no such branch"),
        ("../..", "no file of this name, and no such branch, tag or commit here; fetch it"),
        ("../../etc", "there is no run"),
        ("a/" * 3000, "there is no run"),
        ("git:nowhere", "git:nowhere: no such branch, tag or commit here; fetch it"),
        ("--output=x", "'--output=x' names no side of a comparison: use newest, previous"),
        ("git:--output=x", "'git:--output=x' names no side of a comparison"),
        ("git:", "'git:' names no side of a comparison"),
        ("", "'' names no side of a comparison"),
        ("  ", "'  ' names no side of a comparison"),
        ("a\x1b[31m", "'a\\x1b[31m' names no side of a comparison"),
        ("a\0b", "'a\\x00b' names no side of a comparison"),
    ],
)
def test_an_unknown_name_is_an_error_that_lists_what_was_tried(three: CompareProject, spec: str, message: str) -> None:
    three.commit("v1")
    code, out, err = three.compare("--", spec)
    assert (code, out) == (4, "")
    assert message in err
    assert not (three.root / "x").exists()


def test_a_run_id_cannot_lead_out_of_the_state_folder(three: CompareProject) -> None:
    outside = three.root / ".evalgate" / "elsewhere"
    (three.root / ".evalgate" / "runs" / _FIRST).rename(outside)
    assert three.compare("../elsewhere")[0] == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{\n", "neither a run nor a baseline"),
        ('{"id": "c1"}\n', "not a run file of pytest-evalgate"),
        ('{\n"kind": "x"}\n', "not a baseline of pytest-evalgate"),
        ("", "neither a run nor a baseline"),
    ],
)
def test_a_file_that_is_neither_is_named(three: CompareProject, content: str, message: str) -> None:
    (three.root / "file.json").write_text(content, "utf-8")
    code, _, err = three.compare("file.json")
    assert code == 4
    assert message in err
    assert "file.json" in err


def test_a_file_that_may_not_be_read_is_named(three: CompareProject, monkeypatch: pytest.MonkeyPatch) -> None:
    (three.root / "file.json").write_text("{}", "utf-8")
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "file.json":  # a test that root runs cannot take its own permissions away
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "file.json: cannot be read: Permission denied" in three.compare("file.json", _FIRST)[2]


def test_a_damaged_baseline_at_a_commit_is_not_taken_for_a_missing_one(three: CompareProject) -> None:
    (three.root / "baselines").mkdir()
    (three.root / "baselines" / "faq.json").write_text("{", "utf-8")
    three.commit("v1")
    code, _, err = three.compare("v1")
    assert code == 4
    assert "git:v1: " in err


_RUN = Run("r1", "2026-01-02T00:00:00Z", "8c1f2d0", ())


def _suite(*results: CaseResult, stopped: bool = False) -> SuiteRun:
    return replace(suite_of(results), stopped="certainty" if stopped else None)


def _result(case_id: str, outcome: Outcome = "passed", side: Side = "both") -> CaseResult:
    value = {"passed": 1.0, "missed": 0.0}.get(outcome)
    trials = () if outcome in {"not_run", "skipped"} else (Trial(0, value, scores=(Score("f1", 0.5, passed=True),)),)
    return CaseResult(planned(case_id, side=side), outcome, trials)


def _ids(suite: SuiteRun) -> list[str]:
    assert [case.id for case in suite.plan.cases] == [result.case.id for result in suite.results]
    return [case.id for case in suite.plan.cases]


def test_a_run_becomes_a_baseline_of_its_cases_with_an_output() -> None:
    suite = _suite(_result("a"), _result("b", "errored"), _result("c", "not_run"), _result("d", "missed"))
    found = older_of(suite, _RUN)
    assert {name: case.values for name, case in found.baseline.cases.items()} == {"a": (1.0,), "d": (0.0,)}
    assert found.unanswered == {"b", "c"}
    assert (found.baseline.source, found.baseline.provenance.run_id, found.baseline.scorers) == (
        "run r1",
        "r1",
        ("f1",),
    )


def test_cases_of_the_base_branch_are_not_in_the_older_side() -> None:
    found = older_of(_suite(_result("a", side="head"), _result("b@base", "errored", "base")), _RUN)
    assert (list(found.baseline.cases), found.unanswered) == (["a"], frozenset())


def test_cases_that_a_stopped_run_did_not_run_are_unanswered() -> None:
    assert older_of(_suite(_result("a"), _result("b", "not_run"), stopped=True), _RUN).unanswered == {"b"}


def test_a_run_without_an_output_is_no_baseline() -> None:
    with pytest.raises(BaselineError, match="run r1 has no case of suite faq with an output"):
        older_of(_suite(_result("a", "errored")), _RUN)


def test_a_baseline_is_not_changed() -> None:
    held = baseline_of({"a": BaselineCase("f", (1.0,))})
    assert older_of(held, _RUN).baseline is held


def test_a_baseline_becomes_a_suite_with_its_trials_and_scores() -> None:
    held = baseline_of({"a": BaselineCase("f", (1.0, 0.0, 0.0), {"f1": (0.9, 0.2, 0.1)})}, scorers=("exact", "f1"))
    [result] = newer_of(held).results
    assert (result.outcome, [trial.value for trial in result.trials]) == ("missed", [1.0, 0.0, 0.0])
    assert [[(score.name, score.value) for score in trial.scores] for trial in result.trials] == [
        [("exact", 1.0), ("f1", 0.9)],
        [("exact", 0.0), ("f1", 0.2)],
        [("exact", 0.0), ("f1", 0.1)],
    ]
    assert result.case.place.file == ""


def test_scores_that_a_baseline_lacks_are_left_out() -> None:
    held = baseline_of({"a": BaselineCase("f", (1.0, 1.0), {"f1": (0.9,)})}, scorers=("f1",))
    [result] = newer_of(held).results
    assert [len(trial.scores) for trial in result.trials] == [1, 0]


_CASES = st.dictionaries(
    st.text(min_size=1),
    st.builds(
        lambda fingerprint, marks: BaselineCase(
            fingerprint,
            tuple(value for value, _ in marks),
            {"f1": tuple(mark for _, mark in marks)} if any(value != mark for value, mark in marks) else {},
        ),
        st.text(),
        st.lists(st.tuples(st.sampled_from((0.0, 1.0)), st.floats(0, 1)), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=5,
)


@given(cases=_CASES)
def test_a_baseline_comes_back_from_its_suite_as_it_was(cases: Mapping[str, BaselineCase]) -> None:
    held = baseline_of(cases, scorers=("f1",))
    found = older_of(newer_of(held), _RUN)
    assert (dict(found.baseline.cases), found.unanswered) == (dict(cases), frozenset())
    assert found.baseline.scorers == held.scorers


def test_only_cases_with_an_output_on_both_sides_are_comparable() -> None:
    older = older_of(_suite(_result("a"), _result("b", "errored"), _result("c"), _result("d")), _RUN)
    newer = _suite(_result("a"), _result("b"), _result("c", "not_run"), _result("d", "errored"), _result("e"))
    assert _ids(comparable(newer, older)) == ["a", "d", "e"]


def test_a_stopped_suite_keeps_its_plan() -> None:
    older = older_of(_suite(_result("a"), _result("b")), _RUN)
    assert _ids(comparable(_suite(_result("a"), _result("b", "not_run"), stopped=True), older)) == ["a", "b"]
