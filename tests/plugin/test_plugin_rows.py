"""Fields of rows in a session: weight, trials, split, asserts; scorers that only warn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.plugin.conftest import jsonl

from pytest_evalgate.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.plugin.conftest import Project


def _rows(project: Project, *rows: Mapping[str, object], **settings: str) -> None:
    """Write a suite whose rows have recorded outputs."""
    project.suite({}, target='{ recorded = "golden/faq.out.jsonl" }', **settings)
    project.write("golden/faq.jsonl", jsonl([{"input": "?", **row, "output": None} for row in rows]))
    outputs = [{"id": row["id"], "output": row.get("output")} for row in rows]
    project.write("golden/faq.out.jsonl", jsonl(outputs))


def test_weights_are_in_the_rate_of_every_report(project: Project) -> None:
    _rows(
        project,
        {"id": "a", "expected": "x", "output": "x", "weight": 3},
        {"id": "b", "expected": "x", "output": "y"},
    )
    result = project.run("--eval-report", "reports")
    assert project.verdict["suites"]["faq"]["pass_rate"] == pytest.approx(0.75)
    assert project.verdict["suites"]["faq"]["weighting"] == {"n_eff": pytest.approx(1.6), "changed": 0}
    result.stdout.fnmatch_lines(["*1/2  75.0% (*) weighted, n_eff 2*"])


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_case_has_its_own_trials(project: Project, workers: tuple[str, ...]) -> None:
    project.python_suite("def answer(question):\n    note(question)\n    return 'yes'\n", "a", "b")
    project.write(
        "golden/faq.jsonl",
        jsonl(
            [{"id": id_, "input": id_, "expected": "yes", **more} for id_, more in (("a", {"trials": 3}), ("b", {}))]
        ),
    )
    project.run(*workers)
    asked = sorted((project.path / "calls").read_text().split())
    assert asked == ["a", "a", "a", "b"]
    assert project.verdict["accounting"]["planned"] == 2
    assert project.verdict["suites"]["faq"]["trials"] == 1


def test_trials_of_a_case_are_estimated(project: Project) -> None:
    project.python_suite("def answer(question):\n    return 'yes'\n", "a")
    project.write("golden/faq.jsonl", jsonl([{"id": "a", "input": "a", "expected": "yes", "trials": 5}]))
    project.run("--eval-estimate").stdout.fnmatch_lines(["*this run will make 5 calls of your function*"])


def test_more_trials_than_recorded_outputs_are_refused_with_the_line(project: Project) -> None:
    _rows(project, {"id": "a", "expected": "x", "output": "x", "trials": 2})
    with pytest.raises(UserError, match=r"golden/faq.jsonl:1: trials: 2 wanted, but 1 output recorded"):
        project.check()


def test_fewer_trials_than_the_aggregate_needs_are_refused_with_the_line(project: Project) -> None:
    code = "def answer(question):\n    return 'yes'\n"
    project.suite({"a": None}, target='{ python = "bot:answer" }', trials="3", aggregate='"pass^3"')
    project.write_bot(code)
    project.write("golden/faq.jsonl", jsonl([{"id": "a", "input": "a", "expected": "yes", "trials": 2}]))
    with pytest.raises(UserError, match=r"golden/faq.jsonl:1: trials: 2, but pass\^3 needs 3"):
        project.check()


def test_trials_of_a_marked_test_are_those_of_its_case(project: Project) -> None:
    rows = [{"id": "a", "input": "a", "expected": "yes", "trials": 2}, {"id": "b", "input": "b", "expected": "yes"}]
    project.write("golden/code.jsonl", jsonl(rows))
    project.test("return 'yes'")
    project.run()
    assert project.verdict["accounting"]["passed"] == 2


def test_only_the_rows_of_the_split_run(project: Project) -> None:
    _rows(
        project,
        {"id": "a", "expected": "x", "output": "x", "split": "test"},
        {"id": "b", "expected": "x", "output": "y", "split": "train"},
        {"id": "c", "expected": "x", "output": "y"},
        split='"test"',
    )
    project.run()
    assert project.verdict["accounting"]["planned"] == 1
    assert project.verdict["verdict"] == "pass"


def test_a_split_without_rows_is_refused_with_those_that_exist(project: Project) -> None:
    _rows(project, {"id": "a", "expected": "x", "output": "x", "split": "test"}, split='"tets"')
    expected = r'suites.faq.split: no row has the split "tets"; did you mean "test"\?; there are: test \(1 case\)'
    with pytest.raises(UserError, match=expected):
        project.check()


def test_rows_of_several_splits_without_a_choice_are_named(project: Project) -> None:
    _rows(
        project,
        {"id": "a", "expected": "x", "output": "x", "split": "test"},
        {"id": "b", "expected": "x", "output": "x", "split": "train"},
    )
    listed = project.listed(project.run())
    listed.fnmatch_lines(['*split: it has no effect (2 cases): every split runs: name one, split = "NAME"*'])


def test_a_scorer_that_warns_decides_nothing_and_is_reported(project: Project) -> None:
    warn = '["exact", { kind = "length", max = 2, severity = "warn" }]'
    _rows(project, {"id": "a", "expected": "long", "output": "long"}, scorers=warn)
    result = project.run()
    assert project.verdict["verdict"] == "pass"
    result.stdout.fnmatch_lines(['*WARN faq: length (severity = "warn") missed 1 case, first golden/faq.jsonl:1: *'])


def test_a_scorer_that_warns_changes_no_fingerprint(project: Project) -> None:
    row = {"id": "a", "expected": "x", "output": "x"}
    _rows(project, row)
    plain = project.assembly().ready("faq").plan
    project.write("evalgate.toml", "")
    _rows(project, row, scorers='["exact", { kind = "length", max = 2, severity = "warn" }]')
    assert project.assembly().ready("faq").plan == plain


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"scorers": '[{ kind = "exact", severity = "warn" }]'},
            'suites.faq.scorers: all scorers have severity = "warn", so none decides what passes',
        ),
        ({"scorers": "[]"}, "suites.faq.scorers: empty, and no case has asserts"),
        (
            {
                "scorers": '["exact", { kind = "length", max = 9, severity = "warn" }]',
                "gates": '[{ kind = "mean-score", scorer = "length", min = 0.5 }]',
            },
            'suites.faq.gates: mean-score: scorer "length" has severity = "warn" and decides nothing',
        ),
        (
            {"scorers": '["exact", { kind = "length", max = 9, severity = "warn", weight = 2 }]'},
            r'suites.faq.scorers\[1\]: length: weight: with severity = "warn" it decides nothing',
        ),
    ],
)
def test_a_suite_that_cannot_decide_is_refused_before_any_call(
    project: Project, settings: dict[str, str], problem: str
) -> None:
    gates = settings.pop("gates", '[{ kind = "pass-rate", min = 0.5, bound = "point" }]')
    _rows(project, {"id": "a", "expected": "x", "output": "x"}, gates=gates.strip("[]"), **settings)
    with pytest.raises(UserError, match=problem):
        project.check()


def test_rows_with_asserts_alone_need_no_scorer(project: Project) -> None:
    _rows(
        project,
        {"id": "a", "output": "within 30 days", "asserts": [{"kind": "contains", "value": "30 days"}]},
        {"id": "b", "output": "no", "expected": "yes"},
        gates='{ kind = "pass-rate", min = 0.5, bound = "point" }',
    )
    project.run()
    assert project.outcomes == {"a": "passed", "b": "missed"}


def test_scorers_that_the_suite_names_grade_rows_with_asserts_too(project: Project) -> None:
    row = {"id": "a", "output": "x", "asserts": [{"kind": "contains", "value": "x"}]}
    _rows(project, row, scorers='["exact"]')
    with pytest.raises(UserError, match=r"golden/faq.jsonl:1: exact"):
        project.check()
